"""What a graph may contain, checked on the file's bytes before ONNX Runtime is given them.

The list is by what an operator can do, not by who wrote it: every operator's answer is at most as large as its
inputs, times a constant that stands in the file. None repeats, branches, calls a function of the file, reads
another file, or takes the size of its answer from the data. ``Transpose`` is missing because a column times itself
turned over is as large as the square of the rows.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from math import prod
from typing import TypeAlias

from weighbridge.adapters.onnx.wire import fields, varint
from weighbridge.domain.errors import ModelUnreadable

_STANDARD = ("", "ai.onnx")
_ML = "ai.onnx.ml"

#: Operators of the standard domain. One number from one: arithmetic, comparison, functions of a number.
_ELEMENTWISE = """
    Abs Add And Cast Ceil Clip Cos Div Elu Equal Erf Exp Floor Greater GreaterOrEqual HardSigmoid IsInf IsNaN
    LeakyRelu Less LessOrEqual Log Max Mean Min Mod Mul Neg Not Or Pow Reciprocal Relu Round Selu Sigmoid Sign Sin
    Softplus Softsign Sqrt Sub Sum Tan Tanh Where Xor
"""
#: Sums and the like over an axis: the answer is smaller.
_REDUCING = """
    ArgMax ArgMin CumSum LogSoftmax ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin
    ReduceProd ReduceSum ReduceSumSquare Softmax TopK
"""
#: Columns taken, put side by side, or called something else; and the products of matrices of linear models.
_SHAPING = """
    Concat Constant Flatten Gather GatherElements Gemm Identity MatMul OneHot Pad Reshape Shape Slice Split Squeeze
    Unsqueeze
"""
#: Operators of ``ai.onnx.ml``: models, and encoders of categories.
_MODELS = """
    ArrayFeatureExtractor Binarizer FeatureVectorizer Imputer LabelEncoder LinearClassifier LinearRegressor
    Normalizer OneHotEncoder SVMClassifier SVMRegressor Scaler TreeEnsemble TreeEnsembleClassifier
    TreeEnsembleRegressor
