"""Searches in several processes and on a real Dask cluster: the same answer, and what becomes of lost workers."""

import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from tests.support.quick_task import csv
from weighbridge.domain.data.dataset import Dataset
from weighbridge.domain.errors import ComputeUnavailable, ConfigurationError, TaskError
from weighbridge.domain.tasks.time_to_dispatch import TIME_TO_DISPATCH, simulate
from weighbridge.domain.training.estimator import EstimatorSpec
from weighbridge.domain.training.search.progress import SearchProgress
from weighbridge.domain.training.search.search import Candidate, search
from weighbridge.entrypoints.cli.main import main
from weighbridge.entrypoints.cluster import fits_on_cluster
from weighbridge.entrypoints.training.parallel import parallel_fits, sent_along

COMMAND = Path(sys.executable).with_name("weighbridge")
SCHEMA = TIME_TO_DISPATCH.schema
TRAIN = Dataset(simulate(300, 7)[[*SCHEMA.feature_names, SCHEMA.target.name]], SCHEMA)
ALPHAS = {"model__alpha": [0.01, 100.0, 0.1, 1.0, 10.0, 0.2, 2.0, 20.0]}


class Deadly(Ridge):  # type: ignore[misc]
    """Kills the process that fits it: once when it has a file to leave a mark in, each time when it has none.

    Only the fits of a search, on fewer rows than there are, are deadly.
    """

    def __init__(self, alpha: float = 1.0, mark: str | None = None) -> None:
        super().__init__(alpha)
        self.mark = mark

    def fit(self, features: Any, target: Any) -> Any:
        if len(target) < 300 and self.alpha == 1.0:
            try:
                if self.mark is not None:
                    os.close(os.open(self.mark, os.O_CREAT | os.O_EXCL))
                os.kill(os.getpid(), signal.SIGKILL)
            except FileExistsError:
                pass
        return super().fit(features, target)


def ridge(seed: int, model: Any = None) -> Pipeline:
    columns = make_column_transformer((OneHotEncoder(), ["product_code"]), ("passthrough", ["orders_placed"]))
    return Pipeline([("columns", columns), ("model", Ridge() if model is None else model)])


#: A task for the command line.
LINEAR = replace(TIME_TO_DISPATCH, estimator=EstimatorSpec(ridge, ALPHAS), checks=(), rules=())


class Unwatched(SearchProgress):
    def start(self, total: int) -> None: ...

    def advance(self, steps: int, best: float | None) -> None: ...

    def finish(self) -> None: ...


def searched(spec: EstimatorSpec, workers: int | None = None, dask: str | None = None) -> Candidate:
    with parallel_fits(replace(TIME_TO_DISPATCH, estimator=spec), workers, dask):
        return search(spec, TRAIN, 42, Unwatched())


def same(found: Candidate, expected: Candidate) -> bool:
    assert (found.params, found.search) == (expected.params, expected.search)
    return np.array_equal(found.model.predict(TRAIN.features), expected.model.predict(TRAIN.features))


