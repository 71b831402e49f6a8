"""What a row is: named, typed features, a target, and the name that predictions go by.

Light on purpose: the service imports it, and neither pandas nor scikit-learn comes with it. Frames are validated
in ``domain.data.admission``.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeGuard

from weighbridge.domain.errors import DataError, Problem, TaskError

Value: TypeAlias = float | str

#: Whole numbers beyond it, on either side, are not all floats: most would be rounded. They are refused.
EXACT = 2**53
Row: TypeAlias = dict[str, Value]


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number.

    Args:
        name: the column's name.
        minimum: the least value allowed, itself included; None for no bound.
        maximum: the greatest value allowed, itself included; None for no bound.
        unit: what it counts, for people, such as ``hours``; empty for nothing in particular. It changes nothing
            that is predicted, so numbers that differ by it alone are equal.
    """

    name: str
    minimum: float | None = None
    maximum: float | None = None
    unit: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        _check_name(self.name)
        if not isinstance(self.unit, str) or not self.unit.isprintable() or self.unit != self.unit.strip():
            raise TaskError(
                f"feature '{self.name}': the unit {self.unit!r} is not a printable text such as 'hours'"
            )
        for bound in (self.minimum, self.maximum):
            if bound is not None and not _is_finite_number(bound):
                raise TaskError(f"feature '{self.name}': the bound {bound!r} is not a finite number")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise TaskError(
                f"feature '{self.name}': minimum {self.minimum:g} is greater than maximum {self.maximum:g}"
            )

    @property
    def expectation(self) -> str:
        """What a value has to be, in words."""
        if self.minimum is not None and self.maximum is not None:
            return f"expected a number from {self.minimum:g} to {self.maximum:g}"
        if self.minimum is not None:
            return f"expected a number not below {self.minimum:g}"
        if self.maximum is not None:
            return f"expected a number not above {self.maximum:g}"
        return "expected a finite number"

    def admits(self, value: object) -> bool:
        """Whether ``value`` is a finite float or an int within EXACT (a bool is neither), within the bounds."""
        return self.is_within(value) and not is_rounded(value)

    def is_within(self, value: object) -> bool:
        """Whether ``value`` is a finite int or float (a bool is neither) within the bounds."""
        return (
            _is_finite_number(value)
            and (self.minimum is None or value >= self.minimum)
            and (self.maximum is None or value <= self.maximum)
        )

    def normalise(self, value: Any) -> Value:
        """An admitted value as the model takes it."""
        return float(value)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for records; the unit only when there is one."""
        document = {"name": self.name, "type": "number", "minimum": self.minimum, "maximum": self.maximum}
        return document | {"unit": self.unit} if self.unit else document


@dataclass(frozen=True, slots=True)
class Category:
    """One of a fixed set of texts.

    Args:
        name: the column's name.
        levels: the texts allowed, at least one, none twice.
    """

    name: str
    levels: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_name(self.name)
        if not isinstance(self.levels, tuple | list):
            raise TaskError(f"feature '{self.name}': levels is {self.levels!r}; it must be a tuple of texts")
        if not self.levels:
            raise TaskError(f"feature '{self.name}': levels is empty; name at least one")
        if not all(isinstance(level, str) and level for level in self.levels):
            raise TaskError(f"feature '{self.name}': levels must be non-empty texts, not {self.levels!r}")
        if len(set(self.levels)) != len(self.levels):
            raise TaskError(f"feature '{self.name}': levels names one twice")

    @property
    def expectation(self) -> str:
        """What a value has to be, in words."""
        return f"expected one of {', '.join(self.levels)}"

    def admits(self, value: object) -> bool:
        """Whether ``value`` is one of the levels."""
        return isinstance(value, str) and value in self.levels

    def normalise(self, value: Any) -> Value:
        """An admitted value as the model takes it."""
        return str(value)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for records."""
        return {"name": self.name, "type": "category", "levels": list(self.levels)}


