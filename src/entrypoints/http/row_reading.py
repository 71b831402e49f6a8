"""One row out of the bytes of a request: quickly where all is well, and exactly where it may not be."""

from __future__ import annotations

import json
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from weighbridge.domain.data.schema import EXACT, Category, Number, Row, Schema
from weighbridge.entrypoints.http.schemas import exact_adapter, request_adapter


class RowReader:
    """Admits a row as ``Schema.admit_row`` does, and refuses a name that is there twice.

    Args:
        schema: of the row.
    """

    def __init__(self, schema: Schema) -> None:
        self._quick = request_adapter(schema).validator.validate_json
        self._exact = exact_adapter(schema).validator.validate_json
        # Of a good row: its names and its texts stand in quotes. A name that is there twice has two more.
        texts = sum(isinstance(feature, Category) for feature in schema.features)
        self._quotes = 2 * (len(schema.features) + texts)
        self._unbounded = [one.name for one in schema.features if isinstance(one, Number) and _is_unbounded(one)]

    def __call__(self, body: bytes | bytearray) -> Row:
        """The admitted row.

        Raises:
            ValidationError: the body is not JSON, or no row of the schema: every fault by field.
        """
        try:
            row = self._quick(body)
        except ValidationError:
            # Which does not see a whole number that is rounded beside other faults.
            row = self._exact(body)
        if body.count(b'"') != self._quotes:
            _check_names(body)
        for name in self._unbounded:
            if not -EXACT < row[name] < EXACT:
                return cast("Row", self._exact(body))
        return cast("Row", row)


def _is_unbounded(feature: Number) -> bool:
    low, high = feature.minimum, feature.maximum
    return low is None or high is None or low <= -EXACT or high >= EXACT


def _check_names(body: bytes | bytearray) -> None:
    names: list[str] = []

    def take(pairs: list[tuple[str, Any]]) -> None:
        names.extend(name for name, _ in pairs)

    json.loads(body, object_pairs_hook=take)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        kind = PydanticCustomError("duplicate", "Field is there more than once")
        faults = [InitErrorDetails(type=kind, loc=(name,), input=None) for name in twice]
        raise ValidationError.from_exception_data("Row", faults)
