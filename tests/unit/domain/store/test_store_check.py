"""Trying a store: what is fit, what lacks something, and that nothing is left behind."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

from tests.support.clocks import SettableClock
from weighbridge.adapters.memory import MemoryStore
from weighbridge.domain.errors import ArtefactExists, ArtefactNotFound, StoreDenied, StoreUnavailable
from weighbridge.domain.store.artefacts import Artefact, ArtefactRef
from weighbridge.domain.store.store_check import SKEW, StoreReport, check_store

OPERATIONS = [
    "list",
    "write a small object",
    "create without overwriting",
    "read it",
    "write 999,936 bytes",
    "read them",
    "list in order",
    "delete",
    "tell one revision from another",
]
VERSIONS = "versions: what is deleted, or overwritten by others, is gone"


class Strange(MemoryStore):
    """A store of which a test changes one thing."""

    def __init__(self, clock: SettableClock) -> None:
        super().__init__(clock)
        self.clock = clock


class Overwrites(Strange):
    def write(self, key: str, data: bytes) -> ArtefactRef:
        with suppress(ArtefactNotFound):
            self.delete(key)
        return super().write(key, data)


class OverwritesInSilence(Strange):
    def write(self, key: str, data: bytes) -> ArtefactRef:
        try:
            return super().write(key, data)
        except ArtefactExists:
            self.delete(key)
            super().write(key, data)
            raise


class ListsBackwards(Strange):
    def list(self, prefix: str, start_after: str | None = None) -> Iterator[ArtefactRef]:
        return iter([*super().list(prefix, start_after)][::-1])


class ListsLate(Strange):
    def list(self, prefix: str, start_after: str | None = None) -> Iterator[ArtefactRef]:
        return iter([*super().list(prefix, start_after)][:-1])


class ListsFromTheBeginning(Strange):
    def list(self, prefix: str, start_after: str | None = None) -> Iterator[ArtefactRef]:
        return super().list(prefix)


class FlipsBytes(Strange):
    def read(self, what: ArtefactRef | str) -> Artefact:
        return replace(super().read(what), data=b"other")


class KnowsNoRevisions(Strange):
    def read(self, what: ArtefactRef | str) -> Artefact:
        return super().read(what if isinstance(what, str) else what.key)


class DeletesNothing(Strange):
    def delete(self, key: str) -> None:
        self.read(key)


class MayNotDelete(Strange):
    def delete(self, key: str) -> None:
        raise StoreDenied(f"no deletion of {key}")


class MayNotWrite(Strange):
    def write(self, key: str, data: bytes) -> ArtefactRef:
        raise StoreDenied(f"no writing of {key}")


class KeepsVersions(Strange):
    """Every version can be read for ever by its ref."""

    def __init__(self, clock: SettableClock) -> None:
        super().__init__(clock)
        self.versions: dict[str | None, Artefact] = {}

    def write(self, key: str, data: bytes) -> ArtefactRef:
        ref = super().write(key, data)
        ref = replace(ref, version_id=ref.revision)
        self.versions[ref.version_id] = replace(super().read(key), ref=ref)
        return ref

    def read(self, what: ArtefactRef | str) -> Artefact:
        return super().read(what) if isinstance(what, str) else self.versions[what.version_id]


def checked(kind: type[Strange]) -> tuple[StoreReport, Strange]:
    clock = SettableClock()
    store = kind(clock)
    store.write("datasets/a", b"1")
    return check_store(store, clock, "0a1b"), store


def left(store: MemoryStore) -> list[str]:
    return [ref.key for kind in ("scratch/", "datasets/") for ref in MemoryStore.list(store, kind)]


def test_a_store_that_is_fit() -> None:
    report, store = checked(Strange)
    assert [(step.operation, step.problem) for step in report.steps] == [(name, "") for name in OPERATIONS]
    assert [(lack.what, lack.needed) for lack in report.lacks] == [(VERSIONS, False)]
    assert (report.fit, report.left_behind, left(store)) == (True, [], ["datasets/a"])
    document = report.to_dict()
    assert (document["url"], document["fit"]) == ("memory://", True)
    assert document["steps"][0] == {"operation": "list", "seconds": 0.0, "problem": None}


def test_a_store_that_keeps_versions_lacks_nothing() -> None:
    report, _ = checked(KeepsVersions)
    assert (report.fit, report.lacks) == (True, [])


@pytest.mark.parametrize(
    ("kind", "operation", "problem", "lack"),
    [
        (Overwrites, OPERATIONS[2], "an existing object was overwritten", "conditional writes"),
        (OverwritesInSilence, OPERATIONS[2], "it said that the object is there, and changed it", None),
        (ListsBackwards, OPERATIONS[6], "a listing is not in the order of keys", "the order of keys"),
        (ListsLate, OPERATIONS[6], "a listing does not have what was just written", None),
        (ListsFromTheBeginning, OPERATIONS[6], "a listing does not begin after the key", None),
        (FlipsBytes, OPERATIONS[3], "other bytes were read than were written", None),
        (KnowsNoRevisions, OPERATIONS[8], "another revision was read than the one", None),
        (DeletesNothing, OPERATIONS[7], "what was deleted can still be read", None),
        (MayNotDelete, OPERATIONS[7], "no deletion of scratch/check-0a1b-first", None),
        (MayNotWrite, OPERATIONS[1], "no writing of scratch/check-0a1b-first", None),
    ],
)
def test_what_is_wrong_is_told_in_words(
    kind: type[Strange], operation: str, problem: str, lack: str | None
) -> None:
    try:
        report, store = checked(kind)
    except StoreDenied:  # of the dataset that is there before
        clock = SettableClock()
        store = kind(clock)
        report = check_store(store, clock, "0a1b")
    told = {step.operation: step.problem for step in report.steps if step.problem}
    assert told[operation].startswith(problem)
    assert not report.fit
    needed = [one.what.partition(":")[0] for one in report.lacks if one.needed]
    assert needed == ([] if lack is None else [lack])
    if kind is MayNotDelete:
        assert report.left_behind[0] == "scratch/check-0a1b-first"
    elif kind is not DeletesNothing:
        assert [key for key in left(store) if key.startswith("scratch/")] == report.left_behind == []


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (SKEW.total_seconds(), None),
        (-SKEW.total_seconds(), None),
        (90.0, "its clock is 90 seconds ahead of ours"),
        (-3600.0, "its clock is 3,600 seconds behind ours"),
    ],
)
def test_a_clock_that_is_off_is_told(seconds: float, said: str | None) -> None:
    here, there = SettableClock(), SettableClock()
    there.advance(seconds)
    report = check_store(MemoryStore(there), here, "0a1b")
    assert report.fit
    told = [lack.what for lack in report.lacks if lack.what != VERSIONS]
    assert len(told) == (said is not None)
    assert said is None or said in told[0]


def test_a_store_that_stops_answering_is_no_report_and_is_cleaned_as_far_as_it_goes() -> None:
    clock = SettableClock()

    class Stops(Strange):
        """Answers but to readings."""

        def read(self, what: ArtefactRef | str) -> Artefact:
            raise StoreUnavailable("gone")

    store = Stops(clock)
    with pytest.raises(StoreUnavailable, match="gone"):
        check_store(store, clock, "0a1b")
    assert left(store) == []
