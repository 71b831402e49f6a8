"""A service that logs what it answers, killed and ended in the middle, and ``weighbridge monitor`` on its log."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from tests.support.commands import Command, Done
from tests.support.quick_task import QUICK, copy, store_of_two, two_releases
from weighbridge.adapters.local.store import LocalStore
from weighbridge.domain.tasks.time_to_dispatch import simulate

COMMAND = Path(sys.executable).with_name("weighbridge")
PATH = f"/api/v0.1/{QUICK.name}"
ROWS = 100


class Service:
    """A process that serves, and what it says."""

    def __init__(self, process: "subprocess.Popen[str]", client: httpx.Client, log: Path) -> None:
        self.process, self._client, self._log = process, client, log

    def post(self, count: int, orders: float = 0.0, seed: int = 77) -> None:
        rows = simulate(count, seed)[list(QUICK.schema.feature_names)].to_dict("records")
        for place, row in enumerate(rows):
            content = row | {"orders_placed": row["orders_placed"] + orders}
            headers = {"X-Request-Id": f"{seed}/{place}"}
            assert self._client.post(PATH, json=content, headers=headers).status_code == 200

    def metric(self, name: str) -> float:
        text = self._client.get("/metrics").text
        found = re.search(rf"^weighbridge_prediction_log_{name} (\S+)$", text, re.MULTILINE)
        assert found, text
        return float(found[1])

    def wait_for(self, name: str, value: float) -> None:
        end = time.monotonic() + 60
        while self.metric(name) != value:
            assert time.monotonic() < end, self.metric(name)
            time.sleep(0.02)

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=60)

    @property
    def said(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text().splitlines()]


@contextmanager
def serving(folder: Path) -> Iterator[Service]:
    """``weighbridge serve`` with its log on, whose files are full at ROWS and never old."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WEIGHBRIDGE_")}
    settings = {"PREDICTION_LOG": "true", "PREDICTION_LOG_ROWS": str(ROWS), "PREDICTION_LOG_SECONDS": "3600"}
    settings |= {"PREDICTION_LOG_REDACT": "request_id", "DRAIN_SECONDS": "0", "LOG_FORMAT": "json"}
    (folder / "tmp").mkdir(exist_ok=True)
    path = folder / f"{time.monotonic_ns()}.log"
    with path.open("w") as log:
        process = subprocess.Popen(
            [COMMAND, "serve", "--store", folder / "store", "--port", "0"],
            env=kept
            | {f"WEIGHBRIDGE_{name}": value for name, value in settings.items()}
            | {"TMPDIR": f"{folder}/tmp"},
            stderr=log,
            text=True,
        )
    try:
        end = time.monotonic() + 60
        while not (found := re.search(r"listening on (http://127\.0\.0\.1:\d+)", path.read_text())):
            assert process.poll() is None, path.read_text()
            assert time.monotonic() < end
            time.sleep(0.02)
        with httpx.Client(base_url=found[1], timeout=60, trust_env=False) as client:
            yield Service(process, client, path)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which two services have logged: the first was killed, the second was told to end."""
    folder = tmp_path_factory.mktemp("logged")
    copy(store_of_two(), LocalStore(folder / "store", create=True))
    with serving(folder) as service:
        service.post(2 * ROWS + 30)
        service.wait_for("rows_total", 2 * ROWS)
        assert service.metric("waiting") == 30
        maps = Path(f"/proc/{service.process.pid}/maps")
        if maps.exists():
            # Nothing but pyarrow is paid for.
            assert not {"pandas", "sklearn"} & set(maps.read_text().replace("\n", "/").split("/"))
        assert service.end(signal.SIGKILL) == -signal.SIGKILL
    with serving(folder) as service:
        service.post(20, seed=78)
        assert service.metric("lost_total") == 30
        assert service.end(signal.SIGTERM) == 0
        assert [line["message"] for line in service.said if line.get("event") == "predictions_lost"] == [
            "the prediction log has lost 30 answers: at most so many, with a process that was killed"
        ]
    return folder


@pytest.fixture
def run(folder: Path, command: Command) -> Command:
    """Runs ``weighbridge monitor`` in this process."""

    def monitor(*arguments: str, store: Path = folder / "store") -> Done:
        return command("monitor", "--store", str(store), *arguments)

    return monitor


def test_a_kill_loses_the_buffer_alone_and_an_end_loses_nothing(folder: Path) -> None:
    files = sorted((folder / "store" / "predictions").iterdir())
    tables = [pq.read_table(path) for path in files]
    assert sorted(table.num_rows for table in tables) == [20, ROWS, ROWS]
    for table in tables:
        assert table.column_names == [
            *QUICK.schema.feature_names,
            "est_hours_to_dispatch",
            "model_version",
            "time",
        ]
        assert set(table["model_version"].to_pylist()) == {str(two_releases()[1].version)}
    assert list((folder / "tmp").iterdir()) == []


def test_what_is_as_it_was_is_fine(run: Callable[..., Done]) -> None:
    done = run("--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    version = str(two_releases()[1].version)
    assert (document["task"], document["version"], document["level"]) == (QUICK.name, version, "ok")
    assert (document["rows"], document["files"]) == (2 * ROWS + 20, 3)
    assert run("--since", "1h").out.splitlines()[-1] == "verdict   ok"


def test_a_window_without_answers_is_an_alarm(run: Callable[..., Done]) -> None:
    done = run("--from", "2021-07-01", "--to", "2021-07-02T12:00:00Z")
    assert done.code == 3
    assert done.out.splitlines()[0] == "window    2021-07-01 00:00:00Z to 2021-07-02 12:00:00Z"
    assert done.out.splitlines()[-1] == "nothing was logged in this window"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--since", "soon"), "--since: 'soon' is no age"),
        (("--since", "1h", "--from", "2021-07-01"), "--since and --from exclude each other"),
        (("--from", "then"), "--from is 'then', which is not a time"),
        (("--from", "2021-07-02", "--to", "2021-07-02"), "--from must be before --to"),
        (("--to", "0001-01-01", "--since", "4w"), "before all time"),
    ],
)
def test_a_window_has_to_be_one(run: Callable[..., Done], arguments: tuple[str, ...], says: str) -> None:
    done = run(*arguments)
    assert done.code == 2
    assert says in done.err


def test_drift_and_a_broken_log_are_told_by_exit_codes(
    run: Callable[..., Done], folder: Path, tmp_path: Path
) -> None:
    with serving(folder) as service:
        service.post(3 * ROWS, orders=200, seed=79)
        assert service.end(signal.SIGTERM) == 0
    done = run("--json")
    assert done.code == 3
    document = json.loads(done.out)
    assert document["level"] == "error"
    assert document["reasons"][0].startswith("feature drift by population stability index: 'orders_placed'")
    assert "an error level is reached: feature drift by population stability index" in done.err
    text = run()
    assert text.code == 3
    assert text.out.splitlines()[-1] == "verdict   error"

    store = LocalStore(tmp_path / "store", create=True)
    copy(store_of_two(), store)
    name = f"predictions/{QUICK.name}_{time.strftime('%Y-%m-%dT%H-%M-%SZ', time.gmtime())}-00000000.parquet"
    store.write(name, b"no Parquet")
    broken = run("--from", "2021-01-01", "--to", "9999-01-01", store=tmp_path / "store")
    assert broken.code == 4
    assert "no prediction log can be read from it" in broken.err
