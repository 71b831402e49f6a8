"""The service over a real socket, on a store with two real releases."""

import json
import re
import socket
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import httpx
import numpy as np
import pytest

from tests.support.events import EventQueue
from tests.support.http_service import service_of_two, service_on, serving
from tests.support.quick_task import QUICK, store_of_two, two_releases
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.onnx.codec import OnnxCodec
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.adapters.system import SystemClock
from weighbridge.domain.model.predictor import columns_of_rows
from weighbridge.domain.serving.events import ModelLoaded, RefreshFailed
from weighbridge.domain.tasks.time_to_dispatch import PRODUCTS

TASK = QUICK.name
PREDICT = f"/api/v0.1/{TASK}"
LIMIT = 1 << 20
CLOCK = SystemClock()


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """A service with the second release, which nothing changes."""
    with serving(service_of_two(), max_body_bytes=LIMIT) as client:
        yield client


def row(value: str, product: str = '"SKU001"') -> str:
    return f'{{"product_code": {product}, "orders_placed": {value}}}'


def post(client: httpx.Client, body: str | bytes, content_type: str | None = "application/json") -> httpx.Response:
    return client.post(PREDICT, content=body, headers={"Content-Type": content_type} if content_type else {})


def problem(status: int, detail: str, *errors: tuple[str | None, str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if errors:
        document["errors"] = [
            {"field": field, "message": message, "found": found} for field, message, found in errors
        ]
    return document


def assert_problem(response: httpx.Response, expected: dict[str, Any]) -> None:
    assert response.json() == expected
    assert response.status_code == expected["status"]
    assert response.headers["content-type"] == "application/problem+json"


def eventually(ask: Callable[[], bool]) -> None:
    """Ask until it is so; the clock only ends a test that has failed."""
    end = CLOCK.seconds() + 30
    while not ask():
        assert CLOCK.seconds() < end


def test_an_answer_is_the_prediction_of_the_live_model_and_names_it(client: httpx.Client) -> None:
    _, live = two_releases()
    rows = [
        {"product_code": product, "orders_placed": orders}
        for product in PRODUCTS
        for orders in (0, 1, 10, 99.5, 1e300, 5e-324)
    ]
    predictor = OnnxCodec().decode(StoreRegistry(store_of_two(), CLOCK).fetch(live), live.record.schema)
    admitted = [live.record.schema.admit_row(one) for one in rows]
    expected = predictor.predict(columns_of_rows(admitted))
    for one, prediction in zip(rows, expected.tolist(), strict=True):
        response = client.post(PREDICT, json=one)
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/json"
        assert response.json() == {
            "est_hours_to_dispatch": prediction,
            "model_version": f"{TASK}/{live.version}",
        }


def test_served_predictions_are_those_of_the_fitted_model(client: httpx.Client) -> None:
    _, live = two_releases()
    assert len(live.record.golden) == 10
    found = [client.post(PREDICT, json=one.inputs).json()["est_hours_to_dispatch"] for one in live.record.golden]
    np.testing.assert_allclose(found, [one.prediction for one in live.record.golden], rtol=1e-5)


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"]
)
def test_spellings_of_the_content_type_and_of_numbers(client: httpx.Client, content_type: str) -> None:
    answers = [post(client, row(ten), content_type) for ten in ("10", "10.0", "1e1", " 10 ")]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert len({answer.text for answer in answers}) == 1


def test_what_is_answered_at_once_is_answered_as_by_the_application(client: httpx.Client) -> None:
    """On the connection itself, and through the framework; with keep-alive, without, and pipelined."""
    for orders in ("10", "1e9"):
        replies = []
        for content_type, connection in (
            ("application/json", "keep-alive"),
            ("application/json", "close"),
            ("application/json;charset=utf-8", "keep-alive"),
        ):
            headers = {"Content-Type": content_type, "Connection": connection, "X-Request-Id": "mine"}
            reply = client.post(PREDICT, content=row(orders), headers=headers)
            assert reply.status_code == 200
            assert reply.headers.pop("date").endswith(" GMT")
            assert (reply.headers.pop("connection", None) == "close") == (connection == "close")
            replies.append((dict(reply.headers), reply.content))
        assert replies[0] == replies[1] == replies[2]
        assert ("x-outside-training-range" in replies[0][0]) == (orders == "1e9")
    request = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
    requests = "".join(f"{request}{len(row(str(n)))}\r\n\r\n{row(str(n))}" for n in range(20))
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=60) as connection:
        connection.sendall((requests + "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").encode())
        received = b"".join(iter(lambda: connection.recv(65_536), b"")).decode()
    bodies = [
        client.post(PREDICT, content=row(str(n)), headers={"Content-Type": "application/json"}).text
        for n in range(20)
    ]
    assert re.findall(r"\{.*\}", received) == [*bodies, '{"status":"alive"}']


