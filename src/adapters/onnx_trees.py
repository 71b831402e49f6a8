"""How scikit-learn's trees, and what is made of them, become ONNX in double precision, for the ONNX codec.

skl2onnx writes trees for an operator whose thresholds and leaves are 32-bit floats, which is off by about one
part in ten million and not portable across thresholds. Version 5 of ``ai.onnx.ml`` has ``TreeEnsemble``, which
takes doubles, and ONNX Runtime runs it. scikit-learn itself rounds features to 32 bits before it compares them
with thresholds of 64 bits; casting the input to float and back to double does the same, so that a tree's
answers are scikit-learn's own to the bit. Histogram boosting compares in 64 bits, and so is not cast.

Sums are taken in scikit-learn's order (trees one after the other; for boosting the first estimate comes
first, as a tree of one leaf), so that with one thread forests and boosting are exact as well.

A leaf of ``TreeEnsemble`` adds one number to one target. A tree of classes has a probability for each class in
every leaf, so it is written once for each class, without the branches in which that class does not occur.
Probabilities of trees and forests are exact; boosting sends its exact sums through the runtime's own sigmoid or
softmax, which rounds differently. Labels are decided as scikit-learn decides them, ties included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from onnx import TensorProto, numpy_helper
from skl2onnx.common.data_types import DoubleTensorType, Int64TensorType, StringTensorType
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

ML_DOMAIN = "ai.onnx.ml"
ML_OPSET = 5

_BRANCH_LEQ = 0
_SUM = 1


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
    """The trees of a fitted model, one of those in ``converters``.

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


