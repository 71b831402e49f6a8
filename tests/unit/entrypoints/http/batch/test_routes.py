"""Many rows over HTTP: every format in and out, all problems at once, and never a 500."""

import asyncio
import csv
import io
import json
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.asgi_client import Reply, ask
from tests.support.http_service import app_of
from tests.support.quick_task import QUICK, two_releases
from weighbridge.adapters.tables.formats import table_reader
from weighbridge.domain.data.column_admission import examine_columns
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.entrypoints.http.fast.front import Front

PATH = f"/api/v0.1/{QUICK.name}/batch"
JSON, NDJSON, CSV = "application/json", "application/x-ndjson", "text/csv"
PARQUET, ARROW = "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream"
FORMATS = (JSON, NDJSON, CSV, PARQUET, ARROW)
PRODUCTS = QUICK.schema.feature("product_code").levels  # type: ignore[union-attr]
NAME = "est_hours_to_dispatch"
VERSION = two_releases()[1].version.qualified
PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def app() -> Front:
    return app_of()[0]


def post(app: Front, body: bytes, sent: str = JSON, query: str = "", **headers: str) -> Reply:
    given_ = {"Content-Type": sent, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return ask(app, "POST", PATH, [body[:7], body[7:]], given_, query=query)


def encode(rows: list[dict[str, Any]], media_type: str) -> bytes:
    if media_type == JSON:
        return json.dumps(rows).encode()
    if media_type == NDJSON:
        return b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    table = pa.table({name: [row[name] for row in rows] for name in QUICK.schema.feature_names})
    sink = io.BytesIO()
    if media_type == CSV:
        arrow_csv.write_csv(table, sink)
    elif media_type == PARQUET:
        pq.write_table(table, sink)
    else:
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    return sink.getvalue()


def decode(body: bytes, media_type: str) -> list[dict[str, Any]]:
    if media_type == JSON:
        found = json.loads(body)
        assert found["model_version"] == VERSION
        return list(found["predictions"])
    if media_type == NDJSON:
        return [json.loads(line) for line in body.splitlines()]
    if media_type == CSV:
        text = csv.DictReader(io.StringIO(body.decode(), newline=""), quoting=csv.QUOTE_MINIMAL)
        numbers = {NAME, "orders_placed"}
        return [{k: float(v) if k in numbers and v else v or None for k, v in row.items()} for row in text]
    if media_type == PARQUET:
        return list(pq.read_table(pa.BufferReader(body)).to_pylist())
    return list(pa.ipc.open_stream(body).read_all().to_pylist())


def single(app: Front, row: dict[str, Any]) -> float:
    reply = ask(app, "POST", PATH.removesuffix("/batch"), json.dumps(row).encode(), {"Content-Type": JSON})
    return float(json.loads(reply.body)[NAME])


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "product_code": st.sampled_from(PRODUCTS),
            "orders_placed": st.floats(0, 1e12) | st.integers(0, 300).map(float),
        }
    ),
    min_size=1,
    max_size=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS, st.sampled_from(FORMATS), st.sampled_from(FORMATS), st.booleans())
def test_every_format_is_answered_in_every_format(
    app: Front, rows: list[dict[str, Any]], sent: str, wanted: str, echo: bool
) -> None:
    reply = post(app, encode(rows, sent), sent, "echo=true" if echo else "", Accept=wanted)
    assert (reply.status, reply.headers["content-type"]) == (200, wanted), reply.body
    assert reply.headers["x-model-version"] == VERSION
    assert reply.headers["x-rows"] == str(len(rows))
    assert reply.headers["vary"] == "Accept"
    assert decode(reply.body, wanted) == [(row if echo else {}) | {NAME: single(app, row)} for row in rows]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS, st.booleans())
