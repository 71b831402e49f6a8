"""Graphs of ONNX that grow node by node."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any, Protocol

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto, helper

ML_DOMAIN = "ai.onnx.ml"


class Graph(Protocol):
    """What nodes are added to, under names of their own."""

    def add(
        self, kind: str, inputs: Sequence[str], output: str | None = None, domain: str = "", **attributes: Any
    ) -> str:
        """Add a node; the name of its output, a new one if none is given."""
        ...

    def number(self, value: float) -> str:
        """The name of a constant double, of shape [1]."""
        ...

    def constant(self, values: np.ndarray[Any, Any]) -> str:
        """The name of a constant of one dimension: of doubles, whole numbers or texts."""
        ...


class OwnGraph:
    """A graph built with ``onnx`` alone.

    Args:
        taken: names of inputs and outputs, which nothing within may have.
    """

    def __init__(self, taken: Container[str]) -> None:
        self._taken = taken
        self._names = 0
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []

    def add(
        self, kind: str, inputs: Sequence[str], output: str | None = None, domain: str = "", **attributes: Any
    ) -> str:
        """Add a node to the list; the name of its output is counted, or the one that is given."""
        name = output or self._name(kind)
        self._nodes.append(helper.make_node(kind, list(inputs), [name], domain=domain, **attributes))
        return name

    def number(self, value: float) -> str:
        """Add a constant of one double; its name is counted."""
        return self.constant(np.array([value], np.float64))

    def constant(self, values: np.ndarray[Any, Any]) -> str:
        """Add a constant of one dimension; its name is counted."""
        name = self._name("constant")
        kind, content = tensor_content(values)
        self._constants.append(helper.make_tensor(name, kind, [len(content)], content))
        return name

    def finished(self, inputs: Sequence[ValueInfoProto], outputs: Sequence[ValueInfoProto]) -> GraphProto:
        """The whole."""
        return helper.make_graph(self._nodes, "model", inputs, outputs, self._constants)

    def _name(self, kind: str) -> str:
        while True:
            self._names += 1
            name = f"{kind.lower()}_{self._names}"
            if name not in self._taken:
                return name


def tensor_content(values: np.ndarray[Any, Any]) -> tuple[int, list[Any]]:
    """The type of a tensor of these doubles, whole numbers or texts, and what is to be put into it."""
    if values.dtype.kind == "f":
        return TensorProto.DOUBLE, values.tolist()
    if values.dtype.kind in "OU":
        return TensorProto.STRING, [text.encode() for text in values]
    return TensorProto.INT64, [int(value) for value in values]