class Cluster(NamedTuple):
    """A scheduler and its workers."""

    address: str
    workers: list[subprocess.Popen[str]]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Dask cluster of two processes on loopback. They have the libraries, and not Weighbridge."""
    folder = tmp_path_factory.mktemp("cluster")
    libraries = {**os.environ, "PYTHONPATH": sysconfig.get_paths()["purelib"]}

    def start(program: str, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-S", "-m", f"distributed.cli.{program}", *arguments, "--no-dashboard"]
        with (folder / "log").open("a") as log:
            return subprocess.Popen(command, cwd=folder, env=libraries, stdout=log, stderr=log, text=True)

    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    processes = [start("dask_scheduler", "--host", "127.0.0.1", "--port", address.rpartition(":")[2])]
    processes += [start("dask_worker", address, "--no-nanny", "--nthreads", "1") for _ in range(2)]
    from distributed import Client

    try:
        with Client(address, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        yield Cluster(address, processes[1:])
    finally:
        for each in processes:
            each.kill()
            each.wait()


def test_a_cluster_that_has_not_our_code_finds_the_same(cluster: Cluster) -> None:
    for spec in (
        EstimatorSpec(ridge, ALPHAS, folds=3, search="halving"),
        # A class of a module that the workers do not have either.
        EstimatorSpec(lambda seed: ridge(seed, Deadly()), {"model__alpha": [0.1, 5.0]}),
    ):
        assert same(searched(spec, dask=cluster.address), searched(spec))


def test_a_lost_worker_does_not_lose_the_search(cluster: Cluster, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    spec = EstimatorSpec(lambda seed: ridge(seed, Deadly(mark=str(mark))), ALPHAS)
    found = searched(spec, dask=cluster.address)
    assert mark.exists()
    assert sorted(worker.poll() is None for worker in cluster.workers) == [False, True]
    # The mark is made, so that nothing kills this process.
    assert same(found, searched(spec))


def test_code_that_the_workers_do_not_have_is_a_fault_of_the_task(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    here_only = ModuleType("here_only")
    exec("from sklearn.linear_model import Ridge\nclass Own(Ridge): pass", here_only.__dict__)
    monkeypatch.setitem(sys.modules, here_only.__name__, here_only)
    spec = EstimatorSpec(lambda seed: ridge(seed, here_only.Own()))
    words = "the task's code cannot be loaded by the workers of .*: No module named 'here_only'"
    with pytest.raises(TaskError, match=words), fits_on_cluster(cluster.address):
        search(spec, TRAIN, 42, Unwatched())


def test_a_cluster_that_loses_all_its_workers_is_given_up(cluster: Cluster) -> None:
    task = replace(TIME_TO_DISPATCH, estimator=EstimatorSpec(lambda seed: ridge(seed, Deadly()), ALPHAS))
    words = f"the cluster {cluster.address} lost all its workers in the middle of the search, and none came back"
    with (
        pytest.raises(ComputeUnavailable, match=words),
        sent_along(task),
        fits_on_cluster(cluster.address, patience=0.0),
    ):
        search(task.estimator, TRAIN, 42, Unwatched())
    assert all(worker.wait(timeout=60) for worker in cluster.workers)
    with pytest.raises(ComputeUnavailable, match=f"the cluster {cluster.address} has no worker: start one"):
        searched(LINEAR.estimator, dask=cluster.address)


def test_two_processes_find_the_same_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    records = []
    for options in ([], ["--workers", "2"]):
        store = tmp_path / f"store{len(records)}"
        (store / "datasets").mkdir(parents=True)
        (store / "datasets/time_to_dispatch_2021-07-01.csv").write_bytes(csv())
        arguments = ["--store", str(store), "--task", f"{__file__}:LINEAR", "--error-threshold", "0", "--json"]
        monkeypatch.setattr(sys, "argv", ["weighbridge", "train", *arguments, *options])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0
        records.append(json.loads(capsys.readouterr().out))
    one, two = records
    assert two["training"]["search"]["points"] == 8
    for same_part in ("metrics", "checks", "test_predictions", "golden"):
        assert one[same_part] == two[same_part]
    assert one["model"]["sha256"] == two["model"]["sha256"]
    assert [one["training"][name] for name in ("params", "search")] == [
        two["training"][name] for name in ("params", "search")
    ]


def test_a_killed_process_is_said_so() -> None:
    with pytest.raises(ComputeUnavailable, match="one of the 2 processes of the search was killed"):
        searched(EstimatorSpec(lambda seed: ridge(seed, Deadly()), ALPHAS), workers=2)


def test_a_scheduler_that_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
    with (
        pytest.raises(ComputeUnavailable, match=f"no Dask scheduler answers at {address} within 5 seconds: check"),
        parallel_fits(TIME_TO_DISPATCH, None, address),
    ):
        pass


@pytest.mark.parametrize("address", ["", "scheduler", "tcp://", "tcp://host", "http://host:8786", "tcp://host:x"])
def test_what_is_no_address(address: str) -> None:
    with (
        pytest.raises(ConfigurationError, match="is not an address such as tcp://scheduler:8786"),
        parallel_fits(TIME_TO_DISPATCH, None, address),
    ):
        pass


def test_workers_and_a_cluster_do_not_go_together() -> None:
    with (
        pytest.raises(ConfigurationError, match="--workers and --dask cannot go together"),
        parallel_fits(TIME_TO_DISPATCH, 2, "tcp://127.0.0.1:1"),
    ):
        pass


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "weighbridge.entrypoints.cluster", raising=False)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(
            ConfigurationError, match=r"--dask needs the extra 'dask': pip install 'weighbridge\[dask\]'"
        ),
        parallel_fits(TIME_TO_DISPATCH, None, "tcp://127.0.0.1:1"),
    ):
        pass


ENDLESS = '''
import sys
from dataclasses import replace
from sklearn.svm import SVR
from weighbridge.domain.training.estimator import EstimatorSpec
from weighbridge.domain.tasks.time_to_dispatch import TIME_TO_DISPATCH

class Endless(SVR):
    """Minutes in native code, without a look at signals."""
    def fit(self, features, target):
        print("fitting", file=sys.stderr, flush=True)
        return super().fit(features, target)

def pipeline(seed):
    made = TIME_TO_DISPATCH.estimator.pipeline(seed)
    made.steps[-1] = ("regressor", Endless(kernel="poly", degree=11, C=1e9))
    return made

TASK = replace(TIME_TO_DISPATCH, estimator=EstimatorSpec(pipeline))
'''

#: In each process at its start: of the search's processes, all but the first are a minute late.
LATE = """
import os, sys, time
if any("loky.backend.popen_loky" in argument for argument in sys.orig_argv):
    try:
        os.close(os.open(os.environ["FIRST"], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        time.sleep(60)
"""


@pytest.mark.parametrize(
    ("options", "number", "expected"),
    [
        pytest.param([], signal.SIGTERM, 143, id="SIGTERM, one process"),
        pytest.param(["--workers", "2"], signal.SIGINT, 130, id="Ctrl-C, two processes"),
    ],
)
def test_a_signal_ends_a_search_that_is_in_native_code(
    tmp_path: Path, options: list[str], number: signal.Signals, expected: int
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(LATE)
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    (tmp_path / "store/datasets").mkdir(parents=True)
    (tmp_path / "store/datasets/time_to_dispatch_2021-07-01.csv").write_bytes(csv(1000))
    (tmp_path / "endless.py").write_text(ENDLESS)
    before = sorted(tmp_path.rglob("*"))
    command = [COMMAND, "train", "--store", "store", "--task", "endless.py:TASK", *options]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": os.pathsep.join(paths),
            "FIRST": str(site / "first"),
        },
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as train:
        try:
            assert train.stderr is not None
            assert any("fitting" in line for line in train.stderr)
            # As a terminal does: to every process of the group.
            os.killpg(train.pid, number)
            code = train.wait(timeout=120)
            # The end of stderr: no process is left that has it open.
            _, told = train.communicate(timeout=120)
        finally:
            if train.poll() is None:
                os.killpg(train.pid, signal.SIGKILL)
    assert code == expected
    assert "Traceback" not in told
    (site / "first").unlink(missing_ok=True)
    assert sorted(tmp_path.rglob("*")) == before
