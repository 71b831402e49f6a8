import gzip
import hashlib
import io
import math
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from weighbridge.adapters.tables.dataset_limits import DatasetLimits
from weighbridge.adapters.tables.dataset_reader import TabularReader
from weighbridge.adapters.tables.null_spellings import NULL_SPELLINGS
from weighbridge.domain.data.admission import admit
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.errors import DataError
from weighbridge.domain.store.artefacts import Artefact, ArtefactRef

SCHEMA = Schema((Number("n"), Category("c", ("x", "y"))), Number("t"), "p")
COLUMNS = ["n", "c", "t"]


def artefact(data: bytes, suffix: str = ".csv") -> Artefact:
    ref = ArtefactRef(f"datasets/task_2021-07-03T23-05-32Z{suffix}", len(data), "1", None, datetime.now(UTC))
    return Artefact(ref, data, hashlib.sha256(data).hexdigest())


def read(data: bytes | str, suffix: str = ".csv") -> pd.DataFrame:
    frame = TabularReader().read(artefact(data.encode() if isinstance(data, str) else data, suffix), SCHEMA)
    # An index of texts is as good as the texts.
    indexed = [name for name, kind in frame.dtypes.items() if kind == "category"]
    assert indexed == [] or (indexed, suffix) == (["c"], ".parquet")
    return frame.astype(dict.fromkeys(indexed, "str"))


def problems(data: bytes | str, suffix: str = ".csv") -> list[str]:
    with pytest.raises(DataError) as caught:
        read(data, suffix)
    assert caught.value.subject == f"datasets/task_2021-07-03T23-05-32Z{suffix}"
    return [str(problem) for problem in caught.value.problems]


def parquet(table: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), buffer, **options)
    return buffer.getvalue()


def plain(frame: pd.DataFrame) -> dict[str, list[Any]]:
    """Values as Python has them; None for every kind of null."""
    return {
        str(name): [
            None if value is None or value is pd.NA or value != value else value for value in column.tolist()
        ]
        for name, column in frame.items()
    }


def dtypes(frame: pd.DataFrame) -> dict[Any, str]:
    return {name: str(dtype) for name, dtype in frame.dtypes.items()}


PLAIN = {"n": "float64", "c": "str", "t": "float64"}

numbers = st.one_of(
    st.none(),
    st.floats(allow_nan=False),
    st.integers(-(2**63), 2**63 - 1).map(float),
    st.integers(-9, 9).map(float),
)
texts = st.one_of(
    st.none(),
    st.sampled_from(
        [*NULL_SPELLINGS[1:], "001", "1e5", "true", "False", "inf", " x", "x ", "2021-01-01", '"', "'", ","]
    ),
    st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), min_size=1),
)
rows = st.lists(st.tuples(numbers, texts, numbers), max_size=12)


@given(rows=rows, mark=st.booleans(), dictionary=st.booleans())
def test_csv_and_parquet_of_the_same_rows_are_equal(
    rows: list[tuple[Any, Any, Any]], mark: bool, dictionary: bool
) -> None:
    frame = pd.DataFrame(
        {name: pd.Series([row[place] for row in rows], dtype=PLAIN[name]) for place, name in enumerate(COLUMNS)}
    )
    text = frame.to_csv(index=False).encode("utf-8-sig" if mark else "utf-8")
    buffer = io.BytesIO()
    (frame.astype({"c": "category"}) if dictionary else frame).to_parquet(buffer)
    from_text, from_parquet = read(text), read(buffer.getvalue(), ".parquet")
    pd.testing.assert_frame_equal(from_text, from_parquet, check_exact=True)
    assert dtypes(from_text) == PLAIN
    assert plain(from_text) == {name: [row[place] for row in rows] for place, name in enumerate(COLUMNS)}


