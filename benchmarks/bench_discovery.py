"""What it costs to find the newest dataset, release and promotion: list requests, by number of objects.

One JSON line per lookup:

- ``server``: 100,000 keys of each kind in a bucket of moto's S3 server, over HTTP; the requests are those that
  the server saw.
- ``pager``: up to a million keys on a simulated store that counts its pages.

The objects lie over eight years, the last of them eight years ago or (for the pager) a second or three days ago,
in one spelling or in many. Run as ``python benchmarks/bench_discovery.py [server] [pager]``, all by default.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.clocks import SettableClock
from tests.unit.domain.store.test_discovery_cost import SPELLINGS, Pager, Steady, spread
from weighbridge.adapters.s3.store import connect
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.store.artefacts import DATASETS, MODELS, PROMOTIONS, dataset_timestamp, parse_timestamp
from weighbridge.domain.store.discovery import find_last, find_newest

NOW = datetime(2021, 7, 3, 23, 5, 32, tzinfo=UTC)
YEARS = timedelta(days=8 * 365)
ENDS = {
    "a second ago": NOW - timedelta(seconds=1),
    "three days ago": NOW - timedelta(days=3),
    "eight years ago": NOW - YEARS,
}
TASK = "time"

#: The requests that the newest of a million, eight years old, may cost.
MOST = 20


def steady(last: datetime, count: int, form: str) -> Steady:
    return Steady(last, count, YEARS / count, form)


def newest_dataset(store: ArtefactStore) -> str:
    found = find_newest(
        store, f"{DATASETS}/{TASK}_", lambda name: dataset_timestamp(TASK, name), SettableClock(NOW)
    )
    assert found.newest is not None
    return found.newest.ref.key


def last_record(kind: str) -> Callable[[ArtefactStore], str]:
    def look(store: ArtefactStore) -> str:
        found = find_last(store, f"{kind}/{TASK}_", lambda name: parse_timestamp(name[5:25]), SettableClock(NOW))
        assert found is not None
        return found.ref.key

    return look


def folders(
    count: int, ends: dict[str, datetime]
) -> Iterator[tuple[dict[str, str], Sequence[str], Callable[[ArtefactStore], str], str]]:
    """What a folder is, its keys, the lookup, and the right answer."""
    for newest, last in ends.items():
        keys: Sequence[str] = steady(last, count, f"{DATASETS}/{TASK}_{{}}.csv")
        yield {"of": "dataset", "newest": newest, "names": "one spelling"}, keys, newest_dataset, keys[-1]
        keys = sorted(set(spread(Random(0), last, count, YEARS, SPELLINGS)))
        moments = {key: dataset_timestamp(TASK, key.partition("/")[2]) for key in keys}
        right = max((moment, key) for key, moment in moments.items() if moment is not None)[1]
        yield {"of": "dataset", "newest": newest, "names": "eight spellings"}, keys, newest_dataset, right
        for kind, of in ((MODELS, "release"), (PROMOTIONS, "promotion")):
            keys = steady(last, count, f"{kind}/{TASK}_{{}}-0a1b2c3d.json")
            yield {"of": of, "newest": newest, "names": "one spelling"}, keys, last_record(kind), keys[-1]


def tell(
    what: dict[str, str], place: str, keys: Sequence[str], requests: int, started: float, correct: bool
) -> None:
    line = {"benchmark": "discovery", "store": place, **what, "objects": len(keys), "requests": requests}
    print(json.dumps(line | {"seconds": round(time.perf_counter() - started, 3), "correct": correct}), flush=True)
    if requests > MOST or not correct:
        sys.exit(f"more than {MOST} requests, or a wrong answer")


def bench_pager() -> None:
    for count in (1_000, 100_000, 1_000_000):
        for what, keys, look, right in folders(count, ENDS):
            store = Pager(keys)
            started = time.perf_counter()
            found = look(store)
            tell(what, "pager", keys, store.requests, started, found == right)


def bench_server() -> None:
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends

    from tests.integration.conftest import MotoServer

    server = MotoServer()
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_S3": server.url,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]

    def fill(bucket: str, keys: Iterable[str]) -> None:
        # Straight into moto: over HTTP it would take minutes. The lookups go over HTTP.
        backend.create_bucket(bucket, "us-east-1")
        for key in keys:
            backend.put_object(bucket, key, b"x")

    for number, (what, keys, look, right) in enumerate(folders(100_000, {"eight years ago": NOW - YEARS})):
        fill(f"bucket-{number}", keys)
        server.requests.clear()
        started = time.perf_counter()
        found = look(connect(f"bucket-{number}"))
        tell(what, "server", keys, len(server.requests), started, found == right)
        del backend.buckets[f"bucket-{number}"]
    server.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", nargs="*", choices=["server", "pager", []], default=[])
    which = parser.parse_args().which or ["server", "pager"]
    if "server" in which:
        bench_server()
    if "pager" in which:
        bench_pager()
