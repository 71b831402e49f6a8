"""How large requests come and go: compressed, too many at once, from clients that go away, for spreadsheets."""

import asyncio
import csv
import gzip
import io
import json
import threading
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.asgi_client import Reply, ask, asked
from tests.support.http_service import app_of
from tests.support.quick_task import QUICK
from weighbridge.entrypoints.http.batch.clients import ClientLimit
from weighbridge.entrypoints.http.batch.spool import MEMORY_BYTES, Spool, SpoolRoom
from weighbridge.entrypoints.http.errors import RequestProblem
from weighbridge.entrypoints.http.fast.front import Front

ROW_PATH = f"/api/v0.1/{QUICK.name}"
PATH = f"{ROW_PATH}/batch"
CSV, JSON = {"Content-Type": "text/csv"}, {"Content-Type": "application/json"}
ROW = b'{"product_code": "SKU001", "orders_placed": 10}'
TABLE = b"product_code,orders_placed\n" + b"SKU001,10\n" * 20


@pytest.fixture(scope="module")
def app() -> Front:
    return app_of(max_batch_bytes=2_000_000, max_body_bytes=50_000)[0]


ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_route_takes_the_encoding_off(app: Front, encoding: str) -> None:
    encoded = {"Content-Encoding": encoding}
    infer = json.dumps(
        {
            "inputs": [
                {"name": "product_code", "datatype": "BYTES", "shape": [1], "data": ["SKU001"]},
                {"name": "orders_placed", "datatype": "FP64", "shape": [1], "data": [10]},
            ]
        }
    ).encode()
    for path, body, given in (
        (ROW_PATH, ROW, JSON),
        (PATH, TABLE, CSV),
        (f"/v2/models/{QUICK.name}/infer", infer, JSON),
        ("/v2/repository/index", b"{}", JSON),
    ):
        whole = ENCODINGS[encoding](body)
        plain = ask(app, "POST", path, body, given)
        assert (plain.status, path) == (200, path)
        for parts in (whole, [whole[:5], whole[5:]]):
            reply = ask(app, "POST", path, parts, given | encoded)
            assert reply.status == 200, path
            assert reply.body == plain.body
        for wrong, status in ((whole[:-3], 400), (whole + b"x", 400), (body, 400)):
            assert ask(app, "POST", path, wrong, given | encoded).status == status, path
        refused = ask(app, "POST", path, body, given | {"Content-Encoding": "br"})
        assert (refused.status, refused.headers["accept-encoding"]) == (415, "gzip, deflate")


def test_what_decompresses_to_too_much_is_cut_off(app: Front) -> None:
    bomb = gzip.compress(b" " * 100_000_000)
    assert len(bomb) < 100_000
    for path, given in ((ROW_PATH, JSON), (PATH, CSV)):
        reply = ask(app, "POST", path, bomb[:40_000], given | {"Content-Encoding": "gzip"})
        assert reply.status == 413, path


def test_all_spools_together_have_a_limit() -> None:
    app = app_of(max_spool_bytes=1_000_000)[0]
    large = TABLE + b"SKU001,10\n" * 110_000
    reply = ask(app, "POST", PATH, large, CSV)
    assert (reply.status, reply.headers["retry-after"]) == (503, "10")
    # What was taken is given back: by a refusal, by a bad table and by an answer that was sent.
    for _ in range(60):
        assert ask(app, "POST", PATH, TABLE, CSV).status == 200
        assert ask(app, "POST", PATH, TABLE + b"SKU001\n" * 3_000, CSV).status == 422
    assert ask(app, "POST", PATH, TABLE + b"SKU001,10\n" * 30_000, CSV).status == 200


def test_an_answer_counts_as_well() -> None:
    app = app_of(max_spool_bytes=100_000)[0]
    table = b"product_code,orders_placed\n" + b"SKU001,10\n" * 3_000
    assert ask(app, "POST", PATH, table, CSV).status == 200
    assert ask(app, "POST", PATH, table, CSV, query="echo=true").status == 503


def test_a_spool_gives_back_what_it_took_once() -> None:
    room = SpoolRoom(100)
    spool = Spool(room)
    spool.write(b"x" * 60)
    with pytest.raises(RequestProblem):
        room.take(50)
    spool.close()
    spool.close()
    room.take(100)
    with pytest.raises(RequestProblem):
        room.take(1)


