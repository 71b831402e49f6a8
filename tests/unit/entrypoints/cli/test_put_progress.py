"""How the putting of a file is watched: by a bar on a terminal while it is long, and not at all elsewhere."""

import io
import os
import re
from contextlib import redirect_stderr
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.unit.adapters.terminal.test_search_progress import all_of
from weighbridge.domain.tasks.time_to_dispatch import TIME_TO_DISPATCH, simulate
from weighbridge.domain.workflow import put_dataset
from weighbridge.entrypoints.cli.dataset_file import dataset_file
from weighbridge.entrypoints.cli.put_progress import PutProgress
from weighbridge.entrypoints.container import wire
from weighbridge.entrypoints.settings import load_settings

LARGE = 4 << 20


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that is just large enough."""
    path = tmp_path_factory.mktemp("large") / "orders.csv"
    path.write_bytes(simulate(9, 1).to_csv(index=False).encode().ljust(LARGE, b"\n"))
    return path


def put(path: Path, progress: PutProgress) -> None:
    ports = wire(load_settings({"store": "memory://"})).ports()
    with progress, dataset_file(path, progress.moved) as file:
        at = datetime(2021, 7, 3, tzinfo=UTC)
        put_dataset(TIME_TO_DISPATCH, ".csv", file, at, ports, admitted=progress.storing)


def shown(path: Path, monkeypatch: pytest.MonkeyPatch, is_shown: bool = True) -> str:
    """What a terminal gets while the file is put."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    master, terminal = os.openpty()
    with os.fdopen(terminal, "w") as stderr, redirect_stderr(stderr):
        put(path, PutProgress(is_shown))
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", all_of(master).decode())


def test_a_terminal_gets_a_bar_for_a_large_file(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(large, monkeypatch)
    assert re.findall(r"checking .* [\d.]+/4\.2 MB", text)
    assert re.findall(r"storing .* [\d.]+/4\.2 MB", text)
    assert text.index("checking") < text.index("storing")


def test_nothing_is_shown_of_a_small_file_with_json_or_where_there_is_no_terminal(
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = tmp_path / "orders.csv"
    small.write_bytes(large.read_bytes()[:-1])
    assert shown(small, monkeypatch) == ""
    assert shown(large, monkeypatch, is_shown=False) == ""
    with redirect_stderr(io.StringIO()) as stderr:
        put(large, PutProgress())
    assert stderr.getvalue() == ""