@given(
    rows=st.lists(st.tuples(st.floats(-9, 9), st.sampled_from("xy"), st.integers(-9, 9).map(float)), min_size=1),
    order=st.permutations(COLUMNS),
    dictionary=st.booleans(),
)
def test_csv_and_parquet_of_the_same_rows_are_the_same_dataset(
    rows: list[tuple[float, str, float]], order: list[str], dictionary: bool
) -> None:
    frame = pd.DataFrame(rows, columns=COLUMNS)[order]
    buffer = io.BytesIO()
    (frame.astype({"c": "category"}) if dictionary else frame).to_parquet(buffer)
    admitted = [
        admit(TabularReader().read(artefact(data, suffix), SCHEMA), SCHEMA, "s").frame
        for data, suffix in ((frame.to_csv(index=False).encode(), ".csv"), (buffer.getvalue(), ".parquet"))
    ]
    pd.testing.assert_frame_equal(*admitted, check_exact=True)
    assert dtypes(admitted[0]) == PLAIN
    for name in ("n", "t"):
        assert admitted[0][name].to_numpy().tobytes() == admitted[1][name].to_numpy().tobytes()
    assert list(admitted[0].columns) == COLUMNS


@given(values=st.lists(st.integers(-(2**53), 2**53), min_size=1))
def test_whole_numbers_are_numbers_in_either_format(values: list[int]) -> None:
    frame = pd.DataFrame({"n": values, "c": "x", "t": 0})
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    from_text, from_parquet = read(frame.to_csv(index=False)), read(buffer.getvalue(), ".parquet")
    pd.testing.assert_frame_equal(from_text, from_parquet, check_exact=True)
    assert dtypes(from_text) == PLAIN
    assert from_text["n"].tolist() == values


@given(value=st.floats(allow_nan=False))
def test_a_number_in_csv_is_the_nearest_float(value: float) -> None:
    assert read(f"n,c,t\n{value!r},x,1\n")["n"].tolist() == [value]


@pytest.mark.parametrize("text", ["001", "NA", "nan", "NULL", "true", "1.0", "None", " ", "#N/A"])
def test_a_category_is_text_whatever_it_looks_like(text: str) -> None:
    assert plain(read(f"n,c,t\n1,{text},2\n3,,4\n")) == {"n": [1.0, 3.0], "c": [text, None], "t": [2.0, 4.0]}
    assert plain(read(f"n,c,t\n1,{text},2\n"))["c"] == [text]


@pytest.mark.parametrize("text", NULL_SPELLINGS)
def test_the_usual_spellings_of_nothing_are_null_among_numbers(text: str) -> None:
    frame = read(f"n,c,t\n{text},x,1\n2,y,{text}\n")
    assert plain(frame) == {"n": [None, 2.0], "c": ["x", "y"], "t": [1.0, None]}
    assert dtypes(frame) == PLAIN


def test_text_among_numbers_makes_the_column_text() -> None:
    frame = read("n,c,t\n1,x,1\nten,y,2\n,x,3\n")
    assert plain(frame) == {"n": ["1", "ten", None], "c": ["x", "y", "x"], "t": [1.0, 2.0, 3.0]}


def test_text_late_in_a_long_column_leaves_no_mixture() -> None:
    values = ["1"] * 300_000 + ["ten"]
    frame = read("n,c,t\n" + "".join(f"{value},x,1\n" for value in values))
    assert {type(value) for value in frame["n"]} == {str}
    assert frame["n"].tolist() == values


@pytest.mark.parametrize("late", ["x", "", "true", "1.50", "0x1"])
@pytest.mark.parametrize("early", ["001", "true"])
def test_a_category_that_begins_like_something_else_is_text_throughout(early: str, late: str) -> None:
    cells = [early] * 300_000 + [late]
    frame = read("n,c,t\n" + "".join(f"1,{cell},2\n" for cell in cells))
    assert dtypes(frame) == PLAIN
    assert plain(frame) == {"n": [1.0] * 300_001, "c": [cell or None for cell in cells], "t": [2.0] * 300_001}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("levels", [("0", "1"), ("true", "False"), ("1e5", "inf"), ("0", "x")])
