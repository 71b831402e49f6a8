"""Credentials that expire under way: boto3's own providers fetch new ones, and a refusal is not an outage."""

import json
import re
import shlex
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.integration.conftest import MotoServer
from tests.support.clocks import SettableClock
from tests.support.tls import self_signed
from weighbridge.adapters.s3.client import open_client
from weighbridge.adapters.s3.store import S3Store, connect
from weighbridge.adapters.telemetry_log import LogEventSink
from weighbridge.domain.errors import ConfigurationError, StoreDenied, StoreUnavailable
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.entrypoints.settings import load_settings
from weighbridge.entrypoints.store_urls import open_store

#: Sooner than what boto3 takes for long enough, so that it asks for new ones before each request.
SOON = timedelta(minutes=5)

#: A program such as a company has: it hands out credentials, as long as a file says so.
PROGRAM = """
import json, pathlib, sys
expires, allowed = sys.argv[1], pathlib.Path(sys.argv[2])
if not allowed.exists():
    sys.exit("your session is over: log in again")
print(json.dumps({"Version": 1, "AccessKeyId": "KEY", "SecretAccessKey": "secret", "Expiration": expires}))
"""


class Provider:
    """What hands out credentials to containers: other ones at each time."""

    def __init__(self) -> None:
        self.issued: list[str] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.issued.append(f"KEY{len(provider.issued)}")
                document = {
                    "AccessKeyId": provider.issued[-1],
                    "SecretAccessKey": "secret",
                    "Token": f"token of {provider.issued[-1]}",
                    "Expiration": f"{datetime.now(UTC) + SOON:%Y-%m-%dT%H:%M:%SZ}",
                }
                body = json.dumps(document).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/credentials"
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def provider() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.stop()


@pytest.fixture
def keyless(moto_bucket: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket, and no credentials in the environment."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    return moto_bucket


def operations(store: ArtefactStore) -> list[Callable[[], object]]:
    return [
        lambda: store.write("datasets/a", b"1"),
        lambda: list(store.list("datasets/")),
        lambda: store.read("datasets/a"),
        lambda: store.delete("datasets/a"),
    ]


def test_credentials_that_expire_are_fetched_anew(
    keyless: str, moto_server: MotoServer, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", provider.url)
    used: list[str] = []

    def check(environ: dict[str, Any], moto: Any, start_response: Any) -> Iterable[bytes]:
        """Take the newest credentials only."""
        found = re.search("Credential=(KEY[0-9]+)/", environ["HTTP_AUTHORIZATION"])
        assert found
        used.append(found[1])
        if (used[-1], environ["HTTP_X_AMZ_SECURITY_TOKEN"]) != (provider.issued[-1], f"token of {used[-1]}"):
            start_response("400 Bad Request", [("Content-Type", "application/xml")])
            return [b"<Error><Code>ExpiredToken</Code><Message>too old</Message></Error>"]
        return moto(environ, start_response)

    store = connect(keyless)
    # A deletion looks first.
    moto_server.faults[:] = [check] * 5
    for operation in operations(store):
        operation()
    assert moto_server.faults == []
    assert len(set(used)) == 5
    assert set(used) <= set(provider.issued)


def test_a_provider_that_refuses_is_no_outage(
    keyless: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, allowed, config = tmp_path / "program.py", tmp_path / "allowed", tmp_path / "config"
    program.write_text(PROGRAM)
    expires = f"{datetime.now(UTC) + SOON:%Y-%m-%dT%H:%M:%SZ}"
    command = shlex.join([sys.executable, "-S", str(program), expires, str(allowed)])
    config.write_text(f"[default]\ncredential_process = {command}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    with pytest.raises(StoreDenied, match="log in again"):
        connect(keyless)
    allowed.touch()
    store = connect(keyless)
    for operation in operations(store):
        operation()
    allowed.unlink()
    for operation in operations(store):
        with pytest.raises(StoreDenied, match=r"log in again.*; set AWS_ACCESS_KEY_ID .* or AWS_PROFILE"):
            operation()
    allowed.touch()
    assert list(store.list("datasets/")) == []


def answering(status: int, body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/credentials"
    server.shutdown()
    server.server_close()


def one_line(operation: Callable[[], object], expected: type[Exception], says: str) -> None:
    with pytest.raises(expected, match=says) as caught:
        operation()
    assert caught.type is expected
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "expected", "says"),
    [
        (503, b"busy", StoreUnavailable, "provider of credentials does not answer .*503.*try again"),
        (500, b"", StoreUnavailable, "does not answer"),
        (429, b"", StoreUnavailable, "does not answer"),
        (200, b"<html>Log in</html>", StoreUnavailable, "does not answer"),
        (403, b"no", StoreDenied, "403"),
        (404, b"no", StoreDenied, "404"),
        (200, b"{}", ConfigurationError, r"AWS_\* settings"),
        (200, b"[]", ConfigurationError, r"AWS_\* settings"),
    ],
)
def test_a_provider_that_is_down_is_an_outage_and_one_that_refuses_is_none(
    keyless: str,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    body: bytes,
    expected: type[Exception],
    says: str,
) -> None:
    monkeypatch.setattr("botocore.utils.ContainerMetadataFetcher.SLEEP_TIME", 0)
    for url in answering(status, body):
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
        one_line(lambda: list(connect(keyless).list("datasets/")), expected, says)


def test_a_provider_that_is_not_there_is_an_outage(keyless: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.utils.ContainerMetadataFetcher.SLEEP_TIME", 0)
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unheard.getsockname()[1]}/credentials"
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
        one_line(lambda: connect(keyless).read("datasets/a"), StoreUnavailable, "does not answer")


@pytest.mark.parametrize("name", ["token", "folder/token"])
def test_a_missing_token_file_is_named(
    keyless: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / name))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/trainer")
    one_line(
        lambda: list(connect(keyless).list("datasets/")),
        ConfigurationError,
        rf"No such file or directory: .*/{name}; check the AWS_\* settings that name this file",
    )


def test_a_certificate_that_is_not_trusted(moto_bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with self_signed() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        store = S3Store(open_client(attempts=1), moto_bucket)
        one_line(lambda: store.read("datasets/a"), ConfigurationError, "not trusted .*AWS_CA_BUNDLE")
        monkeypatch.setenv("AWS_CA_BUNDLE", "/nowhere/ca.pem")
        store = S3Store(open_client(attempts=1), moto_bucket)
        one_line(lambda: store.read("datasets/a"), ConfigurationError, "AWS_CA_BUNDLE")


def test_who_pays_and_who_has_no_credentials_is_a_setting(
    keyless: str, moto_server: MotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []

    def look(environ: dict[str, Any], moto: Any, start_response: Any) -> Iterable[bytes]:
        seen.append(environ)
        return moto(environ, start_response)  # type: ignore[no-any-return]

    settings = {"store": f"s3://{keyless}", "store_anonymous": True, "store_requester_pays": True}
    store = open_store(load_settings(settings), SettableClock(), LogEventSink(), trusted=True)
    moto_server.faults[:] = [look] * 5
    for operation in operations(store):
        # Of objects moto shows nobody without credentials anything.
        with suppress(StoreDenied):
            operation()
    assert seen
    assert {environ["HTTP_X_AMZ_REQUEST_PAYER"] for environ in seen} == {"requester"}
    assert all("HTTP_AUTHORIZATION" not in environ for environ in seen)
