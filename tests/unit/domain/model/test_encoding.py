import hashlib
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import RANSACRegressor
from sklearn.svm import LinearSVC

from tests.support.codec_contract import (
    CLASS_SCHEMA,
    CLASSES,
    SCHEMA,
    fitted,
    fitted_classifier,
    frame_of,
    labels_of,
    pipeline_of,
    probabilities_by_level,
    target_of,
)
from weighbridge.adapters.onnx.codec import OnnxCodec
from weighbridge.adapters.skops.codec import SkopsCodec
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.errors import IncompatibleModel, ModelError
from weighbridge.domain.model.codec import ModelCodec
from weighbridge.domain.model.encoding import class_columns, columns_of, encode_with_parity, probabilities_of
from weighbridge.domain.model.fitted import FittedModel
from weighbridge.domain.model.parity import PARITY_FLOOR, PARITY_TOLERANCE, Parity, compare, compare_classes
from weighbridge.domain.model.predictor import Predictor

finite = st.floats(allow_nan=False, allow_infinity=False)
NUMBERS = Schema((Number("a"),), Number("y"), "y_hat")


class Affine:
    """A model whose own numbers are its bytes: predicts ``slope * a + shift``."""

    def __init__(self, slope: float, shift: float) -> None:
        self.slope, self.shift = slope, shift

    def predict(self, features: pd.DataFrame, /) -> np.ndarray[Any, Any]:
        return np.asarray(self.slope * features["a"].to_numpy() + self.shift)


class AffinePredictor(Predictor):
    def __init__(self, slope: float, shift: float) -> None:
        self.slope, self.shift = slope, shift

    def predict(self, columns: Any) -> np.ndarray[Any, Any]:
        return np.asarray(self.slope * columns["a"] + self.shift)


class AffineCodec(ModelCodec):
    """Keeps an Affine in floats of the given precision, which loses what does not fit."""

    def __init__(self, dtype: type[np.floating[Any]]) -> None:
        self.dtype = dtype

    @property
    def format(self) -> str:
        return self.dtype.__name__

    def encode(self, model: FittedModel, schema: Schema) -> bytes:
        if not isinstance(model, Affine):
            raise ModelError(f"{type(model).__name__} is not affine")
        return np.array([model.slope, model.shift]).astype(self.dtype).tobytes()

    def decode(self, data: bytes, schema: Schema) -> Predictor:
        return AffinePredictor(*np.frombuffer(data, self.dtype).astype(float).tolist())


DOUBLE, SINGLE, HALF = AffineCodec(np.float64), AffineCodec(np.float32), AffineCodec(np.float16)


def test_the_shipped_kind_of_tree_becomes_onnx_exactly() -> None:
    frame = frame_of(200, seed=5)
    encoded = encode_with_parity([OnnxCodec(), SkopsCodec()], fitted("tree"), SCHEMA, frame)
    assert (encoded.format, encoded.notes) == ("onnx", ())
    assert encoded.parity == Parity(rows=200, max_relative_difference=0.0, exact=200, tolerance=1e-5)
    assert encoded.sha256 == hashlib.sha256(encoded.data).hexdigest()
    decoded = OnnxCodec().decode(encoded.data, SCHEMA).predict(columns_of(frame, SCHEMA))
    assert decoded.tolist() == fitted("tree").predict(frame).tolist()


def test_columns_beside_the_features_and_their_order_do_not_matter() -> None:
    frame = frame_of(50).assign(hours=1.0)
    shuffled = frame[["hours", *reversed(SCHEMA.feature_names)]]
    model = fitted("linear")
    assert encode_with_parity([SkopsCodec()], model, SCHEMA, shuffled) == encode_with_parity(
        [SkopsCodec()], model, SCHEMA, frame
    )


def test_the_next_codec_is_taken_and_the_reason_noted() -> None:
    frame = frame_of(60)
    estimator = HistGradientBoostingRegressor(loss="poisson", max_iter=3, random_state=0)
    model = pipeline_of(estimator).fit(frame, target_of(frame))
    encoded = encode_with_parity([OnnxCodec(), SkopsCodec()], model, SCHEMA, frame)
    assert encoded.format == "skops"
    assert len(encoded.notes) == 1
    assert encoded.notes[0].startswith("onnx: HistGradientBoostingRegressor does not convert to ONNX: ")
    assert (encoded.parity.exact, encoded.parity.rows) == (60, 60)


