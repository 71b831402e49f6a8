"""What the points of a search scored, to be looked at afterwards."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from weighbridge.domain.data.plain_data import plain


@dataclass(frozen=True, slots=True)
class Trials:
    """The points of a search, each once, and their scores.

    Args:
        axes: the values of each parameter, as plain data, in the order in which they were first tried.
        places: of shape [points, parameters]: which value of each parameter a point has.
        scores: of shape [points]; NaN where there is none.
    """

    axes: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    places: np.ndarray[Any, Any] = field(default_factory=lambda: np.zeros((0, 0), np.int64), compare=False)
    scores: np.ndarray[Any, Any] = field(default_factory=lambda: np.zeros(0), compare=False)

    def __len__(self) -> int:
        return len(self.scores)

    def place_of(self, params: Mapping[str, Any]) -> tuple[int, ...] | None:
        """Which value of each parameter a point has, by its plain parameters; None when it is none of these."""
        texts = [[_text(value) for value in values] for values in self.axes.values()]
        wanted = [_text(params.get(name)) for name in self.axes]
        if not all(text in values for text, values in zip(wanted, texts, strict=True)):
            return None
        return tuple(values.index(text) for text, values in zip(wanted, texts, strict=True))


def whole_grid(axes: Mapping[str, Sequence[Any]], scores: np.ndarray[Any, Any]) -> Trials:
    """The trials of every combination; ``scores`` count them with the last axis fastest."""
    shape = [len(values) for values in axes.values()]
    places = np.indices(shape).reshape(len(shape), math.prod(shape)).T
    return Trials({name: tuple(plain(value) for value in values) for name, values in axes.items()}, places, scores)


def listed_points(points: Iterable[Mapping[str, Any]], scores: Iterable[float]) -> Trials:
    """The trials of some combinations; of one that was tried several times the last score counts."""
    axes: dict[str, dict[str, tuple[int, Any]]] = {}
    found: dict[tuple[int, ...], float] = {}
    for point, score in zip(points, scores, strict=True):
        place = []
        for name, value in point.items():
            described, known = plain(value), axes.setdefault(name, {})
            place.append(known.setdefault(_text(described), (len(known), described))[0])
        found[tuple(place)] = float(score)
    places = np.array(list(found), np.int64).reshape(len(found), len(axes))
    values = {name: tuple(value for _, value in known.values()) for name, known in axes.items()}
    return Trials(values, places, np.array(list(found.values())))


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
