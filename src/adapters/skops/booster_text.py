"""The text of a LightGBM model, whose trees LightGBM follows without a look at their bounds.

The format: https://github.com/microsoft/LightGBM/blob/master/src/io/gbdt_model_text.cpp and ``src/io/tree.cpp``.
"""

from __future__ import annotations

from collections.abc import Mapping

from weighbridge.domain.errors import ModelUnreadable

_CATEGORICAL = 1


def check_booster(text: str) -> None:
    """Refuse a model one of whose trees leads nowhere, or compares what there is not.

    Raises:
        ModelUnreadable: it has one; or the text is not as LightGBM writes it.
    """
    try:
        head, _, rest = text.partition("\n\n")
        about = _fields(head)
        columns = int(about["max_feature_idx"]) + 1
        trees = int(about["num_tree_per_iteration"])
        sizes = [int(size) for size in about["tree_sizes"].split()]
        if trees != int(about["num_class"]) or trees < 1 or len(sizes) % trees:
            raise ValueError("its trees are not one for each class")
        body = f"{rest}".encode()
        at = 0
        for number, size in enumerate(sizes):
            block = body[at : at + size]
            if size <= 0 or len(block) != size or not block.startswith(f"Tree={number}\n".encode()):
                raise ValueError("its trees are not where it says")
            _check_tree(_fields(block.decode()), columns)
            at += size
    except (KeyError, ValueError, IndexError) as error:
        raise ModelUnreadable(f"the skops model has a LightGBM model that cannot be read: {error}") from error


def _check_tree(tree: Mapping[str, str], columns: int) -> None:
    leaves = int(tree["num_leaves"])
    if leaves < 1 or len(tree["leaf_value"].split()) != leaves or tree.get("is_linear", "0") != "0":
        raise ValueError("a tree's leaves are not as many as it says, or not numbers")
    if leaves == 1:
        return
    names = ("split_feature", "decision_type", "left_child", "right_child")
    features, kinds, left, right = ([int(value) for value in tree[name].split()] for name in names)
    thresholds = [float(value) for value in tree["threshold"].split()]
    if {len(part) for part in (features, kinds, left, right, thresholds)} != {leaves - 1}:
        raise ValueError("a tree's nodes are not as many as it says")
    if not all(0 <= feature < columns for feature in features):
        raise ValueError("a tree compares a column that there is not")
    for children in (left, right):
        if not all(
            node < child < leaves - 1 if child >= 0 else -child <= leaves for node, child in enumerate(children)
        ):
            raise ValueError("a tree leads nowhere, or back")
    categories = int(tree["num_cat"])
    bounds = [int(value) for value in tree.get("cat_boundaries", "").split()]
    words = len(tree.get("cat_threshold", "").split())
    if categories and (
        len(bounds) != categories + 1 or bounds != sorted(bounds) or bounds[0] != 0 or bounds[-1] != words
    ):
        raise ValueError("a tree's categories are not as many as it says")
    by_category = [place for kind, place in zip(kinds, thresholds, strict=True) if kind & _CATEGORICAL]
    if not all(0 <= place < categories for place in by_category):
        raise ValueError("a tree compares categories that there are not")


def _fields(block: str) -> dict[str, str]:
    """The lines ``name=value``; LightGBM takes the first of a name as well as the last, so each may stand once."""
    found: dict[str, str] = {}
    for line in block.splitlines():
        name, equals, value = line.partition("=")
        if equals and found.setdefault(name, value) != value:
            raise ValueError(f"{name} stands twice")
    return found
