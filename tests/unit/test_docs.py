"""The documentation at /docs: all that its page needs comes from the service itself."""

import base64
import hashlib
import json
import re
import sys
from urllib.parse import urljoin

import pytest

from tests.support.asgi_client import Reply, ask
from tests.support.http_service import app_of
from weighbridge.entrypoints.http.fast.front import Front


@pytest.fixture(scope="module")
def app() -> Front:
    return app_of()[0]


@pytest.fixture(scope="module")
def page(app: Front) -> Reply:
    return ask(app, "GET", "/docs")


def loaded_by(page: Reply) -> list[str]:
    """What a browser asks for that has the page at ``/docs``."""
    return [urljoin("/docs", address) for address in re.findall(r'(?:src|href)="([^"]*)"', page.body.decode())]


def test_the_page_speaks_of_no_other_host(page: Reply) -> None:
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"//" not in page.body.replace(b"<!-- `", b"")
    assert b"url: 'openapi.json'" in page.body
    assert b"<title>Weighbridge: time_to_dispatch</title>" in page.body


def test_the_page_may_run_its_own_script_and_what_is_from_here(page: Reply) -> None:
    (script,) = re.findall(rb"<script>(.*?)</script>", page.body, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script).digest()).decode()
    assert page.headers["content-security-policy"] == (
        f"default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def test_what_the_page_loads_is_there_and_is_kept_by_browsers(app: Front, page: Reply) -> None:
    types, beginnings = {}, {}
    for address in loaded_by(page):
        path, _, release = address.partition("?")
        assert re.fullmatch(r"\d+\.\d+\.\d+", release)
        reply = ask(app, "GET", path)
        assert reply.status == 200
        assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert int(reply.headers["content-length"]) == len(reply.body)
        types[path], beginnings[path] = reply.headers["content-type"].partition(";")[0], reply.body[:1000]
        head = ask(app, "HEAD", path)
        assert (head.status, head.headers["content-length"]) == (200, reply.headers["content-length"])
    assert types == {
        "/docs/swagger-ui.css": "text/css",
        "/docs/favicon.png": "image/png",
        "/docs/swagger-ui-bundle.js": "text/javascript",
    }
    assert b"SwaggerUIBundle" in beginnings["/docs/swagger-ui-bundle.js"]
    assert b".swagger-ui" in beginnings["/docs/swagger-ui.css"]
    assert beginnings["/docs/favicon.png"].startswith(b"\x89PNG")
    assert "fastapi_offline" not in sys.modules


@pytest.mark.parametrize("name", ["redoc.standalone.js", "..", "../core.py", "%2e%2e", "oauth2-redirect", "\0"])
def test_no_other_file_is_served(app: Front, name: str) -> None:
    assert ask(app, "GET", f"/docs/{name}").status == 404


def test_page_and_files_need_no_key_and_are_no_part_of_the_interface(page: Reply) -> None:
    app, _ = app_of(api_keys="a" * 32)
    for address in ("/docs", *loaded_by(page)):
        assert ask(app, "GET", address.partition("?")[0]).status == 200
    assert ask(app, "GET", "/docs/nothing").status == 401
    assert not [path for path in json.loads(ask(app, "GET", "/openapi.json").body)["paths"] if "docs" in path]
    assert ask(app, "HEAD", "/docs").status == 200
    assert ask(app, "POST", "/docs").status == 405
