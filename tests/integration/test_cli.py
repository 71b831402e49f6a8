"""The command line: whole commands as real processes, and the table of what it refuses in this process."""

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.conftest import s3_client
from tests.support.commands import COMMAND, LOG_LINE, Command, Done, run_process
from tests.support.quick_task import copy, csv, store_of_two, two_releases
from tests.support.record_rules import valid_record
from weighbridge.adapters.local.store import LocalStore
from weighbridge.adapters.system import SystemClock
from weighbridge.domain.tasks.time_to_dispatch import simulate
from weighbridge.entrypoints.service.server import listen

#: The shipped task with one point in its grid; its name is that of the shipped one.
QUICK = f"{Path(__file__).parents[1] / 'support' / 'quick_task.py'}:QUICK"
TASK = "time_to_dispatch"
DATASET = f"datasets/{TASK}_2021-07-01T16|45|38.csv"
ROW = '{"product_code": "SKU001", "orders_placed": 10}'


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands run in an empty folder, and the environment of whoever runs the tests does not count."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("WEIGHBRIDGE_", "AWS_"))]:
        monkeypatch.delenv(name)
    # Reports are tested where they are made.
    monkeypatch.setenv("WEIGHBRIDGE_NO_REPORT", "1")


def process(*arguments: str, **environment: str) -> Done:
    """Runs the installed command."""
    return run_process(*arguments, env={**os.environ, **environment})


def store_at(root: Path, data: bytes | str | None) -> Path:
    """A local store with one dataset, or with none."""
    (root / "datasets").mkdir(parents=True)
    if data is not None:
        (root / DATASET).write_bytes(data if isinstance(data, bytes) else data.encode())
    return root


def files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def released_store(root: Path) -> Path:
    """A local store with two releases."""
    copy(store_of_two(), LocalStore(root, create=True))
    return root


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


# Training


def test_a_training_and_what_is_read_of_it_afterwards(tmp_path: Path) -> None:
    store = store_at(tmp_path / "store", csv())
    train = ("train", "--store", str(store), "--task", QUICK, "--json")

    first = process(*train, GIT_COMMIT_HASH="0123abcd")
    assert first.code == 0, first.err
    record = first.document
    version = record["version"]
    assert (record["outcome"], record["task"], record["decision"]) == (
        "released",
        TASK,
        {"verdict": "release", "summary": "Released", "reasons": []},
    )
    assert (record["dataset"]["key"], record["dataset"]["rows"]) == (DATASET, 400)
    assert record["code"]["revision"] == "0123abcd"
    assert 0.9 <= record["metrics"]["r2"] <= 1
    assert all(check["passed"] for check in record["checks"])
    assert record["schema"]["prediction"] == "est_hours_to_dispatch"
    assert (store / record["model"]["key"]).stat().st_size == record["model"]["size"]
    stored = valid_record(json.loads((store / f"models/{TASK}_{version}.json").read_text()))
    assert record == stored | {"outcome": "released"}
    assert [LOG_LINE.fullmatch(line) is not None for line in first.err.splitlines()] == [True] * 5
    assert first.err.splitlines()[-1].endswith(f"{version} is live now (trained on {DATASET}: release)")
    promotions = [name for name in files(store) if name.startswith("promotions/")]
    assert len(promotions) == 1
    [trained] = [name for name in files(store) if name.startswith("trained/")]
    assert files(store) == {DATASET, record["model"]["key"], trained, f"models/{TASK}_{version}.json", *promotions}

    # The second run finds nothing new; here everything comes from the environment.
    again = process(
        "train",
        WEIGHBRIDGE_STORE=store.as_uri(),
        WEIGHBRIDGE_TASK=QUICK,
        WEIGHBRIDGE_JSON="1",
        WEIGHBRIDGE_LOG_FORMAT="json",
    )
    assert again.code == 0
    assert again.document == stored | {"outcome": "nothing_new"}
    told = [json.loads(line) for line in again.err.splitlines()]
    assert [(line["level"], line["event"]) for line in told] == [
        ("info", "dataset_chosen"),
        ("info", "nothing_new"),
    ]
    assert all({"time", "level", "message"} <= set(line) for line in told)
    assert (told[0]["key"], told[1]["version"]) == (DATASET, version)
    assert len(files(store)) == 5


