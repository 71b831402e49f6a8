"""What the domain needs of the world. Adapters inherit these protocols explicitly; everything is synchronous."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, Literal, Protocol, TypeAlias

from weighbridge.domain.artefacts import pieces_of

if TYPE_CHECKING:
    import pandas as pd

    from weighbridge.domain.artefacts import Artefact, ArtefactRef
    from weighbridge.domain.columns import Array, Encoded
    from weighbridge.domain.estimator import FittedModel
    from weighbridge.domain.events import Event
    from weighbridge.domain.figures import Figures
    from weighbridge.domain.picture.shapes import Picture
    from weighbridge.domain.provenance import Record
    from weighbridge.domain.releases import ModelVersion, Promotion, Refusal, Release
    from weighbridge.domain.schema import Row, Schema, Value
    from weighbridge.domain.serving import Classification, LoadedModel, Predictor


#: The kinds of records that have rules of their own.
RecordKind: TypeAlias = Literal["release", "promotion"]


class ArtefactStore(Protocol):
    """A flat store of immutable artefacts under two-level keys (``kind/name``).

    Every method may raise StoreNotFound (the folder or bucket itself is gone), StoreDenied or
    StoreUnavailable; vendor errors never pass through. Keys that break ``artefacts.check_key`` raise
    ConfigurationError.
    """

    @property
    @abstractmethod
    def url(self) -> str:
        """The store's address, for messages and records."""

    @abstractmethod
    def list(self, prefix: str, start_after: str | None = None) -> Iterator[ArtefactRef]:
        """Yield the artefacts whose key begins with ``prefix``, ascending by key in UTF-8 byte order, lazily.

        Args:
            prefix: ``kind/`` followed by the beginning of a name, or by nothing.
            start_after: yield only keys greater than this one, whether or not it exists.

        Anything deeper than two levels is not an artefact and never listed; neither is one half written. A
        prefix that matches nothing yields nothing. Pages are fetched as they are consumed.
        """

    def stems(self, prefix: str, delimiter: str, start_after: str | None = None) -> Iterator[str]:
        """Yield the beginnings of the keys under ``prefix``, each once, ascending, lazily.

        The stem of a key reaches through the first ``delimiter`` beyond the prefix, and is the whole key where
        there is none: below ``datasets/orders_``, delimited by ``-``, there is one stem for each year. Every
        artefact's stem is among them. A store whose folders hold more than artefacts may yield stems of that too.

        This way of doing it fits every store that lists by pages from any point: it jumps over what is left of a
        stem that fills a page. A store that can group keys itself does better.

        Args:
            prefix: as for ``list``.
            delimiter: one character, not a slash.
            start_after: only keys greater than this one count. It must not cut through a stem.
        """
        page, stem, more = 1000, "", True
        while more:
            more = False
            for count, ref in enumerate(self.list(prefix, start_after), 1):
                head, found, _ = ref.key[len(prefix) :].partition(delimiter)
                if f"{prefix}{head}{found}" != stem:
                    stem = f"{prefix}{head}{found}"
                    yield stem
                elif count % page == 0:
                    start_after, more = max(ref.key, f"{stem}\U0010ffff"), True
                    break

    @abstractmethod
    def read(self, what: ArtefactRef | str) -> Artefact:
        """Read an artefact whole, with our own sha256 of its bytes.

        Args:
            what: a key, for whatever is there now; or a ref, for exactly that revision of it.

        Raises:
            ArtefactNotFound: there is no such key, or no longer that revision.
        """

    @abstractmethod
    def write(self, key: str, data: bytes) -> ArtefactRef:
        """Create an artefact. Readers see all of it or none of it; when this returns, it is durable.

        Raises:
            ArtefactExists: the key is taken. What was there is untouched.
        """

    def write_file(self, key: str, file: BinaryIO, sha256: str) -> ArtefactRef:
        """Create an artefact as ``write`` does, of what a file holds.

        A store that can does so without holding the file in memory. This one, which fits every store, holds it.

        Args:
            key: of the artefact.
            file: the whole of it, open for reading at any place; it stays open, and is left at any place.
            sha256: the digest, in hexadecimal, that the bytes must have.

        Raises:
            ArtefactExists: the key is taken. What was there is untouched.
            DataError: the file has other bytes by now. Nothing is written.
        """
        return self.write(key, b"".join(pieces_of(key, file, sha256)))

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove an artefact, for retention.

        Raises:
            ArtefactNotFound: there is no such key.
        """


class ModelRegistry(Protocol):
    """An append-only log of releases, refusals and promotions. Store errors pass through."""

    @abstractmethod
    def publish(self, model: bytes, record: Record) -> Release:
        """Write the model's bytes, then its record, whose existence is the publication.

        Raises:
            ArtefactExists: this version was published before.
        """

    @abstractmethod
    def refuse(self, record: Record) -> None:
        """Write the record of a candidate that the gate refused; its bytes are not kept."""

    @abstractmethod
    def promote(self, version: ModelVersion, reason: str, by: str, hold: bool = False) -> Promotion:
        """Make a published version the live one.

        The new promotion is later than every one before it, even when this machine's clock is behind.

        Raises:
            UnknownVersion: there is no release of that version.
        """

    @abstractmethod
    def live(self, task: str) -> Promotion:
        """The newest promotion of the task.

        Raises:
            NothingReleased: none was ever made.
            RegistryError: the newest promotion cannot be read as one.
        """

    @abstractmethod
    def mark(self, last: Promotion) -> Hashable:
        """How the log of promotions looks from about the day of ``last`` on, for one small request.

        While two marks of the same promotion are equal, nothing was promoted between them.
        """

    @abstractmethod
    def promotions(self, task: str) -> Iterator[Promotion]:
        """Every promotion of the task, newest first; nothing when there is none.

        Records are read as they are consumed.

        Raises:
            RegistryError: one of them cannot be read.
        """

    @abstractmethod
    def newest(self, task: str) -> Release | None:
        """The release with the newest version, live or not; None when there is none."""

    @abstractmethod
    def releases(self, task: str) -> Iterator[Release]:
        """Every release of the task, newest version first; nothing when there is none.

        Records are read as they are consumed. A record that cannot be read raises RegistryError.
        """

    @abstractmethod
    def versions(self, task: str, after: ModelVersion | None = None) -> list[ModelVersion]:
        """The versions of the releases of the task, newest first; empty when there is none. No record is read.

        Args:
            task: the task's name.
            after: only versions that are newer than this one, whether or not it exists.
        """

    @abstractmethod
    def refused_versions(self, task: str, after: ModelVersion | None = None) -> list[ModelVersion]:
        """The versions of the candidates that were refused, as ``versions`` has those of the releases."""

    @abstractmethod
    def read_refusal(self, version: ModelVersion) -> Refusal:
        """The refusal of a version.

        Raises:
            UnknownVersion: there is none.
            RegistryError: its record cannot be read as one.
        """

    @abstractmethod
    def read(self, version: ModelVersion) -> Release:
        """The release of a version.

        Raises:
            UnknownVersion: there is none.
            RegistryError: its record cannot be read as one.
        """

    @abstractmethod
    def fetch(self, release: Release) -> bytes:
        """The model bytes of a release, checked against the digest of its record.

        Raises:
            ModelUnreadable: the bytes are missing or are not those that were published.
        """


class RecordRules(Protocol):
    """What the records in a store have to look like."""

    @abstractmethod
    def faults(self, kind: RecordKind, document: object) -> list[str]:
        """Everything about a record that is not as it has to be, in words; nothing when all is well.

        Args:
            kind: ``release`` for the record of a release or of a refusal.
            document: as it was read, whatever it is.
        """


class ModelCodec(Protocol):
    """Turns a fitted model into bytes of one format, and such bytes into something that predicts."""

    @property
    @abstractmethod
    def format(self) -> str:
        """The name of the format, as records have it: ``onnx``, ``skops``."""

    @abstractmethod
    def encode(self, model: FittedModel, schema: Schema) -> bytes:
        """The model as bytes; the same model gives the same bytes.

        Raises:
            ModelError: this format cannot hold this model; the message says why.
        """

    @abstractmethod
    def decode(self, data: bytes, schema: Schema) -> Predictor:
        """A predictor for rows of ``schema``.

        Raises:
            ModelUnreadable: the bytes hold no model of this format, or one that is not trusted.
            IncompatibleModel: the model does not take the schema's features.
        """


class ModelExporter(Protocol):
    """Writes releases to where other programs load models from."""

    @abstractmethod
    def export(self, release: Release, model: bytes, wanted: str, folder: str) -> list[str]:
        """Write a release to a new folder, which appears when it is whole.

        Args:
            release: what to write.
            model: its bytes, verified.
            wanted: ``mlflow``, ``onnx`` or ``skops``.
            folder: a path; it may exist if it is empty.

        Returns:
            The files that are there now, relative to the folder.

        Raises:
            ConfigurationError: the model is of another format, or the folder cannot be written or is not empty.
        """


class DatasetReader(Protocol):
    """Reads tables out of artefacts."""

    def read(self, artefact: Artefact, schema: Schema) -> pd.DataFrame:
        """The table in an artefact, as ``read_file`` reads it."""
        return self.read_file(artefact.ref.key, BytesIO(artefact.data), schema)

    @abstractmethod
    def read_file(self, key: str, file: BinaryIO, schema: Schema) -> pd.DataFrame:
        """The table in a file, as it is: nothing has been admitted yet.

        Args:
            key: of the artefact that the file is or will be; its suffix says the format (see
                ``artefacts.DATASET_SUFFIXES``).
            file: the whole of it, open for reading at any place; it stays open, and is left at any place.
            schema: names the columns that are text whatever they look like; it is not enforced here.

        Raises:
            DataError: no table can be read from these bytes.
        """


class ReportRenderer(Protocol):
    """Draws the picture of a weighing."""

    @abstractmethod
    def render(self, picture: Picture) -> bytes:
        """The report as one self-contained HTML file.

        Raises:
            ReportFailure: it cannot be drawn; the message says why.
        """


class Clock(Protocol):
    """Where time comes in."""

    @abstractmethod
    def now(self) -> datetime:
        """The present, aware, in UTC."""

    @abstractmethod
    def seconds(self) -> float:
        """A monotonic count of seconds, for durations."""


class RevisionSource(Protocol):
    """Where the code's own identity comes from."""

    @abstractmethod
    def revision(self) -> str:
        """The revision of the running code, or ``unknown``."""

    @abstractmethod
    def libraries(self) -> dict[str, str]:
        """Versions of the libraries that shape a model, by name; Python's own is among them."""


