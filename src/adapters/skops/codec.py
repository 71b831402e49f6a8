"""Models as skops: scikit-learn objects as data.

A file is described and checked before anything in it is built: by type against a list of our own (``allowed``),
and the state of compiled code against its bounds (``native_state``).
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

from weighbridge.adapters.skops.allowed import TRUSTED_TYPES
from weighbridge.domain.data.schema import Category, Schema
from weighbridge.domain.errors import IncompatibleModel, ModelError, ModelUnreadable
from weighbridge.domain.model.codec import ModelCodec
from weighbridge.domain.model.encoding import class_columns
from weighbridge.domain.model.predictor import Predictor

if TYPE_CHECKING:
    from weighbridge.domain.model.fitted import FittedModel

_SCHEMA_FILE = "schema.json"


class SkopsCodec(ModelCodec):
    """The format ``skops``: a zip of JSON and arrays."""

    @property
    def format(self) -> str:
        """``skops``, also the suffix of a model's key."""
        return "skops"

    def encode(self, model: FittedModel, schema: Schema) -> bytes:
        """The model as a skops file; nothing of the machine, the process or the moment is in the bytes.

        Raises:
            ModelError: skops cannot hold the model, or ``decode`` would refuse it.
        """
        import skops.io

        if isinstance(schema.target, Category):
            class_columns(model, schema.target)
        try:
            data = canonical(skops.io.dumps(model))
            check(data)
        except ModelUnreadable as error:
            raise ModelError(str(error)) from error
        except Exception as error:  # skops raises whatever an object happens to raise
            raise ModelError(f"skops cannot hold {type(model).__name__}: {_words(error)}") from error
        return data

    def decode(self, data: bytes, schema: Schema) -> Predictor:
        """A predictor of a skops file. Nothing is built unless all of it is allowed.

        Raises:
            ModelUnreadable: the bytes are no skops file, or one with types or state that are not allowed.
            IncompatibleModel: the model takes other features, or predicts other classes.
        """
        import skops.io

        try:
            check(data)
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


def check(data: bytes) -> None:
    """Refuse a file with anything that is not allowed; nothing that it names is built.

    Raises:
        ModelUnreadable: it has.
        Exception: it is no skops file.
    """
    from weighbridge.adapters.skops.description import describe
    from weighbridge.adapters.skops.native_state import check_native_state

    check_native_state(describe(data))


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


def _words(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}"[:300] if lines else type(error).__name__
