import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from sklearn.compose import ColumnTransformer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from tests.support.codec_contract import (
    CLASS_SCHEMA,
    CLASSES,
    CLASSIFIERS,
    ESTIMATORS,
    LEVELS,
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
from weighbridge.adapters.onnx.codec import OnnxCodec
from weighbridge.adapters.onnx.export.ensembles import ensemble_of
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.errors import IncompatibleModel, ModelError, ModelUnreadable
from weighbridge.domain.model.encoding import columns_of, encode_with_parity

NUMBERS = Schema((Number("a"), Number("b")), Number("y"), "y_hat")
KINDS = replace(NUMBERS, target=Category("y", ("z", "y", "x")))


class TestOnnxCodec(CodecContract):
    codec = OnnxCodec()


def predict(model: Any, frame: pd.DataFrame, schema: Schema = SCHEMA) -> list[float]:
    codec = OnnxCodec()
    predictions = codec.decode(codec.encode(model, schema), schema).predict(columns_of(frame, schema))
    return [float(value) for value in predictions]


def classify(model: Any, frame: pd.DataFrame, schema: Schema) -> tuple[list[str], list[list[float]]]:
    codec = OnnxCodec()
    predictor, columns = codec.decode(codec.encode(model, schema), schema), columns_of(frame, schema)
    return predictor.predict(columns).tolist(), predictor.predict_proba(columns).tolist()


def own_answers(model: Any, frame: pd.DataFrame, schema: Schema) -> tuple[list[str], list[list[float]]]:
    assert isinstance(schema.target, Category)
    rows = [dict(zip(model.classes_, row, strict=True)) for row in model.predict_proba(frame).tolist()]
    return model.predict(frame).tolist(), [[row.get(level, 0.0) for level in schema.target.levels] for row in rows]


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name not in ("linear", "ridge")])
def test_trees_and_what_is_made_of_them_are_exact(name: str) -> None:
    model = fitted(name)
    frame = frame_of(2000, seed=2)
    assert predict(model, frame) == model.predict(frame).tolist()


@pytest.mark.parametrize("kind", [AdaBoostRegressor, BaggingRegressor])
def test_trees_within_other_ensembles_are_exact(kind: Any) -> None:
    frame = frame_of(150)
    model = pipeline_of(kind(n_estimators=4, random_state=0)).fit(frame, target_of(frame))
    assert predict(model, frame) == model.predict(frame).tolist()


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("name", ["tree", "balanced tree", "single leaf", "extra tree", "forest", "extra trees"])
def test_trees_and_forests_of_classes_are_exact(name: str, classes: int) -> None:
    model, frame = fitted_classifier(name, classes), frame_of(2000, seed=2)
    assert classify(model, frame, CLASS_SCHEMA) == own_answers(model, frame, CLASS_SCHEMA)


def test_trees_of_classes_within_other_ensembles_are_exact() -> None:
    frame = frame_of(150)
    model = pipeline_of(BaggingClassifier(n_estimators=4, random_state=0)).fit(frame, labels_of(frame, 3))
    assert classify(model, frame, CLASS_SCHEMA) == own_answers(model, frame, CLASS_SCHEMA)


@pytest.mark.parametrize("name", ["boosting", "boosting from zero", "histogram boosting", "logistic"])
def test_other_classifiers_are_within_rounding(name: str) -> None:
    model, frame = fitted_classifier(name), frame_of(2000, seed=2)
    labels, probabilities = classify(model, frame, CLASS_SCHEMA)
    assert labels == model.predict(frame).tolist()
    np.testing.assert_allclose(probabilities, probabilities_by_level(model, frame), rtol=0, atol=1e-15)


def test_boosting_with_an_exponential_loss_is_within_rounding() -> None:
    frame = frame_of(150)
    model = pipeline_of(GradientBoostingClassifier(loss="exponential", n_estimators=3)).fit(
        frame, labels_of(frame, 2)
    )
    labels, probabilities = classify(model, frame, CLASS_SCHEMA)
    assert labels == model.predict(frame).tolist()
    np.testing.assert_allclose(probabilities, probabilities_by_level(model, frame), rtol=0, atol=1e-15)


