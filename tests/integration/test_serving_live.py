"""A service that is really running: through promotions, signals and the death of processes."""

import http.client
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from tests.support.events import EventQueue
from tests.support.quick_task import QUICK, copy, store_of_two, two_releases
from weighbridge.adapters.local.store import LocalStore
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.onnx.codec import OnnxCodec
from weighbridge.adapters.prometheus.shared_counters import SharedCounters, private_memory
from weighbridge.adapters.prometheus.telemetry import PrometheusTelemetry
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.adapters.system import SystemClock
from weighbridge.domain.registry.releases import ModelVersion
from weighbridge.domain.serving.events import ModelLoaded
from weighbridge.domain.serving.service import PredictionService
from weighbridge.entrypoints.service.server import listen, make_server
from weighbridge.entrypoints.settings import load_settings

CLOCK = SystemClock()
PATH = f"/api/v0.1/{QUICK.name}"
BODY = b'{"product_code": "SKU003", "orders_placed": 57}'
JSON = {"Content-Type": "application/json"}
COMMAND = str(Path(sys.executable).with_name("weighbridge"))
PROMOTIONS = 50
CLIENTS = 4


def loaded_version(events: EventQueue) -> str:
    """The version of the next event, which tells of nothing but a loaded model."""
    event = events.next()
    assert isinstance(event, ModelLoaded), str(event)
    return event.version


def answers_of(store: MemoryStore) -> dict[str, bytes]:
    """What each release answers to BODY."""
    registry = StoreRegistry(store, CLOCK)
    found = {}
    for release in two_releases():
        predictor = OnnxCodec().decode(registry.fetch(release), release.record.schema)
        value = predictor.predict_row(release.record.schema.admit_row(json.loads(BODY)))
        document = {"est_hours_to_dispatch": value, "model_version": release.version.qualified}
        found[str(release.version)] = json.dumps(document).encode()
    assert len(set(found.values())) == 2
    return found


def test_fifty_promotions_and_rollbacks_under_load() -> None:
    """Every answer is 200, by a version that was live while it was asked for, and what that version predicts."""
    store, events = store_of_two(), EventQueue()
    registry = StoreRegistry(store, CLOCK)
    service = PredictionService(QUICK.name, registry, [OnnxCodec()], CLOCK, events)
    service.load()
    live = loaded_version(events)
    expected = answers_of(store)
    telemetry = PrometheusTelemetry(SharedCounters(private_memory()), CLOCK)
    server = make_server(service, load_settings({"refresh_seconds": 0.005}), telemetry)
    listener = listen("127.0.0.1", 0)
    serving = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    serving.start()
    stop = threading.Event()
    seen: list[tuple[int, int, int, bytes]] = []
    answered: Queue[None] = Queue()

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", listener_port, timeout=120)
        while not stop.is_set():
            begun = time.monotonic_ns()
            connection.request("POST", PATH, BODY, JSON)
            response = connection.getresponse()
            content = response.read()
            seen.append((begun, time.monotonic_ns(), response.status, content))
            answered.put(None)
        connection.close()

    listener_port = listener.getsockname()[1]
    clients = [threading.Thread(target=client) for _ in range(CLIENTS)]
    # From when to when each version may have answered: from its promotion until its successor was loaded.
    spans: list[tuple[str, int, int]] = []
    promoted = 0
    try:
        for each in clients:
            each.start()
        versions = itertools.cycle(release.version for release in two_releases())
        for version in itertools.islice(versions, PROMOTIONS):
            at = time.monotonic_ns()
            registry.promote(version, "to and fro", "a test")
            loaded = loaded_version(events)
            assert loaded == str(version)
            spans.append((live, promoted, time.monotonic_ns()))
            live, promoted = loaded, at
            # Some answers before the next one; each fails by itself when they do not come.
            for _ in range(CLIENTS):
                answered.get(timeout=120)
    finally:
        stop.set()
        for each in clients:
            each.join(timeout=120)
        server.should_exit = True
        serving.join(timeout=120)
    spans.append((live, promoted, time.monotonic_ns()))
    assert len(seen) >= PROMOTIONS * CLIENTS
    for begun, ended, status, content in seen:
        assert status == 200
        possible = {version for version, start, end in spans if start <= ended and begun <= end}
        assert content in {expected[version] for version in possible}
    assert {content for *_, content in seen} == set(expected.values())


