"""The section of a report about a predicted number: against what was observed, and what is left over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from weighbridge.domain.data.schema import Category
from weighbridge.domain.report.figures import Figure, Points, Strips
from weighbridge.domain.report.sampling import Array, floats, sample_note, sampled
from weighbridge.domain.report.shapes import Section
from weighbridge.domain.report.wording import named, rounded, short, titled, unit_of
from weighbridge.domain.statistics.association import association

if TYPE_CHECKING:
    import pandas as pd

    from weighbridge.domain.data.schema import Feature
    from weighbridge.domain.training.candidate_evaluation import EvaluatedCandidate

#: Figures of residuals against features; those that the residuals depend on most come first.
FEATURES = 8
#: Strips in one figure; the levels with the most rows are shown.
STRIPS = 12
_PERCENTILES = (5, 25, 50, 75, 95)


def outcome_section(evaluated: EvaluatedCandidate) -> Section:
    """Predicted against observed, and residuals against the prediction and against each feature."""
    import pandas as pd

    test = evaluated.parts.test
    chosen = sampled(len(test))
    predicted = np.asarray(evaluated.evaluation.predicted, np.float64)[chosen]
    observed = test.target.to_numpy(np.float64)[chosen]
    finite = np.isfinite(predicted)
    chosen, predicted, observed = chosen[finite], predicted[finite], observed[finite]
    if not len(chosen):
        return Section("outcome", "Predicted and observed", ("No prediction for a test row is a finite number.",))
    residuals = observed - predicted
    note, target = sample_note(len(test)), evaluated.task.schema.target
    unit = unit_of(target)
    left = named("observed less predicted", unit)
    middle = float(np.median(np.abs(residuals)))
    figures = [
        Figure(
            "Predicted against observed",
            f"Points: predicted {target.name} against what was observed. On the diagonal both are equal. Half of "
            f"the predictions are within {rounded(middle, unit)}.",
            note,
            points=Points(
                f"observed {titled(target)}",
                f"predicted {titled(target)}",
                floats(observed),
                floats(predicted),
                True,
            ),
        ),
        Figure(
            "Residuals against the prediction",
            "Points: what was observed less what was predicted, against the prediction. Above 0 the model "
            f"predicted too little. From {rounded(float(residuals.min()), unit)} to "
            f"{rounded(float(residuals.max()), unit)}.",
            note,
            points=Points(f"predicted {titled(target)}", left, floats(predicted), floats(residuals)),
        ),
    ]
    rows = test.frame.iloc[chosen]
    depends = {
        name: association(rows[name], pd.Series(residuals, rows.index)) for name in test.schema.feature_names
    }
    by_feature = sorted(test.schema.features, key=lambda feature: -depends[feature.name])
    figures += [_against(feature, rows[feature.name], residuals, left, note) for feature in by_feature[:FEATURES]]
    lead = [
        f"Half of the predictions are within {rounded(middle, unit)} of what was observed, nine in ten within "
        f"{rounded(float(np.quantile(np.abs(residuals), 0.9)), unit)}."
    ]
    if len(by_feature) > FEATURES:
        lead.append(
            f"Residuals are shown against the {FEATURES} features that they depend on most; "
            f"{len(by_feature) - FEATURES} more are left out."
        )
    return Section("outcome", "Predicted and observed", tuple(lead), tuple(figures))


def _against(feature: Feature, values: pd.Series, residuals: Array, left: str, note: str) -> Figure:
    title = f"Residuals against {short(feature.name, 28)}"
    if not isinstance(feature, Category):
        column = values.to_numpy(np.float64)
        described = (
            f"Points: residuals against {feature.name}, from {rounded(float(column.min()), feature.unit)} to "
            f"{rounded(float(column.max()), feature.unit)}."
        )
        return Figure(
            title, described, note, points=Points(titled(feature), left, floats(column), floats(residuals))
        )
    levels = values.to_numpy(object)
    sizes = {level: int((levels == level).sum()) for level in feature.levels}
    kept = sorted((level for level in feature.levels if sizes[level]), key=lambda level: -sizes[level])[:STRIPS]
    quantiles = {level: np.percentile(residuals[levels == level], _PERCENTILES) for level in kept}
    left_out = sum(1 for size in sizes.values() if size) - len(kept)
    note += f" The {len(kept)} commonest levels; {left_out} are left out." if left_out else ""
    return Figure(
        title,
        f"Residuals at each level of {feature.name}: the median, the middle half and the middle nine tenths. "
        "Medians: " + ", ".join(f"{level} {rounded(float(quantiles[level][2]))}" for level in kept) + ".",
        note,
        strips=Strips(
            left,
            tuple(short(level, 24) for level in kept),
            tuple(tuple(quantiles[level].tolist()) for level in kept),
        ),
    )
