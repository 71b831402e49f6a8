"""The account of a run's phases, by a clock and a meter that the test sets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clocks import SettableClock, SettableMemory
from weighbridge.domain.errors import UnknownVersion
from weighbridge.domain.training.phases import Phases


@given(
    st.lists(
        st.tuples(st.sampled_from(["read", "search", "weigh"]), st.integers(0, 10**6), st.integers(0, 2**40)),
        max_size=6,
    )
)
def test_phases_are_told_in_order_with_their_seconds_and_the_peak_at_their_end(
    done: list[tuple[str, int, int]],
) -> None:
    clock, memory = SettableClock(), SettableMemory()
    phases = Phases(clock, memory)
    for name, milliseconds, peak in done:
        clock.advance(7)
        memory.peak = -1
        with phases(name):
            clock.advance(milliseconds / 1000)
            memory.peak = peak
    assert phases.to_list() == [
        {"name": name, "seconds": milliseconds / 1000, "peak_bytes": peak} for name, milliseconds, peak in done
    ]
    for names in ((), ("read",), ("weigh", "search"), ("other",)):
        expected = sum(milliseconds for name, milliseconds, _ in done if name in names) / 1000
        assert phases.seconds(*names) == pytest.approx(expected, abs=1e-6)


def test_seconds_are_written_to_the_millisecond() -> None:
    clock = SettableClock()
    phases = Phases(clock, SettableMemory(5))
    with phases("read"):
        clock.advance(1.23456)
    assert phases.to_list() == [{"name": "read", "seconds": 1.235, "peak_bytes": 5}]
    assert phases.seconds("read") == pytest.approx(1.23456)


def test_a_phase_that_fails_is_not_counted_and_its_error_passes() -> None:
    clock = SettableClock()
    phases = Phases(clock, SettableMemory())
    with pytest.raises(UnknownVersion, match="a failure"), phases("search"):
        raise UnknownVersion("a failure")
    with phases("weigh"):
        clock.advance(1)
    assert [phase["name"] for phase in phases.to_list()] == ["weigh"]
    assert phases.seconds("search", "weigh") == 1.0


def test_a_phase_within_another_ends_first_and_both_are_counted() -> None:
    clock = SettableClock()
    phases = Phases(clock, SettableMemory())
    with phases("outer"):
        clock.advance(1)
        with phases("inner"):
            clock.advance(2)
    assert [(phase["name"], phase["seconds"]) for phase in phases.to_list()] == [("inner", 2.0), ("outer", 3.0)]


def test_nothing_done_is_nothing_told() -> None:
    phases = Phases(SettableClock(), SettableMemory())
    assert (phases.to_list(), phases.seconds("read")) == ([], 0)