"""

OPERATORS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(_STANDARD, frozenset(f"{_ELEMENTWISE} {_REDUCING} {_SHAPING}".split())),
    _ML: frozenset(_MODELS.split()),
}

#: Operators whose answer is as large as one of their inputs says: which one. It has to stand in the file.
_SIZED_BY = {"OneHot": 1, "Pad": 1}
#: So many numbers such an input has at most: two for each dimension.
_MOST_SIZES = 16

#: The largest number that such an input may have: the width of a table.
MOST_COLUMNS = 100_000
#: Nodes of a graph; and elements of all its tensors together.
MOST_NODES = 50_000
MOST_ELEMENTS = 1 << 28
_MOST_DIMENSIONS = 8

# Fields of ONNX's messages by their numbers; see onnx/onnx-ml.proto. Fields that are not named are refused.
_MODEL_GRAPH, _MODEL_FIELDS = 7, {1, 2, 3, 4, 5, 6, 7, 8, 14}
_GRAPH_NODE, _GRAPH_CONSTANT, _GRAPH_FIELDS = 1, 5, {1, 2, 5, 10, 11, 12, 13}
_NODE_INPUT, _NODE_OPERATOR, _NODE_ATTRIBUTE, _NODE_DOMAIN, _NODE_FIELDS = 1, 4, 5, 7, {1, 2, 3, 4, 5, 6, 7}
_ATTRIBUTE_TENSOR, _ATTRIBUTE_FIELDS = 5, {1, 2, 3, 4, 5, 7, 8, 9, 13, 20}
_TENSOR_DIMENSION, _TENSOR_TYPE, _TENSOR_INT64, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 7, 8, 9
_TENSOR_EXTERNAL, _TENSOR_LOCATION, _TENSOR_FIELDS = 13, 14, {1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}
_INT64 = 7

#: Whole numbers and floats of an attribute, one field each: they are many, and there is nothing in them to check.
_NUMBERS = re.compile(rb"(?:\x40[\x80-\xff]{0,9}[\x00-\x7f]|\x3d[\x00-\xff]{4})+")

#: The contents of a message's fields, by number.
_Fields: TypeAlias = Mapping[int, Sequence[int | bytes]]


def check_graph(data: bytes) -> None:
    """Refuse a file whose graph has anything that is not on the list, or more of it than the limits.

    Raises:
        ModelUnreadable: it has, or it is no ONNX model.
    """
    try:
        graphs = _bytes(_fields(data, _MODEL_FIELDS, "model"), _MODEL_GRAPH)
        if len(graphs) != 1:
            raise ModelUnreadable(f"the ONNX model has {len(graphs)} graphs instead of one")
        _check(_fields(graphs[0], _GRAPH_FIELDS, "graph"))
    except ValueError as error:
        raise ModelUnreadable(f"no ONNX model can be read: {error}") from error


def _check(graph: _Fields) -> None:
    constants: dict[str, list[int] | None] = {}
    elements = 0
    for tensor in _bytes(graph, _GRAPH_CONSTANT):
        name, size, values = _tensor(tensor)
        if name in constants:
            raise ModelUnreadable(f"the ONNX model has two constants of the name {name!r}")
        constants[name] = values
        elements += size
    nodes = _bytes(graph, _GRAPH_NODE)
    if len(nodes) > MOST_NODES:
        raise ModelUnreadable(f"the ONNX model has {len(nodes):,} nodes; {MOST_NODES:,} are allowed")
    elements += sum(_node(_fields(node, _NODE_FIELDS, "node"), constants) for node in nodes)
    if elements > MOST_ELEMENTS:
        raise ModelUnreadable(
            f"the ONNX model's tensors have {elements:,} elements; {MOST_ELEMENTS:,} are allowed"
        )


def _node(node: _Fields, constants: Mapping[str, list[int] | None]) -> int:
    """Check a node; how many elements the tensors in its attributes have."""
    operators, domains = _texts(node, _NODE_OPERATOR), _texts(node, _NODE_DOMAIN)
    if len(operators) != 1 or len(domains) > 1:
        raise ModelUnreadable("the ONNX model has a node that does not name one operator")
    operator, domain = operators[0], "".join(domains)
    if operator not in OPERATORS.get(domain, ()):
        raise ModelUnreadable(
            f"the ONNX model uses the operator {f'{domain}.{operator}'.lstrip('.')!r}, which is not allowed"
        )
    place = _SIZED_BY.get(operator)
    if place is not None:
        inputs = _texts(node, _NODE_INPUT)
        sizes = constants.get(inputs[place]) if len(inputs) > place else None
        if sizes is None or not all(-MOST_COLUMNS <= size <= MOST_COLUMNS for size in sizes):
            raise ModelUnreadable(
                f"the ONNX model has a {operator} whose size is not a constant of at most {MOST_COLUMNS:,}"
            )
    return sum(
        _tensor(tensor)[1]
        for attribute in _bytes(node, _NODE_ATTRIBUTE)
        for tensor in _tensors_in(attribute, operator)
    )


def _tensors_in(attribute: bytes, operator: str) -> list[bytes]:
    return _bytes(_fields(attribute, _ATTRIBUTE_FIELDS, f"attribute of {operator}"), _ATTRIBUTE_TENSOR)


def _tensor(tensor: bytes) -> tuple[str, int, list[int] | None]:
    """A tensor's name, how many elements it says to have, and its values when they are few whole numbers."""
    found = _fields(tensor, _TENSOR_FIELDS, "tensor")
    if _TENSOR_EXTERNAL in found or any(found.get(_TENSOR_LOCATION, ())):
        raise ModelUnreadable("the ONNX model keeps data in other files, which are not read")
    dimensions = _whole_numbers(found.get(_TENSOR_DIMENSION, ()))
    if len(dimensions) > _MOST_DIMENSIONS or not all(0 <= size <= MOST_ELEMENTS for size in dimensions):
        raise ModelUnreadable("the ONNX model has a tensor whose dimensions are too many or too large")
    size = prod(dimensions)
    name = "".join(_texts(found, _TENSOR_NAME)[-1:])
    if [*found.get(_TENSOR_TYPE, ())] != [_INT64] or size > _MOST_SIZES:
        return name, size, None
    values = _whole_numbers(found.get(_TENSOR_INT64, ()))
    for raw in _bytes(found, _TENSOR_RAW):
        values += [
            int.from_bytes(raw[at : at + 8], "little", signed=True)
            for at in range(0, min(len(raw), 8 * _MOST_SIZES), 8)
        ]
    return name, size, values if len(values) == size else None


def _fields(message: bytes, known: Container[int], what: str) -> _Fields:
    """The fields of a message by number; whole numbers and floats of an attribute are left out.

    Raises:
        ModelUnreadable: there is a field that is not known.
    """
    found: dict[int, list[int | bytes]] = {}
    for number, content in fields(message, skipped=_NUMBERS if what.startswith("attribute") else None):
        if number not in known:
            raise ModelUnreadable(f"the ONNX model has the field {number} in its {what}, which is not allowed")
        found.setdefault(number, []).append(content)
    return found


def _bytes(message: _Fields, number: int) -> list[bytes]:
    contents = [content for content in message.get(number, ()) if isinstance(content, bytes)]
    if len(contents) != len(message.get(number, ())):
        raise ValueError(f"the field {number} has no length")
    return contents


def _texts(message: _Fields, number: int) -> list[str]:
    return [content.decode() for content in _bytes(message, number)]


def _whole_numbers(contents: Sequence[int | bytes]) -> list[int]:
    """Signed numbers, of which one stands alone and several are packed; of many, no more than are of interest."""
    numbers: list[int] = []
    for content in contents:
        if isinstance(content, int):
            numbers.append(content)
            continue
        at = 0
        while at < len(content) and len(numbers) <= _MOST_SIZES:
            value, at = varint(content, at)
            numbers.append(value)
    return [value - (1 << 64) if value >> 63 else value for value in numbers]
