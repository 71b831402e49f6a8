"""What a rule about data is: two levels, the evidence it looks at, and what it finds."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from weighbridge.domain.errors import TaskError

if TYPE_CHECKING:
    import numpy as np

    from weighbridge.domain.data.dataset import Dataset, Split
    from weighbridge.domain.data.schema import Schema
    from weighbridge.domain.evaluation.metrics import Metrics
    from weighbridge.domain.statistics.column_summaries import NumberSummary
    from weighbridge.domain.statistics.summaries import Statistics

#: The chance that a rule that tests by sampling theory raises anything on another sample of the same source.
#: Nine such rules together stay below one run in a hundred.
RULE_ALPHA = 0.001

#: How many columns or levels the words of a finding mention; its numbers have all of them.
MENTIONED = 3

#: Why a rule is skipped where no live release keeps statistics.
NO_BASELINE = "no baseline yet"


class FindingLevel(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found.

    Args:
        name: the rule's.
        level: how bad it is.
        detail: in words, whatever the level: the columns, what was expected and what is there.
        numbers: what the words rest on, finite.
    """

    name: str
    level: FindingLevel
    detail: str
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LiveEvidence:
    """What is known of the live release.

    Args:
        statistics: of the data that it was trained and evaluated on; None where its record keeps none.
        metrics: its recorded scores, on its own test rows.
        test_rows: how many those were.
        predicted: its predictions for the new test rows, of shape [rows]; None when they cannot be had.
        errors: the distribution of its absolute errors on its own test rows, as ``summarise_errors`` gave it;
            None where its record keeps none.
    """

    statistics: Statistics | None
    metrics: Metrics
    test_rows: int
    predicted: np.ndarray[Any, Any] | None
    errors: NumberSummary | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What rules look at.

    Args:
        dataset: the new data.
        split: of it.
        statistics: of ``dataset``.
        metrics: the candidate's, on the test rows.
        predicted: the candidate's predictions for the test rows, of shape [rows].
        live: the live release; None when there is none.
        history: the scores of earlier releases, in any order.
    """

    dataset: Dataset
    split: Split
    statistics: Statistics
    metrics: Metrics
    predicted: np.ndarray[Any, Any]
    live: LiveEvidence | None = None
    history: tuple[Metrics, ...] = ()

    @property
    def live_statistics(self) -> Statistics | None:
        """Those of the live release's data; None when there are none."""
        return None if self.live is None else self.live.statistics


class Rule(Protocol):
    """Something that goes wrong with data. Implementations are frozen dataclasses of plain values.

    Those that come with Weighbridge are ``LeveledRule``s; one of your own needs a name and ``inspect``.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """What is looked for, in a few words; unique within a task."""

    def validate(self, schema: Schema) -> None:  # noqa: ARG002
        """See that the rule fits the task. By default it fits every task.

        Raises:
            TaskError: it does not.
        """
        return

    @abstractmethod
    def inspect(self, evidence: Evidence) -> Finding:
        """Look at the evidence; without the live release or the history that it takes, the rule is skipped."""


class LeveledRule(Rule):
    """The base of the rules here: two levels and, for those that compare samples, the chance of a false alarm.

    Args:
        warning: a finding that reaches it is a warning; a finite number above 0, or None for off.
        error: a finding that reaches it is an error; a finite number above 0, or None for off.
        alpha: what could be chance, at this probability over all that the rule looks at, is not raised.
        is_shortage: whether a finding reaches a level from above: too little is what is bad.

    Raises:
        TaskError: a level or alpha is out of range, or the error level would be reached before the warning level.
    """

    warning: float | None
    error: float | None
    alpha: float = 0.5
    is_shortage: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for kind, level in (("warning", self.warning), ("error", self.error)):
            if level is not None and not (math.isfinite(level) and level > 0):
                raise TaskError(f"rule '{self.name}': the {kind} level {level!r} is not a finite number above 0")
        if self.warning is not None and self.error is not None:
            least, most = (self.error, self.warning) if self.is_shortage else (self.warning, self.error)
            if least > most:
                raise TaskError(
                    f"rule '{self.name}': the error level {self.error:g} would be reached before the warning "
                    f"level {self.warning:g}"
                )
        if not 0 < self.alpha < 1:
            raise TaskError(f"rule '{self.name}': alpha is {self.alpha!r}; it must be between 0 and 1")

    def grade(self, value: float) -> FindingLevel:
        """The level that ``value`` reaches, as the functions ``grade`` and ``grade_shortage`` have it."""
        return (grade_shortage if self.is_shortage else grade)(value, self.warning, self.error)


class BaselineRule(LeveledRule):
    """The base of the rules that compare the dataset with the one that the live release was trained on."""

    def inspect(self, evidence: Evidence) -> Finding:
        """Compare with the live release's data; skipped without them."""
        live = evidence.live_statistics
        return skipped(self.name, NO_BASELINE) if live is None else self.compare(live, evidence.statistics)

    @abstractmethod
    def compare(self, live: Statistics, now: Statistics) -> Finding:
        """What has changed from the live release's data to the new ones."""


def grade(value: float, warning: float | None, error: float | None) -> FindingLevel:
    """The level that ``value`` reaches; one that equals a level has reached it. NaN reaches none."""
    if error is not None and value >= error:
        return FindingLevel.ERROR
    if warning is not None and value >= warning:
        return FindingLevel.WARNING
    return FindingLevel.OK


def grade_shortage(value: float, warning: float | None, error: float | None) -> FindingLevel:
    """Like ``grade`` where too little is bad: a value that equals a level suffices."""
    if error is not None and value < error:
        return FindingLevel.ERROR
    if warning is not None and value < warning:
        return FindingLevel.WARNING
    return FindingLevel.OK


def conclude(
    name: str, items: Sequence[tuple[FindingLevel, str]], fine: str, numbers: Mapping[str, float]
) -> Finding:
    """One finding of several: as bad as the worst, in the words of the first MENTIONED that are not.

    Errors come first. ``fine`` are its words when all are ok.
    """
    by_level = sorted(items, key=lambda item: item[0] is not FindingLevel.ERROR)
    raised = [text for level, text in by_level if level is not FindingLevel.OK]
    raised = [*raised[:MENTIONED], *([f"{len(raised) - MENTIONED} more"] if len(raised) > MENTIONED else [])]
    levels = {level for level, _ in items}
    by_severity = (FindingLevel.ERROR, FindingLevel.WARNING)
    level = next((level for level in by_severity if level in levels), FindingLevel.OK)
    return Finding(name, level, "; ".join(raised) or fine, numbers)


def skipped(name: str, why: str) -> Finding:
    """The finding of a rule that cannot be applied to this evidence."""
    return Finding(name, FindingLevel.OK, f"skipped: {why}")
