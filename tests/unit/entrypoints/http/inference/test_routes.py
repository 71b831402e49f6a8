"""The Open Inference Protocol over the application: every endpoint, every refusal, in the protocol's own form."""

import gzip
import json
import struct
import zlib
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.asgi_client import Reply, ask
from tests.support.class_task import LEVELS, WINES, service_of_classes
from tests.support.http_service import CLOCK, app_of, service_of_two, service_on
from tests.support.quick_task import QUICK, two_releases
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.prometheus.shared_counters import SharedCounters, private_memory
from weighbridge.adapters.prometheus.telemetry import PrometheusTelemetry
from weighbridge.domain.data.schema import Row, Value
from weighbridge.domain.model.predictor import Classification
from weighbridge.domain.serving.observer import AnswerObserver
from weighbridge.domain.serving.service import LoadedModel, PredictionService
from weighbridge.domain.tasks.time_to_dispatch import PRODUCTS
from weighbridge.entrypoints.http.fast.front import Front
from weighbridge.entrypoints.http.routes import Lifecycle
from weighbridge.entrypoints.service.app import create_app
from weighbridge.entrypoints.settings import load_settings

MODEL = f"/v2/models/{QUICK.name}"
VERSION = str(two_releases()[1].version)
OLDER = str(two_releases()[0].version)
INFER = f"{MODEL}/infer"


class Observed(AnswerObserver):
    """Keeps what it sees."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Row, Value | Classification, str]] = []

    def start(self) -> None:
        pass

    def observe(self, model: LoadedModel, row: Row, answer: Value | Classification, request_id: str) -> None:
        self.seen.append((str(model.release.version), row, answer, request_id))

    def stop(self) -> None:
        pass


def app_over(
    service: PredictionService, lifecycle: Lifecycle | None = None, observer: AnswerObserver | None = None
) -> Front:
    telemetry = PrometheusTelemetry(SharedCounters(private_memory()), CLOCK)
    return create_app(service, load_settings({}), telemetry, lifecycle or Lifecycle(), observer)


@cache
def served() -> Front:
    return app_of()[0]


@cache
def classes() -> Front:
    return app_over(service_of_classes())


def empty() -> Front:
    return app_over(service_on(MemoryStore(CLOCK), PrometheusTelemetry(SharedCounters(private_memory()), CLOCK)))


def said(reply: Reply, status: int = 200) -> Any:
    assert reply.status == status, reply.body
    assert reply.headers["content-type"] == "application/json"
    return json.loads(reply.body)


def error(reply: Reply, status: int = 400) -> str:
    document = said(reply, status)
    assert document.keys() == {"error"}
    return str(document["error"])


def tensor(name: str, data: list[Any], datatype: str = "FP64", **more: Any) -> dict[str, Any]:
    return {"name": name, "shape": [len(data)], "datatype": datatype, "data": data, **more}


def rows(orders: list[Any], products: list[Any], **more: Any) -> dict[str, Any]:
    return {"inputs": [tensor("orders_placed", orders), tensor("product_code", products, "BYTES")], **more}


def infer(
    document: object, app: Front | None = None, path: str = INFER, headers: Mapping[str, str] | None = None
) -> Reply:
    return ask(app or served(), "POST", path, json.dumps(document).encode(), headers)


def binary(
    header: dict[str, Any], *parts: bytes, length: str | None = None, app: Front | None = None, path: str = INFER
) -> Reply:
    text = json.dumps(header).encode()
    given = {"Inference-Header-Content-Length": length or str(len(text))}
    return ask(app or served(), "POST", path, text + b"".join(parts), given)


def binary_tensor(name: str, datatype: str, shape: list[int], size: object) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": size}}


def texts(*values: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(value)) + value for value in values)


def predicted(orders: list[float], products: list[str]) -> list[float]:
    """By the service's own route, row by row."""
    found = []
    for order, product in zip(orders, products, strict=True):
        body = json.dumps({"orders_placed": order, "product_code": product}).encode()
        reply = ask(served(), "POST", f"/api/v0.1/{QUICK.name}", body, {"Content-Type": "application/json"})
        found.append(json.loads(reply.body)["est_hours_to_dispatch"])
    return found