def test_a_disk_without_room_is_told_plainly(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Any
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "no such folder"))
    app = app_of()[0]
    assert ask(app, "POST", PATH, TABLE, CSV).status == 200
    reply = ask(app, "POST", PATH, TABLE + b"SKU001,10\n" * (MEMORY_BYTES // 9), CSV)
    assert (reply.status, json.loads(reply.body)["title"]) == (507, "Insufficient Storage")
    (record,) = [record for record in caplog.records if getattr(record, "event", "") == "spool_failed"]
    assert "No such file or directory" in record.getMessage()
    assert record.exc_info is None


def test_a_client_has_only_so_many_batches_in_work() -> None:
    app = app_of(max_client_batches=2)[0]
    app.prepare()

    async def run() -> tuple[list[int], list[int]]:
        gates = [asyncio.Event() for _ in range(2)]
        slow = [asyncio.ensure_future(slowly(app, gate)) for gate in gates]
        for _ in range(100):
            await asyncio.sleep(0)
        refused = [await asked(app, "POST", PATH, TABLE, CSV) for _ in range(2)]
        assert refused[0].headers["retry-after"] == "5"
        single = await asked(app, "POST", ROW_PATH, ROW, JSON)
        for gate in gates:
            gate.set()
        answered = [await each for each in slow]
        later = await asked(app, "POST", PATH, TABLE, CSV)
        return [reply.status for reply in refused], [single.status, *answered, later.status]

    assert asyncio.run(run()) == ([429, 429], [200, 200, 200, 200])


async def slowly(app: Front, gate: asyncio.Event) -> int:
    """The status of a batch whose body comes when the gate is opened."""
    sent: list[dict[str, Any]] = []
    is_whole = False

    async def receive() -> dict[str, Any]:
        nonlocal is_whole
        if is_whole:
            await asyncio.Event().wait()
        await gate.wait()
        is_whole = True
        return {"type": "http.request", "body": TABLE, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope_of(PATH), receive, send)
    return int(sent[0]["status"])


def scope_of(path: str) -> dict[str, Any]:
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": [(b"content-type", b"text/csv")], "client": ("192.0.2.1", 1234), "server": None, "state": {},
    }  # fmt: skip


def test_clients_are_counted_one_by_one_and_forgotten() -> None:
    limit = ClientLimit(1)
    leave = limit.enter("a")
    limit.enter("b")
    with pytest.raises(RequestProblem) as caught:
        limit.enter("a")
    assert caught.value.status == 429
    leave()
    leave()
    limit.enter("a")


def test_the_work_for_a_client_that_is_gone_ends(app: Front) -> None:
    table = b"product_code,orders_placed\n" + b"SKU001,10\n" * 180_000
    gone_at: list[int] = []

    async def run() -> Reply:
        pieces = [table]
        leave = asyncio.Event()

        async def receive() -> dict[str, Any]:
            if pieces:
                return {"type": "http.request", "body": pieces.pop(), "more_body": False}
            await leave.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            gone_at.append(message.get("status", 0))

        busy = asyncio.ensure_future(app(scope_of(PATH), receive, send))
        while not any(thread.name.startswith("batch") for thread in threading.enumerate()):
            await asyncio.sleep(0)
        leave.set()
        await busy
        return await asked(app, "POST", PATH, TABLE, CSV)

    assert asyncio.run(run()).status == 200
    # Nobody hears it; it is what is counted.
    assert gone_at[0] in (499, 200)


DANGEROUS = ("=1+1", "+1+1", "-1+1", "@SUM(A1)", "\tx", "\rx", '=cmd|"/c calc"!A1', "＝1", "-2;3", "=", "+")  # noqa: RUF001
HARMLESS = ("x=1", "1+1", " =1", "a@b", "-5", "+5.5", "-.5e-3", "5", "", "x\ty")


def test_cells_that_a_spreadsheet_would_run_are_quoted_when_that_is_asked_for(app: Front) -> None:
    sink = io.StringIO()
    csv.writer(sink).writerows(
        [("product_code", "orders_placed"), *((text, "1") for text in (*DANGEROUS, *HARMLESS)), ("SKU001", "=2")]
    )
    body = sink.getvalue().encode()
    for csv_safe in (False, True):
        query = f"echo=true&on_error=skip&csv_safe={'true' if csv_safe else 'false'}"
        reply = ask(app, "POST", PATH, body, CSV, query=query)
        assert reply.status == 200
        rows = list(csv.reader(io.StringIO(reply.body.decode(), newline="")))[1:]
        quote = "'" if csv_safe else ""
        assert [row[0] for row in rows] == [
            *(quote + text for text in DANGEROUS),
            *HARMLESS,
            "SKU001",
        ]
        assert rows[-1][1] == f"{quote}=2"
        if csv_safe:
            for row in rows:
                assert all(cell[:1] not in tuple("=+@\t\r") or cell in HARMLESS for cell in row), row


def test_numbers_and_other_formats_are_never_quoted(app: Front) -> None:
    body = b"product_code,orders_placed\nSKU001,1e1\nSKU001,+10\n"
    safe = ask(app, "POST", PATH, body, CSV, query="echo=true&csv_safe=true")
    assert safe.body == ask(app, "POST", PATH, body, CSV, query="echo=true").body
    json_ = JSON | {"Accept": "application/json"}
    rows = b'[{"product_code": "=1", "orders_placed": 1}]'
    for query in ("on_error=skip", "on_error=skip&csv_safe=true"):
        assert b'"found": "=1"' in ask(app, "POST", PATH, rows, json_, query=query).body
