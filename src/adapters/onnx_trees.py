"""How scikit-learn's regression trees become ONNX in double precision, for the ONNX codec.

skl2onnx writes trees for an operator whose thresholds and leaves are 32-bit floats, which is off by about one
part in ten million and not portable across thresholds. Version 5 of ``ai.onnx.ml`` has ``TreeEnsemble``, which
takes doubles, and ONNX Runtime runs it. scikit-learn itself rounds features to 32 bits before it compares them
with thresholds of 64 bits; casting the input to float and back to double does the same, so that a tree's
answers are scikit-learn's own to the bit. Histogram boosting compares in 64 bits, and so is not cast.

Sums are taken in scikit-learn's order (trees one after the other; for boosting the first estimate comes
first, as a tree of one leaf), so that with one thread forests and boosting are exact as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from onnx import TensorProto, numpy_helper
from skl2onnx.common.data_types import DoubleTensorType
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeRegressor, ExtraTreeRegressor

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
    """

    left: Array
    right: Array
    feature: Array
    threshold: Array
    missing_left: Array
    is_leaf: Array
    value: Array


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Trees whose leaves are added up, one tree after the other, and then divided.

    Args:
        trees: at least one.
        divisor: of the sum.
        narrow: whether features are rounded to 32 bits before they are compared.
    """

    trees: Sequence[Tree]
    divisor: int = 1
    narrow: bool = True


def ensemble_of(model: Any) -> Ensemble:
    """The trees of a fitted regressor, one of those in ``converters``.

    Raises:
        ValueError: the model predicts several outputs, boosts from an estimator of its own or through a link
            function, or splits by categories.
    """
    if getattr(model, "n_outputs_", 1) != 1:
        raise ValueError(f"{type(model).__name__} has {model.n_outputs_} outputs; only one can be converted")
    match model:
        case DecisionTreeRegressor():
            return Ensemble([_tree(model.tree_)])
        case RandomForestRegressor() | ExtraTreesRegressor():
            trees = [_tree(each.tree_) for each in model.estimators_]
            return Ensemble(trees, divisor=len(trees))
        case GradientBoostingRegressor():
            trees = [_tree(each.tree_, model.learning_rate) for each in model.estimators_[:, 0]]
            return Ensemble([_leaf(_first_estimate(model)), *trees])
        case HistGradientBoostingRegressor():
            if type(model._loss.link).__name__ != "IdentityLink":
                raise ValueError(f"the loss {model.loss} has a link function and cannot be converted")
            first = float(model._baseline_prediction.reshape(-1)[0])
            return Ensemble(
                [_leaf(first), *(_histogram_tree(each.nodes) for (each,) in model._predictors)], narrow=False
            )
    raise ValueError(f"{type(model).__name__} is not an ensemble of regression trees")


def converters() -> tuple[dict[type, Callable[..., None]], dict[type, Callable[..., None]]]:
    """What skl2onnx takes as ``custom_conversion_functions`` and ``custom_shape_calculators``."""
    models = (
        DecisionTreeRegressor,
        ExtraTreeRegressor,
        RandomForestRegressor,
        ExtraTreesRegressor,
        GradientBoostingRegressor,
        HistGradientBoostingRegressor,
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
        "leaf_targetids": [0] * leaf_count,
        "n_targets": 1,
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


def _tree(tree: Any, factor: float = 1.0) -> Tree:
    return Tree(
        left=tree.children_left,
        right=tree.children_right,
        feature=tree.feature,
        threshold=tree.threshold,
        missing_left=tree.missing_go_to_left,
        is_leaf=tree.children_left == -1,
        value=factor * tree.value.reshape(-1),
    )


def _histogram_tree(nodes: Array) -> Tree:
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
    )


def _leaf(value: float) -> Tree:
    nothing = np.zeros(1, np.int64)
    return Tree(nothing, nothing, nothing, np.zeros(1), nothing, np.ones(1, bool), np.array([value]))


def _first_estimate(model: Any) -> float:
    if model.init_ == "zero":
        return 0.0
    if isinstance(model.init_, DummyRegressor):
        return float(np.asarray(model.init_.constant_).reshape(-1)[0])
    raise ValueError(f"boosting that starts from {type(model.init_).__name__} cannot be converted")


def _shape(operator: Any) -> None:
    operator.outputs[0].type = DoubleTensorType([None, 1])


def _convert(scope: Any, operator: Any, container: Any) -> None:
    ensemble = ensemble_of(operator.raw_operator)
    kinds = (TensorProto.FLOAT, TensorProto.DOUBLE) if ensemble.narrow else (TensorProto.DOUBLE,)
    columns = [_add(container, scope, "Cast", variable.full_name, to=kinds[0]) for variable in operator.inputs]
    wide = columns[0] if len(columns) == 1 else _add(container, scope, "Concat", columns, axis=1)
    for kind in kinds[1:]:
        wide = _add(container, scope, "Cast", wide, to=kind)
    output = operator.outputs[0].full_name
    divided = ensemble.divisor != 1
    total = _add(
        container,
        scope,
        "TreeEnsemble",
        wide,
        None if divided else output,
        op_domain=ML_DOMAIN,
        op_version=3,  # the greatest that skl2onnx lets pass; see ``declare_opset``
        **tree_attributes(ensemble),
    )
    if divided:
        divisor = scope.get_unique_variable_name("divisor")
        container.add_initializer(divisor, TensorProto.DOUBLE, [1], [float(ensemble.divisor)])
        _add(container, scope, "Div", [total, divisor], output)


def _add(container: Any, scope: Any, kind: str, inputs: Any, output: str | None = None, **attributes: Any) -> str:
    name = output or scope.get_unique_variable_name(kind.lower())
    attributes = {"op_version": 13, **attributes}
    container.add_node(kind, inputs, name, name=scope.get_unique_operator_name(kind), **attributes)
    return name