def test_columns_are_answered_as_columns(app: Front, rows: list[dict[str, Any]], echo: bool) -> None:
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    reply = post(app, json.dumps(columns).encode(), query="echo=true" if echo else "echo=false")
    assert reply.status == 200
    assert json.loads(reply.body) == {
        "predictions": (columns if echo else {}) | {NAME: [single(app, row) for row in rows]},
        "model_version": VERSION,
    }


def test_no_rows_are_no_predictions(app: Front) -> None:
    names = {name: [] for name in QUICK.schema.feature_names}
    for body in (b"[]", b" [ ] ", json.dumps(names).encode()):
        reply = post(app, body, query="on_error=skip")
        assert reply.status == 200
        found = json.loads(reply.body)
        assert found["predictions"] in ([], {NAME: []})
        assert (found["rows"], found["errors"]) == ([], [])
    header = b"orders_placed,product_code\n"
    assert post(app, header, CSV).body == f"{NAME}\n".encode()
    assert post(app, header, CSV, Accept=PARQUET).status == 200
    assert post(app, b"", NDJSON).body == b""
    empty = io.BytesIO()
    kinds = [("orders_placed", pa.int64()), ("product_code", pa.string())]
    pq.write_table(pa.schema(kinds).empty_table(), empty)
    reply = post(app, empty.getvalue(), PARQUET, "echo=true")
    assert pq.read_schema(pa.BufferReader(reply.body)).names == ["orders_placed", "product_code", NAME]


BAD = [
    {"orders_placed": 10, "product_code": "SKU001"},
    {"orders_placed": -1, "product_code": "SKU009"},
    {"orders_placed": None, "product_code": "SKU002"},
    {"orders_placed": 20, "product_code": "SKU003"},
]
FAULTS = [
    {"row": 2, "field": "orders_placed", "message": "expected a number not below 0", "found": "-1"},
    {
        "row": 2,
        "field": "product_code",
        "message": f"expected one of {', '.join(PRODUCTS)}",
        "found": "SKU009",
    },
    {"row": 3, "field": "orders_placed", "message": "expected a number not below 0, found nothing", "found": None},
]


