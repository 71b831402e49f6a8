"""This machine: its clock, the memory of this process, its user, and the identity of the code that runs."""

import getpass
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from weighbridge.domain.system import Clock, MemoryMeter, RevisionSource

#: The libraries that shape a model or what is served of it.
_LIBRARIES = (
    "joblib",
    "lightgbm",
    "numpy",
    "onnx",
    "onnxruntime",
    "pandas",
    "scikit-learn",
    "scipy",
    "skl2onnx",
    "skops",
)


class SystemClock(Clock):
    """The clock of this machine."""

    def now(self) -> datetime:
        """The present in UTC."""
        return datetime.now(UTC)

    def seconds(self) -> float:
        """A monotonic count of seconds."""
        return time.monotonic()


class SystemMemory(MemoryMeter):
    """The memory of this process, as the operating system accounts for it."""

    def peak_bytes(self) -> int:
        """The peak of the resident set."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        # macOS reports bytes, Linux kibibytes.
        return peak if sys.platform == "darwin" else peak * 1024


def operator_name() -> str:
    """The name of the user who runs this process; ``unknown`` where the user id has none, as in a container."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


class SystemRevision(RevisionSource):
    """The revision of the code: the given one, else that of git, else ``unknown``.

    Args:
        given: the revision that the build of the image recorded; None or empty to ask git.
    """

    def __init__(self, given: str | None = None) -> None:
        self._given = given

    def revision(self) -> str:
        """The given revision, or the commit that is checked out and contains this file, or ``unknown``."""
        if self._given:
            return self._given
        here = Path(__file__)
        try:
            # To name this file too makes git fail in a repository that only happens to be around us.
            asked = subprocess.run(  # noqa: S603 - nothing of it comes from outside
                ["git", "rev-parse", "HEAD", f"HEAD:./{here.name}"],  # noqa: S607 - git is wherever it is
                cwd=here.parent,
                capture_output=True,
                text=True,
                timeout=5,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return "unknown"
        return asked.stdout.split()[0] if asked.returncode == 0 else "unknown"

    def libraries(self) -> dict[str, str]:
        """The versions that are installed; what is not installed is left out."""
        found = {"python": ".".join(str(part) for part in sys.version_info[:3])}
        for library in _LIBRARIES:
            try:
                found[library] = version(library)
            except PackageNotFoundError:
                continue
        return found
