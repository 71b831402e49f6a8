"""When to train: every so often, or at the times of a cron expression."""

from __future__ import annotations

import re
from abc import abstractmethod
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from cronsim import CronSim, CronSimError

from weighbridge.domain.errors import ConfigurationError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LONGEST = timedelta(days=366)


class Schedule(Protocol):
    """Times that follow each other, all in UTC."""

    @abstractmethod
    def first(self, now: datetime) -> datetime:
        """The first time, not before ``now``."""

    @abstractmethod
    def after(self, last: datetime, now: datetime) -> datetime:
        """The time that follows ``last``; those that have passed by ``now`` are left out."""


@dataclass(frozen=True, slots=True)
class Every(Schedule):
    """At once, and then at a steady pace; a time that was slept through is made up for once."""

    period: timedelta

    def first(self, now: datetime) -> datetime:
        """Now."""
        return now

    def after(self, last: datetime, now: datetime) -> datetime:
        """One period later, or now when that has passed."""
        return max(last + self.period, now)


@dataclass(frozen=True, slots=True)
class Cron(Schedule):
    """At the times of a cron expression of five fields: minute, hour, day of month, month, day of week."""

    expression: str

    def first(self, now: datetime) -> datetime:
        """The next time after now."""
        return next(CronSim(self.expression, now))

    def after(self, last: datetime, now: datetime) -> datetime:
        """The next time that has not passed."""
        return next(CronSim(self.expression, max(last, now)))


def schedule(every: str | None, cron: str | None) -> Schedule | None:
    """The schedule that the options ``--every`` and ``--cron`` ask for; None when neither is given.

    Raises:
        ConfigurationError: both are given, or one is not what it has to be.
    """
    if every is not None and cron is not None:
        raise ConfigurationError("--every and --cron exclude each other; give one of them")
    if every is not None:
        return Every(_period(every))
    if cron is None:
        return None
    try:
        # A date that never comes, the 31st of February say, is found out by asking for the first one.
        next(CronSim(cron, datetime(2000, 1, 1)))
    except (CronSimError, StopIteration) as error:
        why = "it never comes" if isinstance(error, StopIteration) else str(error)
        raise ConfigurationError(
            f"--cron is '{cron}': {why}; give minute, hour, day of month, month and day of week, in UTC, "
            "such as '45 23 * * 5'"
        ) from error
    return Cron(cron)


def _period(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,6})([smhdw])", text.strip())
    if found is not None:
        period = timedelta(**{_UNITS[found[2]]: int(found[1])})
        if timedelta(0) < period <= _LONGEST:
            return period
    raise ConfigurationError(
        f"--every is '{text}'; give a whole number and s, m, h, d or w, at most a year, such as 30m or 1h"
    )
