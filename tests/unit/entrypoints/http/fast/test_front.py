"""The quick way to a prediction answers exactly what the application's own route answers."""

import asyncio
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.asgi_client import Reply, ask, asked
from tests.support.http_service import app_of
from tests.support.quick_task import QUICK, store_of_two, two_releases
from weighbridge.adapters.onnx.codec import OnnxCodec
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.adapters.system import SystemClock
from weighbridge.domain.tasks.time_to_dispatch import PRODUCTS
from weighbridge.entrypoints.http.fast.front import Front
from weighbridge.entrypoints.http.fast.outcome import Outcome, whatever_happens

PATH = f"/api/v0.1/{QUICK.name}"
CLOCK = SystemClock()
QUICKLY = {"Content-Type": "application/json"}
#: The same to any reader, but not the spelling that the quick way looks for.
SLOWLY = {"Content-Type": "application/json;charset=utf-8"}


@pytest.fixture(scope="module")
def app() -> Front:
    return app_of()[0]


def metrics(app: Front) -> dict[str, float]:
    text = ask(app, "GET", "/metrics").body.decode()
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if not line.startswith("#")
    }


def body_of(product: object, orders: object) -> bytes:
    return json.dumps({"product_code": product, "orders_placed": orders}).encode()


def without_id(reply: Reply) -> Reply:
    return replace(reply, headers={k: v for k, v in reply.headers.items() if k != "x-request-id"})


def test_the_quick_way_and_the_route_answer_alike(app: Front) -> None:
    values = st.one_of(
        st.floats(0, 400), st.integers(-1, 400), st.floats(), st.integers(), st.booleans(), st.none(), st.text()
    )

    @given(st.sampled_from(PRODUCTS) | st.text(max_size=2), values, st.integers(0, 60) | st.just(10**6))
    def check(product: str, orders: object, cut: int) -> None:
        body = body_of(product, orders)[: max(cut, 1) if cut < 50 else None]
        quick, slow = (without_id(ask(app, "POST", PATH, body, headers)) for headers in (QUICKLY, SLOWLY))
        assert quick == slow
        assert quick.status in (200, 422)
        assert quick.status == 422 or json.loads(quick.body).keys() == {"est_hours_to_dispatch", "model_version"}

    check()


def test_an_answer_is_the_models_own_to_the_bit(app: Front) -> None:
    _, live = two_releases()
    predictor = OnnxCodec().decode(StoreRegistry(store_of_two(), CLOCK).fetch(live), live.record.schema)
    for product in PRODUCTS:
        for orders in (0, 0.1, 57, 1e300):
            reply = ask(app, "POST", PATH, body_of(product, orders), QUICKLY)
            expected = predictor.predict_row({"orders_placed": float(orders), "product_code": product})
            assert reply.status == 200
            assert (
                reply.body
                == json.dumps(
                    {"est_hours_to_dispatch": expected, "model_version": live.version.qualified}
                ).encode()
            )
            assert reply.headers["content-length"] == str(len(reply.body))


def test_a_body_in_parts_and_one_at_the_limit_are_answered(app: Front) -> None:
    body = body_of("SKU001", 10)
    whole = ask(app, "POST", PATH, body, QUICKLY)
    assert ask(app, "POST", PATH, [body[:5], b"", body[5:]], QUICKLY).body == whole.body
    limited, _ = app_of(max_body_bytes=len(body))
    assert ask(limited, "POST", PATH, body, QUICKLY).status == 200
    for headers in (QUICKLY, SLOWLY):
        assert ask(limited, "POST", PATH, body + b" ", headers).status == 413


@pytest.mark.parametrize("headers", [QUICKLY, SLOWLY])
def test_values_outside_their_range_in_training_are_answered_and_flagged(headers: dict[str, str]) -> None:
    app, _ = app_of()
    record = two_releases()[1].document
    low, high = ranges_of(record)
    replies = [ask(app, "POST", PATH, body_of("SKU001", orders), headers) for orders in (low, high, high + 1)]
    assert [reply.status for reply in replies] == [200] * 3
    assert [reply.headers.get("x-outside-training-range") for reply in replies] == [None, None, "orders_placed"]
    found = metrics(app)
    assert found['weighbridge_inputs_outside_training_range_total{feature="orders_placed"}'] == 1
    assert found["weighbridge_rows_predicted_total"] == 3


