"""Rules about scores that are worse or better than they should be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from weighbridge.domain.data.schema import Number
from weighbridge.domain.errors import TaskError
from weighbridge.domain.evaluation.rules.rule import (
    RULE_ALPHA,
    Evidence,
    Finding,
    FindingLevel,
    LeveledRule,
    conclude,
    skipped,
)
from weighbridge.domain.statistics.drift import growth_p
from weighbridge.domain.statistics.score_error import check_metric, loss_of_score, measure_loss, summarise_errors
from weighbridge.domain.statistics.significance import binomial_p, normal_p

if TYPE_CHECKING:
    from weighbridge.domain.data.schema import Schema

#: The median absolute deviation of a normal distribution, as part of its standard deviation, inverted.
_MAD_TO_STD = 1.4826


@dataclass(frozen=True, slots=True)
class ConceptDrift(LeveledRule):
    """The live model does notably worse on the new test rows than its record says.

    The measure is how many times its loss has grown: for r2 the unexplained share, 1 - r2. It must be more than
    the sampling error of both scores, by bootstrap; and since a few rows of a heavy tail can make any score, the
    errors as a whole must have grown too, by a test that knows no tails (one-sided Smirnov).

    The candidate, on the same rows, tells what that means. When it does well, by its score or by its errors, the
    world has changed and it has learnt that: a warning at most, for it should be released. When it does badly
    too, the new data are damaged. A candidate that does badly where the live model does not is a bad candidate,
    and no matter of this rule.
    """

    metric: str = "r2"
    warning: float | None = 1.5
    error: float | None = 2.5
    alpha: float = RULE_ALPHA

    def __post_init__(self) -> None:
        LeveledRule.__post_init__(self)
        check_metric(self.metric)

    @property
    def name(self) -> str:
        """What is looked for."""
        return f"live model does worse on new data by {self.metric}"

    def validate(self, schema: Schema) -> None:
        """See that the metric is one of such a target."""
        _check_target(self.name, self.metric, schema)

    def inspect(self, evidence: Evidence) -> Finding:
        """Score the live model on the new test rows, within the sampling error of both scores."""
        live = evidence.live
        if live is None or live.predicted is None:
            return skipped(self.name, "no live model that can predict these rows")
        score = live.metrics.get(self.metric, math.nan)
        if not math.isfinite(score):
            return skipped(self.name, f"the live release's record has no {self.metric}")
        target = evidence.split.test.target
        recorded = loss_of_score(self.metric, score, live.test_rows)
        loss = measure_loss(self.metric, target, live.predicted)
        candidate = measure_loss(self.metric, target, evidence.predicted).value / recorded
        growth = loss.value / recorded
        error = loss.relative_error * math.sqrt(1 + len(target) / max(1, live.test_rows))
        chance = normal_p(math.log(growth) / error) if error > 0 else float(growth <= 1)
        learnt = self.grade(candidate) is FindingLevel.OK
        errors = summarise_errors(target, live.predicted)
        own = summarise_errors(target, evidence.predicted)
        if live.errors is not None and errors is not None and own is not None:
            chance = max(chance, growth_p(live.errors, errors))
            # The share that is left unexplained also grows when the target varies less.
            learnt = learnt or growth_p(live.errors, own) >= self.alpha
        level = self.grade(growth) if chance < self.alpha else FindingLevel.OK
        said = f"on the new test rows the live model's loss is {growth:.3g} times the recorded {recorded:.4g}"
        said += f", the candidate's {candidate:.3g} times"
        if level is not FindingLevel.OK and learnt:
            level = FindingLevel.OK if self.warning is None else FindingLevel.WARNING
            said += ": the target's relation to the features has changed, and the candidate has learnt it"
        elif level is not FindingLevel.OK:
            said += ": the new data are damaged, or can no longer be predicted"
        elif not learnt:
            said += ": the data are fine, the candidate is not"
        values = {"growth": growth, "candidate": candidate, "p_value": chance}
        return conclude(self.name, [(level, said)], said, values)


@dataclass(frozen=True, slots=True)
class TooGood(LeveledRule):
    """The candidate's score is too good to be true against those of earlier releases.

    The measure is how much of the loss that they typically leave (their median) is gone: 0.5 when it is halved.
    Chance is what the spread of the history (by its median absolute deviation) or the sampling error of the
    candidate's own score makes likely, whichever is more; for accuracy also the exact binomial chance of so few
    wrong rows at the median loss; and, when the live release's record keeps its errors,
    that they as a whole are no smaller now, whatever a few rows do to the score.
    """

    metric: str = "r2"
    warning: float | None = 0.5
    error: float | None = 0.8
    alpha: float = RULE_ALPHA
    least_history: int = 5

    def __post_init__(self) -> None:
        LeveledRule.__post_init__(self)
        check_metric(self.metric)
        if self.least_history < 1:
            raise TaskError(f"rule '{self.name}': least_history is {self.least_history}; it must be at least 1")

    @property
    def name(self) -> str:
        """What is looked for."""
        return f"{self.metric} too good to be true"

    def validate(self, schema: Schema) -> None:
        """See that the metric is one of such a target."""
        _check_target(self.name, self.metric, schema)

    def inspect(self, evidence: Evidence) -> Finding:
        """Compare with the history, when it is long enough."""
        scores = [metrics.get(self.metric, math.nan) for metrics in evidence.history]
        target = evidence.split.test.target
        rows = len(target)
        losses = [math.log(loss_of_score(self.metric, score, rows)) for score in scores if math.isfinite(score)]
        if len(losses) < self.least_history:
            return skipped(self.name, f"needs {self.least_history} earlier releases")
        middle = float(np.median(losses))
        spread = _MAD_TO_STD * float(np.median(np.abs(np.array(losses) - middle)))
        loss = measure_loss(self.metric, target, evidence.predicted)
        # The median of n has pi / 2 times the variance of their mean.
        error = max(spread, loss.relative_error) * math.sqrt(1 + math.pi / 2 / len(losses))
        gain = 1 - loss.value / math.exp(middle)
        chance = normal_p((middle - math.log(loss.value)) / error) if error > 0 else float(gain <= 0)
        if self.metric == "accuracy":
            # Exact: a bootstrap of rows without a wrong one knows no sampling error.
            wrong = int((np.asarray(target) != evidence.predicted).sum())
            chance = max(chance, binomial_p(wrong, rows, math.exp(middle)))
        errors = summarise_errors(target, evidence.predicted)
        if evidence.live is not None and evidence.live.errors is not None and errors is not None:
            chance = max(chance, growth_p(errors, evidence.live.errors))
        level = self.grade(gain) if chance < self.alpha else FindingLevel.OK
        said = f"the loss is {loss.value:.4g}; {len(losses)} earlier releases left {math.exp(middle):.4g}"
        return conclude(self.name, [(level, said)], said, {"gain": gain, "p_value": chance})


def _check_target(name: str, metric: str, schema: Schema) -> None:
    if isinstance(schema.target, Number) == (metric == "accuracy"):
        raise TaskError(f"rule '{name}': {metric} is no metric of the target '{schema.target.name}'")
