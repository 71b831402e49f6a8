"""Checking a store: one round trip of every operation that Weighbridge needs, and what the store lacks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from weighbridge.domain.errors import (
    ArtefactExists,
    ArtefactNotFound,
    ConfigurationError,
    StoreDenied,
    StoreNotFound,
    StoreUnavailable,
    WeighbridgeError,
)
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.store.artefacts import ArtefactRef
from weighbridge.domain.system import Clock

#: The kind of everything that a check writes.
SCRATCH = "scratch"

#: Bytes of the larger of the two objects that are written and read.
LARGE = 1_000_000

#: How far a store's clock may be from ours before it is told: its times have whole seconds.
SKEW = timedelta(seconds=5)

#: Names in the order of their bytes; they are written in another.
_ORDERED = ("A", "B", "a", "a-", "a_", "b")


@dataclass(frozen=True, slots=True)
class Step:
    """One operation that was tried.

    Args:
        operation: what was tried, in words.
        seconds: that it took.
        problem: why it did not do what it should; empty when it did.
    """

    operation: str
    seconds: float
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that a store does not have.

    Args:
        what: in words, with what follows from it.
        needed: nothing can be published safely without it.
    """

    what: str
    needed: bool


@dataclass(slots=True)
class StoreReport:
    """What was found out about a store."""

    url: str
    steps: list[Step] = field(default_factory=list)
    lacks: list[Lack] = field(default_factory=list)
    left_behind: list[str] = field(default_factory=list)

    @property
    def fit(self) -> bool:
        """Whether everything that is needed is there."""
        return not any(step.problem for step in self.steps) and not any(lack.needed for lack in self.lacks)

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "url": self.url,
            "fit": self.fit,
            "steps": [
                {"operation": one.operation, "seconds": one.seconds, "problem": one.problem or None}
                for one in self.steps
            ],
            "lacks": [{"what": one.what, "needed": one.needed} for one in self.lacks],
            "left_behind": self.left_behind,
        }


def check_store(store: ArtefactStore, clock: Clock, token: str) -> StoreReport:
    """Try every operation under ``scratch/``, and remove what was written, whatever happens.

    What a store refuses or does wrongly is in the report, and the check goes on.

    Args:
        store: what to try.
        clock: measures, and is what the store's clock is compared with.
        token: makes the keys this check's own.

    Raises:
        StoreNotFound, StoreUnavailable: the store is not there, or does not answer.
    """
    check = _Check(store, clock, f"{SCRATCH}/check-{token}-")
    try:
        check.run()
    finally:
        check.clean()
    return check.report