def test_when_no_codec_can_every_reason_is_told() -> None:
    frame = frame_of(60)
    model = pipeline_of(RANSACRegressor(random_state=0)).fit(frame, target_of(frame))
    with pytest.raises(ModelError) as caught:
        encode_with_parity([DOUBLE, SkopsCodec()], model, SCHEMA, frame)
    head, first, second = str(caught.value).split("; ")
    assert head == "no format can hold this model"
    assert first == "float64: Pipeline is not affine"
    assert second == (
        "skops: the skops model has types that are not trusted: sklearn.linear_model._ransac.RANSACRegressor"
    )


@given(slope=st.floats(1, 100), shift=st.floats(1, 100), inputs=st.lists(st.floats(0, 1000), min_size=1))
def test_the_first_codec_with_parity_wins(slope: float, shift: float, inputs: list[float]) -> None:
    frame = pd.DataFrame({"a": inputs})
    model = Affine(slope, shift)
    encoded = encode_with_parity([HALF, SINGLE, DOUBLE], model, NUMBERS, frame)
    expected = model.predict(frame)
    reasons = []
    for codec in (HALF, SINGLE, DOUBLE):
        decoded = codec.decode(codec.encode(model, NUMBERS), NUMBERS).predict({"a": np.array(inputs)})
        differences = [abs(a - b) / max(abs(a), 1e-9) for a, b in zip(expected, decoded, strict=True)]
        if max(differences) <= 1e-5:
            break
        reasons.append(codec.format)
    assert encoded.format == codec.format
    assert [note.partition(":")[0] for note in encoded.notes] == reasons
    assert encoded.parity == Parity(
        len(inputs), max(differences), sum(map(float.__eq__, expected.tolist(), decoded.tolist()))
    )


def test_a_difference_is_noted_with_its_size() -> None:
    model = Affine(1.0, 0.1)
    frame = pd.DataFrame({"a": [0.0, 0.0, -0.1]})
    encoded = encode_with_parity([HALF, DOUBLE], model, NUMBERS, frame)
    assert encoded.format == "float64"
    (note,) = encoded.notes
    assert note == (
        "float16: predictions differ from the model's by up to 2.44e+04 relative, over 1e-05 "
        "(0 of 3 rows are equal)"
    )


@pytest.mark.parametrize("shift", [np.nan, np.inf])
def test_a_model_that_does_not_predict_numbers_has_no_parity(shift: float) -> None:
    with pytest.raises(ModelError, match=r"float64: predictions differ .* by up to inf"):
        encode_with_parity([DOUBLE], Affine(1.0, shift), NUMBERS, pd.DataFrame({"a": [1.0]}))


def test_without_rows_or_codecs_there_is_no_proof() -> None:
    with pytest.raises(ModelError, match="there are no rows"):
        encode_with_parity([DOUBLE], Affine(1.0, 0.0), NUMBERS, pd.DataFrame({"a": np.empty(0)}))
    with pytest.raises(ModelError, match=r"^no format can hold this model$"):
        encode_with_parity([], Affine(1.0, 0.0), NUMBERS, pd.DataFrame({"a": [1.0]}))


@given(pairs=st.lists(st.tuples(finite, finite), min_size=1))
def test_comparing_counts_and_takes_the_greatest(pairs: list[tuple[float, float]]) -> None:
    expected, decoded = (np.array(values) for values in zip(*pairs, strict=True))
    parity = compare(expected.tolist(), decoded.tolist())
    assert parity.rows == len(pairs)
    assert parity.exact == sum(a == b for a, b in pairs)
    with np.errstate(over="ignore"):
        assert parity.max_relative_difference == max(
            np.abs(a - b) / max(abs(a), PARITY_FLOOR) for a, b in zip(expected, decoded, strict=True)
        )
    assert (parity.max_relative_difference == 0) == (parity.exact == parity.rows)


@given(
    values=st.lists(finite, min_size=1), place=st.integers(0, 1000), odd=st.sampled_from([np.nan, np.inf, -np.inf])
)
def test_what_is_not_finite_never_has_parity(values: list[float], place: int, odd: float) -> None:
    spoiled = np.array(values)
    spoiled[place % len(values)] = odd
    for expected, decoded in ((np.array(values), spoiled), (spoiled, np.array(values)), (spoiled, spoiled)):
        parity = compare(expected.tolist(), decoded.tolist())
        assert parity.max_relative_difference == np.inf
        assert not parity.holds


def test_another_number_of_predictions_has_no_parity() -> None:
    assert compare([1.0] * 3, [1.0] * 2) == Parity(rows=3, max_relative_difference=np.inf, exact=0)