# What there is


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_server_and_the_model_say_what_they_are(slash: str) -> None:
    inputs = [
        {"name": "orders_placed", "datatype": "FP64", "shape": [-1]},
        {"name": "product_code", "datatype": "BYTES", "shape": [-1]},
    ]
    metadata = {
        "name": QUICK.name,
        "versions": [VERSION],
        "platform": "onnx_onnxv1",
        "inputs": inputs,
        "outputs": [{"name": "predict", "datatype": "FP64", "shape": [-1]}],
    }
    config = {
        "name": QUICK.name,
        "platform": "onnx_onnxv1",
        "max_batch_size": 0,
        "version_policy": {"latest": {"num_versions": 1}},
        "input": [
            {"name": "orders_placed", "data_type": "TYPE_FP64", "dims": [-1]},
            {"name": "product_code", "data_type": "TYPE_STRING", "dims": [-1]},
        ],
        "output": [{"name": "predict", "data_type": "TYPE_FP64", "dims": [-1]}],
    }
    extensions = ["binary_tensor_data", "model_configuration", "model_repository"]
    expected = {
        "/v2": {"name": "weighbridge", "version": "0.1.0", "extensions": extensions},
        "/v2/health/live": {"live": True},
        "/v2/health/ready": {"ready": True},
        MODEL: metadata,
        f"{MODEL}/versions/{VERSION}": metadata,
        f"{MODEL}/ready": {"name": QUICK.name, "ready": True},
        f"{MODEL}/versions/{VERSION}/ready": {"name": QUICK.name, "ready": True},
        f"{MODEL}/config": config,
        f"{MODEL}/versions/{VERSION}/config": config,
    }
    for path, document in expected.items():
        assert said(ask(served(), "GET", path + slash)) == document
    index = {"name": QUICK.name, "version": VERSION, "state": "READY", "reason": ""}
    for body in (b"", b"{}", b'{"ready": true}', b'{"ready": false, "other": 1}'):
        assert said(ask(served(), "POST", f"/v2/repository/index{slash}", body)) == [index]


def test_a_classifier_names_its_levels() -> None:
    outputs = said(ask(classes(), "GET", "/v2/models/wines"))["outputs"]
    assert outputs == [
        {"name": "predict", "datatype": "BYTES", "shape": [-1]},
        {"name": "predict_proba", "datatype": "FP64", "shape": [-1, 3], "parameters": {"levels": list(LEVELS)}},
    ]


@pytest.mark.parametrize("ending", ["", "/ready", "/config", "/infer"])
def test_another_name_or_version_is_not_found(ending: str) -> None:
    method = "POST" if ending == "/infer" else "GET"
    other = f"there is no model 'another' here; there is '{QUICK.name}'"
    assert error(ask(served(), method, f"/v2/models/another{ending}"), 404) == other
    assert error(ask(served(), method, f"/v2/models/another/versions/{VERSION}{ending}"), 404) == other
    older = f"version '{OLDER}' of '{QUICK.name}' is not served; the live one is '{VERSION}'"
    assert error(ask(served(), method, f"{MODEL}/versions/{OLDER}{ending}"), 404) == older


@pytest.mark.parametrize("ending", ["", "/ready", "/config", "/infer", "/versions/1", "/versions/1/infer"])
def test_without_a_model_nothing_is_ready(ending: str) -> None:
    app = empty()
    problem = f"no model of {QUICK.name} is loaded yet"
    method = "POST" if ending.endswith("infer") else "GET"
    reply = ask(app, method, f"{MODEL}{ending}")
    assert error(reply, 503) == problem
    assert reply.headers["retry-after"] == "10"
    assert error(ask(app, method, f"/v2/models/another{ending}"), 404)
    assert said(ask(app, "GET", "/v2/health/ready"), 503) == {"ready": False, "error": problem}
    assert said(ask(app, "GET", "/v2/health/live")) == {"live": True}
    assert said(ask(app, "GET", "/v2"))["name"] == "weighbridge"
    unavailable = {"name": QUICK.name, "version": "", "state": "UNAVAILABLE", "reason": problem}
    assert said(ask(app, "POST", "/v2/repository/index")) == [unavailable]
    assert said(ask(app, "POST", "/v2/repository/index", b'{"ready": true}')) == []


