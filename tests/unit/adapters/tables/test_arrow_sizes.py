"""What compressed columns would take is told before they are decompressed, whatever their headers say."""

import io
import struct
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.adapters.tables.arrow_sizes import parquet_bytes, stream_bytes
from weighbridge.adapters.tables.thrift_compact import CompactReader

ROWS = 100_000
TABLE = pa.table({"n": np.zeros(ROWS), "t": pa.array(["a"] * ROWS).dictionary_encode()})


def stream(compression: str | None, table: Any = TABLE) -> bytes:
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=ROWS // 4)
    return sink.getvalue()


@pytest.mark.parametrize("compression", [None, "zstd", "lz4"])
def test_the_buffers_of_a_stream(compression: str | None) -> None:
    body = stream(compression)
    found = stream_bytes(io.BytesIO(body))
    assert 12 * ROWS <= found <= 12 * ROWS + 2000
    if compression:
        assert len(body) < found / 10


def test_a_buffer_that_says_it_is_larger_or_smaller_is_believed() -> None:
    body = bytearray(stream("zstd"))
    plain = stream_bytes(io.BytesIO(bytes(body)))
    place = body.index(struct.pack("<q", 8 * ROWS // 4))
    body[place : place + 8] = struct.pack("<q", 1 << 40)
    assert stream_bytes(io.BytesIO(bytes(body))) == plain - 8 * ROWS // 4 + (1 << 40)
    body[place : place + 8] = struct.pack("<q", -2)
    with pytest.raises(ValueError, match="less than no bytes"):
        stream_bytes(io.BytesIO(bytes(body)))


@given(st.data())
def test_a_broken_stream_is_a_number_or_a_value_error(data: st.DataObject) -> None:
    small = stream("lz4", pa.table({"n": np.arange(9.0), "t": pa.array(list("abcabcabc")).dictionary_encode()}))
    body = bytearray(small[: data.draw(st.integers(0, len(small)))])
    for _ in range(data.draw(st.integers(0, 3))):
        if body:
            body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ValueError):
        assert stream_bytes(io.BytesIO(bytes(body))) >= 0


@pytest.mark.parametrize("compression", ["none", "zstd", "gzip", "snappy"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("use_dictionary", [True, False])
def test_the_pages_of_a_file(compression: str, version: str, use_dictionary: bool) -> None:
    sink = io.BytesIO()
    rng = np.random.default_rng(0)
    codes = pa.array(rng.integers(0, 50, ROWS).astype(np.int32))
    texts = pa.DictionaryArray.from_arrays(codes, pa.array([f"text {place}" for place in range(50)]))
    table = pa.table({"n": rng.normal(size=ROWS).round(1), "t": texts})
    pq.write_table(
        table, sink, compression=compression, data_page_version=version, use_dictionary=use_dictionary,
        row_group_size=ROWS // 3, data_page_size=1 << 12,
    )  # fmt: skip
    metadata = pq.read_metadata(sink)
    told = sum(metadata.row_group(each).total_byte_size for each in range(metadata.num_row_groups))
    found, values = parquet_bytes(sink)
    assert values == 2 * ROWS
    # What is told counts the headers of the pages, too.
    assert 0.9 * told <= found <= told


def test_a_page_is_believed_and_not_the_footer() -> None:
    sink = io.BytesIO()
    pq.write_table(TABLE.select(["n"]), sink, compression="zstd", use_dictionary=False)
    metadata = pq.read_metadata(sink)
    honest, _ = parquet_bytes(sink)
    body = bytearray(sink.getvalue())

    def varint(value: int) -> bytes:
        value, found = value << 1, bytearray()
        while value >= 0x80:
            found.append(value & 0x7F | 0x80)
            value >>= 7
        return bytes([*found, value])

    header = body[metadata.row_group(0).column(0).data_page_offset :][:100]
    size = varint(CompactReader(bytes(header), 100).struct()[2])
    place = body.index(size)
    grown = varint((1 << (7 * len(size) - 2)) - 1)
    assert len(grown) == len(size)
    body[place : place + len(size)] = grown
    assert parquet_bytes(io.BytesIO(bytes(body)))[0] > honest


def test_metadata_has_a_limit_however_it_is_made_large() -> None:
    few = pa.table({"n": np.zeros(10)})
    noisy = few.replace_schema_metadata({"noise": "x" * (2 << 20)})
    wide = pa.table({f"c{place}": [1] for place in range(12_000)})
    for table in (noisy, wide):
        sink = io.BytesIO()
        pq.write_table(table, sink)
        with pytest.raises(ValueError, match="bytes of metadata; 1,048,576 are allowed"):
            parquet_bytes(sink)
    with pytest.raises(ValueError, match="more metadata than is allowed"):
        stream_bytes(io.BytesIO(stream(None, noisy)))
    # A list of a million empty structures, a byte each.
    bomb = b"\x49\xfc\xa0\xf7\x36" + bytes(1_000_000) + b"\x00"
    footer = bomb + len(bomb).to_bytes(4, "little") + b"PAR1"
    with pytest.raises(ValueError, match="too many values"):
        parquet_bytes(io.BytesIO(b"PAR1" + footer))


def test_very_many_pages_or_messages_are_refused() -> None:
    sink = io.BytesIO()
    pq.write_table(
        pa.table({"n": np.arange(300_000.0)}), sink, use_dictionary=False, data_page_size=1, write_batch_size=1,
        compression="none",
    )  # fmt: skip
    with pytest.raises(ValueError, match="pages"):
        parquet_bytes(sink)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, pa.schema([("n", pa.float64())])) as writer:
        batch = pa.record_batch({"n": [1.0]})
        for _ in range(100_010):
            writer.write_batch(batch)
    with pytest.raises(ValueError, match="more metadata"):
        stream_bytes(sink)