def ranges_of(record: Any) -> tuple[float, float]:
    column = record["statistics"]["features"]["orders_placed"]
    return column["minimum"], column["maximum"]


def test_a_request_id_is_taken_or_made_and_echoed(app: Front) -> None:
    body = body_of("SKU001", 10)
    for path, headers in ((PATH, QUICKLY), (PATH, SLOWLY), ("/nowhere", QUICKLY)):
        given = ask(app, "POST", path, body, {**headers, "X-Request-ID": "abc-123"})
        assert given.headers["x-request-id"] == "abc-123"
        for strange in ("a b", "ü", "", "x" * 129, "a\nb"):
            made = ask(app, "POST", path, body, {**headers, "X-Request-ID": strange}).headers["x-request-id"]
            assert re.fullmatch(r"[0-9a-f]{16}-[0-9a-f]+", made)
    made_ids = {ask(app, "POST", PATH, body, QUICKLY).headers["x-request-id"] for _ in range(20)}
    assert len(made_ids) == 20


def test_headers_that_are_too_long_are_refused() -> None:
    app, _ = app_of(max_header_bytes=60)
    body = body_of("SKU001", 10)
    # Content-Type, its value, and 12 + 20 bytes more.
    for padding, status in ((20, 200), (21, 431)):
        headers = {**QUICKLY, "X-Padding-00": "x" * padding}
        assert sum(len(name) + len(value) for name, value in headers.items()) == 40 + padding
        assert ask(app, "POST", PATH, body, headers).status == status


KEYS = "first-key, second-key,"


@pytest.mark.parametrize("content_type", [QUICKLY, SLOWLY])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"X-API-Key": "first-key"}, 200),
        ({"X-API-Key": "second-key"}, 200),
        ({"X-API-Key": "second-key,"}, 401),
        ({"X-API-Key": ""}, 401),
        ({"X-API-Key": "third-key"}, 401),
        ({"Authorization": "Bearer first-key"}, 200),
        ({"Authorization": "bearer  second-key "}, 200),
        ({"Authorization": "Basic first-key"}, 401),
        ({"Authorization": "first-key"}, 401),
        ({"Authorization": "Bearer third-key"}, 401),
    ],
)
def test_a_key_is_needed_where_keys_are_configured(
    content_type: dict[str, str], headers: dict[str, str], status: int
) -> None:
    app, _ = app_of(api_keys=KEYS)
    reply = ask(app, "POST", PATH, body_of("SKU001", 10), {**content_type, **headers})
    assert reply.status == status
    assert ask(app, "GET", f"{PATH}/model", headers=headers).status == status
    if status == 401:
        assert reply.headers["www-authenticate"] == "Bearer"
        assert reply.headers["content-type"] == "application/problem+json"
        assert b"key is needed" in reply.body


def test_probes_metrics_and_the_description_need_no_key_and_nothing_else_is_told_apart() -> None:
    app, _ = app_of(api_keys=KEYS)
    for path in ("/livez", "/livez/", "/readyz", "/metrics", "/openapi.json", "/docs"):
        assert ask(app, "GET", path).status == 200, path
    for path in ("/", "/nowhere", "//livez", f"{PATH}/batch", "/v2/models"):
        assert ask(app, "GET", path).status == 401, path
    document = json.loads(ask(app, "GET", "/openapi.json").body)
    assert document["paths"][PATH]["post"]["security"] == [{"bearer": []}, {"key": []}]
    assert "401" in document["paths"][PATH]["post"]["responses"]
    assert "security" not in document["paths"]["/livez"]["get"]
    assert set(document["components"]["securitySchemes"]) == {"bearer", "key"}


def test_without_keys_none_is_asked_for(app: Front) -> None:
    document = json.loads(ask(app, "GET", "/openapi.json").body)
    assert "security" not in document["paths"][PATH]["post"]
    assert ask(app, "GET", f"{PATH}/model").status == 200


