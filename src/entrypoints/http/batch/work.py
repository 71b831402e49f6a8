"""Predicting tables in a thread of their own, which ends when nobody waits for the answer any more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect, Request

from weighbridge.adapters.tables.formats import table_reader, table_writer
from weighbridge.domain.data.tables import Chunk, TableFormat, TableReader
from weighbridge.entrypoints.http.batch.spool import Spool, SpoolRoom, as_file

if TYPE_CHECKING:
    from weighbridge.domain.serving.batch import BatchResult
    from weighbridge.domain.serving.column_predictor import ColumnPredictor

_SUBJECT = "the body"


@dataclass(frozen=True, slots=True)
class BatchJob:
    """What is asked for.

    Args:
        predictor: of the live model.
        sent: the format of the body.
        wanted: the format of the answer.
        echo: whether the rows come before the predictions.
        skips: whether bad rows are skipped.
        csv_safe: whether cells of CSV that a spreadsheet would run are quoted.
        most_rows: that the table may have.
        most_bytes: of its columns, decompressed.
    """

    predictor: ColumnPredictor
    sent: TableFormat
    wanted: TableFormat
    echo: bool
    skips: bool
    csv_safe: bool
    most_rows: int
    most_bytes: int


class BatchWork:
    """One thread that predicts tables, one at a time.

    Args:
        room: for what it writes.
    """

    def __init__(self, room: SpoolRoom) -> None:
        self._room = room
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="batch")

    async def predict(self, job: BatchJob, body: Spool, request: Request) -> tuple[BatchResult, Spool]:
        """Predict a table; the body is closed at the end, the answer is for the caller to close.

        Raises:
            DataError: it is no table of the model's features, or rows are bad and are not to be skipped.
            ClientDisconnect: the client has gone away; the work ends with the rows that are in hand.
            RequestProblem: as a ``Spool`` raises it.
        """
        stop = threading.Event()
        work = self._executor.submit(self._predict, job, body, stop)
        done = asyncio.wrap_future(work)
        gone = asyncio.ensure_future(_gone(request))
        try:
            waited: set[asyncio.Future[Any]] = {done, gone}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if not done.done():
                raise ClientDisconnect
            return done.result()
        finally:
            gone.cancel()
            if not done.done():
                stop.set()
                if work.cancel():
                    body.close()
                work.add_done_callback(_throw_away)
                with suppress(asyncio.CancelledError):
                    done.cancel()

    def _predict(self, job: BatchJob, body: Spool, stop: threading.Event) -> tuple[BatchResult, Spool]:
        # What only batches need is loaded when the first comes.
        from weighbridge.domain.serving.batch import output_of, predict_table

        model = job.predictor.model
        schema = model.schema
        output = output_of(model, echo=job.echo, skips=job.skips, csv_safe=job.csv_safe)
        content = Spool(self._room)
        try:
            with body:
                reader = table_reader(job.sent, as_file(body), schema, _SUBJECT, most_bytes=job.most_bytes)
                is_columns = bool(getattr(reader, "is_columns", False))
                writer = table_writer(job.wanted, as_file(content), output, schema, is_columns=is_columns)
                result = predict_table(
                    job.predictor,
                    _UntilStopped(reader, stop),
                    writer,
                    output,
                    subject=_SUBJECT,
                    most_rows=job.most_rows,
                )
            return result, content
        except BaseException:
            content.close()
            raise


class _Stopped(Exception):
    """Nobody waits for the answer any more."""


class _UntilStopped(TableReader):
    """A table that ends where it is told to.

    Args:
        reader: of the whole table.
        stop: once it is set, no more rows are given.
    """

    def __init__(self, reader: TableReader, stop: threading.Event) -> None:
        self._reader, self._stop = reader, stop

    def chunks(self) -> Iterator[Chunk]:
        """The rows in pieces, as the reader gives them."""
        for chunk in self._reader.chunks():
            if self._stop.is_set():
                raise _Stopped
            yield chunk


async def _gone(request: Request) -> None:
    """Wait until the client has gone away; its body has come as a whole."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _throw_away(work: Future[tuple[BatchResult, Spool]]) -> None:
    if not work.cancelled() and work.exception() is None:
        work.result()[1].close()