def plain(faults: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Numbers are found as they were sent: as -1, or as -1.0."""
    numbers = {-1: "-1", "-1.0": "-1"}
    return [fault | {"found": numbers.get(fault["found"], fault["found"])} for fault in faults]


@pytest.mark.parametrize("sent", FORMATS)
def test_a_batch_is_refused_with_all_its_problems(app: Front, sent: str) -> None:
    reply = post(app, encode(BAD, sent), sent)
    assert (reply.status, reply.headers["content-type"]) == (422, PROBLEM)
    found = json.loads(reply.body)
    assert plain(found["errors"]) == FAULTS
    assert found["detail"].startswith("column 'orders_placed', row 2: expected a number not below 0")
    assert found["detail"].endswith("; and 2 more")


@pytest.mark.parametrize("sent", FORMATS)
@pytest.mark.parametrize("wanted", FORMATS)
@pytest.mark.parametrize("echo", ["true", "false"])
def test_bad_rows_can_be_skipped(app: Front, sent: str, wanted: str, echo: str) -> None:
    reply = post(app, encode(BAD, sent), sent, f"on_error=skip&echo={echo}", Accept=wanted)
    assert reply.status == 200, reply.body
    assert (reply.headers["x-rows"], reply.headers["x-skipped-rows"]) == ("4", "2")
    values = {place: single(app, BAD[place]) for place in (0, 3)}
    if wanted == JSON:
        found = json.loads(reply.body)
        assert found["rows"] == [1, 4]
        assert plain(found["errors"]) == FAULTS
        assert [row[NAME] for row in found["predictions"]] == list(values.values())
        return
    rows = decode(reply.body, wanted)
    assert [row.get(NAME) for row in rows] == [values.get(place) for place in range(4)]
    told = [row.get("problem") for row in rows]
    assert (told[0], told[3]) == (None, None)
    assert told[1].startswith("orders_placed: expected a number not below 0 (found")
    assert f"; product_code: expected one of {', '.join(PRODUCTS)} (found 'SKU009')" in told[1]
    assert told[2] == "orders_placed: expected a number not below 0, found nothing"
    if wanted == NDJSON:
        assert [row.get("row") for row in rows] == [None, 2, 3, None]
    elif echo == "true":
        assert [rows[place]["orders_placed"] for place in (0, 3)] == [10, 20]


def test_all_rows_may_be_bad(app: Front) -> None:
    for sent in FORMATS:
        reply = post(app, encode(BAD[1:3], sent), sent, "on_error=skip")
        assert (reply.status, reply.headers["x-skipped-rows"]) == (200, "2")


def test_a_refusal_lists_a_hundred_problems_and_counts_all(app: Front) -> None:
    reply = post(app, encode([BAD[2]] * 250, NDJSON), NDJSON)
    found = json.loads(reply.body)
    assert [fault["row"] for fault in found["errors"]] == list(range(1, 101))
    assert found["detail"].endswith("; and 249 more")


def test_what_is_no_row(app: Front) -> None:
    rows = [5, {"orders_placed": 1, "product_code": "SKU001", "z": 1}, {"orders_placed": True}]
    lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows) + b"{\n"
    expected = [
        (1, None, "expected an object"),
        (2, "z", "unknown field; there are orders_placed, product_code"),
        (3, "orders_placed", "expected a number not below 0"),
        (3, "product_code", f"expected one of {', '.join(PRODUCTS)}, found nothing"),
    ]
    for body, sent in ((json.dumps(rows).encode(), JSON), (lines, NDJSON)):
        faults = json.loads(post(app, body, sent).body)["errors"]
        assert [(fault["row"], fault["field"], fault["message"]) for fault in faults[:4]] == expected
    assert faults[4]["row"] == 4
    assert faults[4]["message"].startswith("the line is not JSON")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "expected a JSON array of rows, or an object of columns"),
        (b"5", "expected a JSON array of rows"),
        (b"nope", "not JSON"),
        (b"[1", "not JSON"),
        (b"[", "not JSON"),
        (b'[{"orders_placed": 1, "product_code": "SKU001"},]', "not JSON"),
        (b'[{"orders_placed": NaN, "product_code": "SKU001"}]', "NaN is not a value of JSON"),
        (b'[{"orders_placed": 1e400, "product_code": "SKU001"}]', "expected a number not below 0"),
        (b"[" * 100_000, "nested too deeply"),
        (b'[{"orders_placed": ' + b"[" * 900 + b"]" * 900 + b"}]", "expected"),
        (b'{"orders_placed": [1], "product_code": ["SKU001", "SKU001"]}', "not of one length"),
        (b'{"orders_placed": 5, "product_code": ["SKU001"]}', "expected an array"),
        (b'{"orders_placed": [1,], "product_code": ["SKU001"]}', "not JSON"),
        (b'{"orders_placed": [1, "2"], "product_code": ["SKU001", 5]}', "row 2"),
        (b'{"orders_placed": [1]}', "the column is missing"),
        (b'{"orders_placed": [1], "product_code": ["SKU001"], "z": [1]}', "unknown column"),
        (b"\xff\xfe[\x00]\x00", "not JSON"),
        (b'[{"orders_placed": 1, "product_code": "\xff"}]', "not JSON"),
    ],
)
def test_json_that_is_no_table(app: Front, body: bytes, says: str) -> None:
    reply = post(app, body)
    assert (reply.status, reply.headers["content-type"]) == (422, PROBLEM)
    assert says in json.loads(reply.body)["detail"]


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (None, CSV),
        ("", CSV),
        ("*/*", CSV),
        ("application/*", JSON),
        ("text/*;q=0.5, application/json;q=0.4", CSV),
        ("text/csv;q=0.2, application/x-ndjson; q=0.9", NDJSON),
        ("*/*;q=0.1, text/csv;q=0", JSON),
        (f"{ARROW}, {PARQUET};q=0.9", ARROW),
        ("TEXT/CSV", CSV),
        ("image/png, */*;q=0.01", CSV),
        ("text/csv;q=nonsense, application/json", JSON),
    ],
)
def test_the_answer_has_the_format_that_is_preferred(app: Front, accept: str | None, wanted: str) -> None:
    headers = {} if accept is None else {"Accept": accept}
    reply = post(app, b"orders_placed,product_code\n1,SKU001\n", CSV, **headers)
    assert (reply.status, reply.headers["content-type"]) == (200, wanted)


@pytest.mark.parametrize("accept", ["image/png", "text/csv;q=0, */*;q=0", "application/json;q=2"])
def test_an_answer_that_cannot_be_is_not_acceptable(app: Front, accept: str) -> None:
    reply = post(app, b"[]", Accept=accept)
    assert (reply.status, reply.headers["content-type"]) == (406, PROBLEM)


@pytest.mark.parametrize(
    ("sent", "headers"),
    [
        ("image/png", {}),
        ("application/json; charset=utf-16", {}),
        (JSON, {"Content_Encoding": "br"}),
        ("text/csv", {"Content_Encoding": "gzip, br"}),
    ],
)
def test_other_bodies_are_of_an_unsupported_type(app: Front, sent: str, headers: dict[str, str]) -> None:
    reply = post(app, b"[]", sent, **headers)
    assert (reply.status, reply.headers["content-type"]) == (415, PROBLEM)


def test_without_a_type_there_is_no_format(app: Front) -> None:
    assert ask(app, "POST", PATH, b"[]").status == 415
    assert post(app, b"[]", 'application/json; charset="UTF-8"', Content_Encoding="identity").status == 200


@pytest.mark.parametrize("query", ["echo=yes", "echo=", "on_error=ignore", "echo=TRUE"])
def test_a_parameter_that_is_none_is_refused(app: Front, query: str) -> None:
    reply = post(app, b"[]", query=query)
    assert (reply.status, reply.headers["content-type"]) == (422, PROBLEM)


def test_limits() -> None:
    app = app_of(max_batch_bytes=400, max_batch_rows=3, max_batch_decoded_bytes=200)[0]
    row = {"orders_placed": 1, "product_code": "SKU001"}
    assert post(app, encode([row] * 3, JSON)).status == 200
    for body in (encode([row] * 4, JSON), b" " * 401):
        reply = post(app, body)
        assert (reply.status, reply.headers["content-type"]) == (413, PROBLEM)
    told = ask(app, "POST", PATH, b"[]", {"Content-Type": JSON, "Content-Length": "401"})
    assert told.status == 413
    assert ask(app, "POST", PATH, b"[]", {"Content-Type": JSON, "Content-Length": "9" * 30}).status == 413
    app = app_of(max_batch_decoded_bytes=200)[0]
    for sent in (ARROW, PARQUET):
        assert post(app, encode([row] * 2, sent), sent).status == 200
        reply = post(app, encode([row | {"orders_placed": n} for n in range(40)], sent), sent)
        assert reply.status == 413
        assert "200 are allowed" in json.loads(reply.body)["detail"]


def stream(columns: dict[str, Any], compression: str | None = None) -> bytes:
    table = pa.table(columns)
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return sink.getvalue()


def test_columns_that_expand_are_not_decompressed(app: Front) -> None:
    limited = app_of(max_batch_decoded_bytes=1 << 20)[0]
    rows = 200_000
    columns = {
        "orders_placed": np.zeros(rows),
        "product_code": pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array(["SKU001"])),
    }
    for compression in ("zstd", "lz4"):
        body = stream(columns, compression)
        assert len(body) < 100_000
        assert post(limited, body, ARROW).status == 413
        assert post(app, body, ARROW, Accept=CSV).status == 200
    for codec in ("zstd", "gzip", "snappy"):
        sink = io.BytesIO()
        pq.write_table(pa.table(columns), sink, compression=codec, use_dictionary=False)
        assert post(limited, sink.getvalue(), PARQUET).status == 413
        assert post(app, sink.getvalue(), PARQUET, Accept=CSV).status == 200


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"orders_placed": ["1"], "product_code": ["SKU001"]}, "of the type string"),
        ({"orders_placed": [True], "product_code": ["SKU001"]}, "of the type bool"),
        ({"orders_placed": [[1]], "product_code": ["SKU001"]}, "of the type list"),
        ({"orders_placed": pa.nulls(1), "product_code": ["SKU001"]}, "of the type null"),
        ({"orders_placed": [1], "product_code": [1]}, "of the type int64"),
        ({"orders_placed": [1]}, "the column is missing"),
        ({"orders_placed": [1], "product_code": ["SKU001"], "z": [1]}, "unknown column"),
        ({"orders_placed": [math.nan], "product_code": ["SKU001"]}, "expected a number not below 0 (found nan)"),
        ({"orders_placed": [math.inf], "product_code": ["SKU001"]}, "expected a number not below 0 (found inf)"),
        ({"orders_placed": [1], "product_code": pa.array([b"\xff"])}, "expected one of"),
        ({"orders_placed": [1], "product_code": pa.nulls(1, pa.string())}, "found nothing"),
    ],
)
def test_columns_of_other_types(app: Front, columns: dict[str, Any], says: str) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    for body, sent in ((stream(columns), ARROW), (sink.getvalue(), PARQUET)):
        reply = post(app, body, sent)
        assert reply.status == 422
        assert says in json.loads(reply.body)["detail"].replace("large_string", "string")


@pytest.mark.parametrize(
    ("orders", "products"),
    [
        (pa.array([5, 7], pa.uint8()), pa.array(["SKU001", "SKU002"]).dictionary_encode()),
        (pa.array([5, 7], pa.float32()), pa.array(["SKU001", "SKU002"], pa.large_string())),
        (pa.array([5, 7]).cast(pa.decimal128(30, 2)), pa.array([b"SKU001", b"SKU002"])),
        (pa.array([5, 7]).dictionary_encode(), pa.array(["SKU001", "SKU002"], pa.string_view())),
        (pa.array([5, 7], pa.float16()), pa.array(["SKU001", "SKU002"]).dictionary_encode()),
    ],
)
def test_numbers_and_texts_of_every_arrow_type(app: Front, orders: Any, products: Any) -> None:
    expected = [single(app, {"orders_placed": n, "product_code": p}) for n, p in ((5, "SKU001"), (7, "SKU002"))]
    body = stream({"orders_placed": orders, "product_code": products})
    for echo in ("true", "false"):
        for wanted in FORMATS:
            reply = post(app, body, ARROW, f"echo={echo}", Accept=wanted)
            assert reply.status == 200, reply.body
            assert [row[NAME] for row in decode(reply.body, wanted)] == expected


GOOD = [{"orders_placed": float(n), "product_code": PRODUCTS[n % 5]} for n in range(50)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.sampled_from(FORMATS),
    st.sampled_from(FORMATS),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4),
    st.integers(0, 10_000) | st.just(10_000),
    st.sampled_from(["", "on_error=skip", "echo=true&on_error=skip"]),
)
def test_broken_bodies_are_never_a_bug(
    app: Front, sent: str, said: str, changes: list[tuple[int, int]], cut: int, query: str
) -> None:
    body = bytearray(encode(GOOD, sent))
    for place, byte in changes:
        body[place % len(body)] = byte
    reply = post(app, bytes(body[:cut]), said, query)
    assert reply.status in {200, 413, 422}, reply.body


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.sampled_from(FORMATS), st.sampled_from(["", "on_error=skip&echo=true"]))
@example(b"PAR1" * 10, PARQUET, "")
@example(b"\xff\xff\xff\xff\xff\xff\xff\xff", ARROW, "")
@example(b"ARROW1\0\0", ARROW, "")
@example(b'"', CSV, "")
@example(b'orders_placed,product_code\n"', CSV, "")
@example(b"orders_placed,product_code\n1,SKU001\x00\n", CSV, "on_error=skip&echo=true")
@example(b"orders_placed,product_code\n1,\xff\n", CSV, "on_error=skip&echo=true")
@example(b"orders_placed,product_code\n1,SKU001,\xff\n", CSV, "on_error=skip&echo=true")
def test_bytes_are_never_a_bug(app: Front, body: bytes, sent: str, query: str) -> None:
    assert post(app, body, sent, query).status in {200, 413, 422}


def test_rows_are_counted_and_those_outside_the_training_range_flagged() -> None:
    app = app_of()[0]
    rows = [{"orders_placed": n, "product_code": "SKU001"} for n in (1, 10**6, 10**7)]
    for sent in FORMATS:
        assert post(app, encode(rows, sent), sent).headers["x-outside-training-range"] == "orders_placed"
    post(app, encode(BAD, JSON))
    skipped = post(app, encode(BAD, JSON), query="on_error=skip")
    assert "x-outside-training-range" not in skipped.headers
    lines = ask(app, "GET", "/metrics").body.decode().splitlines()
    counted = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert float(counted["weighbridge_rows_predicted_total"]) == 3 * len(FORMATS) + 2
    outside = 'weighbridge_inputs_outside_training_range_total{feature="orders_placed"}'
    assert float(counted[outside]) == 2 * len(FORMATS)
    route = f'{{method="POST",route="{PATH}",status="200"}}'
    assert float(counted[f"weighbridge_http_requests_total{route}"]) == len(FORMATS) + 1


def test_single_rows_are_answered_while_a_batch_is_worked_on() -> None:
    from tests.support.asgi_client import asked

    app = app_of()[0]
    rows = 300_000
    columns = {"orders_placed": [1.5] * rows, "product_code": ["SKU001"] * rows}
    body = json.dumps(columns).encode()
    row = json.dumps({"orders_placed": 1.5, "product_code": "SKU001"}).encode()

    async def both() -> tuple[Reply, int]:
        batch = asyncio.create_task(asked(app, "POST", PATH, body, {"Content-Type": JSON}))
        count = 0
        while not batch.done():
            reply = await asked(app, "POST", PATH.removesuffix("/batch"), row, {"Content-Type": JSON})
            assert reply.status == 200
            count += 1
            await asyncio.sleep(0)
        return await batch, count

    reply, count = asyncio.run(both())
    assert (reply.status, reply.headers["x-rows"]) == (200, str(rows))
    # A batch that kept the event loop to itself would let but one or two of them through.
    assert count > 5


HUGE = 2**53 + 1
UNBOUNDED = Schema((Number("x"), Category("c", ("A", "B"))), Number("y"), "p")


def tables_with(value: Any) -> dict[str, bytes]:
    """A table of many rows, of which one has the value, in every format."""
    xs, cs = [*[1] * 5_000, value], ["A"] * 5_001
    columns = {"x": xs, "c": cs}
    rows = [{"x": x, "c": c} for x, c in zip(xs, cs, strict=True)]
    csv_text = "x,c\n" + "".join(f"{x},{c}\n" for x, c in zip(xs, cs, strict=True))
    spread = "x,c\n" + "".join(f"{x},A\n" for x in [*(place / 7 for place in range(5_000)), value])
    kind = pa.int64() if isinstance(value, int) else pa.float64()
    table = pa.table({"x": pa.array(xs, kind), "c": cs})
    parquet, arrow, decimals = io.BytesIO(), io.BytesIO(), io.BytesIO()
    pq.write_table(table, parquet)
    with pa.ipc.new_stream(arrow, table.schema) as writer:
        writer.write_table(table)
    exact = pa.array([int(x) if isinstance(x, int) else 1 for x in xs], pa.decimal128(30, 0))
    pq.write_table(table.set_column(0, "x", exact), decimals)
    return {
        "json": json.dumps(rows).encode(),
        "json columns": json.dumps(columns).encode(),
        "ndjson": "\n".join(map(json.dumps, rows)).encode(),
        "csv": csv_text.encode(),
        "csv spread": spread.encode(),
        "parquet": parquet.getvalue(),
        "parquet decimals": decimals.getvalue(),
        "arrow": arrow.getvalue(),
    }


def test_a_whole_number_that_would_be_rounded_is_refused_in_every_format() -> None:
    for value in (HUGE, -HUGE, 2**62):
        for kind, body in tables_with(value).items():
            found: list[Any] = []
            for chunk in table_reader(kind.split()[0], io.BytesIO(body), UNBOUNDED, "it").chunks():  # type: ignore[arg-type]
                found += examine_columns(UNBOUNDED, chunk.columns, first_row=chunk.first_row).problems()
            assert [(one.column, one.row, one.value) for one in found] == [("x", 5_001, value)], kind
            assert "(2^53)" in found[0].message


def test_floats_of_any_size_are_admitted_in_every_format() -> None:
    for value in (float(2**53), 1e300, -1e25):
        for kind, body in tables_with(value).items():
            if kind == "parquet decimals":
                continue
            last: Any = None
            for chunk in table_reader(kind.split()[0], io.BytesIO(body), UNBOUNDED, "it").chunks():  # type: ignore[arg-type]
                examined = examine_columns(UNBOUNDED, chunk.columns, first_row=chunk.first_row)
                assert list(examined.problems()) == [], kind
                last = examined.columns.plain()["x"][-1]
            assert last == value, kind


@pytest.mark.parametrize(
    ("body", "sent", "name"),
    [
        (b'[{"product_code": "SKU001", "orders_placed": 1, "orders_placed": 2}]', JSON, "orders_placed"),
        (b'{"product_code": ["SKU001"], "orders_placed": [1], "orders_placed": [2]}', JSON, "orders_placed"),
        (b'{"product_code": ["SKU001"], "product_code": ["SKU002"], "orders_placed": [2]}', JSON, "product_code"),
        (b'{"product_code": "SKU001", "product_code": "SKU001", "orders_placed": 2}\n', NDJSON, "product_code"),
        (b'[{"product_code": "SKU001", "orders_placed": 1, "orders_pl\\u0061ced": 2}]', JSON, "orders_placed"),
    ],
)
def test_a_name_that_is_there_twice_in_an_object_is_refused(app: Front, body: bytes, sent: str, name: str) -> None:
    reply = post(app, body, sent)
    assert reply.status == 422
    assert f"the name '{name}' is there more than once in an object" in json.loads(reply.body)["detail"]


@pytest.mark.parametrize("sent", [CSV, JSON])
def test_a_table_of_very_many_columns_is_refused_in_few_words(app: Front, sent: str) -> None:
    names = [f"c{place}" for place in range(20_000)]
    body = ",".join(names).encode() if sent == CSV else json.dumps({name: [1] for name in names}).encode()
    reply = post(app, body, sent)
    assert reply.status == 422
    assert len(json.loads(reply.body)["errors"]) == 100
    assert "and 20,001 more" in json.loads(reply.body)["detail"]


def test_a_line_of_ndjson_has_a_limit(app: Front) -> None:
    reply = post(app, b'{"product_code": "' + b"x" * 3_000_000, NDJSON)
    assert (reply.status, "a line is longer than 1,048,576 bytes" in reply.body.decode()) == (422, True)
