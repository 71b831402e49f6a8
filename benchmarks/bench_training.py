"""What a training costs, as a process and in its parts: one JSON line per measurement, with what is demanded.

- ``cpu_ratio``: the search for decision trees against GridSearchCV, and how well their scores agree; see
  ``bench_tree_search``, whose measurement it is. Above 1,000 rows GridSearchCV is extrapolated from a sample of
  points, whose number the line states.
- ``train``: CPU seconds and peak memory of the whole ``weighbridge train``, imports and export included, as users
  run it: the shipped task with its full grid on 1,000 rows, into a store with nothing but the dataset and into
  one with a live model to compare with; and HistGradientBoosting on 100,000 rows.
- ``admit``: reading and admitting 1,000,000 rows, digest included, against bare pandas that reads the same file:
  out of a local store, as ``train`` does, and of a file, as ``datasets put`` does. Memory is what the process's
  peak grew by, the file's bytes included where they are held, in units of the frame's own size.

Seconds are CPU seconds, user and system, of all threads; MB are 10^6 bytes. Each measurement has processes of its
own and is their median; for ``admit`` the least of them, since so short a time is often another's disturbance.

Run as ``python benchmarks/bench_training.py [search] [train] [admit] [--quick]``, all three by default.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench_tree_search import cpu_ratio, report

from weighbridge.domain.store.artefacts import dataset_key
from weighbridge.domain.tasks.time_to_dispatch import TIME_TO_DISPATCH, simulate

SRC = Path(__file__).resolve().parents[1]

#: What is demanded of ``weighbridge train`` with the shipped task on 1,000 rows, and of admission.
TRAIN_CPU_SECONDS, TRAIN_PEAK_MB = 5, 300
ADMIT_TIME_RATIO, ADMIT_MEMORY_RATIO = 1.5, 3

#: Runs a command and tells what it cost. A process of its own, as a child's peak begins with its parent's size.
RUNNER = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
json.dump({
    "exit_code": done.returncode,
    "printed": done.stdout,
    "told": done.stderr,
    "cpu_seconds": usage.ru_utime + usage.ru_stime,
    "peak_mb": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6,
}, sys.stdout)
"""

COMMAND = (
    "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); runpy.run_module('weighbridge', run_name='__main__')"
)

BOOSTING = """
from dataclasses import replace

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from weighbridge.domain.training.estimator import EstimatorSpec
from weighbridge.domain.tasks.time_to_dispatch import PRODUCTS, TIME_TO_DISPATCH


def pipeline(seed):
    one_hot = OneHotEncoder(categories=[list(PRODUCTS)], sparse_output=False)
    columns = ColumnTransformer([("one_hot", one_hot, ["product_code"])], remainder="passthrough")
    return Pipeline([("features", columns), ("regressor", HistGradientBoostingRegressor(random_state=seed))])


GRID = {"regressor__learning_rate": [0.05, 0.1], "regressor__max_leaf_nodes": [15, 31]}
TASK = replace(TIME_TO_DISPATCH, estimator=EstimatorSpec(pipeline, GRID))
"""

READING = """
import io, json, resource, sys, time
from pathlib import Path
import pandas as pd
import pyarrow.parquet
sys.path.insert(0, sys.argv[1])
from weighbridge.adapters.local.store import LocalStore
from weighbridge.adapters.tables.dataset_reader import TabularReader
from weighbridge.domain.data.admission import admit
from weighbridge.domain.store.artefacts import digest_of
from weighbridge.domain.tasks.time_to_dispatch import TIME_TO_DISPATCH as TASK, simulate

how, root, key, small = sys.argv[2:]
store, read = LocalStore(Path(root), create=False), {".csv": pd.read_csv, ".parquet": pd.read_parquet}

def bare(key):
    return read[Path(key).suffix](Path(root, key))

def from_file(key):
    with Path(root, key).open("rb") as file:
        digest_of(file)
        return admit(TabularReader().read_file(key, file, TASK.schema), TASK.schema, key).frame

def from_store(key):
    artefact = store.read(key)
    return admit(TabularReader().read(artefact, TASK.schema), TASK.schema, key).frame

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

def now():
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * resource.getpagesize() if statm.exists() else peak()

chosen = {"bare": bare, "file": from_file, "store": from_store}[how]
chosen(small)  # imports and first calls are nobody's cost
before, begun = now(), time.process_time()
frame = chosen(key)
seconds, grown = time.process_time() - begun, peak() - before
json.dump({"seconds": seconds, "grown": grown, "frame": int(frame.memory_usage(deep=True).sum())}, sys.stdout)
"""


