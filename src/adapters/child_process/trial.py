"""Tries releases in a short-lived process with limits of time, memory and processors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from weighbridge.domain.errors import IncompatibleModel, ModelUnreadable
from weighbridge.domain.registry.trial import ReleaseTrial

if TYPE_CHECKING:
    from weighbridge.domain.registry.releases import Release

#: How long a trial may take, in seconds of the clock and of a processor.
SECONDS = 60.0
#: How much memory it may take, in bytes, imports included.
MEMORY = 2 << 30

_SOURCE = Path(__file__).parents[3]
_MODULE = "weighbridge.entrypoints.release_trial"
#: What the other process needs of the environment; secrets stay here.
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT", "TZ")
_ERRORS = {error.__name__: error for error in (IncompatibleModel, ModelUnreadable)}
_MOST_SAID = 10_000


class ChildProcessTrial(ReleaseTrial):
    """Runs another Python, which sets its own limits before it reads a byte of the model.

    Args:
        seconds: how long it may take.
        memory: how many bytes it may take.
    """

    def __init__(self, seconds: float = SECONDS, memory: int = MEMORY) -> None:
        self._seconds = seconds
        self._memory = memory

    def run(self, release: Release, data: bytes) -> None:
        """Send record and bytes through a private file, and wait; a crash or a limit is ModelUnreadable."""
        about = {"task": release.version.task, "version": str(release.version), "record": release.document}
        command = [sys.executable, "-P", "-m", _MODULE, str(self._seconds), str(self._memory)]
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
            given.write(json.dumps(about).encode() + b"\n" + data)
            given.seek(0)
            try:
                done = subprocess.run(  # noqa: S603 - nothing of it comes from outside
                    command,
                    stdin=given,
                    stdout=said,
                    stderr=subprocess.DEVNULL,
                    timeout=self._seconds,
                    check=False,
                    env=environment(),
                )
            except subprocess.TimeoutExpired as error:
                raise self._failed(release, f"took longer than {self._seconds:g} s") from error
            except OSError as error:
                raise self._failed(release, f"could not be started: {error}") from error
            said.seek(0)
            answer = said.read(_MOST_SAID).decode(errors="replace").strip().splitlines()
        if done.returncode < 0:
            raise self._failed(release, f"was ended by {_signal(-done.returncode)}")
        name, _, text = (answer or [""])[-1].partition(" ")
        if done.returncode == 0 and name == "ok":
            return
        if name in _ERRORS:
            raise _ERRORS[name](text)
        raise self._failed(release, text or f"ended with code {done.returncode}")

    def _failed(self, release: Release, what: str) -> ModelUnreadable:
        return ModelUnreadable(
            f"the model of {release.version} was tried in a process of its own, which {what}; "
            f"it is not loaded (limits: {self._seconds:g} s, {self._memory / (1 << 20):,.0f} MiB)"
        )


def environment() -> dict[str, str]:
    """What the other process gets of this one's environment: where Python finds itself, and no secret."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    paths = [str(_SOURCE), *filter(None, [os.environ.get("PYTHONPATH")])]
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**kept, **one, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
