"""The store of the clouds over Google's protocol as obstore speaks it: the XML API, which is S3's but for names.

A translator of those names stands in front of moto: what Google's own service does otherwise is not tried.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, quote, unquote

import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import MotoRequestHandler
from moto.s3.models import s3_backends
from werkzeug.serving import make_server

from tests.integration.conftest import MotoServer
from tests.support.clocks import SettableClock
from weighbridge.adapters.cloud.connection import connect
from weighbridge.adapters.cloud.store import ObjectStore
from weighbridge.adapters.testing.store_contract import NewStore, StoreContract
from weighbridge.domain.errors import StoreNotFound
from weighbridge.domain.store.artefacts import DATASETS, dataset_timestamp
from weighbridge.domain.store.discovery import find_newest


class GoogleServer:
    """Google's dialect in front of moto: generations, preconditions on them, and metadata by its name there."""

    def __init__(self, moto: MotoServer) -> None:
        self._moto, self._numbers = moto, count(1)
        #: Of each object that is there, by its path.
        self._generations: dict[str, str] = {}
        #: The queries of the listings that were asked for.
        self.listings: list[str] = []
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=MotoRequestHandler)
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if "list-type" in environ["QUERY_STRING"]:
            self.listings.append(environ["QUERY_STRING"])
        # obstore encodes more characters than moto decodes.
        for name in ("RAW_URI", "REQUEST_URI"):
            path, question, query = environ[name].partition("?")
            environ[name] = quote(unquote(path)) + question + query
        # moto wants to see one, and looks no closer.
        environ["HTTP_AUTHORIZATION"] = "AWS4-HMAC-SHA256 Credential=x/20210101/us-east-1/s3/aws4_request"
        if environ.pop("HTTP_X_GOOG_IF_GENERATION_MATCH", None) == "0":
            environ["HTTP_IF_NONE_MATCH"] = "*"
        for name in [name for name in environ if name.startswith("HTTP_X_GOOG_META_")]:
            environ[name.replace("_X_GOOG_", "_X_AMZ_")] = environ.pop(name)
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        wanted = parse_qs(environ["QUERY_STRING"]).get("generation")
        if wanted is not None and wanted != [self._generations.get(path)]:
            start_response("404 Not Found", [("Content-Length", "0")])
            return []

        def translated(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            if method == "PUT" and status.startswith("200"):
                self._generations[path] = str(next(self._numbers))
            headers = [(re.sub(r"(?i)^x-amz-", "x-goog-", name), value) for name, value in headers]
            return start_response(
                status, [*headers, ("x-goog-generation", self._generations.get(path, "0"))], *more
            )

        return self._moto.answer(environ, translated)


@pytest.fixture(scope="module")
def google(moto_server: MotoServer) -> Iterator[GoogleServer]:
    server = GoogleServer(moto_server)
    yield server
    server.stop()


@pytest.fixture
def google_bucket(google: GoogleServer, moto_bucket: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A fresh bucket, and the settings to reach it."""
    account = {"client_email": "", "private_key": "", "private_key_id": ""}
    account |= {"gcs_base_url": google.url, "disable_oauth": True}
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", json.dumps(account))
    google.listings.clear()
    return moto_bucket


class TestGoogleStore(StoreContract):
    slowness = 10
    keeps_versions = True

    @pytest.fixture
    def new_store(self, google_bucket: str) -> NewStore:
        numbers = count()
        return lambda: connect("gs", google_bucket, f"some where/{next(numbers)}")


def test_what_is_recent_is_found_in_two_listings(google: GoogleServer, google_bucket: str) -> None:
    store, start = connect("gs", google_bucket, "orders"), datetime(2021, 1, 1, tzinfo=UTC)
    # Straight into moto: over HTTP it would take a while.
    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    for number in range(1100):
        at = start + timedelta(hours=number)
        backend.put_object(google_bucket, f"orders/{DATASETS}/a_{at:%Y-%m-%dT%H-%M-%SZ}.csv", b"x")
    found = find_newest(store, f"{DATASETS}/a_", lambda name: dataset_timestamp("a", name), SettableClock(at))
    assert found.newest is not None
    assert found.newest.timestamp == at
    assert len(google.listings) == 2
    assert "start-after" in google.listings[-1]
    backend.buckets[google_bucket].keys.clear()


def test_a_bucket_that_is_not_there(google_bucket: str) -> None:
    nowhere = connect("gs", f"{google_bucket}-not")
    assert isinstance(nowhere, ObjectStore)
    for operation in (
        lambda: nowhere.read("datasets/a"),
        lambda: nowhere.write("datasets/a", b""),
        lambda: nowhere.delete("datasets/a"),
        lambda: list(nowhere.list("datasets/")),
    ):
        with pytest.raises(StoreNotFound, match=f"gs://{google_bucket}-not: there is no such bucket"):
            operation()
