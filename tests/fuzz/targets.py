"""What is fuzzed: each target takes an example, and fails where an input does more than be refused."""

import asyncio
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st
from pydantic import ValidationError
from uvicorn import Config
from uvicorn.server import ServerState

from tests.support.asgi_client import ask
from tests.support.hostile_bodies import bodies, content_types, damaged
from tests.support.http_service import app_of
from tests.support.quick_task import QUICK, two_releases
from weighbridge.adapters.json_schema.rules import JsonSchemaRules
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.system import SystemClock
from weighbridge.adapters.tables.dataset_limits import DatasetLimits
from weighbridge.adapters.tables.dataset_reader import TabularReader
from weighbridge.adapters.tables.formats import table_reader
from weighbridge.domain.data.column_admission import examine_columns
from weighbridge.domain.errors import DataError, RegistryError
from weighbridge.domain.registry.record_reading import RecordReader
from weighbridge.entrypoints.http.fast.hosts import AllowedHosts
from weighbridge.entrypoints.http.fast.limits import Limits
from weighbridge.entrypoints.http.fast.protocol import LimitedProtocol
from weighbridge.entrypoints.http.lifecycle import Lifecycle
from weighbridge.entrypoints.http.row_reading import RowReader

NAMES = QUICK.schema.feature_names
ROW = b'{"product_code": "SKU001", "orders_placed": 10}'
CSV = b"product_code,orders_placed\nSKU001,10\nSKU002,20\n"
LIMITS = Limits(head_bytes=16_384, head_seconds=20, body_seconds=30, idle_seconds=65)
SMALL = DatasetLimits(most_bytes=1 << 20, most_rows=10_000, most_cells=100_000)


def _binary() -> dict[str, bytes]:
    table = pa.table({"orders_placed": [10.0, 20.0], "product_code": ["SKU001", "SKU002"]})
    parquet, arrow = io.BytesIO(), io.BytesIO()
    pq.write_table(table, parquet, compression="zstd")
    with pa.ipc.new_stream(arrow, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(table)
    return {"parquet": parquet.getvalue(), "arrow": arrow.getvalue()}


TABLES: dict[str, bytes] = {"csv": CSV, "json": b"[" + ROW + b"]", "ndjson": ROW + b"\n" + ROW, **_binary()}
PIECES = st.sampled_from(
    (
        *(b"GET / HTTP/1.1\r\n", b"POST /a HTTP/1.1\r\n", b"Host: localhost\r\n", b"Host: x\r\n", b"\r\n", b"\n"),
        *(
            b"Transfer-Encoding: chunked\r\n",
            b"Content-Length: 3\r\n",
            b"Connection: close\r\n",
            b"TE: chunked\r\n",
        ),
        *(
            b"3\r\nabc\r\n",
            b"0\r\n\r\n",
            b"0\r\nX: y\r\n\r\n",
            b"1;x=y\r\na\r\n",
            b"abc",
            b"X: y\r\n",
            b"X: " + b"y" * 9000,
        ),
        *(b"Upgrade: h2c\r\nConnection: Upgrade\r\n", b"Expect: 100-continue\r\n", b"HTTP/2.0\r\n", b"\x00"),
    )
)


class _Wire(asyncio.Transport):
    """Keeps what is written to it; fails where more is written than is allowed."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.is_closed = b"", False

    def write(self, data: Any) -> None:
        assert not self.is_closed, "something was written to a closed connection"
        self.written += bytes(data)

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        """Nothing is to be paused."""

    def resume_reading(self) -> None:
        """Nothing is to be resumed."""

    def get_write_buffer_size(self) -> int:
        return 0


def connection(pieces: list[bytes]) -> None:
    """Whatever comes on a connection: every answer is one of ours, and none is a 500."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async def run() -> bytes:
        wire = _Wire()
        config = Config(app, interface="asgi3", proxy_headers=False, ws="none", log_config=None)
        given = {"config": config, "server_state": ServerState(), "app_state": {}}
        protocol = LimitedProtocol(LIMITS, None, Lifecycle(), AllowedHosts((), "127.0.0.1"), **given)
        protocol.connection_made(wire)
        for piece in pieces:
            if not wire.is_closed:
                protocol.data_received(piece)
            await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)
        protocol.connection_lost(None)
        await asyncio.sleep(0)
        return wire.written

    for line in asyncio.run(run()).split(b"\r\n"):
        if line.startswith(b"HTTP/1.1 "):
            assert line[9:12] in (b"100", b"200", b"400", b"408", b"414", b"421", b"431"), line