@given(rows=st.lists(st.tuples(st.floats(-1e6, 1e6), st.sampled_from("xyz")), min_size=2, max_size=30))
def test_a_tree_of_classes_is_exact_around_its_own_thresholds(rows: list[tuple[float, str]]) -> None:
    values, labels = zip(*rows, strict=True)
    model = DecisionTreeClassifier(random_state=0).fit(pd.DataFrame({"a": values, "b": values[::-1]}), labels)
    thresholds = model.tree_.threshold[model.tree_.children_left != -1]
    probes = np.concatenate(
        [[0.0, *values], *(np.nextafter(thresholds, to) for to in (-np.inf, thresholds, np.inf))]
    )
    frame = pd.DataFrame({"a": probes, "b": probes[::-1]})
    assert classify(model, frame, KINDS) == own_answers(model, frame, KINDS)


@pytest.mark.parametrize("first", ["x", "y"])
@pytest.mark.parametrize(
    "estimator",
    [
        DecisionTreeClassifier(),
        GradientBoostingClassifier(n_estimators=2),
        HistGradientBoostingClassifier(max_iter=2),
        LogisticRegression(),
    ],
    ids=lambda each: type(each).__name__,
)
@pytest.mark.parametrize("classes", [2, 3])
def test_equally_likely_classes_are_decided_as_the_model_decides(estimator: Any, first: str, classes: int) -> None:
    frame = pd.DataFrame({"a": np.zeros(60), "b": np.zeros(60)})
    labels = (["x", "y", "z"][:classes] * 31)[first == "y" :][:60]
    model = estimator.fit(frame, labels)
    (label, *_), (shares, *_) = classify(model, frame[:1], KINDS)
    assert shares == pytest.approx([0.0 if classes == 2 else 1 / 3, *[1 / classes] * 2], abs=1e-15)
    # Boosting of two classes takes the second one here, everything else the first.
    other = classes == 2 and isinstance(estimator, GradientBoostingClassifier)
    assert label == ("y" if other else "x")
    assert label == model.predict(frame[:1])[0]


def test_a_tree_is_written_for_each_class_without_the_branches_where_the_class_does_not_occur() -> None:
    model = fitted_classifier("tree")[-1]
    trees = ensemble_of(model).trees
    assert [tree.target for tree in trees] == [0, 1, 2]
    inner = model.tree_.children_left != -1
    for tree, shares in zip(trees, model.tree_.value[:, 0, :].T, strict=True):
        assert np.count_nonzero(~tree.is_leaf) == np.count_nonzero(inner & (shares > 0))
        assert len(tree.left) == 2 * np.count_nonzero(~tree.is_leaf) + 1
    assert sum(len(tree.left) for tree in trees) < 3 * model.tree_.node_count


@given(
    values=st.lists(st.floats(min_value=-1e6, max_value=1e6), min_size=2, max_size=30, unique=True),
    steps=st.integers(-2, 2),
)
def test_a_tree_is_exact_around_its_own_thresholds(values: list[float], steps: int) -> None:
    frame = pd.DataFrame({"a": values, "b": values[::-1]})
    model = DecisionTreeRegressor(random_state=0).fit(frame, np.arange(len(values), dtype=float))
    _check_around(model, model.tree_.threshold[model.tree_.children_left != -1], steps)


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_histogram_boosting_is_exact_around_its_own_thresholds(steps: int) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(300, 2)), columns=["a", "b"])
    model = HistGradientBoostingRegressor(max_iter=3, random_state=0).fit(frame, frame["a"] - frame["b"] ** 2)
    nodes = np.concatenate([each.nodes for (each,) in model._predictors])
    _check_around(model, nodes["num_threshold"][nodes["is_leaf"] == 0], steps)


