"""Where fits are done: in this process, in several on this machine, or on a Dask cluster."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from domain.errors import ComputeUnavailable, ConfigurationError, TaskError

if TYPE_CHECKING:
    from distributed import Client

    from domain.task import TaskDefinition

#: How long to wait for a scheduler to answer, and for a cluster to have its first worker, in seconds.
CONNECT_SECONDS = 5

#: What can be a scheduler's address.
_ADDRESS = re.compile(r"(tcp|tls)://([\w.-]+|\[[0-9a-fA-F:.]+\]):\d{1,5}")

#: From what size on Dask warns of data in a task.
_LARGE_TASKS = "distributed.admin.large-graph-warning-threshold"

#: What decides the numbers that a fit gives: workers must have what this process has.
_DECISIVE = ("sklearn", "numpy", "scipy", "pandas")


@contextmanager
def parallel_fits(task: TaskDefinition, workers: int | None, dask: str | None) -> Iterator[None]:
    """While this is open, scikit-learn's fits are done where it says; scores are the same everywhere.

    A cluster's workers need the libraries that this process has, and nothing of Weighbridge. What the task's
    own module defines is sent along with the fits; whatever else that imports has to be there.

    Args:
        task: whose fits they will be.
        workers: how many processes of this machine; None or 1 for this process alone.
        dask: the address of a cluster's scheduler, such as ``tcp://scheduler:8786``; None for none. A worker
            that is lost is made up for by the others.

    Raises:
        ConfigurationError: both are given, the address is none, or the workers lack libraries that they need.
        ComputeUnavailable: the scheduler does not answer, or has no worker; or, out of what is done meanwhile,
            when processes or the cluster were lost.
        TaskError: out of what is done meanwhile: the task's code cannot be loaded by another process.
    """
    if workers is not None and dask is not None:
        raise ConfigurationError("--workers and --dask cannot go together: give one of them")
    if dask is not None:
        with _on_cluster(task, dask):
            yield
    elif workers is not None and workers > 1:
        with _in_processes(task, workers):
            yield
    else:
        yield


@contextmanager
def _in_processes(task: TaskDefinition, workers: int) -> Iterator[None]:
    from joblib import parallel_config
    from joblib.externals.loky.process_executor import BrokenProcessPool, TerminatedWorkerError

    try:
        with _sent_along(task), parallel_config(backend="loky", n_jobs=workers):
            yield
    except TerminatedWorkerError as error:
        raise ComputeUnavailable(
            f"one of the {workers} processes of the search was killed, most often for want of memory: "
            "run again, with fewer --workers or more memory"
        ) from error
    except BrokenProcessPool as error:
        cause = f": {error.__cause__}" if error.__cause__ is not None else ""
        raise TaskError(
            f"task '{task.name}': its code cannot be loaded by other processes, run without --workers{cause}"
        ) from error


@contextmanager
def _on_cluster(task: TaskDefinition, address: str) -> Iterator[None]:
    try:
        import distributed
    except ImportError as error:
        raise ConfigurationError(
            "--dask needs the extra 'dask': pip install 'weighbridge[dask]' (the package distributed)"
        ) from error
    from concurrent.futures import CancelledError

    from distributed.comm import CommClosedError
    from joblib import parallel_config

    with ExitStack() as stack:
        client = stack.enter_context(connected(address))
        try:
            stack.enter_context(_sent_along(task))
            stack.enter_context(parallel_config(backend="dask", client=client, n_jobs=-1))
            yield
        except ImportError as error:
            raise ConfigurationError(
                f"a worker of {address} lacks a library: {error}; install it there"
            ) from error
        except (CancelledError, CommClosedError, TimeoutError, distributed.KilledWorker) as error:
            raise ComputeUnavailable(
                f"the cluster {address} was lost in the middle of the search ({type(error).__name__}): run again"
            ) from error


@contextmanager
def connected(address: str) -> Iterator[Client]:
    """A client of the cluster whose scheduler is there, for as long as this is open.

    Raises:
        ConfigurationError: the address is none, or the workers lack libraries that they need.
        ComputeUnavailable: the scheduler does not answer, or has no worker.
    """
    import dask.config
    from distributed import Client

    class KeepingClient(Client):  # type: ignore[misc]
        """Hands data to the cluster as a task: joblib scatters it, and it would be lost with its worker."""

        async def scatter(self, data: Any, **_: Any) -> Any:
            return self.submit(lambda: data, pure=False)

    if not _ADDRESS.fullmatch(address):
        raise ConfigurationError(f"--dask {address!r} is not an address such as tcp://scheduler:8786")
    try:
        client = KeepingClient(address, timeout=CONNECT_SECONDS, set_as_default=False)
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


@contextmanager
def _sent_along(task: TaskDefinition) -> Iterator[None]:
    """Send what the task's module defines as it is: other processes need not find the module."""
    import cloudpickle

    module = sys.modules.get(getattr(task.estimator.pipeline, "__module__", None) or "")
    if module is None or module.__name__.partition(".")[0] == "domain":
        yield
        return
    cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        cloudpickle.unregister_pickle_by_value(module)