def converters() -> tuple[dict[type, Callable[..., None]], dict[type, Callable[..., None]]]:
    """What skl2onnx takes as ``custom_conversion_functions`` and ``custom_shape_calculators``."""
    models = (
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
    return dict.fromkeys(models, _convert), dict.fromkeys(models, _shape)


def declare_opset(proto: Any) -> None:
    """Raise a converted model's ``ai.onnx.ml`` to the version that ``TreeEnsemble`` came with, if it has one.

    skl2onnx refuses that version during conversion; its own operators mean the same in both.
    """
    if any(node.op_type == "TreeEnsemble" for node in proto.graph.node):
        for opset in proto.opset_import:
            if opset.domain == ML_DOMAIN:
                opset.version = ML_OPSET


def tree_attributes(ensemble: Ensemble) -> dict[str, Any]:
    """The attributes of a ``TreeEnsemble`` node that adds up the trees of ``ensemble``."""
    nodes: dict[str, list[Array]] = {}
    leaves: list[Array] = []
    targets: list[Array] = []
    roots: list[int] = []
    node_count = leaf_count = 0
    for tree in ensemble.trees:
        part = _inner_nodes(tree)
        weights = tree.value[tree.is_leaf].astype(np.float64)
        roots.append(node_count)
        for side in ("true", "false"):
            is_leaf = part[f"nodes_{side}leafs"]
            part[f"nodes_{side}nodeids"] = part[f"nodes_{side}nodeids"] + np.where(is_leaf, leaf_count, node_count)
        for name, values in part.items():
            nodes.setdefault(name, []).append(values)
        leaves.append(weights)
        targets.append(np.full(len(weights), tree.target))
        node_count += len(part["nodes_splits"])
        leaf_count += len(weights)
    attributes: dict[str, Any] = {name: np.concatenate(parts) for name, parts in nodes.items()}
    splits = attributes.pop("nodes_splits")
    return {
        **{name: values.tolist() for name, values in attributes.items()},
        "tree_roots": roots,
        "nodes_splits": numpy_helper.from_array(splits, "nodes_splits"),
        "nodes_modes": numpy_helper.from_array(np.full(node_count, _BRANCH_LEQ, np.uint8), "nodes_modes"),
        "leaf_weights": numpy_helper.from_array(np.concatenate(leaves), "leaf_weights"),
        "leaf_targetids": np.concatenate(targets).tolist(),
        "n_targets": ensemble.targets,
        "aggregate_function": _SUM,
    }


def _inner_nodes(tree: Tree) -> dict[str, Array]:
    """A tree's inner nodes, referring to inner nodes and to leaves each numbered from zero."""
    if tree.is_leaf[0]:
        # The standard's way to write a tree that is one leaf: a node both of whose branches lead to it.
        names = ("featureids", "missing_value_tracks_true", "truenodeids", "falsenodeids")
        part: dict[str, Array] = {f"nodes_{name}": np.zeros(1, np.int64) for name in names}
        part |= {f"nodes_{side}leafs": np.ones(1, np.int64) for side in ("true", "false")}
        return {**part, "nodes_splits": np.zeros(1)}
    # A node's number among those of its own kind.
    position = np.where(tree.is_leaf, np.cumsum(tree.is_leaf), np.cumsum(~tree.is_leaf)) - 1
    inner = ~tree.is_leaf
    left, right = tree.left[inner], tree.right[inner]
    return {
        "nodes_featureids": tree.feature[inner].astype(np.int64),
        "nodes_splits": tree.threshold[inner].astype(np.float64),
        "nodes_missing_value_tracks_true": tree.missing_left[inner].astype(np.int64),
        "nodes_truenodeids": position[left],
        "nodes_trueleafs": tree.is_leaf[left].astype(np.int64),
        "nodes_falsenodeids": position[right],
        "nodes_falseleafs": tree.is_leaf[right].astype(np.int64),
    }


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


def _shape(operator: Any) -> None:
    model = operator.raw_operator
    if is_classifier(model):
        is_text = all(isinstance(name, str) for name in model.classes_)
        operator.outputs[0].type = StringTensorType([None]) if is_text else Int64TensorType([None])
    operator.outputs[-1].type = DoubleTensorType([None, len(model.classes_) if is_classifier(model) else 1])


def _convert(scope: Any, operator: Any, container: Any) -> None:
    model, graph = operator.raw_operator, _Graph(scope, container)
    ensemble = ensemble_of(model)
    kinds = (TensorProto.FLOAT, TensorProto.DOUBLE) if ensemble.narrow else (TensorProto.DOUBLE,)
    columns = [graph.add("Cast", variable.full_name, to=kinds[0]) for variable in operator.inputs]
    wide = columns[0] if len(columns) == 1 else graph.add("Concat", columns, axis=1)
    for kind in kinds[1:]:
        wide = graph.add("Cast", wide, to=kind)
    answer = graph.add(
        "TreeEnsemble",
        wide,
        op_domain=ML_DOMAIN,
        op_version=3,  # the greatest that skl2onnx lets pass; see ``declare_opset``
        **tree_attributes(ensemble),
    )
    if ensemble.divisor != 1:
        answer = graph.add("Div", [answer, graph.number(ensemble.divisor)])
    if is_classifier(model):
        place = _place(graph, model, ensemble, answer)
        graph.add("Gather", [graph.constant(model.classes_), place], operator.outputs[0].full_name)
        answer = _probabilities(graph, model, ensemble, answer)
    graph.add("Identity", answer, operator.outputs[-1].full_name)


def _place(graph: _Graph, model: Any, ensemble: Ensemble, answer: str) -> str:
    """The place of each row's label among the classes."""
    if ensemble.targets > 1 or len(model.classes_) == 1:
        return graph.add("ArgMax", answer, axis=1, keepdims=0)
    # Where both classes are as likely, the two kinds of boosting take different ones.
    comparison = "Greater" if isinstance(model, HistGradientBoostingClassifier) else "GreaterOrEqual"
    second = graph.add(comparison, [answer, graph.number(0.0)])
    return graph.add("Reshape", [graph.add("Cast", second, to=TensorProto.INT64), graph.constant(np.array([-1]))])


def _probabilities(graph: _Graph, model: Any, ensemble: Ensemble, answer: str) -> str:
    """The probability of each class, from what the trees add up to."""
    if not isinstance(model, GradientBoostingClassifier | HistGradientBoostingClassifier):
        return answer
    if ensemble.targets > 1:
        return graph.add("Softmax", answer, axis=1)
    if type(model._loss.link).__name__ == "HalfLogitLink":
        answer = graph.add("Mul", [answer, graph.number(2.0)])
    second = graph.add("Sigmoid", answer)
    return graph.add("Concat", [graph.add("Sub", [graph.number(1.0), second]), second], axis=1)


class _Graph:
    """Adds nodes to what skl2onnx builds, under names of their own."""

    def __init__(self, scope: Any, container: Any) -> None:
        self._scope, self._container = scope, container

    def add(self, kind: str, inputs: Any, output: str | None = None, **attributes: Any) -> str:
        """Add a node; the name of its output."""
        name = output or self._scope.get_unique_variable_name(kind.lower())
        attributes = {"op_version": 13, **attributes}
        operator = self._scope.get_unique_operator_name(kind)
        self._container.add_node(kind, inputs, name, name=operator, **attributes)
        return name

    def number(self, value: float) -> str:
        """The name of a constant double."""
        return self.constant(np.array([value], np.float64))

    def constant(self, values: Array) -> str:
        """The name of a constant of one dimension: of doubles, whole numbers or texts."""
        name: str = self._scope.get_unique_variable_name("constant")
        if values.dtype.kind == "f":
            kind, content = TensorProto.DOUBLE, values.tolist()
        elif values.dtype.kind in "OU":
            kind, content = TensorProto.STRING, [text.encode() for text in values]
        else:
            kind, content = TensorProto.INT64, [int(value) for value in values]
        self._container.add_initializer(name, kind, [len(content)], content)
        return name