def test_a_process_that_is_stopping_is_not_ready() -> None:
    app = app_over(service_of_two(), Lifecycle(is_stopping=True))
    document = {"ready": False, "error": "the process is stopping"}
    assert said(ask(app, "GET", "/v2/health/ready"), 503) == document
    assert said(infer(rows([1], ["SKU001"]), app))["model_name"] == QUICK.name


@pytest.mark.parametrize(
    ("method", "path", "status", "what"),
    [
        ("GET", "/v2/models/stats", 404, "not offered here: statistics; GET /metrics has the counts"),
        ("GET", f"{MODEL}/stats", 404, "not offered here: statistics; GET /metrics has the counts"),
        ("GET", f"{MODEL}/versions/1/stats", 404, "not offered here: statistics; GET /metrics has the counts"),
        ("POST", f"{MODEL}/trace/setting", 404, "not offered here: trace"),
        ("GET", "/v2/trace/setting", 404, "not offered here: trace"),
        ("GET", "/v2/systemsharedmemory/status", 404, "not offered here: system shared memory"),
        ("POST", "/v2/cudasharedmemory/region/a/register", 404, "not offered here: CUDA shared memory"),
        ("GET", "/v2/nowhere", 404, "Not Found"),
        ("GET", "/v2/models/a/b/", 404, "Not Found"),
        ("GET", INFER, 405, "Method Not Allowed"),
        ("PUT", "/v2", 405, "Method Not Allowed"),
    ],
)
def test_what_is_not_offered_is_refused_in_the_protocols_form(
    method: str, path: str, status: int, what: str
) -> None:
    assert error(ask(served(), method, path), status) == what


@pytest.mark.parametrize("verb", ["load", "unload"])
def test_models_are_not_loaded_by_hand(verb: str) -> None:
    found = error(ask(served(), "POST", f"/v2/repository/models/{QUICK.name}/{verb}", b"{}"))
    assert (
        found == f"cannot {verb}: the live model is the one that was promoted last; see weighbridge models promote"
    )


@pytest.mark.parametrize("body", [b"[]", b"{", b"\xff", b'{"ready": 1}', b"[" * 100_000])
def test_an_index_that_is_asked_for_wrongly_is_refused(body: bytes) -> None:
    assert error(ask(served(), "POST", "/v2/repository/index", body))


# Predicting


def test_rows_are_answered_as_the_services_own_route_answers_them() -> None:
    orders, products = [0.0, 0.1, 57.0, 1e300], [PRODUCTS[0], PRODUCTS[1], PRODUCTS[2], PRODUCTS[0]]
    expected = {
        "model_name": QUICK.name,
        "model_version": VERSION,
        "outputs": [{"name": "predict", "shape": [4], "datatype": "FP64", "data": predicted(orders, products)}],
    }
    for path in (INFER, f"{INFER}/", f"{MODEL}/versions/{VERSION}/infer"):
        assert said(infer(rows(orders, products), path=path)) == expected
    document = rows(
        orders, products, id="an id", model_name="whatever", parameters={"priority": 1, "mine": [None]}
    )
    document["inputs"].reverse()
    document["inputs"][0] |= {"shape": [4, 1], "data": [[product] for product in products]}
    assert said(infer(document)) == expected | {"id": "an id"}
    nothing = {"id": None, "parameters": None, "outputs": None}
    assert said(infer(rows(orders, products) | nothing)) == expected


