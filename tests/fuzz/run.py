"""Fuzz every target in turn for ``FUZZ_SECONDS`` seconds in all (60 unless told otherwise)."""

import os
import time
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import BATCHES, TARGETS, service

#: Of each target in a turn.
_EXAMPLES = 50


def main() -> None:
    """Fuzz; a failure ends it with the smallest input that fails."""
    seconds = float(os.environ.get("FUZZ_SECONDS", "60"))
    end = time.monotonic() + seconds
    with service() as batch:
        targets = {**TARGETS, "batch": (batch, BATCHES)}
        tried = dict.fromkeys(targets, 0)
        while time.monotonic() < end:
            for name, (target, inputs) in targets.items():
                if time.monotonic() < end:
                    tried[name] += fuzz(target, inputs, _EXAMPLES)
    told = ", ".join(f"{name} {count:,}" for name, count in tried.items())
    print(f"nothing failed in {seconds:g} seconds; inputs: {told}")


def fuzz(target: Callable[[Any], None], inputs: st.SearchStrategy[Any], examples: int) -> int:
    """Try so many inputs; how many there were.

    Raises:
        Exception: what the target raised, for the smallest input that was found.
    """
    count = 0

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(inputs)
    def attempt(value: Any) -> None:
        nonlocal count
        count += 1
        target(value)

    attempt()
    return count


if __name__ == "__main__":
    main()
