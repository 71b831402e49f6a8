"""Files that change, and files that cannot be read, while they are put: nothing of them reaches a store."""

import gzip
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import pyarrow as pa
import pytest

from weighbridge.adapters.local.store import LocalStore
from weighbridge.adapters.s3.client import open_client
from weighbridge.adapters.s3.store import S3Store
from weighbridge.domain import workflow
from weighbridge.domain.errors import ConfigurationError, DataError
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.tasks.time_to_dispatch import TIME_TO_DISPATCH, simulate
from weighbridge.entrypoints.cli.dataset_file import Moved, dataset_file
from weighbridge.entrypoints.container import wire
from weighbridge.entrypoints.settings import load_settings

#: CSV of these is read in some pieces.
ROWS = 12_000

Change = Callable[[Path], object]


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"1,1,SKU001\n")


def halve(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def alter(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"H")


@pytest.fixture(scope="module", params=[".csv", ".csv.gz", ".csv.zst", ".parquet"])
def data(request: pytest.FixtureRequest) -> tuple[str, bytes]:
    """The name of a file, and what it holds."""
    frame = simulate(ROWS, 1)
    text = frame.to_csv(index=False).encode()
    content = {
        ".csv": lambda: text,
        ".csv.gz": lambda: gzip.compress(text),
        ".csv.zst": lambda: pa.Codec("zstd").compress(text, asbytes=True),
        ".parquet": lambda: frame.to_parquet(index=False),
    }
    return f"orders{request.param}", content[request.param]()


def written(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    # Long ago: a change within the same tick of the clock does not show.
    os.utime(path, (0, 0))


def put(path: Path, store: ArtefactStore, moved: Moved) -> None:
    ports = replace(wire(load_settings({"store": "memory://"})).ports(), store=store)
    suffix = path.name.removeprefix("orders")
    with dataset_file(path, moved) as file:
        workflow.put_dataset(TIME_TO_DISPATCH, suffix, file, datetime(2021, 7, 3, tzinfo=UTC), ports)


def places_of(path: Path, store: ArtefactStore) -> list[int]:
    """Where reading is after each read, until the file is put."""
    places: list[int] = []

    def moved(place: int, size: int) -> None:
        assert 0 <= place <= size == path.stat().st_size
        places.append(place)

    put(path, store, moved)
    return places


def changed_at(path: Path, store: ArtefactStore, turn: int, change: Change) -> None:
    """Put a file that changes just after that read."""
    turns = iter(range(1, turn + 1))
    put(path, store, lambda *_: change(path) if next(turns, None) == turn else None)


@pytest.mark.parametrize("change", [append, halve, empty, alter])
def test_nothing_of_a_file_that_changes_before_its_last_read_is_stored(
    data: tuple[str, bytes], tmp_path: Path, change: Change
) -> None:
    name, content = data
    path = tmp_path / name
    written(path, content)
    reads = len(places_of(path, LocalStore(tmp_path / "whole", create=True)))
    store = LocalStore(tmp_path / "store", create=True)
    for turn in range(1, reads):
        written(path, content)
        with pytest.raises(DataError) as caught:
            changed_at(path, store, turn, change)
        assert str(caught.value).splitlines() == [
            f"{path}: 1 problem",
            "  the file changed while it was read; run this again when it is complete",
        ]
        assert [found for found in (tmp_path / "store").rglob("*") if found.is_file()] == []
    written(path, content)
    changed_at(path, store, reads, change)
    (stored,) = (tmp_path / "store/datasets").iterdir()
    assert stored.read_bytes() == content


@pytest.mark.parametrize("change", [append, halve, alter])
def test_of_a_file_that_changes_while_it_is_sent_nothing_is_stored_or_what_it_was(
    tmp_path: Path, bucket: str, change: Change
) -> None:
    path, client = tmp_path / "orders.csv", open_client(attempts=1)
    content = simulate(ROWS, 1).to_csv(index=False).encode()
    written(path, content)
    reads = len(places_of(path, S3Store(client, bucket, "whole")))
    stored, told = [], set()
    for turn in range(1, reads + 1):
        written(path, content)
        store = S3Store(client, bucket, f"store {turn}")
        try:
            changed_at(path, store, turn, change)
        except DataError as error:
            told.add(str(error))
        found = [store.read(ref).data for ref in store.list("datasets/")]
        assert found in ([], [content])
        stored.append(len(found))
    assert told == {f"{path}: 1 problem\n  the file changed while it was read; run this again when it is complete"}
    # The last read tells that there is no more.
    assert stored == sorted(stored)
    assert 1 <= sum(stored) <= 2


def test_bad_data_is_told_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("hours_to_dispatch,orders_placed,product_code\n1,-1,SKU001\n1,1,SKU009\n")
    with pytest.raises(DataError) as caught:
        put(path, LocalStore(tmp_path / "store", create=True), lambda *_: None)
    assert (caught.value.subject, len(caught.value.problems)) == (str(path), 2)


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    os.mkfifo(path)
    content = simulate(ROWS, 1).to_csv(index=False).encode()
    writer = Thread(target=path.write_bytes, args=(content,))
    writer.start()
    put(path, LocalStore(tmp_path / "store", create=True), lambda *_: None)
    writer.join()
    (stored,) = (tmp_path / "store/datasets").iterdir()
    assert stored.read_bytes() == content


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store", create=True)
    (tmp_path / "orders.csv").mkdir()
    with pytest.raises(ConfigurationError, match=r"orders\.csv' cannot be read: Is a directory$"):
        put(tmp_path / "orders.csv", store, lambda *_: None)
    # Whose first page is none that can be read.
    memory = Path("/proc/self/mem")
    if memory.exists():
        (tmp_path / "orders.parquet").symlink_to(memory)
        with pytest.raises(ConfigurationError, match=r"orders\.parquet' cannot be read: Input/output error$"):
            put(tmp_path / "orders.parquet", store, lambda *_: None)
