"""The commands as processes, on a bucket whose network fails: what they answer and how they end."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.integration.test_serving_live import BODY, COMMAND, PATH, ask, command, eventually
from tests.support.faultproxy import Fault, FaultProxy
from tests.support.faulty_servers import MIXED, Setting
from tests.support.quick_task import QUICK, copy, store_of_two, two_releases
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.adapters.s3.store import S3Store
from weighbridge.adapters.system import SystemClock
from weighbridge.domain.registry.releases import ModelVersion

#: Short enough for replies that never come, and long enough that a busy machine follows in the end.
SHORT = {
    "WEIGHBRIDGE_STORE_ATTEMPTS": "2",
    "WEIGHBRIDGE_STORE_TIMEOUT_SECONDS": "1",
    "WEIGHBRIDGE_STORE_DEADLINE_SECONDS": "2",
}


class Running(NamedTuple):
    """A service of a bucket behind the proxy, and the bucket itself."""

    port: int
    proxy: FaultProxy
    registry: StoreRegistry


@pytest.fixture
def folder(setting: Setting) -> tuple[str, S3Store]:
    """The address of a store of two releases, and that store without the proxy."""
    trial = setting.folder()
    copy(store_of_two(), trial.direct)
    return trial.direct.url, trial.direct


@pytest.fixture
def running(setting: Setting, folder: tuple[str, S3Store], aws_on_moto: dict[str, str]) -> Iterator[Running]:
    url, direct = folder
    environment = {**aws_on_moto, **SHORT, "AWS_ENDPOINT_URL_S3": setting.proxy.url}
    with command(url, "--wait", "--refresh-seconds", "0.05", **environment) as (_, port):
        eventually(lambda: ask(port, "GET", "/readyz")[0] == 200)
        yield Running(port, setting.proxy, StoreRegistry(direct, SystemClock()))


def metrics(port: int) -> dict[str, float]:
    lines = ask(port, "GET", "/metrics")[2].decode().splitlines()
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))
    }


def failures(found: dict[str, float]) -> float:
    return found.get('weighbridge_refreshes_total{outcome="failure"}', 0.0)


def answering(port: int) -> str:
    """The version that answers; there always is one."""
    status, _, content = ask(port, "POST", PATH, BODY)
    assert status == 200
    return str(json.loads(content)["model_version"])


def promote_the_other(running: Running) -> ModelVersion:
    """Promote, without the proxy, the release that is not live."""
    live = running.registry.live(QUICK.name).version
    (other,) = [release.version for release in two_releases() if release.version != live]
    running.registry.promote(other, "meanwhile", "a test")
    return other


def test_a_service_outlives_whatever_befalls_its_store_and_recovers_by_itself(running: Running) -> None:
    for seed, fault in enumerate(MIXED):
        under_a_fault(running, fault, seed)
    under_an_outage(running)


def under_a_fault(running: Running, fault: Fault, seed: int) -> None:
    """Each request of the service meets the fault, while another version is promoted."""
    before = answering(running.port)
    running.proxy.clear()
    running.proxy.mix(seed, 1.0, [fault])
    other = promote_the_other(running)
    running.proxy.wait_for_requests(3)
    assert answering(running.port) in (before, other.qualified)
    running.proxy.clear()
    running.proxy.cut()
    running.proxy.wait_for_requests(1)
    eventually(lambda: answering(running.port) == other.qualified)


def under_an_outage(running: Running) -> None:
    """Nobody listens where the store was, while another version is promoted."""
    before = answering(running.port)
    eventually(lambda: metrics(running.port)["weighbridge_refresh_failing"] == 0)
    begun = metrics(running.port)
    running.proxy.stop()
    other = promote_the_other(running)
    eventually(lambda: failures(metrics(running.port)) >= failures(begun) + 2)
    assert answering(running.port) == before
    status, _, content = ask(running.port, "GET", "/readyz")
    assert status == 200
    assert "check the network and AWS_ENDPOINT_URL_S3" in json.loads(content)["problem"]
    found = metrics(running.port)
    assert found["weighbridge_refresh_failing"] == 1
    retries = 'weighbridge_store_retries_total{operation="ListObjectsV2",reason="EndpointConnectionError"}'
    assert found[retries] > begun.get(retries, 0.0)

    running.proxy.clear()
    running.proxy.start_again()
    running.proxy.wait_for_requests(1)
    eventually(lambda: answering(running.port) == other.qualified)
    eventually(lambda: metrics(running.port)["weighbridge_refresh_failing"] == 0)
    assert json.loads(ask(running.port, "GET", "/readyz")[2])["problem"] is None


@pytest.mark.parametrize(
    ("arguments", "fault", "seconds", "says"),
    [
        (["train"], Fault.DRIPPED, "2", "no whole answer within 2 seconds"),
        (["serve", "--port", "0"], Fault.SLOW_DOWN, "60", "server error (SlowDown injected); try again"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_a_command_without_its_store_ends_with_75(
    setting: Setting,
    folder: tuple[str, S3Store],
    aws_on_moto: dict[str, str],
    arguments: list[str],
    fault: Fault,
    seconds: str,
    says: str,
) -> None:
    url, direct = folder
    before = [ref for kind in ("datasets", "models", "promotions") for ref in direct.list(f"{kind}/")]
    setting.proxy.mix(0, 1.0, [fault])
    started = time.monotonic()
    done = subprocess.run(
        [COMMAND, *arguments, "--store", url],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("WEIGHBRIDGE_")},
            **aws_on_moto,
            "WEIGHBRIDGE_STORE_DEADLINE_SECONDS": seconds,
            "WEIGHBRIDGE_STORE_ATTEMPTS": "2",
            "AWS_ENDPOINT_URL_S3": setting.proxy.url,
            "PYTHONPATH": str(Path(__file__).parents[2]),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    print(f"{arguments[0]} ended after {time.monotonic() - started:.1f} s")
    assert done.returncode == 75, done.stderr
    last = done.stderr.splitlines()[-1]
    assert says in last
    assert "try again" in last
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert [ref for kind in ("datasets", "models", "promotions") for ref in direct.list(f"{kind}/")] == before
