"""A skops file as a description, read without building anything that it names.

Whatever is not on the lists of ``allowed`` is refused here; ``native_state`` then looks at the arrays.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from weighbridge.adapters.skops import allowed
from weighbridge.domain.errors import ModelUnreadable

#: The layout of skops files that is read: the one that the pinned releases of skops write.
PROTOCOL = 2

_SCHEMA_FILE = "schema.json"
_MOST_INFLATED = 1 << 28
_LONGEST_HEADER = 10_000
_UNFINISHED = object()


@dataclass(frozen=True, slots=True)
class Described:
    """An object that has not been built.

    Args:
        kind: its type, with the module.
        state: what it would be given: for an estimator its attributes, by name.
        arguments: of its constructor, where it has one.
    """

    kind: str
    state: Any
    arguments: Any = None

    @property
    def name(self) -> str:
        """The type without its module."""
        return self.kind.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Function:
    """A function by its name, never called here."""

    name: str


def describe(data: bytes) -> Any:
    """What a file would have built, as plain data, arrays, and ``Described`` for objects.

    Raises:
        ModelUnreadable: it has a type, a function or a value that is not allowed.
        Exception: it is no skops file; whatever its zip, its JSON or its arrays happen to raise.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in file.infolist()):
            raise ModelUnreadable("the skops file is compressed; one of ours is not")
        # Entries that lie over each other are more together than the file.
        if sum(entry.file_size for entry in file.infolist()) > len(data):
            raise ModelUnreadable("the skops file says to be larger than it is")
        schema = json.loads(file.read(_SCHEMA_FILE))
        if schema.get("protocol") != PROTOCOL:
            raise ModelUnreadable(
                f"the skops file has the protocol {schema.get('protocol')!r}, known is {PROTOCOL}"
            )
        return _Reader(file).read(schema, "")


class _Reader:
    """Reads nodes in the order in which skops reads them, which decides what nodes of one identity stand for."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file
        self._shared: dict[int, Any] = {}

    def read(self, node: Mapping[str, Any], name: str) -> Any:
        """What a node stands for; ``name`` is the attribute that it is the value of."""
        identity = node.get("__id__")
        if not identity:
            return self._read(node, name)
        # skops takes the first node of an identity for all of them, whatever the others say.
        if identity in self._shared:
            if self._shared[identity] is _UNFINISHED:
                raise ModelUnreadable("the skops model has an object that contains itself")
            return self._shared[identity]
        self._shared[identity] = _UNFINISHED
        self._shared[identity] = self._read(node, name)
        return self._shared[identity]

    def _read(self, node: Mapping[str, Any], name: str) -> Any:
        loader, kind = node["__loader__"], f"{node['__module__']}.{node['__class__']}"
        if kind in allowed.CONTAINERS.get(loader, ()):
            return self._container(loader, node, name)
        made = None if loader in allowed.CONTAINERS else self._object(loader, kind, node, name)
        if made is None:
            raise ModelUnreadable(f"the skops model has types that are not trusted: {kind}")
        return made

    def _object(self, loader: str, kind: str, node: Mapping[str, Any], name: str) -> Any:
        """An array, a function or an object; None for one that is not on its list."""
        match loader:
            case "NdArrayNode" if kind in allowed.ARRAYS:
                return self._array(node)
            case "SparseMatrixNode" if kind in allowed.SPARSE:
                return self._sparse(node)
            case "TypeNode" if kind in allowed.TYPES:
                return Function(kind)
            case "FunctionNode" if kind in allowed.FUNCTIONS and name in allowed.FUNCTION_ATTRIBUTES:
                return Function(kind)
            case "ObjectNode" if kind in allowed.OBJECTS:
                content = node.get("content")
                return Described(kind, None if content is None else self.read(content, ""))
            case "TreeNode" | "LossNode" if kind in allowed.OBJECTS:
                state = self.read(node["content"], "")
                return Described(kind, state, self.read(node["__reduce__"]["args"], ""))
        return None

    def _container(self, loader: str, node: Mapping[str, Any], name: str) -> Any:
        content: Any = node.get("content")
        match loader:
            case "JsonNode":
                return json.loads(node["content"])
            case "DictNode":
                self.read(node["key_types"], "")
                return {key: self.read(value, key) for key, value in node["content"].items()}
            case "DefaultDictNode":
                main = self.read(node["content"]["main"], "")
                self.read(node["content"]["default_factory"], "")
                return main
            case "SliceNode":
                if not all(type(content[part]) in (int, type(None)) for part in ("start", "stop", "step")):
                    raise ModelUnreadable("the skops model has a slice that is not of whole numbers")
                return None
            case "BytesNode":
                return self._file.read(node["file"])
            case "RandomStateNode":
                return self.read(node["content"], "")
            case "RandomGeneratorNode":
                return [self.read(node["content"][part], "") for part in ("bit_generator", "seed_seq")]
        return [self.read(value, name) for value in node["content"]]

    def _array(self, node: Mapping[str, Any]) -> Any:
        if node["type"] == "json":
            items = [self.read(value, "") for value in node["content"]]
            self.read(node["shape"], "")
            return items
        return load_array(self._file.read(node["file"]))

    def _sparse(self, node: Mapping[str, Any]) -> Any:
        with zipfile.ZipFile(io.BytesIO(self._file.read(node["file"]))) as parts:
            if sum(entry.file_size for entry in parts.infolist()) > _MOST_INFLATED:
                raise ModelUnreadable("the skops model has a sparse array that is too large")
            found = {name.removesuffix(".npy"): load_array(parts.read(name)) for name in parts.namelist()}
        kind = found["format"].item()
        kind = kind.decode() if isinstance(kind, bytes) else kind
        rows, columns = (int(size) for size in found["shape"])
        outer, inner = (rows, columns) if kind == "csr" else (columns, rows)
        starts, places = found["indptr"], found["indices"]
        if (
            kind not in ("csr", "csc")
            or {starts.dtype.kind, places.dtype.kind} != {"i"}
            or starts.ndim != 1
            or places.ndim != 1
            or found["data"].shape != places.shape
            or len(starts) != outer + 1
            or starts[0] != 0
            or starts[-1] != len(places)
            or (np.diff(starts) < 0).any()
            or not ((places >= 0) & (places < inner)).all()
        ):
            raise ModelUnreadable("the skops model has a sparse array whose indices lead nowhere")
        return found


def load_array(data: bytes) -> np.ndarray[Any, Any]:
    """An array of NumPy's own format, when it is as large as it says; never one of objects.

    Raises:
        ModelUnreadable: it says to be larger.
        ValueError: it is none.
    """
    buffer = io.BytesIO(data)
    version = np.lib.format.read_magic(buffer)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, kind = read(buffer, max_header_size=_LONGEST_HEADER)
    if prod(shape) * max(kind.itemsize, 1) > len(data):
        raise ModelUnreadable("the skops model has an array that says to be larger than it is")
    return np.asarray(np.load(io.BytesIO(data), allow_pickle=False))


def described(value: Any) -> Iterator[Described]:
    """Every object in a description, itself included, those above first."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Described):
            yield one
            waiting += [one.state, one.arguments]
        elif isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
