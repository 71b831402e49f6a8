"""The application: routes, errors and an OpenAPI document over a prediction service that follows the registry."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version

from fastapi import FastAPI

from domain.ports import AnswerObserver, ServingTelemetry
from domain.serving import PredictionService
from entrypoints.http.access_log import AccessLog
from entrypoints.http.answers import LiveAnswers
from entrypoints.http.errors import install_error_handlers
from entrypoints.http.front import Front
from entrypoints.http.inference_documents import describe_inference
from entrypoints.http.inference_v2 import build_inference_router
from entrypoints.http.keys import ApiKeys
from entrypoints.http.openapi import install_openapi
from entrypoints.http.routes import API, Lifecycle, build_router, describe_routes
from entrypoints.settings import Settings


def create_app(
    service: PredictionService,
    settings: Settings,
    telemetry: ServingTelemetry,
    lifecycle: Lifecycle,
    observer: AnswerObserver | None = None,
) -> Front:
    """The ASGI application of one task, behind its front.

    While it runs, a thread refreshes ``service`` about every ``settings.refresh_seconds``, and ``observer`` sees
    every row that is answered.
    """
    access_log = AccessLog() if settings.access_log else None
    answers = LiveAnswers(service)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        stop = threading.Event()
        # A daemon: a store that hangs must not keep the process from stopping.
        arguments = (service, settings.refresh_seconds, telemetry, stop)
        threading.Thread(target=_follow, args=arguments, name="refresh", daemon=True).start()
        if access_log is not None:
            access_log.start()
        if observer is not None:
            observer.start()
        try:
            yield
        finally:
            stop.set()
            answers.close()
            if observer is not None:
                observer.stop()
            if access_log is not None:
                access_log.stop()

    app = FastAPI(
        title=f"Weighbridge: {service.task}",
        version=version("weighbridge"),
        description="Predictions from the newest accepted model.",
        lifespan=lifespan,
        redoc_url=None,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        generate_unique_id_function=lambda route: route.name,
    )
    app.include_router(build_router(service, answers, telemetry, lifecycle, settings.max_body_bytes, observer))
    app.include_router(
        build_inference_router(service, telemetry, lifecycle, answers.executor, settings.max_body_bytes)
    )
    install_error_handlers(app)
    keys = ApiKeys(settings.keys)
    describe = [partial(describe_routes, service.task), partial(describe_inference, bool(keys))]
    install_openapi(app, service, describe, has_keys=bool(keys))
    return Front(
        app,
        path=f"{API}/{service.task}",
        answers=answers,
        telemetry=telemetry,
        keys=keys,
        max_body_bytes=settings.max_body_bytes,
        max_header_bytes=settings.max_header_bytes,
        access_log=access_log,
        observer=observer,
    )


def _follow(
    service: PredictionService, seconds: float, telemetry: ServingTelemetry, stop: threading.Event
) -> None:
    # Spread by a tenth either way, so that replicas do not ask the store in step.
    while not stop.wait(seconds * random.uniform(0.9, 1.1)):  # noqa: S311
        try:
            service.refresh()
            telemetry.refreshed(service.problem)
        except Exception as error:
            telemetry.refreshed(str(error) or type(error).__name__)
            logging.getLogger("weighbridge").exception("a refresh failed; the next one is tried in its turn")
