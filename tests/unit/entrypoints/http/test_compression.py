"""Compressed bodies: what goes in comes out, and nothing else does."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.entrypoints.http.compression import compressed, decompressed
from weighbridge.entrypoints.http.errors import RequestProblem

LIMIT = 1000
PACK = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress}
UNPACK = {"gzip": gzip.decompress, "deflate": zlib.decompress}


def refusal(body: bytes, encoding: str) -> tuple[int, str]:
    with pytest.raises(RequestProblem) as caught:
        decompressed(body, encoding, LIMIT)
    return caught.value.status, caught.value.detail


@given(st.binary(max_size=LIMIT), st.sampled_from(sorted(PACK)))
def test_bodies_come_out_as_they_went_in(body: bytes, encoding: str) -> None:
    assert decompressed(PACK[encoding](body), encoding, LIMIT) == body
    assert decompressed(PACK[encoding](body), f" {encoding.upper()} ", LIMIT) == body


@pytest.mark.parametrize("encoding", ["", "identity", "Identity"])
def test_a_body_without_an_encoding_stays_as_it_is(encoding: str) -> None:
    body = bytes(LIMIT + 1)
    assert decompressed(body, encoding, LIMIT) is body


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_the_limit_is_that_of_what_comes_out(encoding: str) -> None:
    assert decompressed(PACK[encoding](bytes(LIMIT)), encoding, LIMIT) == bytes(LIMIT)
    said = "decompressed, the body is longer than the 1,000 bytes that are allowed"
    assert refusal(PACK[encoding](bytes(LIMIT + 1)), encoding) == (413, said)
    assert refusal(PACK[encoding](bytes(50_000_000)), encoding) == (413, said)


@given(st.binary(max_size=100), st.sampled_from(["gzip", "deflate"]), st.data())
def test_what_is_cut_off_goes_on_or_is_something_else_is_refused(
    body: bytes, encoding: str, data: st.DataObject
) -> None:
    packed = PACK[encoding](body)
    cut = data.draw(st.integers(0, len(packed) - 1))
    assert refusal(packed[:cut], encoding) == (400, f"the body ends before its {encoding} does")
    assert refusal(packed + b"x", encoding) == (400, f"the body goes on after its {encoding} has ended")
    assert refusal(b"{" + packed, encoding) == (400, f"the body is no {encoding}")


@given(st.binary(max_size=100), st.sampled_from(["gzip", "deflate"]))
def test_any_bytes_are_read_or_refused(body: bytes, encoding: str) -> None:
    try:
        found = decompressed(body, encoding, LIMIT)
    except RequestProblem as problem:
        status = problem.status
    else:
        status = 200
        assert len(found) <= LIMIT
    assert status in (200, 400, 413)


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "zstd", "no such thing"])
def test_other_encodings_are_refused(encoding: str) -> None:
    said = f"the body is encoded as {encoding}; send it as it is, or as gzip or deflate"
    assert refusal(b"", encoding) == (415, said)


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("", None), ("identity", None), ("br, zstd", None), ("*", None), ("gzip;q=0", None), ("gzip;q=x", None),
        ("gzip", "gzip"), ("x-gzip", "gzip"), ("deflate", "deflate"), ("GZIP", "gzip"), ("br, deflate", "deflate"),
        ("gzip, deflate", "gzip"), ("deflate, gzip", "gzip"), ("gzip;q=0.5, deflate", "deflate"),
        ("deflate ; q=0.2 , gzip; q=0.3", "gzip"), ("gzip;q=0, deflate;q=0.1", "deflate"), (",,", None),
    ],
)  # fmt: skip
def test_an_answer_is_compressed_as_is_asked_for(accepted: str, encoding: str | None) -> None:
    body = b"an answer" * 20
    sent, found = compressed(body, accepted)
    assert found == encoding
    assert (UNPACK[encoding](sent) if encoding else sent) == body
    assert len(sent) < len(body) or encoding is None