def test_the_tolerance_itself_holds_and_anything_more_does_not() -> None:
    assert PARITY_TOLERANCE == 1e-5
    assert Parity(1, PARITY_TOLERANCE, 0).holds
    assert not Parity(1, np.nextafter(PARITY_TOLERANCE, 1), 0).holds
    assert compare([0.0], [PARITY_FLOOR * PARITY_TOLERANCE / 2]).holds
    assert not compare([0.0], [PARITY_FLOOR * PARITY_TOLERANCE * 2]).holds
    assert not compare([PARITY_FLOOR * 3], [PARITY_FLOOR * 3 * (1 + 2e-5)]).holds


def test_parity_as_plain_data() -> None:
    assert Parity(3, 1e-7, 2).to_dict() == {
        "rows": 3,
        "max_relative_difference": 1e-7,
        "exact": 2,
        "tolerance": 1e-5,
    }


class Step:
    """A classifier whose own numbers are its bytes: "b" above a cut, with one probability for it everywhere."""

    classes_ = np.array(["a", "b"], object)

    def __init__(self, cut: float, share: float) -> None:
        self.cut, self.share = cut, share

    def predict(self, features: Any, /) -> np.ndarray[Any, Any]:
        return np.where(np.asarray(features["a"]) > self.cut, "b", "a").astype(object)

    def predict_proba(self, features: Any, /) -> np.ndarray[Any, Any]:
        return np.tile([1 - self.share, self.share], (len(features["a"]), 1))


class StepPredictor(Predictor):
    def __init__(self, step: Step) -> None:
        self.step = step

    def predict(self, columns: Any) -> np.ndarray[Any, Any]:
        return self.step.predict(columns)

    def predict_proba(self, columns: Any) -> np.ndarray[Any, Any]:
        return np.insert(self.step.predict_proba(columns), 1, 0.0, axis=1)


class StepCodec(ModelCodec):
    """Keeps a Step, off by the given amounts."""

    def __init__(self, cut: float = 0.0, share: float = 0.0) -> None:
        self.cut, self.share = cut, share

    @property
    def format(self) -> str:
        return "step"

    def encode(self, model: FittedModel, schema: Schema) -> bytes:
        assert isinstance(model, Step)
        return np.array([model.cut + self.cut, model.share + self.share]).tobytes()

    def decode(self, data: bytes, schema: Schema) -> Predictor:
        return StepPredictor(Step(*np.frombuffer(data).tolist()))


KINDS = Schema((Number("a"),), Category("y", ("a", "never", "b")), "y_hat")


def test_a_tree_of_classes_becomes_onnx_exactly() -> None:
    frame = frame_of(200, seed=5)
    encoded = encode_with_parity([OnnxCodec(), SkopsCodec()], fitted_classifier("tree"), CLASS_SCHEMA, frame)
    assert (encoded.format, encoded.notes) == ("onnx", ())
    assert encoded.parity == Parity(200, 0.0, 200, tolerance=1e-5, labels_equal=200)


@pytest.mark.parametrize("share", [0.0, 0.9e-5, -0.9e-5, 1.1e-5, -1.1e-5])
def test_probabilities_may_differ_by_the_tolerance_and_no_more(share: float) -> None:
    frame = pd.DataFrame({"a": [0.0, 1.0, 2.0]})
    encoded = encode_with_parity([StepCodec(share=share), StepCodec()], Step(0.5, 0.25), KINDS, frame)
    if abs(share) > 1e-5:
        assert encoded.notes == (f"step: {Parity(3, 1.1e-5, 0, labels_equal=3)}",)
        assert encoded.parity == Parity(3, 0.0, 3, labels_equal=3)
    else:
        assert encoded.notes == ()
        assert encoded.parity.max_difference == pytest.approx(abs(share), abs=1e-15)
        assert (encoded.parity.exact, encoded.parity.labels_equal) == (0 if share else 3, 3)


def test_one_label_that_differs_is_one_too_many() -> None:
    frame = pd.DataFrame({"a": [0.0, 1.0, 2.0]})
    with pytest.raises(ModelError) as caught:
        encode_with_parity([StepCodec(cut=1.0)], Step(0.5, 0.25), KINDS, frame)
    assert str(caught.value) == (
        "no format can hold this model; step: 2 of 3 labels are the model's, probabilities differ by up to 0, "
        "1e-05 is allowed (2 rows are equal)"
    )


