"""Whether the state of compiled code stays within its bounds: compiled code reads where it is told to.

Everything is checked on descriptions, before an object is built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from weighbridge.adapters.skops.allowed import FUNCTION_ATTRIBUTES
from weighbridge.adapters.skops.booster_text import check_booster
from weighbridge.adapters.skops.description import Described, Function, described
from weighbridge.domain.errors import ModelUnreadable

_Array: TypeAlias = "np.ndarray[Any, Any]"

_TREE_OWNERS = frozenset(
    f"{kind}{task}"
    for kind in ("DecisionTree", "ExtraTree", "ExtraTrees", "RandomForest", "GradientBoosting")
    for task in ("Classifier", "Regressor")
)
#: Metrics of scikit-learn, by name; others would call a function, or look up a row of an array by its value.
_METRICS = frozenset({"minkowski", "euclidean", "l2", "manhattan", "l1", "cityblock", "chebyshev", "sqeuclidean"})
_KERNELS = frozenset({"linear", "poly", "rbf", "sigmoid"})


def check_native_state(model: Any) -> None:
    """Look at every object of a description.

    Raises:
        ModelUnreadable: an index leads out of its array, or an estimator is told to do what it must not.
        Exception: something that the check needs is missing or of another kind.
    """
    for one in described(model):
        if isinstance(one.state, dict):
            _check_settings(one)
        if one.name in _TREE_OWNERS:
            _check_trees(one)
        check = _CHECKS.get(one.name)
        if check is not None:
            check(one)


def _require(is_met: object, one: Described, what: str) -> None:
    if not is_met:
        raise ModelUnreadable(f"the skops model has a {one.name} whose {what}")


def _check_settings(one: Described) -> None:
    state = one.state
    _require(state.get("memory") is None, one, "cache (memory) is a folder, out of which it would unpickle files")
    _require(state.get("metric_params") in (None, {}), one, "metric has parameters (metric_params)")
    if "kernel" in state and one.kind.startswith("sklearn.svm."):
        _require(state["kernel"] in _KERNELS, one, "kernel is not one of scikit-learn's own")
    if one.kind.startswith("sklearn.neighbors."):
        _require(state.get("metric", "minkowski") in _METRICS, one, "metric is not on the list")
        _require(state.get("weights", "uniform") in ("uniform", "distance", None), one, "weights are not by name")
    if one.name == "FunctionTransformer":
        _require(not state.get("kw_args") and not state.get("inv_kw_args"), one, "function has arguments")
    for name in FUNCTION_ATTRIBUTES & state.keys():
        _require(state[name] is None or isinstance(state[name], Function), one, f"{name} is no function")


def _check_trees(owner: Described) -> None:
    """The trees of an estimator that hands them its own columns without another look."""
    trees = [one for one in described(owner.state) if one.name == "Tree"]
    if not trees:
        # Not fitted: what an ensemble makes copies of.
        return
    width = _whole(owner.state["n_features_in_"])
    for one in described(owner.state):
        if one.name == "Tree":
            features = one.state["nodes"]["feature"][one.state["nodes"]["left_child"] >= 0]
            _require((features < width).all(), one, "nodes compare a column that there is not")
        elif one.name in _TREE_OWNERS and "tree_" in one.state:
            _require(_whole(one.state["n_features_in_"]) == width, one, "columns are not those of its ensemble")


def _check_tree(one: Described) -> None:
    nodes, values = one.state["nodes"], one.state["values"]
    count = len(nodes)
    _, classes, outputs = one.arguments
    _require(
        count == _whole(one.state["node_count"]) > 0
        and classes.dtype.kind == "i"
        and classes.shape == (_whole(outputs),) == (1,)
        and classes[0] > 0
        and values.shape == (count, 1, classes[0]),
        one,
        "nodes, values and classes are not of one number",
    )
    _check_children(one, nodes["left_child"], nodes["right_child"], nodes["left_child"] == -1)
    _require(
        (nodes["feature"][nodes["left_child"] >= 0] >= 0).all(), one, "nodes compare a column that there is not"
    )
    _require((nodes["right_child"][nodes["left_child"] == -1] == -1).all(), one, "leaves have children")


def _check_children(one: Described, left: _Array, right: _Array, is_leaf: _Array) -> None:
    """Every inner node leads to two later nodes, so that every way ends in a leaf."""
    places = np.arange(len(left))
    for children in (left.astype(np.int64), right.astype(np.int64)):
        is_later = (children > places) & (children < len(left))
        _require((is_later | is_leaf).all(), one, "nodes lead nowhere, or back")


def _check_gradient_boosting(one: Described) -> None:
    state = one.state
    estimators = state["estimators_"]
    targets = _targets(state)
    _require(
        _whole(state["n_trees_per_iteration_"]) == targets
        and len(estimators) > 0
        and all(isinstance(stage, list) and len(stage) == targets for stage in estimators),
        one,
        "trees are not one for each class in each stage",
    )
    for tree in described(estimators):
        if tree.name == "Tree":
            _require(tree.state["values"].shape[1:] == (1, 1), tree, "leaves have more than one number")
    first = state["init_"]
    if isinstance(first, Described) and first.name == "DummyClassifier":
        _require(
            len(first.state["classes_"]) == len(state["classes_"]) == len(first.state["class_prior_"]),
            one,
            "first estimate is not of its classes",
        )
    else:
        _require(first == "zero" or (isinstance(first, Described) and first.name == "DummyRegressor"), one,
                 "first estimate is not a constant")  # fmt: skip


def _targets(state: Mapping[str, Any]) -> int:
    classes = len(state["classes_"]) if "classes_" in state else 1
    return 1 if classes <= 2 else classes


def _check_histogram_boosting(one: Described) -> None:
    state = one.state
    width = _whole(state["n_features_in_"])
    categories = state["_bin_mapper"].state["is_categorical_"]
    _require(len(categories) == width, one, "bins are not of its columns")
    stages = state["_predictors"]
    _require(all(len(stage) == _targets(state) for stage in stages), one, "trees are not one for each class")
    for tree in described(stages):
        nodes, bits = tree.state["nodes"], tree.state["raw_left_cat_bitsets"]
        inner = nodes[nodes["is_leaf"] == 0]
        _require(
            ((inner["feature_idx"] >= 0) & (inner["feature_idx"] < width)).all(),
            tree,
            "nodes compare a column that there is not",
        )
        by_category = inner[inner["is_categorical"] != 0]
        _require(
            bits.dtype == np.uint32
            and bits.ndim == 2
            and bits.shape[1] == 8
            and (by_category["bitset_idx"] < len(bits)).all()
            and np.asarray(categories, bool)[by_category["feature_idx"]].all(),
            tree,
            "nodes compare categories that there are not",
        )


def _check_histogram_tree(one: Described) -> None:
    nodes = one.state["nodes"]
    _require(len(nodes) > 0, one, "nodes are missing")
    _check_children(one, nodes["left"], nodes["right"], nodes["is_leaf"] != 0)


def _check_neighbours_tree(one: Described) -> None:
    data, index, nodes, bounds, leaf_size, levels, count, *_, metric, weights = one.state
    rows, width = data.shape
    _require(
        data.dtype == bounds.dtype == np.float64
        and index.dtype == np.int64
        and index.shape == (rows,)
        and ((index >= 0) & (index < rows)).all(),
        one,
        "index names rows that there are not",
    )
    count, levels = _whole(count), _whole(levels)
    sides = 2 if one.name == "KDTree" else 1
    _require(
        rows > 0
        and _whole(leaf_size) > 0
        and 0 < levels < 60
        and count == len(nodes) == 2**levels - 1
        and bounds.shape == (sides, count, width),
        one,
        "nodes are not as many as its levels have",
    )
    starts, ends, is_leaf = nodes["idx_start"], nodes["idx_end"], nodes["is_leaf"] != 0
    _require(((starts >= 0) & (starts <= ends) & (ends <= rows)).all(), one, "nodes hold rows that there are not")
    _require(is_leaf[2 ** (levels - 1) - 1 :].all(), one, "nodes lead nowhere")
    _require(weights is None, one, "rows have weights")
    _require(isinstance(metric, Described) and metric.name == "EuclideanDistance64", one, "metric is not Euclid's")


def _check_neighbours(one: Described) -> None:
    rows = one.state["_fit_X"]
    count = _rows_of(rows)
    _require(count == _whole(one.state["n_samples_fit_"]), one, "rows are not as many as it says")
    _require(_columns_of(rows) == _whole(one.state["n_features_in_"]), one, "rows are not of its columns")
    _require(len(one.state["_y"]) == count, one, "targets are not one for each row")
    if one.name == "KNeighborsClassifier":
        targets = one.state["_y"]
        classes = one.state["classes_"]
        _require(
            isinstance(targets, np.ndarray)
            and targets.dtype.kind in "iu"
            and ((targets >= 0) & (targets < len(classes))).all()
            and one.state["outputs_2d_"] is False,
            one,
            "targets are classes that there are not",
        )
    tree = one.state.get("_tree")
    if isinstance(tree, Described):
        _require(tree.state[0].shape == (count, _columns_of(rows)), one, "index is of other rows")


def _check_support_vectors(one: Described) -> None:
    state = one.state
    vectors, of_class, weights = state["support_vectors_"], state["_n_support"], state["_dual_coef_"]
    count = _rows_of(vectors)
    classes = len(state["classes_"]) if "classes_" in state else 2
    pairs = classes * (classes - 1) // 2
    numbers = [state[name] for name in ("_intercept_", "_probA", "_probB", "support_")]
    _require(
        all(isinstance(each, np.ndarray) and each.ndim == 1 for each in (*numbers, of_class)),
        one,
        "arrays are none",
    )
    _require(
        _columns_of(vectors) == _whole(state["n_features_in_"]), one, "support vectors are not of its columns"
    )
    _require(
        of_class.dtype == np.int32
        and of_class.shape == (classes,)
        and (of_class >= 0).all()
        and ("classes_" not in state or of_class.sum(dtype=np.int64) == count)
        and len(state["support_"]) == count
        and (_rows_of(weights), _columns_of(weights)) == (classes - 1, count)
        and len(state["_intercept_"]) == pairs
        and len(state["_probA"]) in (0, pairs)
        and len(state["_probB"]) == len(state["_probA"]),
        one,
        "support vectors are not as many as its weights and classes say",
    )


def _check_lightgbm(one: Described) -> None:
    for value in one.state.values():
        if isinstance(value, str) and "Tree=" in value:
            check_booster(value)


def _rows_of(array: Any) -> int:
    return int(array["shape"][0]) if isinstance(array, dict) else int(array.shape[0])


def _columns_of(array: Any) -> int:
    return int(array["shape"][1]) if isinstance(array, dict) else int(array.shape[1])


def _whole(value: Any) -> int:
    if type(value) is not int and not (
        isinstance(value, np.ndarray) and value.shape == () and value.dtype.kind in "iu"
    ):
        raise ModelUnreadable("the skops model has a count that is not a whole number")
    return int(value)


_CHECKS: Mapping[str, Callable[[Described], None]] = {
    "Tree": _check_tree,
    "TreePredictor": _check_histogram_tree,
    "GradientBoostingClassifier": _check_gradient_boosting,
    "GradientBoostingRegressor": _check_gradient_boosting,
    "HistGradientBoostingClassifier": _check_histogram_boosting,
    "HistGradientBoostingRegressor": _check_histogram_boosting,
    "KDTree": _check_neighbours_tree,
    "BallTree": _check_neighbours_tree,
    "KNeighborsClassifier": _check_neighbours,
    "KNeighborsRegressor": _check_neighbours,
    "SVC": _check_support_vectors,
    "NuSVC": _check_support_vectors,
    "SVR": _check_support_vectors,
    "NuSVR": _check_support_vectors,
    "Booster": _check_lightgbm,
}
