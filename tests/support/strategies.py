"""Hypothesis strategies for what Weighbridge is about."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pandas as pd
from hypothesis import strategies as st

from weighbridge.domain.data.schema import Category, Feature, Number, Schema


def task_names() -> st.SearchStrategy[str]:
    """Names that a task can have, some the beginnings of others."""
    words = st.sampled_from(["time", "to", "dispatch", "a", "b2", "2021"])
    return st.builds(
        lambda first, rest: "_".join([first, *rest]),
        st.sampled_from(["time", "orders", "a1"]),
        st.lists(words, max_size=3),
    )


def moments() -> st.SearchStrategy[datetime]:
    """Times in UTC, to the microsecond, from year 2 to year 9998: any zone can write them."""
    return st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=st.just(UTC))


@st.composite
def spelled_moments(draw: st.DrawFn, at: st.SearchStrategy[datetime] | None = None) -> tuple[str, datetime]:
    """A time in one of the spellings that are read, and the time that it tells, in UTC."""
    moment = draw(moments() if at is None else at)
    offset = timedelta(minutes=draw(st.integers(-24 * 60 + 1, 24 * 60 - 1)))
    local = moment.astimezone(timezone(offset))
    date = f"{local.year:04}-{local.month:02}-{local.day:02}"
    if draw(st.integers(0, 9)) == 0:
        return date, datetime(local.year, local.month, local.day, tzinfo=UTC)
    separators = st.sampled_from(":|-")
    time = f"{local.hour:02}{draw(separators)}{local.minute:02}{draw(separators)}{local.second:02}"
    digits = draw(st.integers(0, 9))
    written = f"{local.microsecond:06}" + draw(st.text("0123456789", min_size=3, max_size=3))
    fraction = draw(st.sampled_from(".,")) + written[:digits] if digits else ""
    local = local.replace(microsecond=int(written[:digits].ljust(6, "0")[:6]) if digits else 0)
    zone = draw(st.sampled_from(["", "Z", "z", "hours", "minutes"]))
    if zone in {"hours", "minutes"}:
        minutes = abs(int(offset.total_seconds())) // 60
        sign = "-" if offset < timedelta(0) else "+"
        if zone == "hours":
            hours = timedelta(hours=minutes // 60)
            local = local.replace(tzinfo=timezone(-hours if sign == "-" else hours))
            zone = f"{sign}{minutes // 60:02}"
        else:
            separator = draw(st.sampled_from(["", ":", "|", "-"]))
            zone = f"{sign}{minutes // 60:02}{separator}{minutes % 60:02}"
    else:
        local = local.replace(tzinfo=UTC)
    return f"{date}{draw(st.sampled_from('Tt '))}{time}{fraction}{zone}", local.astimezone(UTC)


def column_names() -> st.SearchStrategy[str]:
    """Names that a feature can have."""
    return st.one_of(
        st.sampled_from(["orders_placed", "product_code", "hours", "a b", "0", "é日🚚"]),
        st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8),
    )


@st.composite
def number_features(draw: st.DrawFn, name: str) -> Number:
    """A number of that name, with none, one or both of its bounds."""
    bounds = st.one_of(st.integers(-50, 50), st.integers(-200, 200).map(lambda quarters: quarters / 4))
    low, high = sorted([draw(bounds), draw(bounds)])
    return Number(name, draw(st.sampled_from([None, low])), draw(st.sampled_from([None, high])))


@st.composite
def category_features(draw: st.DrawFn, name: str) -> Category:
    """A category of that name, of one to four levels; some look like numbers or like nulls."""
    texts = st.one_of(
        st.sampled_from(["SKU001", "1", "1.0", "nan", "None", "True", "inf", " ", "é日🚚"]),
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6),
    )
    return Category(name, tuple(draw(st.lists(texts, min_size=1, max_size=4, unique=True))))


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    """A schema of one to four features."""
    target, *names = draw(st.lists(column_names(), min_size=2, max_size=5, unique=True))
    features = tuple(draw(st.one_of(number_features(name), category_features(name))) for name in names)
    prediction = draw(column_names().filter(lambda name: name != "model_version"))
    classes = category_features(target).filter(lambda category: len(category.levels) > 1)
    return Schema(features, draw(st.one_of(number_features(target), classes)), prediction)


def admissible_values(feature: Feature) -> st.SearchStrategy[float | int | str]:
    """What the feature admits."""
    if isinstance(feature, Category):
        return st.sampled_from(feature.levels)
    floats = st.floats(feature.minimum, feature.maximum, allow_nan=False, allow_infinity=False)
    low = None if feature.minimum is None else -int(-feature.minimum // 1)
    high = None if feature.maximum is None else int(feature.maximum // 1)
    if low is not None and high is not None and low > high:
        return floats
    return st.one_of(floats, st.integers(low, high).filter(lambda whole: abs(whole) < 2**53))


@st.composite
def admissible_rows(draw: st.DrawFn, schema: Schema) -> dict[str, Any]:
    """A row of the schema's features, its fields in any order."""
    features = draw(st.permutations(schema.features))
    return {feature.name: draw(admissible_values(feature)) for feature in features}


@st.composite
def admissible_frames(draw: st.DrawFn, schema: Schema, max_rows: int = 6) -> pd.DataFrame:
    """A frame of at least one row that the schema admits, its columns in any order."""
    count = draw(st.integers(1, max_rows))
    columns = draw(st.permutations((*schema.features, schema.target)))
    return pd.DataFrame(
        {
            column.name: pd.Series(
                draw(st.lists(admissible_values(column), min_size=count, max_size=count)),
                dtype="str" if isinstance(column, Category) else "float64",
            )
            for column in columns
        }
    )