def test_levels_that_look_like_numbers_or_truth_values_stay_text(levels: tuple[str, ...]) -> None:
    schema = Schema((Number("n"), Category("c", levels)), Number("t"), "p")
    data = "n,c,t\n" + "".join(f"1,{level},2\n" for level in levels)
    frame = TabularReader().read(artefact(data.encode()), schema)
    assert dtypes(frame) == PLAIN
    assert frame["c"].tolist() == list(levels)


def test_columns_that_are_no_text_where_a_category_belongs_stay_what_they_are() -> None:
    for values in ([1, 2], [True, False], [[1], [2]], [{"a": "x"}, {"a": "y"}]):
        assert plain(read(parquet({"n": [1.0, 2.0], "c": values}), ".parquet")) == {"n": [1.0, 2.0], "c": values}


def test_truth_values_are_not_numbers() -> None:
    frame = read("n,c,t\ntrue,x,1\nfalse,y,2\n")
    assert frame["n"].tolist() == [True, False]
    assert frame["n"].dtype == bool
    assert read(parquet({"n": [True, False], "c": ["x", "y"], "t": [1, 2]}), ".parquet")["n"].dtype == bool


def test_a_column_of_nulls_has_the_type_of_its_feature() -> None:
    for frame in (
        read("n,c,t\n,,\n,,\n"),
        read(parquet({"n": pa.nulls(2), "c": pa.nulls(2), "t": pa.nulls(2)}), ".parquet"),
    ):
        assert dtypes(frame) == PLAIN
        assert plain(frame) == {"n": [None] * 2, "c": [None] * 2, "t": [None] * 2}


def test_a_header_alone_is_a_frame_without_rows() -> None:
    for data in ("n,c,t\n", "n,c,t", "\n\nn,c,t"):
        frame = read(data)
        assert dtypes(frame) == PLAIN
        assert len(frame) == 0


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_no_bytes_are_an_empty_dataset(suffix: str) -> None:
    assert problems(b"", suffix) == ["the dataset is empty"]


@pytest.mark.parametrize("data", [b"\xef\xbb\xbf", b"\n\n", b"  \n", b"\xef\xbb\xbf\r\n"])
def test_nothing_but_blank_lines_is_empty(data: bytes) -> None:
    assert problems(data) == ["the dataset is empty"]


def test_columns_that_nobody_asked_for_are_kept_and_missing_ones_stay_missing() -> None:
    assert plain(read(",n,extra\n0,1,a\n1,2,b\n")) == {"Unnamed: 0": [0, 1], "n": [1.0, 2.0], "extra": ["a", "b"]}
    assert list(read(",n,\n0,1,2\n").columns) == ["Unnamed: 0", "n", "Unnamed: 2"]


def test_an_index_that_was_written_is_a_column() -> None:
    frame = pd.DataFrame({"n": [1.0], "c": ["x"], "t": [2.0]}, index=pd.Index(["a"]))
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    assert list(read(buffer.getvalue(), ".parquet").columns) == [*COLUMNS, "__index_level_0__"]
    assert list(read(frame.to_csv()).columns) == ["Unnamed: 0", *COLUMNS]


@pytest.mark.parametrize("text", ["\r\n", "\n"])
def test_lines_end_as_they_like_and_blank_ones_do_not_count(text: str) -> None:
    data = text.join(["n,c,t", "1,x,2", "", "3,y,4", "", ""])
    assert plain(read(data)) == {"n": [1.0, 3.0], "c": ["x", "y"], "t": [2.0, 4.0]}


def test_quoted_cells_may_hold_anything() -> None:
    assert plain(read('n,"c",t\n"1","a,b\n""c""",2\n')) == {"n": [1.0], "c": ['a,b\n"c"'], "t": [2.0]}


def test_a_column_named_twice_is_a_problem() -> None:
    assert problems("n,c,n,c,t\n1,x,2,y,3\n") == [
        "column 'n': the header has this column more than once",
        "column 'c': the header has this column more than once",
    ]
    table = pa.table([pa.array([1]), pa.array([2])], names=["n", "n"])
    assert problems(parquet(table), ".parquet") == ["column 'n': the header has this column more than once"]


