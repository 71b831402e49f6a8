"""Watching answers."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from weighbridge.domain.data.schema import Row
    from weighbridge.domain.model.predictor import Answer
    from weighbridge.domain.serving.decoded_model import DecodedModel


class AnswerObserver(Protocol):
    """Sees every row that was answered, and by what: for a shadow, for a log of predictions.

    A service has one or none. ``start`` and ``stop`` are called once each, in the process that answers.
    """

    @abstractmethod
    def start(self) -> None:
        """The first answer is about to be given: whatever is done on threads of its own may begin."""

    @abstractmethod
    def observe(self, model: DecodedModel, row: Row, answer: Answer, request_id: str) -> None:
        """``model`` answered an admitted row.

        Called for every answer, on the thread that answers: a call takes about a microsecond, never waits and
        never raises. Work is left to another thread, by a bounded queue whose losses are counted.

        Args:
            model: its ``release`` says the version and the schema.
            row: by feature; it belongs to nobody else and is never changed.
            answer: the number; for a category the label and its probabilities.
            request_id: as the answer carries it; the rows of one request have it in common.
        """

    @abstractmethod
    def stop(self) -> None:
        """The last answer was given: finish what is waiting within a few seconds, and end."""
