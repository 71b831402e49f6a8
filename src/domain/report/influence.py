"""The section of a report about features: how much each matters, and what the prediction does along it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from weighbridge.domain.data.schema import Category
from weighbridge.domain.report.figures import Bars, Curve, Curves, Figure
from weighbridge.domain.report.sampling import Array, floats, sampled
from weighbridge.domain.report.shapes import Section, Table
from weighbridge.domain.report.wording import counted, rounded, short, titled

if TYPE_CHECKING:
    import pandas as pd

    from weighbridge.domain.data.schema import Feature
    from weighbridge.domain.training.candidate_evaluation import EvaluatedCandidate

#: Test rows whose features are shuffled, and how often.
ROWS = 1_000
REPEATS = 5
#: Bars in the figure.
FEATURES = 16
#: Features whose partial dependence is drawn, the rows that it is a mean of, and the values that are tried.
DEPENDENCES = 4
DEPENDENCE_ROWS = 200
VALUES = 20
LEVELS = 12
#: Lines in one figure of classes.
CLASSES = 4


def influence_section(evaluated: EvaluatedCandidate) -> Section:
    """Permutation importance with its spread, and partial dependence for the features that matter most."""
    from sklearn.inspection import permutation_importance

    test, scoring = evaluated.parts.test, evaluated.task.estimator.scoring
    rows = test.frame.iloc[sampled(len(test), ROWS)]
    names = list(test.schema.feature_names)
    with warnings.catch_warnings():
        # A score that is not defined on shuffled rows is NaN.
        warnings.simplefilter("ignore")
        found = permutation_importance(
            evaluated.candidate.model,
            rows[names],
            rows[test.schema.target.name],
            scoring=scoring,
            n_repeats=REPEATS,
            # In this process, even if the search used others.
            n_jobs=1,
            random_state=evaluated.task.split.seed,
        )
    losses = np.nan_to_num(np.asarray(found.importances, np.float64))
    order = sorted(range(len(names)), key=lambda at: -float(losses[at].mean()))
    shown = order[:FEATURES]
    lead = [
        f"How much {scoring} falls when a feature is shuffled among {counted(len(rows), 'test row')}, {REPEATS} "
        "times over: the mean, and the least and greatest fall."
    ]
    if len(order) > len(shown):
        lead.append(
            f"The {FEATURES} features that matter most are drawn; {len(order) - FEATURES} more are left out."
        )
    top = ", ".join(f"{names[at]} {rounded(float(losses[at].mean()))}" for at in shown[:5])
    importance = Figure(
        "Permutation importance",
        f"Bars with their spread: the fall of {scoring} when a feature is shuffled. {top}.",
        "Features that go together share their importance: each can stand in for the others.",
        bars=Bars(
            f"fall of {scoring}",
            tuple(short(names[at], 24) for at in shown),
            (("fall", tuple(float(losses[at].mean()) for at in shown)),),
            tuple((float(losses[at].min()), float(losses[at].max())) for at in shown),
        ),
    )
    few = test.features.iloc[sampled(len(test), DEPENDENCE_ROWS)]
    dependences = [_dependence(evaluated, test.schema.features[at], few) for at in order[:DEPENDENCES]]
    table = Table(
        "Permutation importance",
        ("Feature", f"Fall of {scoring}", "Least", "Greatest"),
        tuple((short(names[at]), *map(rounded, _spread(losses[at]))) for at in shown),
    )
    return Section("features", "Features", tuple(lead), (importance, *filter(None, dependences)), (table,))


def _spread(losses: Array) -> tuple[float, float, float]:
    return float(losses.mean()), float(losses.min()), float(losses.max())


def _dependence(evaluated: EvaluatedCandidate, feature: Feature, rows: pd.DataFrame) -> Figure | None:
    from sklearn.inspection import partial_dependence

    target = evaluated.task.schema.target
    column = evaluated.parts.test.features[feature.name]
    if isinstance(feature, Category):
        counts = column.value_counts()
        values = np.array([level for level in feature.levels if counts.get(level, 0)], object)
        values = np.array(sorted(values, key=lambda level: -counts[level])[:LEVELS], object)
    else:
        values = np.unique(np.quantile(column.to_numpy(np.float64), np.linspace(0.02, 0.98, VALUES)))
    if len(values) < 2:
        return None
    found = partial_dependence(
        evaluated.candidate.model,
        rows,
        [feature.name],
        categorical_features=[feature.name] if isinstance(feature, Category) else None,
        custom_values={feature.name: values},
        kind="both",
        method="brute",
    )
    lines = _lines(evaluated, found["average"], found["individual"])
    what = titled(target) if not isinstance(target, Category) else f"probability of {target.name}"
    title = f"Partial dependence on {short(feature.name, 24)}"
    note = f"The mean over {counted(len(rows), 'test row')} with {short(feature.name)} replaced"
    note += "; the band holds eight in ten." if len(lines) == 1 else "."
    if isinstance(feature, Category):
        means = lines[0][1]
        said = ", ".join(f"{level} {rounded(float(mean))}" for level, mean in zip(values, means, strict=True))
        return Figure(
            title,
            f"Bars: the mean prediction by level of {feature.name}. {said}.",
            note.replace("the band holds", "the line holds"),
            bars=Bars(
                f"mean of {what}" if len(lines) == 1 else f"mean probability of {lines[0][0]}",
                tuple(short(str(level), 24) for level in values),
                ((lines[0][0], floats(means)),),
                tuple(zip(floats(lines[0][2][0]), floats(lines[0][2][1]), strict=True)),
            ),
        )
    return Figure(
        title,
        f"Curves: the mean prediction as {feature.name} goes from {rounded(float(values[0]))} to "
        f"{rounded(float(values[-1]))}. "
        + "; ".join(f"{name}: {rounded(float(mean[0]))} to {rounded(float(mean[-1]))}" for name, mean, _ in lines),
        note,
        curves=Curves(
            titled(feature),
            f"mean of {what}" if len(lines) == 1 else "mean probability",
            tuple(Curve(name, floats(values), floats(mean)) for name, mean, _ in lines),
            bands=tuple((floats(band[0]), floats(band[1])) for _, _, band in lines) if len(lines) == 1 else (),
        ),
    )


def _lines(evaluated: EvaluatedCandidate, average: Array, individual: Array) -> list[tuple[str, Array, Array]]:
    """For each output its name, its means and its band: one for a number or two classes, else the commonest."""
    target = evaluated.task.schema.target
    bands = np.quantile(individual, (0.1, 0.9), axis=1)
    if not isinstance(target, Category):
        return [("mean prediction", average[0], bands[:, 0])]
    classes = [str(name) for name in evaluated.candidate.model.classes_]
    if len(average) == 1:
        return [(short(classes[-1], 24), average[0], bands[:, 0])]
    counts = evaluated.parts.test.target.value_counts()
    common = sorted(range(len(classes)), key=lambda at: -int(counts.get(classes[at], 0)))[:CLASSES]
    return [(short(classes[at], 24), average[at], bands[:, at]) for at in common]