def train(
    name: str, rows: int, repeats: int, task: str | None = None, live: bool = False, demands: bool = False
) -> None:
    found = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            write_dataset(root / "store", rows, seed=7)
            command = [sys.executable, "-c", COMMAND, str(SRC), "train", "--json", "--store", str(root / "store")]
            if task is not None:
                (root / "task.py").write_text(task, encoding="utf-8")
                command += ["--task", f"{root / 'task.py'}:TASK"]
            if live:
                measured(command, dict(os.environ))
                write_dataset(root / "store", rows, seed=8)
            found.append(measured(command, dict(os.environ)))
    record = json.loads(found[0]["printed"])
    points = record["training"]["search"]["points"]
    line = {"measurement": "train", "task": name, "rows": rows, "points": points, "live_model": live}
    for cost, demanded in (("cpu_seconds", TRAIN_CPU_SECONDS), ("peak_mb", TRAIN_PEAK_MB)):
        line[cost] = statistics.median(one[cost] for one in found)
        if demands:
            line[f"{cost}_demanded_below"] = demanded
    line |= {"outcome": record["outcome"], "format": record["model"]["format"], "r2": record["metrics"]["r2"]}
    report(line | {"processes": repeats})


def admission(rows: int, repeats: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for suffix in (".csv", ".parquet"):
            key, small = write_dataset(root, rows, 7, suffix), write_dataset(root, 10, 8, suffix)
            costs: dict[str, list[dict]] = {"bare": [], "file": [], "store": []}
            for _ in range(repeats):
                for how, found in costs.items():
                    command = [sys.executable, "-c", READING, str(SRC), how, str(root), key, small]
                    found.append(json.loads(measured(command, dict(os.environ))["printed"]))
            seconds = {how: min(one["seconds"] for one in found) for how, found in costs.items()}
            grown = {how: max(one["grown"] for one in found) for how, found in costs.items()}
            for how in ("file", "store"):
                frame = costs[how][0]["frame"]
                line = {"measurement": "admit", "rows": rows, "format": suffix[1:], "out_of": how}
                line |= {"file_mb": (root / key).stat().st_size / 1e6, "frame_mb": frame / 1e6}
                line |= {"pandas_cpu_seconds": seconds["bare"], "cpu_seconds": seconds[how]}
                line |= {"time_ratio": seconds[how] / seconds["bare"], "time_ratio_demanded": ADMIT_TIME_RATIO}
                line |= {"pandas_memory_ratio": grown["bare"] / frame, "memory_ratio": grown[how] / frame}
                report(line | {"memory_ratio_demanded": ADMIT_MEMORY_RATIO, "processes": repeats})


def write_dataset(root: Path, rows: int, seed: int, suffix: str = ".csv") -> str:
    """Simulate a dataset of the shipped task into a store; its key. The time it tells is its seed's."""
    key = dataset_key(TIME_TO_DISPATCH.name, datetime(2021, 7, seed, tzinfo=UTC), suffix)
    path = root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = simulate(rows, seed)
    if suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, index=False)
    return key


def measured(command: list[str], environment: dict[str, str]) -> dict:
    """What a command printed and cost; see RUNNER."""
    runner = [sys.executable, "-c", RUNNER, *command]
    found = json.loads(subprocess.run(runner, stdout=subprocess.PIPE, check=True, env=environment).stdout)
    if found["exit_code"] != 0:
        sys.exit(f"exit code {found['exit_code']} of: {' '.join(command)}\n{found['told']}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measurements", nargs="*", help="search, train or admit; all by default")
    parser.add_argument("--quick", action="store_true", help="small sizes: to see that it runs")
    arguments = parser.parse_args()
    chosen = arguments.measurements or ["train", "admit", "search"]
    if unknown := set(chosen) - {"search", "train", "admit"}:
        parser.error(f"no such measurement: {', '.join(sorted(unknown))}")
    quick = arguments.quick
    if "train" in chosen:
        for live in (False, True):
            train(TIME_TO_DISPATCH.name, 1_000, repeats=1 if quick else 5, live=live, demands=True)
        train("hist_gradient_boosting", 2_000 if quick else 100_000, repeats=1, task=BOOSTING)
    if "admit" in chosen:
        admission(50_000 if quick else 1_000_000, repeats=1 if quick else 7)
    if "search" in chosen:
        for rows in [2_000] if quick else [1_000, 10_000, 100_000]:
            cpu_ratio(rows)


if __name__ == "__main__":
    main()
