"""What network file systems do: silence, links that are made and said to exist, files of killed processes."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from weighbridge.adapters.local.store import LocalStore
from weighbridge.domain.errors import ArtefactExists, ConfigurationError, StoreDenied, StoreUnavailable

DAY = 86_400


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(root: Path) -> LocalStore:
    return LocalStore(root, create=True)


@pytest.mark.parametrize("operation", ["list", "read", "write", "delete", "check_write", "open"])
def test_a_file_system_that_says_nothing_is_given_up_at_the_deadline(
    root: Path, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    store = LocalStore(root, create=True, deadline=0.2)
    silent = threading.Event()
    monkeypatch.setattr(os.path, "realpath", lambda *_: silent.wait())
    monkeypatch.setattr(Path, "is_dir", lambda *_: silent.wait())
    operations: dict[str, Callable[[], object]] = {
        "list": lambda: list(store.list("datasets/")),
        "read": lambda: store.read("datasets/a"),
        "write": lambda: store.write("datasets/a", b""),
        "delete": lambda: store.delete("datasets/a"),
        "check_write": lambda: store.check_write("datasets/a", 1),
        "open": lambda: LocalStore(root, deadline=0.2),
    }
    try:
        with pytest.raises(StoreUnavailable, match=r"does not answer within 0\.2 seconds; check the network"):
            operations[operation]()
    finally:
        silent.set()


def test_a_link_that_was_made_and_said_to_exist_is_a_success(
    store: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = Path.hardlink_to

    def linked_twice(self: Path, target: Path) -> None:
        # The reply to the first request was lost, and the client sent it again.
        link(self, target)
        link(self, target)

    monkeypatch.setattr(Path, "hardlink_to", linked_twice)
    ref = store.write("datasets/a", b"mine")
    assert store.read(ref).data == b"mine"
    assert [path.name for path in (root / "datasets").iterdir()] == ["a"]
    with pytest.raises(ArtefactExists):
        store.write("datasets/a", b"mine")
    assert store.read(ref).data == b"mine"


def test_what_killed_processes_left_is_removed_after_a_day(root: Path) -> None:
    folder = root / "datasets"
    folder.mkdir(parents=True)
    now = folder.stat().st_mtime
    ages = {
        f".{'0a' * 8}.tmp": DAY + 60,
        f".{'1b' * 8}.tmp": 40 * DAY,
        f".out.csv.{'2c' * 8}.tmp": 2 * DAY,
        f"....{'3d' * 8}.tmp": 2 * DAY,
        f".{'4e' * 8}.tmp": DAY - 600,
        ".of-others.tmp": 40 * DAY,
        "a.csv": 40 * DAY,
    }
    for name, age in ages.items():
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (now - age, now - age))
    LocalStore(root).write("datasets/b", b"")
    assert sorted(path.name for path in folder.iterdir()) == [f".{'4e' * 8}.tmp", ".of-others.tmp", "a.csv", "b"]


def test_a_check_of_a_write_leaves_nothing(store: LocalStore, root: Path) -> None:
    for before in ([], [root / "models"]):
        for folder in before:
            folder.mkdir()
        store.check_write(f"models/{'x' * 255}", 100_000)
        with pytest.raises(ConfigurationError, match=r"name too long .* choose a shorter one"):
            store.check_write(f"models/{'x' * 256}", 1)
        assert list(root.rglob("*")) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_check_of_a_write_tells_what_is_denied(store: LocalStore, root: Path) -> None:
    (root / "models").mkdir()
    shut = [folder for folder in root.parents if not folder.stat().st_mode & 0o001]
    modes = [folder.stat().st_mode for folder in shut]
    for folder in shut:
        folder.chmod(0o711)
    os.seteuid(65534)
    try:
        with pytest.raises(StoreDenied, match="permission denied"):
            store.check_write("models/a", 1)
    finally:
        os.seteuid(0)
        for folder, mode in zip(shut, modes, strict=True):
            folder.chmod(mode)