@settings(max_examples=max(settings().max_examples // 10, 5))
@given(st.lists(st.tuples(st.floats(0, 500), st.sampled_from(PRODUCTS)), min_size=255, max_size=258))
def test_many_rows_are_answered_as_few_are(given_rows: list[tuple[float, str]]) -> None:
    orders, products = [row[0] for row in given_rows], [row[1] for row in given_rows]
    found = said(infer(rows(orders, products)))["outputs"][0]["data"]
    halves = [said(infer(rows(orders[part], products[part]))) for part in (slice(0, 130), slice(130, None))]
    assert found == [value for half in halves for value in half["outputs"][0]["data"]]


@pytest.mark.parametrize("count", [0, 3, 2000])
def test_tensors_may_be_bytes_both_ways(count: int) -> None:
    orders = np.linspace(0, 300, count)
    products = [PRODUCTS[place % len(PRODUCTS)] for place in range(count)]
    expected = said(infer(rows(orders.tolist(), products)))["outputs"][0]["data"]
    parts = [orders.tobytes(), texts(*(product.encode() for product in products))]
    header = {
        "inputs": [
            binary_tensor("orders_placed", "FP64", [count], len(parts[0])),
            binary_tensor("product_code", "BYTES", [count, 1], len(parts[1])),
        ],
        "parameters": {"binary_data_output": True},
        "id": "7",
    }
    reply = binary(header, *parts)
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/octet-stream"
    length = int(reply.headers["inference-header-content-length"])
    assert json.loads(reply.body[:length]) == {
        "model_name": QUICK.name,
        "model_version": VERSION,
        "outputs": [
            {
                "name": "predict",
                "shape": [count],
                "datatype": "FP64",
                "parameters": {"binary_data_size": 8 * count},
            }
        ],
        "id": "7",
    }
    assert np.frombuffer(reply.body[length:]).tolist() == expected
    # One as bytes, the other as JSON.
    header["inputs"][1] = tensor("product_code", products, "BYTES")  # type: ignore[index]
    header["outputs"] = [{"name": "predict", "parameters": {"binary_data": False}}]
    assert said(binary(header, parts[0]))["outputs"][0]["data"] == expected


def test_classes_come_with_their_probabilities() -> None:
    document = {"inputs": [tensor("alcohol", [12.5, 13.25], "FP32"), tensor("colour", [1, 6], "INT16")]}
    path = "/v2/models/wines/infer"
    labels, likely = said(infer(document, classes(), path))["outputs"]
    alone = [
        json.loads(
            ask(
                classes(),
                "POST",
                "/api/v0.1/wines",
                json.dumps({"alcohol": alcohol, "colour": colour}).encode(),
                {"Content-Type": "application/json"},
            ).body
        )
        for alcohol, colour in ((12.5, 1), (13.25, 6))
    ]
    expected = [one["probabilities"][level] for one in alone for level in LEVELS]
    assert labels == tensor("predict", [one["which_wine"] for one in alone], "BYTES")
    assert (likely["name"], likely["datatype"], likely["shape"]) == ("predict_proba", "FP64", [2, 3])
    assert likely["data"] == pytest.approx(expected, rel=1e-6)

    def wanted(*outputs: dict[str, Any], **more: Any) -> Reply:
        return infer({**document, "outputs": list(outputs), **more}, classes(), path)

    assert said(wanted({"name": "predict"}))["outputs"] == [labels]
    assert said(wanted({"name": "predict_proba"}, {"name": "predict"}))["outputs"] == [likely, labels]
    mixed = wanted(
        {"name": "predict_proba"},
        {"name": "predict", "parameters": {"binary_data": False}},
        parameters={"binary_data_output": True},
    )
    length = int(mixed.headers["inference-header-content-length"])
    proba, predict = json.loads(mixed.body[:length])["outputs"]
    assert predict == labels
    assert proba["parameters"] == {"binary_data_size": 48}
    assert np.frombuffer(mixed.body[length:]).tolist() == likely["data"]
    asked = wanted({"name": "predict", "parameters": {"binary_data": True}})
    length = int(asked.headers["inference-header-content-length"])
    assert asked.body[length:] == texts(*(label.encode() for label in labels["data"]))
    none = {"inputs": [tensor("alcohol", []), tensor("colour", [])]}
    assert [output["shape"] for output in said(infer(none, classes(), path))["outputs"]] == [[0], [0, 3]]


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_bodies_may_be_compressed_both_ways(encoding: str, pack: Any) -> None:
    document = json.dumps(rows([1.0], ["SKU001"])).encode()
    plain = ask(served(), "POST", INFER, document)
    assert plain.headers["vary"] == "Accept-Encoding"
    assert "content-encoding" not in plain.headers
    headers = {"Content-Encoding": encoding, "Accept-Encoding": encoding}
    reply = ask(served(), "POST", INFER, pack(document), headers)
    assert reply.status == 200
    assert reply.headers["content-encoding"] == encoding
    assert {"gzip": gzip.decompress, "deflate": zlib.decompress}[encoding](reply.body) == plain.body
    # Clients take errors as they come.
    assert error(ask(served(), "POST", INFER, document, headers)) == f"the body is no {encoding}"


def test_bodies_over_the_limit_are_refused_as_they_come_and_decompressed() -> None:
    document = json.dumps(rows([1.0], ["SKU001"])).encode()
    app, _ = app_of(max_body_bytes=len(document))
    assert said(ask(app, "POST", INFER, document))
    packed = gzip.compress(document + b" ")
    limit = f"the {len(document)} bytes that are allowed"
    assert error(ask(app, "POST", INFER, document + b" "), 413) == f"the body is longer than {limit}"
    assert error(ask(app, "POST", "/v2/repository/index", document + b" "), 413)
    found = error(ask(app, "POST", INFER, packed, {"Content-Encoding": "gzip"}), 413)
    assert found == f"decompressed, the body is longer than {limit}"
    assert error(ask(app, "POST", INFER, document, {"Content-Encoding": "br"}), 415)


# Refusals


def refused(orders: Any, products: Any = None, **more: Any) -> str:
    document = {"inputs": [orders, products or tensor("product_code", ["SKU001"], "BYTES")], **more}
    return error(infer(document))


ORDERS = tensor("orders_placed", [1.0])


@pytest.mark.parametrize(
    ("orders", "what"),
    [
        (tensor("orders_placed", [1], "BOOL"), "the datatype is BOOL; expected one of FP64, FP32, FP16,"),
        (tensor("orders_placed", ["1"], "BYTES"), "the datatype is BYTES; expected one of FP64"),
        (tensor("orders_placed", ["1"]), "Expected `float`, got `str` - at `data[0]`"),
        (tensor("orders_placed", [True]), "Expected `float`, got `bool` - at `data[0]`"),
        (tensor("orders_placed", [[1]]), "Expected `float`, got `array` - at `data[0]`"),
        (tensor("orders_placed", [2**53 + 1], "INT64"), "row 1: no 64-bit float, which models take, holds"),
        (tensor("orders_placed", [1e39], "FP32"), "row 1: 1e+39 is beyond FP32"),
        ({**ORDERS, "shape": [2]}, "the shape and the data disagree: expected 2 values, found 1"),
        ({**ORDERS, "shape": [10**30]}, f"the shape and the data disagree: expected {10**30:,} values, found 1"),
        ({**ORDERS, "shape": [-1]}, "the shape is [-1]; expected [n] or [n, 1]"),
        ({**ORDERS, "shape": []}, "the shape is []; expected [n] or [n, 1]"),
        ({**ORDERS, "shape": [1, 2]}, "the shape is [1, 2]; expected [n] or [n, 1]"),
        ({**ORDERS, "shape": [1] * 9}, "the shape is [1, 1, 1, 1, 1, 1, 1, 1, ...]; expected [n] or [n, 1]"),
        ({**ORDERS, "data": None}, "it has neither data nor binary_data_size"),
        ({**ORDERS, "parameters": {"binary_data_size": 0}}, "it has data as well as binary_data_size"),
    ],
)  # fmt: skip
def test_a_tensor_that_is_not_what_it_should_be_is_refused(orders: dict[str, Any], what: str) -> None:
    assert refused(orders).startswith(f"input 'orders_placed': {what}")


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"outputs": [{"name": "predict_proba"}]}, "output 'predict_proba': unknown; there are predict"),
        ({"outputs": [{"name": "predict"}] * 2}, "output 'predict': it is asked for more than once"),
        (
            {"outputs": [{"name": "predict", "parameters": {"classification": 2}}]},
            "output 'predict': classification is not offered",
        ),
        (
            {"outputs": [{"name": "predict", "parameters": {"shared_memory_region": "a"}}]},
            "output 'predict': shared memory is not offered",
        ),
        (
            {"outputs": [{"name": "predict", "parameters": {"binary_data": 1}}]},
            "output 'predict': binary_data is 1; expected true or false",
        ),
        (
            {"parameters": {"binary_data_output": "yes"}},
            "the request: binary_data_output is yes; expected true or false",
        ),
        ({"id": 7}, "the request is no inference request: Expected `str | null`, got `int` - at `request.id`"),
        ({"parameters": []}, "the request is no inference request: Expected `object | null`, got `array`"),
        (
            {"inputs": None},
            "the request is no inference request: Expected `array`, got `null` - at `request.inputs`",
        ),
        ({"inputs": [1]}, "the request is no inference request: Expected `object`, got `int`"),
    ],
)
def test_a_request_that_asks_for_what_there_is_not_is_refused(more: dict[str, Any], what: str) -> None:
    assert error(infer(rows([1.0], ["SKU001"]) | more)).startswith(what)


