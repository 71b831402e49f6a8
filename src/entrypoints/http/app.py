"""The application: routes, errors and an OpenAPI document over a prediction service that follows the registry."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from domain.serving import PredictionService
from entrypoints.http.errors import install_error_handlers
from entrypoints.http.routes import API, build_router
from entrypoints.http.schemas import answer_schema, request_schema


def create_app(service: PredictionService, refresh_seconds: float, max_body_bytes: int) -> FastAPI:
    """The ASGI application of one task.

    While it runs, a thread refreshes ``service`` about every ``refresh_seconds``.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        stop = threading.Event()
        # A daemon: a store that hangs must not keep the process from stopping.
        threading.Thread(target=_follow, args=(service, refresh_seconds, stop), daemon=True).start()
        try:
            yield
        finally:
            stop.set()

    app = FastAPI(
        title=f"Weighbridge: {service.task}",
        version=version("weighbridge"),
        description="Predictions from the newest accepted model.",
        lifespan=lifespan,
        redoc_url=None,
    )
    app.include_router(build_router(service, max_body_bytes))
    install_error_handlers(app)
    _describe_live_schema(app, service)
    return app


def _follow(service: PredictionService, seconds: float, stop: threading.Event) -> None:
    # Spread by a tenth either way, so that replicas do not ask the store in step.
    while not stop.wait(seconds * random.uniform(0.9, 1.1)):  # noqa: S311
        try:
            service.refresh()
        except Exception:
            logging.getLogger("weighbridge").exception("a refresh failed; the next one is tried in its turn")


def _describe_live_schema(app: FastAPI, service: PredictionService) -> None:
    """Have the OpenAPI document tell the request and the answer as the live release has them."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        app.openapi_schema = None
        document = generate()
        app.openapi_schema = None
        loaded = service.loaded
        operation = document["paths"][f"{API}/{service.task}"]["post"]
        body = request_schema(loaded.schema) if loaded else {"type": "object"}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
        if loaded:
            answer = {"application/json": {"schema": answer_schema(loaded.schema)}}
            operation["responses"]["200"]["content"] = answer
        return document

    app.openapi = openapi  # type: ignore[method-assign]