@pytest.mark.parametrize(
    ("data", "line", "fields"),
    [
        ("n,c,t\n1,x,2,9\n3,y,4\n", 2, 4),
        ("n,c,t\n1,x,2,\n", 2, 4),
        ("n,c,t\n\n1,x,2,9,9\n", 3, 5),
        ("n,c,t\n1,x,2\n3,y,4,9\n", 3, 4),
        ("n,c,t\n1,x\n3,y,4,9,9\n", 3, 5),
    ],
)
def test_a_line_with_too_many_fields_is_named(data: str, line: int, fields: int) -> None:
    assert problems(data) == [f"line {line} has {fields} fields, the header has 3"]


def test_a_line_with_too_few_fields_ends_in_nulls() -> None:
    assert plain(read("n,c,t\n1\n2,x\n3,y,4\n")) == {
        "n": [1.0, 2.0, 3.0],
        "c": [None, "x", "y"],
        "t": [None, None, 4.0],
    }


@given(head=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_byte_that_is_not_utf_8_is_named_by_its_offset(head: str) -> None:
    before = b"n,c,t\n1," + head.encode()
    offset = len(before)
    latin = "if it is Latin-1, make it UTF-8: iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW"
    assert problems(before + b"\xff,2\n") == [f"not UTF-8 text: byte 0xff at offset {offset}; {latin}"]
    assert problems(before + b"\x00,2\n") == [f"not UTF-8 text: byte 0x00 at offset {offset}; save it as UTF-8"]


@given(rows=rows, encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]))
def test_the_encoding_makes_no_difference(rows: list[tuple[Any, Any, Any]], encoding: str) -> None:
    text = pd.DataFrame(rows, columns=COLUMNS).to_csv(index=False)
    mark = "\ufeff" if encoding in {"utf-16-le", "utf-16-be"} else ""
    pd.testing.assert_frame_equal(read((mark + text).encode(encoding)), read(text), check_exact=True)


def test_utf_16_that_cannot_be_told_or_read_is_refused() -> None:
    assert problems("n,c,t\n1,x,2\n".encode("utf-16-le")) == [
        "not UTF-8 text: byte 0x00 at offset 1; save it as UTF-8"
    ]
    assert problems("n,c,t\n1,x,2".encode("utf-16")[:-1]) == [
        "not UTF-16 text, whose mark it begins with: truncated data at offset 22; save it as UTF-8"
    ]


@given(rows=rows, level=st.integers(1, 9), parts=st.integers(1, 2))
def test_compression_makes_no_difference(rows: list[tuple[Any, Any, Any]], level: int, parts: int) -> None:
    text = pd.DataFrame(rows, columns=COLUMNS).to_csv(index=False).encode()
    cut = len(text) // parts
    pieces = [text[:cut], text[cut:]]
    expected = read(text)
    for suffix, compress in ((".csv.gz", gzipped), (".csv.zst", zstandarded)):
        data = b"".join(compress(piece, level) for piece in pieces)
        pd.testing.assert_frame_equal(read(data, suffix), expected, check_exact=True)


@given(share=st.floats(0, 0.999))
@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_truncated_or_other_bytes_are_no_compressed_csv(kind: str, share: float) -> None:
    suffix, compress = {"gzip": (".csv.gz", gzipped), "zstd": (".csv.zst", zstandarded)}[kind]
    whole = compress(b"n,c,t\n1,x,2\n" * 10, 3)
    for data in (whole[: max(1, int(len(whole) * share))], b"n,c,t\n1,x,2\n", whole + b"more"):
        (problem,) = problems(data, suffix)
        assert problem.startswith(f"no {kind} can be read: ")
        assert problem.endswith("; put it into the store again, whole")


def test_what_is_no_text_but_something_else_is_called_by_its_name() -> None:
    text = b"n,c,t\n1,x,2\n"
    for data, kind in (
        (gzipped(text, 3), "gzip; let its name end in .csv.gz"),
        (zstandarded(text, 3), "zstd; let its name end in .csv.zst"),
        (parquet({"n": [1.0], "c": ["x"], "t": [2.0]}), "Parquet; let its name end in .parquet"),
        (b"PK\x03\x04\x14\0\x06\0", "a ZIP archive, as spreadsheets are; save it as CSV"),
    ):
        assert problems(data) == [f"not text but {kind}"]
    # Which is a header like any other.
    assert list(read("PAR1,PK\n1,2\n").columns) == ["PAR1", "PK"]


