"""The candidate against the live model: the levels to the last bit, and what is wrong with a live model."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.quick_task import QUICK, store_of_two, two_releases
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.onnx.codec import OnnxCodec
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.adapters.skops.codec import SkopsCodec
from weighbridge.adapters.system import SystemClock
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.errors import ConfigurationError, IncompatibleModel, RegistryError, StoreUnavailable
from weighbridge.domain.evaluation.comparison import LiveScores, NotWorseThanLive
from weighbridge.domain.evaluation.gate import Verdict
from weighbridge.domain.evaluation.metrics import METRICS, Metrics
from weighbridge.domain.model.predictor import Columns, Predictor
from weighbridge.domain.store.artefacts import Artefact, ArtefactRef
from weighbridge.domain.training.live_model import DecodedModel, LiveModel, live_model

RELEASE, WARN, REJECT = Verdict.RELEASE, Verdict.RELEASE_WITH_WARNING, Verdict.REJECT


def evaluated(comparison: NotWorseThanLive, candidate: Metrics, live: Metrics) -> tuple[Verdict, str | None]:
    """The verdict that a comparison alone gives, and its reason in words."""
    reason = comparison.evaluate(candidate, live)
    if reason is None:
        return RELEASE, None
    assert (reason.source, reason.name) == ("comparison", f"{comparison.metric} against the live model")
    return (REJECT if reason.severity == "error" else WARN), reason.text


CODECS = (OnnxCodec(), SkopsCodec())

# Levels


@pytest.mark.parametrize(
    ("live", "verdict"),
    [
        (0.0, RELEASE),
        (0.5, RELEASE),
        (0.625, RELEASE),
        (math.nextafter(0.625, 1), WARN),
        (0.75, WARN),
        (math.nextafter(0.75, 1), REJECT),
        (1.0, REJECT),
    ],
)
def test_a_candidate_is_worse_by_more_than_a_level_when_greater_is_better(live: float, verdict: Verdict) -> None:
    found, reason = evaluated(NotWorseThanLive("r2", warning=0.125, error=0.25), {"r2": 0.5}, {"r2": live})
    assert found == verdict
    level = {WARN: "0.125", REJECT: "0.25"}
    assert reason == (
        None
        if verdict == RELEASE
        else f"r2 0.5 is worse than the live model's {live:.6g} on the same rows by more than {level[verdict]}"
    )


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [
        (0.0, RELEASE),
        (4.0, RELEASE),
        (5.0, RELEASE),
        (math.nextafter(5, 6), WARN),
        (8.0, WARN),
        (math.nextafter(8, 9), REJECT),
        (1e300, REJECT),
    ],
)
def test_a_candidate_is_worse_by_more_than_a_level_when_smaller_is_better(ours: float, verdict: Verdict) -> None:
    name = "mean_absolute_error"
    found, reason = evaluated(NotWorseThanLive(name, warning=1, error=4), {name: ours}, {name: 4.0})
    assert found == verdict
    level = {WARN: "1", REJECT: "4"}
    assert reason == (
        None
        if verdict == RELEASE
        else f"{name} {ours:.6g} is worse than the live model's 4 on the same rows by more than {level[verdict]}"
    )


@pytest.mark.parametrize(
    ("warning", "error", "verdict"),
    [(None, None, RELEASE), (0.1, None, WARN), (None, 0.1, REJECT), (None, 0.9, RELEASE), (0.9, None, RELEASE)],
)
@pytest.mark.parametrize(("name", "ours", "live"), [("accuracy", 0.25, 0.75), ("log_loss", 0.75, 0.25)])
def test_a_level_can_be_off(
    name: str, ours: float, live: float, warning: float | None, error: float | None, verdict: Verdict
) -> None:
    found, reason = evaluated(NotWorseThanLive(name, warning, error), {name: ours}, {name: live})
    assert (found, reason is None) == (verdict, verdict == RELEASE)


def test_no_room_between_equal_levels_and_none_below_zero() -> None:
    strict = NotWorseThanLive("r2", warning=0, error=0)
    assert evaluated(strict, {"r2": 0.5}, {"r2": 0.5}) == (RELEASE, None)
    assert evaluated(strict, {"r2": 0.5}, {"r2": math.nextafter(0.5, 1)})[0] == REJECT


@pytest.mark.parametrize("live", [{"r2": math.nan}, {}])
def test_a_live_score_that_is_not_a_number_compares_with_nothing(live: dict[str, float]) -> None:
    for ours in (0.5, -3.0, math.nan):
        assert evaluated(NotWorseThanLive("r2", warning=0, error=0), {"r2": ours}, live) == (RELEASE, None)


@pytest.mark.parametrize("ours", [{"r2": math.nan}, {}])
@pytest.mark.parametrize(
    ("warning", "error", "verdict"), [(None, None, RELEASE), (0.5, None, WARN), (None, 0.5, REJECT)]
)
def test_a_score_of_the_candidate_that_is_not_a_number_is_worse_than_any_level(
    ours: dict[str, float], warning: float | None, error: float | None, verdict: Verdict
) -> None:
    found, reason = evaluated(NotWorseThanLive("r2", warning, error), ours, {"r2": -100.0})
    assert found == verdict
    assert reason == (
        None
        if verdict == RELEASE
        else "r2 nan is worse than the live model's -100 on the same rows by more than 0.5"
    )


finite = st.floats(-1e6, 1e6)
levels = st.none() | st.floats(0, 100)


@given(st.sampled_from(sorted(METRICS)), finite, finite, levels, levels)
def test_the_three_regions(
    name: str, ours: float, live: float, warning: float | None, error: float | None
) -> None:
    if warning is not None and error is not None:
        warning, error = sorted([warning, error])
    worse = live - ours if METRICS[name].greater_is_better else ours - live
    verdict, reason = evaluated(NotWorseThanLive(name, warning, error), {name: ours}, {name: live})
    if error is not None and worse > error:
        assert verdict == REJECT
    elif warning is not None and worse > warning:
        assert verdict == WARN
    else:
        assert verdict == RELEASE
    assert (reason is None) == (verdict == RELEASE)


@given(st.sampled_from(sorted(METRICS)), st.lists(finite, min_size=2, max_size=5), finite)
def test_a_better_candidate_never_gets_a_worse_verdict(name: str, scores: list[float], live: float) -> None:
    best_first = sorted(scores, reverse=METRICS[name].greater_is_better)
    comparison = NotWorseThanLive(name, warning=1, error=10)
    verdicts = [evaluated(comparison, {name: score}, {name: live})[0] for score in best_first]
    order = [RELEASE, WARN, REJECT]
    assert all(order.index(one) <= order.index(other) for one, other in pairwise(verdicts))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("neg_max_error",), f"there is no metric 'neg_max_error'; there are {', '.join(METRICS)}"),
        (("r2", -0.1), "comparison by r2: the warning level is -0.1; it must be a number not below 0"),
        (("r2", None, -1), "comparison by r2: the error level is -1; it must be a number not below 0"),
        (("r2", math.nan), "comparison by r2: the warning level is nan; it must be a number not below 0"),
        (("r2", 0.1, math.inf), "comparison by r2: the error level is inf; it must be a number not below 0"),
        (
            ("log_loss", 0.2, 0.1),
            "comparison by log_loss: the warning level 0.2 is out of order: it must not be greater than the "
            "error level, 0.1",
        ),
    ],
)
def test_comparisons_that_cannot_be(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        NotWorseThanLive(*arguments)
    assert str(caught.value) == message


# The live model


def registry_on(store: MemoryStore) -> StoreRegistry:
    return StoreRegistry(store, SystemClock())


def ask(store: MemoryStore, schema: Schema = QUICK.schema) -> LiveModel:
    return live_model(registry_on(store), CODECS, QUICK.name, schema)


def rewrite(store: MemoryStore, key: str, data: bytes) -> None:
    store.delete(key)
    store.write(key, data)


def test_the_live_model_predicts_as_its_codec_does() -> None:
    live = ask(store_of_two())
    _, release = two_releases()
    assert (live.version, live.note) == (release.version, "")
    assert live.record is not None
    assert live.record.to_dict() == release.record.to_dict()
    assert live.model is not None
    golden = release.record.golden
    frame = pd.DataFrame([row.inputs for row in golden])
    np.testing.assert_allclose(live.model.predict(frame), [row.prediction for row in golden], rtol=1e-5)
    # Columns in another order, and one that is no feature, change nothing.
    shuffled = frame[list(reversed(frame.columns))].assign(weather="fair")
    assert live.model.predict(shuffled).tolist() == live.model.predict(frame).tolist()


def test_nothing_is_live() -> None:
    assert ask(MemoryStore(SystemClock())) == LiveModel(note="nothing is live")
    # Releases alone are not live.
    store = store_of_two()
    for ref in list(store.list("promotions/")):
        store.delete(ref.key)
    assert ask(store) == LiveModel(note="nothing is live")


@pytest.mark.parametrize("data", [b"", b"{}", b"nonsense"])
def test_a_record_that_cannot_be_read_is_a_note(data: bytes) -> None:
    store, (_, release) = store_of_two(), two_releases()
    rewrite(store, release.version.record_key, data)
    live = ask(store)
    assert (live.version, live.record, live.model) == (release.version, None, None)
    said = f"the live model {release.version} cannot be read: the record '{release.version.record_key}'"
    assert live.note.startswith(said)


def test_a_record_that_is_gone_is_a_note() -> None:
    store, (_, release) = store_of_two(), two_releases()
    store.delete(release.version.record_key)
    live = ask(store)
    assert (live.version, live.record, live.model) == (release.version, None, None)
    assert live.note.startswith(f"the live model {release.version} cannot be read: there is no release")


@pytest.mark.parametrize(
    "change",
    [
        lambda schema: replace(schema, prediction="hours"),
        lambda schema: replace(schema, features=schema.features[::-1]),
        lambda schema: replace(schema, features=(Number("orders_placed"), *schema.features[1:])),
    ],
    ids=["prediction", "order", "bound"],
)
def test_another_schema_is_a_note(change: Callable[[Schema], Schema]) -> None:
    _, release = two_releases()
    live = ask(store_of_two(), change(QUICK.schema))
    assert (live.version, live.model) == (release.version, None)
    assert live.note == f"the live model {release.version} has another schema"
    # Its data can still be compared.
    assert live.record is not None
    assert live.record.to_dict() == release.record.to_dict()


def test_an_unknown_format_is_a_note() -> None:
    store, (_, release) = store_of_two(), two_releases()
    live = live_model(registry_on(store), [SkopsCodec()], QUICK.name, QUICK.schema)
    assert (live.version, live.model) == (release.version, None)
    assert live.note == f"the live model {release.version} has an unknown format"
    assert live.record is not None


def test_bytes_that_are_not_those_of_the_record_are_a_note() -> None:
    store, (_, release) = store_of_two(), two_releases()
    key = str(release.record.model.key)
    rewrite(store, key, store.read(key).data + b"\0")
    live = ask(store)
    assert (live.version, live.model) == (release.version, None)
    assert live.note.startswith(
        f"the live model {release.version} cannot be read: the bytes of '{key}' are not those that were published"
    )
    # The record is whole.
    assert live.record is not None
    assert live.record.to_dict() == release.record.to_dict()


def test_bytes_that_are_gone_or_are_no_model_are_a_note() -> None:
    store, (_, release) = store_of_two(), two_releases()
    key = str(release.record.model.key)
    store.delete(key)
    assert ask(store).note == (
        f"the live model {release.version} cannot be read: the model '{key}' of {release.version} is gone"
    )
    # The digest fits, but it is no model.
    written = store.write(key, b"no model")
    document = release.record.to_dict()
    document["model"]["sha256"] = store.read(written).sha256
    rewrite(store, release.version.record_key, json.dumps(document).encode())
    live = ask(store)
    assert live.model is None
    assert live.record is not None
    assert live.note.startswith(f"the live model {release.version} cannot be read: no ONNX model can be read")


class Failing(MemoryStore):
    """A store that does not answer for some keys."""

    away = ""

    def read(self, what: ArtefactRef | str) -> Artefact:
        if (what if isinstance(what, str) else what.key).startswith(self.away or "/"):
            raise StoreUnavailable("no answer")
        return super().read(what)


@pytest.mark.parametrize("away", ["promotions/", "models/", "model"])
def test_a_store_that_cannot_be_asked_is_no_note(away: str) -> None:
    store = Failing(SystemClock())
    source, (_, release) = store_of_two(), two_releases()
    for kind in ("models", "promotions"):
        for ref in source.list(f"{kind}/"):
            store.write(ref.key, source.read(ref).data)
    assert ask(store).note == ""
    store.away = str(release.record.model.key) if away == "model" else away
    with pytest.raises(StoreUnavailable, match="no answer"):
        ask(store)


def test_a_promotion_that_cannot_be_read_is_no_note() -> None:
    store = store_of_two()
    store.write(f"promotions/{QUICK.name}_000000002999.json", b"{}")
    with pytest.raises(RegistryError, match="2999"):
        ask(store)


# What is told of it


def test_both_numbers_stand_in_the_record() -> None:
    scores = LiveScores("v1", {"r2": 0.5, "mean_absolute_error": math.nan, "root_mean_squared_error": 2.0})
    candidate = {"r2": 0.75, "mean_absolute_error": 1.0, "max_error": 9.0, "root_mean_squared_error": math.inf}
    assert scores.to_dict(candidate) == {
        "live_version": "v1",
        "note": "",
        "metrics": {
            "r2": {"candidate": 0.75, "live": 0.5},
            "mean_absolute_error": {"candidate": 1.0, "live": None},
            "root_mean_squared_error": {"candidate": None, "live": 2.0},
        },
    }
    assert LiveScores(note="nothing is live").to_dict(candidate) == {
        "live_version": None,
        "note": "nothing is live",
        "metrics": {},
    }
    assert LiveScores("v1", {"r2": 0.5}).to_dict({})["metrics"] == {"r2": {"candidate": None, "live": 0.5}}


class Colours(Predictor):
    """Says red, and how likely that is by how large x is."""

    def predict(self, columns: Columns) -> "np.ndarray[Any, Any]":
        return np.array(["red"] * len(columns["x"]), dtype=object)

    def predict_proba(self, columns: Columns) -> "np.ndarray[Any, Any]":
        return np.stack([1 - columns["x"], columns["x"]], axis=1)


class Hours(Predictor):
    """Says x."""

    def predict(self, columns: Columns) -> "np.ndarray[Any, Any]":
        return columns["x"]


def test_a_predictor_in_the_dress_of_a_model() -> None:
    frame = pd.DataFrame({"x": [0.25, 0.75]})
    colours = Schema((Number("x"),), Category("colour", ("red", "blue")), "p")
    model = DecodedModel(Colours(), colours)
    assert model.classes_.tolist() == ["red", "blue"]
    assert model.predict(frame).tolist() == ["red", "red"]
    assert model.predict_proba(frame).tolist() == [[0.75, 0.25], [0.25, 0.75]]
    hours = DecodedModel(Hours(), Schema((Number("x"),), Number("hours"), "p"))
    assert hours.classes_.tolist() == []
    assert hours.predict(frame).tolist() == [0.25, 0.75]
    with pytest.raises(IncompatibleModel):
        hours.predict_proba(frame)
