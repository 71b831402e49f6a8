"""What a graph may contain, checked on the file's bytes before ONNX Runtime is given them.

The list is by what an operator can do, not by who wrote it: every operator's answer is at most as large as its
inputs, times a constant that stands in the file. None repeats, branches, calls a function of the file, reads
another file, or takes the size of its answer from the data. ``Transpose`` is missing because a column times itself
turned over is as large as the square of the rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import prod

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
_MODEL_PLAIN, _MODEL_GRAPH, _MODEL_OPSET = {1, 2, 3, 4, 5, 6, 14}, 7, 8
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_PLAIN = 1, 5, {2, 10, 11, 12, 13}
_NODE_INPUT, _NODE_OPERATOR, _NODE_ATTRIBUTE, _NODE_DOMAIN, _NODE_PLAIN = 1, 4, 5, 7, {2, 3, 6}
_ATTRIBUTE_TENSOR, _ATTRIBUTE_PLAIN = 5, {1, 2, 3, 4, 7, 8, 9, 13, 20}
_TENSOR_DIMENSION, _TENSOR_TYPE, _TENSOR_INT64, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 7, 8, 9
_TENSOR_EXTERNAL, _TENSOR_LOCATION, _TENSOR_PLAIN = 13, 14, {4, 5, 6, 10, 11, 12}
_INT64 = 7

#: Whole numbers and floats of an attribute, one field each: they are many, and there is nothing in them to check.
_NUMBERS = re.compile(rb"(?:\x40[\x80-\xff]{0,9}[\x00-\x7f]|\x3d[\x00-\xff]{4})+")


def check_graph(data: bytes) -> None:
    """Refuse a file whose graph has anything that is not on the list, or more of it than the limits.

    Raises:
        ModelUnreadable: it has, or it is no ONNX model.
    """
    try:
        graphs = []
        for number, content in fields(data):
            if number == _MODEL_GRAPH:
                graphs.append(_message(content))
            elif number not in _MODEL_PLAIN and number != _MODEL_OPSET:
                raise ModelUnreadable(f"the ONNX model has the field {number}, which is not allowed")
        if len(graphs) != 1:
            raise ModelUnreadable(f"the ONNX model has {len(graphs)} graphs instead of one")
        _check(graphs[0])
    except ValueError as error:
        raise ModelUnreadable(f"no ONNX model can be read: {error}") from error


def _check(graph: bytes) -> None:
    nodes: list[bytes] = []
    constants: dict[str, list[int] | None] = {}
    elements = 0
    for number, content in fields(graph):
        if number == _GRAPH_NODE:
            nodes.append(_message(content))
        elif number == _GRAPH_INITIALIZER:
            name, size, values = _tensor(_message(content))
            if name in constants:
                raise ModelUnreadable(f"the ONNX model has two constants of the name {name!r}")
            constants[name] = values
            elements += size
        elif number not in _GRAPH_PLAIN:
            raise ModelUnreadable(f"the ONNX model's graph has the field {number}, which is not allowed")
    if len(nodes) > MOST_NODES:
        raise ModelUnreadable(f"the ONNX model has {len(nodes):,} nodes; {MOST_NODES:,} are allowed")
    elements += sum(_node(node, constants) for node in nodes)
    if elements > MOST_ELEMENTS:
        raise ModelUnreadable(
            f"the ONNX model's tensors have {elements:,} elements; {MOST_ELEMENTS:,} are allowed"
        )


def _node(node: bytes, constants: Mapping[str, list[int] | None]) -> int:
    """Check a node; how many elements the tensors in its attributes have."""
    inputs: list[str] = []
    operators: list[str] = []
    domains: list[str] = []
    elements = 0
    for number, content in fields(node):
        if number == _NODE_INPUT:
            inputs.append(_message(content).decode())
        elif number == _NODE_OPERATOR:
            operators.append(_message(content).decode())
        elif number == _NODE_DOMAIN:
            domains.append(_message(content).decode())
        elif number == _NODE_ATTRIBUTE:
            elements += sum(_tensor(tensor)[1] for tensor in _tensors(_message(content), operators))
        elif number not in _NODE_PLAIN:
            raise ModelUnreadable(f"the ONNX model has a node with the field {number}, which is not allowed")
    if len(operators) != 1 or len(domains) > 1:
        raise ModelUnreadable("the ONNX model has a node that does not name one operator")
    operator, domain = operators[0], domains[0] if domains else ""
    if operator not in OPERATORS.get(domain, ()):
        raise ModelUnreadable(
            f"the ONNX model uses the operator {f'{domain}.{operator}'.lstrip('.')!r}, which is not allowed"
        )
    place = _SIZED_BY.get(operator)
    if place is not None:
        sizes = constants.get(inputs[place]) if len(inputs) > place else None
        if sizes is None or not all(-MOST_COLUMNS <= size <= MOST_COLUMNS for size in sizes):
            raise ModelUnreadable(
                f"the ONNX model has a {operator} whose size is not a constant of at most {MOST_COLUMNS:,}"
            )
    return elements


def _tensors(attribute: bytes, operators: list[str]) -> Iterator[bytes]:
    at = 0
    while at < len(attribute):
        numbers = _NUMBERS.match(attribute, at)
        if numbers is not None:
            at = numbers.end()
            continue
        number, content = next(fields(attribute, at))
        at = _end(attribute, at)
        if number == _ATTRIBUTE_TENSOR:
            yield _message(content)
        elif number not in _ATTRIBUTE_PLAIN:
            who = f"the operator {operators[0]!r}" if operators else "a node"
            raise ModelUnreadable(
                f"the ONNX model has {who} with a graph or a reference in it, which is not allowed"
            )


def _end(message: bytes, at: int) -> int:
    """Where the field that starts at a position ends; it has been read."""
    tag, at = varint(message, at)
    match tag & 7:
        case 0:
            return varint(message, at)[1]
        case 2:
            length, at = varint(message, at)
            return at + length
        case kind:
            return at + (8 if kind == 1 else 4)


def _tensor(tensor: bytes) -> tuple[str, int, list[int] | None]:
    """A tensor's name, how many elements it says to have, and its values when they are few whole numbers."""
    name, kind = "", 0
    dimensions: list[int] = []
    values: list[int] = []
    raw = b""
    for number, content in fields(tensor):
        if number == _TENSOR_EXTERNAL or (number == _TENSOR_LOCATION and content):
            raise ModelUnreadable("the ONNX model keeps data in other files, which are not read")
        if number == _TENSOR_DIMENSION:
            dimensions += _whole(content)
        elif number == _TENSOR_TYPE:
            kind = content if isinstance(content, int) else 0
        elif number == _TENSOR_INT64 and len(values) <= _MOST_SIZES:
            values += _whole(content)
        elif number == _TENSOR_NAME:
            name = _message(content).decode()
        elif number == _TENSOR_RAW:
            raw = _message(content)
        elif number not in _TENSOR_PLAIN and number not in (_TENSOR_LOCATION, _TENSOR_INT64):
            raise ModelUnreadable(f"the ONNX model has a tensor with the field {number}, which is not allowed")
    if len(dimensions) > _MOST_DIMENSIONS or not all(0 <= size <= MOST_ELEMENTS for size in dimensions):
        raise ModelUnreadable("the ONNX model has a tensor whose dimensions are too many or too large")
    size = prod(dimensions)
    if kind == _INT64 and raw:
        values += [
            int.from_bytes(raw[at : at + 8], "little", signed=True)
            for at in range(0, min(len(raw), 8 * _MOST_SIZES), 8)
        ]
    is_known = kind == _INT64 and len(values) == size <= _MOST_SIZES
    return name, size, values if is_known else None


def _whole(content: int | bytes) -> list[int]:
    """Signed numbers of a repeated field, of which one stands alone and several are packed; no more than matter."""
    numbers: list[int] = []
    if isinstance(content, int):
        numbers.append(content)
    else:
        at = 0
        while at < len(content) and len(numbers) <= _MOST_SIZES:
            value, at = varint(content, at)
            numbers.append(value)
    return [value - (1 << 64) if value >> 63 else value for value in numbers]


def _message(content: int | bytes) -> bytes:
    if isinstance(content, int):
        raise ValueError("a field that has a length is missing it")
    return content
