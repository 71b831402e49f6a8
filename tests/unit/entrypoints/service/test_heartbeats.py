"""Processes that do not run are found, and none that does, however the looks are spaced."""

from hypothesis import given
from hypothesis import strategies as st

from weighbridge.entrypoints.service.heartbeats import Heartbeats

PAUSES = st.lists(st.floats(0.1, 10.0), min_size=1, max_size=60)


def found(pauses: list[float], beats: list[int], deadline: float = 30.0) -> list[int]:
    """The looks, by number, at which the one process is found stuck."""
    watched, now, at = Heartbeats(deadline), 0.0, []
    for look, (pause, beat) in enumerate(zip(pauses, beats, strict=True)):
        now += pause
        at += [look] if watched.stuck({7: beat}, now) else []
    return at


@given(PAUSES)
def test_one_that_counts_is_never_stuck(pauses: list[float]) -> None:
    assert found(pauses, [look + 1 for look in range(len(pauses))]) == []


@given(PAUSES)
def test_one_that_is_still_starting_is_never_stuck(pauses: list[float]) -> None:
    assert found(pauses, [0] * len(pauses)) == []


@given(PAUSES)
def test_one_that_stands_still_is_found_once_when_the_deadline_has_passed(pauses: list[float]) -> None:
    passed, expected = 0.0, []
    for look, pause in enumerate(pauses):
        passed += min(pause, 5.0) if look else 0.0
        if passed >= 30.0 and not expected:
            expected.append(look)
    assert found(pauses, [3] * len(pauses)) == expected


def test_a_machine_that_slept_is_no_reason() -> None:
    assert found([0.2, 3600.0, 0.2], [3, 3, 4]) == []


def test_another_process_in_its_place_starts_anew() -> None:
    watched = Heartbeats(1.0)
    assert [watched.stuck({7: 3}, now) for now in (0.0, 0.6, 1.2)] == [[], [], [7]]
    assert [watched.stuck({8: 0}, now) for now in (1.4, 9.0)] == [[], []]
    assert [watched.stuck({8: 1}, now) for now in (9.2, 9.9, 10.3)] == [[], [], [8]]
