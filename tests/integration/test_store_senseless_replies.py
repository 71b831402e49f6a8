"""Replies that make no sense, as a proxy or a broken server sends them: unavailable, in one line, at once."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.integration.conftest import Fault, MotoServer, shared_client
from weighbridge.adapters.s3.store import S3Store
from weighbridge.domain.errors import ConfigurationError, StoreDenied, StoreUnavailable, WeighbridgeError

KEY = "datasets/a_2021-07-03.csv"

ENTRY = (
    "<Contents><Key>p/datasets/{}</Key><Size>1</Size><ETag>&quot;e&quot;</ETag>"
    "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
)


def answers(
    body: str, status: str = "200 OK", headers: tuple[tuple[str, str], ...] = (), kind: str = "application/xml"
) -> Fault:
    def answer(environ: dict[str, Any], moto: Any, start_response: Any) -> Iterable[bytes]:
        data = body.encode()
        start_response(status, [("Content-Type", kind), ("Content-Length", str(len(data))), *headers])
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else data]

    return answer


def listing(*parts: str) -> Fault:
    return answers(f"<ListBucketResult>{''.join(parts)}</ListBucketResult>")


def truncated(token: str) -> str:
    return f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>"


WHOLE = "<IsTruncated>false</IsTruncated>"

LISTINGS = {
    "no-istruncated": [listing(ENTRY.format("a"))],
    "no-token": [listing("<IsTruncated>true</IsTruncated>", ENTRY.format("a"))],
    "no-etag": [listing(WHOLE, ENTRY.format("a").replace("<ETag>&quot;e&quot;</ETag>", ""))],
    "no-size": [listing(WHOLE, ENTRY.format("a").replace("<Size>1</Size>", ""))],
    "no-time": [
        listing(WHOLE, ENTRY.format("a").replace("<LastModified>2026-01-01T00:00:00.000Z</LastModified>", ""))
    ],
    "no-key": [listing(WHOLE, ENTRY.format("a").replace("<Key>p/datasets/a</Key>", ""))],
    "the-same-empty-page": [listing(truncated("t"))] * 9,
    "the-same-page": [listing(truncated("t"), ENTRY.format("a"))] * 9,
    "the-same-page-by-another-token": [listing(truncated(f"{n}"), ENTRY.format("a")) for n in range(9)],
    "two-pages-in-turn": [listing(truncated(f"{n}"), ENTRY.format("ab"[n % 2])) for n in range(9)],
    "html": [answers("<html><body>Log in</body></html>", kind="text/html")],
    "html-that-is-no-xml": [answers("<html><p>Log in<br></html>", kind="text/html")],
    "nothing": [answers("")],
    "json": [answers("{}", kind="application/json")],
}


@pytest.fixture
def store(moto_bucket: str) -> S3Store:
    return S3Store(shared_client(1), moto_bucket, "p", sleep=lambda _: None)


def in_one_line(operation: Callable[[], object], expected: type[WeighbridgeError], says: str) -> None:
    with pytest.raises(expected, match=says) as caught:
        operation()
    assert caught.type is expected
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("replies", LISTINGS.values(), ids=LISTINGS)
def test_a_listing(store: S3Store, moto_server: MotoServer, replies: list[Fault]) -> None:
    # What lacks something may be a page that was cut short, and is asked for once more, or three times.
    moto_server.faults[:] = replies if len(replies) > 1 else replies * 4
    in_one_line(lambda: list(store.list("datasets/")), StoreUnavailable, r"^s3://.*/p: datasets/: .*try again$")


def test_a_listing_of_ever_new_empty_pages_ends_within_the_deadline(
    moto_bucket: str, moto_server: MotoServer
) -> None:
    seconds = iter(range(10_000))
    store = S3Store(shared_client(1), moto_bucket, "p", deadline=100, monotonic=lambda: float(next(seconds)))
    moto_server.faults[:] = [listing(truncated(f"{n}")) for n in range(1000)]
    in_one_line(lambda: list(store.list("datasets/")), StoreUnavailable, "no whole answer within 100 seconds")
    assert 800 < len(moto_server.faults) < 1000


def test_pages_without_entries_between_others_are_no_end(store: S3Store, moto_server: MotoServer) -> None:
    moto_server.faults[:] = [
        listing(truncated("1"), ENTRY.format("a")),
        listing(truncated("2")),
        listing(WHOLE, ENTRY.format("b")),
    ]
    assert [ref.name for ref in store.list("datasets/")] == ["a", "b"]


@pytest.mark.parametrize(
    "headers",
    [
        (("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT"),),
        (("ETag", '"e"'),),
        (),
    ],
    ids=["no-etag", "no-time", "neither"],
)
@pytest.mark.parametrize("body", ["", "<html>Log in</html>"], ids=["empty", "html"])
def test_an_object(
    store: S3Store, moto_server: MotoServer, headers: tuple[tuple[str, str], ...], body: str
) -> None:
    moto_server.faults[:] = [answers(body, headers=headers)] * 4
    in_one_line(lambda: store.read(KEY), StoreUnavailable, "the reply makes no sense: it has no")


@pytest.mark.parametrize("body", ["", "<html>Log in</html>"], ids=["empty", "html"])
def test_a_write_that_a_proxy_answers_is_not_taken_for_done(
    store: S3Store, moto_server: MotoServer, body: str
) -> None:
    moto_server.faults[:] = [answers(body)] * 5
    in_one_line(lambda: store.write(KEY, b"1"), StoreUnavailable, "it has no ETag")
    moto_server.faults.clear()
    assert list(store.list("datasets/")) == []


def test_a_write_whose_reply_has_no_etag_is_found(store: S3Store, moto_server: MotoServer) -> None:
    def forgetful(environ: dict[str, Any], moto: Any, start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            return start_response(status, [one for one in headers if one[0].lower() != "etag"], *more)

        body: Iterable[bytes] = moto(environ, start)
        return body

    moto_server.faults[:] = [forgetful]
    ref = store.write(KEY, b"1")
    assert store.read(ref).data == b"1"


def test_a_deletion_that_a_proxy_answers_is_not_taken_for_done(store: S3Store, moto_server: MotoServer) -> None:
    store.write(KEY, b"1")
    moto_server.faults[:] = [answers("<html>Log in</html>")] * 5
    in_one_line(lambda: store.delete(KEY), StoreUnavailable, "it has no ETag")
    moto_server.faults.clear()
    assert store.read(KEY).data == b"1"


@pytest.mark.parametrize("times", [1, 3])
def test_a_conflict_of_any_operation_is_tried_again(store: S3Store, moto_server: MotoServer, times: int) -> None:
    conflict = answers("<Error><Code>OperationAborted</Code><Message>busy</Message></Error>", "409 Conflict")
    moto_server.faults[:] = [conflict] * times
    store.write(KEY, b"1")
    for operation in (
        lambda: [ref.key for ref in store.list("datasets/")] == [KEY],
        lambda: store.read(KEY).data == b"1",
        lambda: store.delete(KEY) is None,
    ):
        moto_server.faults[:] = [conflict] * times
        assert operation()
        assert moto_server.faults == []


@pytest.mark.parametrize(
    ("status", "code", "more", "expected", "says"),
    [
        (403, "RequestTimeTooSkewed", "", StoreDenied, "set the clock of this machine"),
        (403, "InvalidObjectState", "<StorageClass>GLACIER</StorageClass>", ConfigurationError, "class GLACIER"),
        (
            403,
            "InvalidObjectState",
            "<StorageClass>DEEP_ARCHIVE</StorageClass>",
            ConfigurationError,
            "class DEEP_ARCHIVE",
        ),
        (403, "QuotaExceeded", "", ConfigurationError, "the quota .* is used up"),
        (403, "AccessDenied", "", StoreDenied, "WEIGHBRIDGE_STORE_REQUESTER_PAYS"),
        (400, "KMS.DisabledException", "", StoreDenied, "the key of the encryption"),
        (507, "InsufficientStorage", "", StoreUnavailable, "server error"),
    ],
)
def test_a_refusal_names_its_remedy(
    store: S3Store,
    moto_server: MotoServer,
    status: int,
    code: str,
    more: str,
    expected: type[WeighbridgeError],
    says: str,
) -> None:
    body = f"<Error><Code>{code}</Code><Message>no</Message>{more}</Error>"
    moto_server.faults[:] = [answers(body, f"{status} No")]
    in_one_line(lambda: store.read(KEY), expected, says)


def test_a_gateway_without_a_code_is_named_by_its_status(store: S3Store, moto_server: MotoServer) -> None:
    for status, expected, says in (
        ("407 Proxy Authentication Required", ConfigurationError, "the proxy asks for credentials"),
        ("403 Forbidden", StoreDenied, r"access refused \(403"),
        ("502 Bad Gateway", StoreUnavailable, r"server error \(502"),
    ):
        moto_server.faults[:] = [answers("<html>no</html>", status, kind="text/html")]
        in_one_line(lambda: store.read(KEY), expected, says)
