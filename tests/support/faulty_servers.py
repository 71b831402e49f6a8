"""A bucket behind the proxy that injects faults, with time-outs that suit them; see the fixture ``setting``."""

import threading
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import count
from typing import Any, NamedTuple

import pytest

from tests.integration.conftest import shared_client
from tests.support.events import Recorder
from tests.support.faultproxy import Fault, FaultProxy
from weighbridge.adapters.s3.client import THREAD, open_client
from weighbridge.adapters.s3.store import S3Store

#: What a network does to replies, and what a client may meet in any mixture.
MIXED = [fault for fault in Fault if fault is not Fault.FLIPPED_UPLOAD]


#: Faults that only a time-out ends: a reply that does not come, or not to its end.
ENDLESS = {Fault.LOST_REPLY, Fault.DRIPPED}

#: Seconds that must be enough for anything but those, on the busiest machine; and few, for those.
PATIENT, IMPATIENT = 60.0, 0.3


@cache
def client_of(endpoint: str, attempts: int, read_timeout: float) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        return open_client(connect_timeout=PATIENT, read_timeout=read_timeout, attempts=attempts)


class Trial(NamedTuple):
    """A folder of the bucket, seen through the proxy and directly; and how many seconds the former waits."""

    store: S3Store
    direct: S3Store
    prefix: str
    seconds: float


class Setting:
    """A bucket behind the proxy. ``pauses`` are those that the stores made between attempts."""

    def __init__(self, proxy: FaultProxy, bucket: str) -> None:
        self.proxy, self.bucket = proxy, bucket
        self.pauses: list[float] = []
        self.retries = Recorder()
        self._folders = count()

    def folder(
        self,
        faults: Iterable[Fault] = (),
        attempts: int = 1,
        seconds: float | None = None,
        prefix: str | None = None,
    ) -> Trial:
        """A new folder, or one that is there, with time-outs that suit the faults."""
        endless = ENDLESS.intersection(faults)
        seconds = seconds or (IMPATIENT if endless else PATIENT)
        client = client_of(self.proxy.url, attempts, seconds if Fault.LOST_REPLY in endless else PATIENT)
        # Not less than all attempts take, where there may be several.
        deadline = seconds if endless == {Fault.DRIPPED} else 4 * seconds
        prefix = prefix or f"folder/{next(self._folders)}"
        store = S3Store(
            client,
            self.bucket,
            prefix,
            deadline=deadline,
            sleep=self.pauses.append,
            events=self.retries,
        )
        return Trial(store, S3Store(shared_client(1), self.bucket, prefix), prefix, seconds)

    def trials(self, fault: Fault, attempts: int = 1) -> Iterator[Trial]:
        """New folders, each with more patience: on a busy machine a time-out may come before the fault does."""
        for seconds in (IMPATIENT, 3.0, PATIENT) if fault in ENDLESS else (PATIENT,):
            self.clear()
            yield self.folder([fault], attempts, seconds)

    def settle(self) -> None:
        """Return when nothing is under way any more of what a store has given up on."""
        self.proxy.cut()
        for thread in threading.enumerate():
            if thread.name == THREAD:
                thread.join(PATIENT)
        self.proxy.settle()

    def clear(self) -> None:
        """No more faults, nothing under way."""
        self.settle()
        self.proxy.clear()


def is_too_busy(seconds: float, went_as_planned: bool) -> bool:
    """Whether the time-outs, which were short, may have come before the fault, or where there was none."""
    return seconds < PATIENT and not went_as_planned
