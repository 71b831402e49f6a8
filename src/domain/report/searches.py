"""The section of a report about the search: the score over the grid, and near-ties."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from weighbridge.domain.report.figures import Curve, Curves, Figure, Grid
from weighbridge.domain.report.sampling import Array, floats
from weighbridge.domain.report.shapes import Section, Table
from weighbridge.domain.report.wording import counted, rounded, short

if TYPE_CHECKING:
    from weighbridge.domain.training.candidate_evaluation import EvaluatedCandidate
    from weighbridge.domain.training.search.trials import Trials

#: Values along one side of a heat map; more are put together in groups.
SIDE = 14
#: Heat maps side by side: one for each value of a third parameter that has no more than these.
PANELS = 4
#: Points of the curve of scores by rank.
RANKS = 80
#: How far below the best score a candidate may be to count as a near-tie.
NEAR = (0.001, 0.01, 0.05)


@dataclass(frozen=True, slots=True)
class Side:
    """One parameter along a heat map: names of its groups of values, and the group of each candidate."""

    name: str
    groups: tuple[str, ...]
    of_point: Array


def search_section(evaluated: EvaluatedCandidate) -> Section:
    """A heat map over the two parameters that matter most, and the scores by rank."""
    trials, summary = evaluated.candidate.trials, evaluated.candidate.search
    scores = trials.scores
    known = scores[np.isfinite(scores)]
    chosen = ", ".join(f"{_plain(name)} {_value(value)}" for name, value in evaluated.candidate.params.items())
    lead = [
        f"Tried {counted(summary.points, 'candidate')} on {summary.folds} folds by {summary.scoring}; "
        f"the best scores {rounded(summary.score)}" + (f", at {chosen}." if chosen else ".")
    ]
    if len(known) < 2:
        return Section("search", "Search", (*lead, "There was only one candidate."))
    if summary.kind == "tree_grid":
        lead.append(
            "Scores over the grid are by truncation of fully grown trees; the leading candidates were scored "
            "again by scikit-learn, whose score is the one that counts."
        )
    best = float(known.max())
    near = [(tolerance, int((known >= best - tolerance).sum())) for tolerance in NEAR]
    lead.append(
        "Near-ties: "
        + ", ".join(
            f"{count:,} of {len(known):,} candidates within {tolerance:g} of the best" for tolerance, count in near
        )
        + "."
    )
    place = trials.place_of(evaluated.candidate.params)
    figures = (*_maps(trials, place), _ranks(known, near[1][1]))
    table = Table(
        "Near-ties of the best candidate",
        ("Within", "Candidates", "Share"),
        tuple(
            (f"{tolerance:g}", f"{count:,}", f"{rounded(100 * count / len(known), digits=3)} %")
            for tolerance, count in near
        ),
    )
    return Section("search", "Search", tuple(lead), figures, (table,))


def _maps(trials: Trials, chosen: tuple[int, ...] | None) -> tuple[Figure, ...]:
    names = list(trials.axes)
    moving = [at for at in range(len(names)) if len(trials.axes[names[at]]) > 1]
    moving.sort(key=lambda at: -_influence(trials, at))
    if not moving:
        return ()
    point = None if chosen is None else _point(trials, chosen)
    if len(moving) == 1:
        return (_line(trials, moving[0], point),)
    across, down, *others = moving
    panels = next((at for at in others if len(trials.axes[names[at]]) <= PANELS), None)
    x, y = _side(trials, across), _side(trials, down)
    over = [at for at in others if at != panels]
    every = _cells(trials.scores, x, y, np.ones(len(trials), bool))
    lowest, highest = _scale(every)
    maps = []
    for value in range(1 if panels is None else len(trials.axes[names[panels]])):
        inside = np.ones(len(trials), bool) if panels is None else trials.places[:, panels] == value
        fixed = "" if panels is None else f"{_plain(names[panels])} {_value(trials.axes[names[panels]][value])}"
        marked = None
        if point is not None and inside[point]:
            marked = (int(y.of_point[point]), int(x.of_point[point]))
        cells = _cells(trials.scores, x, y, inside)
        note = "The chosen candidate is framed." if marked else "The chosen candidate is in another panel."
        if point is None:
            note = ""
        if over:
            note += f" Best over {', '.join(_plain(names[at]) for at in over)}."
        where = f", for {fixed}" if fixed else ""
        maps.append(
            Figure(
                f"Score over the grid{where}",
                f"Heat map of the score over {_plain(x.name)} and {_plain(y.name)}{where}; "
                f"from {rounded(lowest)} to {rounded(highest)}. {note}",
                note.strip(),
                grid=Grid(
                    _plain(x.name),
                    _plain(y.name),
                    x.groups,
                    y.groups,
                    cells,
                    lowest,
                    highest,
                    marked,
                    scale_label="score",
                ),
            )
        )
    return tuple(maps)


def _influence(trials: Trials, at: int) -> float:
    """By how much the best score depends on a parameter."""
    best = [
        float(np.nanmax(scores))
        for value in range(len(trials.axes[list(trials.axes)[at]]))
        if np.isfinite(scores := trials.scores[trials.places[:, at] == value]).any()
    ]
    return max(best) - min(best) if best else 0.0


def _point(trials: Trials, chosen: tuple[int, ...]) -> int | None:
    found = np.flatnonzero((trials.places == np.array(chosen)).all(axis=1))
    return int(found[0]) if len(found) else None


def _side(trials: Trials, at: int) -> Side:
    name = list(trials.axes)[at]
    values = trials.axes[name]
    order = _order(values)
    parts: list[list[int]] = [part.tolist() for part in np.array_split(np.array(order), min(SIDE, len(order)))]
    group = np.zeros(len(values), np.int64)
    names = []
    for number, part in enumerate(parts):
        group[part] = number
        first, last = values[part[0]], values[part[-1]]
        names.append(_value(first) if len(part) == 1 else f"{_value(first)} to {_value(last)}")
    return Side(name, tuple(names), group[trials.places[:, at]])


def _order(values: Sequence[Any]) -> list[int]:
    """Numbers ascending and then None, for no bound; anything else as it was tried."""
    numbers = [value for value in values if value is not None]
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in numbers):
        return list(range(len(values)))
    return sorted(range(len(values)), key=lambda at: (values[at] is None, values[at] or 0))


def _cells(scores: Array, x: Side, y: Side, inside: Array) -> tuple[tuple[float | None, ...], ...]:
    """The best score of each cell; None for one without candidates."""
    cells: list[list[float | None]] = [[None] * len(x.groups) for _ in y.groups]
    for row, column, score in zip(y.of_point[inside], x.of_point[inside], scores[inside].tolist(), strict=True):
        before = cells[row][column]
        if np.isfinite(score) and (before is None or score > before):
            cells[row][column] = score
    return tuple(map(tuple, cells))


def _scale(cells: Sequence[Sequence[float | None]]) -> tuple[float, float]:
    """From the tenth percentile, for a few bad cells not to make all others alike."""
    known = [value for line in cells for value in line if value is not None]
    low, high = float(np.quantile(known, 0.1)), max(known)
    return (low, high) if low < high else (min(known), high)


def _line(trials: Trials, at: int, point: int | None) -> Figure:
    """The only parameter that moves: its scores as a curve, or by the number of the value when it is no number."""
    name = list(trials.axes)[at]
    values = trials.axes[name]
    order = _order(values)
    numbers = [values[one] for one in order]
    plain = all(isinstance(value, int | float) and not isinstance(value, bool) for value in numbers)
    scores = {
        one: float(np.nanmax(trials.scores[trials.places[:, at] == one]))
        for one in order
        if np.isfinite(trials.scores[trials.places[:, at] == one]).any()
    }
    x = {one: float(values[one]) if plain else float(number) for number, one in enumerate(order, 1)}
    kept = [one for one in order if one in scores]
    mark = () if point is None else ((x[int(trials.places[point, at])], float(trials.scores[point])),)
    label = _plain(name) if plain else f"{_plain(name)}: number of the value"
    said = ", ".join(f"{_value(values[one])} {rounded(scores[one])}" for one in kept[:12])
    return Figure(
        f"Score by {_plain(name)}",
        f"Curve of the score by {_plain(name)}: {said}. The chosen candidate is marked.",
        "The chosen candidate is marked."
        + ("" if plain else f" Values: {', '.join(_value(values[one]) for one in order[:12])}."),
        curves=Curves(
            label,
            "score",
            (Curve("score", tuple(x[one] for one in kept), tuple(scores[one] for one in kept)),),
            faults=mark,
            dots=True,
        ),
    )


def _ranks(known: Array, near: int) -> Figure:
    ordered = np.sort(known)[::-1]
    places = np.unique(np.linspace(0, len(ordered) - 1, min(RANKS, len(ordered))).astype(int))
    return Figure(
        "Scores by rank",
        f"Curve of {len(known):,} scores from the best, {rounded(float(ordered[0]))}, to the worst, "
        f"{rounded(float(ordered[-1]))}; {near:,} are within {NEAR[1]:g} of the best.",
        f"Shaded: the {counted(near, 'candidate')} within {NEAR[1]:g} of the best.",
        curves=Curves(
            "rank of the candidate",
            "score",
            (Curve("score", floats(places + 1), floats(ordered[places])),),
            (1.0, float(max(near, 1))),
        ),
    )


def _plain(name: str) -> str:
    """A parameter without the steps of the pipeline that it belongs to."""
    return short(name.rpartition("__")[2], 28)


def _value(value: Any) -> str:
    if isinstance(value, float):
        return rounded(value)
    if isinstance(value, dict) and "type" in value:
        return short(str(value["type"]).rpartition(".")[2], 18)
    return short(str(value), 18)
