"""What every codec of models has to do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor

from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.errors import IncompatibleModel, ModelError, ModelUnreadable
from weighbridge.domain.model.codec import ModelCodec
from weighbridge.domain.model.encoding import columns_of

LEVELS = ("SKU001", "SKU002", "SKU003", "Ünïcode ☃ 1")

SCHEMA = Schema(
    features=(Number("orders_placed", minimum=0), Category("product_code", LEVELS), Number("weight of it")),
    target=Number("hours"),
    prediction="est_hours",
)

#: What scikit-learn sorts differently; "never" is in no training data.
CLASSES = ("slow", "never", "late", "bientôt ☃")

#: SCHEMA with a category to predict.
CLASS_SCHEMA = replace(SCHEMA, target=Category("speed", CLASSES), prediction="est_speed")

ESTIMATORS: dict[str, Any] = {
    "tree": lambda: DecisionTreeRegressor(random_state=1),
    "absolute error tree": lambda: DecisionTreeRegressor(criterion="absolute_error", max_depth=4, random_state=1),
    "single leaf": lambda: DecisionTreeRegressor(max_depth=1, min_samples_leaf=100),
    "extra tree": lambda: ExtraTreeRegressor(random_state=1),
    "forest": lambda: RandomForestRegressor(7, random_state=1),
    "extra trees": lambda: ExtraTreesRegressor(7, random_state=1),
    "boosting": lambda: GradientBoostingRegressor(n_estimators=7, random_state=1),
    "boosting from zero": lambda: GradientBoostingRegressor(n_estimators=7, init="zero", random_state=1),
    "histogram boosting": lambda: HistGradientBoostingRegressor(max_iter=2, max_leaf_nodes=8, random_state=1),
    "linear": LinearRegression,
    "ridge": Ridge,
}


CLASSIFIERS: dict[str, Any] = {
    "tree": lambda: DecisionTreeClassifier(random_state=1),
    "balanced tree": lambda: DecisionTreeClassifier(
        criterion="entropy", max_depth=4, class_weight="balanced", random_state=1
    ),
    "single leaf": lambda: DecisionTreeClassifier(max_depth=1, min_samples_leaf=100),
    "extra tree": lambda: ExtraTreeClassifier(random_state=1),
    "forest": lambda: RandomForestClassifier(7, max_depth=6, random_state=1),
    "extra trees": lambda: ExtraTreesClassifier(7, random_state=1),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=3, random_state=1),
    "boosting from zero": lambda: GradientBoostingClassifier(n_estimators=3, init="zero", random_state=1),
    "histogram boosting": lambda: HistGradientBoostingClassifier(max_iter=2, max_leaf_nodes=8, random_state=1),
    "logistic": lambda: LogisticRegression(max_iter=1000),
}


def frame_of(rows: int, seed: int = 0) -> pd.DataFrame:
    """Admitted rows of SCHEMA's features."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "orders_placed": rng.integers(0, 300, rows) + rng.random(rows),
            "product_code": rng.choice(np.array(LEVELS, object), rows),
            "weight of it": rng.normal(size=rows),
        }
    )


def target_of(frame: pd.DataFrame, seed: int = 0) -> np.ndarray[Any, Any]:
    """Something to learn, with noise, far from zero."""
    level = frame["product_code"].map(LEVELS.index).to_numpy(float)
    noise = np.random.default_rng(seed).normal(size=len(frame))
    return np.asarray(50 + frame["orders_placed"] * (1 + level) / 10 + frame["weight of it"] + noise)


def pipeline_of(estimator: Any) -> Pipeline:
    """An unfitted pipeline that takes SCHEMA's features by name."""
    columns = ColumnTransformer(
        [
            ("levels", OneHotEncoder(handle_unknown="ignore"), ["product_code"]),
            ("scaled", StandardScaler(), ["weight of it"]),
        ],
        remainder="passthrough",
    )
    return Pipeline([("columns", columns), ("estimator", estimator)])


