"""Rows that wait together are predicted together, wherever that happens."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from weighbridge.domain.data.schema import Row, Value
from weighbridge.entrypoints.http.micro_batcher import MOST_ROWS, MicroBatcher


class Predict:
    """Doubles numbers; notes what it was given at once, and where."""

    def __init__(self) -> None:
        self.calls: list[list[float]] = []
        self.threads: set[int] = set()
        self.begun = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, rows: Sequence[Row]) -> list[Value]:
        self.begun.set()
        self.gate.wait(30)
        self.threads.add(threading.get_ident())
        values = [float(row["x"]) for row in rows]
        self.calls.append(values)
        if -1.0 in values:
            raise ArithmeticError("no")
        return [2 * value for value in values]


def test_rows_of_one_turn_are_predicted_by_one_call() -> None:
    predict = Predict()

    async def run() -> list[Any]:
        batcher = MicroBatcher(predict)
        first = await asyncio.gather(*(batcher.ask({"x": float(x)}) for x in range(5)))
        second = await asyncio.gather(batcher.ask({"x": 7.0}), batcher.ask({"x": 8.0}))
        return [*first, *second]

    assert asyncio.run(run()) == [0, 2, 4, 6, 8, 14, 16]
    assert predict.calls == [[0, 1, 2, 3, 4], [7, 8]]
    assert predict.threads == {threading.get_ident()}


def test_no_more_rows_than_allowed_go_into_one_call() -> None:
    predict = Predict()

    async def run() -> list[Any]:
        batcher = MicroBatcher(predict)
        return list(await asyncio.gather(*(batcher.ask({"x": float(x)}) for x in range(MOST_ROWS + 1))))

    assert asyncio.run(run()) == [2.0 * x for x in range(MOST_ROWS + 1)]
    assert [len(call) for call in predict.calls] == [MOST_ROWS, 1]


def test_a_long_call_runs_elsewhere_and_what_comes_meanwhile_waits_for_the_next() -> None:
    predict = Predict()
    predict.gate.clear()

    async def run() -> list[Any]:
        with ThreadPoolExecutor(1) as pool:
            batcher = MicroBatcher(predict, pool)
            first = batcher.ask({"x": 1.0})
            while not predict.begun.is_set():
                await asyncio.sleep(0)
            rest = [batcher.ask({"x": float(x)}) for x in (2, 3)]
            given_up = batcher.ask({"x": 4.0})
            given_up.cancel()
            predict.gate.set()
            return [await first, *await asyncio.gather(*rest)]

    assert asyncio.run(run()) == [2, 4, 6]
    assert predict.calls == [[1], [2, 3, 4]]
    assert threading.get_ident() not in predict.threads


@pytest.mark.parametrize("is_long", [False, True])
def test_a_failure_reaches_everybody_who_waits_and_nobody_later(is_long: bool) -> None:
    predict = Predict()

    async def run() -> tuple[list[Any], Any]:
        with ThreadPoolExecutor(1) as pool:
            batcher = MicroBatcher(predict, pool if is_long else None)
            waiting = [batcher.ask({"x": float(x)}) for x in (1, -1)]
            failed = await asyncio.gather(*waiting, return_exceptions=True)
            return failed, await batcher.ask({"x": 3.0})

    failed, later = asyncio.run(run())
    assert [type(error) for error in failed] == [ArithmeticError] * 2
    assert later == 6
