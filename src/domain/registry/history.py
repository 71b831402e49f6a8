"""The newest weighings of a task, released and refused, gathered beside the answers of a service."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from weighbridge.domain.errors import RegistryError, UnknownVersion, WeighbridgeError
from weighbridge.domain.registry.recorded import read_report
from weighbridge.domain.registry.releases import CLOCKS_APART, ModelVersion

if TYPE_CHECKING:
    from weighbridge.domain.evaluation.gate import Verdict
    from weighbridge.domain.registry.model_registry import ModelRegistry
    from weighbridge.domain.registry.promotions import Promotion
    from weighbridge.domain.registry.provenance import Record
    from weighbridge.domain.store.artefact_store import ArtefactStore
    from weighbridge.domain.system import Clock

#: So many weighings are shown, the newest.
MOST = 50

#: A look ends after so many seconds, and the next one goes on: following promotions must not wait for it longer.
_PATIENCE = 2.0

#: Between two looks when nothing was promoted, and between two in which every name is listed, in seconds.
_PAUSE, _WHOLE = 60.0, 3600.0


@dataclass(frozen=True, slots=True)
class Weighing:
    """What is shown of a weighing.

    Args:
        version: of the candidate.
        verdict: of the gate.
        reasons: for the verdict, in words, errors first.
        metrics: by name.
        thresholds: as records have them.
        rows: of its dataset.
        has_report: whether a report of it was written.
    """

    version: ModelVersion
    verdict: Verdict
    reasons: Sequence[str]
    metrics: Mapping[str, float]
    thresholds: Sequence[Mapping[str, Any]]
    rows: int
    has_report: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was found at the last look.

    Args:
        weighings: the newest ones that can be read, newest first.
        released: how many releases there are.
        refused: how many refusals there are.
        is_whole: whether none of the newest is still to be read.
        problem: why the last look failed, in one line; None when it did not.
    """

    weighings: tuple[Weighing, ...] = ()
    released: int = 0
    refused: int = 0
    is_whole: bool = False
    problem: str | None = None


class History:
    """Follows the registry; one thread looks, any thread takes ``snapshot``.

    A record is read once. The names are listed from the day of the newest one known on, and all of them once an
    hour, which finds what was removed.

    Args:
        task: the task's name.
        registry: where the records are.
        store: where the reports are.
        clock: says when to look again.
        most: so many weighings at most are read and kept.
    """

    def __init__(
        self, task: str, registry: ModelRegistry, store: ArtefactStore, clock: Clock, most: int = MOST
    ) -> None:
        self._task = task
        self._registry = registry
        self._store = store
        self._clock = clock
        self._most = most
        self._snapshot = Snapshot()
        self._live: Promotion | None = None
        self._looked: float | None = None
        self._listed: float | None = None
        self._released: list[ModelVersion] = []
        self._refused: list[ModelVersion] = []
        #: By whether it was refused, and version; None for a record that cannot be read.
        self._read: dict[tuple[bool, ModelVersion], Weighing | None] = {}

    @property
    def snapshot(self) -> Snapshot:
        """What is known now."""
        return self._snapshot

    def follow(self, live: Promotion | None) -> None:
        """Look, if there may be something new: another promotion, unread records, or a minute has passed.

        A store that fails is a ``problem`` of the snapshot, and what was known stays.
        """
        now = self._clock.seconds()
        is_due = self._looked is None or not self._snapshot.is_whole or now - self._looked >= _PAUSE
        if not is_due and live == self._live:
            return
        self._live, self._looked = live, now
        try:
            found = self._look(now)
        except WeighbridgeError as error:
            # Not at every turn of the loop: a store that fails is asked often enough for the live model.
            found = replace(self._snapshot, is_whole=True, problem=" ".join(str(error).split()))
        if found != self._snapshot:
            self._snapshot = found

    def report(self, version: ModelVersion) -> bytes:
        """The report of an evaluation, out of the store, compared with the digest that its record has.

        Raises:
            ArtefactNotFound: there is none.
            RegistryError: it is not the one that was recorded.
            StoreError: the store fails.
        """
        return read_report(self._store, self._registry, version)

    def _look(self, now: float) -> Snapshot:
        is_whole_due = self._listed is None or now - self._listed >= _WHOLE
        self._released = self._names(self._registry.versions, [] if is_whole_due else self._released)
        self._refused = self._names(self._registry.refused_versions, [] if is_whole_due else self._refused)
        if is_whole_due:
            self._listed = now
        names = [(False, version) for version in self._released] + [(True, version) for version in self._refused]
        newest = sorted(names, key=lambda name: name[1], reverse=True)[: self._most]
        self._read = {name: self._read[name] for name in newest if name in self._read}
        for name in newest:
            if name not in self._read:
                self._read[name] = self._weighing(*name)
                if self._clock.seconds() - now >= _PATIENCE:
                    break
        read = (self._read.get(name) for name in newest)
        return Snapshot(
            weighings=tuple(weighing for weighing in read if weighing is not None),
            released=len(self._released),
            refused=len(self._refused),
            is_whole=len(self._read) == len(newest),
        )

    def _names(
        self, ask: Callable[[str, ModelVersion | None], list[ModelVersion]], known: list[ModelVersion]
    ) -> list[ModelVersion]:
        if not known:
            return ask(self._task, None)
        # Whoever trained longer may publish an older version later.
        since = replace(known[0], created=known[0].created - CLOCKS_APART)
        return ask(self._task, since) + [version for version in known if version <= since]

    def _weighing(self, is_refused: bool, version: ModelVersion) -> Weighing | None:
        try:
            read = self._registry.read_refusal if is_refused else self._registry.read
            return _summary(version, read(version).record)
        except (RegistryError, UnknownVersion):
            return None


def _summary(version: ModelVersion, record: Record) -> Weighing:
    return Weighing(
        version,
        record.decision.verdict,
        tuple(reason.text for reason in record.decision.reasons),
        record.metrics,
        record.thresholds,
        record.dataset.rows,
        has_report="key" in (record.report or {}),
    )