FINITE = "Input should be a finite number"
ROUNDED = f"Input should be a whole number within ±{2**53:,} (2^53): beyond it would be rounded"
NUMBER = "Input should be a valid number"
LEVEL = "Input should be 'SKU001', 'SKU002', 'SKU003', 'SKU004' or 'SKU005'"
NOT_NEGATIVE = "Input should be greater than or equal to 0"
MISSING = "Field required"
UNKNOWN = "Extra inputs are not permitted"

BAD_FIELDS: list[tuple[str, list[tuple[str, str, Any]]]] = [
    (row("Infinity"), [("orders_placed", FINITE, "inf")]),
    (row("-Infinity"), [("orders_placed", FINITE, "-inf")]),
    (row("NaN"), [("orders_placed", FINITE, "nan")]),
    (row("1e400"), [("orders_placed", FINITE, "inf")]),
    (row("9" * 400), [("orders_placed", ROUNDED, "9" * 100 + "...")]),
    (row("-1"), [("orders_placed", NOT_NEGATIVE, -1)]),
    (row("-5e-324"), [("orders_placed", NOT_NEGATIVE, "-5e-324")]),
    (row("true"), [("orders_placed", NUMBER, True)]),
    (row("false"), [("orders_placed", NUMBER, False)]),
    (row("null"), [("orders_placed", NUMBER, None)]),
    (row('"10"'), [("orders_placed", NUMBER, "10")]),
    (row("[10]"), [("orders_placed", NUMBER, "[10]")]),
    (row("{}"), [("orders_placed", NUMBER, "{}")]),
    (row("[" * 150 + "]" * 150), [("orders_placed", NUMBER, "[" * 100 + "...")]),
    (row("10", '"SKU006"'), [("product_code", LEVEL, "SKU006")]),
    (row("10", '"sku001"'), [("product_code", LEVEL, "sku001")]),
    (row("10", '"SKU001\\u0000"'), [("product_code", LEVEL, "SKU001\0")]),
    (row("10", '""'), [("product_code", LEVEL, "")]),
    (row("10", "1"), [("product_code", LEVEL, 1)]),
    (row("10", "null"), [("product_code", LEVEL, None)]),
    ("{}", [("orders_placed", MISSING, None), ("product_code", MISSING, None)]),
    ('{"product_code": "SKU001"}', [("orders_placed", MISSING, None)]),
    ('{"orders_placed": 10}', [("product_code", MISSING, None)]),
    ('{"product_code": "SKU001", "orders_placed": 10, "orders": 2}', [("orders", UNKNOWN, 2)]),
    (
        '{"product_code": "SKU006", "orders_placed": "10", "orders": 2}',
        [("orders_placed", NUMBER, "10"), ("product_code", LEVEL, "SKU006"), ("orders", UNKNOWN, 2)],
    ),
]


@pytest.mark.parametrize(("body", "errors"), BAD_FIELDS, ids=[body[:60] for body, _ in BAD_FIELDS])
def test_a_bad_field_is_named(client: httpx.Client, body: str, errors: list[tuple[str, str, Any]]) -> None:
    detail = "; ".join(f"{field}: {message}" for field, message, _ in errors)
    assert_problem(post(client, body), problem(422, detail, *errors))


NOT_JSON = [
    b"",
    b"orders_placed=10",
    row("10").encode() + b"x",
    row("10").encode("utf-16"),
    b"\xef\xbb\xbf" + row("10").encode(),
    b'{"product_code": "\xff"}',
    b'{"\\ud800": 1}',
    row("0x10").encode(),
    row("01").encode(),
    row("1" * 5000).encode(),
    b"[" * 100_000,
    row("[" * 100_000 + "]" * 100_000).encode(),
]


