"""The local store: the contract of every store, and what only files can do to it."""

import errno
import os
import resource
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from weighbridge.adapters.local.errors import translate
from weighbridge.adapters.local.store import LocalStore
from weighbridge.adapters.local.writing import rename_exclusively
from weighbridge.adapters.testing.store_contract import NewStore, StoreContract
from weighbridge.domain.errors import (
    ArtefactExists,
    ArtefactNotFound,
    ConfigurationError,
    StoreDenied,
    StoreNotFound,
    StoreUnavailable,
)

NOBODY = 65534


class TestLocalStore(StoreContract):
    @pytest.fixture
    def new_store(self, tmp_path: Path) -> NewStore:
        numbers = count()
        return lambda: LocalStore(tmp_path / f"store-{next(numbers)}", create=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "my store"


@pytest.fixture
def store(root: Path) -> LocalStore:
    return LocalStore(root, create=True)


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_the_layout_is_one_file_per_artefact_and_nothing_else(store: LocalStore, root: Path) -> None:
    store.write("datasets/time_to_dispatch_2021-07-01T16|45|38.csv", b"x")
    store.write("datasets/time_to_dispatch_2021-07-01T16:45:38.csv", b"y")
    assert files(root) == [
        "datasets",
        "datasets/time_to_dispatch_2021-07-01T16:45:38.csv",
        "datasets/time_to_dispatch_2021-07-01T16|45|38.csv",
    ]
    assert (root / "datasets/time_to_dispatch_2021-07-01T16|45|38.csv").read_bytes() == b"x"


def test_its_address_is_absolute_however_it_was_named(
    store: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root.parent)
    assert store.url == LocalStore(Path("my store")).url == f"file://{root.parent}/my%20store"


def test_a_store_named_relatively_stays_where_it_was(
    store: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root.parent)
    relative = LocalStore(Path("my store"))
    monkeypatch.chdir("/")
    relative.write("datasets/a", b"")
    assert [ref.name for ref in store.list("datasets/")] == ["a"]


def test_what_others_put_is_listed_and_read(store: LocalStore, root: Path) -> None:
    (root / "datasets").mkdir()
    (root / "datasets/a.csv").write_bytes(b"a,b\n")
    (ref,) = store.list("datasets/")
    status = (root / "datasets/a.csv").stat()
    assert (ref.key, ref.size, ref.version_id) == ("datasets/a.csv", 4, None)
    assert ref.revision == f"{status.st_ino}-{status.st_mtime_ns}-4"
    assert ref.last_modified.timestamp() == pytest.approx(status.st_mtime)
    assert store.read(ref).data == b"a,b\n"
    assert store.read(ref).ref == ref


def test_what_is_no_artefact_is_never_listed(store: LocalStore, root: Path) -> None:
    store.write("datasets/b", b"")
    folder = root / "datasets"
    (folder / ".left-over.tmp").write_bytes(b"half")
    (folder / "sub").mkdir()
    (folder / "sub" / "a").write_bytes(b"")
    os.mkfifo(folder / "pipe")
    (folder / "back\\slash").write_bytes(b"")
    (folder / "new\nline").write_bytes(b"")
    (folder / "nowhere").symlink_to(folder / "missing")
    (folder / "loop").symlink_to(folder / "loop")
    if sys.platform == "linux":
        Path(os.fsdecode(os.fsencode(folder) + b"/\xff.csv")).write_bytes(b"")
    (root / "at the top").write_bytes(b"")
    assert [ref.key for ref in store.list("datasets/")] == ["datasets/b"]
    assert list(store.list("at the top/")) == []
    for name in ("sub", "pipe", "nowhere", "loop"):
        for operation in (store.read, store.delete):
            with pytest.raises(ArtefactNotFound, match=name):
                operation(f"datasets/{name}")
    with pytest.raises(ArtefactExists):
        store.write("datasets/sub", b"")
    with pytest.raises(ConfigurationError, match="at the top is not a folder"):
        store.write("at the top/a", b"")


def test_links_within_the_root_are_followed_and_deleted_alone(store: LocalStore, root: Path) -> None:
    target = store.write("datasets/b", b"data")
    (root / "datasets/a").symlink_to("b")
    (root / "others").symlink_to("datasets")
    listed = list(store.list("datasets/"))
    assert [(ref.key, ref.size, ref.revision) for ref in listed] == [
        ("datasets/a", 4, target.revision),
        ("datasets/b", 4, target.revision),
    ]
    assert store.read(listed[0]).data == store.read("others/b").data == b"data"
    store.delete("datasets/a")
    assert list(store.list("datasets/")) == [target]


def test_links_that_lead_out_of_the_root_are_refused(store: LocalStore, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "my store too"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    store.write("datasets/a", b"")
    (root / "datasets/secret").symlink_to(outside / "secret")
    (root / "datasets/up").symlink_to("../../my store too/secret")
    (root / "models").symlink_to(outside)
    assert [ref.key for ref in store.list("datasets/")] == ["datasets/a"]
    for key in ("datasets/secret", "datasets/up", "models/secret"):
        for operation in (store.read, store.delete):
            with pytest.raises(StoreDenied, match="leads out of the store"):
                operation(key)
    with pytest.raises(StoreDenied, match="models is a symbolic link that leads out"):
        store.write("models/new", b"")
    with pytest.raises(StoreDenied, match="models is a symbolic link that leads out"):
        list(store.list("models/"))
    with pytest.raises(ArtefactExists):
        store.write("datasets/secret", b"mine")
    assert files(outside) == ["secret"]
    assert (outside / "secret").read_bytes() == b"secret"


def test_the_root_itself_may_be_a_link(store: LocalStore, root: Path) -> None:
    (root.parent / "link").symlink_to(root)
    linked = LocalStore(root.parent / "link")
    ref = linked.write("datasets/a", b"1")
    assert list(store.list("datasets/")) == list(linked.list("datasets/")) == [ref]


@pytest.mark.parametrize("create", [False, True])
def test_a_missing_root_is_made_only_on_demand(root: Path, create: bool) -> None:
    if create:
        assert list(LocalStore(root / "deep" / "er", create=True).list("datasets/")) == []
        assert (root / "deep/er").is_dir()
    else:
        with pytest.raises(StoreNotFound, match="my%20store: there is no such folder"):
            LocalStore(root)
        assert not root.exists()


@pytest.mark.parametrize("create", [False, True])
def test_a_root_that_is_a_file_is_no_store(root: Path, create: bool) -> None:
    root.write_bytes(b"")
    with pytest.raises(StoreNotFound, match="there is no such folder"):
        LocalStore(root, create=create)


def test_a_root_that_vanished_is_no_store(store: LocalStore, root: Path) -> None:
    ref = store.write("datasets/a", b"")
    root.rename(root.parent / "moved")
    for operation in (
        lambda: list(store.list("datasets/")),
        lambda: store.read(ref),
        lambda: store.write("datasets/b", b""),
        lambda: store.delete("datasets/a"),
    ):
        with pytest.raises(StoreNotFound, match="there is no such folder"):
            operation()
    assert not root.exists()


def test_a_file_replaced_under_the_same_name_is_another_revision(store: LocalStore, root: Path) -> None:
    old = store.write("datasets/a", b"old")
    (root / "new").write_bytes(b"new")
    os.utime(root / "new", ns=(0, (root / "datasets/a").stat().st_mtime_ns))
    (root / "new").replace(root / "datasets/a")
    with pytest.raises(ArtefactNotFound, match="no longer at revision"):
        store.read(old)
    assert store.read("datasets/a").data == b"new"


@pytest.mark.parametrize("data", [b"new", b"old and more"], ids=["time", "size"])
def test_a_file_changed_in_place_is_another_revision(store: LocalStore, root: Path, data: bytes) -> None:
    old = store.write("datasets/a", b"old")
    before = (root / "datasets/a").stat()
    (root / "datasets/a").write_bytes(data)
    later = before.st_mtime_ns + (len(data) == 3)
    os.utime(root / "datasets/a", ns=(later, later))
    with pytest.raises(ArtefactNotFound, match="no longer at revision"):
        store.read(old)


@pytest.mark.skipif(sys.platform != "linux", reason="the files of /proc are Linux's")
def test_a_file_that_is_longer_than_its_size_is_not_taken_for_whole() -> None:
    with pytest.raises(StoreUnavailable, match="self/status changes while it is read"):
        LocalStore(Path("/proc")).read("self/status")


def test_a_listing_passes_over_a_file_that_has_gone_meanwhile(store: LocalStore) -> None:
    for name in "abc":
        store.write(f"datasets/{name}", b"")
    listing = store.list("datasets/")
    assert next(listing).name == "a"
    store.delete("datasets/b")
    assert [ref.name for ref in listing] == ["c"]


def test_names_may_be_as_long_as_the_file_system_lets_them(store: LocalStore) -> None:
    longest, longer = "datasets/" + "x" * 255, "datasets/" + "x" * 256
    store.write(longest, b"x")
    assert store.read(longest).data == b"x"
    for operation in (lambda: store.write(longer, b""), lambda: store.read(longer), lambda: store.delete(longer)):
        with pytest.raises(ConfigurationError, match=r"name too long .* choose a shorter one"):
            operation()
    assert [ref.key for ref in store.list("datasets/")] == [longest]


def test_a_file_has_the_mode_that_the_umask_leaves(store: LocalStore, root: Path) -> None:
    before = os.umask(0o027)
    try:
        store.write("datasets/a", b"")
    finally:
        os.umask(before)
    assert (root / "datasets/a").stat().st_mode & 0o777 == 0o640


def test_a_write_that_fails_half_way_leaves_nothing(store: LocalStore, root: Path) -> None:
    store.write("datasets/a", b"1")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(StoreUnavailable, match=r"datasets/b: file too large; check the disk"):
            store.write("datasets/b", b"x" * 200_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files(root) == ["datasets", "datasets/a"]
    store.write("datasets/b", b"x" * 200_000)
    assert [ref.size for ref in store.list("datasets/")] == [1, 200_000]


@pytest.fixture
def powerless(store: LocalStore, root: Path) -> Iterator[None]:
    """Nobody's eyes on a store that its owner lets everybody read, but not write to."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    store.write("datasets/open", b"open")
    store.write("datasets/closed", b"closed")
    (root / "datasets/closed").chmod(0o600)
    (root / "closed").mkdir(mode=0o700)
    shut = [folder for folder in root.parents if not folder.stat().st_mode & 0o001]
    modes = [folder.stat().st_mode for folder in shut]
    for folder in shut:
        folder.chmod(0o711)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        for folder, mode in zip(shut, modes, strict=True):
            folder.chmod(mode)


@pytest.mark.usefixtures("powerless")
def test_what_the_file_system_forbids_is_denied(store: LocalStore, root: Path) -> None:
    assert store.read("datasets/open").data == b"open"
    assert [ref.name for ref in store.list("datasets/")] == ["closed", "open"]
    for operation in (
        lambda: store.read("datasets/closed"),
        lambda: list(store.list("closed/")),
        lambda: store.read("closed/a"),
        lambda: store.write("datasets/new", b""),
        lambda: store.write("models/new", b""),
        lambda: store.delete("datasets/open"),
        lambda: LocalStore(root / "datasets" / "new", create=True),
        lambda: LocalStore(root / "closed" / "new"),
    ):
        with pytest.raises(StoreDenied, match="permission denied; check the owner and the permissions"):
            operation()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (errno.EACCES, StoreDenied),
        (errno.EPERM, StoreDenied),
        (errno.EROFS, StoreDenied),
        (errno.ENOSPC, StoreUnavailable),
        (errno.EDQUOT, StoreUnavailable),
        (errno.EIO, StoreUnavailable),
        (errno.EMFILE, StoreUnavailable),
        (errno.ESTALE, StoreUnavailable),
        (errno.ENAMETOOLONG, ConfigurationError),
        (errno.ENOENT, ArtefactNotFound),
        (errno.ENOTDIR, ArtefactNotFound),
    ],
    ids=lambda value: errno.errorcode[value] if isinstance(value, int) else None,
)
def test_each_answer_of_the_system_has_its_error(code: int, expected: type[Exception]) -> None:
    error = translate(OSError(code, os.strerror(code)), "file:///s: datasets/a")
    assert type(error) is expected
    assert str(error).startswith("file:///s: datasets/a")
    assert os.strerror(code).lower() in str(error)
    assert "\n" not in str(error)


@pytest.mark.skipif(sys.platform != "linux", reason="renameat2 is Linux's")
def test_the_exclusive_rename_never_overwrites(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target é"
    source.write_bytes(b"1")
    rename_exclusively(source, target)
    assert files(tmp_path) == ["target é"]
    source.write_bytes(b"2")
    with pytest.raises(FileExistsError):
        rename_exclusively(source, target)
    assert (source.read_bytes(), target.read_bytes()) == (b"2", b"1")
    with pytest.raises(FileNotFoundError):
        rename_exclusively(tmp_path / "missing", tmp_path / "new")
