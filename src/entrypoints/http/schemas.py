"""Requests and answers as a release's schema has them: one compiled validator, and its JSON Schema."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, Literal, TypeAlias, cast

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, with_config
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from weighbridge.domain.data.schema import EXACT, Category, Feature, Row, Schema, is_rounded

Adapter: TypeAlias = TypeAdapter[Row]


@lru_cache(maxsize=8)
def request_adapter(schema: Schema) -> Adapter:
    """The validator of one row of ``schema``, compiled once.

    Strict: numbers are finite JSON numbers, never text or booleans; unknown fields are refused. It admits
    what ``Schema.admit_row`` admits, and whole numbers beyond EXACT, which it rounds.
    """
    return _adapter(schema, is_exact=False)


@lru_cache(maxsize=8)
def exact_adapter(schema: Schema) -> Adapter:
    """As ``request_adapter``, but it admits exactly what ``Schema.admit_row`` admits, and takes longer."""
    return _adapter(schema, is_exact=True)


def _adapter(schema: Schema, *, is_exact: bool) -> Adapter:
    # A TypedDict, not a model: the names of features are any text, not just Python's.
    fields = {feature.name: _field_type(feature, is_exact) for feature in schema.features}
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


def _field_type(feature: Feature, is_exact: bool) -> Any:
    if isinstance(feature, Category):
        return Literal[feature.levels]
    number = Annotated[float, Field(ge=feature.minimum, le=feature.maximum, allow_inf_nan=False)]
    return Annotated[number, BeforeValidator(_unrounded)] if is_exact else number


def _unrounded(value: object) -> object:
    if not isinstance(value, bool) and is_rounded(value):
        raise PydanticCustomError(
            "rounded", f"Input should be a whole number within ±{EXACT:,} (2^53): beyond it would be rounded"
        )
    return value
