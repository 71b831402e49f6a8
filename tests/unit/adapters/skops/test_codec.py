import io
import json
import zipfile
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from lightgbm import LGBMRegressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import AdaBoostClassifier, AdaBoostRegressor, VotingClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from tests.support.codec_contract import (
    CLASS_SCHEMA,
    CLASSIFIERS,
    ESTIMATORS,
    SCHEMA,
    CodecContract,
    fitted,
    fitted_classifier,
    frame_of,
    labels_of,
    pipeline_of,
    probabilities_by_level,
    target_of,
)
from weighbridge.adapters.skops.allowed import TRUSTED_TYPES
from weighbridge.adapters.skops.codec import SkopsCodec, canonical
from weighbridge.adapters.skops.predictor import SkopsPredictor
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.errors import IncompatibleModel, ModelError, ModelUnreadable
from weighbridge.domain.model.encoding import columns_of
from weighbridge.domain.model.predictor import Predictor


class TestSkopsCodec(CodecContract):
    codec = SkopsCodec()


def entries(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return {name: file.read(name) for name in file.namelist()}


def zipped(content: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in content.items():
            file.writestr(name, data)
    return buffer.getvalue()


OTHERS: dict[str, Any] = {
    "neighbours": lambda: KNeighborsRegressor(3),
    "network": lambda: MLPRegressor(hidden_layer_sizes=(3,), max_iter=3, random_state=0),
    "adaptive boosting": lambda: AdaBoostRegressor(n_estimators=3, random_state=0),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", [*ESTIMATORS, *OTHERS])
def test_every_estimator_is_exact_and_its_bytes_repeat(name: str) -> None:
    frame = frame_of(150)
    first, second = (
        pipeline_of({**ESTIMATORS, **OTHERS}[name]()).fit(frame.copy(), target_of(frame)) for _ in range(2)
    )
    data = SkopsCodec().encode(first, SCHEMA)
    assert SkopsCodec().encode(second, SCHEMA) == data
    more = frame_of(300, seed=3)
    predictor = SkopsCodec().decode(data, SCHEMA)
    assert predictor.predict(columns_of(more, SCHEMA)).tolist() == first.predict(more).tolist()
    assert needs_frames(predictor) is False


OTHER_CLASSIFIERS: dict[str, Any] = {
    "neighbours": lambda: KNeighborsClassifier(3),
    "network": lambda: MLPClassifier(hidden_layer_sizes=(3,), max_iter=3, random_state=0),
    "adaptive boosting": lambda: AdaBoostClassifier(n_estimators=3, random_state=0),
    "voting": lambda: VotingClassifier(
        [("tree", DecisionTreeClassifier(max_depth=2)), ("line", LogisticRegression())], voting="soft"
    ),
    "calibrated": lambda: CalibratedClassifierCV(LogisticRegression(), cv=2),
    "calibrated in steps": lambda: CalibratedClassifierCV(LogisticRegression(), cv=2, method="isotonic"),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", [*CLASSIFIERS, *OTHER_CLASSIFIERS])
def test_every_classifier_is_exact_and_its_bytes_repeat(name: str) -> None:
    frame = frame_of(150)
    first, second = (
        pipeline_of({**CLASSIFIERS, **OTHER_CLASSIFIERS}[name]()).fit(frame.copy(), labels_of(frame, 3))
        for _ in range(2)
    )
    data = SkopsCodec().encode(first, CLASS_SCHEMA)
    assert SkopsCodec().encode(second, CLASS_SCHEMA) == data
    more = frame_of(300, seed=3)
    predictor, columns = SkopsCodec().decode(data, CLASS_SCHEMA), columns_of(more, CLASS_SCHEMA)
    assert predictor.predict(columns).tolist() == first.predict(more).tolist()
    assert predictor.predict_proba(columns).tolist() == probabilities_by_level(first, more)
    assert needs_frames(predictor) is False


@pytest.mark.filterwarnings("error")
def test_what_does_not_forget_its_columns_names_keeps_its_frame() -> None:
    frame = frame_of(80)[["orders_placed", "weight of it"]].set_axis(["a", "b"], axis=1)
    schema = Schema((Number("a"), Number("b")), Number("hours"), "est_hours")
    for model, is_bare in ((LGBMRegressor(n_estimators=3, verbose=-1), False), (KNeighborsRegressor(3), True)):
        model.fit(frame, target_of(frame_of(80)))
        predictor = SkopsCodec().decode(SkopsCodec().encode(model, schema), schema)
        assert needs_frames(predictor) is not is_bare
        assert predictor.predict(columns_of(frame, schema)).tolist() == model.predict(frame).tolist()


def needs_frames(predictor: Predictor) -> bool:
    assert isinstance(predictor, SkopsPredictor)
    return predictor.needs_frames


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "columns",
    [
        [("one", OneHotEncoder(), ["product_code"]), ("rest", "drop", ["orders_placed"])],
        [("two", "passthrough", ["weight of it", "orders_placed"]), ("one", OneHotEncoder(), ["product_code"])],
        [("steps", make_pipeline(StandardScaler(), PolynomialFeatures(2)), ["orders_placed"])],
    ],
    ids=["sparse", "passed through", "steps of its own"],
)
def test_what_a_column_transformer_does_is_done_to_arrays(columns: list[Any]) -> None:
    frame = frame_of(80)
    model = Pipeline(
        [("columns", ColumnTransformer(columns)), ("scale", StandardScaler(with_mean=False)), ("line", Ridge())]
    ).fit(frame, target_of(frame))
    predictor = SkopsCodec().decode(SkopsCodec().encode(model, SCHEMA), SCHEMA)
    # Sparse columns are left to the frame.
    assert needs_frames(predictor) == model.steps[0][1].sparse_output_
    for rows in (frame, frame[:1]):
        assert predictor.predict(columns_of(rows, SCHEMA)).tolist() == model.predict(rows).tolist()


def test_a_function_of_numpy_can_be_held() -> None:
    frame = frame_of(60)
    model = pipeline_of(LinearRegression())
    model.steps.insert(1, ("root", FunctionTransformer(np.cbrt)))
    model.fit(frame, target_of(frame))
    decoded = SkopsCodec().decode(SkopsCodec().encode(model, SCHEMA), SCHEMA)
    assert decoded.predict(columns_of(frame, SCHEMA)).tolist() == model.predict(frame).tolist()


def test_memory_that_nobody_wrote_to_is_not_in_the_bytes() -> None:
    first, second = fitted("tree"), fitted("tree")
    for fill, model in ((0, first), (255, second)):
        nodes = model[-1].tree_.__getstate__()["nodes"]
        raw = nodes.view(np.uint8).reshape(len(nodes), nodes.dtype.itemsize)
        used = nodes.dtype.fields["missing_go_to_left"][1]
        raw[:, used + 1 :] = fill
    assert skops.io.dumps(first) != skops.io.dumps(second)
    assert SkopsCodec().encode(first, SCHEMA) == SkopsCodec().encode(second, SCHEMA)


def test_equal_texts_are_written_alike_whether_or_not_python_shares_them() -> None:
    text = "a text"
    copy = " ".join(["a", "text"])
    assert text is not copy
    assert canonical(skops.io.dumps([text, text])) == canonical(skops.io.dumps([text, copy]))
    assert skops.io.loads(canonical(skops.io.dumps([text, copy, 1, 2.5, None, True]))) == [
        text,
        text,
        1,
        2.5,
        None,
        True,
    ]


def test_objects_that_are_shared_stay_shared() -> None:
    array, other = np.arange(3.0), np.arange(3.0)
    first, second, third = skops.io.loads(canonical(skops.io.dumps([array, array, other])))
    assert first is second
    assert first is not third
    assert (first.tolist(), third.tolist()) == ([0.0, 1.0, 2.0], [0.0, 1.0, 2.0])


def test_the_file_has_no_dates_addresses_or_random_names() -> None:
    data = SkopsCodec().encode(fitted("forest"), SCHEMA)
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        assert {entry.date_time for entry in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        names = file.namelist()
    assert names == ["schema.json", *(f"{number}.npy" for number in range(1, len(names)))]
    assert canonical(data) == data
    assert entries(canonical(skops.io.dumps([b"one", b"two", b"one"])))["3.bin"] == b"one"


def reading_pipeline() -> Pipeline:
    """One that scikit-learn's authors trust, and that reads the files which its input names."""
    frame = frame_of(60)
    target = target_of(frame)
    frame["product_code"] = __file__
    columns = ColumnTransformer([("files", CountVectorizer(input="filename"), "product_code")])
    return Pipeline([("columns", columns), ("line", Ridge())]).fit(frame, target)


def test_a_type_outside_of_the_list_is_refused_when_written() -> None:
    with pytest.raises(ModelError, match=r"not trusted: sklearn\.feature_extraction\.text\.CountVectorizer$"):
        SkopsCodec().encode(reading_pipeline(), SCHEMA)


def test_a_type_outside_of_the_list_is_refused_when_read() -> None:
    with pytest.raises(ModelUnreadable, match=r"not trusted: sklearn\.feature_extraction\.text\.CountVectorizer$"):
        SkopsCodec().decode(canonical(skops.io.dumps(reading_pipeline())), SCHEMA)


def test_a_gaussian_process_is_held_with_its_kernel() -> None:
    frame = frame_of(60)
    model = pipeline_of(GaussianProcessRegressor(random_state=0)).fit(frame, target_of(frame))
    decoded = SkopsCodec().decode(SkopsCodec().encode(model, SCHEMA), SCHEMA)
    assert decoded.predict(columns_of(frame, SCHEMA)).tolist() == model.predict(frame).tolist()


def test_a_type_that_a_file_names_is_not_built() -> None:
    content = entries(SkopsCodec().encode(fitted("linear"), SCHEMA))
    tree = json.loads(content["schema.json"])
    tree["__module__"], tree["__class__"] = "subprocess", "Popen"
    with pytest.raises(ModelUnreadable, match=r"not trusted: subprocess\.Popen"):
        SkopsCodec().decode(zipped({**content, "schema.json": json.dumps(tree).encode()}), SCHEMA)


class Own:
    def predict(self, features: pd.DataFrame, /) -> np.ndarray[Any, Any]:
        return np.zeros(len(features))


def test_a_class_of_ours_is_never_written() -> None:
    with pytest.raises(ModelError, match=r"not trusted: .*\.Own"):
        SkopsCodec().encode(Own(), SCHEMA)


def test_what_skops_does_not_support_is_an_error_that_says_so() -> None:
    own = Own()
    own.generator = (number for number in range(3))  # type: ignore[attr-defined]
    with pytest.raises(ModelError, match="skops cannot hold Own: "):
        SkopsCodec().encode(own, SCHEMA)


def test_what_does_not_predict_is_unreadable() -> None:
    with pytest.raises(ModelUnreadable, match="holds a list, which does not predict"):
        SkopsCodec().decode(skops.io.dumps([1, 2]), SCHEMA)


def test_every_trusted_type_exists() -> None:
    import importlib

    for name in TRUSTED_TYPES:
        module, _, kind = name.rpartition(".")
        assert isinstance(getattr(importlib.import_module(module), kind), type), name


def test_the_order_of_features_matters_and_names_must_be_known() -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 2)), columns=["a", "b"])
    schema = Schema((Number("a"), Number("b")), Number("y"), "y_hat")
    backwards = Schema((Number("b"), Number("a")), Number("y"), "y_hat")
    data = SkopsCodec().encode(LinearRegression().fit(frame, frame["a"]), schema)
    assert SkopsCodec().decode(data, schema).predict(columns_of(frame, schema)).shape == (20,)
    with pytest.raises(IncompatibleModel, match="takes a, b, the schema has b, a"):
        SkopsCodec().decode(data, backwards)
    nameless = SkopsCodec().encode(LinearRegression().fit(frame.to_numpy(), frame["a"]), schema)
    with pytest.raises(IncompatibleModel, match="columns without names"):
        SkopsCodec().decode(nameless, schema)


def test_a_failure_of_the_estimator_is_a_model_error() -> None:
    frame = frame_of(20)
    predictor = SkopsCodec().decode(SkopsCodec().encode(fitted("linear"), SCHEMA), SCHEMA)
    columns = {**columns_of(frame, SCHEMA), "weight of it": np.array(["text"] * 20, object)}
    with pytest.raises(ModelError, match="scikit-learn cannot predict: "):
        predictor.predict(columns)
    data = SkopsCodec().encode(fitted_classifier("logistic"), CLASS_SCHEMA)
    classifier = SkopsCodec().decode(data, CLASS_SCHEMA)
    for ask in (classifier.predict, classifier.predict_proba):
        with pytest.raises(ModelError, match="scikit-learn cannot predict: "):
            ask(columns)


def test_levels_of_another_order_are_followed() -> None:
    levels = ("late", "bientôt ☃", "slow")
    schema = replace(CLASS_SCHEMA, target=Category("speed", levels))
    model, frame = fitted_classifier("tree"), frame_of(50)
    predictor = SkopsCodec().decode(SkopsCodec().encode(model, CLASS_SCHEMA), schema)
    found = predictor.predict_proba(columns_of(frame, schema))
    expected = model.predict_proba(frame)[:, [list(model.classes_).index(level) for level in levels]]
    assert found.tolist() == expected.tolist()


def test_an_answer_of_two_numbers_per_row_is_incompatible() -> None:
    frame = frame_of(20)
    target = np.stack([target_of(frame)] * 2, axis=1)
    data = SkopsCodec().encode(pipeline_of(LinearRegression()).fit(frame, target), SCHEMA)
    with pytest.raises(IncompatibleModel, match="answers 40 numbers for 20 rows"):
        SkopsCodec().decode(data, SCHEMA).predict(columns_of(frame, SCHEMA))