def test_trained_again_by_force_and_told_to_people(command: Command, tmp_path: Path) -> None:
    store = str(released_store(tmp_path / "store"))
    people = command("train", "--store", store, "--task", QUICK, "--force")
    assert people.code == 0
    report = {line.split()[0] for line in people.out.splitlines()}
    assert report == {"dataset", "search", "metric", "check", "verdict", "model", "live"}
    listed = command("models", "list", "--store", store, "--json").document
    assert [one["live"] for one in listed] == [True, False, False]
    nothing = command("train", "--store", store, "--task", QUICK)
    assert nothing.code == 0
    assert "nothing to do: this dataset was trained on already; --force trains on it again" in nothing.out


def test_a_refusal_leaves_its_record_and_nothing_else(tmp_path: Path) -> None:
    store = store_at(tmp_path / "store", csv())
    done = process("train", "--store", str(store), "--task", QUICK, "--json", "--error-threshold", "0.99")
    assert done.code == 3
    record = done.document
    kept = f"rejected/{TASK}_{record['version']}.json"
    assert (record["outcome"], record["decision"]["verdict"]) == ("rejected", "reject")
    assert len(record["decision"]["reasons"]) == 1
    assert "0.99" in record["decision"]["reasons"][0]["text"]
    assert record["model"]["key"] is None
    [trained] = [name for name in files(store) if name.startswith("trained/")]
    assert files(store) == {DATASET, kept, trained}
    assert json.loads((store / kept).read_text()) == {
        name: value for name, value in record.items() if name != "outcome"
    }
    last = LOG_LINE.fullmatch(done.err.splitlines()[-1])
    assert last is not None
    assert last[1] == "error"
    assert "nothing is live: fix the source data or the task" in last[2]
    assert f"weighbridge models show {record['version']}" in last[2]


def test_between_the_thresholds_is_a_release_with_a_warning(command: Command, tmp_path: Path) -> None:
    store = store_at(tmp_path / "store", csv())
    levels = ("--error-threshold", "0.9", "--warning-threshold", "0.99")
    done = command("train", "--store", str(store), "--task", QUICK, "--json", *levels)
    assert done.code == 0
    decision = done.document["decision"]
    assert (done.document["outcome"], decision["verdict"]) == ("released", "release_with_warning")
    assert len(decision["reasons"]) == 1
    assert "0.99" in decision["reasons"][0]["text"]

    # A worse model is refused then, and the one before stays live.
    refused = command("train", "--store", str(store), "--task", QUICK, "--force", "--error-threshold", "0.99")
    assert refused.code == 3
    assert (
        refused.err.splitlines()[-1]
        .partition("refused, and ")[2]
        .startswith(f"{done.document['version']} stays live: ")
    )
    assert f"live      {done.document['version']}" in refused.out


# What is wrong before any data is read

USAGE = [
    (
        ["--error-threshold", "0.95", "--warning-threshold", "0.9"],
        ["warning threshold", "0.9", "error threshold, 0.95"],
    ),
    (["--warning-threshold", "0.7"], ["warning threshold", "0.7", "error threshold, 0.8"]),
    (["--error-threshold", "1.5"], ["error threshold of r2 is 1.5", "from 0 to 1"]),
    (["--error-threshold", "-0.5"], ["error threshold of r2 is -0.5", "from 0 to 1"]),
    (["--warning-threshold", "nan"], ["warning threshold of r2 is nan", "from 0 to 1"]),
    (["--warning-threshold", "1.01"], ["warning threshold of r2 is 1.01", "from 0 to 1"]),
    (["--task", "sorting"], ["there is no task 'sorting'", "time_to_dispatch", "path/to/file.py:ATTRIBUTE"]),
    (["--task", "absent.module:TASK"], ["there is no module 'absent.module'"]),
    (["--task", "absent.py:TASK"], ["there is no file 'absent.py'"]),
    (["--store", "ftp://host/dir"], ["'ftp://host/dir'", "./dir", "s3://bucket/prefix"]),
    (["--store", "s3://"], ["'s3://'", "s3://bucket/prefix"]),
    (["--store", ""], ["address is empty"]),
    (["--store", "absent"], ["/absent: there is no such folder", "check the path"]),
]


