"""Watching a search."""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol


class SearchProgress(Protocol):
    """Watches a search go on."""

    @abstractmethod
    def start(self, total: int) -> None:
        """The search will make ``total`` steps."""

    @abstractmethod
    def advance(self, steps: int, best: float | None) -> None:
        """``steps`` more are done; ``best`` is the best score so far, where it is known."""

    @abstractmethod
    def finish(self) -> None:
        """The search is over, well or not."""