def test_all_problems_are_told_at_once() -> None:
    assert error(infer({"inputs": []})) == (
        "input 'orders_placed': missing; expected a number not below 0; "
        "input 'product_code': missing; expected one of SKU001, SKU002, SKU003, SKU004, SKU005"
    )
    document = {"inputs": [tensor("orders_placed", [1]), tensor("orders_placed", [1]), tensor("other", [1])]}
    assert error(infer(document)) == (
        "input 'orders_placed': it is there more than once; "
        "input 'other': unknown; there are orders_placed, product_code; "
        "input 'product_code': missing; expected one of SKU001, SKU002, SKU003, SKU004, SKU005"
    )
    assert error(infer(rows([1, 2], ["SKU001"]))) == (
        "the inputs have different numbers of rows: orders_placed has 2, product_code has 1"
    )
    assert error(infer(rows([-1, 2], ["SKU001", "x"]))) == (
        "column 'orders_placed', row 1: expected a number not below 0 (found -1.0); "
        "column 'product_code', row 2: expected one of SKU001, SKU002, SKU003, SKU004, SKU005 (found 'x')"
    )
    many = error(infer({"inputs": [tensor(f"x{place}", [1]) for place in range(150)]}))
    assert many.endswith("; and 52 more problems")
    assert error(infer(rows([-1] * 150, ["SKU001"] * 150))).endswith("; and 50 more problems")
    assert len(error(infer(rows([1], ["x" * 100_000])))) < 1000


