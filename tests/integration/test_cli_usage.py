"""What people expect of a command line: pipes, terminals, misspelt names, questions before removing."""

import hashlib
import json
import os
import pty
import re
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.clocks import START, SettableClock
from tests.support.commands import COMMAND, Command, Done
from tests.support.quick_task import QUICK, copy, csv, store_of_two, two_releases
from tests.support.registry_contract import make_record
from weighbridge.adapters.local.store import LocalStore
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.domain.evaluation.gate import Verdict

TASK = QUICK.name
OLD, LIVE = (str(release.version) for release in two_releases())


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalStore:
    """The default store in the current folder: two releases, and a refusal of long ago."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("WEIGHBRIDGE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WEIGHBRIDGE_NO_REPORT", "1")
    store = LocalStore(tmp_path / "weighbridge-store", create=True)
    copy(store_of_two(), store)
    StoreRegistry(store, SettableClock()).refuse(make_record(b"bad", START, TASK, Verdict.REJECT))
    return store


def keep_report(store: LocalStore, report: bytes) -> None:
    """Give the live release a report, and its record the digest."""
    key = f"models/{TASK}_{LIVE}.json"
    record = json.loads(store.read(key).data)
    record["report"] = {
        "key": f"reports/{TASK}_{LIVE}.html",
        "sha256": hashlib.sha256(report).hexdigest(),
        "size": len(report),
    }
    store.delete(key)
    store.write(key, json.dumps(record).encode())
    store.write(f"reports/{TASK}_{LIVE}.html", report)


def refused(store: LocalStore) -> str:
    (version,) = StoreRegistry(store, SettableClock()).refused_versions(TASK)
    return str(version)


def on_a_terminal(*arguments: str, typed: bytes = b"", columns: int = 80, **environment: str) -> tuple[int, str]:
    """The exit code of a command whose streams are a terminal, and all that is on its screen."""
    pid, terminal = pty.fork()
    if pid == 0:
        bare = {name: text for name, text in os.environ.items() if name != "COLUMNS"}
        os.execvpe(
            COMMAND, [COMMAND, *arguments], {**bare, "TERM": "xterm", "COLUMNS": str(columns), **environment}
        )
    if typed:
        os.write(terminal, typed)
    screen = b""
    with suppress(OSError):
        while part := os.read(terminal, 1 << 16):
            screen += part
    os.close(terminal)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return code, screen.decode().replace("\r\n", "\n")


# Pipes


def closed_early(*arguments: str) -> Done:
    """Runs a command whose reader has gone before it writes."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [COMMAND, *arguments], stdout=writer, stderr=subprocess.PIPE, text=True, check=False, timeout=120
        )
    finally:
        os.close(writer)
    return Done(done.returncode, "", done.stderr)


@pytest.mark.parametrize(
    "arguments",
    [
        ("models", "list"),
        ("models", "card", "live"),
    ],
)
def test_a_reader_that_has_gone_is_no_error(arguments: tuple[str, ...]) -> None:
    done = closed_early(*arguments)
    assert (done.code, done.err) == (0, "")


def test_a_training_that_nobody_reads_ends_with_its_own_code(store: LocalStore) -> None:
    quick = f"{Path(__file__).parents[1] / 'support' / 'quick_task.py'}:QUICK"
    done = closed_early("train", "--task", quick, "--force", "--error-threshold", "0.9999", "--log-level", "error")
    assert done.code == 3
    assert len(done.err.splitlines()) == 1
    assert len(StoreRegistry(store, SettableClock()).refused_versions(TASK)) == 2


# Names


@pytest.mark.parametrize("arguments", [("models", "list"), ("models", "show", "live"), ("datasets", "list")])
def test_a_misspelt_task_is_told_with_the_one_that_is_meant(command: Command, arguments: tuple[str, ...]) -> None:
    done = command(*arguments, "--task", "time_to_dispath")
    assert (done.code, done.out) == (2, "")
    assert re.fullmatch(
        r"'time_to_dispath': no such task in this store, file://.*; did you mean 'time_to_dispatch'\?", done.error
    )
    assert command(*arguments, "--task", "weather").error.endswith("; it has time_to_dispatch")


