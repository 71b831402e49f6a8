"""The route of many rows: a table in any format in, its predictions in any format out.

What comes and what goes is kept on the disk where it is large, and a thread of its own works on it in pieces. So
memory stays bounded, single rows are not kept waiting, and a batch is refused with all its problems before the
first byte of an answer.
"""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from weighbridge.adapters.tables.formats import MEDIA_TYPES
from weighbridge.domain.data.tables import problem_document
from weighbridge.domain.errors import DataError, DataTooLarge
from weighbridge.domain.serving.service import PredictionService
from weighbridge.entrypoints.http.answers import OUTSIDE_HEADER, LiveAnswers, names_in_header
from weighbridge.entrypoints.http.batch.clients import ClientLimit
from weighbridge.entrypoints.http.batch.documents import (
    BATCH_RESPONSES,
    MODEL_VERSION_HEADER,
    ROWS_HEADER,
    SKIPPED_HEADER,
)
from weighbridge.entrypoints.http.batch.negotiation import format_sent, format_wanted
from weighbridge.entrypoints.http.batch.spool import Spool, SpoolResponse, SpoolRoom, receive
from weighbridge.entrypoints.http.batch.work import BatchJob, BatchWork
from weighbridge.entrypoints.http.errors import RequestProblem
from weighbridge.entrypoints.http.paths import API
from weighbridge.entrypoints.settings import Settings

if TYPE_CHECKING:
    from weighbridge.domain.serving.batch import BatchResult

#: How long a thread that computes keeps the others from running, in seconds: Python's own 5 ms would be seen in
#: the latency of every single row that comes meanwhile.
_SWITCH_SECONDS = 0.0005


def build_batch_router(service: PredictionService, answers: LiveAnswers, settings: Settings) -> APIRouter:
    """The route of many rows of one task; ``settings`` have its limits."""
    router = APIRouter()
    batches = _Batches(answers, settings)

    @router.post(
        f"{API}/{service.task}/batch",
        tags=["prediction"],
        responses=BATCH_RESPONSES,
        name="batch",
        response_class=Response,
    )
    async def batch(
        request: Request,
        echo: Annotated[
            Literal["true", "false"], Query(description="Put the rows before the predictions")
        ] = "false",
        on_error: Annotated[
            Literal["refuse", "skip"],
            Query(description="Refuse a batch that has a bad row, or answer the good ones and list the others"),
        ] = "refuse",
        csv_safe: Annotated[
            Literal["true", "false"],
            Query(description="Quote cells of CSV that a spreadsheet would run as formulas"),
        ] = "false",
    ) -> Response:
        """Predict many rows: a table in, its predictions out, in the order of the rows.

        JSON is an array of rows, or an object with an array for each feature, all of one length (see the
        example `columns`), and is answered alike. The answer is in the format that `Accept` prefers, else in
        that of the body. A batch with bad rows is refused with all its problems, each with the number of its
        row, up to a hundred of them. With `on_error=skip` the good rows are answered: JSON has their numbers
        in `rows` and the problems of the others in `errors`; other tables have all rows, with nothing for a
        prediction where `problem` says what is wrong.
        """
        return await batches.answer(request, echo == "true", on_error == "skip", csv_safe == "true")

    return router


class _Batches:
    """Answers tables with tables."""

    def __init__(self, answers: LiveAnswers, settings: Settings) -> None:
        self._answers, self._settings = answers, settings
        self._room = SpoolRoom(settings.max_spool_bytes)
        self._clients = ClientLimit(settings.max_client_batches)
        self._work = BatchWork(self._room)
        # The thread that predicts may be busy for seconds; what comes meanwhile is written down by another.
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="spool")

    async def answer(self, request: Request, echo: bool, skips: bool, csv_safe: bool) -> Response:
        sent = format_sent(request.headers.get("content-type"))
        wanted = format_wanted(", ".join(request.headers.getlist("accept")), sent)
        live = self._answers.required()
        settings = self._settings
        # What observers keep of single rows would fill the memory with those of a batch.
        predictor = live.columns(is_observed=False)
        limits = settings.max_batch_rows, settings.max_batch_decoded_bytes
        job = BatchJob(predictor, sent, wanted, echo, skips, csv_safe, *limits)
        leave = self._clients.enter(request.client.host if request.client else "")
        try:
            body = await receive(request, settings.max_batch_bytes, self._disk, self._room)
            sys.setswitchinterval(_SWITCH_SECONDS)
            result, content = await self._predicted(job, body, request)
            for _ in predictor.tell():
                await asyncio.sleep(0)
        except BaseException:
            leave()
            raise
        headers = {
            MODEL_VERSION_HEADER: live.model.release.version.qualified,
            ROWS_HEADER: str(result.rows),
            "Vary": "Accept",
        }
        if skips:
            headers[SKIPPED_HEADER] = str(result.skipped)
        if result.outside:
            headers[OUTSIDE_HEADER] = names_in_header(list(result.outside)).decode()
        headers["Content-Type"] = MEDIA_TYPES[wanted]
        return SpoolResponse(content, headers, self._disk, leave)

    async def _predicted(self, job: BatchJob, body: Spool, request: Request) -> tuple[BatchResult, Spool]:
        try:
            return await self._work.predict(job, body, request)
        except DataTooLarge as error:
            raise RequestProblem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _detail(error)) from None
        except DataError as error:
            faults = [problem_document(problem) for problem in error.problems]
            raise RequestProblem(HTTPStatus.UNPROCESSABLE_ENTITY, _detail(error), faults) from None


def _detail(error: DataError) -> str:
    first, count = str(error.problems[0]), len(error.problems) + error.more
    return first if count == 1 else f"{first}; and {count - 1:,} more"