class MemoryMeter(Protocol):
    """Where the use of memory is told."""

    @abstractmethod
    def peak_bytes(self) -> int:
        """The most memory that this process has held at once until now, in bytes."""


class EventSink(Protocol):
    """Takes the facts that the workflows emit."""

    @abstractmethod
    def emit(self, event: Event) -> None:
        """Take one event; never raises."""


class Tracing(Protocol):
    """Where what is done, and for how long, is told as spans that lie within each other."""

    @abstractmethod
    def span(self, name: str, **attributes: str) -> AbstractContextManager[None]:
        """A span around what is done within; an exception that leaves it is told and goes on."""

    @abstractmethod
    def request(self, method: str, path: str, headers: Mapping[str, str]) -> AbstractContextManager[RequestSpan]:
        """A span around the answer to a request, within the one that the request's own headers name.

        Args:
            method: of the request.
            path: of the request.
            headers: by lower-case name; ``traceparent`` and ``tracestate`` as the W3C has them.
        """


class RequestSpan(Protocol):
    """The span of one request."""

    @abstractmethod
    def answered(self, route: str, status: int, request_id: str) -> None:
        """Tell what became of it: the route's template, the status, and the id that the answer carries."""


class Tally(Protocol):
    """Counts what is predicted of one table, in whatever thread."""

    @abstractmethod
    def add(self, predicted: Array | Encoded, outside: Mapping[str, int]) -> None:
        """Count predictions of shape [rows], and how many rows are outside of a feature's range in training."""


