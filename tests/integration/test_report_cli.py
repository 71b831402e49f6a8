"""Reports on the command line: written by ``train``, shown by ``models report`` and ``models card``."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import Command, Done, commands_in_this_process
from tests.support.quick_task import csv

TASK = "time_to_dispatch"
QUICK = f"{Path(__file__).parents[1] / 'support' / 'quick_task.py'}:QUICK"


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Iterator[Command]:
    """Runs a command in this process, in a folder with a store that has one dataset."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "store/datasets").mkdir(parents=True)
    (tmp_path / f"store/datasets/{TASK}_2021-07-01.csv").write_bytes(csv())

    def captured() -> list[str]:
        return [text.decode() for text in capfdbinary.readouterr()]

    with commands_in_this_process(monkeypatch, captured) as command:
        monkeypatch.delenv("WEIGHBRIDGE_NO_REPORT")

        def run(*arguments: str, store: bool = True) -> Done:
            return command(*arguments, *(("--store", "store") if store else ()))

        yield run


def test_from_a_training_to_its_report_and_card(command: Command, tmp_path: Path) -> None:
    trained = command("train", "--task", QUICK)
    assert trained.code == 0
    (path,) = (tmp_path / "store/reports").iterdir()
    version = path.stem.removeprefix(f"{TASK}_")
    line = f"report    reports/{path.name} (weighbridge models report {version} --open)"
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
    assert "**Refused: 1 error.**" in command("models", "card", version).out
    none = command("models", "report", version)
    assert none.code == 2
    assert f"there is no report of {version}: it was evaluated without one; " in none.err
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
