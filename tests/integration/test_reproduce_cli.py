"""``weighbridge reproduce``, ``models promote`` and ``models rollback``: exit codes, tables and documents."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.integration.conftest import s3_client, shared_client
from tests.support.commands import Command
from tests.support.quick_task import QUICK, copy, csv, store_of_two, two_releases
from weighbridge.adapters.local.store import LocalStore
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.adapters.s3.store import S3Store
from weighbridge.adapters.system import SystemClock

COMMAND = Path(sys.executable).with_name("weighbridge")
TASK_REF = f"{Path(__file__).parents[1] / 'support' / 'quick_task.py'}:QUICK"
TASK = QUICK.name


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A local store with two releases; the second is live."""
    root = tmp_path / "store"
    copy(store_of_two(), LocalStore(root, create=True))
    return root


def tamper(store: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Write the live release's record anew, with one thing changed."""
    path = store / two_releases()[1].version.record_key
    document = json.loads(path.read_text())
    change(document)
    path.chmod(0o644)
    path.write_text(json.dumps(document))


def rows_of(table: str) -> list[list[str]]:
    """The cells of a table without lines."""
    return [re.split(r"  +", line) for line in table.splitlines()]


ROWS = [
    "rows of the dataset",
    "parameter regressor__max_depth",
    "metric r2",
    "metric mean_absolute_error",
    "metric root_mean_squared_error",
    "predictions on the golden rows",
    "predictions on the test rows",
]


def test_a_release_is_reproduced_by_another_process(store: Path) -> None:
    _, live = two_releases()
    done = subprocess.run(
        [COMMAND, "reproduce", "live", "--store", str(store), "--task", TASK_REF],
        env={**os.environ, "GIT_COMMIT_HASH": live.record.code.revision},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    head, *rows, verdict = rows_of(done.stdout)
    assert head == ["RESULT", "WHAT", "RECORDED", "REPRODUCED"]
    assert [row[:2] for row in rows] == [["same", what] for what in ROWS]
    assert [row[2] == row[3] for row in rows] == [True] * len(ROWS)
    assert rows[2][2] == repr(live.record.metrics["r2"])
    # What is long is cut.
    assert rows[5][2] == repr([row.prediction for row in live.record.golden])[:37] + "..."
    assert verdict == [f"{live.version} was reproduced to the last bit"]


def test_what_differs_is_shown_and_the_command_fails(command: Command, store: Path) -> None:
    _, live = two_releases()
    r2 = float(np.nextafter(live.record.metrics["r2"], 0))

    def change(record: dict[str, Any]) -> None:
        record["metrics"]["r2"] = r2
        record["libraries"]["numpy"] = "1.0"
        record["code"]["revision"] = "0123abcd"

    tamper(store, change)
    done = command("reproduce", str(live.version), "--store", str(store), "--task", TASK_REF)
    assert done.code == 1
    said, *table = done.out.splitlines()
    assert said == "the environment differs from the recorded one, which alone may change results:"
    head, revision, numpy, results, *rows, verdict = rows_of("\n".join(table))
    assert head == ["WHAT", "RECORDED", "NOW"]
    assert revision[:2] == ["code revision", "0123abcd"]
    assert numpy == ["library numpy", "1.0", np.__version__]
    assert results[0] == "RESULT"
    assert [(row[0], row[1]) for row in rows] == [
        ("DIFFERENT" if what == "metric r2" else "same", what) for what in ROWS
    ]
    assert rows[2] == ["DIFFERENT", "metric r2", repr(r2), repr(live.record.metrics["r2"])]
    assert verdict == [f"{live.version} was NOT reproduced"]
    [line] = done.err.splitlines()
    assert line.endswith(
        f"{live.version} was not reproduced: install the code and the libraries of its record, and run this again"
    )


@pytest.mark.parametrize("search", [False, True])
def test_as_a_document(command: Command, store: Path, search: bool) -> None:
    first, _ = two_releases()
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    options = ["--search"] if search else []
    done = command(
        "reproduce", first.version.qualified, "--store", str(store), "--task", TASK_REF, "--json", *options
    )
    assert done.code == 0
    document = json.loads(done.out)
    assert set(document) == {"version", "holds", "environment", "results"}
    assert (document["version"], document["holds"]) == (str(first.version), True)
    what = [ROWS[0], "search score", *ROWS[1:]] if search else ROWS
    assert [(one["what"], one["same"]) for one in document["results"]] == [(each, True) for each in what]
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*")} == before


def test_a_document_of_what_differs(command: Command, store: Path) -> None:
    tamper(store, lambda record: record.update(test_predictions="0" * 64))
    done = command("reproduce", "live", "--store", str(store), "--task", TASK_REF, "--json")
    assert done.code == 1
    document = json.loads(done.out)
    assert document["holds"] is False
    assert [one["what"] for one in document["results"] if not one["same"]] == ["predictions on the test rows"]


def test_what_cannot_be_reproduced_ends_with_its_own_code(command: Command, store: Path, tmp_path: Path) -> None:
    _, live = two_releases()
    at = ("--store", str(store), "--task", TASK_REF)
    unknown = command("reproduce", "2021-07-03T23-05-32Z-0a1b2c3d", *at)
    assert (unknown.code, unknown.out) == (2, "")
    assert "there is no release 2021-07-03T23-05-32Z-0a1b2c3d" in unknown.err
    assert command("reproduce", "newest", *at).code == 2
    (tmp_path / "empty").mkdir()
    nothing = command("reproduce", "live", "--store", "empty", "--task", TASK_REF)
    assert (nothing.code, nothing.out) == (2, "")

    dataset = store / live.record.dataset.key
    dataset.rename(tmp_path / "aside.csv")
    gone = command("reproduce", "live", *at)
    assert (gone.code, gone.out) == (4, "")
    assert "the dataset is gone from the store" in gone.err
    dataset.write_bytes(csv(seed=9))
    replaced = command("reproduce", "live", *at)
    assert (replaced.code, replaced.out) == (4, "")
    assert f"not {live.record.dataset.sha256} as recorded: it was replaced since" in replaced.err


def test_in_a_versioned_bucket_the_very_version_is_fetched(command: Command, moto_bucket: str) -> None:
    client = s3_client()
    client.put_bucket_versioning(Bucket=moto_bucket, VersioningConfiguration={"Status": "Enabled"})
    key = f"datasets/{TASK}_2021-07-01.csv"
    client.put_object(Bucket=moto_bucket, Key=key, Body=csv(seed=1))
    at = ("--store", f"s3://{moto_bucket}", "--task", TASK_REF)
    trained = json.loads(command("train", *at, "--json").out)
    assert trained["dataset"]["version_id"]
    client.put_object(Bucket=moto_bucket, Key=key, Body=csv(seed=2))
    assert S3Store(shared_client(), moto_bucket, "").read(key).sha256 != trained["dataset"]["sha256"]
    assert command("reproduce", trained["version"], *at).code == 0
    client.delete_object(Bucket=moto_bucket, Key=key, VersionId=trained["dataset"]["version_id"])
    gone = command("reproduce", "live", *at)
    assert gone.code == 4
    assert "the dataset is gone from the store" in gone.err


# Going back


def test_rolling_back_and_promoting(command: Command, store: Path) -> None:
    first, live = two_releases()
    registry = StoreRegistry(LocalStore(store), SystemClock())
    at = ("--store", str(store))
    back = command("models", "rollback", "--reason", "odd hours", *at)
    assert (back.code, back.out, back.err) == (0, f"{first.version} is live now\n", "")
    promotion = registry.live(TASK)
    assert (promotion.version, promotion.reason, promotion.hold) == (first.version, "odd hours", False)

    held = command("models", "promote", str(live.version), "--reason", "fixed", "--hold", *at, "--json")
    assert held.code == 0
    promotion = registry.live(TASK)
    assert json.loads(held.out) == promotion.to_dict()
    assert (promotion.version, promotion.hold) == (live.version, True)

    named = command("models", "rollback", "--to", first.version.qualified, "--reason", "no", "--hold", *at)
    assert named.out == f"{first.version} is live now, and held: later trainings publish without promoting\n"
    assert [one["live"] for one in json.loads(command("models", "list", *at, "--json").out)] == [False, True]
    assert len(list(registry.promotions(TASK))) == 5


def test_a_rollback_that_cannot_be(command: Command, store: Path) -> None:
    first, live = two_releases()
    registry = StoreRegistry(LocalStore(store), SystemClock())
    at = ("--store", str(store))
    unknown = "2021-07-03T23-05-32Z-0a1b2c3d"
    for arguments in (["rollback", "--to", unknown], ["promote", unknown], ["promote", "live"]):
        done = command("models", *arguments, "--reason", "why not", *at)
        assert (done.code, done.out) == (2, "")
    assert command("models", "rollback", *at).code == 2
    assert registry.live(TASK).version == live.version

    # The log is damaged: what the last promotion goes back to is gone.
    log = sorted((store / "promotions").iterdir())
    assert [json.loads(path.read_text())["version"] for path in log] == [str(first.version), str(live.version)]
    log[0].unlink()
    damaged = command("models", "rollback", "--reason", "why not", *at)
    assert (damaged.code, damaged.out) == (4, "")
    assert f"promotions/{log[0].name}" in damaged.err
    assert sorted((store / "promotions").iterdir()) == log[1:]

    log[1].unlink()
    assert command("models", "promote", str(live.version), "--reason", "the only one", *at).code == 0
    alone = command("models", "rollback", "--reason", "why not", *at)
    assert (alone.code, alone.out) == (2, "")
    assert alone.err.splitlines()[-1].endswith(
        f"nothing of {TASK} was live before {live.version}; name a version to go back to with --to, "
        "'weighbridge models list' shows them"
    )
    assert registry.live(TASK).version == live.version
