"""The figures of checks: what each looked at, with the places that are at fault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from weighbridge.domain.data.schema import Category
from weighbridge.domain.errors import ModelError
from weighbridge.domain.evaluation.checks.behaviour import Invariant, Monotone
from weighbridge.domain.evaluation.checks.check import Check, Increases, NotAboveLargestLabel, NotBelow
from weighbridge.domain.evaluation.checks.classes import EveryClassPredicted, ProbabilityIncreases
from weighbridge.domain.evaluation.checks.known_rows import KnownRows
from weighbridge.domain.evaluation.checks.sweep import Sweep
from weighbridge.domain.model.encoding import probabilities_of
from weighbridge.domain.report.figures import Bars, Curve, Curves, Figure, Histogram, Limit
from weighbridge.domain.report.known import known_rows_seen
from weighbridge.domain.report.sampling import Array, floats, predict_in_chunks
from weighbridge.domain.report.shapes import CheckSeen, Section
from weighbridge.domain.report.wording import counted, listed, rounded, short, titled

if TYPE_CHECKING:
    from weighbridge.domain.training.candidate_evaluation import EvaluatedCandidate

#: Points of a curve, and curves in one figure; those at fault come first.
POINTS = 60
CURVES = 8
#: Bars in one figure.
BARS = 16
BINS = 30


def checks_section(evaluated: EvaluatedCandidate) -> Section:
    """Every check, failed ones first, each with its figures."""
    results = evaluated.evaluation.checks
    if not results:
        return Section("checks", "Checks", ("The task has no behavioural checks.",))
    draw = CheckFigures(evaluated)
    pairs = sorted(zip(evaluated.task.checks, results, strict=True), key=lambda pair: pair[1].passed)
    seen = tuple(draw.of(check, result.name, result.passed, result.detail) for check, result in pairs)
    failed = [result.name for result in results if not result.passed]
    lead = f"All of {counted(len(results), 'check')} passed."
    if failed:
        lead = f"{len(failed)} of {counted(len(results), 'check')} failed: {listed(failed)}."
    return Section("checks", "Checks", (lead,), checks=seen)


class CheckFigures:
    """Builds the figures of checks; all rows are predicted at most once.

    Args:
        evaluated: what the checks were run on.
    """

    def __init__(self, evaluated: EvaluatedCandidate) -> None:
        self._model = evaluated.candidate.model
        self._dataset = evaluated.dataset
        self._schema = evaluated.task.schema
        self._predicted: Array | None = None

    def of(self, check: Check, name: str, passed: bool, detail: str) -> CheckSeen:
        """A check with its figures; none for a kind that has none, or a check that could not be run."""
        try:
            if isinstance(check, KnownRows):
                figures, tables = known_rows_seen(check, self._model, self._dataset)
                return CheckSeen(name, passed, detail, figures, tables)
            figure = self._figure(check)
        except (ModelError, ValueError, TypeError, ArithmeticError):
            figure = None
        return CheckSeen(name, passed, detail, () if figure is None else (figure,))

    def _figure(self, check: Check) -> Figure | None:
        match check:
            case Increases():
                return self._ends(check, None)
            case ProbabilityIncreases():
                return self._ends(check, check.label)
            case Monotone():
                return self._monotone(check)
            case NotBelow():
                return self._bounded(check.bound, "below")
            case NotAboveLargestLabel():
                return self._bounded(check.factor * float(self._dataset.target.max()), "above")
            case Invariant():
                return self._invariant(check)
            case EveryClassPredicted():
                return self._classes()
        return None

    def _ends(self, check: Increases | ProbabilityIncreases, label: str | None) -> Figure:
        values = (check.low, check.high)
        answers = self._answers(Sweep(check.feature, values, check.for_each), label)
        steps = ~(answers[:, 1:] > answers[:, :-1])
        return self._sweep(check.feature, check.for_each, values, answers, steps, label)

    def _monotone(self, check: Monotone) -> Figure:
        answers = self._answers(Sweep(check.feature, check.values, check.for_each), None)
        with np.errstate(invalid="ignore"):
            moves = np.diff(answers) * (1 if check.direction == "increasing" else -1)
        steps = ~(moves > 0) if check.strict else ~(moves >= 0)
        return self._sweep(check.feature, check.for_each, check.values, answers, steps, None)

    def _answers(self, sweep: Sweep, label: str | None) -> Array:
        """Predictions, or probabilities of a label, of shape [levels, values]."""
        frame, target = sweep.frame(self._dataset), self._schema.target
        if label is None:
            answers = np.asarray(self._model.predict(frame), np.float64)
        else:
            assert isinstance(target, Category)
            answers = probabilities_of(self._model, frame, target)[:, target.levels.index(label)]
        return answers.reshape(len(sweep.levels(self._schema)), len(sweep.values))

    def _sweep(
        self,
        name: str,
        for_each: str | None,
        values: Sequence[float],
        at_values: Array,
        faults: Array,
        label: str | None,
    ) -> Figure:
        """Curves along a feature for each level, those at fault first; faulty steps are marked at both ends."""
        column = self._dataset.frame[name]
        low, high = min(float(column.min()), *values), max(float(column.max()), *values)
        along = np.unique(np.concatenate([np.linspace(low, high, POINTS), values]))
        sweep = Sweep(name, tuple(along.tolist()), for_each)
        answers, levels = self._answers(sweep, label), sweep.levels(self._schema)
        order = sorted(range(len(levels)), key=lambda place: not faults[place].any())[:CURVES]
        lines = tuple(
            Curve(
                short(levels[place]) or "prediction",
                floats(along),
                floats(answers[place]),
                bool(faults[place].any()),
            )
            for place in order
            if np.isfinite(answers[place]).all()
        )
        marks = {
            (float(values[step + end]), float(at_values[place, step + end]))
            for place, step in np.argwhere(faults).tolist()
            for end in (0, 1)
            if place in order and np.isfinite(at_values[place, step + end])
        }
        bad = [levels[place] for place in range(len(levels)) if faults[place].any()]
        what = "prediction" if label is None else f"probability of {short(label)}"
        each = f" for {counted(len(levels), 'level')} of {for_each}" if for_each else ""
        said = (
            f"At fault: {listed(map(short, filter(None, bad)), 8) or 'the curve'}." if bad else "None is at fault."
        )
        left_out = len(levels) - len(order)
        others = f" {counted(left_out, 'more level')} not drawn." if left_out else ""
        return Figure(
            f"{what.capitalize()} along {short(name)}",
            f"Curves of the {what} as {name} goes from {rounded(low)} to {rounded(high)}{each}. {said}",
            f"Shaded: what is checked. Crosses mark what is at fault. All else is at a typical value.{others}",
            curves=Curves(
                titled(self._schema.feature(name)),
                titled(self._schema.target) if label is None else what,
                lines,
                (min(values), max(values)),
                tuple(sorted(marks)),
            ),
        )

    def _all_predicted(self) -> Array:
        if self._predicted is None:
            self._predicted = predict_in_chunks(self._model, self._dataset.features)
        return self._predicted

    def _bounded(self, bound: float, side: str) -> Figure:
        predicted = np.asarray(self._all_predicted(), np.float64)
        finite = predicted[np.isfinite(predicted)]
        edges = np.histogram_bin_edges(np.append(finite, bound), BINS)
        shares = np.histogram(finite, edges)[0] / max(1, len(predicted))
        beyond = int((~(predicted >= bound) if side == "below" else ~(predicted <= bound)).sum())
        said = f"{beyond:,} of {len(predicted):,} predictions are {side} {rounded(bound)}."
        target = titled(self._schema.target)
        return Figure(
            "Predictions for every row",
            f"Histogram of {len(predicted):,} predictions with a line at the bound, {rounded(bound)}. {said}",
            said,
            histogram=Histogram(
                f"predicted {target}",
                floats(edges),
                (("predictions", floats(shares)),),
                (Limit(bound, f"bound {rounded(bound)}"),),
            ),
        )

    def _invariant(self, check: Invariant) -> Figure | None:
        tried = check.replacements(self._model, self._dataset)
        if tried is None:
            return None
        numbers = tried.before.dtype != object
        values = list(dict.fromkeys(tried.value.tolist()))
        changes = (
            np.abs(tried.after - tried.before) if numbers else (tried.after != tried.before).astype(np.float64)
        )
        found = [
            float(changes[tried.value == value].max() if numbers else changes[tried.value == value].mean())
            for value in values
        ]
        worst = sorted(range(len(values)), key=lambda place: -found[place])[:BARS]
        kept = [place for place in worst if np.isfinite(found[place])]
        names = (
            value if isinstance(value, str) else rounded(value) for value in (values[place] for place in kept)
        )
        what = "greatest change of a prediction" if numbers else "share of labels that change"
        return Figure(
            f"Replacing {short(check.feature)}",
            f"Bars: the {what} by the value that replaces {check.feature}, the worst first; allowed is "
            f"{rounded(check.tolerance)}. The worst is {rounded(found[worst[0]])}.",
            "" if len(kept) == len(values) else f"The worst {len(kept)} of {len(values)} values.",
            bars=Bars(
                what,
                tuple(short(name, 24) for name in names),
                (("change", tuple(found[place] for place in kept)),),
                faults=tuple(at for at, place in enumerate(kept) if found[place] > check.tolerance),
                limits=(Limit(check.tolerance, "allowed"),),
            ),
        )

    def _classes(self) -> Figure:
        target = self._schema.target
        assert isinstance(target, Category)
        labels = self._dataset.target.to_numpy(object)
        predicted = np.asarray(self._all_predicted(), object)
        counts = [
            (level, int((labels == level).sum()), int((predicted == level).sum())) for level in target.levels
        ]
        counts = sorted((count for count in counts if count[1]), key=lambda count: (count[2] > 0, -count[1]))[
            :BARS
        ]
        return Figure(
            "Classes that occur, and that are predicted",
            "Bars: rows of each class, and rows that are predicted to be of it. "
            + "; ".join(f"{level}: {rows:,} rows, {times:,} predicted" for level, rows, times in counts),
            bars=Bars(
                "rows of the whole dataset",
                tuple(short(level, 24) for level, _, _ in counts),
                (
                    ("observed", tuple(float(rows) for _, rows, _ in counts)),
                    ("predicted", tuple(float(times) for _, _, times in counts)),
                ),
                faults=tuple(at for at, (_, _, times) in enumerate(counts) if not times),
            ),
        )
