"""The S3 store: the contract of every store over real HTTP, versions, pages, and what servers answer."""

import socket
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

import pytest

from tests.integration.conftest import Fault, MotoServer, s3_client, shared_client
from weighbridge.adapters.s3.client import open_client
from weighbridge.adapters.s3.store import S3Store, connect
from weighbridge.adapters.testing.store_contract import NewStore, StoreContract
from weighbridge.adapters.testing.store_machine import same
from weighbridge.domain.errors import (
    ArtefactExists,
    ArtefactNotFound,
    ConfigurationError,
    StoreDenied,
    StoreNotFound,
    StoreUnavailable,
)


class TestS3Store(StoreContract):
    slowness = 3

    @pytest.fixture
    def new_store(self, bucket: str) -> NewStore:
        client, numbers = shared_client(), count()
        return lambda: S3Store(client, bucket, f"some where/{next(numbers)}")


class TestS3StoreOnAWholeBucket(StoreContract):
    slowness = 100

    @pytest.fixture
    def new_store(self, bucket: str) -> NewStore:
        client = shared_client()
        return lambda: _emptied(S3Store(client, bucket))


@pytest.fixture
def store(bucket: str) -> S3Store:
    return S3Store(shared_client(), bucket, "prefix")


def test_the_address_and_the_layout(bucket: str) -> None:
    assert connect(bucket).url == connect(bucket, "/").url == f"s3://{bucket}"
    store = connect(bucket, "/deep/er/")
    assert store.url == f"s3://{bucket}/deep/er"
    store.write("datasets/a b|c.csv", b"1")
    connect(bucket).write("models/m", b"2")
    assert _keys(bucket) == ["deep/er/datasets/a b|c.csv", "models/m"]


def test_what_others_put_is_listed_and_read(store: S3Store, bucket: str) -> None:
    client = s3_client()
    client.put_object(Bucket=bucket, Key="prefix/datasets/a.csv", Body=b"a,b\n")
    head = client.head_object(Bucket=bucket, Key="prefix/datasets/a.csv")
    (ref,) = store.list("datasets/")
    assert (ref.key, ref.size, ref.revision) == ("datasets/a.csv", 4, head["ETag"].strip('"'))
    assert ref.version_id is None
    assert ref.last_modified.replace(microsecond=0) == head["LastModified"]
    assert store.read(ref).data == b"a,b\n"


def test_what_is_no_artefact_is_never_listed(store: S3Store, bucket: str) -> None:
    for key in (
        "datasets/",
        "datasets/.hidden",
        "datasets/sub/a",
        "datasets/sub/",
        "datasets/x//y",
        "datasets/t\tab",
        "datasets/b\\ack",
    ):
        s3_client().put_object(Bucket=bucket, Key=f"prefix/{key}", Body=b"")
    for key in ("datasets/other", "prefix", "prefix2/datasets/c"):
        s3_client().put_object(Bucket=bucket, Key=key, Body=b"")
    store.write("datasets/b", b"")
    assert [ref.key for ref in store.list("datasets/")] == ["datasets/b"]
    assert list(store.list("other/")) == []


def test_a_replaced_object_is_another_revision(store: S3Store, bucket: str) -> None:
    old = store.write("datasets/a", b"old")
    s3_client().put_object(Bucket=bucket, Key="prefix/datasets/a", Body=b"new")
    with pytest.raises(ArtefactNotFound, match=r"datasets/a: not there, or no longer in that revision"):
        store.read(old)
    assert store.read("datasets/a").data == b"new"


