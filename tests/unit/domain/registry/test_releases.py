"""Versions of models, where they are kept, and promotions."""

import hashlib
import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.strategies import moments, task_names
from weighbridge.domain.errors import UnknownVersion
from weighbridge.domain.registry.promotions import PROMOTION_SCHEMA_VERSION, Origin, Promotion, unnumbered_entry
from weighbridge.domain.registry.releases import ModelVersion, version_of_record

CREATED = datetime(2021, 7, 3, 23, 5, 32, tzinfo=UTC)
VERSION = ModelVersion("time", CREATED, "0a1b2c3d")
PROMOTION = Promotion(VERSION, CREATED + timedelta(seconds=5), "it is better", "somebody", hold=True)

digests = st.text("0123456789abcdef", min_size=8, max_size=8)
seconds = moments().map(lambda moment: moment.replace(microsecond=0))
versions = st.builds(ModelVersion, task_names(), seconds, digests)
plain = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=3), inner, max_size=2)),
    max_leaves=3,
)


@given(versions)
def test_a_version_survives_being_written(version: ModelVersion) -> None:
    assert ModelVersion.parse(version.task, str(version)) == version
    assert ModelVersion.parse(version.task, version.qualified) == version
    assert version.qualified == f"{version.task}/{version}"
    assert version_of_record(version.task, version.record_key.removeprefix("models/")) == version


@given(versions, versions)
def test_versions_of_a_task_order_by_time_and_then_by_digest(one: ModelVersion, other: ModelVersion) -> None:
    other = ModelVersion(one.task, other.created, other.digest)
    assert (one < other) == ((one.created, one.digest) < (other.created, other.digest))
    assert (one < other) == (str(one) < str(other))
    assert (one < ModelVersion(one.task, one.created, other.digest)) == (one.digest < other.digest)


@given(task_names(), moments(), st.text("0123456789abcdef", min_size=64, max_size=64), st.integers(-1439, 1439))
def test_the_version_of_a_model(task: str, created: datetime, sha256: str, minutes: int) -> None:
    version = ModelVersion.of(task, created.astimezone(timezone(timedelta(minutes=minutes))), sha256)
    assert version == ModelVersion(task, created.replace(microsecond=0), sha256[:8])
    assert ModelVersion.parse(task, str(version)) == version


def test_where_the_artefacts_of_a_version_are() -> None:
    assert str(VERSION) == "2021-07-03T23-05-32Z-0a1b2c3d"
    assert VERSION.qualified == "time/2021-07-03T23-05-32Z-0a1b2c3d"
    assert VERSION.record_key == "models/time_2021-07-03T23-05-32Z-0a1b2c3d.json"
    assert VERSION.rejected_key == "rejected/time_2021-07-03T23-05-32Z-0a1b2c3d.json"
    assert VERSION.model_key("onnx") == "models/time_2021-07-03T23-05-32Z-0a1b2c3d.onnx"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "time",
        "time/",
        "latest",
        "2021-07-03T23-05-32Z",
        "2021-07-03T23-05-32Z-",
        "2021-07-03T23-05-32Z-0a1b2c3",
        "2021-07-03T23-05-32Z-0a1b2c3d4",
        "2021-07-03T23-05-32Z-0A1B2C3D",
        "2021-07-03T23-05-32Z-0a1b2c3g",
        "2021-07-03T23:05:32Z-0a1b2c3d",
        "2021-07-03T23-05-32-0a1b2c3d",
        "2021-07-03 23-05-32Z-0a1b2c3d",
        "2021-02-30T23-05-32Z-0a1b2c3d",
        "٢٠٢١-07-03T23-05-32Z-0a1b2c3d",
        "2021-07-03T23-05-32Z-0a1b2c3d\n",
        " 2021-07-03T23-05-32Z-0a1b2c3d",
        "times/2021-07-03T23-05-32Z-0a1b2c3d",
        "time_2021-07-03T23-05-32Z-0a1b2c3d",
        "time/time/2021-07-03T23-05-32Z-0a1b2c3d",
    ],
)
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(UnknownVersion) as caught:
        ModelVersion.parse("time", text)
    assert str(caught.value) == (
        f"'{text}' is not a version of time; one looks like 2021-07-03T23-05-32Z-0a1b2c3d"
    )


