"""Whatever is sent to a route that reads a body, it answers with reason, never with a 500."""

import json
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.asgi_client import ask
from tests.support.hostile_bodies import bodies, content_types
from tests.support.http_service import app_of
from tests.support.quick_task import QUICK
from weighbridge.entrypoints.http.fast.front import Front

ROW = b'{"product_code": "SKU001", "orders_placed": 10}'
CSV = b"product_code,orders_placed\nSKU001,10\nSKU002,20\n"
ARROW = ("application/vnd.apache.arrow.stream", "application/vnd.apache.parquet")
TENSORS = json.dumps(
    {
        "inputs": [
            {"name": "product_code", "datatype": "BYTES", "shape": [1], "data": ["SKU001"]},
            {"name": "orders_placed", "datatype": "FP64", "shape": [1], "data": [10]},
        ]
    }
).encode()
NAMES = ("product_code", "orders_placed")


@dataclass(frozen=True)
class Route:
    """A route that reads a body: what it takes, and how it says that it does not take something."""

    path: str
    content_types: tuple[str, ...]
    whole: tuple[bytes, ...]
    problems: str = "application/problem+json"


#: Every route that reads a body belongs here.
ROUTES = [
    Route(f"/api/v0.1/{QUICK.name}", ("application/json",), (ROW,)),
    Route(
        f"/api/v0.1/{QUICK.name}/batch",
        ("application/json", "application/x-ndjson", "text/csv", *ARROW),
        (b"[" + ROW + b"]", b'{"product_code": ["SKU001"], "orders_placed": [10]}', ROW + b"\n" + ROW, CSV),
    ),
    Route(f"/v2/models/{QUICK.name}/infer", ("application/json",), (TENSORS,), problems="application/json"),
    Route("/v2/repository/index", ("application/json",), (b'{"ready": true}',), problems="application/json"),
]


@pytest.fixture(scope="module")
def app() -> Front:
    return app_of(max_body_bytes=100_000)[0]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_no_body_makes_the_service_fail(app: Front, route: Route) -> None:
    headers = st.dictionaries(
        st.sampled_from(("X-Request-Id", "Accept", "Content-Encoding", "Content-Length", "X-API-Key", "Cookie")),
        st.text(st.characters(max_codepoint=255), max_size=10) | st.sampled_from(("gzip", "*/*", "-1", "9" * 30)),
        max_size=3,
    )

    @given(
        bodies(route.whole, NAMES),
        st.sampled_from(route.content_types) | content_types(route.content_types),
        headers,
        st.integers(0, 120),
    )
    def check(body: bytes, content_type: str, more: dict[str, str], cut: int) -> None:
        # In one part or two.
        parts = [body] if cut > len(body) else [body[:cut], body[cut:]]
        reply = ask(app, "POST", route.path, parts, {"Content-Type": content_type, **more})
        assert reply.status < 500
        if reply.status != 200:
            assert reply.status in (400, 406, 413, 415, 422)
            assert reply.headers["content-type"] == route.problems
            assert isinstance(json.loads(reply.body), dict)

    check()


KINDS = ("text/plain", "application/openmetrics-text", "*/*", "text/csv", "")
PARAMETERS = ("version=1.0.0", "version=banana", "version=9.9.9", "version=", "escaping=zz", "q=x", "x=\xff", "")


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.lists(st.sampled_from(PARAMETERS), max_size=3)), max_size=3))
def test_whatever_is_accepted_metrics_are_given(app: Front, accepted: list[tuple[str, list[str]]]) -> None:
    accept = ", ".join("; ".join((kind, *parameters)) for kind, parameters in accepted)
    reply = ask(app, "GET", "/metrics", headers={"Accept": accept})
    assert reply.status == 200
    is_open = any(kind == KINDS[1] for kind, _ in accepted)
    assert reply.headers["content-type"].partition(";")[0] == (KINDS[1] if is_open else KINDS[0])
    assert b"weighbridge_ready 1.0" in reply.body
