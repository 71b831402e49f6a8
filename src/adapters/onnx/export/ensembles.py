"""scikit-learn's trees, and what is made of them, as sums of plain trees.

Sums are taken in scikit-learn's order (trees one after the other; for boosting the first estimate comes
first, as a tree of one leaf), so that with one thread forests and boosting are exact as well.

A tree of classes has a probability for each class in every leaf. It is one tree for each class here, without the
branches in which that class does not occur.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from sklearn.base import is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor

#: The types, and no others that inherit from them, which ``ensemble_of`` knows.
KINDS: tuple[type, ...] = (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree as arrays with an item for each node, the root first.

    Args:
        left: where a row goes whose feature is at most the threshold.
        right: where the other rows go.
        feature: which feature is compared.
        threshold: with what.
        missing_left: whether a row without that feature goes to the left.
        is_leaf: whether the node answers; if so the four before mean nothing.
        value: the answers.
        target: to which of the ensemble's sums the answers go.
    """

    left: Array
    right: Array
    feature: Array
    threshold: Array
    missing_left: Array
    is_leaf: Array
    value: Array
    target: int = 0


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Trees whose leaves are added up for each target, one tree after the other, and then divided.

    Args:
        trees: at least one for each target.
        divisor: of the sums.
        narrow: whether features are rounded to 32 bits before they are compared.
    """

    trees: Sequence[Tree]
    divisor: int = 1
    narrow: bool = True

    @property
    def targets(self) -> int:
        """How many sums there are."""
        return 1 + max(tree.target for tree in self.trees)


def ensemble_of(model: Any) -> Ensemble:
    """The trees of a fitted model, one of KINDS.

    Their sums are a regressor's predictions, a classifier's probabilities in the order of its ``classes_``, or
    what boosting of classes passes to its link function: one sum for two classes, else one for each.

    Raises:
        ValueError: the model predicts several outputs, boosts from an estimator of its own, predicts numbers
            through a link function, or splits by categories.
    """
    if getattr(model, "n_outputs_", 1) != 1:
        raise ValueError(f"{type(model).__name__} has {model.n_outputs_} outputs; only one can be converted")
    match model:
        case DecisionTreeRegressor():
            return Ensemble([_tree(model.tree_)])
        case RandomForestRegressor() | ExtraTreesRegressor():
            return Ensemble([_tree(each.tree_) for each in model.estimators_], divisor=len(model.estimators_))
        case DecisionTreeClassifier():
            return Ensemble(list(_trees_of_classes(model.tree_)))
        case RandomForestClassifier() | ExtraTreesClassifier():
            trees = [tree for each in model.estimators_ for tree in _trees_of_classes(each.tree_)]
            return Ensemble(trees, divisor=len(model.estimators_))
        case GradientBoostingRegressor() | GradientBoostingClassifier():
            first = [_leaf(value, target) for target, value in enumerate(_first_estimates(model))]
            stages = [
                _tree(each.tree_, model.learning_rate, target)
                for stage in model.estimators_
                for target, each in enumerate(stage)
            ]
            return Ensemble([*first, *stages])
        case HistGradientBoostingRegressor() | HistGradientBoostingClassifier():
            if not is_classifier(model) and type(model._loss.link).__name__ != "IdentityLink":
                raise ValueError(f"the loss {model.loss} has a link function and cannot be converted")
            first = [_leaf(value, target) for target, value in enumerate(model._baseline_prediction.reshape(-1))]
            stages = [
                _histogram_tree(each.nodes, target)
                for stage in model._predictors
                for target, each in enumerate(stage)
            ]
            return Ensemble([*first, *stages], narrow=False)
    raise ValueError(f"{type(model).__name__} is not made of trees")


def _tree(tree: Any, factor: float = 1.0, target: int = 0) -> Tree:
    return Tree(
        left=tree.children_left,
        right=tree.children_right,
        feature=tree.feature,
        threshold=tree.threshold,
        missing_left=tree.missing_go_to_left,
        is_leaf=tree.children_left == -1,
        value=factor * tree.value.reshape(-1),
        target=target,
    )


def _trees_of_classes(tree: Any) -> Iterator[Tree]:
    """A tree of shares of classes as one tree for each class; they are zero below wherever a node's is zero."""
    for target, shares in enumerate(tree.value[:, 0, :].T):
        is_leaf = (tree.children_left == -1) | (shares == 0)
        kept = np.zeros(len(shares), bool)
        kept[0] = kept[tree.children_left[~is_leaf]] = kept[tree.children_right[~is_leaf]] = True
        position = np.cumsum(kept) - 1
        yield Tree(
            left=position[tree.children_left[kept]],
            right=position[tree.children_right[kept]],
            feature=tree.feature[kept],
            threshold=tree.threshold[kept],
            missing_left=tree.missing_go_to_left[kept],
            is_leaf=is_leaf[kept],
            value=shares[kept],
            target=target,
        )


def _histogram_tree(nodes: Array, target: int) -> Tree:
    if nodes["is_categorical"].any():
        raise ValueError("histogram boosting that splits by categories cannot be converted")
    return Tree(
        left=nodes["left"],
        right=nodes["right"],
        feature=nodes["feature_idx"],
        threshold=nodes["num_threshold"],
        missing_left=nodes["missing_go_to_left"],
        is_leaf=nodes["is_leaf"].astype(bool),
        value=nodes["value"],
        target=target,
    )


def _leaf(value: float, target: int) -> Tree:
    nothing = np.zeros(1, np.int64)
    return Tree(nothing, nothing, nothing, np.zeros(1), nothing, np.ones(1, bool), np.array([value]), target)


def _first_estimates(model: Any) -> Array:
    """What boosting starts from, one number for each target, where that is the same for every row."""
    start = model.init_
    constant = isinstance(start, DummyRegressor | DummyClassifier) and start.strategy != "stratified"
    if not (constant or isinstance(start, str)):
        raise ValueError(f"boosting that starts from {type(start).__name__} cannot be converted")
    return np.asarray(model._raw_predict_init(np.zeros((1, model.n_features_in_), np.float32)).reshape(-1))
