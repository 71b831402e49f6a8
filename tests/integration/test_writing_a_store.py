"""The page about writing a store: its store is held to the contract by its test, and registered as it says."""

import re
import sqlite3
import sys
import tomllib
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest

from weighbridge.domain.errors import StoreNotFound, StoreUnavailable
from weighbridge.entrypoints.cli.main import main

PAGE = Path(__file__).parents[2] / "docs" / "writing-a-store.md"
BLOCKS = dict(re.findall(r"^```\w+ (\S+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL))


def module(name: str) -> ModuleType:
    """What a block of the page holds, as a module that can be imported."""
    made = ModuleType(name)
    sys.modules[name] = made
    exec(compile(BLOCKS[f"{name}.py"], f"{PAGE}:{name}.py", "exec"), vars(made))
    return made


STORE = module("sqlite_store")
TestSqliteStore = module("test_sqlite_store").TestSqliteStore


def test_a_listing_goes_on_over_pages(tmp_path: Path) -> None:
    store = STORE.SqliteStore(tmp_path / "s.db")
    with closing(sqlite3.connect(tmp_path / "s.db")) as database, database as connection:
        rows = [(f"datasets/{number:05}", b"", 0.0) for number in range(2500)]
        connection.executemany("insert into artefacts (key, data, modified) values (?, ?, ?)", rows)
    assert [int(ref.name) for ref in store.list("datasets/0", "datasets/00099")] == list(range(100, 2500))


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreNotFound, match="there is no such folder"):
        STORE.SqliteStore(tmp_path / "nowhere" / "s.db")
    (tmp_path / "text.db").write_text("this is no database" * 100)
    with pytest.raises(StoreUnavailable, match="file is not a database; check the disk"):
        STORE.SqliteStore(tmp_path / "text.db")


def test_the_registered_store_is_fit_for_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = tomllib.loads(BLOCKS["pyproject.toml"])["project"]
    ((group, entries),) = project["entry-points"].items()
    info = tmp_path / "weighbridge_sqlite-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = "".join(f"{name} = {value}\n" for name, value in entries.items())
    (info / "entry_points.txt").write_text(f"[{group}]\n{lines}")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["weighbridge", "store", "check", f"sqlite://{tmp_path}/orders.db"])
    with pytest.raises(SystemExit) as ended:
        main()
    out = capsys.readouterr().out
    assert ended.value.code == 0, out
    assert out.splitlines()[-1] == f"sqlite://{tmp_path}/orders.db is fit for use"
    assert list(STORE.open_store(f"sqlite://{tmp_path}/orders.db").list("scratch/")) == []


def test_the_page_names_what_is_there() -> None:
    text = PAGE.read_text()
    for link in re.findall(r"\]\((\.\./\S+?)\)", text):
        assert (PAGE.parent / link).exists(), link
    longest = max(
        len(line) for name in ("sqlite_store.py", "test_sqlite_store.py") for line in BLOCKS[name].splitlines()
    )
    assert longest <= 115