@pytest.mark.parametrize(("options", "said"), USAGE, ids=[" ".join(options) for options, _ in USAGE])
def test_a_wrong_option_ends_with_2_and_one_line(
    command: Command, tmp_path: Path, options: list[str], said: list[str]
) -> None:
    # Data that cannot be admitted: had it been read, the code would be 4.
    store = store_at(tmp_path / "weighbridge-store", "")
    done = command("train", *options)
    assert (done.code, done.out) == (2, "")
    assert [text for text in said if text not in done.error] == []
    assert files(store) == {DATASET}

    debugged = command("train", "--debug", *options)
    assert debugged.code == 2
    assert "Traceback (most recent call last):" in debugged.err


def test_what_a_reference_names_must_be_a_task(command: Command, tmp_path: Path) -> None:
    store = store_at(tmp_path / "weighbridge-store", "")
    (tmp_path / "broken.py").write_text("TASK = 1 / 0")
    for reference, said in (
        ("weighbridge.domain.tasks.time_to_dispatch:TASK", "TIME_TO_DISPATCH"),
        ("weighbridge.domain.tasks.time_to_dispatch:PRODUCTS", "tuple"),
        ("broken.py:TASK", "ZeroDivisionError: division by zero"),
    ):
        done = command("train", "--task", reference)
        assert (done.code, done.out) == (2, "")
        assert said in done.err.splitlines()[0]
        assert "Traceback" not in done.err
    assert files(store) == {DATASET}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "--error-threshold", "high"], "--error-threshold"),
        (["train", "--colour"], "No such option: --colour"),
        (["serve", "--port", "65536"], "--port"),
        (["train", "--log-format", "xml"], "--log-format"),
        (["fly"], "No such command 'fly'"),
        (["reproduce"], "Missing argument 'version'"),
    ],
)
def test_what_cannot_be_parsed_ends_with_2_and_says_where_help_is(
    command: Command, arguments: list[str], said: str
) -> None:
    done = command(*arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err.splitlines()[-1]
    assert re.search(r"Try 'weighbridge.* --help' for help", done.err)


@pytest.mark.parametrize(
    ("name", "value"),
    [("STORE_ATTEMPTS", "0"), ("STORE_ATTEMPTS", "many"), ("MAX_BODY_BYTES", "0"), ("REFRESH_SECONDS", "-1")],
)
def test_a_wrong_variable_is_named(
    command: Command, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"WEIGHBRIDGE_{name}", value)
    done = command("serve")
    assert (done.code, done.out) == (2, "")
    assert f"WEIGHBRIDGE_{name}" in done.error
    assert value in done.error


# Bad data

GOOD = simulate(60, 1)
LONELY = GOOD[(GOOD["product_code"] != "SKU005") | ~GOOD["product_code"].duplicated()].reset_index(drop=True)
LONELY_ROW = 1 + int(LONELY.index[LONELY["product_code"] == "SKU005"][0])

BAD_DATA: dict[str, tuple[str | None, list[str]]] = {
    "no dataset": (None, [f"there is no dataset of {TASK}.*weighbridge datasets put"]),
    "empty": ("", [r"the object is empty \(0 bytes\)"]),
    "no rows": ("hours_to_dispatch,orders_placed,product_code\n", ["there are no rows"]),
    "missing column": (
        GOOD.drop(columns="orders_placed").to_csv(index=False),
        ["column 'orders_placed': .*missing.*number not below 0"],
    ),
    "extra column": (GOOD.assign(colour="red").to_csv(index=False), ["column 'colour': .*not part of the task.*"]),
    "unknown product": (
        GOOD.to_csv(index=False) + "1.5,10,SKU009\n",
        [r"column 'product_code', row 61: .*SKU001, SKU002.*\(found 'SKU009'\)"],
    ),
    "nulls": (
        GOOD.to_csv(index=False) + ",10,SKU001\n1.5,,SKU001\n1.5,10,\n",
        [
            "column 'orders_placed', row 62: .*nothing.*",
            "column 'product_code', row 63: .*nothing.*",
            "column 'hours_to_dispatch', row 61: .*nothing.*",
        ],
    ),
    "text for numbers": (
        GOOD.to_csv(index=False) + "1.5,many,SKU001\nlong,1,SKU001\n",
        [
            r"column 'orders_placed', row 61: .*\(found 'many'\)",
            r"column 'hours_to_dispatch', row 62: .*\(found 'long'\)",
        ],
    ),
    "out of range": (
        GOOD.to_csv(index=False) + "1.5,-1,SKU001\ninf,1,SKU001\n",
        [
            r"column 'orders_placed', row 61: .*\(found -1(\.0)?\)",
            r"column 'hours_to_dispatch', row 62: .*\(found inf\)",
        ],
    ),
    "one row of a class": (
        LONELY.to_csv(index=False),
        [rf"column 'product_code', row {LONELY_ROW}: .*\(found 'SKU005'\)"],
    ),
    "uneven rows": (GOOD.to_csv(index=False) + "1,2,SKU001,4\n", ["line 62 has 4 fields, the header has 3"]),
}


@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_data_ends_with_4_names_every_fault_and_writes_nothing(
    command: Command, tmp_path: Path, case: str
) -> None:
    data, faults = BAD_DATA[case]
    store = store_at(tmp_path / "store", data)
    before = files(store)
    done = command("train", "--store", str(store), "--log-level", "error")
    assert (done.code, done.out) == (4, "")
    head, *told, last = done.err.splitlines()
    place = store.as_uri() if data is None else DATASET
    assert LOG_LINE.fullmatch(head)
    assert head.endswith(f"{place}: {len(faults)} problem{'s' * (len(faults) > 1)}")
    assert len(told) == len(faults)
    for fault, line in zip(faults, told, strict=True):
        assert re.match(f"  {fault}", line), line
    assert last.startswith("Nothing was written. ")
    assert files(store) == before


def test_bad_data_is_not_put(command: Command, tmp_path: Path) -> None:
    store = store_at(tmp_path / "store", None)
    (tmp_path / "bad.csv").write_text(GOOD.to_csv(index=False) + "1.5,10,SKU009\n")
    done = command("datasets", "put", "bad.csv", "--store", str(store))
    assert (done.code, done.out) == (4, "")
    assert "column 'product_code', row 61: " in done.err
    assert files(store) == set()


# Object storage


def test_a_training_on_s3(command: Command, bucket: str, aws: dict[str, str]) -> None:
    s3_client().put_object(Bucket=bucket, Key=f"some/prefix/{DATASET}", Body=csv())
    store = f"s3://{bucket}/some/prefix"
    done = process("train", "--store", store, "--task", QUICK, "--json", **aws)
    assert done.code == 0, done.err
    record = done.document
    assert (record["outcome"], record["dataset"]["key"]) == ("released", DATASET)
    keys = {entry["Key"] for entry in s3_client().list_objects_v2(Bucket=bucket)["Contents"]}
    assert {
        f"some/prefix/{key}"
        for key in (DATASET, record["model"]["key"], f"models/{TASK}_{record['version']}.json")
    } < keys
    assert len([key for key in keys if key.startswith("some/prefix/trained/")]) == 1
    assert len(keys) == 5
    assert all(key.startswith("some/prefix/") for key in keys)
    answer = command("predict", "--store", store, "--row", ROW)
    assert answer.document["model_version"] == f"{TASK}/{record['version']}"


def test_a_bucket_that_is_not_there_is_a_matter_of_configuration(command: Command, aws: dict[str, str]) -> None:
    done = command("train", "--store", "s3://weighbridge-absent/prefix")
    assert (done.code, done.out) == (2, "")
    assert "s3://weighbridge-absent" in done.error


@pytest.mark.parametrize("arguments", [["train"], ["serve"], ["models", "list"], ["datasets", "list", "--json"]])
def test_an_endpoint_that_does_not_answer_can_be_tried_again(
    command: Command, aws: dict[str, str], monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("WEIGHBRIDGE_STORE_ATTEMPTS", "1")
    done = command(*arguments, "--store", "s3://bucket/prefix")
    assert (done.code, done.out) == (75, "")
    assert "s3://bucket/prefix" in done.error


# Serving


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], httpx.Client, list[dict[str, Any]]]]:
    """``weighbridge serve`` on a free port: the process, a client of it, and its log up to listening."""
    server = subprocess.Popen(
        [COMMAND, "serve", "--port", "0", "--log-format", "json", *arguments], stderr=subprocess.PIPE, text=True
    )
    assert server.stderr is not None
    try:
        log = []
        for line in server.stderr:
            log.append(json.loads(line))
            if "listening on" in log[-1]["message"]:
                break
        found = re.match(r"listening on (http://127\.0\.0\.1:\d+)", log[-1]["message"])
        assert found is not None, log
        with httpx.Client(base_url=found[1], timeout=120, trust_env=False) as client:
            yield server, client, log
    finally:
        server.kill()
        server.wait()
        server.stderr.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serving_ends_well_when_told_to(tmp_path: Path, number: signal.Signals) -> None:
    store = released_store(tmp_path / "store")
    _, live = two_releases()
    with serving("--store", str(store)) as (server, client, log):
        assert [line.get("event") for line in log] == ["model_loaded", "service_listening"]
        assert client.get("/readyz").json()["model_version"] == f"{TASK}/{live.version}"
        answer = client.post(f"/api/v0.1/{TASK}", content=ROW, headers={"Content-Type": "application/json"})
        assert answer.json()["model_version"] == f"{TASK}/{live.version}"
        server.send_signal(number)
        assert server.wait(timeout=120) == 0
        assert server.stderr is not None
        assert server.stderr.read() == ""


