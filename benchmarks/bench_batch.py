"""How many rows a second one core predicts from table to table, beside pandas and scikit-learn doing the same.

Each way runs in a process of its own, pinned to one core, in turn and over several rounds. What a process needs to
start, imports and loading the model, is told apart as ``start_seconds``; rows per second are those of the CPU time
(and of the time on the clock) from then on. Prints JSON lines: one for each way and round, then the medians with
their ratios to pandas in the same round. ``--rows`` and ``--rounds`` change how long it takes.
"""

import argparse
import http.client
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from bench_serving import COMMAND, cpu_seconds, pinned

from weighbridge.domain.tasks.time_to_dispatch import simulate

PATH = "/api/v0.1/time_to_dispatch/batch"
TYPES = {"json": "application/json", "csv": "text/csv", "parquet": "application/vnd.apache.parquet"}
TYPES["arrow"] = "application/vnd.apache.arrow.stream"

#: The way of most batch jobs: a frame, the fitted pipeline out of a pickle, a frame.
PANDAS = """
import json, pickle, sys, time
import pandas as pd
source, target, model = sys.argv[1:]
pipeline = pickle.load(open(model, "rb"))
print(json.dumps([time.process_time(), time.perf_counter()]))
kind = source.rpartition(".")[2]
frame = pd.read_csv(source) if kind == "csv" else pd.read_parquet(source)
frame["est_hours_to_dispatch"] = pipeline.predict(frame)
frame.to_csv(target, index=False) if kind == "csv" else frame.to_parquet(target, index=False)
print(json.dumps([time.process_time(), time.perf_counter()]))
"""

