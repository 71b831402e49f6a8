"""Every shallower tree within one fully grown decision tree.

For a fixed criterion and ``min_samples_leaf``, the tree of a given ``max_depth`` and ``min_samples_split`` is the
fully grown one cut short: a row walks from the root and stops at the first node that is at depth ``max_depth``,
or holds fewer than ``min_samples_split`` training rows, or is a leaf; that node's own value is the answer. So
whatever can be added up over rows (squared errors, right answers of a class) is added up once per node, over all
rows that pass through it, and each truncation's total is a sum over the nodes at which its rows stop.

The arrays of a tree are those of scikit-learn's documented ``tree_`` structure.
"""

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]

#: A depth that no tree reaches; stands for ``max_depth=None``.
UNBOUNDED = np.iinfo(np.int32).max

# Pairs of a row and a node on its path held at once. Bounds memory to some tens of MB, whatever the rows.
_PAIRS = 1 << 20


def passages(model: Any, matrix: Any) -> Iterator[tuple[Array, Array]]:
    """Walk the rows of ``matrix`` through a fitted tree.

    Args:
        model: a fitted DecisionTreeRegressor or DecisionTreeClassifier.
        matrix: float32 of shape [rows, columns], as the tree was fitted on; dense, or sparse in rows.

    Yields:
        Two int arrays of equal length: row ``rows[i]`` passes through node ``nodes[i]``. All of them together
        name every node on every row's path once; each pair of arrays covers one run of rows.
    """
    step = max(1, _PAIRS // (model.get_depth() + 1))
    for start in range(0, matrix.shape[0], step):
        paths = model.decision_path(matrix[start : start + step])
        rows = np.repeat(np.arange(start, start + paths.shape[0]), np.diff(paths.indptr))
        yield rows, paths.indices


def truncated_sums(tree: Any, totals: Array, depths: Array, splits: Array) -> Array:
    """Sum what rows bring to the nodes at which they stop, for every truncation.

    Args:
        tree: the ``tree_`` of a fitted tree.
        totals: float, of shape [nodes, quantities]: sums over the rows that pass through each node.
        depths: values of ``max_depth``, at least 1; UNBOUNDED for none.
        splits: values of ``min_samples_split`` as they take effect (never less than twice ``min_samples_leaf``),
            none below that with which the tree was grown.

    Returns:
        Of shape [depths, splits, quantities]: sums over all rows, each counted at the node where it stops.
    """
    node_depths, arriving = _shape(tree)
    order = np.argsort(node_depths, kind="stable")
    totals, arriving = totals[order], arriving[order]
    held, leaf = tree.n_node_samples[order], tree.children_left[order] < 0
    levels = int(node_depths[order[-1]]) + 1
    starts = np.searchsorted(node_depths[order], np.arange(levels))
    # At the deepest level every node is a leaf: a greater depth changes nothing.
    level = np.minimum(depths, levels - 1)
    sums = np.empty((len(depths), len(splits), totals.shape[1]))
    above = np.zeros((levels, totals.shape[1]))
    for index, split in enumerate(splits):
        # A node is reached if its parent was large enough to be split, and so all of its ancestors.
        reached = np.where((arriving >= split)[:, None], totals, 0.0)
        stopped = np.where((leaf | (held < split))[:, None], reached, 0.0)
        np.cumsum(np.add.reduceat(stopped, starts)[:-1], axis=0, out=above[1:])
        sums[:, index] = above[level] + np.add.reduceat(reached, starts)[level]
    return sums


def _shape(tree: Any) -> tuple[Array, Array]:
    """Each node's depth, and the training rows of its parent (the root's is larger than any)."""
    depths = np.zeros(tree.node_count, dtype=np.intp)
    arriving = np.full(tree.node_count, np.iinfo(np.intp).max)
    parents = np.array([0])
    while True:
        parents = parents[tree.children_left[parents] >= 0]
        if not parents.size:
            return depths, arriving
        children = np.concatenate((tree.children_left[parents], tree.children_right[parents]))
        depths[children] = depths[parents[0]] + 1
        arriving[children] = np.tile(tree.n_node_samples[parents], 2)
        parents = children
