"""Tables that are larger than a piece: what is cut is put together again, and every row has its own number."""

import io
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.adapters.tables.csv_blocks import BLOCK_BYTES, LINE_BYTES, blocks
from weighbridge.adapters.tables.csv_writer import csv_lines, csv_texts
from weighbridge.adapters.tables.formats import table_reader, table_writer
from weighbridge.adapters.tables.json_pieces import PIECE_BYTES
from weighbridge.domain.data.columns import Cells, Encoded
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.errors import DataError

#: Levels in which every character stands that a cut looks for.
LEVELS = ("a", ",", '"', '","', "},", "},{", '"},{"x": 1', "a\nb", "\\", '\\",', "é🚚", "[1]", " ")
SCHEMA = Schema((Number("x"), Category("kind", LEVELS)), Number("y"), "p")
ROWS = 25_000


def listed(cells: Cells) -> list[Any]:
    if isinstance(cells, Encoded):
        return [None if code < 0 else cells.values[code] for code in cells.codes.tolist()]
    return cells.tolist() if isinstance(cells, np.ndarray) else list(cells)


def read(kind: Any, body: bytes, schema: Schema = SCHEMA, **options: Any) -> tuple[dict[str, list[Any]], int, int]:
    """All cells by column, how many rows, in how many chunks; the rows are numbered without a gap."""
    columns: dict[str, list[Any]] = {}
    next_row, chunks = 1, 0
    for chunk in table_reader(kind, io.BytesIO(body), schema, "a table", **options).chunks():
        assert chunk.first_row == next_row
        assert not chunk.faults
        for name in chunk.columns:
            cells = listed(chunk.columns[name])
            assert len(cells) == chunk.rows
            columns.setdefault(name, []).extend(cells)
        next_row, chunks = next_row + chunk.rows, chunks + 1
    return columns, next_row - 1, chunks


def columns(rows: int = ROWS) -> dict[str, list[Any]]:
    rng = np.random.default_rng(0)
    return {
        "x": rng.normal(size=rows).tolist(),
        "kind": [LEVELS[place] for place in rng.integers(0, len(LEVELS), rows)],
    }


def as_csv(table: dict[str, list[Any]]) -> bytes:
    def cell(value: Any) -> str:
        return '"{}"'.format(value.replace('"', '""')) if isinstance(value, str) else repr(value)

    lines = [",".join(table), *(",".join(map(cell, row)) for row in zip(*table.values(), strict=True))]
    return ("\n".join(lines) + "\n").encode()


@pytest.mark.parametrize("separators", [(",", ":"), (" ,\n ", " : ")])
def test_json_of_many_pieces(separators: tuple[str, str]) -> None:
    table = columns()
    rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    dumped = {"ensure_ascii": False, "separators": separators}
    for body in (json.dumps(table, **dumped), json.dumps(rows, **dumped)):  # type: ignore[arg-type]
        assert len(body) > 2 * PIECE_BYTES
        assert read("json", body.encode())[:2] == (table, ROWS)
    lines = "\r\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    found, count, chunks = read("ndjson", lines.encode())
    assert (found, count) == (table, ROWS)
    assert chunks > 2


def test_a_bad_cell_far_down_has_its_own_number() -> None:
    for kind, at in (("json", 24_000), ("ndjson", 24_000), ("csv", 24_000)):
        table = columns()
        table["x"][at] = None
        table["kind"][at] = "no level"
        rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
        bodies = {
            "json": [json.dumps(table).encode(), json.dumps(rows).encode()],
            "ndjson": ["\n".join(map(json.dumps, rows)).encode()],
            "csv": [as_csv(table).replace(b"None", b"NA")],
        }[kind]
        for body in bodies:
            found, count, _ = read(kind, body)
            assert (found, count) == (table, ROWS)


def test_json_that_breaks_off_far_down() -> None:
    table = columns()
    rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    whole = json.dumps(rows).encode()
    for broken in (whole[:-1], whole[:-9], whole[:-1] + b",]", whole[:-1] + b",,1]", whole + b"]"):
        with pytest.raises(DataError, match="not JSON"):
            read("json", broken)
    cells = json.dumps(table).encode()
    for broken in (cells[:-3], cells.replace(b"], ", b",], "), cells.replace(b"], ", b",,1], "), cells + b"}"):
        with pytest.raises(DataError, match="not JSON"):
            read("json", broken)


@given(st.integers(1, 200), st.data())
def test_csv_is_cut_between_lines_wherever_it_is_cut(rows: int, data: st.DataObject) -> None:
    table = {name: cells[:rows] for name, cells in columns(200).items()}
    body = as_csv(table)
    size = data.draw(st.integers(1, len(body) + 1))

    class File(io.BytesIO):
        def read(self, _: int | None = -1) -> bytes:
            return super().read(size)

    found = list(blocks(File(body), "a table"))
    assert b"".join(found) == body
    for block in found:
        assert block.endswith(b"\n")
        assert block.count(b'"') % 2 == 0