def test_serving_waits_for_a_training(command: Command, tmp_path: Path) -> None:
    store = store_at(tmp_path / "store", csv())
    with serving("--store", str(store), "--wait", "--refresh-seconds", "0.02") as (_, client, log):
        assert len(log) == 1
        waiting = client.get("/readyz")
        assert waiting.status_code == 503
        assert "'weighbridge train' makes one" in waiting.json()["problem"]
        assert client.get("/livez").status_code == 200
        trained = command("train", "--store", str(store), "--task", QUICK, "--json").document
        clock = SystemClock()
        end = clock.seconds() + 60
        while (ready := client.get("/readyz")).status_code == 503:
            assert clock.seconds() < end
        assert ready.json()["model_version"] == f"{TASK}/{trained['version']}"


def test_serving_without_a_release_names_the_command_that_makes_one(command: Command, tmp_path: Path) -> None:
    store = store_at(tmp_path / "store", csv())
    done = command("serve", "--store", str(store))
    assert (done.code, done.out) == (2, "")
    assert "'weighbridge train'" in done.error
    assert store.as_uri() in done.error


def test_a_port_in_use_is_told_with_the_way_out(command: Command, tmp_path: Path) -> None:
    store = released_store(tmp_path / "store")
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        done = command("serve", "--store", str(store), "--port", str(port), "--log-level", "error")
    assert (done.code, done.out) == (2, "")
    assert f"127.0.0.1 port {port}" in done.error
    assert done.error.endswith("choose others with --host and --port")


