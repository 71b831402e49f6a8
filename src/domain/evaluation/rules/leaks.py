"""Rules about features that know too much or too little, and rows that are on both sides of the split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from weighbridge.domain.evaluation.rules.rule import (
    RULE_ALPHA,
    BaselineRule,
    Evidence,
    Finding,
    FindingLevel,
    LeveledRule,
    conclude,
    skipped,
)
from weighbridge.domain.statistics.association import association_error
from weighbridge.domain.statistics.column_summaries import CategorySummary, NumberSummary
from weighbridge.domain.statistics.significance import binomial_p, normal_p
from weighbridge.domain.statistics.summaries import Statistics

if TYPE_CHECKING:
    import pandas as pd


#: Rows below which one feature may order the target by luck.
FEWEST_ROWS = 30
#: The relative difference up to which a target is what was predicted: single precision, in which models answer.
EXACT = 1e-6
#: Distinct values that have to betray copied rows: one alone may be a natural coincidence.
FEWEST_COPIES = 3


@dataclass(frozen=True, slots=True)
class SingleFeatureLeak(LeveledRule):
    """A feature predicts the target by itself: it is the target in other words, or was made from it.

    The measure is ``association``. One that is honest and as strong as they come, noise of a tenth of the
    target's standard deviation (r2 0.99), makes 0.90. The default levels stand for noise of a twentieth
    (r2 0.9973) and of a fiftieth (r2 0.9995): less than what is measured in practice carries, while a copy
    in another unit, rounded or with a little noise, makes 0.98 to 1.
    """

    name = "one feature tells the target"

    warning: float | None = 0.95
    error: float | None = 0.98

    def inspect(self, evidence: Evidence) -> Finding:
        """Look at each feature alone."""
        found = evidence.statistics.association
        if evidence.statistics.rows < FEWEST_ROWS:
            return skipped(self.name, f"needs {FEWEST_ROWS} rows")
        items = [
            (
                self.grade(value),
                f"'{feature}' alone predicts the target (association {value:.3f}); is it known in time?",
            )
            for feature, value in found.items()
        ]
        strongest = max(found, key=lambda feature: found[feature])
        fine = f"the strongest feature is '{strongest}', with an association of {found[strongest]:.3f}"
        return conclude(self.name, items, fine, dict(found))


@dataclass(frozen=True, slots=True)
class AssociationChanged(BaselineRule):
    """A feature tells much more about the target than it did (a leak), or much less (a broken join, say).

    The measure is the change of ``association`` against the live release's data.
    """

    name = "association of a feature with the target changed"

    warning: float | None = 0.15
    error: float | None = 0.3
    alpha: float = RULE_ALPHA

    def compare(self, live: Statistics, now: Statistics) -> Finding:
        """Compare feature by feature, at ``alpha`` over all of them."""
        if type(live.target) is not type(now.target):
            return skipped(self.name, "the live release's target is of another type")
        shared = [feature for feature in now.association if feature in live.association]
        error = float(np.hypot(_association_error(live), _association_error(now)))
        items: list[tuple[FindingLevel, str]] = []
        values: dict[str, float] = {}
        for feature in shared:
            before, after = live.association[feature], now.association[feature]
            values[feature] = after - before
            chance = 2 * normal_p(abs(after - before) / error) * len(shared)
            change = abs(after - before) if chance < self.alpha else 0.0
            meaning = "does it hold the target?" if after > before else "do its values still belong to these rows?"
            said = f"'{feature}' alone: association {before:.2f} before, {after:.2f} now; {meaning}"
            items.append((self.grade(change), said))
        return conclude(self.name, items, "no feature is notably more or less associated with the target", values)


@dataclass(frozen=True, slots=True)
class IdenticalRows(LeveledRule):
    """Test rows are copies of training rows; the measure is their share of the test rows.

    Discrete data repeat themselves honestly, so rows that are equal prove nothing. What does is a value that is
    carried by copies of one row and by no other row at all, in the number column with the most distinct values:
    where two rows shared such a value by chance, the rest of them would be as different as that of rows whose
    values are next to each other, and that is what the count is compared with. Data without a number column,
    or with few distinct numbers, are skipped.
    """

    name = "identical rows on both sides of the split"

    warning: float | None = 0.01
    error: float | None = 0.05
    alpha: float = RULE_ALPHA

    def inspect(self, evidence: Evidence) -> Finding:
        """Look for copies across the split."""
        import pandas as pd

        train, test = evidence.split.train.frame, evidence.split.test.frame
        statistics = evidence.statistics
        columns = {**statistics.features, statistics.target_name: statistics.target}
        numbers = {name: column.distinct for name, column in columns.items() if isinstance(column, NumberSummary)}
        if not numbers:
            return skipped(self.name, "no number column to tell copies from chance by")
        key = max(numbers, key=lambda name: numbers[name])
        rows = pd.concat([train, test], ignore_index=True)
        copied, chance = _copied(rows, key)
        in_train = np.isin(copied[len(train) :], copied[: len(train)])
        across = (copied[len(train) :] >= 0) & in_train
        share = float(across.mean())
        level = self.grade(share) if chance < self.alpha else FindingLevel.OK
        said = f"{int(across.sum())} of {len(test)} test rows are copies of training rows, found by '{key}'"
        fine = f"{said}: no more than chance explains" if across.any() else "no test row is a copy"
        return conclude(self.name, [(level, said)], fine, {"share": share, "p_value": chance})


@dataclass(frozen=True, slots=True)
class PredictedLabels(LeveledRule):
    """Targets that are the live model's own predictions, fed back; the measure is their share of the test rows.

    Looked for where the target is a number of which, in the live release's data, at least every second row had
    a value of its own: there, to be hit exactly is no chance. But a tree knows the rows that it was trained on,
    and a dataset that goes on growing holds them still: of four fifths, it may honestly hit all. Hence the levels.
    """

    name = "targets predicted by the live model"

    warning: float | None = 0.9
    error: float | None = 0.99

    def inspect(self, evidence: Evidence) -> Finding:
        """Compare the targets of the test rows with the live model's predictions for them."""
        live, target = evidence.live_statistics, evidence.split.test.target
        if evidence.live is None or live is None or evidence.live.predicted is None:
            return skipped(self.name, "no live model that can predict these rows")
        if not isinstance(live.target, NumberSummary) or 2 * live.target.distinct < live.rows:
            return skipped(self.name, "targets repeat, so exact matches prove nothing")
        truth = target.to_numpy(dtype=np.float64)
        hit = np.abs(evidence.live.predicted - truth) <= EXACT * np.abs(truth)
        share = float(hit.mean())
        said = f"{int(hit.sum())} of {len(hit)} targets are exactly what the live model predicts"
        return conclude(self.name, [(self.grade(share), said)], said, {"share": share})