Feature: TypeAlias = Number | Category


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of a task.

    Args:
        features: what a prediction is made from, at least one, in the order in which models take them.
        target: the column to predict: a number for regression, a category of at least two levels for
            classification.
        prediction: the name that a prediction goes by in answers.
    """

    features: tuple[Feature, ...]
    target: Feature
    prediction: str

    def __post_init__(self) -> None:
        if not isinstance(self.features, tuple | list) or not all(
            isinstance(feature, Number | Category) for feature in self.features
        ):
            raise TaskError(f"schema: features is {self.features!r}; it must be a tuple of Number and Category")
        if not isinstance(self.target, Number | Category):
            raise TaskError(f"schema: target is {self.target!r}; it must be a Number or a Category")
        if not self.features:
            raise TaskError("schema: features is empty; name at least one")
        names = [feature.name for feature in self.features]
        if len(set(names)) != len(names):
            raise TaskError(f"schema: a feature is named twice in {names}")
        if isinstance(self.target, Category) and len(self.target.levels) < 2:
            raise TaskError(f"schema: the target '{self.target.name}' has one level; there is nothing to predict")
        if self.target.name in names:
            raise TaskError(f"schema: the target '{self.target.name}' is also a feature")
        _check_name(self.prediction)
        if self.prediction == "model_version":
            raise TaskError("schema: the prediction cannot be named 'model_version', which every answer has")
        if self.prediction == "probabilities":
            raise TaskError(
                "schema: the prediction cannot be named 'probabilities', which answers of classes have"
            )

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the features, in order."""
        return tuple(feature.name for feature in self.features)

    def feature(self, name: str) -> Feature:
        """The feature of that name.

        Raises:
            TaskError: there is none.
        """
        for feature in self.features:
            if feature.name == name:
                return feature
        raise TaskError(f"there is no feature '{name}'; there are {', '.join(self.feature_names)}")

    def admit_row(self, row: Mapping[str, object]) -> Row:
        """A row of features as the model takes it, in the schema's order.

        Raises:
            DataError: fields are missing, unknown, of the wrong type, not finite, out of range or of an
                unknown category. Nothing is coerced, but an int becomes a float.
        """
        problems = [
            Problem(f"missing; {feature.expectation}", feature.name)
            for feature in self.features
            if feature.name not in row
        ]
        problems += [
            Problem(f"{fault_of(feature, row[feature.name])}, found {row[feature.name]!r}", feature.name)
            for feature in self.features
            if feature.name in row and not feature.admits(row[feature.name])
        ]
        known = f"there are {', '.join(self.feature_names)}"
        problems += [Problem(f"unknown field; {known}", name) for name in row if name not in self.feature_names]
        if problems:
            raise DataError("the row", problems)
        return {feature.name: feature.normalise(row[feature.name]) for feature in self.features}

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for records."""
        return {
            "features": [feature.to_dict() for feature in self.features],
            "target": self.target.to_dict(),
            "prediction": self.prediction,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Schema":
        """Read what ``to_dict`` wrote.

        Raises:
            TaskError: it is something else.
        """
        try:
            return cls(
                features=tuple(_feature_from_dict(feature) for feature in data["features"]),
                target=_feature_from_dict(data["target"]),
                prediction=data["prediction"],
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise TaskError(f"no schema can be read from {data!r}") from error

    @property
    def identity(self) -> dict[str, Any]:
        """``to_dict`` without what is only for people: equal for equal schemas."""
        document = self.to_dict()
        for column in (*document["features"], document["target"]):
            column.pop("unit", None)
        return document

    @property
    def fingerprint(self) -> str:
        """A digest of the schema; two schemas have the same one if they are equal, and only then."""
        text = json.dumps(_canonical(self.identity), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _canonical(data: Any) -> Any:
    """Plain data with equal numbers spelt alike: 0, 0.0 and -0.0 are one bound."""
    match data:
        case dict():
            return {name: _canonical(value) for name, value in data.items()}
        case list():
            return [_canonical(value) for value in data]
        case float() if data.is_integer():
            return int(data)
    return data


def _feature_from_dict(data: Mapping[str, Any]) -> Feature:
    match data["type"]:
        case "number":
            return Number(data["name"], data["minimum"], data["maximum"], data.get("unit", ""))
        case "category":
            return Category(data["name"], tuple(data["levels"]))
        case unknown:
            raise TaskError(f"schema: there is no feature type {unknown!r}")


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise TaskError(f"schema: the name {name!r} is not a non-empty printable text")


def is_rounded(value: object) -> bool:
    """Whether ``value`` is a whole number that a float may not hold exactly."""
    return isinstance(value, int) and not -EXACT <= value <= EXACT


def fault_of(feature: Feature, value: object) -> str:
    """What is wrong with a value that ``feature`` does not admit."""
    if isinstance(feature, Number) and is_rounded(value) and feature.is_within(value):
        return f"expected a whole number within ±{EXACT:,} (2^53): beyond it would be rounded"
    return feature.expectation


def _is_finite_number(value: object) -> TypeGuard[float]:
    # A huge int is a number that no float can hold.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
