"""The store of the clouds on a real server of Azure's protocol: ``make test-azure`` runs azurite for it."""

import base64
import hashlib
import hmac
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from obstore.store import AzureStore

from tests.support.clocks import SettableClock
from tests.support.registry_contract import RegistryContract
from weighbridge.adapters.cloud.connection import connect
from weighbridge.adapters.testing.store_contract import NewStore, StoreContract
from weighbridge.domain.errors import ArtefactNotFound, StoreDenied, StoreNotFound, StoreUnavailable
from weighbridge.domain.store.artefacts import DATASETS, dataset_timestamp
from weighbridge.domain.store.discovery import find_newest

#: The account that every emulator has, with its public key.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

pytestmark = pytest.mark.skipif(
    "AZURITE" not in os.environ, reason="needs azurite, a server from npm: 'make test-azure' fetches and runs it"
)


@pytest.fixture(scope="module")
def azurite() -> Iterator[str]:
    """The address of azurite, which keeps everything in its memory."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--skipApiVersionCheck", "--inMemoryPersistence", "--silent", "--blobPort", str(port)]
    process = subprocess.Popen([os.environ["AZURITE"], *options])
    url = f"http://127.0.0.1:{port}"
    try:
        limit = time.monotonic() + 60
        while not _answers(url):
            assert process.poll() is None, "azurite ended"
            assert time.monotonic() < limit, "azurite does not answer"
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture
def container(azurite: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A fresh container, and the settings to reach it."""
    for name in [name for name in os.environ if name.startswith("AZURE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", KEY)
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", f"{azurite}/{ACCOUNT}")
    name = f"weighbridge-{uuid4().hex}"
    date = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    headers = {"x-ms-date": date, "x-ms-version": "2021-12-02", "Content-Length": "0"}
    what = f"x-ms-date:{date}\nx-ms-version:2021-12-02\n/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
    signed = f"PUT{chr(10) * 12}{what}"
    signature = hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest()
    headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(signature).decode()}"
    made = httpx.put(f"{azurite}/{ACCOUNT}/{name}?restype=container", headers=headers)
    assert made.status_code == 201, made.text
    return name


class TestAzureStore(StoreContract):
    slowness = 3

    @pytest.fixture
    def new_store(self, container: str) -> NewStore:
        numbers = count()
        return lambda: connect("az", container, f"some where/{next(numbers)}")


class TestRegistryOnAzure(RegistryContract):
    slowness = 5

    @pytest.fixture
    def new_store(self, container: str) -> NewStore:
        numbers = count()
        return lambda: connect("az", container, f"registry/{next(numbers)}")


def test_the_newest_of_three_pages_is_found(container: str) -> None:
    store, start = connect("az", container), datetime(2021, 1, 1, tzinfo=UTC)
    for number in range(0, 11_000, 5):
        store.write(f"{DATASETS}/a_{start + timedelta(hours=number):%Y-%m-%dT%H-%M-%SZ}.csv", b"x")
    found = find_newest(store, f"{DATASETS}/a_", lambda name: dataset_timestamp("a", name), SettableClock(start))
    assert found.newest is not None
    assert found.newest.timestamp == start + timedelta(hours=10_995)


def test_what_is_not_there_and_what_is_refused(container: str, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = connect("az", "no-such-container")
    for operation in (
        lambda: nowhere.read("datasets/a"),
        lambda: nowhere.write("datasets/a", b""),
        lambda: nowhere.delete("datasets/a"),
        lambda: list(nowhere.list("datasets/")),
    ):
        with pytest.raises(StoreNotFound, match="az://no-such-container: there is no such bucket or container"):
            operation()
    with pytest.raises(ArtefactNotFound, match=f"az://{container}/p: datasets/a: not there"):
        connect("az", container, "p").read("datasets/a")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", base64.b64encode(b"another").decode())
    with pytest.raises(StoreDenied, match="access refused"):
        connect("az", container).read("datasets/a")
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", f"http://127.0.0.1:1/{ACCOUNT}")
    with pytest.raises(StoreUnavailable, match="check the network"):
        connect("az", container, attempts=1).read("datasets/a")


def test_the_command_line_works_on_it(container: str, tmp_path: Path) -> None:
    from tests.support.quick_task import csv

    (tmp_path / "orders.csv").write_bytes(csv())
    store = ["--store", f"az://{container}/dispatch"]
    done = _weighbridge(tmp_path, "datasets", "put", "orders.csv", "--at", "2021-07-03T23:05:32Z", *store)
    assert done.returncode == 0, done.stderr
    listed = json.loads(_weighbridge(tmp_path, "datasets", "list", "--json", *store).stdout)
    assert [one["key"] for one in listed] == ["datasets/time_to_dispatch_2021-07-03T23-05-32Z.csv"]


def _weighbridge(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    import sys

    code = "from weighbridge.entrypoints.cli.main import main; main()"
    command = [sys.executable, "-c", f"import sys; sys.argv[0] = 'weighbridge'; {code}", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code > 0
    except httpx.TransportError:
        return False


def test_the_object_tells_whose_it_is(container: str) -> None:
    connect("az", container).write("models/m", b"1")
    reply = AzureStore(container, client_options={"allow_http": True}).get("models/m", options={"head": True})
    assert reply.attributes["weighbridge_sha256"] == hashlib.sha256(b"1").hexdigest()
    assert len(reply.attributes["weighbridge_write"]) == 32
