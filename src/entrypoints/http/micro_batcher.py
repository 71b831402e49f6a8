"""Predicting the rows of many requests by one call of the model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import TypeAlias

from weighbridge.domain.data.schema import Row
from weighbridge.domain.model.predictor import Answer

Predict: TypeAlias = Callable[[Sequence[Row]], Sequence[Answer]]

#: So many rows at most are predicted by one call.
MOST_ROWS = 1000


class MicroBatcher:
    """Collects rows while it cannot predict, and then predicts them together.

    Without an executor, rows are collected until the event loop has handled what arrived with them: requests that
    arrive together are predicted together, and none waits for another. With an executor, they are collected while
    the call before them runs.

    Args:
        predict: one prediction for each row.
        executor: where to call it; None for the event loop itself, when the call is short.
    """

    def __init__(self, predict: Predict, executor: Executor | None = None) -> None:
        self._predict = predict
        self._executor = executor
        self._waiting: list[tuple[Row, asyncio.Future[Answer]]] = []
        self._is_due = False

    def ask(self, row: Row) -> asyncio.Future[Answer]:
        """A future of the prediction for an admitted row; it fails as ``predict`` does."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((row, answer))
        if not self._is_due:
            self._is_due = True
            loop.call_soon(self._predict_batch, loop)
        return answer

    def _predict_batch(self, loop: asyncio.AbstractEventLoop) -> None:
        taken, self._waiting = self._waiting[:MOST_ROWS], self._waiting[MOST_ROWS:]
        rows = [row for row, _ in taken]
        if self._executor is None:
            # Rows that come while these are answered schedule the next batch.
            self._is_due = bool(self._waiting)
            if self._is_due:
                loop.call_soon(self._predict_batch, loop)
            try:
                values = self._predict(rows)
            except Exception as error:
                _fail(taken, error)
            else:
                _answer(taken, values)
            return

        def done(call: asyncio.Future[Sequence[Answer]]) -> None:
            error = call.exception()
            if error is None:
                _answer(taken, call.result())
            else:
                _fail(taken, error)
            self._is_due = bool(self._waiting)
            if self._is_due:
                self._predict_batch(loop)

        loop.run_in_executor(self._executor, self._predict, rows).add_done_callback(done)


def _answer(taken: Sequence[tuple[Row, asyncio.Future[Answer]]], values: Sequence[Answer]) -> None:
    for (_, answer), value in zip(taken, values, strict=True):
        # A request that was given up has cancelled its own.
        if not answer.done():
            answer.set_result(value)


def _fail(taken: Sequence[tuple[Row, asyncio.Future[Answer]]], error: BaseException) -> None:
    for _, answer in taken:
        if not answer.done():
            answer.set_exception(error)
