"""A service on a real socket with a second model beside it, wired as ``serve --shadow`` wires it."""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.support.quick_task import QUICK, copy, store_of_two, two_releases
from weighbridge.adapters.observers.shadowing import Shadowing
from weighbridge.domain.errors import UnknownVersion
from weighbridge.entrypoints.container import Container, wire
from weighbridge.entrypoints.service.server import listen, make_server
from weighbridge.entrypoints.settings import load_settings

PATH = f"/api/v0.1/{QUICK.name}"


def wired(shadow: str) -> Container:
    container = wire(load_settings({"store": "memory://", "shadow": shadow, "refresh_seconds": 0.05}))
    copy(store_of_two(), container.store())
    return container


@contextmanager
def serving(container: Container) -> Iterator[httpx.Client]:
    service = container.service(QUICK.name)
    service.load()
    listener = listen("127.0.0.1", 0)
    server = make_server(service, container.settings(), container.telemetry(), container.observer(service))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with httpx.Client(base_url=address, timeout=120, trust_env=False) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(timeout=120)


def number(client: httpx.Client, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", client.get("/metrics").text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def wait_for(client: httpx.Client, name: str, value: float) -> None:
    end = time.monotonic() + 60
    while number(client, name) != value:
        assert time.monotonic() < end, client.get("/metrics").text
        time.sleep(0.02)


def test_every_way_to_an_answer_is_compared_and_the_shadow_ends_when_it_is_live() -> None:
    old, live = two_releases()
    container = wired(str(old.version))
    info = f'weighbridge_shadow_info{{format="onnx",task="{QUICK.name}",version="{old.version}"}}'
    rows = f'weighbridge_shadow_rows_total{{version="{old.version}"}}'
    row = {"product_code": "SKU001", "orders_placed": 10}
    with serving(container) as client:
        wait_for(client, info, 1)
        # At once on the connection, and through the application.
        for content_type in ("application/json", "application/json;charset=utf-8"):
            reply = client.post(PATH, content=json.dumps(row), headers={"Content-Type": content_type})
            assert reply.json()["model_version"] == live.version.qualified
        assert client.post(PATH, json={"product_code": "SKU001"}).status_code == 422
        wait_for(client, rows, 2)
        container.registry().promote(old.version, "it is better", "ann")
        wait_for(client, info, 0)
        assert client.post(PATH, json=row).json()["model_version"] == old.version.qualified
        assert number(client, rows) == 2
        assert number(client, "weighbridge_shadow_dropped_total") == 0


def test_nobody_shadows_unless_it_is_asked_for() -> None:
    container = wired("")
    assert container.observer(container.service(QUICK.name)) is None
    asked = wired("newest-unpromoted")
    assert isinstance(asked.observer(asked.service(QUICK.name)), Shadowing)
    wrong = wired("the-best-one")
    with pytest.raises(UnknownVersion, match="'the-best-one' is not a version"):
        wrong.observer(wrong.service(QUICK.name))