def _check_around(model: Any, thresholds: Any, steps: int) -> None:
    towards = math.inf * steps if steps else 0
    probes = thresholds
    for _ in range(abs(steps)):
        probes = np.nextafter(probes, towards)
    # A step of a 32-bit float as well, which is what most of scikit-learn compares.
    narrow = np.nextafter(thresholds.astype(np.float32), np.float32(towards)).astype(float)
    probes = np.concatenate([probes, narrow, [0.0]])  # a tree may have no thresholds
    frame = pd.DataFrame({"a": probes, "b": probes[::-1]})
    assert predict(model, frame, NUMBERS) == model.predict(frame).tolist()


@pytest.mark.parametrize(
    "estimator",
    [DecisionTreeRegressor(), HistGradientBoostingRegressor(max_iter=2)],
    ids=lambda each: type(each).__name__,
)
@pytest.mark.parametrize("low", [True, False])
def test_a_missing_number_takes_the_side_that_it_took_in_training(estimator: Any, low: bool) -> None:
    frame = pd.DataFrame({"a": [0.0, 1.0, 2.0, np.nan] * 20, "b": [0.0] * 80})
    model = estimator.fit(frame, np.array([0.0, 0.0, 9.0, 0.0 if low else 9.0] * 20))
    assert predict(model, frame, NUMBERS) == model.predict(frame).tolist()


@pytest.mark.parametrize(
    "estimator",
    [DecisionTreeClassifier(), HistGradientBoostingClassifier(max_iter=2, learning_rate=1.0)],
    ids=lambda each: type(each).__name__,
)
@pytest.mark.parametrize("low", ["x", "y"])
def test_a_missing_number_takes_the_side_of_its_class(estimator: Any, low: str) -> None:
    frame = pd.DataFrame({"a": [0.0, 1.0, 2.0, np.nan] * 20, "b": [0.0] * 80})
    model = estimator.fit(frame, ["x", "x", "y", low] * 20)
    assert classify(model, frame, KINDS)[0] == ["x", "x", "y", low] * 20
    assert model.predict(frame).tolist() == ["x", "x", "y", low] * 20


def test_a_linear_model_is_within_rounding() -> None:
    model = fitted("linear")
    frame = frame_of(2000, seed=2)
    np.testing.assert_allclose(predict(model, frame), model.predict(frame), rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    "steps", [[DecisionTreeRegressor()], [LinearRegression()], [StandardScaler(), LinearRegression()]], ids=str
)
def test_a_pipeline_without_a_column_transformer_takes_all_columns(steps: list[Any]) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 2)), columns=["a", "b"])
    model = Pipeline([(str(i), step) for i, step in enumerate(steps)]).fit(
        frame, 100 + frame["a"] - 3 * frame["b"]
    )
    np.testing.assert_allclose(predict(model, frame, NUMBERS), model.predict(frame), rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", ["prediction", "location", "variable", "cast", "a,b: c/d", "Ünïcode ☃"])
def test_a_feature_may_have_any_name(name: str) -> None:
    schema = Schema((Number(name), Category("kind", LEVELS)), Number("y"), "prediction")
    frame = frame_of(60).rename(columns={"orders_placed": name, "product_code": "kind"})[[name, "kind"]]
    columns = ColumnTransformer([("levels", OneHotEncoder(), ["kind"])], remainder="passthrough")
    model = Pipeline([("columns", columns), ("tree", DecisionTreeRegressor(random_state=0))]).fit(
        frame, frame[name]
    )
    assert predict(model, frame, schema) == model.predict(frame).tolist()


def test_a_feature_that_the_model_ignores_is_taken_all_the_same() -> None:
    frame = frame_of(60)
    columns = ColumnTransformer([("kept", "passthrough", ["orders_placed"])])
    model = Pipeline([("columns", columns), ("tree", DecisionTreeRegressor(random_state=0))])
    model.fit(frame, frame["orders_placed"])
    assert predict(model, frame) == model.predict(frame).tolist()


@pytest.mark.parametrize(
    "name", ["prediction", "probabilities", "levels", "by_class", "padding", "with_zeros", "order", "constant"]
)
def test_a_feature_of_a_classifier_may_have_any_name(name: str) -> None:
    schema = Schema((Number(name), Number("b")), KINDS.target, "kind")
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 2)), columns=[name, "b"])
    model = DecisionTreeClassifier(random_state=0).fit(frame, np.where(frame[name] > frame["b"], "x", "z"))
    assert classify(model, frame, schema) == own_answers(model, frame, schema)


