"""The routes of the Open Inference Protocol, version 2: one task's live model, by name and by version."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from http import HTTPStatus
from importlib.metadata import version as version_of
from typing import TYPE_CHECKING, Any, TypeAlias

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.routing import Route

from weighbridge.domain.serving.service import PredictionService
from weighbridge.entrypoints.http.answers import OUTSIDE_HEADER, LiveAnswers, names_in_header
from weighbridge.entrypoints.http.errors import RequestProblem
from weighbridge.entrypoints.http.inference.documents import (
    CONFIG,
    INDEX,
    LIVE,
    METADATA,
    MODEL_READY,
    NOT_READY,
    READY,
    SERVER,
    inference_errors,
)
from weighbridge.entrypoints.http.inference.live import LiveInference
from weighbridge.entrypoints.http.inference_errors import ROOT
from weighbridge.entrypoints.http.lifecycle import Lifecycle
from weighbridge.entrypoints.http.openapi import json_response
from weighbridge.entrypoints.http.routes import read_body

if TYPE_CHECKING:
    from weighbridge.entrypoints.http.inference.model import Inference

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]
Responses: TypeAlias = dict[int | str, dict[str, Any]]

#: What is offered beside the protocol itself.
EXTENSIONS = ("binary_tensor_data", "model_configuration", "model_repository")

_VERSION = "/models/{name}/versions/{version}"

#: A body up to so many bytes is answered at once.
_SMALL = 8192

#: What clients of the protocol may also ask for, and why they get none.
_NOT_OFFERED = {
    "/models/stats": "statistics; GET /metrics has the counts",
    "/models/{name}/stats": "statistics; GET /metrics has the counts",
    f"{_VERSION}/stats": "statistics; GET /metrics has the counts",
    "/models/{name}/trace/setting": "trace",
    "/trace/setting": "trace",
    "/logging": "logging; WEIGHBRIDGE_LOG_LEVEL and WEIGHBRIDGE_LOG_FORMAT set it",
    "/systemsharedmemory/{rest:path}": "system shared memory",
    "/cudasharedmemory/{rest:path}": "CUDA shared memory",
}


def build_inference_router(
    service: PredictionService, answers: LiveAnswers, lifecycle: Lifecycle, max_body_bytes: int
) -> APIRouter:
    """The protocol's routes over ``service``.

    A path with a slash at its end is the same path: clients of the protocol follow no redirects.

    Args:
        service: its live model is the one that there is, by the name of the task.
        answers: of the live model; a request that takes long is answered by their executor.
        lifecycle: of the process.
        max_body_bytes: a longer body, as it comes or decompressed, is refused with 413.
    """
    router = APIRouter(tags=["open inference protocol"])
    live = LiveInference(service, answers)
    for path, extension in _NOT_OFFERED.items():
        # Before the models: one of these paths could be the name of one, and is when it is.
        if path != f"/models/{service.task}":
            _refuse(router, path, ["GET", "POST"], HTTPStatus.NOT_FOUND, f"not offered here: {extension}")
    _add_server(router, live, lifecycle)
    _add_model(router, live)
    _add_infer(router, live, answers, max_body_bytes)
    _add_repository(router, live, max_body_bytes)
    return router


def _add_server(router: APIRouter, live: LiveInference, lifecycle: Lifecycle) -> None:
    @_at(router, "GET", "", "inference_server_metadata", json_response(*SERVER))
    async def server(_: Request) -> Response:
        """Which server this is, and which extensions of the protocol it offers."""
        extensions = list(EXTENSIONS)
        return JSONResponse(
            {"name": "weighbridge", "version": version_of("weighbridge"), "extensions": extensions}
        )

    @_at(router, "GET", "/health/live", "inference_server_live", json_response(*LIVE))
    async def is_live(_: Request) -> Response:
        """Whether the process runs; it depends on nothing."""
        return JSONResponse({"live": True})

    @_at(router, "GET", "/health/ready", "inference_server_ready", json_response(*READY) | NOT_READY)
    async def is_ready(_: Request) -> Response:
        """Whether a model is loaded, and the process is not about to stop."""
        problem = "the process is stopping" if lifecycle.is_stopping else live.problem()
        if problem is None:
            return JSONResponse({"ready": True})
        return JSONResponse({"ready": False, "error": problem}, HTTPStatus.SERVICE_UNAVAILABLE)


def _add_model(router: APIRouter, live: LiveInference) -> None:
    errors = inference_errors(404, 503)

    @_of_model(router, "GET", "", "inference_model_metadata", json_response(*METADATA) | errors)
    async def metadata(request: Request) -> Response:
        """The inputs and outputs of the live model."""
        return JSONResponse(live.model(**request.path_params).metadata())

    @_of_model(router, "GET", "/ready", "inference_model_ready", json_response(*MODEL_READY) | errors)
    async def is_model_ready(request: Request) -> Response:
        """Whether the model is loaded."""
        return JSONResponse({"name": live.model(**request.path_params).name, "ready": True})

    @_of_model(router, "GET", "/config", "inference_model_config", json_response(*CONFIG) | errors)
    async def config(request: Request) -> Response:
        """The inputs and outputs of the live model, as the model configuration extension has them."""
        return JSONResponse(live.model(**request.path_params).config())


def _add_infer(router: APIRouter, live: LiveInference, answers: LiveAnswers, max_body_bytes: int) -> None:
    @_of_model(router, "POST", "/infer", "infer", inference_errors(400, 404, 408, 413, 415, 503))
    async def infer(request: Request) -> Response:
        """Predict any number of rows with the live model: one tensor for each feature in, one for each output."""
        model = live.model(**request.path_params)
        # Large bodies are decompressed away from the event loop.
        body = await read_body(request, max_body_bytes, is_decoded=False)
        predictor = model.answers.columns(is_observed=True)
        ask = partial(model.answer, body, request.headers, max_body_bytes, predictor)
        if model.is_quick and len(body) <= _SMALL and "content-encoding" not in request.headers:
            inference = ask()
        else:
            inference = await asyncio.get_running_loop().run_in_executor(answers.executor, ask)
        for _ in predictor.tell(request.state.request_id):
            await asyncio.sleep(0)
        return Response(inference.body, headers=dict(_headers(inference)))


def _add_repository(router: APIRouter, live: LiveInference, max_body_bytes: int) -> None:
    responses = json_response(*INDEX) | inference_errors(400, 408, 413, 415)

    @_at(router, "POST", "/repository/index", "inference_repository_index", responses)
    async def index(request: Request) -> Response:
        """The models that there are: the live one."""
        return JSONResponse(live.index(_only_ready(await read_body(request, max_body_bytes))))

    for verb in ("load", "unload"):
        detail = f"cannot {verb}: the live model is the one that was promoted last; see weighbridge models promote"
        _refuse(router, f"/repository/models/{{name}}/{verb}", ["POST"], HTTPStatus.BAD_REQUEST, detail)


def _at(
    router: APIRouter, method: str, path: str, name: str, responses: Responses
) -> Callable[[Endpoint], Endpoint]:
    def add(endpoint: Endpoint) -> Endpoint:
        # Endpoints take requests and nothing else: for a parameter of its own, FastAPI would load much.
        router.add_api_route(f"{ROOT}{path}", endpoint, methods=[method], name=name, responses=responses)
        _add_plain(router, f"{path}/", endpoint, [method])
        return endpoint

    return add


def _of_model(
    router: APIRouter, method: str, ending: str, name: str, responses: Responses
) -> Callable[[Endpoint], Endpoint]:
    """With and without a version."""

    def add(endpoint: Endpoint) -> Endpoint:
        _at(router, method, f"/models/{{name}}{ending}", name, responses)(endpoint)
        _at(router, method, f"{_VERSION}{ending}", f"{name}_of_version", responses)(endpoint)
        return endpoint

    return add


def _refuse(router: APIRouter, path: str, methods: list[str], status: HTTPStatus, detail: str) -> None:
    async def refuse(_: Request) -> Response:
        raise RequestProblem(status, detail)

    _add_plain(router, path, refuse, methods)


def _add_plain(router: APIRouter, path: str, endpoint: Endpoint, methods: list[str]) -> None:
    """A route that the OpenAPI document does not have."""
    route = Route(f"{ROOT}{path}", endpoint, methods=methods, include_in_schema=False)

    async def counted(request: Request) -> Response:
        # As FastAPI does with its own: requests are counted by their routes.
        request.scope["route"] = route
        return await endpoint(request)

    router.add_route(route.path, counted, methods=methods, include_in_schema=False)


def _headers(inference: Inference) -> Iterator[tuple[str, str]]:
    yield "Content-Type", "application/json" if inference.header_length is None else "application/octet-stream"
    if inference.header_length is not None:
        yield "Inference-Header-Content-Length", str(inference.header_length)
    if inference.encoding is not None:
        yield "Content-Encoding", inference.encoding
    yield "Vary", "Accept-Encoding"
    if inference.outside:
        yield OUTSIDE_HEADER, names_in_header(list(inference.outside)).decode()


def _only_ready(body: bytes) -> bool:
    import msgspec

    if not body.strip():
        return False
    try:
        asked = msgspec.json.decode(body, type=dict[str, Any])
    except (ValueError, RecursionError) as error:
        raise RequestProblem(HTTPStatus.BAD_REQUEST, f"the request is no JSON object: {error}") from None
    only_ready = asked.get("ready", False)
    if not isinstance(only_ready, bool):
        raise RequestProblem(HTTPStatus.BAD_REQUEST, "ready is neither true nor false")
    return only_ready
