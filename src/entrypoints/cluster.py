"""Fits on a Dask cluster, and the ways in which one can be lost."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

import dask.config
from distributed import Client, KilledWorker
from distributed.comm import CommClosedError
from joblib import parallel_config
from joblib._dask import DaskDistributedBackend

from weighbridge.domain.errors import ComputeUnavailable, ConfigurationError, TaskError

#: How long to wait for a scheduler to answer, and for a cluster to have its first worker, in seconds.
CONNECT_SECONDS = 5

#: What can be a scheduler's address.
_ADDRESS = re.compile(r"(tcp|tls)://([\w.-]+|\[[0-9a-fA-F:.]+\]):\d{1,5}")

#: From what size on Dask warns of data in a task.
_LARGE_TASKS = "distributed.admin.large-graph-warning-threshold"

#: What decides the result of a fit: workers must have the versions that this process has.
_DECISIVE = ("sklearn", "numpy", "scipy", "pandas")

#: How long a search waits for a worker when there is none any more, in seconds, and how often it looks.
PATIENCE_SECONDS = 60
_LOOK_SECONDS = 1.0

#: How Dask's complaint about a task begins which the other side cannot unpickle.
_UNREADABLE = "Error during deserialization of the task graph"


@contextmanager
def fits_on_cluster(address: str, patience: float = PATIENCE_SECONDS) -> Iterator[None]:
    """While this is open, scikit-learn's fits are done by the workers of a cluster.

    Args:
        address: of the scheduler, such as ``tcp://scheduler:8786``.
        patience: how long to wait, in seconds, for a worker to come back when there is none any more.

    Raises:
        ConfigurationError, ComputeUnavailable, TaskError: see ``parallel.parallel_fits``.
    """
    with connected(address) as client:
        try:
            with parallel_config(backend=_Backend(client, address, patience), n_jobs=-1):
                yield
        except ImportError as error:
            raise ConfigurationError(
                f"a worker of {address} lacks a library: {error}; install it there"
            ) from error
        except (CancelledError, CommClosedError, TimeoutError, KilledWorker) as error:
            raise ComputeUnavailable(
                f"the cluster {address} was lost in the middle of the search ({type(error).__name__}): run again"
            ) from error
        except RuntimeError as error:
            if not str(error).startswith(_UNREADABLE):
                raise
            raise TaskError(
                f"the task's code cannot be loaded by the workers of {address}: {error.__cause__}"
            ) from error


@dataclass(frozen=True, slots=True)
class _Failure:
    """What stands in the place of a result that will never come."""

    error: BaseException


class _Backend(DaskDistributedBackend):  # type: ignore[misc]
    """joblib's, which waits for ever for fits that the cluster gave up, and for a cluster that is gone."""

    def __init__(self, client: Client, address: str, patience: float) -> None:
        super().__init__(client=client)
        self._address, self._patience = address, patience
        self._over = Event()

    def effective_n_jobs(self, n_jobs: int) -> int:
        # What has one place only, joblib would do in this process.
        return max(2, int(super().effective_n_jobs(n_jobs)))

    def start_call(self) -> None:
        super().start_call()
        self._over = Event()
        Thread(target=self._watch, args=(self._over,), daemon=True).start()

    def stop_call(self) -> None:
        self._over.set()
        super().stop_call()

    async def _collect(self) -> None:
        while self._continue:
            async for future, result in self.waiting_futures:
                self._results.pop(future).set_result(result)
                callback: Callable[[object], None] = self._callbacks.pop(future)
                if future.status == "finished":
                    callback(result)
                elif future.status == "error":
                    callback(_Failure(result[1]))
                else:
                    callback(_Failure(CancelledError(future.status)))
            await asyncio.sleep(0.01)

    def retrieve_result_callback(self, out: Any) -> Any:
        if isinstance(out, _Failure):
            raise out.error
        return super().retrieve_result_callback(out)

    def _watch(self, over: Event) -> None:
        """Give the call up when the scheduler is lost, or for too long every worker."""
        seen = time.monotonic()
        while not over.wait(_LOOK_SECONDS):
            if self.client.status == "closed":
                self._give_up(f"the scheduler {self._address} was lost in the middle of the search: run again")
                return
            try:
                has_workers = bool(self.client.ncores())
            except (OSError, TimeoutError):
                continue  # the client tries to connect again, and closes itself if it cannot
            if has_workers:
                seen = time.monotonic()
            elif time.monotonic() - seen > self._patience:
                self._give_up(
                    f"the cluster {self._address} lost all its workers in the middle of the search, and none came "
                    f"back for {self._patience:g} seconds: see to them, and run again"
                )
                return

    def _give_up(self, why: str) -> None:
        for callback in list(self._callbacks.values()):
            callback(_Failure(ComputeUnavailable(why)))


class _KeepingClient(Client):  # type: ignore[misc]
    """Hands data to the cluster as a task: joblib scatters it, and it would be lost with its worker."""

    async def scatter(self, data: Any, **_: Any) -> Any:
        return self.submit(lambda: data, pure=False)


@contextmanager
def connected(address: str) -> Iterator[Client]:
    """A client of the cluster whose scheduler is there, for as long as this is open.

    Raises:
        ConfigurationError: the address is none, or the workers lack libraries that they need.
        ComputeUnavailable: the scheduler does not answer, or has no worker.
    """
    if not _ADDRESS.fullmatch(address):
        raise ConfigurationError(f"--dask {address!r} is not an address such as tcp://scheduler:8786")
    try:
        client = _KeepingClient(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except OSError as error:
        raise ComputeUnavailable(
            f"no Dask scheduler answers at {address} within {CONNECT_SECONDS} seconds: "
            "check the address and that it runs, and try again"
        ) from error
    with client, dask.config.set({_LARGE_TASKS: "1TB"}):
        try:
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError as error:
            raise ComputeUnavailable(f"the cluster {address} has no worker: start one, and try again") from error
        _check_versions(client, address)
        yield client


def _check_versions(client: Client, address: str) -> None:
    """Scores of another scikit-learn would stand in the record as those of this one.

    Raises:
        ConfigurationError: a worker has other versions of the decisive libraries, or lacks one.
    """
    versions = client.get_versions(packages=list(_DECISIVE))
    ours = versions["client"]["packages"]
    for worker, found in versions["workers"].items():
        for name in _DECISIVE:
            theirs = found["packages"].get(name)
            if theirs != ours[name]:
                raise ConfigurationError(
                    f"the worker {worker} of {address} has {name} {theirs or '(none)'}, this process has "
                    f"{ours[name]}: install the same there"
                )