def test_every_answer_has_the_headers_of_safety(app: Front) -> None:
    asks = [("POST", PATH, body_of("SKU001", 10)), ("POST", PATH, b"{"), ("GET", f"{PATH}/model", b"")]
    replies = [ask(app, method, path, body, QUICKLY) for method, path, body in (*asks, ("GET", "/docs", b""))]
    assert {reply.headers["x-content-type-options"] for reply in replies} == {"nosniff"}
    *_, record, page = replies
    assert record.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert record.headers["cache-control"] == page.headers["cache-control"] == "no-store"
    assert page.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self' 'sha256-")
    assert not any(name.startswith("access-control") for reply in replies for name in reply.headers)


def test_requests_are_counted_by_route_and_status() -> None:
    app, _ = app_of()
    body = body_of("SKU001", 10)
    for headers in (QUICKLY, QUICKLY, SLOWLY):
        ask(app, "POST", PATH, body, headers)
    ask(app, "POST", PATH, b"{", QUICKLY)
    ask(app, "GET", "/nowhere")
    ask(app, "BREW", "/nowhere")
    found = metrics(app)
    count = "weighbridge_http_requests_total"
    assert found[f'{count}{{method="POST",route="{PATH}",status="200"}}'] == 3
    assert found[f'{count}{{method="POST",route="{PATH}",status="422"}}'] == 1
    assert found[f'{count}{{method="GET",route="unmatched",status="404"}}'] == 1
    assert found[f'{count}{{method="other",route="unmatched",status="404"}}'] == 1
    assert found["weighbridge_rows_predicted_total"] == 3
    assert found["weighbridge_prediction_count"] == 3
    value = json.loads(ask(app, "POST", PATH, body, QUICKLY).body)["est_hours_to_dispatch"]
    assert found["weighbridge_prediction_sum"] == pytest.approx(3 * value)
    latency = "weighbridge_http_request_duration_seconds_count"
    assert found[f'{latency}{{method="POST",route="{PATH}"}}'] == 4


def test_requests_side_by_side_each_get_their_own_answer(app: Front) -> None:
    async def run() -> list[Reply]:
        bodies = [body_of(PRODUCTS[x % 5], x) for x in range(40)]
        return list(await asyncio.gather(*(asked(app, "POST", PATH, body, QUICKLY) for body in bodies)))

    alone = [ask(app, "POST", PATH, body_of(PRODUCTS[x % 5], x), QUICKLY).body for x in range(40)]
    assert [reply.body for reply in asyncio.run(run())] == alone


@pytest.mark.parametrize("headers", [QUICKLY, SLOWLY], ids=["quick", "route"])
def test_a_bug_on_either_way_is_a_problem_document_counted_and_logged_with_its_id(
    headers: dict[str, str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> object:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("weighbridge.domain.serving.row_predictor.RowPredictor.predict", fails)
    app = app_of()[0]
    reply = ask(app, "POST", PATH, body_of("SKU001", 10), {**headers, "X-Request-Id": "the-id"})
    assert (reply.status, reply.headers["content-type"]) == (500, "application/problem+json")
    assert reply.headers["x-request-id"] == "the-id"
    assert json.loads(reply.body)["title"] == "Internal Server Error"
    counted = f'weighbridge_http_requests_total{{method="POST",route="{PATH}",status="500"}}'
    assert metrics(app)[counted] == 1
    (record,) = [record for record in caplog.records if getattr(record, "event", "") == "request_failed"]
    assert "the-id" in record.getMessage()
    assert record.exc_info is not None


def test_an_application_that_cannot_be_built_is_a_problem_as_well(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    reply = asyncio.run(answered_by(fails))
    assert (reply.status, reply.headers["content-type"]) == (500, "application/problem+json")
    assert [record.event for record in caplog.records if hasattr(record, "event")] == ["request_failed"]


def test_a_request_that_outlives_the_time_to_stop_is_answered_503_without_a_word(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def run() -> Reply:
        begun = asyncio.Event()

        async def waits(*_: object) -> None:
            begun.set()
            await asyncio.Event().wait()

        task = asyncio.ensure_future(answered_by(waits))
        await begun.wait()
        task.cancel()
        return await task

    reply = asyncio.run(run())
    assert (reply.status, reply.headers["retry-after"], reply.headers["connection"]) == (503, "1", "close")
    assert caplog.records == []


async def answered_by(app: Any) -> Reply:
    """What comes of a request to an application, whatever happens in it."""

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        scope.setdefault("state", {})["request_id"] = "1"
        await whatever_happens(app, Outcome(), scope, receive, send)

    return await asked(behind, "GET", "/x")