def test_a_task_without_releases_and_an_empty_store_are_no_errors(command: Command, store: LocalStore) -> None:
    store.write("datasets/weather_2021-07-03.csv", csv())
    assert command("models", "list", "--task", "weather", "--json").document == []
    Path("empty").mkdir()
    assert command("models", "list", "--store", "empty", "--json").document == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("models", "list", "--stor", "x"), "Error: No such option: --stor. Did you mean '--store'?"),
        (("trian",), "Error: No such command 'trian'. Did you mean 'train'?"),
        (("serve", "--port", "abc"), "Error: Invalid value for '--port': 'abc', but it must be a valid integer."),
        (
            ("serve", "--port", "70000"),
            "Error: Invalid value for '--port': '70000', but it must be less than or equal to 65535.",
        ),
        (
            ("train", "--log-format", "xml"),
            "Error: Invalid value for '--log-format': 'xml' is not one of 'text', 'json'.",
        ),
    ],
)
def test_arguments_that_cannot_be_parsed(command: Command, arguments: tuple[str, ...], said: str) -> None:
    done = command(*arguments)
    assert (done.code, done.out) == (2, "")
    usage, help_line, _, error = done.err.splitlines()
    assert usage.startswith("Usage: weighbridge")
    assert re.fullmatch(r"Try 'weighbridge.* --help' for help\.", help_line)
    assert error == said


@pytest.mark.parametrize("arguments", [(), ("train",), ("models",), ("models", "prune")])
def test_the_short_flag_for_help(command: Command, arguments: tuple[str, ...]) -> None:
    short, long = (command(*arguments, flag) for flag in ("-h", "--help"))
    assert (short.code, short.err) == (0, "")
    assert short.out == long.out
    assert all(len(line) <= 80 for line in short.out.splitlines())


