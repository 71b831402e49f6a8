"""The routes: one row in and a prediction out, the live record, the probes and the metrics."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError

from weighbridge.domain.serving.service import LoadedModel, PredictionService
from weighbridge.domain.serving.telemetry import ServingTelemetry
from weighbridge.entrypoints.http.answers import OUTSIDE_HEADER, LiveAnswers, names_in_header
from weighbridge.entrypoints.http.compression import decompressed
from weighbridge.entrypoints.http.documents import ALIVE, EXPOSITIONS, READINESS, RECORD
from weighbridge.entrypoints.http.errors import RequestProblem, bad_row
from weighbridge.entrypoints.http.lifecycle import Lifecycle
from weighbridge.entrypoints.http.openapi import json_response, problem_responses
from weighbridge.entrypoints.http.paths import API
from weighbridge.entrypoints.http.schemas import answer_schema, request_schema


def build_router(
    service: PredictionService,
    answers: LiveAnswers,
    telemetry: ServingTelemetry,
    lifecycle: Lifecycle,
    max_body_bytes: int,
) -> APIRouter:
    """The routes of one task over ``service``; a body longer than ``max_body_bytes`` is refused with 413."""
    router = APIRouter()

    @router.post(
        f"{API}/{service.task}",
        tags=["prediction"],
        responses=problem_responses(400, 408, 413, 415, 422, 503),
        name="predict",
    )
    async def predict(request: Request) -> Response:
        """Predict one row; the answer names the version that made it.

        A row with values outside the range that they had in training is answered, and the header
        `X-Outside-Training-Range` names its features.
        """
        live = answers.required()
        _require_json(request)
        body = await read_body(request, max_body_bytes)
        try:
            row = live.read(body)
        except ValidationError as error:
            raise bad_row(error) from None
        answer, outside = await live.predict(row, request.state.request_id)
        headers = {OUTSIDE_HEADER: names_in_header(outside).decode()} if outside else {}
        return Response(live.write(answer), headers=headers, media_type="application/json")

    @router.get(
        f"{API}/{service.task}/model",
        tags=["prediction"],
        responses=json_response("The release record", RECORD) | problem_responses(503),
        name="model",
    )
    async def model() -> Response:
        """The record of the release that answers now."""
        return JSONResponse(dict(answers.required().model.release.document))

    @router.get("/livez", tags=["operations"], responses=json_response("It runs", ALIVE), name="livez")
    async def livez() -> Response:
        """Whether the process runs; it depends on nothing."""
        return JSONResponse({"status": "alive"})

    @router.get(
        "/readyz",
        tags=["operations"],
        responses=json_response("Ready", READINESS)
        | json_response("No model yet, or the process is stopping", READINESS, status=503),
        name="readyz",
    )
    async def readyz() -> Response:
        """Whether a model is loaded, which one, and why a newer one could not be."""
        loaded = service.loaded
        is_ready = loaded is not None and not lifecycle.is_stopping
        status = "stopping" if lifecycle.is_stopping else "ready" if loaded else "no model is loaded"
        return JSONResponse(
            {
                "status": status,
                "model_version": loaded.release.version.qualified if loaded else None,
                "problem": service.problem,
            },
            HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE,
        )

    @router.get(
        "/metrics",
        tags=["operations"],
        responses={200: {"description": "Metrics", "content": EXPOSITIONS}},
        response_class=Response,
        name="metrics",
    )
    async def metrics(request: Request) -> Response:
        """What the service does, for Prometheus; as OpenMetrics when it is asked for."""
        content, media_type = telemetry.exposition(service.loaded, request.headers.get("accept", ""))
        return Response(content, headers={"Content-Type": media_type})

    return router


def describe_routes(task: str, document: dict[str, Any], loaded: LoadedModel | None) -> None:
    """Write into the OpenAPI document what the live release asks for and answers."""
    operation = document["paths"][f"{API}/{task}"]["post"]
    body = request_schema(loaded.schema) if loaded else {"type": "object"}
    operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    answer = answer_schema(loaded.schema) if loaded else {"type": "object"}
    outside = {"description": "Features outside their range in training, by commas", "schema": {"type": "string"}}
    operation["responses"] |= {
        str(status): response
        for status, response in json_response("A prediction", answer, {OUTSIDE_HEADER: outside}).items()
    }


def _require_json(request: Request) -> None:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        found = f"not {content_type}" if content_type else "and the request has no Content-Type"
        raise RequestProblem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send application/json, {found}")


async def read_body(request: Request, limit: int, *, is_decoded: bool = True) -> bytes:
    """The whole body of a request, without its ``Content-Encoding`` unless it is not to be decoded.

    Raises:
        RequestProblem: 413, it is longer than ``limit`` bytes, as it is sent or decompressed; 415 and 400 for its
            encoding, as ``decompressed`` raises them.
    """
    encoding = request.headers.get("content-encoding", "")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise RequestProblem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"the body is longer than the {limit:,} bytes that are allowed",
            )
    return decompressed(bytes(body), encoding, limit) if is_decoded else bytes(body)
