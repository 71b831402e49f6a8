"""How a service ends, and how it goes on when its surroundings stop: a stalled log, a stopped worker, a drain."""

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.test_serving_live import BODY, JSON, PATH, ask, eventually, folder  # noqa: F401
from tests.support.http_service import CLOCK, service_of_two
from tests.support.quick_task import two_releases
from weighbridge.adapters.local.store import LocalStore
from weighbridge.adapters.prometheus.shared_counters import SharedCounters, private_memory
from weighbridge.adapters.prometheus.telemetry import PrometheusTelemetry
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.entrypoints.service.server import listen, make_server
from weighbridge.entrypoints.settings import load_settings

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "weighbridge", "serve"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "WEIGHBRIDGE_DRAIN_SECONDS": "0"}


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@contextmanager
def serving(
    store: Path, stderr: int, *arguments: str, **environment: str
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A service whose stderr is this file, once it answers; and its port."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "weighbridge",
        "serve",
        "--store",
        str(store),
        "--port",
        str(port),
        *arguments,
    ]
    process = subprocess.Popen(
        command, stderr=stderr, stdout=subprocess.DEVNULL, env={**ENVIRONMENT, **environment}, cwd=ROOT
    )

    def answers() -> bool:
        try:
            return ask(port, "GET", "/livez")[0] == 200
        except OSError:
            assert process.poll() is None
            return False

    try:
        eventually(answers)
        yield process, port
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_log_that_nobody_reads_stops_neither_answers_nor_promotions_nor_the_end(
    folder: Path,  # noqa: F811
    workers: str,
) -> None:
    reader, writer = os.pipe()
    arguments = ("--workers", workers, "--refresh-seconds", "0.05", "--log-format", "json")
    try:
        with serving(folder, writer, *arguments, WEIGHBRIDGE_ACCESS_LOG="true") as (process, port):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            # Several times what a pipe holds.
            for _ in range(2000):
                connection.request("POST", PATH, BODY, JSON)
                response = connection.getresponse()
                assert (response.status, bool(response.read())) == (200, True)
            connection.close()
            for _ in range(50):
                with socket.create_connection(("127.0.0.1", port), timeout=60) as malformed:
                    malformed.sendall(b"no HTTP at all\r\n\r\n")
                    assert malformed.recv(65536).startswith(b"HTTP/1.1 400")
            registry = StoreRegistry(LocalStore(folder, create=False), CLOCK)
            for release in two_releases():
                registry.promote(release.version, "to and fro", "a test")
                wanted = release.version.qualified
                eventually(
                    lambda: all(
                        json.loads(ask(port, "POST", PATH, BODY)[2])["model_version"] == wanted  # noqa: B023
                        for _ in range(4)
                    )
                )
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 0
    finally:
        os.close(reader)
        os.close(writer)


def test_a_worker_that_is_stopped_is_replaced(folder: Path) -> None:  # noqa: F811
    with serving(folder, subprocess.DEVNULL, "--workers", "2", WEIGHBRIDGE_WORKER_SECONDS="3") as (process, port):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        eventually(lambda: len(children.read_text().split()) == 2)
        before = set(children.read_text().split())
        stopped = min(before)
        os.kill(int(stopped), signal.SIGSTOP)
        eventually(lambda: stopped not in children.read_text().split() and len(children.read_text().split()) == 2)
        # Whichever worker takes it.
        assert [ask(port, "POST", PATH, BODY)[0] for _ in range(8)] == [200] * 8
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=120) == 0


def test_connections_that_wait_to_be_accepted_are_answered_at_the_end() -> None:
    telemetry = PrometheusTelemetry(SharedCounters(private_memory()), CLOCK)
    server = make_server(service_of_two(), load_settings({"drain_seconds": 0}), telemetry)
    listener = listen("127.0.0.1", 0)
    address = listener.getsockname()
    request = (
        b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
        % (
            PATH.encode(),
            len(BODY),
            BODY,
        )
    )

    async def run() -> list[socket.socket]:
        server.config.load()
        server.lifespan = server.config.lifespan_class(server.config)
        await server.startup([listener])
        # The loop is not run meanwhile: nobody accepts them.
        clients = [socket.create_connection(address) for _ in range(20)]
        for client in clients[:-1]:
            client.sendall(request)
        server.handle_exit(signal.SIGTERM, None)
        await server.shutdown([listener])
        return clients

    *answered, silent = asyncio.run(run())
    for client in answered:
        client.settimeout(60)
        reply = b""
        while piece := client.recv(65536):
            reply += piece
        client.close()
        assert reply.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"est_hours_to_dispatch" in reply
    # One that has nothing to ask is closed.
    silent.settimeout(60)
    assert silent.recv(1) == b""
    silent.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_the_first_process_of_a_container_ends_when_it_is_told_to(tmp_path: Path) -> None:
    """It has no default handler for SIGTERM; here while it imports, long before it serves."""
    unshare = ["unshare", "--fork", "--pid", "--kill-child"]
    if subprocess.run([*unshare, "true"], check=False, capture_output=True).returncode:
        pytest.skip("processes cannot have a namespace of their own here")
    # The command line takes its time to import: what is imported first says that it has begun.
    (tmp_path / "typer.py").write_text(
        "import os, signal\nos.write(1, b'begun')\nwhile True:\n    signal.pause()\n"
    )
    process = subprocess.Popen(
        [*unshare, *COMMAND],
        env={**ENVIRONMENT, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        stdout=subprocess.PIPE,
        cwd=tmp_path,
    )
    assert process.stdout is not None
    assert process.stdout.read(5) == b"begun"
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(child), signal.SIGTERM)
    assert process.wait(timeout=60) == 143
    process.stdout.close()
