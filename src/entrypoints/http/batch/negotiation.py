"""Which format a table comes in, and which one its answer is wanted in."""

from __future__ import annotations

from http import HTTPStatus

from weighbridge.adapters.tables.formats import MEDIA_TYPES
from weighbridge.domain.data.tables import TableFormat
from weighbridge.entrypoints.http.errors import RequestProblem

_FORMATS: dict[str, TableFormat] = {media_type: kind for kind, media_type in MEDIA_TYPES.items()}
_KNOWN = ", ".join(_FORMATS)
_UTF_8 = frozenset({"utf-8", "utf8", "us-ascii"})


def format_sent(content_type: str | None) -> TableFormat:
    """The format of a body.

    Raises:
        RequestProblem: 415, there is none that is known.
    """
    if content_type is None:
        raise RequestProblem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the request has no Content-Type; send {_KNOWN}")
    media_type, parameters = _parsed(content_type)
    kind = _FORMATS.get(media_type)
    if kind is None:
        raise RequestProblem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send {_KNOWN}, not {media_type[:100]}")
    charset = parameters.get("charset", "utf-8").strip('"').lower()
    if charset not in _UTF_8:
        raise RequestProblem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send UTF-8, not {charset[:50]}")
    return kind


def format_wanted(accept: str | None, sent: TableFormat) -> TableFormat:
    """The format of the answer: the most wanted one, and the one that was sent where several are wanted alike.

    Raises:
        RequestProblem: 406, none that is known is wanted.
    """
    if accept is None or not accept.strip():
        return sent
    ranges = [_parsed(part) for part in accept.split(",") if part.strip()]
    wanted = {kind: _quality(media_type, ranges) for media_type, kind in _FORMATS.items()}
    best = max(wanted.values())
    if best <= 0:
        raise RequestProblem(HTTPStatus.NOT_ACCEPTABLE, f"the answer can be {_KNOWN}; Accept takes none of them")
    return sent if wanted[sent] == best else next(kind for kind, quality in wanted.items() if quality == best)


def _quality(media_type: str, ranges: list[tuple[str, dict[str, str]]]) -> float:
    """How much a media type is wanted, from 0 to 1, by the range that names it most closely."""
    kind = media_type.partition("/")[0]
    for name in (media_type, f"{kind}/*", "*/*"):
        found = [_q(parameters) for wanted, parameters in ranges if wanted == name]
        if found:
            return max(found)
    return 0.0


def _q(parameters: dict[str, str]) -> float:
    try:
        quality = float(parameters.get("q", "1"))
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0


def _parsed(text: str) -> tuple[str, dict[str, str]]:
    media_type, *rest = text.split(";")
    pairs = (part.partition("=") for part in rest)
    return media_type.strip().lower(), {name.strip().lower(): value.strip() for name, _, value in pairs}
