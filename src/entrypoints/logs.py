"""Logs: one line per record on stderr, as text for people or as JSON for machines."""

import json
import logging
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Literal

from weighbridge.domain.events import Event

#: What every line says of the run that it is part of.
_RUN: ContextVar[dict[str, str]] = ContextVar("run", default={})  # noqa: B039 - it is never changed in place


@contextmanager
def said_of_a_run(**fields: str) -> Iterator[None]:
    """While this is open, every line as JSON has these fields too."""
    token = _RUN.set({**_RUN.get(), **fields})
    try:
        yield
    finally:
        _RUN.reset(token)


def configure_logs(log_format: Literal["text", "json"], level: str) -> None:
    """Send the logs of Weighbridge, and warnings of the libraries it uses, to stderr.

    Calling it again replaces what was configured before.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("weighbridge").setLevel(level.upper())


def record_of(event: Event) -> logging.LogRecord:
    """An event of the edges as a record that no logger has seen yet."""
    level = logging.getLevelNamesMapping()[event.severity.upper()]
    extra = {"event": event.name, "fields": asdict(event)}
    return logging.getLogger("weighbridge").makeRecord(
        "weighbridge", level, "", 0, "%s", (event,), None, extra=extra
    )


def say(event: Event, error: BaseException | None = None) -> None:
    """Log an event of the edges, with the traceback of ``error`` where there is one."""
    extra = {"event": event.name, "fields": asdict(event)}
    level = logging.getLevelNamesMapping()[event.severity.upper()]
    logging.getLogger("weighbridge").log(level, "%s", event, extra=extra, exc_info=error)


class TextFormatter(logging.Formatter):
    """``2021-07-03T23:05:32.250Z info     message``, with a traceback below it where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """One record as text."""
        line = f"{_time(record)} {record.levelname.lower():8} {_escaped(record.getMessage())}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object: time, level, message, and the name and fields of an event.

    A number that is not finite, which JSON lacks, becomes null. Other loggers than ours are named.
    """

    def format(self, record: logging.LogRecord) -> str:
        """One record as a line of JSON."""
        document: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **_RUN.get(),
        }
        event = getattr(record, "event", None)
        if event is not None:
            fields = getattr(record, "fields", {})
            document |= {"event": event, **{name: _plain(value) for name, value in fields.items()}}
        if record.name != "weighbridge":
            document["logger"] = record.name
        if record.exc_info:
            document["traceback"] = self.formatException(record.exc_info)
        return json.dumps(document, ensure_ascii=False, default=str)


def _escaped(text: str) -> str:
    """The text with what a terminal would obey (control characters, marks of direction) as escapes; lines stay."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or one in "\n\t" else one.encode("unicode_escape").decode("ascii") for one in text
    )


def _plain(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