@contextmanager
def command(store: Path, *arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """``weighbridge serve`` as a process, once it listens; and its port."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WEIGHBRIDGE_")}
    process = subprocess.Popen(
        [COMMAND, "serve", "--store", str(store), "--port", "0", *arguments],
        env={**kept, **environment, "PYTHONPATH": str(Path(__file__).parents[2])},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            found = re.search(r"listening on http://127\.0\.0\.1:(\d+)", line)
            if found:
                break
        else:
            pytest.fail(f"the service ended with {process.wait()}")
        # What it says from here on must not fill the pipe.
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield process, int(found[1])
    finally:
        process.kill()
        process.wait()


def ask(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request(method, path, body, JSON)
    response = connection.getresponse()
    answer = response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    connection.close()
    return answer


def eventually(look: Callable[[], bool]) -> None:
    """Look until it is so; the clock only ends a test that has failed."""
    end = CLOCK.seconds() + 120
    while not look():
        assert CLOCK.seconds() < end


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy(store_of_two(), LocalStore(tmp_path, create=False))
    return tmp_path


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_process_that_is_told_to_stop_says_so_at_once_and_finishes_what_it_has(
    folder: Path, workers: str
) -> None:
    with command(folder, "--workers", workers, WEIGHBRIDGE_DRAIN_SECONDS="600") as (process, port):
        assert ask(port, "GET", "/readyz")[0] == 200
        workers_of(port, int(workers))
        half = socket.create_connection(("127.0.0.1", port), timeout=120)
        head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json"
        head += f"\r\nContent-Length: {len(BODY)}"
        half.sendall(f"{head}\r\n\r\n".encode() + BODY[:5])
        process.send_signal(signal.SIGTERM)
        # Each of them, or the next signal could come together with this one, and count as one.
        stopping: set[str] = set()

        def all_are_stopping() -> bool:
            status, headers, _ = ask(port, "GET", "/readyz")
            if status == 503:
                stopping.add(headers["x-request-id"].split("-")[0])
            return len(stopping) == int(workers)

        eventually(all_are_stopping)
        status, _, content = ask(port, "GET", "/readyz")
        if workers == "1":
            assert (status, json.loads(content)["status"]) == (503, "stopping")
        # Whoever has not heard of it yet is still answered.
        status, headers, _ = ask(port, "POST", PATH, BODY)
        assert (status, headers["connection"]) == (200, "close")
        assert ask(port, "GET", "/livez")[0] == 200
        process.send_signal(signal.SIGTERM)
        half.sendall(BODY[5:])
        assert half.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")
        half.close()
        assert process.wait(timeout=120) == 0
        with pytest.raises(OSError, match="refused"):
            ask(port, "GET", "/livez")


def workers_of(port: int, count: int) -> set[str]:
    """The processes that answer, by what is random in the ids that they make, once there are so many."""
    found: set[str] = set()
    eventually(
        lambda: found.add(ask(port, "GET", "/livez")[1]["x-request-id"].split("-")[0]) or len(found) >= count
    )  # type: ignore[func-returns-value]
    return found


def test_workers_answer_side_by_side_count_together_follow_promotions_and_are_replaced(folder: Path) -> None:
    first, second = two_releases()
    arguments = ("--workers", "2", "--refresh-seconds", "0.05")
    with command(folder, *arguments) as (process, port):
        workers = workers_of(port, 2)
        for _ in range(20):
            assert ask(port, "POST", PATH, BODY)[0] == 200
        name = f'weighbridge_http_requests_total{{method="POST",route="{PATH}",status="200"}} 20.0'
        for _ in range(4):
            assert name in ask(port, "GET", "/metrics")[2].decode()

        def live(version: ModelVersion) -> Callable[[], bool]:
            # Several times over: whichever process answers.
            return lambda: all(
                json.loads(ask(port, "POST", PATH, BODY)[2])["model_version"] == version.qualified
                for _ in range(8)
            )

        assert live(second.version)()
        StoreRegistry(LocalStore(folder, create=False), CLOCK).promote(first.version, "back", "a test")
        eventually(live(first.version))

        children = [
            int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        ]
        assert len(children) == 2
        os.kill(children[0], signal.SIGKILL)
        replaced: set[str] = set()
        eventually(lambda: bool(replaced.update(workers_of(port, 1)) or len(replaced - workers) == 1))  # type: ignore[func-returns-value]
        _, _, text = ask(port, "GET", "/metrics")
        assert b'weighbridge_events_total{event="worker_ended"} 1.0' in text
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=120) == 0


def test_workers_do_not_outlive_the_process_that_watches_over_them(folder: Path) -> None:
    with command(folder, "--workers", "2", WEIGHBRIDGE_DRAIN_SECONDS="0") as (process, port):
        workers_of(port, 2)
        process.kill()
        process.wait()

        def is_refused() -> bool:
            try:
                ask(port, "GET", "/livez")
            except OSError:
                return True
            return False

        eventually(is_refused)


def test_workers_without_a_release_end_as_one_process_does(tmp_path: Path) -> None:
    ended = [
        subprocess.run(
            [
                COMMAND,
                "serve",
                "--store",
                str(tmp_path),
                "--port",
                "0",
                *arguments,
            ],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        for arguments in ((), ("--workers", "2"))
    ]
    assert [each.returncode for each in ended] == [2, 2]
    said = [re.sub(r"^\S+ ", "", each.stderr) for each in ended]
    assert said[0] == said[1]
    assert "weighbridge train" in said[0]


def test_a_service_open_to_strangers_without_keys_warns() -> None:
    for keys, host, warns in (("", "0.0.0.0", True), ("a-key", "0.0.0.0", False), ("", "127.0.0.2", False)):
        listener = listen(host, 0)
        script = (
            "import socket; from weighbridge.entrypoints.service.server import announce\n"
            "from weighbridge.entrypoints.logs import configure_logs\n"
            f"configure_logs('text', 'info'); announce(socket.socket(fileno={listener.fileno()}), {bool(keys)})"
        )
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            pass_fds=[listener.fileno()],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert ("WEIGHBRIDGE_API_KEYS" in done.stderr) == warns
        listener.close()


def test_the_access_log_has_one_line_for_each_request(folder: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WEIGHBRIDGE_")}
    with subprocess.Popen(
        [COMMAND, "serve", "--store", str(folder), "--port", "0", "--log-format", "json"],
        env={
            **kept,
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "WEIGHBRIDGE_ACCESS_LOG": "true",
            "WEIGHBRIDGE_DRAIN_SECONDS": "0",
        },
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        port = 0
        for line in process.stderr:
            found = re.search(r"listening on http://127\.0\.0\.1:(\d+)", json.loads(line)["message"])
            if found:
                port = int(found[1])
                break
        ids = [
            ask(port, "POST", PATH, BODY)[1]["x-request-id"],
            ask(port, "GET", "/no%0Awhere")[1]["x-request-id"],
        ]
        process.send_signal(signal.SIGTERM)
        lines: list[dict[str, Any]] = [json.loads(line) for line in process.stderr]
    said = {line["request_id"]: line for line in lines if line.get("event") == "request"}
    assert list(said) == ids
    assert [(each["method"], each["path"], each["status"]) for each in said.values()] == [
        ("POST", PATH, 200),
        ("GET", "/no\nwhere", 404),
    ]
    assert process.returncode == 0


def test_every_address_of_either_family_is_listened_on() -> None:
    with listen("::", 0) as listener:
        port = listener.getsockname()[1]
        families = {info[0] for info in socket.getaddrinfo("localhost", port, type=socket.SOCK_STREAM)}
        addresses = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
        assert socket.AF_INET in families
        for family in families:
            with socket.create_connection((addresses[family], port), timeout=60):
                pass