def test_in_a_versioned_bucket_a_ref_reads_its_version_for_ever(store: S3Store, bucket: str) -> None:
    before = store.write("datasets/before", b"0")
    client = s3_client()
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert store.read(before).ref.version_id is None
    old = store.write("datasets/a", b"old")
    latest = client.put_object(Bucket=bucket, Key="prefix/datasets/a", Body=b"new")["VersionId"]
    (listed,) = store.list("datasets/a")
    assert listed.version_id is None
    assert store.read(listed).ref.version_id == store.read("datasets/a").ref.version_id == latest != old.version_id
    assert store.read("datasets/a").data == b"new"
    assert (store.read(old).data, store.read(old).ref.version_id) == (b"old", old.version_id)
    store.delete("datasets/a")
    with pytest.raises(ArtefactNotFound):
        store.read("datasets/a")
    with pytest.raises(ArtefactNotFound):
        store.read(listed)
    assert [ref.name for ref in store.list("datasets/")] == ["before"]
    assert store.read(old).data == b"old"
    again = store.write("datasets/a", b"old")
    assert again.version_id not in (None, old.version_id)
    client.delete_object(Bucket=bucket, Key="prefix/datasets/a", VersionId=old.version_id)
    with pytest.raises(ArtefactNotFound):
        store.read(old)


def test_a_bucket_that_does_not_exist(bucket: str) -> None:
    store = connect("weighbridge-no-such-bucket")
    for operation in _operations(store):
        _fails(operation, StoreNotFound, r"s3://weighbridge-no-such-bucket: there is no such bucket; make it")


def test_a_bucket_that_cannot_exist(bucket: str) -> None:
    for operation in _operations(connect("no bucket/has this name", "x")):
        _fails(operation, ConfigurationError, "check the bucket's name")