@pytest.mark.parametrize("line", [b"\n", b'a\n""'], ids=["breaks", "quotes"])
def test_an_open_quote_is_refused_once_its_line_is_too_long(line: bytes) -> None:
    # Every byte is asked for once: what lies behind the limit is never read.
    file = io.BytesIO(b'x,kind\n1,"' + line * (4 * LINE_BYTES // len(line)))
    with pytest.raises(DataError, match="a line is longer than 1,048,576 bytes; a quote that is never closed"):
        list(blocks(file, "a table"))
    assert file.tell() <= 2 * BLOCK_BYTES


@given(st.integers(-3, 3), st.integers(1, 1 << 20))
def test_a_line_may_be_as_long_as_is_allowed_wherever_it_lies(more: int, before: int) -> None:
    start = b"x" * (before - 1) + b"\n"
    line = b'"' + b"\n" * (LINE_BYTES + more - 3) + b'"\n'
    body = start + line + b"end\n"
    if more > 0:
        with pytest.raises(DataError, match="a line is longer"):
            list(blocks(io.BytesIO(body), "a table"))
    else:
        assert b"".join(blocks(io.BytesIO(body), "a table")) == body


def test_csv_of_many_blocks_with_columns_that_repeat_and_that_do_not() -> None:
    rng = np.random.default_rng(1)
    count = 70_000
    table: dict[str, list[Any]] = {
        "x": rng.normal(size=count).tolist(),
        "kind": [LEVELS[place] for place in rng.integers(0, len(LEVELS), count)],
        "id": [f"order {place}" for place in range(count)],
    }
    body = b"\xef\xbb\xbf\n" + as_csv(table)
    assert len(body) > 2 * BLOCK_BYTES
    found, rows, chunks = read("csv", body, others_allowed=True)
    assert (found, rows) == (table, count)
    assert chunks > 2
    # A cell that is no number, in a block that was parsed as numbers.
    table["x"][-2], table["x"][-1] = "ten", None
    found, _, _ = read("csv", as_csv(table).replace(b"None", b""), others_allowed=True)
    assert found == table


NAN = float("nan")


@pytest.mark.parametrize(
    ("cell", "is_found"),
    [
        ("1", 1.0), ("1e3", 1000.0), ("-0.5", -0.5), ("", None), ("NA", None), ("null", None), ("1_0", "1_0"),
        ("٣", "٣"), ("0x10", "0x10"), ("true", "true"), ("1e999", float("inf")), ('"7"', 7.0),
    ],
)  # fmt: skip
def test_cells_of_numbers(cell: str, is_found: object) -> None:
    found, _, _ = read("csv", f"x,kind\n{cell},a\n2,a\n".encode())
    assert found == {"x": [is_found, 2.0], "kind": ["a", "a"]}


def test_a_category_is_text_whatever_it_looks_like() -> None:
    schema = Schema((Category("kind", ("NA", "1", "1.0")),), Number("y"), "p")
    found, _, _ = read("csv", b'kind\nNA\n1\n1.0\n""\n', schema)
    assert found == {"kind": ["NA", "1", "1.0", None]}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "there is no header"),
        (b"\n\n", "the column is missing"),
        (b"x,kind,x\n1,a,1\n", "the header has this column more than once"),
        (
            b"x,kind\n1\n2,a,3\n4,a\n",
            "the header has 2\n  row 2: the row has 3 fields",
        ),
        (b"x\n1\n", "column 'kind': the column is missing"),
        (b"x,kind,z\n1,a,1\n", "column 'z': unknown column"),
        (b"x,kind\n1,\xff\n", "no CSV can be read"),
        (b"\xff,kind\n", "no CSV can be read"),
    ],
)
def test_csv_that_is_no_table(body: bytes, says: str) -> None:
    with pytest.raises(DataError) as caught:
        read("csv", body)
    assert says in str(caught.value)


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=4), min_size=1, max_size=5))
def test_text_is_written_as_csv_that_reads_back_as_it_was(texts: list[str]) -> None:
    import csv

    import pyarrow as pa

    quoted = csv_texts(pa.array(texts, pa.string()))
    lines = bytes(csv_lines([quoted, quoted])).decode()
    assert list(csv.reader(io.StringIO(lines, newline=""))) == [[text, text] for text in texts]


def test_a_table_without_a_row_is_whole() -> None:
    from weighbridge.domain.data.tables import Output

    nothing = {"predictions": [], "rows": [], "errors": [], "model_version": "t/1"}
    output = Output("p", ("A", "B"), "t/1", skips=True)
    for kind in ("json", "ndjson", "csv", "parquet", "arrow", "feather"):
        file = io.BytesIO()
        table_writer(kind, file, output, SCHEMA).finish()  # type: ignore[arg-type]
        if kind == "csv":
            assert file.getvalue() == b"p,probability_A,probability_B,problem\n"
        elif kind == "json":
            assert json.loads(file.getvalue()) == nothing
        elif kind == "ndjson":
            assert file.getvalue() == b""