def test_bytes_that_are_not_finite_or_no_category_are_refused() -> None:
    header = {
        "inputs": [
            binary_tensor("orders_placed", "FP32", [2], 8),
            binary_tensor("product_code", "BYTES", [2], 20),
        ]
    }
    found = error(binary(header, struct.pack("<2f", float("nan"), float("inf")), texts(b"SKU001", b"SKU009")))
    assert found == (
        "column 'orders_placed', row 1: expected a number not below 0 (found nan); "
        "column 'orders_placed', row 2: expected a number not below 0 (found inf); "
        "column 'product_code', row 2: expected one of SKU001, SKU002, SKU003, SKU004, SKU005 (found 'SKU009')"
    )


@pytest.mark.parametrize("size", [-1, True, 1.5, "8", 10**30, 9, 7, 0])
def test_sizes_that_lie_are_refused(size: object) -> None:
    header = {
        "inputs": [
            binary_tensor("orders_placed", "FP64", [1], size),
            tensor("product_code", ["SKU001"], "BYTES"),
        ]
    }
    assert error(binary(header, bytes(8)))


@pytest.mark.parametrize("length", ["-1", "x", "", " ", "1e2", "0", "1", "99999", "9" * 30, "+5", "²", "5.0"])
def test_header_lengths_that_lie_are_refused(length: str) -> None:
    header = {
        "inputs": [
            binary_tensor("orders_placed", "FP64", [1], 8),
            tensor("product_code", ["SKU001"], "BYTES"),
        ]
    }
    text = json.dumps(header).encode()
    given = {"Inference-Header-Content-Length": length}
    assert error(ask(served(), "POST", INFER, text + bytes(8), given))
    # Without it, all of the body is JSON.
    assert error(ask(served(), "POST", INFER, text + bytes(8))).startswith("the request is no inference request")
    assert "binary_data_size is 8, and 0 are left" in error(ask(served(), "POST", INFER, text))


