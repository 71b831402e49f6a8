"""The memory of a batch is bounded, however many rows it has."""

import json
import subprocess
import sys

#: Posts tables of more and more rows, made and thrown away in pieces, and tells the peak of memory after each.
CODE = """
import asyncio, io, json, resource, sys
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
from tempfile import TemporaryFile
from tests.support.http_service import app_of
from tests.support.quick_task import QUICK

PATH = f"/api/v0.1/{QUICK.name}/batch"
PIECE = 50_000
app = app_of()[0]

def tables(rows):
    rng = np.random.default_rng(0)
    for _ in range(rows // PIECE):
        yield pa.table({"orders_placed": rng.integers(0, 1000, PIECE) / 7, "product_code": ["SKU001"] * PIECE})

def as_csv(rows):
    file = TemporaryFile()
    file.write(b"orders_placed,product_code\\n")
    for table in tables(rows):
        cells = zip(table["orders_placed"].to_pylist(), table["product_code"].to_pylist())
        file.write("".join(f"{n!r},{text}\\n" for n, text in cells).encode())
    return file, "text/csv"

def as_parquet(rows):
    file, writer = TemporaryFile(), None
    for table in tables(rows):
        writer = writer or pq.ParquetWriter(file, table.schema)
        writer.write_table(table)
    writer.close()
    return file, "application/vnd.apache.parquet"

async def post(file, media_type):
    seen = {"size": 0, "is_whole": False}
    file.seek(0)
    async def receive():
        if seen["is_whole"]:
            await asyncio.Event().wait()
        piece = file.read(1 << 16)
        seen["is_whole"] = not piece
        return {"type": "http.request", "body": piece, "more_body": bool(piece)}
    async def send(message):
        seen["status"] = message.get("status", seen.get("status"))
        seen["size"] += len(message.get("body", b""))
    headers = [(b"content-type", media_type.encode())]
    scope = {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1",
             "method": "POST", "scheme": "http", "path": PATH, "raw_path": PATH.encode(), "root_path": "",
             "query_string": b"echo=true", "headers": headers, "client": None, "server": None, "state": {}}
    await app(scope, receive, send)
    assert seen["status"] == 200, seen
    return seen["size"]

for make in (as_csv, as_parquet):
    for rows in (200_000, 1_000_000):
        size = asyncio.run(post(*make(rows)))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        print(json.dumps([make.__name__, rows, size, peak]), flush=True)
"""


def test_a_million_rows_take_no_more_memory_than_a_few() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, timeout=300)
    measured = [json.loads(line) for line in done.stdout.splitlines()]
    answers = {(kind, rows): size for kind, rows, size, _ in measured}
    # What is answered to a million rows would be seen, were it in memory even once.
    assert answers["as_csv", 1_000_000] > 40 << 20
    peaks = {(kind, rows): peak for kind, rows, _, peak in measured}
    assert peaks["as_csv", 1_000_000] - peaks["as_csv", 200_000] < 24 << 20, measured
    assert peaks["as_parquet", 1_000_000] - peaks["as_csv", 1_000_000] < 64 << 20, measured
