"""Drawing reports."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from weighbridge.domain.report.shapes import Report


class ReportRenderer(Protocol):
    """Draws the report of an evaluation."""

    @abstractmethod
    def render(self, report: Report) -> bytes:
        """The report as one self-contained HTML file.

        Raises:
            ReportFailure: it cannot be drawn; the message says why.
        """