# One row


def test_a_row_is_predicted(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released_store(tmp_path / "elsewhere")
    _, live = two_releases()
    monkeypatch.setenv("WEIGHBRIDGE_STORE", "elsewhere")
    monkeypatch.setenv("WEIGHBRIDGE_ROW", ROW)
    done = command("predict")
    assert (done.code, done.err) == (0, "")
    assert set(done.document) == {"est_hours_to_dispatch", "model_version"}
    assert done.document["model_version"] == f"{TASK}/{live.version}"
    golden = live.record.golden[0]
    one = command("predict", "--row", json.dumps(golden.inputs)).document
    assert one["est_hours_to_dispatch"] == pytest.approx(golden.prediction, rel=1e-5)


@pytest.mark.parametrize(
    ("row", "faults"),
    [
        ('{"product_code": "SKU009", "orders_placed": "10"}', ["orders_placed", "product_code"]),
        ('{"product_code": "SKU001", "orders_placed": Infinity}', ["orders_placed"]),
        ('{"product_code": "SKU001", "orders_placed": true, "colour": 1}', ["orders_placed", "colour"]),
        ("{}", ["orders_placed", "product_code"]),
    ],
)
def test_a_bad_row_ends_with_4_and_says_what_a_row_is(
    command: Command, tmp_path: Path, row: str, faults: list[str]
) -> None:
    store = released_store(tmp_path / "store")
    done = command("predict", "--store", str(store), "--row", row)
    assert (done.code, done.out) == (4, "")
    head, *told, last = done.err.splitlines()
    assert re.search(rf"--row: {len(faults)} problems?$", head)
    assert [line.partition(": ")[0] for line in told] == [f"  column '{name}'" for name in faults]
    # No dataset has to be fixed for this.
    assert last == "Fix the row; 'weighbridge models show live' lists the features that it needs."


@pytest.mark.parametrize("row", ["", "orders_placed=10", "[]", "10", "null", "[" * 100_000, f"[{'1' * 5000}]"])
def test_a_row_that_is_no_json_object_ends_with_2(command: Command, tmp_path: Path, row: str) -> None:
    done = command("predict", "--store", "absent", "--row", row)
    assert (done.code, done.out) == (2, "")
    assert done.error.startswith("--row is not ")


# Datasets and models


def test_a_dataset_is_put_and_listed(command: Command, tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_bytes(csv())
    put = ("datasets", "put", "orders.csv", "--store", "new/store")
    first = command(*put, "--at", "2021-07-03 23:05:32+01:00", "--json")
    key = f"datasets/{TASK}_2021-07-03T22-05-32Z.csv"
    assert (first.code, first.err) == (0, "")
    assert {name: first.document[name] for name in ("key", "size", "rows")} == {
        "key": key,
        "size": len(csv()),
        "rows": 400,
    }
    assert (tmp_path / "new/store" / key).read_bytes() == csv()

    taken = command(*put, "--at", "2021-07-03T22:05:32")
    assert taken.code == 2
    assert key in taken.err
    assert taken.err.splitlines()[-1] == "Nothing is ever overwritten; choose another time or name."

    (tmp_path / f"new/store/datasets/{TASK}_latest.csv").write_bytes(csv())
    assert command(*put).code == 0
    listed = command("datasets", "list", "--store", "new/store", "--json").document
    assert [set(one) for one in listed] == [{"key", "timestamp", "size", "revision", "releases"}] * 3
    assert listed[1]["timestamp"] == "2021-07-03T22:05:32Z"
    assert (listed[2]["key"], listed[2]["timestamp"]) == (f"datasets/{TASK}_latest.csv", None)
    table = command("datasets", "list", "--store", "new/store").out.splitlines()
    assert table[0].split() == ["TIME", "KEY", "BYTES", "REVISION", "RELEASES"]
    shown = [[one["key"], str(one["size"]), one["revision"]] for one in listed]
    assert [line.split()[-3:] for line in table[1:]] == shown
    assert table[3].startswith("unreadable name")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["absent.csv"], "'absent.csv' cannot be read: No such file or directory"),
        (["orders.json"], "'orders.json' does not end in .csv, .csv.gz, .csv.zst, .parquet"),
        (["orders.csv", "--at", "yesterday"], "--at is 'yesterday'"),
    ],
)
def test_a_put_that_cannot_be_makes_no_store(
    command: Command, tmp_path: Path, arguments: list[str], said: str
) -> None:
    (tmp_path / "orders.csv").write_bytes(csv())
    done = command("datasets", "put", "--store", "new", *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.error
    assert not (tmp_path / "new").exists()


def test_models_are_listed_and_shown(command: Command, tmp_path: Path) -> None:
    store = released_store(tmp_path / "store")
    first, live = two_releases()
    documents = {
        str(one.version): json.loads((store / one.version.record_key).read_text()) for one in (first, live)
    }
    at = ("--store", str(store))

    listed = command("models", "list", *at, "--json").document
    newest_first = sorted(documents, reverse=True)
    assert listed == [documents[one] | {"live": one == str(live.version), "hold": False} for one in newest_first]
    table = command("models", "list", *at).out.splitlines()
    assert table[0].split() == ["VERSION", "LIVE", "HOLD", "WHEN", "VERDICT", "METRICS", "DATASET"]
    assert [(line.split()[0], line.split()[1] == "live") for line in table[1:]] == [
        (one, one == str(live.version)) for one in newest_first
    ]

    assert command("models", "show", "live", *at, "--json").document == documents[str(live.version)]
    for name in (str(first.version), first.version.qualified):
        assert command("models", "show", name, *at, "--json").document == documents[str(first.version)]
    shown = command("models", "show", "live", *at).out
    for text in (str(live.version), live.record.dataset.sha256, live.record.model.sha256, "regressor__max_depth"):
        assert text in shown
    assert re.search(r"^feature +orders_placed: expected a number not below 0$", shown, re.MULTILINE)
    assert re.search(r"^feature +product_code: expected one of SKU001, .*SKU005$", shown, re.MULTILINE)
    assert re.search(r"^target +hours_to_dispatch, predicted as est_hours_to_dispatch$", shown, re.MULTILINE)
    # Tables end where their text ends.
    assert [line for line in [*table, *shown.splitlines()] if line != line.rstrip()] == []


def test_a_version_that_is_not_there_is_told(command: Command, tmp_path: Path) -> None:
    store = str(store_at(tmp_path / "store", None))
    shown = [
        command("models", "show", version, "--store", store)
        for version in ("newest", "2021-07-03T23-05-32Z-0a1b2c3d", "live")
    ]
    assert [(done.code, done.out) for done in shown] == [(2, "")] * 3
    assert "'newest' is not a version" in shown[0].error
    assert "'weighbridge models list'" in shown[1].error
    assert "'weighbridge train'" in shown[2].error
    assert command("models", "list", "--store", store, "--json").document == []
    assert command("datasets", "list", "--store", store, "--json").document == []


def test_a_failure_is_one_line_of_json_when_lines_of_json_are_asked_for(command: Command, tmp_path: Path) -> None:
    plain = command("train", "--log-format", "json", "--store", "absent")
    assert plain.code == 2
    (line,) = plain.err.splitlines()
    told = json.loads(line)
    assert set(told) == {"time", "level", "message", "event", "code", "problem"}
    assert (told["level"], told["event"], told["code"]) == ("error", "command_failed", 2)
    assert told["message"].startswith(f"{(tmp_path / 'absent').as_uri()}: ")
    (line,) = command("train", "--log-format", "json", "--debug", "--store", "absent").err.splitlines()
    assert "StoreNotFound" in json.loads(line)["traceback"]


def test_the_version_is_told(command: Command) -> None:
    assert command("--version") == Done(0, f"weighbridge {version('weighbridge')}\n", "")


def test_help_names_every_command_and_each_one_has_an_example(command: Command) -> None:
    told = command("--help")
    assert told.code == 0
    for name in ("train", "serve", "predict", "demo", "datasets", "models"):
        assert re.search(rf"^  {name} ", told.out, re.MULTILINE)
    for group in ([], ["datasets"], ["models"]):
        # No summary is cut off.
        assert "...\n" not in command(*group, "--help").out.replace("[ARGS]...", "")
    for words in (["train"], ["serve"], ["predict"], ["demo"], ["datasets", "put"], ["models", "show"]):
        page = command(*words, "--help")
        assert (page.code, page.err) == (0, "")
        assert f"Example: weighbridge {' '.join(words)}" in page.out
        assert "WEIGHBRIDGE_LOG_LEVEL for --log-level" in " ".join(page.out.split())
