"""Models as skops: scikit-learn objects as data, from which only types on our list are ever built."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

from weighbridge.domain.data.schema import Category, Schema
from weighbridge.domain.errors import IncompatibleModel, ModelError, ModelUnreadable
from weighbridge.domain.model.codec import ModelCodec
from weighbridge.domain.model.encoding import class_columns
from weighbridge.domain.model.predictor import Predictor

if TYPE_CHECKING:
    from weighbridge.domain.model.fitted import FittedModel

#: Types that may be built beside those that skops itself trusts (scikit-learn's public estimators, NumPy's
#: arrays and functions, Python's containers). They are what scikit-learn's estimators are made of inside, and
#: those of LightGBM, whose booster comes as the text of its model.
#: The trees and neighbour structures are compiled code over raw arrays: a file made to harm could crash the
#: process with them, which is why bytes are checked against the digest of their record before they come here.
TRUSTED_TYPES = (
    "collections.OrderedDict",
    "collections.defaultdict",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMRegressor",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
)

_SCHEMA_FILE = "schema.json"


class SkopsCodec(ModelCodec):
    """The format ``skops``: a zip of JSON and arrays."""

    @property
    def format(self) -> str:
        """``skops``, also the suffix of a model's key."""
        return "skops"

    def encode(self, model: FittedModel, schema: Schema) -> bytes:
        """See ``ModelCodec.encode``. Nothing of the machine, the process or the moment is in the bytes."""
        import skops.io

        if isinstance(schema.target, Category):
            class_columns(model, schema.target)
        try:
            data = canonical(skops.io.dumps(model))
            untrusted = _untrusted_types(data)
        except Exception as error:  # skops raises whatever an object happens to raise
            raise ModelError(f"skops cannot hold {type(model).__name__}: {_words(error)}") from error
        if untrusted:
            raise ModelError(f"skops would need types that are not trusted: {', '.join(untrusted)}")
        return data

    def decode(self, data: bytes, schema: Schema) -> Predictor:
        """See ``ModelCodec.decode``. Nothing is built when a type is not in TRUSTED_TYPES."""
        import skops.io

        try:
            untrusted = _untrusted_types(data)
            if untrusted:
                raise ModelUnreadable(f"the skops model has types that are not trusted: {', '.join(untrusted)}")
            model = skops.io.loads(data, trusted=TRUSTED_TYPES)
        except ModelUnreadable:
            raise
        except Exception as error:  # broken files show themselves in every way
            raise ModelUnreadable(f"no skops model can be read: {_words(error)}") from error
        if not callable(getattr(model, "predict", None)):
            raise ModelUnreadable(f"the skops file holds a {type(model).__name__}, which does not predict")
        names = tuple(str(name) for name in getattr(model, "feature_names_in_", ()))
        if names != schema.feature_names:
            raise IncompatibleModel(
                f"the skops model takes {', '.join(names) or 'columns without names'}, "
                f"the schema has {', '.join(schema.feature_names)}"
            )
        if isinstance(schema.target, Category):
            class_columns(model, schema.target)
        from weighbridge.adapters.skops.predictor import SkopsPredictor

        return SkopsPredictor(model, schema)


def canonical(data: bytes) -> bytes:
    """A skops file with everything accidental taken out; equal models have equal canonical files.

    skops names files and shared objects by memory addresses and random identifiers, a zip has dates, and
    structured arrays (the nodes of trees) have padding that nobody ever wrote to. Here names are counted in
    order of appearance, only objects that are there more than once keep an identity, dates are the zip
    format's first day, and padding is zero.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        content = {name: source.read(name) for name in source.namelist()}
    tree = json.loads(content.pop(_SCHEMA_FILE))
    uses: dict[int, int] = {}
    _count_identities(tree, uses)
    files: dict[str, str] = {}
    _rename(tree, {}, files, uses, content)
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w", zipfile.ZIP_STORED) as target:
        target.writestr(zipfile.ZipInfo(_SCHEMA_FILE), json.dumps(tree, separators=(",", ":")))
        for old, new in files.items():
            target.writestr(zipfile.ZipInfo(new), _without_padding(old, content[old]))
    return result.getvalue()


def _count_identities(node: Any, uses: dict[int, int]) -> None:
    for child in _children(node):
        _count_identities(child, uses)
    # Texts and numbers have no identity worth keeping; which of them Python shares is an accident.
    if isinstance(node, dict) and isinstance(node.get("__id__"), int):
        if node.get("__loader__") == "JsonNode":
            del node["__id__"]
        else:
            uses[node["__id__"]] = uses.get(node["__id__"], 0) + 1


def _rename(
    node: Any, identities: dict[int, int], files: dict[str, str], uses: dict[int, int], content: dict[str, bytes]
) -> None:
    if isinstance(node, dict):
        identity = node.get("__id__")
        if isinstance(identity, int):
            if uses[identity] > 1:
                node["__id__"] = identities.setdefault(identity, len(identities) + 1)
            else:
                del node["__id__"]
        file = node.get("file")
        if isinstance(file, str) and file in content:
            node["file"] = files.setdefault(file, f"{len(files) + 1}.{file.rpartition('.')[2]}")
    for child in _children(node):
        _rename(child, identities, files, uses, content)


def _children(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []


def _without_padding(name: str, data: bytes) -> bytes:
    if not name.endswith(".npy"):
        return data
    import numpy as np

    array = np.load(io.BytesIO(data), allow_pickle=False)
    if array.dtype.fields is None:
        return data
    used = np.zeros(array.dtype.itemsize, np.uint8)
    for kind, offset, *_ in array.dtype.fields.values():
        used[offset : offset + kind.itemsize] = 1
    # On the bytes themselves: NumPy leaves padding as it finds it when it copies such an array.
    body = np.frombuffer(data, np.uint8)[len(data) - array.nbytes :].reshape(-1, len(used))
    return data[: len(data) - array.nbytes] + (body * used).tobytes()


def _untrusted_types(data: bytes) -> list[str]:
    import skops.io

    return [name for name in skops.io.get_untrusted_types(data=data) if name not in TRUSTED_TYPES]


def _words(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}"[:300] if lines else type(error).__name__