@pytest.mark.parametrize(
    "name",
    [
        "time_2021-07-03T23-05-32Z-0a1b2c3d.onnx",
        "time_2021-07-03T23-05-32Z-0a1b2c3d",
        "time_2021-07-03T23-05-32Z.json",
        "time_to_2021-07-03T23-05-32Z-0a1b2c3d.json",
        "times_2021-07-03T23-05-32Z-0a1b2c3d.json",
        "2021-07-03T23-05-32Z-0a1b2c3d.json",
        "time_.json",
        "time_json",
        "",
    ],
)
def test_names_that_are_no_record_of_a_task(name: str) -> None:
    assert version_of_record("time", name) is None


@given(st.builds(Promotion, versions, seconds, st.text(max_size=20), st.text(max_size=20), st.booleans()))
def test_a_promotion_survives_its_bytes(promotion: Promotion) -> None:
    document = json.loads(json.dumps(promotion.to_dict()))
    read = Promotion.from_dict(promotion.version.task, document, promotion.entry)
    assert read == promotion
    assert read.at.utcoffset() == timedelta(0)


def test_how_a_promotion_is_written_and_where() -> None:
    assert PROMOTION.to_dict() == {
        "schema_version": 1,
        "task": "time",
        "version": "2021-07-03T23-05-32Z-0a1b2c3d",
        "promoted_at": "2021-07-03T23:05:37Z",
        "reason": "it is better",
        "by": "somebody",
        "hold": True,
    }
    digest = hashlib.sha256(b"its bytes").hexdigest()[:8]
    assert unnumbered_entry(PROMOTION, b"its bytes") == f"2021-07-03T23-05-37Z-{digest}"


def test_how_a_numbered_promotion_is_written() -> None:
    promotion = replace(PROMOTION, entry="000000000012", origin=Origin.TRAINING, rollback_to="000000000007")
    document = promotion.to_dict()
    assert document == PROMOTION.to_dict() | {"number": 12, "origin": "training", "rollback_to": "000000000007"}
    assert Promotion.from_dict("time", document, "000000000012") == promotion


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"number": 11}, "it is the promotion number 11"),
        ({"rollback_to": "000000000012"}, "its rollback_to is not an entry before it"),
        ({"rollback_to": 7}, "its rollback_to is not an entry before it"),
        ({"origin": "nobody"}, "'nobody' is not a valid Origin"),
    ],
)
def test_a_numbered_promotion_that_contradicts_itself_is_a_value_error(
    change: dict[str, Any], message: str
) -> None:
    document = replace(PROMOTION, entry="000000000012", origin=Origin.PERSON).to_dict()
    with pytest.raises(ValueError, match=message):
        Promotion.from_dict("time", document | change, "000000000012")


def test_fields_that_are_not_known_are_passed_over() -> None:
    assert Promotion.from_dict("time", PROMOTION.to_dict() | {"approved_by": ["two"]}, "") == PROMOTION


@pytest.mark.parametrize("hold", [False, None, "true", 1, []])
def test_only_true_holds(hold: object) -> None:
    assert not Promotion.from_dict("time", PROMOTION.to_dict() | {"hold": hold}, "").hold


@pytest.mark.parametrize("name", sorted(PROMOTION.to_dict()))
def test_no_field_may_be_missing(name: str) -> None:
    document = PROMOTION.to_dict()
    del document[name]
    with pytest.raises(ValueError, match=f"^not a promotion: '{name}'$"):
        Promotion.from_dict("time", document, "")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "times"}, "not a promotion of time that this release of the software can read"),
        (
            {"schema_version": PROMOTION_SCHEMA_VERSION + 1},
            "not a promotion of time that this release of the software can read",
        ),
        ({"version": "latest"}, "not a promotion: 'latest' is not a version of time"),
        ({"version": 5}, "not a promotion: "),
        ({"promoted_at": "yesterday"}, "Invalid isoformat string: 'yesterday'"),
        ({"promoted_at": None}, "not a promotion: "),
        ({"promoted_at": "2021-07-03T23:05:37"}, "not a promotion: its promoted_at has no zone"),
    ],
)
def test_what_cannot_be_read_is_a_value_error(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Promotion.from_dict("time", PROMOTION.to_dict() | change, "")


@given(st.sampled_from([None, *PROMOTION.to_dict()]), plain)
def test_anything_else_is_a_value_error_or_a_promotion(name: str | None, value: Any) -> None:
    document = value if name is None else PROMOTION.to_dict() | {name: value}
    with suppress(ValueError):
        assert Promotion.from_dict("time", document, "").version.task == "time"