def test_a_classifier_without_probabilities_has_no_format() -> None:
    frame = frame_of(60)
    model = pipeline_of(LinearSVC()).fit(frame, labels_of(frame, 2))
    with pytest.raises(ModelError, match=r"^LinearSVC gives no probabilities$"):
        encode_with_parity([OnnxCodec(), SkopsCodec()], model, CLASS_SCHEMA, frame)
    with pytest.raises(ModelError, match=r"^Affine gives no probabilities$"):
        encode_with_parity([DOUBLE], Affine(1.0, 0.0), KINDS, pd.DataFrame({"a": [1.0]}))


def test_probabilities_are_in_the_order_of_the_levels() -> None:
    model, frame = fitted_classifier("logistic"), frame_of(30)
    assert isinstance(CLASS_SCHEMA.target, Category)
    assert class_columns(model, CLASS_SCHEMA.target).tolist() == [2, -1, 1, 0]
    found = probabilities_of(model, frame, CLASS_SCHEMA.target)
    assert (found.dtype, found.shape) == (np.float64, (30, len(CLASSES)))
    assert found.tolist() == probabilities_by_level(model, frame)
    with pytest.raises(IncompatibleModel, match="LogisticRegression knows the class 'late'; the levels of k are"):
        probabilities_of(model, frame, Category("k", ("slow", "bientôt ☃")))


letters, shares = st.sampled_from("ab"), st.floats(0, 1)


@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from("ab"), st.sampled_from("ab"), st.tuples(shares, shares), st.tuples(shares, shares)
        ),
        min_size=1,
    )
)
def test_comparing_classes_counts_and_takes_the_greatest(rows: list[Any]) -> None:
    labels, decoded, expected, found = zip(*rows, strict=True)
    arrays = np.array(labels, object), np.array(expected), np.array(decoded, object), np.array(found)
    parity = compare_classes(*arrays)
    pairs = zip([a for row in expected for a in row], [b for row in found for b in row], strict=True)
    greatest = max(abs(a - b) for a, b in pairs)
    equal = sum(map(str.__eq__, labels, decoded))
    exact = sum(a == b and c == d for a, b, c, d in rows)
    assert parity == Parity(len(rows), greatest, exact, labels_equal=equal)
    assert parity.holds == (greatest <= 1e-5 and equal == len(rows))
    same = compare_classes(*arrays[:2], *arrays[:2])
    assert same == Parity(len(rows), 0.0, len(rows), labels_equal=len(rows))


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_probabilities_that_are_not_finite_never_have_parity(odd: float) -> None:
    labels, good = np.array(["a", "b"], object), np.array([[0.5, 0.5], [0.0, 1.0]])
    bad = np.array([[0.5, 0.5], [0.0, odd]])
    for expected, found in ((good, bad), (bad, good), (bad, bad)):
        parity = compare_classes(labels, expected, labels, found)
        assert (parity.max_difference, parity.labels_equal, parity.holds) == (np.inf, 2, False)


def test_another_shape_of_answers_has_no_parity() -> None:
    labels, good = np.array(["a", "b"], object), np.array([[0.5, 0.5], [0.0, 1.0]])
    assert compare_classes(labels, good, labels, good[:, :1]) == Parity(2, np.inf, 0, labels_equal=2)
    assert compare_classes(labels, good, labels[:1], good) == Parity(2, 0.0, 0, labels_equal=0)
    assert not compare_classes(labels, good, labels[:1], good).holds


def test_parity_of_classes_as_plain_data() -> None:
    parity = Parity(3, 1e-7, 1, labels_equal=2)
    assert parity.max_difference == 1e-7
    assert not parity.holds
    assert parity.to_dict() == {
        "rows": 3,
        "max_difference": 1e-7,
        "labels_equal": 2,
        "exact": 1,
        "tolerance": 1e-5,
    }


@given(numbers=st.lists(st.integers(-(2**53), 2**53), min_size=1), text=st.text(max_size=5))
def test_columns_are_plain_arrays(numbers: list[int], text: str) -> None:
    schema = Schema((Category("c", ("x",)), Number("n")), Number("y"), "y_hat")
    frame = pd.DataFrame({"y": 0.0, "n": numbers, "c": [text] * len(numbers)})
    columns = columns_of(frame, schema)
    assert list(columns) == ["c", "n"]
    assert columns["n"].dtype == np.float64
    assert columns["n"].tolist() == [float(number) for number in numbers]
    assert columns["c"].dtype == object
    assert columns["c"].tolist() == [text] * len(numbers)
    assert {type(value) for value in columns["c"]} == {str}


def test_a_feature_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="product_code"):
        columns_of(frame_of(3).drop(columns="product_code"), SCHEMA)
