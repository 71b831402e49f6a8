"""Requests and answers of the Open Inference Protocol: JSON, and behind it the tensors that are binary."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from weighbridge.domain.data.columns import Array, Cells
from weighbridge.domain.data.schema import Category, Feature, Schema
from weighbridge.entrypoints.http.inference.request_format import InferenceRequest, RequestInput
from weighbridge.entrypoints.http.inference.tensors import (
    NUMBERS,
    TEXT,
    TensorProblem,
    bytes_of,
    datatype_of,
    json_of,
    read_binary,
    read_json,
)

#: Of the inputs, how many problems an answer lists.
_LISTED = 100

_SHARED_MEMORY = "shared_memory_region"


class MessageProblem(Exception):
    """A request that is not of the protocol, or not for this model; the message says why."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a request asks.

    Args:
        columns: of the schema's features, all of equal length, their values as they were sent.
        outputs: the outputs wanted, and whether as bytes; in this order.
        id: to be sent back; None for none.
    """

    columns: Mapping[str, Cells]
    outputs: Mapping[str, bool]
    id: str | None


class Named(Protocol):
    """What an answer says of its model."""

    @property
    def name(self) -> str:
        """Of the model."""

    @property
    def version(self) -> str:
        """That answers."""


_decoder = msgspec.json.Decoder(InferenceRequest)


def read_question(body: bytes, header_length: str | None, schema: Schema, outputs: Sequence[str]) -> Question:
    """What a body asks of a model.

    Args:
        body: JSON, and the binary tensors behind it in the order of the inputs.
        header_length: the ``Inference-Header-Content-Length``: where the JSON ends; None for a body of JSON alone.
        schema: of the rows.
        outputs: what the model can answer.

    Raises:
        MessageProblem: it asks nothing that can be answered.
    """
    end = len(body) if header_length is None else _length(header_length, len(body))
    try:
        request = _decoder.decode(memoryview(body)[:end])
        json.loads(bytes(memoryview(body)[:end]), object_pairs_hook=_check_names)
    except (ValueError, RecursionError) as error:
        raise MessageProblem(
            f"the request is no inference request: {str(error).replace('$', 'request')}"
        ) from None
    binary = _binary_parts(request, memoryview(body)[end:])
    return Question(
        _columns(request, binary, schema),
        _wanted(request, outputs),
        request.id,
    )


def _check_names(pairs: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise MessageProblem(f"the request has the name {twice[:100]!r} more than once in an object")


def write_answer(model: Named, question: Question, answers: Mapping[str, Array]) -> tuple[bytes, int | None]:
    """An answer, and where its JSON ends when binary tensors follow it; None when none does.

    Args:
        model: that answered.
        question: which outputs it asked for, and how.
        answers: by output, arrays of shape [rows] or [rows, levels].
    """
    tensors: list[dict[str, Any]] = []
    binary: list[bytes] = []
    for name, is_binary in question.outputs.items():
        array = answers[name]
        tensor: dict[str, Any] = {"name": name, "shape": list(array.shape), "datatype": datatype_of(array)}
        if is_binary:
            binary.append(bytes_of(array))
            tensor["parameters"] = {"binary_data_size": len(binary[-1])}
        else:
            tensor["data"] = json_of(array)
        tensors.append(tensor)
    said = {"model_name": model.name, "model_version": model.version, "outputs": tensors}
    if question.id is not None:
        said["id"] = question.id
    header = msgspec.json.encode(said)
    return b"".join([header, *binary]), len(header) if binary else None


def _length(text: str, size: int) -> int:
    # What int() takes is more than what a header may be.
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= size):
        raise MessageProblem(
            f"Inference-Header-Content-Length is {text[:50]!r}; expected a number up to {size}, the body's length"
        )
    return int(text)


def _binary_parts(request: InferenceRequest, rest: memoryview[int]) -> list[memoryview[int] | None]:
    """For each input its bytes; None for one that is JSON."""
    parts: list[memoryview[int] | None] = []
    at = 0
    for tensor in request.inputs:
        parameters = tensor.parameters or {}
        if _SHARED_MEMORY in parameters:
            raise MessageProblem(f"input {tensor.name[:100]!r}: shared memory is not offered")
        size = parameters.get("binary_data_size")
        if size is None:
            parts.append(None)
            continue
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise MessageProblem(
                f"input {tensor.name[:100]!r}: binary_data_size is {str(size)[:50]}; expected a number of bytes"
            )
        if size > len(rest) - at:
            left = f"{len(rest) - at:,} are left behind the JSON that Inference-Header-Content-Length tells"
            raise MessageProblem(f"input {tensor.name[:100]!r}: binary_data_size is {size:,}, and {left}")
        parts.append(rest[at : at + size])
        at += size
    if at != len(rest):
        raise MessageProblem(f"{len(rest) - at:,} bytes at the end of the body belong to no input")
    return parts


def _columns(
    request: InferenceRequest, binary: Sequence[memoryview[int] | None], schema: Schema
) -> Mapping[str, Cells]:
    columns: dict[str, Cells] = {}
    lengths: dict[str, int] = {}
    problems: list[str] = []
    features = {feature.name: feature for feature in schema.features}
    for tensor, part in zip(request.inputs, binary, strict=True):
        feature = features.get(tensor.name)
        try:
            if feature is None:
                raise TensorProblem(f"unknown; there are {', '.join(features)}")
            if tensor.name in lengths:
                raise TensorProblem("it is there more than once")
            lengths[tensor.name] = -1
            columns[tensor.name] = _column(tensor, part, feature)
            lengths[tensor.name] = len(columns[tensor.name])
        except TensorProblem as error:
            problems.append(f"input {tensor.name[:100]!r}: {error}")
    problems += [
        f"input {name!r}: missing; {feature.expectation}"
        for name, feature in features.items()
        if name not in lengths
    ]
    if not problems and len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {length:,}" for name, length in lengths.items())
        problems.append(f"the inputs have different numbers of rows: {told}")
    if problems:
        more = [f"and {len(problems) - _LISTED:,} more problems"] if len(problems) > _LISTED else []
        raise MessageProblem("; ".join(problems[:_LISTED] + more))
    return columns


def _column(tensor: RequestInput, part: memoryview[int] | None, feature: Feature) -> Cells:
    data = memoryview(tensor.data)
    has_data = bytes(data[:5]) not in (b"", b"null")
    if isinstance(feature, Category) and tensor.datatype != TEXT:
        raise TensorProblem(f"the datatype is {tensor.datatype[:50]}; expected BYTES, {feature.expectation}")
    if not isinstance(feature, Category) and tensor.datatype not in NUMBERS:
        raise TensorProblem(f"the datatype is {tensor.datatype[:50]}; expected one of {', '.join(NUMBERS)}")
    if part is not None and has_data:
        raise TensorProblem("it has data as well as binary_data_size; expected one of them")
    if part is not None:
        return read_binary(part, tensor.datatype, tensor.shape)
    if not has_data:
        raise TensorProblem("it has neither data nor binary_data_size")
    return read_json(data, tensor.datatype, tensor.shape)


def _wanted(request: InferenceRequest, outputs: Sequence[str]) -> dict[str, bool]:
    is_binary = _flag(request.parameters, "binary_data_output", "the request", False)
    if not request.outputs:
        return dict.fromkeys(outputs, is_binary)
    wanted: dict[str, bool] = {}
    for output in request.outputs:
        what = f"output {output.name[:100]!r}"
        parameters = output.parameters or {}
        if output.name not in outputs:
            raise MessageProblem(f"{what}: unknown; there are {', '.join(outputs)}")
        if output.name in wanted:
            raise MessageProblem(f"{what}: it is asked for more than once")
        for name, extension in (("classification", "classification"), (_SHARED_MEMORY, "shared memory")):
            if name in parameters:
                raise MessageProblem(f"{what}: {extension} is not offered")
        wanted[output.name] = _flag(parameters, "binary_data", what, is_binary)
    return wanted


def _flag(parameters: Mapping[str, Any] | None, name: str, where: str, default: bool) -> bool:
    value = (parameters or {}).get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise MessageProblem(f"{where}: {name} is {str(value)[:50]}; expected true or false")
    return value
