"""Counting what a service does."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from weighbridge.domain.data.columns import Array, Encoded
    from weighbridge.domain.data.schema import Value
    from weighbridge.domain.registry.releases import Release
    from weighbridge.domain.serving.figures import Figures
    from weighbridge.domain.serving.service import LoadedModel


class Tally(Protocol):
    """Counts what is predicted of one table, in whatever thread."""

    @abstractmethod
    def add(self, predicted: Array | Encoded, outside: Mapping[str, int]) -> None:
        """Count predictions of shape [rows], and how many rows are outside of a feature's range in training."""


class ServingTelemetry(Protocol):
    """Counts what a service does. Called on every request: a call takes about a microsecond and never raises."""

    @abstractmethod
    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request to ``route`` (its template, not its path) was answered."""

    @abstractmethod
    def predicted(self, values: Sequence[Value]) -> None:
        """These predictions were given."""

    @abstractmethod
    def outside_training_range(self, features: Iterable[str]) -> None:
        """A row was predicted whose values of these features are outside their range in training."""

    @abstractmethod
    def tally(self) -> Tally:
        """A tally that has counted nothing yet."""

    @abstractmethod
    def count(self, tally: Tally) -> None:
        """What a tally of ``tally()`` has counted is part of what was predicted."""

    @abstractmethod
    def refreshed(self, problem: str | None) -> None:
        """The registry was looked at; ``problem`` says why the live release could not be followed."""

    @abstractmethod
    def log_lines_lost(self, lines: int) -> None:
        """So many more log lines were left out because they came faster than they could be written."""

    @abstractmethod
    def figures(self) -> Figures:
        """What was counted, of every process of the service, as plain numbers."""

    @abstractmethod
    def exposition(self, loaded: LoadedModel | None, accept: str) -> tuple[bytes, str]:
        """Everything counted, of every process of the service, and its media type.

        Args:
            loaded: the model that answers now.
            accept: the media types that the asker takes, as in the HTTP header.
        """


class ShadowTelemetry(Protocol):
    """Counts what a second model would have answered. Never raises. ``dropped`` is called by the thread that
    answers, everything else by one other thread.
    """

    @abstractmethod
    def shadowing(self, release: Release | None, problem: str | None) -> None:
        """This is the second model now, if there is one; ``problem`` says why there is not the one wanted."""

    @abstractmethod
    def differed(self, version: str, differences: Sequence[float]) -> None:
        """Rows were predicted by ``version``, so far from the answers: absolute, in the target's unit."""

    @abstractmethod
    def labelled(self, version: str, rows: int, otherwise: int) -> None:
        """So many rows were predicted by ``version``, and so many of them got another class than was answered."""

    @abstractmethod
    def failed(self, version: str, reason: str, rows: int) -> None:
        """``version`` has no prediction to compare for so many rows; ``reason`` is one of a few words."""

    @abstractmethod
    def dropped(self) -> None:
        """An answered row was not compared, because too many were waiting."""
