"""Scores of all truncations of a decision tree, under the names that scikit-learn's scorers have.

Each scorer says what to add up over rows (see ``domain.tree_truncation``) and how a fold's score comes out of it,
as scikit-learn's metric of that name does on the predictions themselves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from weighbridge.domain.training.search.tree_truncation import Array, passages, truncated_sums


@dataclass(frozen=True, slots=True)
class TreeScorer:
    """How one of scikit-learn's scorers is computed for every truncation at once.

    Args:
        totals: from a fitted tree, the test matrix and the test target, what is added up in each node, of shape
            [nodes, quantities].
        finish: from the sums, of shape [..., quantities], and the test target, the scores of shape [...].
        margin: how far below the best a truncated score may be for the point to be a leader.
        relative: whether the margin is a share of the best score, for scores in the target's unit.
        classifies: whether it scores classifiers; else regressors.
    """

    totals: Callable[[Any, Any, Array], Array]
    finish: Callable[[Any, Array, Array], Array]
    margin: float
    relative: bool = False
    classifies: bool = False

    def scores(self, model: Any, matrix: Any, target: Array, depths: Array, splits: Array) -> Array:
        """Scores of shape [depths, splits], greater is better; NaN where scikit-learn has no score either.

        Args:
            model: a fitted tree; a classifier was fitted on class codes, ints from 0.
            matrix: the fold's test rows, as the tree takes them.
            target: the fold's test target, of shape [rows]: float64, or class codes.
            depths: see ``tree_truncation.truncated_sums``.
            splits: see ``tree_truncation.truncated_sums``.
        """
        sums = truncated_sums(model.tree_, self.totals(model, matrix, target), depths, splits)
        return self.finish(model, sums, target)

    def leads(self, score: float, best: float) -> bool:
        """Whether a score is within the tie margin of the best."""
        return score >= best - self.margin * (abs(best) if self.relative else 1.0)


def _squared_errors(model: Any, matrix: Any, target: Array) -> Array:
    return _errors(model, matrix, target, np.square)


def _absolute_errors(model: Any, matrix: Any, target: Array) -> Array:
    return _errors(model, matrix, target, np.abs)


def _errors(model: Any, matrix: Any, target: Array, loss: Callable[[Array], Array]) -> Array:
    values = model.tree_.value[:, 0, 0]
    totals = np.zeros(values.size)
    for rows, nodes in passages(model, matrix):
        totals += np.bincount(nodes, loss(target[rows] - values[nodes]), values.size)
    return totals[:, None]


def _class_counts(model: Any, matrix: Any, target: Array) -> Array:
    """How many test rows of each class pass through each node, of shape [nodes, codes]."""
    nodes_count, codes = model.tree_.node_count, _codes(model, target)
    counts = np.zeros(nodes_count * codes)
    for rows, nodes in passages(model, matrix):
        counts += np.bincount(nodes * codes + target[rows], minlength=counts.size)
    return counts.reshape(nodes_count, codes)


def _answers(model: Any, matrix: Any, target: Array) -> Array:
    """Right answers by class, then answers by class, of shape [nodes, 2 * codes]."""
    counts = _class_counts(model, matrix, target)
    answer = np.zeros_like(counts)
    answer[np.arange(len(counts)), model.classes_[model.tree_.value[:, 0].argmax(axis=1)]] = 1.0
    return np.hstack((counts * answer, counts.sum(axis=1, keepdims=True) * answer))


def _log_losses(model: Any, matrix: Any, target: Array) -> Array:
    shares = model.tree_.value[:, 0]
    epsilon = np.finfo(np.float64).eps
    losses: Array = -np.log(np.clip(shares, epsilon, 1 - epsilon))
    losses *= _class_counts(model, matrix, target)[:, model.classes_]
    return np.asarray(losses.sum(axis=1, keepdims=True))


def _codes(model: Any, target: Array) -> int:
    return int(max(model.classes_.max(), target.max())) + 1


def _finish_r2(_: Any, sums: Array, target: Array) -> Array:
    errors = sums[..., 0]
    if target.size < 2:
        return np.full(errors.shape, np.nan)
    spread = np.square(target - target.mean()).sum()
    # A constant target has no spread to explain: 1 for no error at all, 0 for any, as scikit-learn says.
    return 1.0 - errors / spread if spread else np.where(errors == 0.0, 1.0, 0.0)


def _finish_mean(_: Any, sums: Array, target: Array) -> Array:
    means: Array = -sums[..., 0] / target.size
    return means


def _finish_root_mean(_: Any, sums: Array, target: Array) -> Array:
    return -np.sqrt(-_finish_mean(_, sums, target))


def _finish_log_loss(model: Any, sums: Array, target: Array) -> Array:
    # scikit-learn cannot tell which class is which unless the test rows hold every class of the training rows.
    if not np.array_equal(np.unique(target), model.classes_):
        return np.full(sums.shape[:-1], np.nan)
    return _finish_mean(model, sums, target)


def _finish_accuracy(_: Any, sums: Array, target: Array) -> Array:
    right: Array = sums[..., : sums.shape[-1] // 2].sum(axis=-1)
    return right / target.size


def _finish_balanced_accuracy(_: Any, sums: Array, target: Array) -> Array:
    codes = sums.shape[-1] // 2
    actual = np.bincount(target, minlength=codes)
    present = actual > 0
    recalls: Array = sums[..., :codes][..., present] / actual[present]
    return np.asarray(recalls.mean(axis=-1))


def _finish_f1_macro(_: Any, sums: Array, target: Array) -> Array:
    codes = sums.shape[-1] // 2
    right, answered = sums[..., :codes], sums[..., codes:]
    either = np.bincount(target, minlength=codes) + answered
    # A class that neither occurs nor is answered has no part in the mean.
    scores: Array = 2 * right / np.where(either > 0, either, 1)
    return np.asarray(scores.sum(axis=-1) / (either > 0).sum(axis=-1))


#: The scorers that can be computed on truncations, by scikit-learn's name.
TREE_SCORERS = {
    "r2": TreeScorer(_squared_errors, _finish_r2, 0.05),
    "neg_mean_squared_error": TreeScorer(_squared_errors, _finish_mean, 0.2, relative=True),
    "neg_root_mean_squared_error": TreeScorer(_squared_errors, _finish_root_mean, 0.1, relative=True),
    "neg_mean_absolute_error": TreeScorer(_absolute_errors, _finish_mean, 0.1, relative=True),
    "accuracy": TreeScorer(_answers, _finish_accuracy, 0.05, classifies=True),
    "balanced_accuracy": TreeScorer(_answers, _finish_balanced_accuracy, 0.05, classifies=True),
    "f1_macro": TreeScorer(_answers, _finish_f1_macro, 0.05, classifies=True),
    "neg_log_loss": TreeScorer(_log_losses, _finish_log_loss, 0.1, relative=True, classifies=True),
}