@pytest.mark.parametrize(
    "start", [LogisticRegression(), DummyClassifier(strategy="stratified")], ids=lambda each: type(each).__name__
)
def test_boosting_of_classes_from_another_start_does_not_convert(start: Any) -> None:
    frame = frame_of(60)
    model = pipeline_of(GradientBoostingClassifier(n_estimators=2, init=start)).fit(frame, labels_of(frame, 2))
    with pytest.raises(ModelError, match=f"boosting that starts from {type(start).__name__} cannot"):
        OnnxCodec().encode(model, CLASS_SCHEMA)


def test_a_conversion_that_is_wrong_is_found_by_comparing() -> None:
    # The converter of this one takes two classes through a softmax of both signs of one score.
    frame = frame_of(150)
    model = pipeline_of(LinearDiscriminantAnalysis()).fit(frame, labels_of(frame, 2))
    with pytest.raises(ModelError, match="; onnx: 150 of 150 labels are the model's, probabilities differ"):
        encode_with_parity([OnnxCodec()], model, CLASS_SCHEMA, frame)


FAILING: dict[str, tuple[Any, Any]] = {
    "a function": (
        Pipeline([("log", FunctionTransformer(np.log1p)), ("linear", LinearRegression())]),
        "FunctionTransformer|LinearRegression",
    ),
    "another start": (
        GradientBoostingRegressor(n_estimators=2, init=LinearRegression()),
        "GradientBoostingRegressor does not convert to ONNX: ValueError: boosting that starts from Linear",
    ),
    "two outputs": (DecisionTreeRegressor(), "DecisionTreeRegressor"),
    "a link": (
        HistGradientBoostingRegressor(loss="poisson", max_iter=1),
        "HistGradientBoostingRegressor does not convert to ONNX: ValueError: the loss poisson",
    ),
    "categories": (
        HistGradientBoostingRegressor(max_iter=1, min_samples_leaf=1, categorical_features=[0]),
        "histogram boosting that splits by categories",
    ),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_model_that_does_not_convert_is_an_error_that_says_why(name: str) -> None:
    estimator, words = FAILING[name]
    frame = frame_of(60)
    target = target_of(frame)
    if name == "two outputs":
        target = np.stack([target, target], axis=1)
    model = estimator.fit(frame[["orders_placed"]].round(-2), target)
    with pytest.raises(ModelError, match=words) as caught:
        OnnxCodec().encode(model, replace(SCHEMA, features=SCHEMA.features[:1]))
    assert " does not convert to ONNX: " in str(caught.value)
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)


def test_what_is_no_model_at_all_does_not_convert() -> None:
    class Odd:
        def predict(self, features: pd.DataFrame, /) -> np.ndarray[Any, Any]:
            return np.zeros(len(features))

    with pytest.raises(ModelError, match="Odd does not convert to ONNX: "):
        OnnxCodec().encode(Odd(), SCHEMA)


def test_types_that_differ_are_incompatible() -> None:
    data = OnnxCodec().encode(fitted("linear"), SCHEMA)
    swapped = replace(
        SCHEMA, features=(Category("orders_placed", ("a",)), Number("product_code"), SCHEMA.features[2])
    )
    with pytest.raises(IncompatibleModel, match=r"orders_placed tensor\(double\).*orders_placed tensor\(string\)"):
        OnnxCodec().decode(data, swapped)


def _graph(nodes: list[Any], outputs: list[Any], initializers: list[Any] | None = None, width: int = 1) -> bytes:
    inputs = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, [None, width]) for name in ("a", "b")]
    graph = helper.make_graph(nodes, "g", inputs, outputs, initializers or [])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return bytes(model.SerializeToString())


