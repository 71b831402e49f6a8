"""Bodies and headers that no client should send, as Hypothesis strategies."""

import json
import zlib
from collections.abc import Sequence

from hypothesis import strategies as st

#: Tokens where JSON has a value: numbers of all kinds, also such as JSON lacks, and what is no number.
TOKENS = (
    *("0", "-0", "-0.0", "10", "1e1", "1E+2", "5e-324", "1e308", "1e309", "-1e400", "9" * 400, "1" * 5000),
    *("NaN", "Infinity", "-Infinity", "nan", "0x10", "01", "1.", ".5", "+1", "1e", "1_0", "--1", "1,0"),
    *("true", "True", "null", "None", '"SKU001"', '"10"', '"\\ud800"', '"\\u0000"', '"\x00"', "''", "{}", "[]"),
    *("[" * 200 + "]" * 200, "[" * 2000, '{"a":' * 2000 + "1" + "}" * 2000),
)

#: How a text may become bytes: as it should, as it should not, and as something else altogether.
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "utf-7", "cp037")


@st.composite
def json_like(draw: st.DrawFn, names: Sequence[str]) -> bytes:
    """An object with some of ``names`` and others, some of them twice; or a list of such; most of it no JSON."""
    tokens = st.sampled_from(TOKENS) | st.floats().map(repr) | st.text(max_size=3).map(json.dumps)
    keys = st.sampled_from(names) | st.text(max_size=3)
    fields = draw(st.lists(st.tuples(keys, tokens), max_size=2 * len(names)))
    text = "{" + ", ".join(f"{json.dumps(key)}: {token}" for key, token in fields) + "}"
    if draw(st.booleans()):
        text = f"[{text}, {text}]"
    return text.encode(draw(st.sampled_from(ENCODINGS)), "replace")


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """``whole`` with bytes changed, cut off, put in, or compressed though nothing says so."""
    place = draw(st.integers(0, len(whole)))
    match draw(st.sampled_from(("cut", "change", "insert", "twice", "compress"))):
        case "cut":
            return whole[:place]
        case "change":
            return whole[:place] + draw(st.binary(min_size=1, max_size=2)) + whole[place + 1 :]
        case "insert":
            return whole[:place] + draw(st.binary(min_size=1, max_size=4)) + whole[place:]
        case "twice":
            return whole + whole
        case _:
            return zlib.compress(whole)


def bodies(whole: Sequence[bytes], names: Sequence[str]) -> st.SearchStrategy[bytes]:
    """Bodies for a route that takes each of ``whole``, and whose JSON has fields of these names."""
    return st.one_of(st.sampled_from(whole).flatmap(damaged), json_like(names), st.binary(max_size=100))


def content_types(known: Sequence[str]) -> st.SearchStrategy[str]:
    """Values of a Content-Type header: the known ones, those with odd parameters, and nonsense."""
    parameters = st.sampled_from(
        ("", "; charset=utf-8", ";charset=utf-16", "; charset=no-such", ";", "; q", ", x")
    )
    return st.builds("{}{}".format, st.sampled_from([*known, "", "/", "text/plain"]), parameters) | st.text(
        st.characters(max_codepoint=255, exclude_characters="\0\r\n"), max_size=20
    )