@pytest.mark.parametrize("body", NOT_JSON, ids=[repr(body[:60]) for body in NOT_JSON])
def test_a_body_that_is_not_json_is_a_problem_of_the_whole(client: httpx.Client, body: bytes) -> None:
    response = post(client, body)
    detail = response.json()["detail"]
    assert detail.startswith("Invalid JSON: ")
    assert_problem(response, problem(422, detail, (None, detail, None)))


@pytest.mark.parametrize("body", ["null", "10", "true", '"SKU001"', "[]", f"[{row('10')}]"])
def test_json_that_is_no_object_is_a_problem_of_the_whole(client: httpx.Client, body: str) -> None:
    detail = "Input should be an object"
    assert_problem(post(client, body), problem(422, detail, (None, detail, None)))


@pytest.mark.parametrize(
    ("content_type", "found"),
    [
        (None, "and the request has no Content-Type"),
        ("", "and the request has no Content-Type"),
        ("text/plain", "not text/plain"),
        ("text/csv; charset=utf-8", "not text/csv"),
        ("application/x-www-form-urlencoded", "not application/x-www-form-urlencoded"),
        ("application/problem+json", "not application/problem+json"),
    ],
)
def test_only_json_is_taken(client: httpx.Client, content_type: str | None, found: str) -> None:
    assert_problem(post(client, row("10"), content_type), problem(415, f"send application/json, {found}"))


def test_a_body_up_to_the_limit_is_read_and_a_longer_one_refused(client: httpx.Client) -> None:
    refused = problem(413, "the body is longer than the 1,048,576 bytes that are allowed")
    whole = row("10").encode()
    assert post(client, whole.ljust(LIMIT)).status_code == 200
    assert_problem(post(client, whole.ljust(LIMIT + 1)), refused)
    assert_problem(post(client, whole.ljust(10_000_000)), refused)
    # Without a Content-Length.
    chunks = (b" " * 100_000 for _ in range(100))
    headers = {"Content-Type": "application/json"}
    assert_problem(client.post(PREDICT, content=chunks, headers=headers), refused)
    assert post(client, whole).status_code == 200


def test_a_request_with_very_many_faults_is_answered_briefly(client: httpx.Client) -> None:
    response = post(client, json.dumps({f"field{number}": 1 for number in range(50_000)}))
    document = response.json()
    assert response.status_code == 422
    assert len(document["errors"]) == 100
    assert document["detail"].endswith("field97: Extra inputs are not permitted; and 49902 more")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/api/v0.1"),
        ("POST", "/api/v0.1/other_task"),
        ("GET", "/api/v0.1/other_task/model"),
        ("GET", "/redoc"),
        ("GET", "/%ff"),
    ],
)
def test_what_is_not_there_is_a_problem(client: httpx.Client, method: str, path: str) -> None:
    assert_problem(client.request(method, path), problem(404, "Not Found"))


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", PREDICT, "POST"),
        ("PUT", PREDICT, "POST"),
        ("POST", f"{PREDICT}/model", "GET"),
        ("DELETE", "/livez", "GET"),
        ("POST", "/readyz", "GET"),
    ],
)
def test_a_method_that_a_route_has_not_is_a_problem(
    client: httpx.Client, method: str, path: str, allowed: str
) -> None:
    response = client.request(method, path)
    assert_problem(response, problem(405, "Method Not Allowed"))
    assert response.headers["allow"] == allowed


def test_the_probes_and_the_live_record(client: httpx.Client) -> None:
    _, live = two_releases()
    assert client.get("/livez").json() == {"status": "alive"}
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()) == (
        200,
        {"status": "ready", "model_version": f"{TASK}/{live.version}", "problem": None},
    )
    record = client.get(f"{PREDICT}/model")
    assert record.status_code == 200
    assert record.json() == json.loads(store_of_two().read(live.version.record_key).data)


def test_the_documentation_describes_the_live_schema(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) >= {PREDICT, f"{PREDICT}/model", "/livez", "/readyz", "/metrics"}
    operation = document["paths"][PREDICT]["post"]
    body = operation["requestBody"]
    assert body["required"] is True
    assert list(body["content"]) == ["application/json"]
    request = body["content"]["application/json"]["schema"]
    assert (request["type"], request["additionalProperties"]) == ("object", False)
    assert request["required"] == ["orders_placed", "product_code"]
    assert {
        name: {key: value for key, value in told.items() if key != "title"}
        for name, told in request["properties"].items()
    } == {
        "orders_placed": {"type": "number", "minimum": 0},
        "product_code": {"type": "string", "enum": list(PRODUCTS)},
    }
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer["required"] == ["est_hours_to_dispatch", "model_version"]
    assert {name: told["type"] for name, told in answer["properties"].items()} == {
        "est_hours_to_dispatch": "number",
        "model_version": "string",
    }
    assert {"413", "415", "422", "503"} <= set(operation["responses"])
    page = client.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")


