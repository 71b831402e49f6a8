"""What every codec of models has to do."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor, ExtraTreeRegressor

from domain.encoding import columns_of
from domain.errors import IncompatibleModel, ModelUnreadable
from domain.ports import ModelCodec
from domain.schema import Category, Number, Schema

LEVELS = ("SKU001", "SKU002", "SKU003", "Ünïcode ☃ 1")

SCHEMA = Schema(
    features=(Number("orders_placed", minimum=0), Category("product_code", LEVELS), Number("weight of it")),
    target=Number("hours"),
    prediction="est_hours",
)

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

    # Hypothesis wants a property to run within one class; these are made anew for each.
    def test_any_row_is_predicted_alike_alone_and_in_company(self) -> None:
        model, predictor = self._pair()

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
