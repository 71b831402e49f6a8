"""The routes: one row in and a prediction out, the live record, and the probes."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError

from domain.serving import LoadedModel, PredictionService
from entrypoints.http.errors import MEDIA_TYPE, RequestProblem, bad_row
from entrypoints.http.schemas import request_adapter

API = "/api/v0.1"


def build_router(service: PredictionService, max_body_bytes: int) -> APIRouter:
    """The routes of one task over ``service``; a body longer than ``max_body_bytes`` is refused with 413."""
    router = APIRouter()
    problems: dict[int | str, dict[str, Any]] = {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {}}}
        for status in (413, 415, 422, 503)
    }

    @router.post(f"{API}/{service.task}", tags=["prediction"], responses=problems, name="predict")
    async def predict(request: Request) -> Response:
        """Predict one row; the answer names the version that made it."""
        model = _loaded(service)
        _require_json(request)
        body = await _read_body(request, max_body_bytes)
        try:
            row = request_adapter(model.schema).validate_json(body)
        except ValidationError as error:
            raise bad_row(error) from None
        prediction = model.predict(row)
        answer = {model.schema.prediction: prediction.value, "model_version": prediction.model_version}
        return Response(json.dumps(answer), media_type="application/json")

    @router.get(f"{API}/{service.task}/model", tags=["prediction"], responses={503: problems[503]}, name="model")
    async def model() -> Response:
        """The record of the release that answers now."""
        return JSONResponse(dict(_loaded(service).release.document))

    @router.get("/livez", tags=["operations"], name="livez")
    async def livez() -> Response:
        """Whether the process runs; it depends on nothing."""
        return JSONResponse({"status": "alive"})

    @router.get("/readyz", tags=["operations"], responses={503: {"description": "No model yet"}}, name="readyz")
    async def readyz() -> Response:
        """Whether a model is loaded, which one, and why a newer one could not be."""
        loaded = service.loaded
        return JSONResponse(
            {
                "status": "ready" if loaded else "no model is loaded",
                "model_version": loaded.release.version.qualified if loaded else None,
                "problem": service.problem,
            },
            HTTPStatus.OK if loaded else HTTPStatus.SERVICE_UNAVAILABLE,
        )

    return router


def _loaded(service: PredictionService) -> LoadedModel:
    loaded = service.loaded
    if loaded is None:
        detail = service.problem or f"no model of {service.task} is loaded yet"
        raise RequestProblem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": "10"})
    return loaded


def _require_json(request: Request) -> None:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        found = f"not {content_type}" if content_type else "and the request has no Content-Type"
        raise RequestProblem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send application/json, {found}")


async def _read_body(request: Request, limit: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise RequestProblem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"the body is longer than the {limit:,} bytes that are allowed",
            )
    return bytes(body)
