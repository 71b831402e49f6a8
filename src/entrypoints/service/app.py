"""The application: routes, errors and an OpenAPI document over a prediction service that follows the registry."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from weighbridge.domain.serving.observer import AnswerObserver
from weighbridge.domain.serving.service import PredictionService
from weighbridge.domain.serving.telemetry import ServingTelemetry
from weighbridge.entrypoints.http.access_log import AccessLog
from weighbridge.entrypoints.http.answers import LiveAnswers
from weighbridge.entrypoints.http.fast.deferred import Deferred
from weighbridge.entrypoints.http.fast.front import Front
from weighbridge.entrypoints.http.fast.request_book import RequestBook
from weighbridge.entrypoints.http.keys import ApiKeys
from weighbridge.entrypoints.http.lifecycle import Lifecycle, in_the_background
from weighbridge.entrypoints.http.paths import API
from weighbridge.entrypoints.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from weighbridge.domain.registry.history import History


def create_app(
    service: PredictionService,
    settings: Settings,
    telemetry: ServingTelemetry,
    lifecycle: Lifecycle,
    observer: AnswerObserver | None = None,
    history: History | None = None,
) -> Front:
    """The ASGI application of one task, behind its front.

    While it runs, a thread refreshes ``service`` about every ``settings.refresh_seconds``, and ``observer`` sees
    every row that is answered. The page is there when there is a ``history`` for it.
    """
    access_log = AccessLog() if settings.access_log else None
    book = RequestBook(telemetry, access_log)
    answers = LiveAnswers(service, telemetry, observer)
    # The first request need not wait for that, nor do it while the framework is built.
    answers.now()
    return Front(
        Deferred(partial(_framework, service, settings, telemetry, lifecycle, answers, history)),
        background=partial(
            in_the_background, service, settings.refresh_seconds, telemetry, access_log, observer, history
        ),
        path=f"{API}/{service.task}",
        answers=answers,
        book=book,
        keys=ApiKeys(settings.keys),
        max_body_bytes=settings.max_body_bytes,
        max_header_bytes=settings.max_header_bytes,
        root_path=settings.root_path,
    )


def _framework(
    service: PredictionService,
    settings: Settings,
    telemetry: ServingTelemetry,
    lifecycle: Lifecycle,
    answers: LiveAnswers,
    history: History | None,
) -> FastAPI:
    """Everything that the front does not answer. To import and to build it takes longer than all the rest."""
    from importlib.metadata import version

    from fastapi import FastAPI

    from weighbridge.entrypoints.http.batch.documents import describe_batch
    from weighbridge.entrypoints.http.batch.routes import build_batch_router
    from weighbridge.entrypoints.http.docs import build_docs_router
    from weighbridge.entrypoints.http.error_handlers import install_error_handlers
    from weighbridge.entrypoints.http.inference.documents import describe_inference
    from weighbridge.entrypoints.http.inference.routes import build_inference_router
    from weighbridge.entrypoints.http.openapi import describe_server, install_openapi
    from weighbridge.entrypoints.http.routes import build_router, describe_routes

    app = FastAPI(
        title=f"Weighbridge: {service.task}",
        version=version("weighbridge"),
        description="Predictions from the newest accepted model.",
        docs_url=None,
        redoc_url=None,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        generate_unique_id_function=lambda route: route.name,
    )
    app.include_router(build_router(service, answers, telemetry, lifecycle, settings.max_body_bytes))
    app.include_router(build_inference_router(service, answers, lifecycle, settings.max_body_bytes))
    app.include_router(build_batch_router(service, answers, settings))
    if history is not None:
        from weighbridge.entrypoints.http.page.routes import build_page_router

        app.include_router(build_page_router(service, answers, telemetry, history, settings))
    app.include_router(build_docs_router(app.title))
    install_error_handlers(app)
    has_keys = bool(settings.keys)
    describe = [
        partial(describe_routes, service.task),
        partial(describe_batch, service.task),
        partial(describe_inference, has_keys),
        partial(describe_server, settings.root_path),
    ]
    install_openapi(app, service, describe, has_keys=has_keys)
    return app
