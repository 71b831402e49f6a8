"""The routes of the page. None of them asks the store but the one for a report."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cache, partial
from http import HTTPStatus
from importlib.resources import files
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError

from weighbridge.domain.errors import ArtefactNotFound, RegistryError, StoreError, UnknownVersion
from weighbridge.domain.registry.history import History
from weighbridge.domain.registry.releases import ModelVersion
from weighbridge.domain.serving.service import PredictionService
from weighbridge.domain.serving.telemetry import ServingTelemetry
from weighbridge.entrypoints.http.answers import LiveAnswers
from weighbridge.entrypoints.http.errors import RequestProblem, bad_row
from weighbridge.entrypoints.http.page.now import figures_in_words
from weighbridge.entrypoints.http.page.trying import Tried, answered, curl_command, refused, row_of
from weighbridge.entrypoints.http.page.view import mark_of, render
from weighbridge.entrypoints.http.paths import PAGE, REPORTS, SCRIPT, STATE, STYLE
from weighbridge.entrypoints.http.routes import read_body
from weighbridge.entrypoints.settings import Settings

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

#: A report has its style within, and needs nothing else.
_REPORT_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_FORM = "application/x-www-form-urlencoded"


def build_page_router(
    service: PredictionService,
    answers: LiveAnswers,
    telemetry: ServingTelemetry,
    history: History,
    settings: Settings,
) -> APIRouter:
    """The page over ``service`` and what ``history`` knows; its form is answered and counted as any row."""
    router = APIRouter(include_in_schema=False)
    page = _Page(service, answers, telemetry, history, settings)
    # A store that hangs keeps those waiting who want reports, and nobody else.
    reading = ThreadPoolExecutor(2, thread_name_prefix="report")

    @router.get(PAGE, name="page")
    async def show() -> Response:
        """What is live, what was weighed, a form, and what the service does."""
        return await page.write()

    @router.post(PAGE, name="try-without-script")
    async def try_without_script(request: Request) -> Response:
        """The page with the answer to its form."""
        return await page.answer(request)

    @router.get(STATE, name="page-state")
    async def state() -> Response:
        """What the service does now, and a mark that changes when the page does."""
        now = figures_in_words(telemetry.figures())
        return JSONResponse({"mark": mark_of(service, history.snapshot), "now": now})

    @router.get(SCRIPT, name="page-script")
    async def script() -> Response:
        """The page's script."""
        return Response(_file("page.js"), media_type="text/javascript")

    @router.get(STYLE, name="page-style")
    async def style() -> Response:
        """The page's style."""
        return Response(_file("page.css"), media_type="text/css")

    @router.get(f"{REPORTS}/{{version}}", name="report")
    async def report(version: str) -> Response:
        """The report of a weighing, as it is stored."""
        try:
            wanted = ModelVersion.parse(service.task, version)
            data = await asyncio.get_running_loop().run_in_executor(reading, history.report, wanted)
        except (UnknownVersion, ArtefactNotFound):
            raise RequestProblem(HTTPStatus.NOT_FOUND, f"there is no report of {version[:100]}") from None
        except RegistryError as error:
            raise RequestProblem(HTTPStatus.NOT_FOUND, str(error)) from error
        except StoreError as error:
            detail = f"the report cannot be read now: {error}"
            raise RequestProblem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": "10"}) from error
        return Response(data, headers={"Content-Security-Policy": _REPORT_POLICY}, media_type="text/html")

    return router


class _Page:
    """Writes the page, and answers its form."""

    def __init__(
        self,
        service: PredictionService,
        answers: LiveAnswers,
        telemetry: ServingTelemetry,
        history: History,
        settings: Settings,
    ) -> None:
        self._service, self._answers, self._telemetry = service, answers, telemetry
        self._history, self._settings = history, settings
        self._started = datetime.now(UTC)

    async def write(self, tried: Tried | None = None, status: int = HTTPStatus.OK) -> Response:
        write = partial(
            render,
            self._service,
            self._history.snapshot,
            self._telemetry.figures(),
            tried,
            datetime.now(UTC),
            self._started,
            has_keys=bool(self._settings.keys),
        )
        # To read the template takes a while, the first time.
        text = await asyncio.to_thread(write)
        headers = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"}
        return Response(text, status, headers, "text/html")

    async def answer(self, request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
            raise RequestProblem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send {_FORM}")
        body = await read_body(request, self._settings.max_body_bytes)
        filled = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        live = self._answers.now()
        if live is None:
            return await self.write(status=HTTPStatus.SERVICE_UNAVAILABLE)
        try:
            row_as_json = row_of(live.model, filled)
            answer, outside = await live.predict(live.read(row_as_json), request.state.request_id)
        except ValidationError as error:
            return await self.write(refused(filled, bad_row(error)), HTTPStatus.UNPROCESSABLE_ENTITY)
        except RequestProblem as problem:
            return await self.write(refused(filled, problem), problem.status)
        has_keys = bool(self._settings.keys)
        curl = curl_command(str(request.base_url), self._service.task, row_as_json, has_keys)
        return await self.write(answered(live.model, filled, answer, outside, curl))


@cache
def _file(name: str) -> str:
    return files("weighbridge.entrypoints.http.page").joinpath(name).read_text(encoding="utf-8")
