"""Predicting many files: one after the other, side by side on this machine, or on a Dask cluster."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from weighbridge.domain.errors import ComputeUnavailable, ConfigurationError
from weighbridge.entrypoints import exit_codes
from weighbridge.entrypoints.batch.file_prediction import FileJob, FileOutcome, try_file

if TYPE_CHECKING:
    from distributed import Client


def predict_files(jobs: Sequence[FileJob], workers: int | None, dask: str | None) -> Iterator[FileOutcome]:
    """Predict files, as they get done; one that fails keeps no other from being done.

    Args:
        jobs: the files.
        workers: how many processes of this machine; None or 1 for this process alone.
        dask: the address of a cluster's scheduler; None for none. Its workers need Weighbridge, and have to reach
            the files and the store by the same addresses.

    Raises:
        ConfigurationError: both are given, or the cluster's workers have no Weighbridge, or another.
        ComputeUnavailable: the cluster does not answer, or was lost.
    """
    if workers is not None and dask is not None:
        raise ConfigurationError("--workers and --dask cannot go together: give one of them")
    if dask is not None:
        yield from _on_cluster(jobs, dask)
    elif workers is not None and workers > 1 and len(jobs) > 1:
        yield from _in_processes(jobs, min(workers, len(jobs)))
    else:
        yield from map(try_file, jobs)


def worst_code(outcomes: Sequence[FileOutcome]) -> int:
    """The exit code for all files: a failure that needs a person goes before one that a retry may solve."""
    codes = {outcome.code for outcome in outcomes}
    order = (exit_codes.BUG, exit_codes.USAGE, exit_codes.BAD_DATA, exit_codes.TRY_AGAIN)
    return next((code for code in order if code in codes), exit_codes.OK)


def _in_processes(jobs: Sequence[FileJob], workers: int) -> Iterator[FileOutcome]:
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from concurrent.futures.process import BrokenProcessPool

    # Not forked: what is imported here has threads of its own.
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_end_when_told)
    try:
        asked = {pool.submit(try_file, job): job for job in jobs}
        for future in as_completed(asked):
            try:
                yield future.result()
            except BrokenProcessPool:
                job = asked[future]
                killed = (
                    "its process was killed, most often for lack of memory: run this again with fewer --workers"
                )
                yield FileOutcome(job.source, job.target, code=exit_codes.TRY_AGAIN, error=killed)
    except BaseException:
        # What they write has no name yet, and is removed when they end by an exception.
        for child in multiprocessing.active_children():
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _end_when_told() -> None:
    """Leave Ctrl-C, which reaches every process of a terminal, to the first one, and end by an exception."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def end(*_: object) -> NoReturn:
        raise SystemExit(exit_codes.INTERRUPTED)

    signal.signal(signal.SIGTERM, end)


def _on_cluster(jobs: Sequence[FileJob], address: str) -> Iterator[FileOutcome]:
    try:
        import distributed
    except ImportError as error:
        raise ConfigurationError(
            "--dask needs the extra 'dask': pip install 'weighbridge[dask]' (the package distributed)"
        ) from error
    from concurrent.futures import CancelledError

    from distributed.comm import CommClosedError

    from weighbridge.entrypoints.cluster import connected

    with connected(address) as client:
        _check_workers(client, address)
        try:
            asked = client.map(try_file, list(map(_from_anywhere, jobs)), pure=False)
            for future in distributed.as_completed(asked, loop=client.loop):
                yield future.result()
        except (CancelledError, CommClosedError, TimeoutError, distributed.KilledWorker) as error:
            raise ComputeUnavailable(
                f"the cluster {address} was lost during the work ({type(error).__name__}): run this again"
            ) from error


def _from_anywhere(job: FileJob) -> FileJob:
    """The same job for a process that runs in another folder."""
    settings = job.settings.model_copy(update={"store": _absolute(job.settings.store)})
    return replace(job, source=_absolute(job.source), target=_absolute(job.target), settings=settings)


def _absolute(address: str) -> str:
    return address if "://" in address else str(Path(address).absolute())


def _check_workers(client: Client, address: str) -> None:
    from importlib.metadata import version

    ours = version("weighbridge")
    for worker, theirs in client.run(version, "weighbridge", on_error="return").items():
        if theirs != ours:
            found = theirs if isinstance(theirs, str) else "none"
            raise ConfigurationError(
                f"the worker {worker} of {address} has Weighbridge {found}, this process has {ours}: "
                "install the same there"
            )
