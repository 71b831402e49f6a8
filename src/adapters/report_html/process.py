"""Renders reports in a short-lived process: the memory that drawing takes, and its faults, stay there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from weighbridge.domain.errors import ReportFailure
from weighbridge.domain.report.renderer import ReportRenderer

if TYPE_CHECKING:
    from weighbridge.domain.report.shapes import Report

#: How long a report may take, in seconds.
TIMEOUT = 120.0

_SOURCE = Path(__file__).parents[3]


class HtmlReports(ReportRenderer):
    """Renders self-contained HTML in another Python.

    Args:
        python: the interpreter; this one when it is empty.
        timeout: how long it may take, in seconds.
    """

    def __init__(self, python: str = "", timeout: float = TIMEOUT) -> None:
        self._python = python or sys.executable
        self._timeout = timeout

    def render(self, report: Report) -> bytes:
        """Draw the report in another Python, within the time limit; whatever it does there stays there.

        Raises:
            ReportFailure: that process cannot be run, fails, or takes too long.
        """
        import msgspec

        paths = [str(_SOURCE), *filter(None, [os.environ.get("PYTHONPATH")])]
        try:
            # -P: what lies in the current folder is none of ours.
            done = subprocess.run(  # noqa: S603 - nothing of it comes from outside
                [self._python, "-P", "-m", "weighbridge.adapters.report_html"],
                input=msgspec.json.encode(report),
                capture_output=True,
                timeout=self._timeout,
                check=False,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "MPLBACKEND": "svg"},
            )
        except subprocess.TimeoutExpired as error:
            raise ReportFailure(f"drawing it took longer than {self._timeout:g} s") from error
        except (OSError, ValueError) as error:
            raise ReportFailure(f"the process that draws it could not be run: {error}") from error
        if done.returncode != 0:
            told = done.stderr.decode(errors="replace").strip().splitlines() or ["nothing was said"]
            raise ReportFailure(f"drawing it failed with code {done.returncode}: {told[-1]}")
        return done.stdout