def gzipped(data: bytes, level: int) -> bytes:
    return gzip.compress(data, level, mtime=0)


def zstandarded(data: bytes, level: int) -> bytes:
    compressed: bytes = pa.Codec("zstd", level).compress(data, asbytes=True)
    return compressed


cells = st.sampled_from(
    [
        "1",
        "0",
        "-1.5",
        "1e5",
        " 2",
        "+3",
        "9" * 15,
        "",
        "NA",
        "nan",
        "inf",
        "true",
        "False",
        "x",
        "0x1",
        "1_0",
        '"7"',
    ]
)


@given(rows=st.lists(st.tuples(cells, st.sampled_from(["x", "y", "", "NA", "z", '"x"', "1"]), cells), max_size=4))
def test_what_is_parsed_as_expected_is_what_is_parsed_without_expectations(rows: list[tuple[str, ...]]) -> None:
    text = "n,c,t\n" + "".join(f"{','.join(row)}\n" for row in rows)
    # A column that the schema does not name keeps pandas from being told what to expect.
    unexpected = "n,c,t,more\n" + "".join(f"{','.join(row)},w\n" for row in rows)
    pd.testing.assert_frame_equal(read(text), read(unexpected)[COLUMNS], check_exact=True)


def test_a_quote_that_never_ends_is_a_problem() -> None:
    (problem,) = problems('n,c,t\n1,x,2\n1,"x,2\n')
    assert problem.startswith("no CSV can be read: ")


@pytest.mark.filterwarnings("error")
@given(text=st.text(st.sampled_from('n,ct\n\r"1x .\0é\ufeff'), max_size=40))
def test_any_text_is_a_table_or_a_data_error(text: str) -> None:
    # Any other exception fails the test.
    with suppress(DataError):
        assert read(text).columns.is_unique


@given(share=st.floats(0, 0.999))
def test_a_truncated_parquet_is_a_data_error(share: float) -> None:
    whole = parquet({"n": [1.0, 2.0], "c": ["x", "y"], "t": [3.0, 4.0]})
    cut = int(len(whole) * share)
    assume(cut > 0)
    (problem,) = problems(whole[:cut], ".parquet")
    assert problem.startswith("no Parquet can be read: ")
    assert "\n" not in problem


@given(data=st.binary(min_size=1, max_size=100))
def test_bytes_that_are_no_parquet_are_a_data_error(data: bytes) -> None:
    (problem,) = problems(data, ".parquet")
    assert problem.startswith("no Parquet can be read: ")


def test_damage_within_a_parquet_is_a_data_error() -> None:
    whole = bytearray(parquet({"n": [float(i) for i in range(1000)], "c": ["x"] * 1000, "t": [1.0] * 1000}))
    whole[30:200] = bytes(170)
    (problem,) = problems(bytes(whole), ".parquet")
    assert problem.startswith("no Parquet can be read: ")


def test_parquet_types_become_plain_ones() -> None:
    columns = {
        "n": pa.array([Decimal("1.10"), None], pa.decimal128(10, 2)),
        "c": pa.array(["x", None]).dictionary_encode(),
        "t": pa.array([1, None], pa.uint8()),
        "extra": pa.array(["a", "b"]).dictionary_encode(),
    }
    frame = read(parquet(columns), ".parquet")
    assert dtypes(frame) == {**PLAIN, "extra": "str"}
    assert plain(frame) == {"n": [1.1, None], "c": ["x", None], "t": [1.0, None], "extra": ["a", "b"]}
    others = {
        "n": pa.array([1.5, math.inf], pa.float16()),
        "c": pa.array([b"x", "é".encode()], pa.binary()),
        "t": pa.array([1, 2], pa.int64()).dictionary_encode(),
    }
    frame = read(parquet(others), ".parquet")
    assert dtypes(frame) == PLAIN
    assert plain(frame) == {"n": [1.5, math.inf], "c": ["x", "é"], "t": [1.0, 2.0]}


