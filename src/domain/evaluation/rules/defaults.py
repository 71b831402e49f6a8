"""The rules about data by default: what goes wrong with data in practice.

Nine of the rules test by sampling theory, each at ``RULE_ALPHA`` over all that it looks at; the others are
counts and shares that a resample of the same source does not reach. So on clean resamples fewer than one run in
a hundred raises anything. Every such rule also wants an effect of a certain size, for a huge dataset not to
raise trifles.
"""

from __future__ import annotations

from collections.abc import Iterable

from weighbridge.domain.evaluation.rules.distribution import KolmogorovSmirnov, PopulationStability, TargetChanged
from weighbridge.domain.evaluation.rules.leaks import (
    AssociationChanged,
    IdenticalRows,
    PredictedLabels,
    SingleFeatureLeak,
)
from weighbridge.domain.evaluation.rules.rows import (
    FewRows,
    FewRowsPerLevel,
    LevelsAgainstLive,
    LostColumns,
    RowsAgainstLive,
)
from weighbridge.domain.evaluation.rules.rule import Evidence, Finding, FindingLevel, LiveEvidence, Rule
from weighbridge.domain.evaluation.rules.scores import ConceptDrift, TooGood

__all__ = [
    "DEFAULT_RULES",
    "AssociationChanged",
    "ConceptDrift",
    "Evidence",
    "FewRows",
    "FewRowsPerLevel",
    "Finding",
    "FindingLevel",
    "IdenticalRows",
    "KolmogorovSmirnov",
    "LevelsAgainstLive",
    "LiveEvidence",
    "LostColumns",
    "PopulationStability",
    "PredictedLabels",
    "RowsAgainstLive",
    "Rule",
    "SingleFeatureLeak",
    "TargetChanged",
    "TooGood",
    "default_rules",
    "inspect_all",
]


def inspect_all(rules: Iterable[Rule], evidence: Evidence) -> tuple[Finding, ...]:
    """Apply every rule, even if others have failed; one that raises is a warning that says why."""
    return tuple(_inspect(rule, evidence) for rule in rules)


def default_rules(metric: str = "r2") -> tuple[Rule, ...]:
    """Every rule at its default levels, scores by ``metric`` (``accuracy`` for classes).

    Raises:
        TaskError: rules know no such metric.
    """
    return (
        SingleFeatureLeak(),
        AssociationChanged(),
        IdenticalRows(),
        PredictedLabels(),
        TargetChanged(),
        FewRows(),
        FewRowsPerLevel(),
        RowsAgainstLive(),
        LevelsAgainstLive(),
        LostColumns(),
        ConceptDrift(metric),
        TooGood(metric),
        PopulationStability(),
        KolmogorovSmirnov(),
    )


#: For a target that is a number.
DEFAULT_RULES: tuple[Rule, ...] = default_rules()


def _inspect(rule: Rule, evidence: Evidence) -> Finding:
    try:
        return rule.inspect(evidence)
    except (ValueError, TypeError, ArithmeticError, KeyError) as error:
        return Finding(rule.name, FindingLevel.WARNING, f"the rule failed: {error}")