def _output(name: str = "out", kind: int = TensorProto.DOUBLE, shape: Any = (None, 1)) -> Any:
    return helper.make_tensor_value_info(name, kind, list(shape))


def test_inputs_of_another_width_are_incompatible() -> None:
    data = _graph([helper.make_node("Add", ["a", "b"], ["out"])], [_output(shape=(None, 2))], width=2)
    with pytest.raises(IncompatibleModel, match="of width 2"):
        OnnxCodec().decode(data, NUMBERS)


@pytest.mark.parametrize(
    "outputs",
    [[_output(), _output("more")], [_output(kind=TensorProto.INT64)]],
    ids=["two outputs", "integers"],
)
def test_other_outputs_are_incompatible(outputs: list[Any]) -> None:
    kind = outputs[0].type.tensor_type.elem_type
    nodes = [
        helper.make_node("Add", ["a", "b"], ["sum"]),
        helper.make_node("Cast", ["sum"], ["out"], to=kind),
        helper.make_node("Neg", ["sum"], ["more"]),
    ]
    with pytest.raises(IncompatibleModel, match="not one number per row"):
        OnnxCodec().decode(_graph(nodes, outputs), NUMBERS)


def test_an_answer_of_another_length_is_incompatible() -> None:
    nodes = [helper.make_node("ReduceSum", ["a"], ["out"], keepdims=1)]
    predictor = OnnxCodec().decode(_graph(nodes, [_output(shape=(1, 1))]), NUMBERS)
    columns = {"a": np.ones(3), "b": np.ones(3)}
    with pytest.raises(IncompatibleModel, match="answers 1 numbers for 3 rows"):
        predictor.predict(columns)


def test_a_failure_of_the_runtime_is_a_model_error() -> None:
    predictor = OnnxCodec().decode(_graph([helper.make_node("Add", ["a", "b"], ["out"])], [_output()]), NUMBERS)
    with pytest.raises(ModelError, match="cannot predict"):
        predictor.predict({"a": np.ones(3), "b": np.ones(2)})


GOOD = (_output("label", TensorProto.STRING, [None]), _output("shares", shape=[None, 3]))


