"""When a schedule is due, and what it makes of what it is given."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.domain.errors import ConfigurationError
from weighbridge.entrypoints.training.schedule import Cron, Every, schedule

FRIDAY_NIGHT = Cron("45 23 * * 5")
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("1s", timedelta(seconds=1)),
        ("30m", timedelta(minutes=30)),
        ("1h", timedelta(hours=1)),
        (" 2d ", timedelta(days=2)),
        ("52w", timedelta(weeks=52)),
        ("366d", timedelta(days=366)),
    ],
)
def test_a_period_is_a_number_and_a_unit(text: str, period: timedelta) -> None:
    assert schedule(text, None) == Every(period)


@pytest.mark.parametrize("text", ["", "h", "0h", "1", "1.5h", "-1h", "1y", "1h30m", "367d", "9999999s", "1 h"])
def test_what_is_no_period_is_told(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        schedule(text, None)
    assert str(caught.value) == (
        f"--every is '{text}'; give a whole number and s, m, h, d or w, at most a year, such as 30m or 1h"
    )


def test_no_schedule_is_none_and_two_are_too_many() -> None:
    assert schedule(None, None) is None
    assert schedule(None, "45 23 * * 5") == FRIDAY_NIGHT
    with pytest.raises(ConfigurationError, match="--every and --cron exclude each other; give one of them"):
        schedule("1h", "45 23 * * 5")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("every friday", "Wrong number of fields"),
        ("61 * * * *", "Bad minute"),
        ("0 0 31 2 *", "Bad day-of-month"),
    ],
)
def test_what_is_no_cron_expression_is_told(text: str, why: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        schedule(None, text)
    assert str(caught.value) == (
        f"--cron is '{text}': {why}; give minute, hour, day of month, month and day of week, in UTC, "
        "such as '45 23 * * 5'"
    )


def test_a_cron_expression_is_read_in_utc() -> None:
    wednesday = datetime(2021, 7, 7, 12, tzinfo=UTC)
    friday = datetime(2021, 7, 9, 23, 45, tzinfo=UTC)
    assert FRIDAY_NIGHT.first(wednesday) == friday
    assert FRIDAY_NIGHT.first(friday) == friday + timedelta(weeks=1)
    assert FRIDAY_NIGHT.after(friday, friday + timedelta(minutes=3)) == friday + timedelta(weeks=1)
    # Two that were slept through are not made up for.
    assert FRIDAY_NIGHT.after(friday, friday + timedelta(days=15)) == friday + timedelta(weeks=3)


@given(start=moments, seconds=st.integers(1, 10**6), late=st.lists(st.floats(0, 10**7), max_size=5))
def test_a_pace_is_kept_and_never_hurries(start: datetime, seconds: int, late: list[float]) -> None:
    every = Every(timedelta(seconds=seconds))
    due = every.first(start)
    assert due == start
    for lateness in late:
        now = due + timedelta(seconds=lateness)
        following = every.after(due, now)
        assert following >= now
        assert following == max(now, due + every.period)
        due = following
