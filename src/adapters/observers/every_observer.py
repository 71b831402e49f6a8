"""Showing answers to several observers."""

from weighbridge.domain.data.schema import Row
from weighbridge.domain.model.predictor import Answer
from weighbridge.domain.serving.decoded_model import DecodedModel
from weighbridge.domain.serving.observer import AnswerObserver


class EveryObserver(AnswerObserver):
    """Shows each answer to every one of ``observers``, in order."""

    def __init__(self, *observers: AnswerObserver) -> None:
        self._observers = observers

    def start(self) -> None:
        """Start them."""
        for observer in self._observers:
            observer.start()

    def observe(self, model: DecodedModel, row: Row, answer: Answer, request_id: str) -> None:
        """Show the answer to each of them."""
        for observer in self._observers:
            observer.observe(model, row, answer, request_id)

    def stop(self) -> None:
        """Stop them, the last one first."""
        for observer in reversed(self._observers):
            observer.stop()


def one_observer(*observers: AnswerObserver | None) -> AnswerObserver | None:
    """Those that there are, as one; None when there is none, so that answers are then shown to nobody."""
    there = [observer for observer in observers if observer is not None]
    if len(there) < 2:
        return there[0] if there else None
    return EveryObserver(*there)
