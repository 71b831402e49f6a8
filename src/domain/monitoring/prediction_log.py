"""The prediction log: what was answered, in files that are found again by their time.

A file is named by its earliest row, and no file spans more than ``LONGEST``: the files of a window are therefore
known by their names.
"""

from __future__ import annotations

import hashlib
import re
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, Protocol

from weighbridge.domain.data.schema import Category
from weighbridge.domain.errors import ArtefactExists
from weighbridge.domain.store.artefacts import PREDICTIONS, format_timestamp, parse_timestamp

if TYPE_CHECKING:
    import pandas as pd

    from weighbridge.domain.data.schema import Row, Schema
    from weighbridge.domain.model.predictor import Answer
    from weighbridge.domain.serving.decoded_model import DecodedModel
    from weighbridge.domain.store.artefact_store import ArtefactStore
    from weighbridge.domain.store.artefacts import Artefact, ArtefactRef

#: The most time that there is between the rows of one file.
LONGEST = timedelta(hours=1)

#: The columns of every file, beside the inputs, the prediction and the probabilities.
VERSION_COLUMN, REQUEST_COLUMN, TIME_COLUMN = "model_version", "request_id", "time"

_NAME = re.compile(r"(?P<at>\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}Z)-[0-9a-f]{8}\.parquet")


class LoggedAnswer(NamedTuple):
    """An admitted row, which model answered it and what, to which request, and when (aware, in UTC)."""

    model: DecodedModel
    row: Row
    answer: Answer
    request_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class LoggedRows:
    """What a file of the log holds.

    Args:
        frame: a column for each input that is logged, by the feature's name; ``predictions`` has the rest.
        predictions: of the same rows: ``prediction``, ``model_version``, ``request_id`` and ``time`` (aware), and
            ``probability_<level>`` for classes; those that are redacted are not there.
    """

    frame: pd.DataFrame
    predictions: pd.DataFrame


class PredictionTables(Protocol):
    """Writes and reads the files of the log."""

    @abstractmethod
    def encode(self, answers: Sequence[LoggedAnswer], redacted: Sequence[str]) -> bytes:
        """The answers as the bytes of a file; the same answers give the same bytes.

        Args:
            answers: at least one; their models have equal schemas.
            redacted: inputs, the prediction (its probabilities go with it) or the request id, to be left out.
        """

    @abstractmethod
    def decode(self, artefact: Artefact) -> LoggedRows:
        """The rows of a file.

        Raises:
            DataError: it is no file of the log.
        """


class PredictionLogTelemetry(Protocol):
    """Counts what becomes of answers that are to be logged. Never raises."""

    @abstractmethod
    def begin(self, killed: int) -> None:
        """Nothing waits in this process yet; ``killed`` answers were lost with others that were killed."""

    @abstractmethod
    def taken(self) -> None:
        """An answer is to be logged. Called by the thread that answers; everything else by one other thread."""

    @abstractmethod
    def refused(self) -> None:
        """An answer is lost, because too many wait. Called by the thread that answers."""

    @abstractmethod
    def written(self, rows: int) -> None:
        """So many answers are in the store."""

    @abstractmethod
    def lost(self, rows: int) -> None:
        """So many answers that had been taken are lost."""

    @abstractmethod
    def failing(self, problem: str | None) -> None:
        """Why the last file could not be written; None when it could."""


class UnwrittenCount(Protocol):
    """Counts the answers that wait, where a later process finds the count if this one is killed. Never raises."""

    @abstractmethod
    def open(self) -> None:
        """Begin to count for this process."""

    @abstractmethod
    def taken(self) -> None:
        """One more waits. Called by the thread that answers."""

    @abstractmethod
    def settled(self, rows: int) -> None:
        """So many were written, or given up and told. Called by one other thread."""

    @abstractmethod
    def left_behind(self) -> int:
        """How many answers processes had that were killed, at most; it is told once."""

    @abstractmethod
    def close(self) -> None:
        """The process ends as it should; all is told."""


