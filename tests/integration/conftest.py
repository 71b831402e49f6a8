"""A real S3 server for the tests: moto on an ephemeral loopback port, or the one that S3_ENDPOINT names.

``make test-s3 S3_ENDPOINT=http://host:port`` with the standard AWS variables runs the same tests against any
server. Faults are injected only into moto.
"""

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config
from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import make_server

from tests.support.commands import Command, commands_in_this_process
from tests.support.faultproxy import FaultProxy
from weighbridge.adapters.s3.client import open_client

if TYPE_CHECKING:
    from tests.support.faulty_servers import Setting

#: A WSGI application.
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

#: What happens to one request: it is given the request, moto itself, and the way to answer.
Fault = Callable[[dict[str, Any], Application, Callable[..., Any]], Iterable[bytes]]

_FAKE = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
}
_ALWAYS = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


class MotoServer:
    """moto's S3 over HTTP, one request at a time, so that its conditional writes are atomic as a real server's."""

    def __init__(self) -> None:
        # Of S3 alone: the dispatcher of all services looks at 180 folders at every request.
        self._moto: Application = create_backend_app("s3")
        # It would log each request, on streams that the tests replace and close.
        logging.getLogger("werkzeug").disabled = True
        self._lock = Lock()
        #: The next requests meet these, in turn; None lets one pass.
        self.faults: list[Fault | None] = []
        #: Method and path with query of every request that came in.
        self.requests: list[str] = []
        self._server = make_server("127.0.0.1", 0, self.answer, threaded=True, request_handler=MotoRequestHandler)
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """The WSGI application."""
        with self._lock:
            self.requests.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}?{environ['QUERY_STRING']}")
            fault = self.faults.pop(0) if self.faults else None
            if fault is not None:
                return fault(environ, self._moto, start_response)
            return self._moto(environ, start_response)


@pytest.fixture(scope="session")
def moto_server() -> Iterator[MotoServer]:
    """One moto for the whole session."""
    server = MotoServer()
    yield server
    server.stop()


@pytest.fixture
def aws(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The AWS settings for this process, and, as a dict, for its subprocesses; no other setting counts."""
    if "S3_ENDPOINT" in os.environ:
        given = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        variables = {**_FAKE, **given, **_ALWAYS, "AWS_ENDPOINT_URL_S3": os.environ["S3_ENDPOINT"]}
    else:
        variables = {**_FAKE, **_ALWAYS, "AWS_ENDPOINT_URL_S3": request.getfixturevalue("moto_server").url}
    return _only(variables, monkeypatch)


@pytest.fixture
def aws_on_moto(moto_server: MotoServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The AWS settings for moto, whatever S3_ENDPOINT says; with no faults before and after."""
    moto_server.faults.clear()
    yield _only({**_FAKE, **_ALWAYS, "AWS_ENDPOINT_URL_S3": moto_server.url}, monkeypatch)
    moto_server.faults.clear()


@pytest.fixture
def bucket(aws: dict[str, str]) -> Iterator[str]:
    """A fresh bucket, removed afterwards."""
    yield from _fresh_bucket()


@pytest.fixture
def moto_bucket(aws_on_moto: dict[str, str]) -> Iterator[str]:
    """A fresh bucket of moto."""
    yield from _fresh_bucket()


@pytest.fixture(scope="session")
def fault_proxy(moto_server: MotoServer) -> Iterator[FaultProxy]:
    """A proxy in front of moto."""
    proxy = FaultProxy(moto_server.url)
    yield proxy
    proxy.stop()


@pytest.fixture
def setting(fault_proxy: FaultProxy, moto_bucket: str) -> Iterator["Setting"]:
    """A fresh bucket behind the proxy."""
    from tests.support.faulty_servers import Setting

    setting = Setting(fault_proxy, moto_bucket)
    setting.clear()
    yield setting
    setting.clear()


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """Runs a command in this process and in an empty folder."""
    monkeypatch.chdir(tmp_path)
    with commands_in_this_process(monkeypatch, capsys.readouterr) as command:
        yield command


def s3_client() -> Any:
    """A plain client of whatever server the environment names; to make one takes a while, so they are kept."""
    return _plain(os.environ["AWS_ENDPOINT_URL_S3"])


def shared_client(attempts: int = 4) -> Any:
    """A client such as S3Store is given, for whatever server the environment names; kept likewise."""
    return _set_up(os.environ["AWS_ENDPOINT_URL_S3"], attempts)


@cache
def _plain(endpoint: str) -> Any:
    return boto3.Session().client("s3", endpoint_url=endpoint, config=Config(s3={"addressing_style": "path"}))


@cache
def _set_up(endpoint: str, attempts: int) -> Any:
    client = open_client(attempts=attempts)
    assert client.meta.endpoint_url == endpoint
    return client


def _only(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


def _fresh_bucket() -> Iterator[str]:
    name = f"weighbridge-{uuid4().hex}"
    client = s3_client()
    client.create_bucket(Bucket=name)
    yield name
    if _moto_forgets(name):
        return
    # Always the first page: a server may lose its place when what it has listed is gone.
    while entries := _first_versions(client, name):
        for entry in entries:
            client.delete_object(Bucket=name, Key=entry["Key"], VersionId=entry["VersionId"])
    client.delete_bucket(Bucket=name)


def _moto_forgets(bucket: str) -> bool:
    """Remove a bucket from the moto in this process without a request for each key; false if it is elsewhere."""
    for of_account in s3_backends.values():
        for backend in of_account.values():
            if backend.buckets.pop(bucket, None) is not None:
                return True
    return False


def _first_versions(client: Any, bucket: str) -> list[Any]:
    page = client.list_object_versions(Bucket=bucket)
    return [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