class _Check:
    """The steps, in order; a step that needs an earlier one that failed is left out."""

    def __init__(self, store: ArtefactStore, clock: Clock, prefix: str) -> None:
        self._store, self._clock, self._prefix = store, clock, prefix
        self._written: list[str] = []
        self.report = StoreReport(store.url)

    def run(self) -> None:
        self._try("list", lambda: list(self._store.list(self._prefix)))
        first = self._try("write a small object", lambda: self._write("first", b"first"))
        if first is None:
            return
        self._try("create without overwriting", lambda: self._refuses_to_overwrite(first))
        self._try("read it", lambda: self._reads(first, b"first"))
        large = bytes(range(256)) * (LARGE // 256)
        written = self._try(f"write {len(large):,} bytes", lambda: self._write("large", large))
        if written is not None:
            self._try("read them", lambda: self._reads(written, large))
        self._try("list in order", self._lists_in_order)
        if self._try("delete", lambda: self._deletes("first")):
            self._try("tell one revision from another", lambda: self._tells_revisions(first))
        self._look_at(first)

    def clean(self) -> None:
        """Remove what was written; what cannot be removed is in the report."""
        for key in self._written:
            try:
                self._store.delete(key)
            except ArtefactNotFound:
                continue
            except (StoreUnavailable, StoreNotFound):
                return
            except WeighbridgeError:
                self.report.left_behind.append(key)

    def _try(self, operation: str, attempt: Callable[[], Any]) -> Any:
        """What ``attempt`` returns; None when the store refused, or did something else than it should."""
        began, problem, result = self._clock.seconds(), "", None
        try:
            result = attempt()
        except _Wrong as wrong:
            problem = str(wrong)
        except (StoreDenied, ArtefactNotFound, ArtefactExists, ConfigurationError) as error:
            problem = str(error)
        self.report.steps.append(Step(operation, self._clock.seconds() - began, problem))
        return result

    def _write(self, name: str, data: bytes) -> ArtefactRef:
        key = f"{self._prefix}{name}"
        # What only may have been written has to be removed, too.
        self._written.append(key)
        try:
            return self._store.write(key, data)
        except (StoreDenied, ConfigurationError):
            self._written.remove(key)
            raise

    def _refuses_to_overwrite(self, first: ArtefactRef) -> None:
        with suppress(ArtefactExists):
            self._store.write(first.key, b"other")
            self._lack(
                "conditional writes: it overwrites what is there, although it was told to create only (of S3: "
                "If-None-Match is ignored), so that two trainings could destroy each other's releases",
                needed=True,
            )
            raise _Wrong("an existing object was overwritten")
        if self._store.read(first.key).data != b"first":
            raise _Wrong("it said that the object is there, and changed it all the same")

    def _reads(self, ref: ArtefactRef, data: bytes) -> None:
        for what in (ref.key, ref):
            artefact = self._store.read(what)
            if artefact.data != data or artefact.sha256 != sha256(data).hexdigest():
                raise _Wrong("other bytes were read than were written")

    def _lists_in_order(self) -> None:
        for name in reversed(_ORDERED):
            self._write(f"order-{name}", b"")
        prefix = f"{self._prefix}order-"
        expected = [f"{prefix}{name}" for name in _ORDERED]
        listed = [ref.key for ref in self._store.list(prefix)]
        if sorted(listed) != expected:
            raise _Wrong("a listing does not have what was just written")
        if listed != expected:
            self._lack("the order of keys: it lists in another, so that the newest is not found", needed=True)
            raise _Wrong("a listing is not in the order of keys")
        if [ref.key for ref in self._store.list(prefix, expected[2])] != expected[3:]:
            raise _Wrong("a listing does not begin after the key that it should begin after")

    def _deletes(self, name: str) -> bool:
        key = f"{self._prefix}{name}"
        self._store.delete(key)
        with suppress(ArtefactNotFound):
            self._store.read(key)
            raise _Wrong("what was deleted can still be read")
        return True

    def _tells_revisions(self, old: ArtefactRef) -> None:
        self._store.write(old.key, b"second")
        with suppress(ArtefactNotFound):
            # Where versions are kept, the old one may be read for ever.
            if self._store.read(old).data != b"first":
                raise _Wrong("another revision was read than the one that was asked for")

    def _look_at(self, first: ArtefactRef) -> None:
        if first.version_id is None:
            self._lack("versions: what is deleted, or overwritten by others, is gone", needed=False)
        with suppress(StoreDenied, ArtefactNotFound):
            before = self._clock.now()
            told = self._store.read(self._write("clock", b"").key).ref.last_modified
            skew = _skew(before, told, self._clock.now())
            if abs(skew) > SKEW:
                side = "ahead of" if skew > timedelta() else "behind"
                self._lack(
                    f"the right time: its clock is {abs(skew).total_seconds():,.0f} seconds {side} ours; "
                    "promotions keep their order all the same, but signatures may be refused",
                    needed=False,
                )

    def _lack(self, what: str, *, needed: bool) -> None:
        self.report.lacks.append(Lack(what, needed))


class _Wrong(Exception):
    """The store did something else than it should."""


def _skew(before: datetime, told: datetime, after: datetime) -> timedelta:
    """How far ahead a clock is that told a time between two of ours; nothing when it can be right."""
    if told > after:
        return told - after
    return min(told - before, timedelta())
