"""Sixteen writers at once: processes on a local folder, processes and threads on a bucket."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

import weighbridge.adapters.s3.store
from tests.integration.conftest import shared_client
from tests.support.clocks import START, SettableClock
from tests.support.registry_contract import TASK, make_record, version_of
from weighbridge.adapters.local.store import LocalStore
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.adapters.s3.store import S3Store
from weighbridge.adapters.system import SystemClock
from weighbridge.domain.errors import ArtefactExists, NothingReleased
from weighbridge.domain.registry.provenance import Record
from weighbridge.domain.store.artefact_store import ArtefactStore

SOURCE = Path(weighbridge.adapters.s3.store.__file__).parents[2]
WRITERS = 16
KEYS = [f"promotions/{number}" for number in range(6)]

#: A process that waits for a line, and then does as its arguments say; the modules that it needs are few.
CHILD = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from weighbridge.domain.errors import ArtefactExists

place, job, first, threads, given = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
if place.startswith("s3://"):
    from weighbridge.adapters.s3.store import connect
    store = connect(place.removeprefix("s3://"))
else:
    from weighbridge.adapters.local.store import LocalStore
    store = LocalStore(Path(place))

def write(writer):
    won = []
    for key in json.loads(given):
        try:
            store.write(key, f"{writer}".encode() * 10_000)
            won.append(key)
        except ArtefactExists:
            pass
    return won

def release(writer):
    from weighbridge.adapters.registry import StoreRegistry
    from weighbridge.adapters.system import SystemClock
    from weighbridge.domain.registry.provenance import Record
    from weighbridge.domain.registry.releases import ModelVersion
    registry = StoreRegistry(store, SystemClock())
    document, same = json.loads(Path(given).read_text())[writer], []
    for text in document:
        record = Record.from_dict(json.loads(text))
        version = ModelVersion.parse(record.task, record.version)
        try:
            registry.publish(f"{record.training.seed}".encode(), record)
            same.append(str(version))
        except ArtefactExists:
            pass
        registry.promote(version, f"by {writer}", "a race")
    return same

if job == "release":
    import weighbridge.adapters.registry, weighbridge.adapters.system
pool = ThreadPoolExecutor(threads)
print("ready", flush=True)
sys.stdin.readline()
print(json.dumps(list(pool.map({"write": write, "release": release}[job], range(first, first + threads)))))
"""


def race(place: str, job: str, given: str, processes: int, environment: dict[str, str] | None = None) -> list[Any]:
    """What each of the writers, spread over so many processes, has to say."""
    threads = WRITERS // processes
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, place, job, str(number * threads), str(threads), given],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {}), "PYTHONPATH": str(SOURCE)},
        )
        for number in range(processes)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    said = [json.loads(child.communicate()[0]) for child in children]
    return [each for of_one in said for each in of_one]


def check_winners(store: ArtefactStore, won: list[list[str]]) -> None:
    """Each key has exactly one winner, and holds all of what that one wrote."""
    assert sorted(key for keys in won for key in keys) == KEYS
    for writer, keys in enumerate(won):
        for key in keys:
            assert store.read(key).data == f"{writer}".encode() * 10_000
    assert [ref.key for ref in store.list("promotions/")] == KEYS


def test_of_sixteen_processes_one_wins_each_key_of_a_folder(tmp_path: Path) -> None:
    won = race(str(tmp_path), "write", json.dumps(KEYS), processes=WRITERS)
    check_winners(LocalStore(tmp_path), won)
    assert not list(tmp_path.rglob(".*"))


def test_of_sixteen_writers_in_four_processes_one_wins_each_key_of_a_bucket(
    aws: dict[str, str], bucket: str
) -> None:
    won = race(f"s3://{bucket}", "write", json.dumps(KEYS), processes=4, environment=aws)
    check_winners(S3Store(shared_client(), bucket), won)


def records() -> list[list[Record]]:
    """For each writer two records: one of its own, and one that it shares with all others."""
    shared = make_record(b"42", START)
    return [[make_record(b"42", START - timedelta(days=writer + 1)), shared] for writer in range(WRITERS)]


def test_sixteen_writers_in_eight_processes_release_at_once(tmp_path: Path) -> None:
    given = tmp_path / "records.json"
    given.write_text(json.dumps([[record.to_json().decode() for record in both] for both in records()]))
    (tmp_path / "store").mkdir()
    store = LocalStore(tmp_path / "store")
    with ThreadPoolExecutor(1) as pool:
        racing = pool.submit(race, str(tmp_path / "store"), "release", str(given), WRITERS // 2)
        while not racing.done():
            check_live(store)
        check_registry(store, racing.result())


@pytest.fixture(params=["memory", "s3"])
def store(request: pytest.FixtureRequest) -> Iterator[ArtefactStore]:
    if request.param == "memory":
        yield MemoryStore(SettableClock())
    else:
        bucket = request.getfixturevalue("bucket")
        yield S3Store(shared_client(), bucket)


def test_sixteen_threads_release_at_once(store: ArtefactStore) -> None:
    barrier, given = Barrier(WRITERS), records()

    def release(writer: int) -> list[str]:
        registry, published = StoreRegistry(store, SystemClock()), []
        barrier.wait()
        for record in given[writer]:
            try:
                registry.publish(b"42", record)
                published.append(record.version)
            except ArtefactExists:
                pass
            registry.promote(version_of(record), f"by {writer}", "a race")
            check_live(store)
        return published

    with ThreadPoolExecutor(WRITERS) as pool:
        check_registry(store, list(pool.map(release, range(WRITERS))))


def check_live(store: ArtefactStore) -> None:
    """Whatever is live at this moment is whole."""
    registry = StoreRegistry(store, SystemClock())
    try:
        live = registry.live(TASK)
    except NothingReleased:
        return
    assert registry.fetch(registry.read(live.version)) == b"42"


def check_registry(store: ArtefactStore, published: Sequence[list[str]]) -> None:
    """Every release was published by exactly one writer; promotions have one order, the same for all readers."""
    given = records()
    registry = StoreRegistry(store, SystemClock())
    versions = sorted({version_of(record) for both in given for record in both}, reverse=True)
    assert sorted((version for each in published for version in each), reverse=True) == [
        str(version) for version in versions
    ]
    assert [release.version for release in registry.releases(TASK)] == versions
    for writer, each in enumerate(published):
        assert each[0] == given[writer][0].version

    promotions = list(registry.promotions(TASK))[::-1]
    # No two writers have the same number, so the order is total; each writer's second one is after its first.
    assert [promotion.number for promotion in promotions] == list(range(1, 2 * WRITERS + 1))
    for _, own in groupby(sorted(promotions, key=lambda promotion: promotion.reason), lambda each: each.reason):
        _, second = sorted(own, key=lambda promotion: promotion.number)
        assert second.version == versions[0]
    with ThreadPoolExecutor(4) as pool:
        seen = pool.map(lambda _: StoreRegistry(store, SystemClock()).live(TASK), range(8))
        assert set(seen) == {promotions[-1]}
