"""Rules about distributions that are not what they were: of the target, and of the features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighbridge.domain.evaluation.rules.rule import RULE_ALPHA, BaselineRule, Finding, conclude
from weighbridge.domain.statistics.column_summaries import NumberSummary
from weighbridge.domain.statistics.drift import ColumnDrift, compare_statistics, describe, distance, measure_of

if TYPE_CHECKING:
    from weighbridge.domain.statistics.column_summaries import ColumnSummary
    from weighbridge.domain.statistics.summaries import Statistics


@dataclass(frozen=True, slots=True)
class TargetChanged(BaselineRule):
    """The target is distributed otherwise than in the live release's data: another unit, other labels.

    Overall and among the rows of each level of each category. The measure is the Kolmogorov-Smirnov distance
    of numbers and the total variation of categories: 0.1 means that a tenth of the rows have moved past some
    value, or into another class.
    """

    name = "target changed"

    warning: float | None = 0.1
    error: float | None = 0.25
    alpha: float = RULE_ALPHA

    def compare(self, live: Statistics, now: Statistics) -> Finding:
        """Compare overall and level by level, at ``alpha`` over all comparisons."""
        pairs = _target_pairs(live, now)
        items = []
        distances = {where: distance(before, after) for where, (before, after) in pairs.items()}
        # The worst slice first.
        for where, found in sorted(distances.items(), key=lambda item: -item[1].value):
            before, after = pairs[where]
            apart = found.value if found.p_value * len(pairs) < self.alpha else 0.0
            said = f"{where} ({measure_of(before)} {found.value:.2f}{_ratio(before, after)})"
            said += f": before {describe(before)}; now {describe(after)}"
            items.append((self.grade(apart), said))
        values = {where: found.value for where, found in distances.items()}
        return conclude(self.name, items, "the target is distributed as it was", values)


@dataclass(frozen=True, slots=True)
class PopulationStability(BaselineRule):
    """A feature's population stability index against the live release's data; 0.1 and 0.25 are the convention."""

    name = "feature drift by population stability index"

    warning: float | None = 0.1
    error: float | None = 0.25
    alpha: float = RULE_ALPHA

    def compare(self, live: Statistics, now: Statistics) -> Finding:
        """Compare feature by feature, at ``alpha`` over all of them."""
        drifts = _feature_drifts(live, now)
        items = []
        for drift in drifts:
            index = drift.psi if drift.psi_p_value * len(drifts) < self.alpha else 0.0
            said = _say(drift, f"PSI {drift.psi:.2f}")
            items.append((self.grade(index), said))
        values = {drift.column: drift.psi for drift in drifts}
        return conclude(self.name, items, "no feature has drifted", values)


@dataclass(frozen=True, slots=True)
class KolmogorovSmirnov(BaselineRule):
    """A number feature's Kolmogorov-Smirnov distance from the live release's data."""

    name = "feature drift by Kolmogorov-Smirnov distance"

    warning: float | None = 0.1
    error: float | None = 0.25
    alpha: float = RULE_ALPHA

    def compare(self, live: Statistics, now: Statistics) -> Finding:
        """Compare feature by feature, at ``alpha`` over all of them."""
        drifts = [
            drift for drift in _feature_drifts(live, now) if isinstance(now.features[drift.column], NumberSummary)
        ]
        items = []
        for drift in drifts:
            found = drift.distance
            apart = found.value if found.p_value * len(drifts) < self.alpha else 0.0
            said = _say(drift, f"KS distance {found.value:.2f}")
            items.append((self.grade(apart), said))
        values = {drift.column: drift.distance.value for drift in drifts}
        return conclude(self.name, items, "no number feature has drifted", values)


def _feature_drifts(live: Statistics, now: Statistics) -> list[ColumnDrift]:
    return [drift for drift in compare_statistics(live, now) if drift.column in now.features]


def _say(drift: ColumnDrift, measure: str) -> str:
    return f"'{drift.column}' ({measure}): before {drift.before}; now {drift.now}"


def _target_pairs(live: Statistics, now: Statistics) -> Mapping[str, tuple[ColumnSummary, ColumnSummary]]:
    pairs = {f"'{now.target_name}'": (live.target, now.target)}
    for feature, levels in now.target_by_level.items():
        before = live.target_by_level.get(feature, {})
        pairs |= {
            f"'{now.target_name}' where {feature} is {level}": (before[level], after)
            for level, after in levels.items()
            if level in before
        }
    return {where: pair for where, pair in pairs.items() if type(pair[0]) is type(pair[1])}


def _ratio(before: ColumnSummary, now: ColumnSummary) -> str:
    if isinstance(before, NumberSummary) and isinstance(now, NumberSummary):
        earlier, later = before.quantile(0.5), now.quantile(0.5)
        if earlier and later:
            return f", the median is {later / earlier:.4g} times what it was"
    return ""