def test_no_credentials(moto_bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StoreDenied, match="AWS_ACCESS_KEY_ID"):
        list(connect(moto_bucket).list("datasets/"))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    for operation in _operations(connect(moto_bucket)):
        _fails(operation, StoreDenied, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE")


@pytest.mark.parametrize(
    ("variable", "value"),
    [("AWS_ENDPOINT_URL_S3", "no endpoint"), ("AWS_PROFILE", "nobody"), ("AWS_DEFAULT_REGION", "no region")],
)
def test_settings_that_cannot_be(aws: dict[str, str], monkeypatch: Any, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    _fails(lambda: connect("bucket"), ConfigurationError, r"S3: .*check .* AWS_\* settings")


def test_an_endpoint_that_nobody_answers_at(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{unheard.getsockname()[1]}")
        for operation in _operations(S3Store(open_client(attempts=1), "bucket")):
            _fails(
                operation, StoreUnavailable, r"s3://bucket.*check the network and AWS_ENDPOINT_URL_S3, then try"
            )


def test_an_endpoint_that_never_replies(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{mute.getsockname()[1]}")
        store = S3Store(open_client(attempts=1, read_timeout=0.05), "bucket")
        for operation in _operations(store):
            _fails(operation, StoreUnavailable, "Read timeout.*check the network")


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("", "https://bucket.s3.amazonaws.com/"),
        ("http://minio.internal:9000", "http://minio.internal:9000/bucket"),
        ("https://ceph.example.org", "https://ceph.example.org/bucket"),
    ],
)
def test_servers_of_ones_own_are_asked_by_path(
    aws: dict[str, str], monkeypatch: pytest.MonkeyPatch, endpoint: str, url: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    presigned = open_client().generate_presigned_url("list_objects_v2", {"Bucket": "bucket"})
    assert presigned.startswith(f"{url}?")


def test_a_style_of_addressing_that_is_configured_counts(
    aws: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "config").write_text("[default]\ns3 =\n  addressing_style = virtual\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://oss.example.org")
    presigned = open_client().generate_presigned_url("list_objects_v2", {"Bucket": "bucket"})
    assert presigned.startswith("https://bucket.oss.example.org/?")


class TestFaults:
    """What comes back when the server, or the way to it, fails; faults are injected into moto."""

    @pytest.fixture
    def store(self, moto_bucket: str) -> S3Store:
        return S3Store(shared_client(2), moto_bucket)

    def test_a_listing_asks_for_pages_as_they_are_consumed(
        self, store: S3Store, moto_bucket: str, moto_server: MotoServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        names = [f"{number:02}" for number in range(21)]
        for name in names:
            store.write(f"datasets/{name}", b"")
        moto_server.requests.clear()
        with monkeypatch.context() as pages:
            pages.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10")
            listing = store.list("datasets/")
            assert moto_server.requests == []
            assert [next(listing).name for _ in range(10)] == names[:10]
            assert len(moto_server.requests) == 1
            assert [ref.name for ref in listing] == names[10:]
            assert len(moto_server.requests) == 3
            assert [ref.name for ref in store.list("datasets/", "datasets/18")] == names[19:]
            assert list(store.list("datasets/", "models/")) == []
            assert len(moto_server.requests) == 4
        for name in names:
            s3_client().put_object(Bucket=moto_bucket, Key=f"models/sub/{name}", Body=b"")
        with monkeypatch.context() as pages:
            pages.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10")
            moto_server.requests.clear()
            assert list(store.list("models/")) == []
            assert len(moto_server.requests) == 1

    def test_a_write_is_one_request_that_the_server_can_check(
        self, store: S3Store, moto_server: MotoServer
    ) -> None:
        seen: dict[str, str] = {}

        def look(environ: dict[str, Any], moto: Any, start_response: Any) -> Iterable[bytes]:
            seen.update({name: value for name, value in environ.items() if name.startswith("HTTP_")})
            return moto(environ, start_response)

        moto_server.requests.clear()
        moto_server.faults[:] = [look]
        store.write("datasets/a", b"x")
        assert [request.partition(" ")[0] for request in moto_server.requests] == ["PUT"]
        assert seen["HTTP_IF_NONE_MATCH"] == "*"
        assert seen["HTTP_CONTENT_MD5"] == "nd1Mjs+Qp3tw3Lj3bMzf8A==".replace(
            "nd1Mjs+Qp3tw3Lj3bMzf8A==", _md5(b"x")
        )
        assert "HTTP_X_AMZ_TRAILER" not in seen
        assert "aws-chunked" not in seen.get("HTTP_CONTENT_ENCODING", "")

    @pytest.mark.parametrize("times", [1, 2], ids=["then-told-that-it-is-taken", "every-time"])
    def test_a_write_whose_reply_was_lost_is_a_success(
        self, store: S3Store, moto_server: MotoServer, times: int
    ) -> None:
        moto_server.faults[:] = [_lost] * times
        ref = store.write("datasets/a", b"mine")
        assert moto_server.faults == []
        (listed,) = store.list("datasets/")
        assert same(listed, ref)
        assert (ref.size, store.read(ref).data) == (4, b"mine")

    @pytest.mark.parametrize("data", [b"mine", b"theirs"], ids=["same-bytes", "other-bytes"])
    def test_a_lost_attempt_does_not_claim_the_object_of_another(
        self, store: S3Store, moto_server: MotoServer, data: bytes
    ) -> None:
        first = store.write("datasets/a", data)
        moto_server.faults[:] = [_lost]
        with pytest.raises(ArtefactExists):
            store.write("datasets/a", b"mine")
        assert store.read(first).data == data

    def test_whose_object_it_is_must_be_known_before_it_is_said(
        self, store: S3Store, moto_server: MotoServer
    ) -> None:
        store.write("datasets/a", b"1")
        moto_server.faults[:] = [None, _says(503, "SlowDown"), _says(503, "SlowDown")]
        _fails(lambda: store.write("datasets/a", b"2"), StoreUnavailable, "503 Service Unavailable")

    def test_a_write_that_never_arrived_is_no_success(self, store: S3Store, moto_server: MotoServer) -> None:
        moto_server.faults[:] = [_says(500, "InternalError")] * 2
        _fails(lambda: store.write("datasets/a", b"1"), StoreUnavailable, "InternalError")
        assert list(store.list("datasets/")) == []

    def test_a_key_that_was_taken_and_is_free_again(self, store: S3Store, moto_server: MotoServer) -> None:
        moto_server.faults[:] = [_says(412, "PreconditionFailed")]
        _fails(lambda: store.write("datasets/a", b"1"), ArtefactExists, "datasets/a exists already")

    def test_a_conflict_is_tried_again(self, store: S3Store, moto_server: MotoServer) -> None:
        conflict = _says(409, "ConditionalRequestConflict")
        moto_server.faults[:] = [conflict] * 3
        assert store.read(store.write("datasets/a", b"1")).data == b"1"
        moto_server.faults[:] = [conflict]
        _fails(lambda: store.write("datasets/a", b"1"), ArtefactExists, "datasets/a exists already")
        moto_server.faults[:] = [conflict] * 4
        _fails(lambda: store.write("datasets/b", b"1"), StoreUnavailable, "others are writing datasets/b")
        assert moto_server.faults == []

    def test_a_server_without_conditional_writes_is_refused(self, store: S3Store, moto_server: MotoServer) -> None:
        moto_server.faults[:] = [_says(501, "NotImplemented")]
        _fails(
            lambda: store.write("datasets/a", b"1"),
            ConfigurationError,
            "create without overwriting .* another one",
        )

    @pytest.mark.parametrize("fault", ["short", "flipped"])
    def test_a_broken_body_is_asked_for_again(self, store: S3Store, moto_server: MotoServer, fault: str) -> None:
        ref = store.write("datasets/a", b"0123456789")
        damage = {"short": _short, "flipped": _flipped}[fault]
        moto_server.faults[:] = [damage] * 3
        assert store.read(ref).data == b"0123456789"
        assert moto_server.faults == []
        moto_server.faults[:] = [damage] * 4
        _fails(lambda: store.read(ref), StoreUnavailable, "datasets/a came broken 4 times")

    @pytest.mark.parametrize(
        ("status", "code", "expected", "remedy"),
        [
            (403, "AccessDenied", StoreDenied, "check AWS_ACCESS_KEY_ID"),
            (403, "InvalidAccessKeyId", StoreDenied, "check AWS_ACCESS_KEY_ID"),
            (403, "SignatureDoesNotMatch", StoreDenied, "check AWS_ACCESS_KEY_ID"),
            (400, "ExpiredToken", StoreDenied, "AWS_SESSION_TOKEN"),
            (401, "Unauthorized", StoreDenied, "check AWS_ACCESS_KEY_ID"),
            (404, "NoSuchBucket", StoreNotFound, "make it, or check its name"),
            (400, "KeyTooLongError", ConfigurationError, "the server refuses the request"),
            (400, "InvalidBucketName", ConfigurationError, "check the bucket's name"),
            (400, "AuthorizationHeaderMalformed", ConfigurationError, "AWS_DEFAULT_REGION"),
            (503, "SlowDown", StoreUnavailable, "try again"),
            (500, "InternalError", StoreUnavailable, "try again"),
            (429, "TooManyRequests", StoreUnavailable, "try again"),
            (400, "RequestTimeout", StoreUnavailable, "try again"),
            (400, "ThrottlingException", StoreUnavailable, "try again"),
        ],
    )
    def test_each_refusal_has_its_error_and_its_remedy(
        self, moto_bucket: str, moto_server: MotoServer, status: int, code: str, expected: type, remedy: str
    ) -> None:
        store = S3Store(shared_client(1), moto_bucket, "p")
        listing, read, write, _ = _operations(store)
        for operation in (listing, read):
            moto_server.faults[:] = [_says(status, code)]
            error = _fails(operation, expected, remedy)
            assert str(error).startswith(f"s3://{moto_bucket}/p: ")
            assert (f"{code} no really" in str(error)) is (code != "NoSuchBucket")
        # Where the write may have arrived all the same, it is looked for, and the server says the same to that.
        moto_server.faults[:] = [_says(status, code)] * (2 if expected is StoreUnavailable else 1)
        _fails(write, expected, r"s3://.*/p: ")
        assert moto_server.faults == []

    def test_a_check_of_a_write_makes_nothing_and_tells_what_is_refused(
        self, store: S3Store, moto_bucket: str, moto_server: MotoServer
    ) -> None:
        store.check_write("models/a", 1_000_000)
        assert s3_client().list_objects_v2(Bucket=moto_bucket)["KeyCount"] == 0
        assert "Uploads" not in s3_client().list_multipart_uploads(Bucket=moto_bucket)
        moto_server.faults[:] = [_says(403, "AccessDenied")]
        _fails(lambda: store.check_write("models/a", 1), StoreDenied, "s3:PutObject")
        moto_server.faults[:] = [_says(400, "KeyTooLongError")]
        _fails(lambda: store.check_write("models/a", 1), ConfigurationError, "KeyTooLongError")
        # A server without such uploads, or one that lets nobody give them up, is left to the write.
        moto_server.faults[:] = [_says(501, "NotImplemented")]
        store.check_write("models/a", 1)
        moto_server.faults[:] = [None, _says(403, "AccessDenied")]
        store.check_write("models/a", 1)

    def test_folders_are_told_by_themselves(self, store: S3Store, moto_bucket: str) -> None:
        for key in ("datasets/a", "datasets/b/part", "datasets/b/other", "datasets/c/part", "models/d/part"):
            s3_client().put_object(Bucket=moto_bucket, Key=key, Body=b"")
        assert list(store.folders("datasets/")) == ["datasets/b/", "datasets/c/"]
        assert list(store.folders("datasets/c")) == ["datasets/c/"]
        assert list(store.folders("datasets/", "datasets/bb")) == ["datasets/c/"]
        assert list(store.folders("rejected/")) == []

    def test_a_gateway_that_talks_html(self, moto_bucket: str, moto_server: MotoServer) -> None:
        store = S3Store(shared_client(1), moto_bucket)
        for status in (200, 502):
            moto_server.faults[:] = [_page(status)]
            _fails(lambda: list(store.list("datasets/")), StoreUnavailable, "try again")


def _operations(store: S3Store) -> list[Callable[[], object]]:
    return [
        lambda: list(store.list("datasets/")),
        lambda: store.read("datasets/a"),
        lambda: store.write("datasets/a", b""),
        lambda: store.delete("datasets/a"),
    ]


def _fails(operation: Callable[[], object], expected: type, message: str) -> BaseException:
    """It fails with that very class and one line."""
    with pytest.raises(expected, match=message) as caught:
        operation()
    assert caught.type is expected
    assert "\n" not in str(caught.value)
    return caught.value


def _says(status: int, code: str) -> Fault:
    """The request is refused, and never reaches moto."""
    body = f"<Error><Code>{code}</Code><Message>no\nreally</Message></Error>".encode()

    def answer(environ: dict[str, Any], moto: Any, start_response: Any) -> Iterable[bytes]:
        start_response(f"{status} .", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [body]

    return answer


def _page(status: int) -> Fault:
    def answer(environ: dict[str, Any], moto: Any, start_response: Any) -> Iterable[bytes]:
        start_response(f"{status} .", [("Content-Type", "text/html")])
        return [b"<html><body><p>Bad Gateway<br></body></html>"]

    return answer


def _lost(environ: dict[str, Any], moto: Any, start_response: Any) -> Iterable[bytes]:
    """The request is carried out, and its reply is lost on the way."""
    b"".join(moto(environ, lambda *_: None))
    return _says(500, "InternalError")(environ, moto, start_response)


def _short(environ: dict[str, Any], moto: Any, start_response: Any) -> Iterable[bytes]:
    """The connection ends before the body does."""
    return [b"".join(moto(environ, start_response))[:-3]]


def _flipped(environ: dict[str, Any], moto: Any, start_response: Any) -> Iterable[bytes]:
    """One bit of the body changes on the way."""
    body = bytearray(b"".join(moto(environ, start_response)))
    body[0] ^= 1
    return [bytes(body)]


def _md5(data: bytes) -> str:
    from base64 import b64encode
    from hashlib import md5

    return b64encode(md5(data).digest()).decode()


def _keys(bucket: str) -> list[str]:
    return [entry["Key"] for entry in s3_client().list_objects_v2(Bucket=bucket)["Contents"]]


def _emptied(store: S3Store) -> S3Store:
    client, bucket = s3_client(), store.url.removeprefix("s3://")
    for entry in client.list_objects_v2(Bucket=bucket).get("Contents", ()):
        client.delete_object(Bucket=bucket, Key=entry["Key"])
    return store