def test_shared_memory_is_refused() -> None:
    shared = {
        "name": "orders_placed",
        "shape": [1],
        "datatype": "FP64",
        "parameters": {"shared_memory_region": "a"},
    }
    assert refused(shared) == "input 'orders_placed': shared memory is not offered"


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(PRODUCTS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, dict[str, str]]:
    """Requests that are nearly right: each part of one may be something else."""

    def perhaps(right: Any) -> Any:
        return draw(st.one_of(*[st.just(right)] * 6, JSONS))

    def one(name: str, datatype: str, data: list[Any], size: int) -> dict[str, Any]:
        document: dict[str, Any] = {
            "name": perhaps(name),
            "shape": perhaps(draw(st.sampled_from([[2], [2, 1], [2, 2], [-2], [2**70], [0]]))),
            "datatype": draw(
                st.sampled_from([datatype] * 5 + ["FP32", "INT64", "UINT8", "BYTES", "BOOL", "BF16"])
            ),
        }
        if draw(st.booleans()):
            document["parameters"] = {"binary_data_size": perhaps(size)}
        if draw(st.booleans()):
            document["data"] = perhaps(data)
        return document

    parts = [struct.pack("<2d", 1, 2), texts(b"SKU001", b"SKU002")]
    document = perhaps(
        {
            "inputs": perhaps(
                [
                    one("orders_placed", "FP64", [1.5, 2], len(parts[0])),
                    one("product_code", "BYTES", ["SKU001", "SKU002"], len(parts[1])),
                ]
            ),
            "outputs": perhaps([{"name": perhaps("predict"), "parameters": perhaps({"binary_data": True})}]),
            "parameters": perhaps({}),
        }
    )
    text = json.dumps(document).encode()
    body = text + b"".join(draw(st.sampled_from([part, part[:-1], b"", part + b"x"])) for part in parts)
    length = draw(st.sampled_from([len(text)] * 5 + [len(text) - 1, len(body), len(body) + 1, -1]))
    headers = {"Inference-Header-Content-Length": str(length)} if draw(st.integers(0, 3)) else {}
    cut = draw(st.none() | st.integers(0, len(body)))
    return body[:cut], headers


@given(bodies())
def test_nothing_that_is_nearly_right_makes_it_fail(request: tuple[bytes, dict[str, str]]) -> None:
    body, headers = request
    reply = ask(served(), "POST", INFER, body, headers)
    if reply.status != 200:
        assert error(reply, 400)


@given(
    st.binary(max_size=60),
    st.dictionaries(
        st.sampled_from(
            ["Inference-Header-Content-Length", "Content-Encoding", "Accept-Encoding", "Content-Type"]
        ),
        st.text(st.characters(codec="ascii"), max_size=8) | st.sampled_from(["gzip", "deflate", "0", "5"]),
    ),
)
def test_no_bytes_make_it_fail(body: bytes, headers: dict[str, str]) -> None:
    assert error(ask(served(), "POST", INFER, body, headers), 415 if _is_unknown(headers) else 400)


def _is_unknown(headers: dict[str, str]) -> bool:
    encoding = headers.get("Content-Encoding", "").strip().lower()
    return encoding not in ("", "identity", "gzip", "x-gzip", "deflate")


# What goes on around it


def test_keys_are_asked_for_but_not_by_probes() -> None:
    app, _ = app_of(api_keys="a-key")
    body = json.dumps(rows([1], ["SKU001"])).encode()
    for method, path in (
        ("GET", "/v2"), ("GET", MODEL), ("GET", f"{MODEL}/ready"), ("POST", INFER),
        ("POST", "/v2/repository/index"), ("GET", "/v2/nowhere"),
    ):  # fmt: skip
        reply = ask(app, method, path)
        assert error(reply, 401) == "a valid key is needed: send Authorization: Bearer KEY, or X-API-Key: KEY"
        assert reply.headers["www-authenticate"] == "Bearer"
    assert said(ask(app, "POST", INFER, body, {"X-API-Key": "a-key"}))["model_name"] == QUICK.name
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/health/ready/"):
        assert said(ask(app, "GET", path))
    wide = {"X-API-Key": "a-key", "X-More": "x" * 20_000}
    assert error(ask(app, "GET", "/v2", headers=wide), 431)


def test_rows_are_counted_and_those_outside_their_range_flagged() -> None:
    app, _ = app_of()
    reply = infer(rows([1e6, 2e6, 100], ["SKU001"] * 3), app)
    assert reply.headers["x-outside-training-range"] == "orders_placed"
    assert "x-outside-training-range" not in infer(rows([100], ["SKU001"]), app).headers
    assert infer(rows([-1], ["SKU001"]), app).status == 400
    text = ask(app, "GET", "/metrics").body.decode().splitlines()
    assert "weighbridge_rows_predicted_total 4.0" in text
    assert 'weighbridge_inputs_outside_training_range_total{feature="orders_placed"} 2.0' in text
    route = 'method="POST",route="/v2/models/{name}/infer"'
    assert f'weighbridge_http_requests_total{{{route},status="200"}} 2.0' in text
    assert f'weighbridge_http_requests_total{{{route},status="400"}} 1.0' in text


