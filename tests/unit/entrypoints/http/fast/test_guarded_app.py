"""What holds for every request before its route is known: the spelling of its path, HEAD, counts."""

import json
import re

import pytest

from tests.support.asgi_client import Reply, ask
from tests.support.http_service import app_of
from tests.unit.entrypoints.http.fast.test_front import PATH, QUICKLY, body_of, metrics
from weighbridge.entrypoints.http.fast.front import Front

#: Paths that are answered with 200, and with the same at each request.
STEADY = ("/livez", "/readyz", "/openapi.json", "/docs", f"{PATH}/model", "/v2", "/v2/health/ready")


@pytest.fixture(scope="module")
def app() -> Front:
    return app_of()[0]


def without_id(reply: Reply) -> tuple[int, bytes, dict[str, str]]:
    return reply.status, reply.body, {k: v for k, v in reply.headers.items() if k != "x-request-id"}


@pytest.mark.parametrize("path", STEADY)
def test_a_slash_at_the_end_changes_nothing(app: Front, path: str) -> None:
    plain, slashed = ask(app, "GET", path), ask(app, "GET", f"{path}/")
    assert plain.status == slashed.status == 200
    if path != "/docs":
        assert without_id(slashed) == without_id(plain)


def test_a_row_is_predicted_at_a_path_with_a_slash(app: Front) -> None:
    body = body_of("SKU001", 10)
    plain, slashed = (ask(app, "POST", path, body, QUICKLY) for path in (PATH, f"{PATH}/"))
    assert (slashed.status, slashed.body) == (200, plain.body)


def test_an_unknown_path_with_a_slash_is_unknown(app: Front) -> None:
    assert ask(app, "GET", "/nowhere/").status == 404


@pytest.mark.parametrize("path", [*STEADY, "/metrics"])
def test_head_is_get_without_a_body(app: Front, path: str) -> None:
    got, head = ask(app, "GET", path), ask(app, "HEAD", path)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    if path != "/metrics":
        assert head.headers["content-length"] == str(len(got.body))


def test_head_is_refused_where_get_is(app: Front) -> None:
    assert ask(app, "HEAD", PATH).status == ask(app, "GET", PATH).status == 405
    assert ask(app, "HEAD", "/nowhere").status == 404


def test_requests_are_counted_by_their_own_method_and_the_route() -> None:
    app, _ = app_of()
    for method, path in (("HEAD", "/livez"), ("GET", "/livez/"), ("GET", "/livez")):
        ask(app, method, path)
    count = 'weighbridge_http_requests_total{{method="{}",route="/livez",status="200"}}'
    found = metrics(app)
    assert (found[count.format("GET")], found[count.format("HEAD")]) == (2, 1)


def test_below_a_path_of_a_proxy_everything_is_answered_with_it_and_without_it() -> None:
    app, _ = app_of(root_path="/models/dispatch")
    body = body_of("SKU001", 10)
    for start in ("/models/dispatch", ""):
        assert ask(app, "POST", f"{start}{PATH}", body, QUICKLY).status == 200
        assert ask(app, "GET", f"{start}/livez").status == 200
    assert ask(app, "GET", "/models/dispatchlivez").status == 404
    assert json.loads(ask(app, "GET", "/openapi.json").body)["servers"] == [{"url": "/models/dispatch"}]


@pytest.mark.parametrize(("path", "start"), [("/docs", ""), ("/docs/", "../")])
def test_the_documentation_has_relative_addresses(app: Front, path: str, start: str) -> None:
    page = ask(app, "GET", path).body.decode()
    assert f"url: '{start}openapi.json'" in page
    found = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert found
    assert [address for address in found if not address.startswith(f"{start}docs/")] == []
    assert "servers" not in json.loads(ask(app, "GET", "/openapi.json").body)