class ServingTelemetry(Protocol):
    """Counts what a service does. Called on every request: a call takes about a microsecond and never raises."""

    @abstractmethod
    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request to ``route`` (its template, not its path) was answered."""

    @abstractmethod
    def predicted(self, values: Sequence[Value]) -> None:
        """These predictions were given."""

    @abstractmethod
    def outside_training_range(self, features: Iterable[str]) -> None:
        """A row was predicted whose values of these features are outside their range in training."""

    @abstractmethod
    def tally(self) -> Tally:
        """A tally that has counted nothing yet."""

    @abstractmethod
    def count(self, tally: Tally) -> None:
        """What a tally of ``tally()`` has counted is part of what was predicted."""

    @abstractmethod
    def refreshed(self, problem: str | None) -> None:
        """The registry was looked at; ``problem`` says why the live release could not be followed."""

    @abstractmethod
    def figures(self) -> Figures:
        """What was counted, of every process of the service, as plain numbers."""

    @abstractmethod
    def exposition(self, loaded: LoadedModel | None, accept: str) -> tuple[bytes, str]:
        """Everything counted, of every process of the service, and its media type.

        Args:
            loaded: the model that answers now.
            accept: the media types that the asker takes, as in the HTTP header.
        """


class AnswerObserver(Protocol):
    """Sees every row that was answered, and by what: for a shadow, for a log of predictions.

    A service has one or none. ``start`` and ``stop`` are called once each, in the process that answers.
    """

    @abstractmethod
    def start(self) -> None:
        """The first answer is about to be given: whatever is done on threads of its own may begin."""

    @abstractmethod
    def observe(self, model: LoadedModel, row: Row, answer: Value | Classification, request_id: str) -> None:
        """``model`` answered an admitted row.

        Called for every answer, on the thread that answers: a call takes about a microsecond, never waits and
        never raises. Work is left to another thread, by a bounded queue whose losses are counted.

        Args:
            model: its ``release`` says the version and the schema.
            row: by feature; it belongs to nobody else and is never changed.
            answer: the number; for a category the label and its probabilities.
            request_id: as the answer carries it; the rows of one request have it in common.
        """

    @abstractmethod
    def stop(self) -> None:
        """The last answer was given: finish what is waiting within a few seconds, and end."""


class ShadowTelemetry(Protocol):
    """Counts what a second model would have answered. Never raises. ``dropped`` is called by the thread that
    answers, everything else by one other thread.
    """

    @abstractmethod
    def shadowing(self, release: Release | None, problem: str | None) -> None:
        """This is the second model now, if there is one; ``problem`` says why there is not the one wanted."""

    @abstractmethod
    def differed(self, version: str, differences: Sequence[float]) -> None:
        """Rows were predicted by ``version``, so far from the answers: absolute, in the target's unit."""

    @abstractmethod
    def labelled(self, version: str, rows: int, otherwise: int) -> None:
        """So many rows were predicted by ``version``, and so many of them got another class than was answered."""

    @abstractmethod
    def failed(self, version: str, reason: str, rows: int) -> None:
        """``version`` has no prediction to compare for so many rows; ``reason`` is one of a few words."""

    @abstractmethod
    def dropped(self) -> None:
        """An answered row was not compared, because too many were waiting."""


class SearchProgress(Protocol):
    """Watches a search go on."""

    @abstractmethod
    def start(self, total: int) -> None:
        """The search will make ``total`` steps."""

    @abstractmethod
    def advance(self, steps: int, best: float | None) -> None:
        """``steps`` more are done; ``best`` is the best score so far, where it is known."""

    @abstractmethod
    def finish(self) -> None:
        """The search is over, well or not."""