class OpenFiles:
    """Answers on their way into files, in the order in which they came.

    Args:
        rows: that a file has at most.
        seconds: that an answer waits for others at most, whole or not; no more than LONGEST.
    """

    def __init__(self, rows: int, seconds: float) -> None:
        self._rows = rows
        self._longest = min(timedelta(seconds=seconds), LONGEST)
        self._files: list[list[LoggedAnswer]] = []
        self._fingerprint = ""

    def __len__(self) -> int:
        return sum(map(len, self._files))

    def add(self, answer: LoggedAnswer) -> None:
        """Put an answer into the last file, or into a new one where it does not fit there."""
        if not self._files or not self._fits(answer):
            self._files.append([])
            self._fingerprint = answer.model.schema.fingerprint
        self._files[-1].append(answer)

    def due(self, now: datetime) -> Sequence[LoggedAnswer] | None:
        """The first file, when it is full, old enough, or another follows it; it stays until ``done``."""
        if not self._files:
            return None
        first = self._files[0]
        is_old = abs(now - first[0].at) >= self._longest
        return first if len(self._files) > 1 or len(first) >= self._rows or is_old else None

    def first(self) -> Sequence[LoggedAnswer] | None:
        """The first file, due or not."""
        return self._files[0] if self._files else None

    def done(self) -> None:
        """Forget the first file."""
        del self._files[0]

    def _fits(self, answer: LoggedAnswer) -> bool:
        last = self._files[-1]
        one = last[-1].model
        # Either way: clocks are set back as well.
        near = abs(answer.at - last[0].at) < self._longest
        if len(last) >= self._rows or not near:
            return False
        return answer.model is one or answer.model.schema.fingerprint == self._fingerprint


def write_file(
    store: ArtefactStore, tables: PredictionTables, answers: Sequence[LoggedAnswer], redacted: Sequence[str]
) -> str:
    """Write answers as one file; its key. What was written before, by a try of which no answer came, stays.

    Raises:
        StoreError: it could not be written.
    """
    data = tables.encode(answers, redacted)
    task = answers[0].model.release.version.task
    key = log_key(task, min(one.at for one in answers), hashlib.sha256(data).hexdigest())
    # The name has the digest of the content.
    with suppress(ArtefactExists):
        store.write(key, data)
    return key


def log_key(task: str, earliest: datetime, sha256: str) -> str:
    """Where a file is put, by the time of its earliest row and its own digest."""
    return f"{PREDICTIONS}/{task}_{format_timestamp(earliest)}-{sha256[:8]}.parquet"


def log_timestamp(task: str, name: str) -> datetime | None:
    """The time, in whole seconds, of the earliest row in the file ``name``; None for another name."""
    found = _NAME.fullmatch(name.removeprefix(f"{task}_")) if name.startswith(f"{task}_") else None
    return None if found is None else parse_timestamp(found["at"])


def files_of_window(store: ArtefactStore, task: str, start: datetime, end: datetime) -> Iterator[ArtefactRef]:
    """The files that can hold answers from ``start`` until before ``end``; no other part of the folder is listed.

    Args:
        store: where the log is.
        task: whose.
        start: aware.
        end: aware.
    """
    prefix = f"{PREDICTIONS}/{task}_"
    # Files are as long at most, to either side of their first answer.
    earliest = max(start - 2 * LONGEST, datetime.min.replace(tzinfo=UTC) + LONGEST)
    last = format_timestamp(end)
    for ref in store.list(prefix, start_after=f"{prefix}{format_timestamp(earliest)}"):
        if ref.key[len(prefix) : len(prefix) + len(last)] > last:
            return
        at = log_timestamp(task, ref.name)
        if at is not None and at < end:
            yield ref


def unknown_columns(schema: Schema, redacted: Sequence[str]) -> tuple[str, ...]:
    """Those that cannot be left out of the log of a model, because it has none of their name."""
    known = {*schema.feature_names, schema.prediction, REQUEST_COLUMN}
    return tuple(name for name in redacted if name not in known)


def probability_columns(schema: Schema) -> tuple[str, ...]:
    """The columns of probabilities, in the order of the target's levels; none for a number."""
    target = schema.target
    return tuple(f"probability_{level}" for level in target.levels) if isinstance(target, Category) else ()