def fitted(name: str, seed: int = 0) -> Pipeline:
    """A fitted pipeline around ESTIMATORS[name]; the same arguments give an equal model."""
    frame = frame_of(150, seed)
    return pipeline_of(ESTIMATORS[name]()).fit(frame, target_of(frame, seed))


def labels_of(frame: pd.DataFrame, classes: int, seed: int = 0) -> pd.Series[Any]:
    """One to three of CLASSES to learn, some of them wrong."""
    target = target_of(frame, seed)
    places = np.digitize(target, np.quantile(target, np.arange(1, classes) / classes))
    places[::9] = 0
    return pd.Series(np.array(["bientôt ☃", "late", "slow"], object)[places], frame.index)


def fitted_classifier(name: str, classes: int = 3, seed: int = 0) -> Pipeline:
    """A fitted pipeline around CLASSIFIERS[name]; the same arguments give an equal model."""
    frame = frame_of(150, seed)
    return pipeline_of(CLASSIFIERS[name]()).fit(frame, labels_of(frame, classes, seed))


def probabilities_by_level(model: Any, frame: pd.DataFrame) -> list[list[float]]:
    """A model's own probabilities, put in the order of CLASSES one by one."""
    rows = [dict(zip(model.classes_, row, strict=True)) for row in model.predict_proba(frame).tolist()]
    return [[row.get(level, 0.0) for level in CLASSES] for row in rows]


#: Columns like those of SCHEMA, with extremes.
frames = st.lists(
    st.tuples(
        st.floats(min_value=0, max_value=1e9),
        st.sampled_from(LEVELS),
        st.floats(min_value=-1e9, max_value=1e9),
    ),
    min_size=1,
    max_size=3,
).map(lambda rows: pd.DataFrame(rows, columns=list(SCHEMA.feature_names)))


