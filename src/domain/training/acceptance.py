"""Accepting a reason against a candidate for one training: by the name of what gives it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from weighbridge.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from weighbridge.domain.training.task import TaskDefinition


def check_accepted(names: Iterable[str], task: TaskDefinition) -> None:
    """See that each name is that of a rule, a check, a comparison or a threshold of the task.

    A threshold goes by its metric, one by slices by the metric of a level, such as ``accuracy[colour=red]``.

    Raises:
        ConfigurationError: one is not; the message lists those that there are.
    """
    known = [one.name for part in (task.rules, task.checks, task.comparisons) for one in part]
    known += [one.metric if one.slice is None else one.slice.name("...") for one in task.thresholds]
    stems = tuple(one.slice.name("")[:-1] for one in task.thresholds if one.slice is not None)
    for name in names:
        if name not in known and not (stems and name.startswith(stems)):
            there = ", ".join(map(repr, known))
            raise ConfigurationError(f"there is nothing to accept by the name {name!r}; there are {there}")
