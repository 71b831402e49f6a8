"""The command that shows the whole story on local files."""

from __future__ import annotations

from weighbridge.entrypoints.cli.context import Context, LogLevel, with_context


@with_context("store", log_level=LogLevel.ERROR)
def demo(
    context: Context,
) -> None:
    """Show the whole story on local files: train, evaluate, publish, serve, and refuse a worse model.

    Example: weighbridge demo --store ./weighbridge-store
    """
    from weighbridge.entrypoints.cli.demo_story import run_demo

    run_demo(context.container(create_store=True), context.store)