class CodecContract:
    """Inherit and set ``codec``."""

    codec: ModelCodec

    def test_its_format_is_a_suffix(self) -> None:
        assert self.codec.format.isidentifier()
        assert self.codec.format == self.codec.format.lower()

    @pytest.mark.parametrize("name", ESTIMATORS)
    def test_decoded_bytes_predict_what_the_model_predicts(self, name: str) -> None:
        model = fitted(name)
        frame = frame_of(500, seed=1)
        predictions = self.codec.decode(self.codec.encode(model, SCHEMA), SCHEMA).predict(
            columns_of(frame, SCHEMA)
        )
        assert predictions.dtype == np.float64
        assert predictions.shape == (500,)
        np.testing.assert_allclose(predictions, model.predict(frame), rtol=1e-5, atol=0)

    @pytest.mark.parametrize("name", ESTIMATORS)
    def test_the_same_fit_gives_the_same_bytes(self, name: str) -> None:
        model = fitted(name)
        first = self.codec.encode(model, SCHEMA)
        assert self.codec.encode(model, SCHEMA) == first
        model.predict(frame_of(10))
        assert self.codec.encode(fitted(name), SCHEMA) == first
        assert self.codec.encode(fitted(name, seed=1), SCHEMA) != first

    # Hypothesis wants a property to run within one class; these are made anew for each. An example is many calls.
    def test_any_row_is_predicted_alike_alone_and_in_company(self) -> None:
        model, predictor = self._pair()

        @settings(max_examples=settings.default.max_examples // 3)
        @given(frame=frames)
        def check(frame: pd.DataFrame) -> None:
            columns = columns_of(frame, SCHEMA)
            together = predictor.predict(columns)
            np.testing.assert_allclose(together, model.predict(frame), rtol=1e-5, atol=0)
            rows = [{name: values[[row]] for name, values in columns.items()} for row in range(len(frame))]
            assert np.concatenate([predictor.predict(row) for row in rows]).tolist() == together.tolist()
            backwards = dict(reversed(list(columns.items())))
            assert predictor.predict(backwards).tolist() == together.tolist()

        check()

    @pytest.mark.parametrize("classes", [2, 3])
    @pytest.mark.parametrize("name", CLASSIFIERS)
    def test_decoded_bytes_give_the_labels_and_probabilities_of_the_model(self, name: str, classes: int) -> None:
        model = fitted_classifier(name, classes)
        frame = frame_of(500, seed=1)
        columns = columns_of(frame, CLASS_SCHEMA)
        predictor = self.codec.decode(self.codec.encode(model, CLASS_SCHEMA), CLASS_SCHEMA)
        labels = predictor.predict(columns)
        assert labels.dtype == object
        assert {type(label) for label in labels} == {str}
        assert labels.tolist() == model.predict(frame).tolist()
        probabilities = predictor.predict_proba(columns)
        assert probabilities.dtype == np.float64
        assert probabilities.shape == (500, 4)
        np.testing.assert_allclose(probabilities, probabilities_by_level(model, frame), rtol=0, atol=1e-12)
        assert probabilities[:, CLASSES.index("never")].tolist() == [0.0] * 500
        assert (probabilities[:, CLASSES.index("slow")] > 0).any() == (classes == 3)

    @pytest.mark.parametrize("name", CLASSIFIERS)
    def test_the_same_fit_of_classes_gives_the_same_bytes(self, name: str) -> None:
        model = fitted_classifier(name)
        first = self.codec.encode(model, CLASS_SCHEMA)
        assert self.codec.encode(model, CLASS_SCHEMA) == first
        model.predict_proba(frame_of(10))
        assert self.codec.encode(fitted_classifier(name), CLASS_SCHEMA) == first
        assert self.codec.encode(fitted_classifier(name, seed=1), CLASS_SCHEMA) != first

    def test_any_row_has_its_class_alone_and_in_company(self) -> None:
        model = fitted_classifier("boosting")
        predictor = self.codec.decode(self.codec.encode(model, CLASS_SCHEMA), CLASS_SCHEMA)

        @settings(max_examples=settings.default.max_examples // 3)
        @given(frame=frames)
        def check(frame: pd.DataFrame) -> None:
            columns = columns_of(frame, CLASS_SCHEMA)
            labels, together = predictor.predict(columns), predictor.predict_proba(columns)
            assert labels.tolist() == model.predict(frame).tolist()
            np.testing.assert_allclose(together, probabilities_by_level(model, frame), rtol=0, atol=1e-12)
            rows = [{name: values[[row]] for name, values in columns.items()} for row in range(len(frame))]
            assert [predictor.predict(row).tolist() for row in rows] == [[label] for label in labels]
            alone = np.concatenate([predictor.predict_proba(row) for row in rows])
            np.testing.assert_allclose(alone, together, rtol=0, atol=1e-15)

        check()

    def test_no_rows_have_no_classes(self) -> None:
        predictor = self.codec.decode(self.codec.encode(fitted_classifier("tree"), CLASS_SCHEMA), CLASS_SCHEMA)
        columns = columns_of(frame_of(0), CLASS_SCHEMA)
        assert (predictor.predict(columns).dtype, predictor.predict(columns).shape) == (object, (0,))
        probabilities = predictor.predict_proba(columns)
        assert (probabilities.dtype, probabilities.shape) == (np.float64, (0, 4))

    @pytest.mark.parametrize("name", ["tree", "forest"])
    def test_a_model_may_know_a_single_class(self, name: str) -> None:
        model = fitted_classifier(name, classes=1)
        predictor = self.codec.decode(self.codec.encode(model, CLASS_SCHEMA), CLASS_SCHEMA)
        columns = columns_of(frame_of(3), CLASS_SCHEMA)
        assert predictor.predict(columns).tolist() == ["bientôt ☃"] * 3
        assert predictor.predict_proba(columns).tolist() == [[0.0, 0.0, 0.0, 1.0]] * 3

    def test_a_classifier_without_probabilities_is_refused(self) -> None:
        frame = frame_of(60)
        model = pipeline_of(LinearSVC()).fit(frame, labels_of(frame, 2))
        with pytest.raises(IncompatibleModel, match=r"^LinearSVC gives no probabilities$"):
            self.codec.encode(model, CLASS_SCHEMA)

    def test_a_class_that_is_not_a_level_is_refused(self) -> None:
        fewer = replace(CLASS_SCHEMA, target=Category("speed", ("slow", "late")))
        model = fitted_classifier("tree")
        with pytest.raises(
            IncompatibleModel,
            match=r"DecisionTreeClassifier knows the class 'bientôt ☃'; .* speed are slow, late$",
        ):
            self.codec.encode(model, fewer)
        with pytest.raises(IncompatibleModel):
            self.codec.decode(self.codec.encode(model, CLASS_SCHEMA), fewer)
        frame = frame_of(60)
        whole = pipeline_of(DecisionTreeClassifier()).fit(frame, np.arange(60) % 2)
        with pytest.raises(IncompatibleModel, match="knows the class np"):
            self.codec.encode(whole, CLASS_SCHEMA)

    def test_a_model_of_numbers_is_no_classifier(self) -> None:
        with pytest.raises(IncompatibleModel, match="GradientBoostingRegressor gives no probabilities"):
            self.codec.encode(fitted("boosting"), CLASS_SCHEMA)
        with pytest.raises(IncompatibleModel):
            self.codec.decode(self._encoded(), CLASS_SCHEMA)
        with pytest.raises(IncompatibleModel, match="this model gives no probabilities"):
            self._pair()[1].predict_proba(columns_of(frame_of(3), SCHEMA))

    def test_a_classifier_is_no_model_of_numbers(self) -> None:
        data = self.codec.encode(fitted_classifier("tree"), CLASS_SCHEMA)
        with pytest.raises(ModelError):
            self.codec.decode(data, SCHEMA).predict(columns_of(frame_of(3), SCHEMA))

    def test_no_rows_give_no_predictions(self) -> None:
        predictions = self._pair()[1].predict(columns_of(frame_of(0), SCHEMA))
        assert predictions.dtype == np.float64
        assert predictions.shape == (0,)

    def test_threads_may_share_a_predictor(self) -> None:
        predictor = self._pair()[1]
        inputs = [columns_of(frame_of(50, seed), SCHEMA) for seed in range(8)]
        one_by_one = [predictor.predict(columns).tolist() for columns in inputs]
        with ThreadPoolExecutor(4) as pool:
            assert [each.tolist() for each in pool.map(predictor.predict, inputs)] == one_by_one

    def test_any_other_bytes_are_unreadable(self) -> None:
        @given(data=st.binary(max_size=200))
        def check(data: bytes) -> None:
            with pytest.raises(ModelUnreadable):
                self.codec.decode(data, SCHEMA)

        check()

    def test_a_truncated_model_is_unreadable(self) -> None:
        whole = self._encoded()

        @given(share=st.floats(min_value=0, max_value=0.999))
        def check(share: float) -> None:
            with pytest.raises(ModelUnreadable):
                self.codec.decode(whole[: int(len(whole) * share)], SCHEMA)

        check()

    @pytest.mark.parametrize(
        "features",
        [
            SCHEMA.features[:2],
            (*SCHEMA.features, Number("more")),
            (Number("orders"), *SCHEMA.features[1:]),
        ],
        ids=["fewer", "more", "other"],
    )
    def test_a_model_of_other_features_is_incompatible(self, features: tuple[Any, ...]) -> None:
        with pytest.raises(IncompatibleModel, match="orders_placed"):
            self.codec.decode(self._encoded(), replace(SCHEMA, features=features))

    def _encoded(self) -> bytes:
        return self._cached()[1]

    def _pair(self) -> tuple[Any, Any]:
        return self._cached()[0], self._cached()[2]

    def _cached(self) -> tuple[Any, bytes, Any]:
        # One model for all the tests that only look at it.
        kind = type(self)
        if "made" not in kind.__dict__:
            model = fitted("boosting")
            data = self.codec.encode(model, SCHEMA)
            kind.made = (model, data, self.codec.decode(data, SCHEMA))  # type: ignore[attr-defined]
        return kind.made  # type: ignore[attr-defined, no-any-return]
