"""The text of a CSV file is the same in whatever pieces its bytes come, and so is what is wrong with it."""

import codecs
import gzip
import io
from collections.abc import Callable, Sequence
from itertools import cycle

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.adapters.tables.csv_text import plain_text
from weighbridge.domain.errors import DataError

#: What a file is read in where nothing cuts its reads shorter.
PIECE = 1 << 18


class Cut(io.BytesIO):
    """A file whose reads give less than they are asked for: so many bytes, in turn."""

    def __init__(self, data: bytes, sizes: Sequence[int]) -> None:
        super().__init__(data)
        self._sizes = cycle(sizes)

    def read(self, size: int | None = -1, /) -> bytes:
        most = next(self._sizes)
        return super().read(most if size is None or size < 0 else min(size, most))


def zstandarded(data: bytes) -> bytes:
    compressed: bytes = pa.Codec("zstd").compress(data, asbytes=True)
    return compressed


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    ".csv": lambda data: data,
    ".csv.gz": lambda data: gzip.compress(data, 1),
    ".csv.zst": zstandarded,
}

#: How each is written; the mark is what tells UTF-16.
ENCODINGS: dict[str, Callable[[str], bytes]] = {
    "utf-8": str.encode,
    "utf-8 with a mark": lambda text: text.encode("utf-8-sig"),
    "utf-16-le": lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
    "utf-16-be": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
}

suffixes = st.sampled_from(list(COMPRESSIONS))
sizes = st.lists(st.integers(1, 9), min_size=1, max_size=5)
characters = st.one_of(
    st.sampled_from('a,\r\n"é€😀\ufeff\ufffd'), st.characters(exclude_characters="\0", exclude_categories=["Cs"])
)
# A text that begins with a mark is one that had two.
texts = st.text(characters, max_size=40).map(lambda text: text.lstrip("\ufeff"))


def read(data: bytes, suffix: str, cut: Sequence[int], asked: int = -1) -> bytes:
    text = plain_text("orders", Cut(data, cut), suffix)
    if asked < 0:
        return text.read()
    return b"".join(iter(lambda: text.read(asked), b""))


def problem(data: bytes, suffix: str, cut: Sequence[int]) -> str:
    with pytest.raises(DataError) as caught:
        read(data, suffix, cut)
    assert caught.value.subject == "orders"
    (found,) = caught.value.problems
    return str(found)


@given(
    text=texts,
    encoding=st.sampled_from(list(ENCODINGS)),
    suffix=suffixes,
    cut=sizes,
    asked=st.sampled_from([-1, 1, 3, 100]),
    within=st.floats(0, 1),
)
def test_text_is_the_same_in_whatever_pieces_it_comes(
    text: str, encoding: str, suffix: str, cut: list[int], asked: int, within: float
) -> None:
    data, compress = ENCODINGS[encoding](text), COMPRESSIONS[suffix]
    # Of two compressed parts; the second may begin within a character.
    place = int(len(data) * within)
    whole = compress(data[:place]) + compress(data[place:])
    assert read(whole, suffix, cut, asked) == text.encode()


@given(
    texts, st.sampled_from([b"\xff", b"\xc3(", b"\xe2\x82", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\0"]), texts
)
@pytest.mark.parametrize("suffix", COMPRESSIONS)
@pytest.mark.parametrize("marked", [False, True])
def test_a_wrong_byte_is_named_by_its_offset(
    suffix: str, marked: bool, before: str, wrong: bytes, after: str
) -> None:
    data = (codecs.BOM_UTF8 if marked else b"") + before.encode() + wrong
    offset = len(data) - len(wrong)
    whole = COMPRESSIONS[suffix](data + after.encode() + b"\xff\0")
    latin = "if it is Latin-1, make it UTF-8: iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW"
    said = f"not UTF-8 text: byte {wrong[0]:#04x} at offset {offset}; {latin if wrong[0] else 'save it as UTF-8'}"
    for cut in ([1], [2, 3], [5], [1000]):
        assert problem(whole, suffix, cut) == said


@given(
    data=st.lists(st.one_of(texts.map(str.encode), st.binary(max_size=4)), max_size=6).map(b"".join),
    mark=st.sampled_from([b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE]),
    suffix=suffixes,
    cut=sizes,
)
def test_whatever_the_bytes_are_what_is_said_of_them_does_not_depend_on_their_pieces(
    data: bytes, mark: bytes, suffix: str, cut: list[int]
) -> None:
    told = []
    for one in (cut, [PIECE]):
        try:
            told.append(read(COMPRESSIONS[suffix](mark + data), suffix, one).decode())
        except DataError as error:
            told.append(str(error))
    assert told[0] == told[1]


@given(
    data=st.binary(max_size=60), suffix=st.sampled_from([".csv.gz", ".csv.zst"]), cut=sizes, share=st.floats(0, 1)
)
def test_what_is_said_of_broken_compression_does_not_depend_on_the_pieces(
    data: bytes, suffix: str, cut: list[int], share: float
) -> None:
    whole = COMPRESSIONS[suffix](b"a,b\n1,2\n" * 9)
    for broken in (whole[: int((len(whole) - 1) * share)] or b"?", whole + (data.lstrip(b"\0") or b"?")):
        assert problem(broken, suffix, cut) == problem(broken, suffix, [PIECE])


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("suffix", COMPRESSIONS)
@pytest.mark.parametrize("shift", range(5))
def test_a_character_may_lie_across_the_end_of_a_piece(encoding: str, suffix: str, shift: int) -> None:
    text = "a" * (PIECE - shift) + "😀€é\ufeff" * 9 + "a" * PIECE
    assert read(COMPRESSIONS[suffix](ENCODINGS[encoding](text)), suffix, [PIECE]) == text.encode()
    wrong = text.encode() + b"\xff"
    assert f"byte 0xff at offset {len(wrong) - 1};" in problem(COMPRESSIONS[suffix](wrong), suffix, [PIECE])
