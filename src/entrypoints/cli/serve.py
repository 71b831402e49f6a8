"""The command that serves predictions over HTTP."""

from __future__ import annotations

from typing import Annotated, Optional

from weighbridge.entrypoints.cli.context import Context, with_context
from weighbridge.entrypoints.cli.options import option
from weighbridge.entrypoints.settings import load_settings

Host = Annotated[str, option("--host", "The address to listen on.")]
Port = Annotated[
    int,
    option("--port", "The port to listen on; 0 takes a free one.", at_least=0, at_most=65535),
]
Wait = Annotated[bool, option("--wait", "Start without a model, and wait until one is released.")]
RefreshSeconds = Annotated[
    Optional[float],  # noqa: UP045
    option("--refresh-seconds", "How often to look for a newer live model.  [default: 10]"),
]
Workers = Annotated[
    Optional[int],  # noqa: UP045
    option("--workers", "How many processes serve on the port.  [default: 1]"),
]
NoPage = Annotated[bool, option("--no-page", "Do not serve the page at /.")]
ShadowVersion = Annotated[
    Optional[str],  # noqa: UP045
    option("--shadow", "Also predict with this version, or with 'newest-unpromoted', and count the differences."),
]


@with_context("store", "task")
def serve(
    context: Context,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    wait: Wait = False,
    refresh_seconds: RefreshSeconds = None,
    workers: Workers = None,
    shadow: ShadowVersion = None,
    no_page: NoPage = False,
) -> None:
    """Serve predictions over HTTP from the live model, and follow every promotion without a restart.

    Example: weighbridge serve --store ./weighbridge-store --port 8000
    """
    from weighbridge.entrypoints.service.serving import serve as serve_until_stopped

    settings = load_settings(
        {
            "store": context.store,
            "refresh_seconds": refresh_seconds,
            "workers": workers,
            "shadow": shadow,
            "no_page": no_page,
        }
    )
    serve_until_stopped(context.task_name(), settings, host, port, wait)
