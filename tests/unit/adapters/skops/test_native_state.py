"""Files whose compiled code would read out of bounds, or which tell an estimator to do what it must not."""

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import skops.io
from lightgbm import LGBMRegressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeRegressor

from weighbridge.adapters.skops.codec import canonical, check
from weighbridge.domain.errors import ModelUnreadable

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(60, 2))
NUMBERS = ROWS @ [1.0, 2.0]
CLASSES = np.array(["a", "b", "c"], object)[np.arange(60) % 3]


def written(model: Any) -> bytes:
    return canonical(skops.io.dumps(model))


def changed(
    data: bytes, change: Callable[[str, Any], Any], text: Callable[[str], str] = lambda text: text
) -> bytes:
    """The file with each array, and the description, passed through a function."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith(".npy"):
                buffer = io.BytesIO()
                np.save(buffer, change(name, np.load(io.BytesIO(content)).copy()))
                content = buffer.getvalue()
            elif name == "schema.json":
                content = text(content.decode()).encode()
            target.writestr(name, content)
    return out.getvalue()


def kept(name: str, array: Any) -> Any:
    return array


def setting(field: str, value: int, place: int = 0) -> Callable[[str, Any], Any]:
    """Sets a field of every array of nodes that has it."""

    def change(name: str, array: Any) -> Any:
        if array.dtype.fields and field in array.dtype.fields:
            array[field][place] = value
        return array

    return change


TREES = {
    "tree": DecisionTreeRegressor(max_depth=3),
    "forest": RandomForestRegressor(2, max_depth=3, random_state=0),
    "boosting": GradientBoostingRegressor(n_estimators=2, random_state=0),
}
BROKEN_NODES = [
    ("left_child", 10**6), ("left_child", 0), ("left_child", -5), ("right_child", 10**6), ("right_child", 0),
    ("feature", 2), ("feature", 10**9), ("feature", -3),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), BROKEN_NODES)
@pytest.mark.parametrize("name", TREES)
def test_a_tree_that_leads_nowhere_is_refused(name: str, field: str, value: int) -> None:
    data = written(TREES[name].fit(ROWS, NUMBERS))
    check(data)
    with pytest.raises(ModelUnreadable, match="a Tree whose nodes"):
        check(changed(data, setting(field, value)))


def test_a_tree_of_fewer_columns_than_its_estimator_says_is_refused() -> None:
    data = written(TREES["forest"].fit(ROWS, NUMBERS))
    fewer = changed(
        data, lambda _, array: array, lambda text: text.replace('"n_features_in_"', '"n_features_xx_"', 1)
    )
    with pytest.raises((ModelUnreadable, KeyError)):
        check(fewer)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("left", 10**6),
        ("left", 0),
        ("right", 10**6),
        ("feature_idx", 7),
        ("feature_idx", -1),
        ("is_categorical", 1),
    ],
)
def test_a_tree_of_histogram_boosting_that_leads_nowhere_is_refused(field: str, value: int) -> None:
    data = written(HistGradientBoostingRegressor(max_iter=2, min_samples_leaf=5).fit(ROWS, NUMBERS))
    check(data)
    with pytest.raises(ModelUnreadable, match="a TreePredictor whose nodes"):
        check(changed(data, setting(field, value)))


@pytest.mark.parametrize("algorithm", ["kd_tree", "ball_tree"])
@pytest.mark.parametrize(
    ("field", "value", "place"), [("idx_end", 10**6, 0), ("idx_start", -4, 0), ("is_leaf", 0, -1)]
)
def test_an_index_of_neighbours_that_leads_nowhere_is_refused(
    algorithm: str, field: str, value: int, place: int
) -> None:
    data = written(KNeighborsRegressor(algorithm=algorithm, leaf_size=5).fit(ROWS, NUMBERS))
    check(data)
    with pytest.raises(ModelUnreadable, match="Tree whose nodes"):
        check(changed(data, setting(field, value, place)))


def test_rows_and_classes_of_neighbours_that_there_are_not_are_refused() -> None:
    def beyond(name: str, array: Any) -> Any:
        if array.dtype == np.int64 and array.shape == (60,):
            array[0] = 10**9
        return array

    with pytest.raises(ModelUnreadable, match="index names rows that there are not"):
        check(changed(written(KNeighborsRegressor(algorithm="kd_tree").fit(ROWS, NUMBERS)), beyond))
    with pytest.raises(ModelUnreadable, match="targets are classes that there are not"):
        check(changed(written(KNeighborsClassifier(algorithm="brute").fit(ROWS, CLASSES)), beyond))


@pytest.mark.parametrize("model", [SVC(), SVR()], ids=str)
def test_support_vectors_that_there_are_not_are_refused(model: Any) -> None:
    data = written(model.fit(ROWS, CLASSES if isinstance(model, SVC) else NUMBERS))
    check(data)

    def fewer(name: str, array: Any) -> Any:
        return array[:-1] if array.ndim == 2 and array.shape[1] == 2 else array

    def none(name: str, array: Any) -> Any:
        return array[:0] if array.dtype == np.int32 else array

    for change in (fewer, none):
        with pytest.raises(ModelUnreadable, match="support vectors"):
            check(changed(data, change))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("left_child=1", "left_child=9999999"),
        ("left_child=1", "left_child=0"),
        ("right_child=", "right_child=-99999"),
        ("split_feature=", "split_feature=7"),
        ("num_leaves=", "num_leaves=9"),
        ("decision_type=2", "decision_type=3"),
        ("tree_sizes=", "tree_sizes=9"),
        ("max_feature_idx=1", "max_feature_idx=-1"),
    ],
)
def test_a_booster_that_leads_nowhere_is_refused(old: str, new: str) -> None:
    data = written(LGBMRegressor(n_estimators=2, verbose=-1, min_child_samples=5).fit(ROWS, NUMBERS))
    check(data)

    def replaced(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    with pytest.raises(ModelUnreadable, match="a LightGBM model that cannot be read"):
        check(changed(data, kept, replaced))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "model",
    [
        Pipeline([("scale", StandardScaler()), ("line", Ridge())], memory="/tmp/cache"),
        Pipeline([("text", TfidfVectorizer(input="filename")), ("line", Ridge())]),
        Pipeline([("text", HashingVectorizer(input="filename")), ("line", Ridge())]),
        Pipeline([("load", FunctionTransformer(np.load)), ("line", Ridge())]),
        Pipeline([("add", FunctionTransformer(np.add, kw_args={"out": 1})), ("line", Ridge())]),
        Pipeline([("root", FunctionTransformer(np.sqrt, kw_args={"out": 1})), ("line", Ridge())]),
        Pipeline([("best", SelectKBest(f_regression)), ("line", Ridge())]),
        GridSearchCV(Ridge(), {"alpha": [1.0]}),
        KNeighborsRegressor(metric=np.hypot),
        KNeighborsRegressor(weights=np.sqrt),
        KNeighborsRegressor(metric_params={"w": [1.0]}),
        KNeighborsRegressor(metric="precomputed"),
        SVR(kernel="precomputed"),
        SVR(kernel=np.hypot),
    ],
    ids=lambda model: type(model).__name__,
)
def test_what_opens_files_or_calls_what_it_is_told_to_is_refused(model: Any) -> None:
    with pytest.raises(ModelUnreadable):
        check(written(model))


def test_functions_of_one_number_are_taken() -> None:
    check(written(Pipeline([("log", FunctionTransformer(np.log1p)), ("line", Ridge().fit(ROWS, NUMBERS))])))
    model = TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1).fit(ROWS, NUMBERS**2)
    check(written(model))


LOADERS = (
    "MethodNode",
    "PartialNode",
    "OperatorFuncNode",
    "ConstructorFromReduceNode",
    "CachedNode",
    "FunctionNode",
)


@pytest.mark.parametrize("loader", LOADERS)
def test_no_other_loader_is_used(loader: str) -> None:
    node = {"__class__": "system", "__module__": "posix", "__loader__": loader, "content": {}, "attrs": {}}
    with pytest.raises(ModelUnreadable, match=r"not trusted: posix\.system"):
        check(file_of(node))


def test_an_object_that_contains_itself_is_refused() -> None:
    inner = {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode", "__id__": 7, "content": []}
    with pytest.raises(ModelUnreadable, match="contains itself"):
        check(file_of({**inner, "content": [inner]}))


def test_files_that_are_larger_than_they_are_get_refused() -> None:
    deflated = io.BytesIO()
    with zipfile.ZipFile(deflated, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("schema.json", "[" * 100_000)
    with pytest.raises(ModelUnreadable, match="is compressed"):
        check(deflated.getvalue())
    data = written([np.zeros(3)])
    header = b"'shape': (3,)"
    assert header in data
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        array = file.read("1.npy")
    huge = array.replace(b"(3,), }      ", b"(3333333,), }")
    assert len(huge) == len(array)
    with pytest.raises(ModelUnreadable, match="says to be larger than it is"):
        check(file_of(json.loads(zipfile.ZipFile(io.BytesIO(data)).read("schema.json")), {"1.npy": huge}))


def test_an_older_protocol_is_refused() -> None:
    node = {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode", "content": []}
    with pytest.raises(ModelUnreadable, match="has the protocol 1, known is 2"):
        check(file_of({**node, "protocol": 1}))


def file_of(schema: dict[str, Any], more: dict[str, bytes] | None = None) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("schema.json", json.dumps({"protocol": 2, **schema}))
        for name, content in (more or {}).items():
            file.writestr(name, content)
    return out.getvalue()
