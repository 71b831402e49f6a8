"""Each target of ``make fuzz`` for a few inputs, and that a target that fails is told."""

from typing import Any

import pytest
from hypothesis import strategies as st

from tests.fuzz.run import fuzz
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_stands_a_few_inputs(name: str) -> None:
    target, inputs = TARGETS[name]
    assert fuzz(target, inputs, 25) >= 1


def test_an_input_that_fails_is_told() -> None:
    def fails(value: Any) -> None:
        assert value < 100

    with pytest.raises(AssertionError):
        fuzz(fails, st.integers(), 200)