def test_classes_are_counted_whichever_output_is_wanted() -> None:
    app = app_over(service_of_classes())
    document = {
        "inputs": [tensor("alcohol", [12.0] * 1100), tensor("colour", [0.0] * 1100)],
        "outputs": [{"name": "predict_proba"}],
    }
    assert infer(document, app, "/v2/models/wines/infer").status == 200
    text = ask(app, "GET", "/metrics").body.decode()
    assert 'weighbridge_predicted_classes_total{class="rosso"} 1100.0' in text


def test_whoever_observes_sees_every_row() -> None:
    observer = Observed()
    app = app_over(service_of_two(), observer=observer)
    given = {"X-Request-Id": "mine"}
    values = said(infer(rows([1.0, 2.0], ["SKU001", "SKU002"]), app, headers=given))["outputs"][0]["data"]
    assert infer(rows([-1.0], ["SKU001"]), app).status == 400
    assert observer.seen == [
        (VERSION, {"orders_placed": 1.0, "product_code": "SKU001"}, values[0], "mine"),
        (VERSION, {"orders_placed": 2.0, "product_code": "SKU002"}, values[1], "mine"),
    ]
    observer = Observed()
    app = app_over(service_of_classes(), observer=observer)
    document = {
        "inputs": [tensor("alcohol", [12.5]), tensor("colour", [1.0])],
        "outputs": [{"name": "predict"}],
    }
    assert len(said(infer(document, app, f"/v2/models/{WINES.name}/infer"))["outputs"]) == 1
    ((_, row, answer, _),) = observer.seen
    assert row == {"alcohol": 12.5, "colour": 1.0}
    assert isinstance(answer, Classification)
    assert answer.label in LEVELS
    assert sum(answer.probabilities) == pytest.approx(1)


def test_the_example_in_the_openapi_document_is_answered() -> None:
    document = json.loads(ask(served(), "GET", "/openapi.json").body)
    content = document["paths"]["/v2/models/{name}/infer"]["post"]["requestBody"]["content"]["application/json"]
    assert said(infer(content["example"]))["outputs"][0]["shape"] == [1]
    ours = {path for path in document["paths"] if path.startswith("/v2")}
    assert ours == {
        "/v2", "/v2/health/live", "/v2/health/ready", "/v2/repository/index",
        *(
            f"/v2/models/{{name}}{version}{ending}"
            for version in ("", "/versions/{version}")
            for ending in ("", "/ready", "/config", "/infer")
        ),
    }  # fmt: skip
    reference = {"$ref": "#/components/schemas/InferenceError"}
    for path in ours:
        for operation in document["paths"][path].values():
            for status, response in operation["responses"].items():
                if status != "200" and path != "/v2/health/ready":
                    assert response["content"] == {"application/json": {"schema": reference}}


@pytest.mark.parametrize("datatype", ["FP64", "FP32", "INT64"])
def test_a_whole_number_that_a_float_would_round_is_refused(datatype: str) -> None:
    app = app_of()[0]
    inputs = [
        {"name": "product_code", "datatype": "BYTES", "shape": [2], "data": ["SKU001", "SKU001"]},
        {"name": "orders_placed", "datatype": datatype, "shape": [2], "data": [1, 2**53 + 1]},
    ]
    body = json.dumps({"inputs": inputs}).encode()
    reply = ask(app, "POST", f"/v2/models/{QUICK.name}/infer", body, {"Content-Type": "application/json"})
    assert (reply.status, "row 2" in json.loads(reply.body)["error"]) == (400, True)


@pytest.mark.parametrize("more", [', "data": [10]', ', "name": "x"'])
def test_a_name_that_is_there_twice_is_refused(more: str) -> None:
    app = app_of()[0]
    one = '{"name": "product_code", "datatype": "BYTES", "shape": [1], "data": ["SKU001"]}'
    other = '{"name": "orders_placed", "datatype": "FP64", "shape": [1], "data": [10]%s}'
    for extra, status in (("", 200), (more, 400)):
        body = ('{"inputs": [%s, %s]}' % (one, other % extra)).encode()  # noqa: UP031
        reply = ask(app, "POST", f"/v2/models/{QUICK.name}/infer", body, {"Content-Type": "application/json"})
        assert reply.status == status
