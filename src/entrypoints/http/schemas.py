"""Requests and answers as a release's schema has them: one compiled validator, and its JSON Schema."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Annotated, Any, Literal, TypeAlias, cast

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, with_config
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from weighbridge.domain.data.schema import Category, Feature, Number, Row, Schema

Adapter: TypeAlias = TypeAdapter[Row]

#: From here on an int and its nearest float can differ.
_EXACT = 2**53


@lru_cache(maxsize=8)
def request_adapter(schema: Schema) -> Adapter:
    """The validator of one row of ``schema``, compiled once.

    Strict: numbers are finite JSON numbers, never text or booleans; unknown fields are refused. It admits
    exactly what ``Schema.admit_row`` admits.
    """
    # A TypedDict, not a model: the names of features are any text, not just Python's.
    fields = {feature.name: _field_type(feature) for feature in schema.features}
    row = TypedDict("Row", fields)  # type: ignore[misc]
    return cast("Adapter", TypeAdapter(with_config(ConfigDict(strict=True, extra="forbid"))(row)))


def request_schema(schema: Schema) -> dict[str, Any]:
    """The JSON Schema of one row, for the OpenAPI document."""
    return request_adapter(schema).json_schema() | {"title": "One row of features"}


def answer_schema(schema: Schema) -> dict[str, Any]:
    """The JSON Schema of an answer, for the OpenAPI document."""
    target = schema.target
    properties: dict[str, Any] = {schema.prediction: {"type": "number"}}
    if isinstance(target, Category):
        likely = {level: {"type": "number", "minimum": 0, "maximum": 1} for level in target.levels}
        properties = {
            schema.prediction: {"type": "string", "enum": list(target.levels)},
            "probabilities": {"type": "object", "properties": likely, "required": list(target.levels)},
        }
    properties["model_version"] = {"type": "string", "description": "task/version"}
    return {
        "title": "A prediction, and the model that made it",
        "type": "object",
        "properties": properties,
        "required": list(properties),
    }


def _field_type(feature: Feature) -> Any:
    if isinstance(feature, Category):
        return Literal[feature.levels]
    number = Annotated[float, Field(ge=feature.minimum, le=feature.maximum, allow_inf_nan=False)]
    if any(bound is not None and abs(bound) >= _EXACT for bound in (feature.minimum, feature.maximum)):
        # An int past such a bound may be rounded onto it: it is compared as it was sent.
        return Annotated[number, BeforeValidator(partial(_unrounded, feature))]
    return number


def _unrounded(feature: Number, value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and not feature.admits(value):
        raise PydanticCustomError("out_of_range", "Input is out of range")
    return value
