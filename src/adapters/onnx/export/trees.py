"""Trees in double precision, for graphs of ONNX.

skl2onnx writes trees for an operator whose thresholds and leaves are 32-bit floats, which is off by about one
part in ten million and not portable across thresholds. Version 5 of ``ai.onnx.ml`` has ``TreeEnsemble``, which
takes doubles, and ONNX Runtime runs it. scikit-learn itself rounds features to 32 bits before it compares them
with thresholds of 64 bits; casting the input to float and back to double does the same, so that a tree's
answers are scikit-learn's own to the bit. Histogram boosting compares in 64 bits, and so is not cast.

A leaf of ``TreeEnsemble`` adds one number to one target. Probabilities of trees and forests are exact; boosting
sends its exact sums through the runtime's own sigmoid or softmax, which rounds differently. Labels are decided as
scikit-learn decides them, ties included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, numpy_helper
from sklearn.base import is_classifier
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier

from weighbridge.adapters.onnx.export.ensembles import Array, Ensemble, Tree, ensemble_of
from weighbridge.adapters.onnx.export.graph import ML_DOMAIN, Graph

_BRANCH_LEQ = 0
_SUM = 1


def write_trees(graph: Graph, model: Any, columns: Sequence[str], outputs: Sequence[str]) -> None:
    """Add a fitted model of ``ensembles.KINDS`` to a graph.

    Args:
        graph: to add to.
        model: is fitted on as many columns as ``columns`` have together.
        columns: names of tensors of numbers, of shape [rows, any].
        outputs: names of what comes out: of shape [rows, 1]; or for classes the labels, of shape [rows], and the
            probabilities, of shape [rows, classes].

    Raises:
        ValueError: as ``ensemble_of``.
    """
    ensemble = ensemble_of(model)
    kinds = (TensorProto.FLOAT, TensorProto.DOUBLE) if ensemble.narrow else (TensorProto.DOUBLE,)
    cast = [graph.add("Cast", [name], to=kinds[0]) for name in columns]
    wide = cast[0] if len(cast) == 1 else graph.add("Concat", cast, axis=1)
    for kind in kinds[1:]:
        wide = graph.add("Cast", [wide], to=kind)
    answer = graph.add("TreeEnsemble", [wide], domain=ML_DOMAIN, **tree_attributes(ensemble))
    if ensemble.divisor != 1:
        answer = graph.add("Div", [answer, graph.number(ensemble.divisor)])
    if is_classifier(model):
        place = _place(graph, model, ensemble, answer)
        graph.add("Gather", [graph.constant(model.classes_), place], outputs[0])
        answer = _probabilities(graph, model, ensemble, answer)
    graph.add("Identity", [answer], outputs[-1])


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


def _place(graph: Graph, model: Any, ensemble: Ensemble, answer: str) -> str:
    """The place of each row's label among the classes."""
    if ensemble.targets > 1 or len(model.classes_) == 1:
        return graph.add("ArgMax", [answer], axis=1, keepdims=0)
    # Where both classes are as likely, the two kinds of boosting take different ones.
    comparison = "Greater" if isinstance(model, HistGradientBoostingClassifier) else "GreaterOrEqual"
    second = graph.add(comparison, [answer, graph.number(0.0)])
    return graph.add(
        "Reshape", [graph.add("Cast", [second], to=TensorProto.INT64), graph.constant(np.array([-1]))]
    )


def _probabilities(graph: Graph, model: Any, ensemble: Ensemble, answer: str) -> str:
    """The probability of each class, from what the trees add up to."""
    if not isinstance(model, GradientBoostingClassifier | HistGradientBoostingClassifier):
        return answer
    if ensemble.targets > 1:
        return graph.add("Softmax", [answer], axis=1)
    if type(model._loss.link).__name__ == "HalfLogitLink":
        answer = graph.add("Mul", [answer, graph.number(2.0)])
    second = graph.add("Sigmoid", [answer])
    return graph.add("Concat", [graph.add("Sub", [graph.number(1.0), second]), second], axis=1)