def test_types_of_pandas_that_a_parquet_remembers_are_forgotten() -> None:
    frame = pd.DataFrame({"n": [1, None], "c": ["x", "y"], "t": [1, 2]}).astype(
        {"n": "Int64", "c": "category", "t": "Int32"}
    )
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    assert dtypes(read(buffer.getvalue(), ".parquet")) == PLAIN


def test_bytes_in_a_parquet_that_are_not_text_are_a_data_error() -> None:
    (problem,) = problems(parquet({"c": pa.array([b"\xff"], pa.binary())}), ".parquet")
    assert problem.startswith("no Parquet can be read: ")


def test_another_suffix_is_a_data_error() -> None:
    assert problems("n,c,t\n", ".xlsx") == [
        "not a dataset: expected a name that ends in .csv, .csv.gz, .csv.zst or .parquet"
    ]


def test_the_given_bytes_are_left_alone() -> None:
    data = b"\xef\xbb\xbfn,c,t\n1,x,2\n"
    source = artefact(data)
    TabularReader().read(source, SCHEMA)
    assert hashlib.sha256(source.data).hexdigest() == source.sha256


SMALL = DatasetLimits(
    most_bytes=200_000, most_rows=5_000, most_columns=20, most_cells=12_000, most_line_bytes=2_000
)


def refused(data: bytes, suffix: str = ".csv") -> str:
    with pytest.raises(DataError) as caught:
        TabularReader(SMALL).read(artefact(data, suffix), SCHEMA)
    (problem,) = caught.value.problems
    return problem.message


def test_a_csv_is_refused_before_it_is_kept_when_it_is_too_large() -> None:
    header = b"c,n,t\n"
    wide = b",".join(b"c%d" % place for place in range(20))
    for suffix, pack in ((".csv", bytes), (".csv.gz", gzip.compress)):
        for data, says in (
            (header + b"x,1,2\n" * 5_001, "more than 5,000 rows"),
            (header + b"x,1," + b"2" * 190 + b"\n" * 1 + (b"x,1," + b"2" * 190 + b"\n") * 1_100, "bytes of text"),
            (header + b"x,1," + b"2" * 3_000 + b"\n", "line 2 is longer than 2,000 bytes"),
            (header + b'A,1,"' + b"2" * 3_000, "line 2 is longer than 2,000 bytes"),
            (wide + b",c20\n", "21 columns; 20 are allowed"),
            (
                b",".join(b"c%d" % place for place in range(20)) + b"\n" + b"," * 19 + b"\n" * 700,
                "more than 12,000",
            ),
        ):
            assert says in refused(pack(data), suffix)


def test_a_parquet_is_refused_before_it_is_decompressed_when_it_is_too_large() -> None:
    def written(**columns: Any) -> bytes:
        sink = io.BytesIO()
        pq.write_table(pa.table(columns), sink, compression="zstd")
        return sink.getvalue()

    many = written(n=np.zeros(1_000_000), t=np.zeros(1_000_000))
    assert len(many) < 20_000
    assert "more than 12,000 values" in refused(many, ".parquet")
    assert "bytes once it is decompressed" in refused(written(n=np.arange(60_000.0)), ".parquet")
    # A text that is there once in the file, and in every row of the table.
    repeated = written(c=["x"] * 500, note=["x" * 50_000] * 500)
    assert len(repeated) < 60_000
    assert "bytes of text" in refused(repeated, ".parquet")
    lists = written(n=[[0.0] * 100_000])
    assert "more than 12,000 values" in refused(lists, ".parquet")


def test_what_is_within_the_limits_is_read_as_ever() -> None:
    data = b"c,n,t,note\n" + b"x,1,2,x\n" * 2_000
    plain = TabularReader().read(artefact(data), SCHEMA)
    assert TabularReader(SMALL).read(artefact(data), SCHEMA).equals(plain)