def test_before_a_model_is_loaded_the_service_lives_and_is_not_ready() -> None:
    store, events = MemoryStore(CLOCK), EventQueue()
    source = store_of_two()
    first, _ = two_releases()
    with serving(service_on(store, events), refresh_seconds=0.01) as client:
        assert client.get("/livez").status_code == 200
        unready = client.get("/readyz")
        assert unready.status_code == 503
        assert unready.headers["content-type"] == "application/json"
        assert unready.json()["status"] == "no model is loaded"
        assert unready.json()["model_version"] is None
        assert client.get("/openapi.json").json()["paths"][PREDICT]["post"]["requestBody"] == {
            "required": True,
            "content": {"application/json": {"schema": {"type": "object"}}},
        }
        eventually(lambda: client.get("/readyz").json()["problem"] is not None)
        said = (
            f"no model of {TASK} has been released in memory://; "
            "'weighbridge train' makes one from the newest dataset"
        )
        assert client.get("/readyz").json()["problem"] == said
        for response in (client.post(PREDICT, json={}), client.get(f"{PREDICT}/model")):
            assert_problem(response, problem(503, said))
            assert response.headers["retry-after"] == "10"

        for ref in source.list("models/"):
            store.write(ref.key, source.read(ref).data)
        StoreRegistry(store, CLOCK).promote(first.version, "the first", "a test")
        loaded = events.next()
        assert isinstance(loaded, ModelLoaded)
        assert loaded.version == str(first.version)
        eventually(lambda: client.get("/readyz").json()["problem"] is None)
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["model_version"]) == (200, f"{TASK}/{first.version}")
        assert post(client, row("10")).status_code == 200
        assert "properties" in str(client.get("/openapi.json").json()["paths"][PREDICT]["post"]["requestBody"])


def test_a_promotion_is_followed_without_a_restart() -> None:
    store, events = store_of_two(), EventQueue()
    first, second = two_releases()
    service = service_on(store, events)
    service.load()
    assert events.next().name == "model_loaded"
    with serving(service, refresh_seconds=0.01) as client:
        before = post(client, row("10")).json()
        assert before["model_version"] == f"{TASK}/{second.version}"
        StoreRegistry(store, CLOCK).promote(first.version, "a way back", "a test")
        loaded = events.next()
        assert isinstance(loaded, ModelLoaded)
        assert loaded.version == str(first.version)
        after = post(client, row("10")).json()
        assert after["model_version"] == f"{TASK}/{first.version}"
        assert after["est_hours_to_dispatch"] != before["est_hours_to_dispatch"]
        assert client.get(f"{PREDICT}/model").json()["version"] == str(first.version)
    assert events.is_empty()


def test_a_corrupt_release_keeps_the_old_model_and_is_told() -> None:
    store, events = store_of_two(), EventQueue()
    first, second = two_releases()
    service = service_on(store, events)
    service.load()
    assert events.next().name == "model_loaded"
    key = first.record.model.key
    assert key is not None
    data = store.read(key).data
    store.delete(key)
    store.write(key, data[:-1] + bytes([data[-1] ^ 1]))
    registry = StoreRegistry(store, CLOCK)
    with serving(service, refresh_seconds=0.01) as client:
        before = post(client, row("10")).json()
        registry.promote(first.version, "a mistake", "a test")
        failed = events.next()
        assert isinstance(failed, RefreshFailed)
        assert failed.serving == str(second.version)
        eventually(lambda: client.get("/readyz").json()["problem"] is not None)
        ready = client.get("/readyz")
        assert ready.status_code == 200
        assert ready.json() == {
            "status": "ready",
            "model_version": f"{TASK}/{second.version}",
            "problem": failed.problem,
        }
        assert f"the bytes of '{key}' are not those that were published" in failed.problem
        assert post(client, row("10")).json() == before
        # Promoting the old one again is the way out.
        registry.promote(second.version, "back", "a test")
        eventually(lambda: client.get("/readyz").json()["problem"] is None)
        assert post(client, row("10")).json() == before
    assert events.is_empty()
