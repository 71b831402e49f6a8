"""The documentation at /docs: Swagger UI, whose script and style come with a package and are served from here."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from http import HTTPStatus
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import Response

from weighbridge.entrypoints.http.errors import RequestProblem
from weighbridge.entrypoints.http.paths import DOCS, DOCS_FILES

#: The page asks for its files by the package's version: what a browser has of one need not be asked for again.
_FOREVER = "public, max-age=31536000, immutable"

_METHODS = ["GET", "HEAD"]

_PACKAGE = "fastapi_offline"


def build_docs_router(title: str) -> APIRouter:
    """The page over the OpenAPI document, and its files.

    It names no other host, and may ask none. Its addresses are relative, so that it works below any path.
    """
    router = APIRouter(include_in_schema=False)
    write = cache(_write)

    @router.api_route(DOCS, methods=_METHODS, name="docs")
    def docs(request: Request) -> Response:
        """What can be asked of the service, to read and to try."""
        # With a slash at its end, the page is one folder deeper for a browser.
        page, policy = write(title, "../" if request.state.asked_path.endswith("/") else "")
        return Response(page, headers={"Content-Security-Policy": policy}, media_type="text/html")

    @router.api_route(f"{DOCS}/{{name}}", methods=_METHODS, name="docs-file")
    def file(request: Request) -> Response:
        """A file of the page."""
        name = request.path_params["name"]
        media_type = DOCS_FILES.get(name)
        if media_type is None:
            raise RequestProblem(HTTPStatus.NOT_FOUND, "Not Found")
        return Response(_file(name), headers={"Cache-Control": _FOREVER}, media_type=media_type)

    return router


def _write(title: str, start: str) -> tuple[bytes, str]:
    """The page as FastAPI writes it, and its policy: what is written into it may run, and what is from here."""
    script, style, icon = (f"{start}{DOCS[1:]}/{name}?{version(_PACKAGE)}" for name in DOCS_FILES)
    page = get_swagger_ui_html(
        openapi_url=f"{start}openapi.json",
        title=title,
        swagger_js_url=script,
        swagger_css_url=style,
        swagger_favicon_url=icon,
    )
    text = bytes(page.body)
    own = " ".join(f"'sha256-{_digest(one)}'" for one in re.findall(rb"<script>(.*?)</script>", text, re.DOTALL))
    return text, (
        f"default-src 'none'; script-src 'self' {own}; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


@cache
def _file(name: str) -> bytes:
    """A file of the package, of which nothing is imported; kept, so that many who read it slowly share it."""
    spec = find_spec(_PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).with_name("static").joinpath(name).read_bytes()


def _digest(script: bytes) -> str:
    return base64.b64encode(hashlib.sha256(script).digest()).decode()