#: What ``weighbridge predict SOURCE TARGET`` does once it has started.
OURS = """
import json, sys, time
import pyarrow.csv, pyarrow.parquet
from weighbridge.entrypoints.batch.file_prediction import FileJob, predict_file
from weighbridge.entrypoints.settings import load_settings
source, target, store, version, warm = sys.argv[1:]
settings = load_settings({"store": store})
job = lambda source, target: FileJob(source, target, "time_to_dispatch", version, settings, True, False, True)
predict_file(job(warm, target))
print(json.dumps([time.process_time(), time.perf_counter()]))
predict_file(job(source, target))
print(json.dumps([time.process_time(), time.perf_counter()]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--request-rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), arguments)


def run(folder: Path, arguments: argparse.Namespace) -> None:
    store, version = make_release(folder)
    make_tables(folder, arguments.rows)
    bodies = make_bodies(folder, arguments.request_rows)
    ways: dict[str, Callable[[], dict[str, Any]]] = {}
    for kind in ("parquet", "csv"):
        source, target = str(folder / f"in.{kind}"), str(folder / f"out.{kind}")
        given = [source, target, str(folder / "model.pickle")]
        ways[f"pandas, {kind} to {kind}"] = by_process(PANDAS, given, arguments.rows)
        given = [source, target, str(store), version, str(folder / f"warm.{kind}")]
        ways[f"weighbridge, {kind} to {kind}"] = by_process(OURS, given, arguments.rows)
    rounds: list[dict[str, dict[str, Any]]] = []
    for number in range(arguments.rounds):
        rounds.append({name: way() for name, way in ways.items()})
        rounds[-1] |= over_http(store, bodies, arguments.request_rows)
        for name, measured in rounds[-1].items():
            print(json.dumps({"round": number, "way": name, **measured}), flush=True)
    for name in rounds[0]:
        medians: dict[str, Any] = {
            key: statistics.median(each[name][key] for each in rounds) for key in rounds[0][name]
        }
        kind = name.rpartition(" ")[2]
        pandas = f"pandas, {kind} to {kind}"
        if pandas in rounds[0] and not name.startswith("pandas"):
            ratios = [each[name]["rows_per_cpu_second"] / each[pandas]["rows_per_cpu_second"] for each in rounds]
            medians["ratio_to_pandas"] = round(statistics.median(ratios), 2)
        print(json.dumps({"median": name, **medians}), flush=True)


def make_release(folder: Path) -> tuple[Path, str]:
    """A store with a release of the benchmark's tree, and the same pipeline for pandas."""
    import pickle

    from serving_tasks import TREE

    dataset, store = folder / "dataset.csv", folder / "store"
    frame = simulate(1000, seed=1)
    frame.to_csv(dataset, index=False)
    options = ["--store", str(store), "--task", f"{HERE / 'serving_tasks.py'}:TREE", "--log-level", "error"]
    for command in ([COMMAND, "datasets", "put", str(dataset), *options], [COMMAND, "train", *options]):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    shown = subprocess.run(
        [COMMAND, "models", "show", "live", "--json", "--store", str(store)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    pipeline = TREE.estimator.pipeline(0).fit(
        frame[list(TREE.schema.feature_names)], frame[TREE.schema.target.name]
    )
    (folder / "model.pickle").write_bytes(pickle.dumps(pipeline))
    return store, str(json.loads(shown)["version"])


def make_tables(folder: Path, rows: int) -> None:
    """The input as Parquet and CSV, and a few rows of it to warm up with."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(0)
    products = np.array([f"SKU00{place}" for place in range(1, 6)], object)
    frame = pd.DataFrame({"orders_placed": rng.integers(0, 180, rows), "product_code": rng.choice(products, rows)})
    for name, some in (("in", frame), ("warm", frame.head(1000))):
        some.to_parquet(folder / f"{name}.parquet", index=False)
        some.to_csv(folder / f"{name}.csv", index=False)


def make_bodies(folder: Path, rows: int) -> dict[str, tuple[str, bytes]]:
    """Requests of so many rows, by what they are."""
    import io

    import pandas as pd
    import pyarrow as pa

    frame = pd.read_parquet(folder / "in.parquet").head(rows)
    columns = {"orders_placed": frame["orders_placed"].tolist(), "product_code": frame["product_code"].tolist()}
    by_row = [{"orders_placed": n, "product_code": code} for n, code in zip(*columns.values(), strict=True)]
    parquet, arrow = io.BytesIO(), io.BytesIO()
    frame.to_parquet(parquet, index=False)
    table = pa.table(columns)
    with pa.ipc.new_stream(arrow, table.schema) as writer:
        writer.write_table(table)
    return {
        "columns of json": ("json", json.dumps(columns, separators=(",", ":")).encode()),
        "rows of json": ("json", json.dumps(by_row, separators=(",", ":")).encode()),
        "csv": ("csv", frame.to_csv(index=False).encode()),
        "parquet": ("parquet", parquet.getvalue()),
        "arrow": ("arrow", arrow.getvalue()),
    }


def by_process(code: str, arguments: list[str], rows: int) -> Callable[[], dict[str, Any]]:
    def measure() -> dict[str, Any]:
        path = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ARROW_NUM_THREADS"), "1")
        said = subprocess.run(
            [*pinned(0), sys.executable, "-c", code, *arguments],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, **one_thread, "PYTHONPATH": path},
        ).stdout
        (cpu_before, before), (cpu_after, after) = map(json.loads, said.splitlines()[-2:])
        return {
            "rows_per_cpu_second": round(rows / (cpu_after - cpu_before)),
            "rows_per_second": round(rows / (after - before)),
            "start_seconds": round(cpu_before, 2),
        }

    return measure


def over_http(store: Path, bodies: dict[str, tuple[str, bytes]], rows: int) -> dict[str, dict[str, Any]]:
    """Each body several times, to one service."""
    process = subprocess.Popen(
        [*pinned(0), COMMAND, "serve", "--store", str(store), "--port", "0"], stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        port = next(int(found[1]) for line in process.stderr if (found := re.search(r"127\.0\.0\.1:(\d+)", line)))
        measured = {}
        for name, (kind, body) in bodies.items():
            post(port, kind, body)
            before, started, times = cpu_seconds(process.pid), time.perf_counter(), 5
            for _ in range(times):
                post(port, kind, body)
            seconds, used = time.perf_counter() - started, cpu_seconds(process.pid) - before
            measured[f"over http, {name}"] = {
                "rows_per_cpu_second": round(times * rows / used),
                "rows_per_second": round(times * rows / seconds),
            }
        return measured
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)


def post(port: int, kind: str, body: bytes) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", PATH, body, {"Content-Type": TYPES[kind]})
    answer = connection.getresponse()
    content = answer.read()
    assert answer.status == 200, content[:500]
    connection.close()


if __name__ == "__main__":
    main()