def _classifier(outputs: Any = GOOD, label: str = "x", levels: str | None = '["z","y","x"]') -> bytes:
    nodes = [
        helper.make_node("Concat", ["a", "b", "a"], ["shares"], axis=1),
        helper.make_node("ArgMax", ["b"], ["place"], axis=1, keepdims=0),
        helper.make_node("Constant", [], ["names"], value_strings=[label]),
        helper.make_node("Gather", ["names", "place"], ["label"]),
        helper.make_node("Cast", ["shares"], ["narrow"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["place"], ["count"], to=TensorProto.DOUBLE),
    ]
    proto = onnx.ModelProto.FromString(_graph(nodes, list(outputs)))
    if levels is not None:
        proto.metadata_props.add(key="levels", value=levels)
    return bytes(proto.SerializeToString())


def test_a_classifier_of_anybody_is_read_when_it_says_its_levels() -> None:
    predictor = OnnxCodec().decode(_classifier(), KINDS)
    columns = {"a": np.array([0.25, 0.0]), "b": np.array([0.5, 1.0])}
    assert predictor.predict(columns).tolist() == ["x", "x"]
    assert predictor.predict_proba(columns).tolist() == [[0.25, 0.5, 0.25], [0.0, 1.0, 0.0]]


@pytest.mark.parametrize(
    "outputs",
    [
        GOOD[:1],
        GOOD[::-1],
        (*GOOD, _output("count", shape=[None])),
        (GOOD[0], _output("shares", shape=[None, 2])),
        (GOOD[0], _output("count", shape=[None])),
        (GOOD[0], _output("narrow", TensorProto.FLOAT, [None, 3])),
        (_output("place", TensorProto.INT64, [None]), GOOD[1]),
    ],
    ids=["no probabilities", "backwards", "three", "too few", "flat", "single precision", "numbered labels"],
)
def test_other_outputs_of_a_classifier_are_incompatible(outputs: Any) -> None:
    with pytest.raises(IncompatibleModel, match="not one label and 3 probabilities per row"):
        OnnxCodec().decode(_classifier(outputs), KINDS)


@pytest.mark.parametrize("levels", [None, "", "[", '["x","y","z"]', '["z","y","w"]', '"zyx"', "3"])
def test_other_levels_of_a_classifier_are_incompatible(levels: str | None) -> None:
    with pytest.raises(IncompatibleModel, match=r"the ONNX model's levels are .+, the schema has \[\"z\", "):
        OnnxCodec().decode(_classifier(levels=levels), KINDS)


def test_a_label_that_is_not_a_level_is_incompatible() -> None:
    predictor = OnnxCodec().decode(_classifier(label="w"), KINDS)
    with pytest.raises(IncompatibleModel, match="answers 'w', which is not among the levels"):
        predictor.predict({"a": np.zeros(2), "b": np.zeros(2)})


def test_labels_and_probabilities_of_another_length_are_incompatible() -> None:
    nodes = [
        helper.make_node("Concat", ["a", "b", "a"], ["once"], axis=1),
        helper.make_node("Concat", ["once", "once"], ["shares"], axis=0),
        helper.make_node("Constant", [], ["names"], value_strings=["x"]),
        helper.make_node("ArgMax", ["shares"], ["place"], axis=1, keepdims=0),
        helper.make_node("Gather", ["names", "place"], ["label"]),
    ]
    proto = onnx.ModelProto.FromString(_graph(nodes, list(GOOD)))
    proto.metadata_props.add(key="levels", value='["z","y","x"]')
    predictor = OnnxCodec().decode(proto.SerializeToString(), KINDS)
    columns = {"a": np.zeros(2), "b": np.zeros(2)}
    with pytest.raises(IncompatibleModel, match="answers 4 labels for 2 rows"):
        predictor.predict(columns)
    with pytest.raises(IncompatibleModel, match="answers 12 numbers for 2 rows"):
        predictor.predict_proba(columns)


def test_the_levels_are_in_the_metadata_and_the_graph_is_sound() -> None:
    for name in CLASSIFIERS:
        proto = onnx.ModelProto.FromString(OnnxCodec().encode(fitted_classifier(name), CLASS_SCHEMA))
        onnx.checker.check_model(proto, full_check=True)
        (entry,) = proto.metadata_props
        assert (entry.key, json.loads(entry.value)) == ("levels", list(CLASSES))
        assert [output.name for output in proto.graph.output] == ["prediction", "probabilities"]


def _external(tensor: Any, location: str) -> Any:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


@pytest.mark.parametrize("where", ["initializer", "constant"])
def test_data_in_other_files_is_never_read(where: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # The file is there and would be found; a model with the same numbers inside is read without complaint.
    (tmp_path / "weights.bin").write_bytes(np.array([[2.0]]).tobytes())
    monkeypatch.chdir(tmp_path)

    def model(tensor: Any) -> bytes:
        add = helper.make_node("Add", ["a", "w"], ["out"])
        if where == "initializer":
            return _graph([add], [_output()], [tensor])
        return _graph([helper.make_node("Constant", [], ["w"], value=tensor), add], [_output()])

    inside = onnx.numpy_helper.from_array(np.array([[2.0]]), "w")
    columns = {"a": np.array([1.0]), "b": np.array([0.0])}
    assert OnnxCodec().decode(model(inside), NUMBERS).predict(columns).tolist() == [3.0]
    with pytest.raises(ModelUnreadable, match="other files"):
        OnnxCodec().decode(model(_external(inside, "weights.bin")), NUMBERS)


def test_broken_bytes_that_speak_of_a_location_are_unreadable() -> None:
    with pytest.raises(ModelUnreadable, match="no ONNX model can be read"):
        OnnxCodec().decode(b"\xff location \xff", NUMBERS)


def test_only_onnx_is_read_and_not_the_other_format_of_the_runtime(tmp_path: Any) -> None:
    data = OnnxCodec().encode(fitted("linear"), SCHEMA)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "model.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    other = (tmp_path / "model.ort").read_bytes()
    assert onnxruntime.InferenceSession(other, providers=["CPUExecutionProvider"]).get_inputs()
    with pytest.raises(ModelUnreadable):
        OnnxCodec().decode(other, SCHEMA)


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    codec = OnnxCodec()
    codec.decode(codec.encode(fitted("tree"), SCHEMA), SCHEMA).predict(columns_of(frame_of(3), SCHEMA))
    with pytest.raises(ModelUnreadable):
        codec.decode(b"nonsense", SCHEMA)
    assert capfd.readouterr() == ("", "")


def test_nobody_signs_the_bytes() -> None:
    for name, said in (("tree", "The metadata's 'tree' is the same model as plain data."), ("forest", "")):
        proto = onnx.ModelProto.FromString(OnnxCodec().encode(fitted(name), SCHEMA))
        assert (proto.producer_name, proto.producer_version, proto.graph.doc_string) == ("",) * 3
        assert proto.doc_string == said
        onnx.checker.check_model(proto, full_check=True)


def test_a_single_tree_is_read_twice_and_both_readings_are_scikit_learns() -> None:
    model, frame = fitted("tree"), frame_of(500, seed=1)
    data = OnnxCodec().encode(model, SCHEMA)
    expected = model.predict(frame).tolist()
    predictor = OnnxCodec().decode(data, SCHEMA)
    assert predictor.latency_class == "instant"
    assert predictor.predict_rows(frame.to_dict("records")) == expected  # type: ignore[arg-type]
    assert predictor.predict(columns_of(frame, SCHEMA)).tolist() == expected
    # Readers that know nothing of the second reading read the first.
    proto = onnx.ModelProto.FromString(data)
    assert [entry.key for entry in proto.metadata_props] == ["tree"]
    del proto.metadata_props[:]
    proto.doc_string = ""
    graph = OnnxCodec().decode(proto.SerializeToString(), SCHEMA)
    assert graph.latency_class == "short"
    assert graph.predict(columns_of(frame, SCHEMA)).tolist() == expected


@pytest.mark.parametrize("change", ["no tree", "no JSON", "another tree"])
def test_a_tree_that_is_announced_has_to_be_there(change: str) -> None:
    proto = onnx.ModelProto.FromString(OnnxCodec().encode(fitted("tree"), SCHEMA))
    if change == "no tree":
        del proto.metadata_props[:]
    else:
        proto.metadata_props[0].value = "{" if change == "no JSON" else json.dumps({"layout": 2})
    with pytest.raises(ModelUnreadable, match="no ONNX model can be read"):
        OnnxCodec().decode(proto.SerializeToString(), SCHEMA)


@pytest.mark.parametrize("estimator", [KNeighborsRegressor(), GaussianProcessRegressor(random_state=0)], ids=str)
def test_what_needs_a_loop_in_the_graph_is_left_to_another_format(estimator: Any) -> None:
    frame = frame_of(60)
    model = pipeline_of(estimator).fit(frame, target_of(frame))
    with pytest.raises(ModelUnreadable, match=r"operator '(Scan|ConstantOfShape)'"):
        OnnxCodec().decode(OnnxCodec().encode(model, SCHEMA), SCHEMA)


def test_a_tree_that_does_not_know_a_level_is_incompatible() -> None:
    more = replace(
        SCHEMA, features=(SCHEMA.features[0], Category("product_code", (*LEVELS, "new")), SCHEMA.features[2])
    )
    with pytest.raises(IncompatibleModel, match="the tree does not know the level 'new' of product_code"):
        OnnxCodec().decode(OnnxCodec().encode(fitted("tree"), SCHEMA), more)