def test_an_unknown_variable_is_told(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHBRIDGE_STOER", "elsewhere")
    # Kubernetes sets these for a service of that name.
    monkeypatch.setenv("WEIGHBRIDGE_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("WEIGHBRIDGE_PORT_8000_TCP", "tcp://10.0.0.1:8000")
    done = command("models", "list", "--log-format", "json")
    assert done.code == 0
    (line,) = map(json.loads, done.err.splitlines())
    assert (line["level"], line["message"]) == (
        "warning",
        "the variable WEIGHBRIDGE_STOER is unknown and is ignored; did you mean WEIGHBRIDGE_STORE?",
    )


def test_a_store_that_is_a_file_is_told(command: Command) -> None:
    Path("orders.csv").write_bytes(csv())
    done = command("models", "list", "--store", "orders.csv")
    assert (done.code, done.error) == (2, "the store 'orders.csv' is a file; a store is a folder or a bucket")


# Terminals


@pytest.mark.parametrize(
    "arguments",
    [
        ("models", "list"),
        ("models", "diff", OLD, "live"),
    ],
)
def test_a_table_fits_the_terminal_unless_it_is_to_be_wide(command: Command, arguments: tuple[str, ...]) -> None:
    code, screen = on_a_terminal(*arguments)
    assert code == 0
    assert max(map(len, screen.splitlines())) <= 80
    _, wide = on_a_terminal(*arguments, "--wide")
    assert wide == command(*arguments).out
    assert max(map(len, wide.splitlines())) > 80
    assert sorted("".join(screen.split())) == sorted("".join(wide.split()))


def test_a_report_is_not_written_to_a_terminal(store: LocalStore) -> None:
    keep_report(store, b"<html>")
    code, screen = on_a_terminal("models", "report", "live")
    assert code == 2
    assert screen.endswith("a report is HTML, which a terminal does not show; give --open or --output FILE\n")
    piped = subprocess.run([COMMAND, "models", "report", "live"], capture_output=True, check=True, timeout=120)
    assert piped.stdout == b"<html>"


@pytest.mark.parametrize("name", ["report", "card"])
def test_a_file_is_not_overwritten_unless_asked(command: Command, store: LocalStore, name: str) -> None:
    keep_report(store, b"<html>")
    Path("there").write_text("precious")
    done = command("models", name, "live", "--output", "there")
    assert (done.code, done.error) == (2, "'there' exists; give another file, or --overwrite to replace it")
    assert Path("there").read_text() == "precious"
    assert command("models", name, "live", "--output", "there", "--overwrite").code == 0
    assert Path("there").read_text() != "precious"


def test_colours_are_for_terminals_that_want_them() -> None:
    quick = f"{Path(__file__).parents[1] / 'support' / 'quick_task.py'}:QUICK"
    train = ("train", "--task", quick)
    _, coloured = on_a_terminal(*train)
    assert re.search(r"\x1b\[[\d;]*32m", coloured)
    _, plain = on_a_terminal(*train, NO_COLOR="1")
    assert not re.search(r"\x1b\[[\d;]*3\dm", plain)
    _, dumb = on_a_terminal(*train, TERM="dumb")
    assert "\x1b" not in dumb


# Removing


def test_pruning_asks_on_a_terminal(store: LocalStore) -> None:
    key = f"rejected/{TASK}_{refused(store)}.json"
    code, screen = on_a_terminal("models", "prune", typed=b"n\n")
    assert code == 2
    assert re.search(r"Remove 1 refusal \([\d,]+ bytes\) for good\? \[y/N\]: ", screen)
    assert screen.endswith("aborted: nothing was changed\n")
    assert [ref.key for ref in store.list("rejected/")] == [key]
    code, screen = on_a_terminal("models", "prune", typed=b"y\n")
    assert code == 0
    assert re.search(r"freed [\d,]+ bytes", screen)
    assert list(store.list("rejected/")) == []


def test_pruning_without_a_terminal_needs_a_yes(command: Command, store: LocalStore) -> None:
    key = f"rejected/{TASK}_{refused(store)}.json"
    (trained,) = [ref for ref in store.list(f"trained/{TASK}_") if refused(store) in ref.key]
    record_size = store.read(key).ref.size
    size = record_size + trained.size
    done = subprocess.run(
        [COMMAND, "models", "prune"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert f"this would remove 1 refusal ({size:,} bytes) for good; give --yes to do so" in done.stderr
    dry = command("models", "prune", "--dry-run")
    assert dry.out.splitlines() == [
        f"would remove refusal {refused(store)}:",
        f"  {key} ({record_size:,} bytes)",
        f"  {trained.key} ({trained.size:,} bytes)",
        f"would free {size:,} bytes",
    ]
    assert [ref.key for ref in store.list("rejected/")] == [key]
    assert command("models", "prune", "--yes", "--json").document["bytes"] == size
    assert list(store.list("rejected/")) == []


# Promotions


def test_a_refused_candidate_cannot_be_promoted(command: Command, store: LocalStore) -> None:
    version = refused(store)
    done = command("models", "promote", version, "--reason", "try it")
    assert (done.code, done.out) == (2, "")
    assert done.error.startswith(f"the candidate {version} of {TASK} was refused, and its model was not kept")
    absent = command("models", "promote", "2021-01-01T00-00-00Z-00000000", "--reason", "try it")
    assert (absent.code, "was refused" in absent.err) == (2, False)


# Predictions


def test_a_row_far_out_of_range_is_warned_of(command: Command) -> None:
    done = command("predict", "--row", '{"product_code": "SKU001", "orders_placed": 1000000}')
    assert done.code == 0
    assert "est_hours_to_dispatch" in json.loads(done.out)
    assert re.search(
        r"warning  outside the range of the training data, where predictions may be far off: "
        r"'orders_placed' is 1000000, trained on 0 to \d+\n",
        done.err,
    )
    assert command("predict", "--row", '{"product_code": "SKU001", "orders_placed": 10}').err == ""


def test_nothing_logged_is_an_alarm_unless_none_is_wanted(command: Command) -> None:
    quick = f"{Path(__file__).parents[1] / 'support' / 'quick_task.py'}:QUICK"
    done = command("monitor", "--task", quick)
    assert done.code == 3
    assert "0 rows were logged in this window, fewer than --min-rows 1: " in done.error
    assert "WEIGHBRIDGE_PREDICTION_LOG=true" in done.error
    assert command("monitor", "--task", quick, "--min-rows", "0").code == 0
