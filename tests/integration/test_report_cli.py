"""Reports on the command line: written by ``train``, shown by ``models report`` and ``models card``."""

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.quick_task import csv
from weighbridge.entrypoints.cli.main import main

TASK = "time_to_dispatch"
QUICK = f"{Path(__file__).parents[1] / 'support' / 'quick_task.py'}:QUICK"


class Done(NamedTuple):
    """How a command ended."""

    code: Any
    out: str
    err: str


Command = Callable[..., Done]


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Iterator[Command]:
    """Runs a command in this process, in a folder with a store that has one dataset."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("WEIGHBRIDGE_")]:
        monkeypatch.delenv(name)
    (tmp_path / "store/datasets").mkdir(parents=True)
    (tmp_path / f"store/datasets/{TASK}_2021-07-01.csv").write_bytes(csv())
    root, ours = logging.getLogger(), logging.getLogger("weighbridge")
    before = root.handlers[:], root.level, ours.level

    def run(*arguments: str, store: bool = True) -> Done:
        options = ("--store", "store") if store else ()
        monkeypatch.setattr(sys, "argv", ["weighbridge", *arguments, *options])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfdbinary.readouterr()
        return Done(ended.value.code, out.decode(), err.decode())

    yield run
    root.handlers[:], root.level, ours.level = before


def test_from_a_training_to_its_report_and_card(command: Command, tmp_path: Path) -> None:
    trained = command("train", "--task", QUICK)
    assert trained.code == 0
    (path,) = (tmp_path / "store/reports").iterdir()
    version = path.stem.removeprefix(f"{TASK}_")
    line = f"report    reports/{path.name} (look: weighbridge models report {version} --open)"
    assert line in trained.out.splitlines()
    assert f"the report of {version} is 'reports/{path.name}' ({path.stat().st_size:,} bytes)" in trained.err
    assert command("models", "report", "live").out.encode() == path.read_bytes()
    written = command("models", "report", version, "--output", "seen.html")
    assert (written.code, (tmp_path / "seen.html").read_bytes()) == (0, path.read_bytes())
    assert written.out == f"wrote seen.html ({path.stat().st_size:,} bytes)\n"
    assert f"weighbridge reproduce {version} --store store --task {QUICK}" in path.read_text()

    card = command("models", "card", version, "--license", "apache-2.0")
    assert card.out.startswith('---\nlicense: "apache-2.0"\n')
    assert command("models", "card", "live", "--output", "card.md", "--license", "apache-2.0").code == 0
    assert (tmp_path / "card.md").read_text() == card.out

    path.unlink()
    gone = command("models", "report", version)
    assert gone.code == 2
    assert f"there is no report of {version}: it was removed; " in gone.err


def test_a_refusal_is_reported_and_can_be_reproduced(command: Command, tmp_path: Path) -> None:
    levels = ("--error-threshold", "0.9999", "--warning-threshold", "0.9999")
    refused = command("train", "--task", QUICK, *levels, "--json", "--no-report")
    record = json.loads(refused.out)
    assert (refused.code, record["report"], (tmp_path / "store/reports").exists()) == (3, None, False)
    version = record["version"]
    assert "**Refused, for 1 reason.**" in command("models", "card", version).out
    none = command("models", "report", version)
    assert none.code == 2
    assert f"there is no report of {version}: it was weighed without one; " in none.err
    again = command("reproduce", version, "--task", QUICK)
    assert again.code == 0
    assert again.out.endswith(f"{version} was reproduced to the last bit\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("2021-07-03T23-05-32Z-0a1b2c3d",), "there is no release 2021-07-03T23-05-32Z-0a1b2c3d"),
        (("latest",), "'latest' is not a version of time_to_dispatch"),
        (("live",), "no model of time_to_dispatch has been released"),
        (("live", "--output", "a", "--open"), "--output and --open exclude each other"),
    ],
)
def test_what_there_is_no_report_of(command: Command, arguments: tuple[str, ...], message: str) -> None:
    done = command("models", "report", *arguments)
    assert done.code == 2
    assert message in done.err
    assert done.out == ""