def row(body: bytes) -> None:
    """A row: admitted, or refused by field."""
    with suppress(ValidationError):
        RowReader(QUICK.schema)(body)


def table(given: tuple[str, bytes]) -> None:
    """A table of any format: admitted, or refused with its problems."""
    kind, body = given
    with suppress(DataError):
        reader = table_reader(kind, io.BytesIO(body), QUICK.schema, "it", most_bytes=1 << 20)  # type: ignore[arg-type]
        for chunk in reader.chunks():
            list(examine_columns(QUICK.schema, chunk.columns, first_row=chunk.first_row).problems())


def dataset(given: tuple[str, bytes]) -> None:
    """A dataset: a frame, or refused with its problems."""
    suffix, body = given
    with suppress(DataError):
        TabularReader(SMALL).read_file(f"datasets/it{suffix}", io.BytesIO(body), QUICK.schema)


@contextmanager
def service() -> Iterator[Callable[[tuple[str, bytes]], None]]:
    """A batch: answered, or refused with a problem document."""
    app = app_of(max_batch_bytes=1 << 20)[0]

    def batch(given: tuple[str, bytes]) -> None:
        content_type, body = given
        reply = ask(app, "POST", f"/api/v0.1/{QUICK.name}/batch", body, {"Content-Type": content_type})
        assert reply.status in (200, 400, 413, 415, 422), reply
        if reply.status != 200:
            assert isinstance(json.loads(reply.body), dict)

    yield batch


def _damaged_tables() -> st.SearchStrategy[tuple[str, bytes]]:
    return st.sampled_from(sorted(TABLES)).flatmap(
        lambda kind: st.tuples(st.just(kind), bodies([TABLES[kind]], NAMES))
    )


def _damaged_datasets() -> st.SearchStrategy[tuple[str, bytes]]:
    files = {".csv": CSV, ".csv.gz": CSV, ".csv.zst": CSV, ".parquet": TABLES["parquet"]}
    return st.sampled_from(sorted(files)).flatmap(
        lambda suffix: st.tuples(st.just(suffix), damaged(files[suffix]) | st.binary(max_size=200))
    )


def record(document: Any) -> None:
    """A release record out of a store: read, or refused as one that cannot be."""
    store = MemoryStore(SystemClock())
    store.write("models/it.json", json.dumps(document).encode("utf-8", "replace"))
    with suppress(RegistryError):
        RecordReader(store, JsonSchemaRules()).record(two_releases()[1].version, "models/it.json")


@st.composite
def _records(draw: st.DrawFn) -> Any:
    """A good record with some of its values exchanged for others."""
    whole = json.loads(json.dumps(two_releases()[1].document))
    for _ in range(draw(st.integers(1, 3))):
        place: Any = whole
        for _ in range(draw(st.integers(0, 4))):
            keys = sorted(place) if isinstance(place, dict) else list(range(len(place)))
            deeper = [key for key in keys if isinstance(place[key], dict | list) and place[key]]
            if not deeper:
                break
            place = place[draw(st.sampled_from(deeper))]
        keys = sorted(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw(st.sampled_from(keys))
        place[key] = draw(ODD)
    return whole


ODD = st.sampled_from(
    (None, True, -1, 1e308, 10**400, "", "x", "../x", "9999-12-31T23:59:59Z", [], {}, [[]], {"": 1})
)


TARGETS: dict[str, tuple[Callable[[Any], None], st.SearchStrategy[Any]]] = {
    "connection": (
        connection,
        st.lists(st.lists(PIECES | st.binary(max_size=9), max_size=9).map(b"".join), max_size=5),
    ),
    "row": (row, bodies([ROW], NAMES)),
    "table": (table, _damaged_tables()),
    "dataset": (dataset, _damaged_datasets()),
}
BATCHES = st.tuples(
    content_types(["text/csv", "application/json", "application/x-ndjson"]), bodies(list(TABLES.values()), NAMES)
)
