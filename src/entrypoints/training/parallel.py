"""Where fits are done: in this process, in several on this machine, or on a Dask cluster."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

from weighbridge.domain.errors import ComputeUnavailable, ConfigurationError, TaskError

if TYPE_CHECKING:
    from weighbridge.domain.training.task import TaskDefinition


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
            when processes, the scheduler or all workers were lost.
        TaskError: out of what is done meanwhile: the task's code cannot be loaded by another process.
    """
    if workers is not None and dask is not None:
        raise ConfigurationError("--workers and --dask cannot go together: give one of them")
    if dask is not None:
        try:
            from weighbridge.entrypoints.cluster import fits_on_cluster
        except ImportError as error:
            raise ConfigurationError(
                "--dask needs the extra 'dask': pip install 'weighbridge[dask]' (the package distributed)"
            ) from error
        with sent_along(task), fits_on_cluster(dask):
            yield
    elif workers is not None and workers > 1:
        with _in_processes(task, workers):
            yield
    else:
        yield


@contextmanager
def sent_along(task: TaskDefinition) -> Iterator[None]:
    """Send what the task's module defines as it is: other processes need not find the module."""
    import cloudpickle

    module = sys.modules.get(getattr(task.estimator.pipeline, "__module__", None) or "")
    if module is None or module.__name__.partition(".")[0] == "weighbridge":
        yield
        return
    cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        cloudpickle.unregister_pickle_by_value(module)


@contextmanager
def _in_processes(task: TaskDefinition, workers: int) -> Iterator[None]:
    from joblib import parallel_config
    from joblib.externals.loky.process_executor import BrokenProcessPool, TerminatedWorkerError

    try:
        with sent_along(task), parallel_config(backend="loky", n_jobs=workers):
            _start_deaf_to_interrupts(workers)
            yield
    except TerminatedWorkerError as error:
        raise ComputeUnavailable(
            f"one of the {workers} processes of the search was killed, most often for lack of memory: "
            "run again, with fewer --workers or more memory"
        ) from error
    except BrokenProcessPool as error:
        cause = f": {error.__cause__}" if error.__cause__ is not None else ""
        raise TaskError(
            f"task '{task.name}': its code cannot be loaded by other processes, run without --workers{cause}"
        ) from error


def _start_deaf_to_interrupts(workers: int) -> None:
    """Start joblib's processes so that Ctrl-C does not reach them: this process ends them.

    A terminal sends Ctrl-C to every process of the group, and one that is still importing would print a traceback.
    Blocked signals are inherited from the thread that starts a process. That thread is not this one, which has to
    hear of Ctrl-C meanwhile.
    """
    from multiprocessing import resource_tracker as of_python

    from joblib import Parallel, delayed
    from joblib.externals.loky.backend import resource_tracker as of_loky

    def start() -> None:
        # Whoever starts one of these has the signal unblocked by it; so they are started first.
        for tracker in (of_python, of_loky):
            tracker.ensure_running()
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        Parallel(n_jobs=workers, backend="loky")(delayed(int)() for _ in range(workers))

    thread = Thread(target=start, daemon=True)
    thread.start()
    thread.join()
