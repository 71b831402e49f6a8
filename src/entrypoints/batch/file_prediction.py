"""Predicting one file, in this process or in another."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from weighbridge.adapters.tables.formats import format_of, table_reader, table_writer
from weighbridge.domain.errors import DataError, Problem, StoreUnavailable, WeighbridgeError
from weighbridge.entrypoints import exit_codes
from weighbridge.entrypoints.settings import Settings

if TYPE_CHECKING:
    from weighbridge.domain.serving.batch import BatchResult
    from weighbridge.domain.serving.decoded_model import DecodedModel


@dataclass(frozen=True, slots=True)
class FileJob:
    """A file to predict, with everything that another process needs for it.

    Args:
        source: the address of the file.
        target: the address of the file of its predictions.
        task: the task's name.
        version: of the model; the live one at the time when it was begun.
        settings: of the store where the model is.
        echo: whether the input's columns go before the predictions.
        skips: whether bad rows are skipped.
        overwrite: whether a file that exists is replaced.
        csv_safe: whether cells of CSV that a spreadsheet would run are quoted.
    """

    source: str
    target: str
    task: str
    version: str
    settings: Settings
    echo: bool
    skips: bool
    overwrite: bool
    csv_safe: bool = False


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What became of a file: how many rows it has, how many were skipped; or an error and its exit code."""

    source: str
    target: str
    rows: int = 0
    skipped: int = 0
    code: int = exit_codes.OK
    error: str = ""


#: Called with how many bytes of the input are read so far, and how many more rows are predicted.
Advance = Callable[[int, int], None]


def predict_file(job: FileJob, advance: Advance = lambda _bytes, _rows: None) -> BatchResult:
    """Predict one file. The file of its predictions appears whole, or not at all.

    Raises:
        DataError: no table can be read from it, or rows are bad and are not to be skipped.
        ConfigurationError, StoreError, ModelError: as what is asked raises them.
    """
    from weighbridge.domain.serving.batch import output_of, predict_table
    from weighbridge.domain.serving.column_predictor import ColumnPredictor
    from weighbridge.entrypoints.store_urls import open_files

    model = _model(job.settings, job.task, job.version)
    output = output_of(model, echo=job.echo, skips=job.skips, csv_safe=job.csv_safe)
    sent, sent_compressed = format_of(job.source)
    wanted, wanted_compressed = format_of(job.target)
    sources, source = open_files(job.source, job.settings)
    targets, target = open_files(job.target, job.settings)
    with ExitStack() as stack, _translated(job):
        # Before anything is read: a target that is taken is found out at once.
        written = stack.enter_context(targets.write(target, overwrite=job.overwrite))
        raw = stack.enter_context(sources.read(source))
        read = stack.enter_context(_decompressed(raw, sent_compressed)) if sent_compressed else raw
        packed = stack.enter_context(_compressed(written, wanted_compressed)) if wanted_compressed else written
        reader = table_reader(sent, read, model.schema, job.source, others_allowed=True)
        is_columns = bool(getattr(reader, "is_columns", False))
        writer = table_writer(wanted, packed, output, model.schema, is_columns=is_columns)

        return predict_table(
            ColumnPredictor(model),
            reader,
            writer,
            output,
            subject=job.source,
            others_allowed=True,
            progress=lambda rows: advance(raw.tell(), rows),
        )


def try_file(job: FileJob) -> FileOutcome:
    """``predict_file``, but an error is part of what is returned."""
    done = FileOutcome(job.source, job.target)
    try:
        result = predict_file(job)
    except WeighbridgeError as error:
        return replace(done, code=exit_codes.exit_code(error), error=str(error))
    except Exception as error:
        logging.getLogger("weighbridge").exception("'%s': this is a bug in Weighbridge", job.source)
        return replace(done, code=exit_codes.BUG, error=f"{type(error).__name__}: {error}")
    return replace(done, rows=result.rows, skipped=result.skipped)


def size_of(job: FileJob) -> int:
    """The bytes of a job's input; 0 where that would have to be asked for."""
    path = Path(job.source)
    return path.stat().st_size if path.is_file() else 0


@lru_cache(maxsize=2)
def _model(settings: Settings, task: str, version: str) -> DecodedModel:
    """The same process predicts many files with one model."""
    from weighbridge.domain.registry.loading import decode_release
    from weighbridge.domain.registry.releases import ModelVersion
    from weighbridge.domain.serving.decoded_model import DecodedModel
    from weighbridge.entrypoints.container import wire

    container = wire(settings)
    registry = container.registry()
    release = registry.read(ModelVersion.parse(task, version))
    return DecodedModel(release, decode_release(release, registry.fetch(release), container.codecs()))


@contextmanager
def _translated(job: FileJob) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno is None:
            # Of what decompresses, not of the system.
            raise DataError(job.source, [Problem(f"cannot be read: {error}")]) from error
        raise StoreUnavailable(f"{job.target}: {error.strerror}; make room and run this again") from error


def _decompressed(file: BinaryIO, kind: str) -> Any:
    import pyarrow as pa

    return pa.CompressedInputStream(file, kind)


def _compressed(file: BinaryIO, kind: str) -> Any:
    import pyarrow as pa

    return pa.CompressedOutputStream(_KeptOpen(file), kind)


class _KeptOpen(io.RawIOBase):
    """A file that stays open when what writes to it is closed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def writable(self) -> bool:
        """Whether it can be written to: always."""
        return True

    def write(self, data: Any) -> int:
        """Write all of ``data``; nothing once the file is closed."""
        return len(data) if self._file.closed else self._file.write(data)
