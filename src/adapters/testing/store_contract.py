"""The contract of every ArtefactStore. A store's test module subclasses StoreContract and gives ``new_store``.

To see what an assertion compared, a conftest.py says ``pytest.register_assert_rewrite`` of this module's name
before it is imported.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from hashlib import sha256
from io import BytesIO
from threading import Barrier

import pytest
from hypothesis import strategies as st

from weighbridge.adapters.testing.keys import unlawful_keys
from weighbridge.adapters.testing.store_machine import StoreMachine, run_machine, same
from weighbridge.domain.errors import ArtefactExists, ArtefactNotFound, ConfigurationError, DataError
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.store.artefacts import ArtefactRef

NewStore = Callable[[], ArtefactStore]

#: In UTF-8 byte order: capitals before small letters, an accent after z, an emoji after the private use area.
ORDERED = ["A", "a", "a b", "a+b", "a-b", "a.b", "a:b", "a_b", "a|b", "b", "é", "日", "\ue000", "🚚"]


class StoreContract:
    """Examples, properties and a state machine. A fresh store is empty and shares nothing with another."""

    #: Divides the number of examples of the state machine, for stores that are slow to ask.
    slowness = 1

    #: Every object of the store has a version; that of an artefact is then told by its writes and reads.
    keeps_versions = False

    @pytest.fixture
    def new_store(self) -> NewStore:
        raise NotImplementedError("a subclass says how to make an empty store")

    @pytest.fixture
    def store(self, new_store: NewStore) -> ArtefactStore:
        return new_store()

    @pytest.mark.parametrize(
        "data", [b"", b"a,b\n1,2\n", bytes(range(256)) * 12_000], ids=["empty", "small", "3MB"]
    )
    def test_what_is_written_is_read_by_key_and_by_ref(self, store: ArtefactStore, data: bytes) -> None:
        ref = store.write("models/m.onnx", data)
        assert (ref.key, ref.name, ref.size) == ("models/m.onnx", "m.onnx", len(data))
        assert (ref.version_id is not None) is self.keeps_versions
        assert ref.last_modified.tzinfo is UTC
        everything: list[ArtefactRef | str] = ["models/m.onnx", ref, *store.list("models/")]
        for what in everything:
            artefact = store.read(what)
            assert artefact.data == data
            assert artefact.sha256 == sha256(data).hexdigest()
            assert same(artefact.ref, ref)
            assert artefact.ref.last_modified.tzinfo is UTC

    def test_what_was_written_does_not_follow_its_buffer(self, store: ArtefactStore) -> None:
        buffer = bytearray(b"before")
        store.write("models/m", buffer)  # type: ignore[arg-type]
        buffer[:] = b"behind"
        assert store.read("models/m").data == b"before"

    @pytest.mark.parametrize("data", [b"first", b"other"], ids=["same-bytes", "other-bytes"])
    def test_an_existing_key_is_never_overwritten(self, store: ArtefactStore, data: bytes) -> None:
        first = store.write("models/m.json", b"first")
        with pytest.raises(ArtefactExists, match=r"models/m\.json"):
            store.write("models/m.json", data)
        assert store.read(first).data == b"first"
        assert [listed.key for listed in store.list("models/")] == ["models/m.json"]

    @pytest.mark.parametrize(
        "data", [b"", b"a,b\n1,2\n", bytes(range(256)) * 12_000], ids=["empty", "small", "3MB"]
    )
    def test_a_file_is_written_whole_wherever_it_stands(self, store: ArtefactStore, data: bytes) -> None:
        file = BytesIO(data)
        file.seek(1)
        ref = store.write_file("datasets/a.csv", file, sha256(data).hexdigest())
        assert (ref.key, ref.size) == ("datasets/a.csv", len(data))
        assert (ref.version_id is not None) is self.keeps_versions
        artefact = store.read(ref)
        assert (artefact.data, artefact.sha256) == (data, sha256(data).hexdigest())
        assert same(artefact.ref, ref)
        assert [same(listed, ref) for listed in store.list("datasets/")] == [True]
        with pytest.raises(ArtefactExists, match=r"datasets/a\.csv"):
            store.write_file("datasets/a.csv", BytesIO(b"other"), sha256(b"other").hexdigest())
        assert store.read(ref).data == data
        assert not file.closed

    @pytest.mark.parametrize("found", [b"", b"first and more", b"other"], ids=["shorter", "longer", "other"])
    def test_a_file_that_has_changed_is_not_written(self, store: ArtefactStore, found: bytes) -> None:
        with pytest.raises(DataError, match=r"(?s)datasets/a\.csv.*the file changed while it was read"):
            store.write_file("datasets/a.csv", BytesIO(found), sha256(b"first").hexdigest())
        assert list(store.list("datasets/")) == []
        assert store.read(store.write("datasets/a.csv", b"first")).data == b"first"

    def test_a_missing_key_is_not_found(self, store: ArtefactStore) -> None:
        with pytest.raises(ArtefactNotFound, match=r"datasets/none\.csv"):
            store.read("datasets/none.csv")
        with pytest.raises(ArtefactNotFound, match=r"datasets/none\.csv"):
            store.delete("datasets/none.csv")

    def test_a_ref_reads_its_own_revision_and_no_other(self, store: ArtefactStore) -> None:
        old = store.write("datasets/a.csv", b"old")
        store.delete("datasets/a.csv")
        with pytest.raises(ArtefactNotFound, match=r"datasets/a\.csv"):
            store.read(old)
        new = store.write("datasets/a.csv", b"new")
        with pytest.raises(ArtefactNotFound, match=r"datasets/a\.csv"):
            store.read(old)
        assert old.revision != new.revision
        assert store.read(new).data == store.read("datasets/a.csv").data == b"new"

    def test_what_is_deleted_is_gone_and_its_key_is_free(self, store: ArtefactStore) -> None:
        store.write("datasets/a.csv", b"1")
        store.write("datasets/b.csv", b"2")
        store.delete("datasets/a.csv")
        assert [ref.key for ref in store.list("datasets/")] == ["datasets/b.csv"]
        with pytest.raises(ArtefactNotFound):
            store.delete("datasets/a.csv")
        store.write("datasets/a.csv", b"3")
        assert store.read("datasets/a.csv").data == b"3"

    def test_a_listing_is_in_the_order_of_utf8(self, store: ArtefactStore) -> None:
        assert sorted(ORDERED, key=str.encode) == ORDERED
        refs = [store.write(f"datasets/{name}", name.encode()) for name in reversed(ORDERED)]
        listed = list(store.list("datasets/"))
        assert [ref.name for ref in listed] == ORDERED
        assert all(same(*pair) for pair in zip(listed, reversed(refs), strict=True))

    def test_a_listing_takes_a_prefix_and_a_start(self, store: ArtefactStore) -> None:
        for key in ("datasets/a", "datasets/ab", "datasets/b", "models/a", "models2/a"):
            store.write(key, b"")
        assert [ref.key for ref in store.list("models/")] == ["models/a"]
        assert [ref.key for ref in store.list("datasets/a")] == ["datasets/a", "datasets/ab"]
        assert list(store.list("datasets/c")) == []
        assert list(store.list("rejected/")) == []
        assert [ref.name for ref in store.list("datasets/", "datasets/a")] == ["ab", "b"]
        assert [ref.name for ref in store.list("datasets/", "datasets/aa")] == ["ab", "b"]
        assert [ref.name for ref in store.list("datasets/a", "datasets/a")] == ["ab"]
        for before in ("", "a", "datasets/", "datasets", "A/z"):
            assert [ref.name for ref in store.list("datasets/", before)] == ["a", "ab", "b"]
        for after in ("datasets/b", "datasets/z", "models/", "z"):
            assert list(store.list("datasets/", after)) == []

    @pytest.mark.parametrize("prefix", ["", "/", "datasets", "/a", "datasets/sub/", ".a/", "datasets/.", "a\n/"])
    def test_a_prefix_that_names_no_kind_is_refused(self, store: ArtefactStore, prefix: str) -> None:
        with pytest.raises(ConfigurationError):
            list(store.list(prefix))

    def test_unlawful_keys_are_refused_by_every_operation(self, store: ArtefactStore) -> None:
        def refuses(key: str) -> None:
            empty = sha256().hexdigest()
            for operation in (
                lambda: store.read(key),
                lambda: store.write(key, b""),
                lambda: store.write_file(key, BytesIO(), empty),
                lambda: store.delete(key),
            ):
                with pytest.raises(ConfigurationError):
                    operation()

        run_property(unlawful_keys(), refuses)
        assert list(store.list("datasets/")) == []

    def test_of_many_writers_of_one_key_exactly_one_wins(self, store: ArtefactStore) -> None:
        writers, rounds = 8, 5
        for turn in range(rounds):
            barrier, key = Barrier(writers), f"promotions/{turn}"

            def write(writer: int, barrier: Barrier = barrier, key: str = key) -> ArtefactRef | None:
                barrier.wait()
                data = bytes([writer]) * 1000
                try:
                    if writer % 2:
                        return store.write_file(key, BytesIO(data), sha256(data).hexdigest())
                    return store.write(key, data)
                except ArtefactExists:
                    return None

            with ThreadPoolExecutor(writers) as pool:
                outcomes = list(pool.map(write, range(writers)))
            (winner,) = [index for index, ref in enumerate(outcomes) if ref is not None]
            assert store.read(key).data == bytes([winner]) * 1000
            (listed,) = store.list(key)
            assert same(listed, outcomes[winner])

    def test_readers_see_all_of_a_write_or_none_of_it(self, store: ArtefactStore) -> None:
        whole = b"x" * 2_000_000

        def write_all() -> None:
            for turn in range(0, 10, 2):
                store.write(f"datasets/{turn}", whole)
                store.write_file(f"datasets/{turn + 1}", BytesIO(whole), sha256(whole).hexdigest())

        with ThreadPoolExecutor(1) as pool:
            writing, seen = pool.submit(write_all), 0
            while not writing.done() or seen < 10:
                listed = list(store.list("datasets/"))
                seen = len(listed)
                assert [ref.name for ref in listed] == [str(turn) for turn in range(seen)]
                assert all(ref.size == len(whole) for ref in listed)
                assert all(store.read(ref).data == whole for ref in listed[-1:])
                if writing.done():
                    writing.result()

    def test_agrees_with_a_dict(self, new_store: NewStore) -> None:
        run_machine(lambda: StoreMachine(new_store()), self.slowness)


def run_property(strategy: st.SearchStrategy[str], check: Callable[[str], None]) -> None:
    """Check a property within a test that has fixtures, which @given would make only once."""
    from hypothesis import given

    given(strategy)(check)()