def _association_error(statistics: Statistics) -> float:
    target = statistics.target
    if isinstance(target, CategorySummary):
        ties = sum((count / max(1, target.rows)) ** 2 for count in target.counts.values())
        return association_error(statistics.rows, 1 - ties, numeric=False)
    return association_error(statistics.rows, 1 - target.commonest**2, numeric=True)


def _copied(rows: pd.DataFrame, key: str) -> tuple[np.ndarray[Any, Any], float]:
    """For each row the number of its value when only copies carry it, else -1; and the chance of so many."""
    import pandas as pd

    rest = [name for name in rows.columns if name != key]
    codes = pd.factorize(rows[key], sort=True)[0]
    # A digest of 64 bits: two different rows share it once in 10 million datasets of a million rows.
    others = pd.util.hash_pandas_object(rows[rest], index=False).to_numpy()
    by_value = pd.Series(others).groupby(codes)
    sizes, kinds = by_value.size().to_numpy(), by_value.nunique().to_numpy()
    firsts = by_value.first().to_numpy()
    alike = int((firsts[1:] == firsts[:-1]).sum())
    natural = (alike + 1) / (len(firsts) + 1)
    repeated = sizes > 1
    suspect = repeated & (kinds == 1)
    count, of = int(suspect.sum()), int(repeated.sum())
    improbable = count >= FEWEST_COPIES and count / of > natural
    chance = binomial_p(count, of, natural) if improbable else 1.0
    return np.where(suspect[codes], codes, -1), chance
