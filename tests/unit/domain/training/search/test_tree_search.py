"""Grid search for decision trees: against brute force, a recursive oracle and scikit-learn's own search."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, KFold, ParameterGrid, StratifiedKFold, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from weighbridge.domain.training.search import tree_search
from weighbridge.domain.training.search.progress import SearchProgress
from weighbridge.domain.training.search.tree_grid import TreeGrid
from weighbridge.domain.training.search.tree_growth import refitted_scores, truncated_scores
from weighbridge.domain.training.search.tree_scoring import TREE_SCORERS
from weighbridge.domain.training.search.tree_truncation import UNBOUNDED, passages, truncated_sums

REGRESSION = [name for name, scorer in TREE_SCORERS.items() if not scorer.classifies]
CLASSIFICATION = [name for name, scorer in TREE_SCORERS.items() if scorer.classifies]
LEVELS = ["SKU001", "SKU002", "SKU003", "SKU004", "SKU005"]


class Watch(SearchProgress):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.totals, self.steps, self.bests, self.finished = [], [], [], 0

    def start(self, total):
        self.totals.append(total)

    def advance(self, steps, best):
        self.steps.append(steps)
        self.bests.append(best)

    def finish(self):
        self.finished += 1


class Stopped(TransformerMixin, BaseEstimator):
    """A preparation during which somebody presses Ctrl-C."""

    def fit(self, features, target=None):
        raise KeyboardInterrupt

    def transform(self, features):
        return features


def orders(rows, seed):
    """The article's kind of data: one category of five, one count, with many ties."""
    random = np.random.default_rng(seed)
    product_index = random.integers(0, 5, rows)
    placed = np.floor(np.abs(random.normal(0, 92, rows)))
    hours = np.maximum(0, (0.075 + 0.025 * product_index) * placed + random.normal(size=rows))
    features = pd.DataFrame({"product_code": np.array(LEVELS)[product_index], "orders_placed": placed})
    return features, pd.Series(hours, name="hours_to_dispatch")


def steps(rows, seed):
    """Eight levels, flags and a count: effects that tie often."""
    random = np.random.default_rng(seed)
    level, flags = random.integers(0, 8, rows), random.integers(0, 2, (rows, 2))
    count = np.floor(random.exponential(50, rows))
    features = pd.DataFrame(np.hstack((np.eye(8)[level], count[:, None], flags)))
    return features, pd.Series(np.sqrt(count) * (1 + level) + 3 * flags[:, 1] + random.normal(size=rows) * 3)


def encoded(tree):
    one_hot = OneHotEncoder(categories=[LEVELS], sparse_output=False)
    columns = ColumnTransformer([("one_hot", one_hot, ["product_code"])], remainder="passthrough")
    return Pipeline([("features", columns), ("tree", tree)])


def bare(tree):
    return Pipeline([("tree", tree)])


def named(**axes):
    return {f"tree__{name}": values for name, values in axes.items()}


def brute_force(pipeline, grid, features, target, folds, scoring):
    """Every point's mean score from its own fits, in the order of ParameterGrid."""
    scorer = get_scorer(scoring)
    scores = []
    for params in ParameterGrid(grid):
        pipeline.set_params(**params)
        scores.append(
            np.mean(
                [
                    scorer(pipeline.fit(features.iloc[a], target.iloc[a]), features.iloc[b], target.iloc[b])
                    for a, b in folds
                ]
            )
        )
    return np.array(scores)


def by_truncation(pipeline, grid, features, target, folds, scoring):
    points = TreeGrid.of(pipeline, grid)
    return truncated_scores(pipeline, points, features, target, folds, TREE_SCORERS[scoring], Watch())


def oracle(tree, row, depth, split, node=0, level=0):
    """The node at which a row stops, by the rule's own words."""
    if level == depth or tree.n_node_samples[node] < split or tree.children_left[node] == -1:
        return node
    goes_left = row[tree.feature[node]] <= tree.threshold[node]
    child = tree.children_left[node] if goes_left else tree.children_right[node]
    return oracle(tree, row, depth, split, child, level + 1)


@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(2, 60),
    columns=st.integers(1, 4),
    distinct=st.integers(1, 9),
    leaf=st.integers(1, 4),
)
def test_truncated_predictions_are_those_of_a_recursive_oracle(seed, rows, columns, distinct, leaf):
    random = np.random.default_rng(seed)
    matrix = random.integers(0, distinct, (rows, columns)).astype(np.float32)
    model = DecisionTreeRegressor(min_samples_leaf=leaf, random_state=seed).fit(matrix, random.normal(size=rows))
    unseen = random.uniform(-1, distinct, (7, columns)).astype(np.float32)
    tree, values = model.tree_, model.tree_.value[:, 0, 0]
    depths = np.array([1, 2, 3, 5, tree.max_depth + 1, UNBOUNDED])
    splits = np.array([2 * leaf, 2 * leaf + 1, 7, 20, 1000])
    # What each row brings to a node is that node's answer in a column of its own: the sum is the prediction.
    totals = np.zeros((tree.node_count, len(unseen)))
    for at, nodes in passages(model, unseen):
        totals[nodes, at] = values[nodes]

    answers = truncated_sums(tree, totals, depths, splits)

    expected = [
        [[values[oracle(tree, row, depth, split)] for row in unseen] for split in splits] for depth in depths
    ]
    assert np.array_equal(answers, expected)


def test_a_truncation_that_cuts_nothing_is_the_tree_and_the_smallest_is_a_stump():
    features, target = steps(200, 1)
    matrix = features.to_numpy(np.float32)
    model = DecisionTreeRegressor(random_state=0).fit(matrix, target)
    errors = TREE_SCORERS["neg_mean_squared_error"]

    scores = errors.scores(
        model, matrix, target.to_numpy(), np.array([1, model.get_depth(), UNBOUNDED]), np.array([2, 201])
    )

    stump = DecisionTreeRegressor(max_depth=1, random_state=0).fit(matrix, target)
    whole = -np.mean((model.predict(matrix) - target) ** 2)
    assert scores[:, 0] == pytest.approx([-np.mean((stump.predict(matrix) - target) ** 2), whole, whole])
    assert scores[:, 1] == pytest.approx(-np.var(target))


def test_long_walks_come_in_pieces_and_name_every_passage_once():
    random = np.random.default_rng(3)
    few = random.normal(size=(300, 1)).astype(np.float32)
    model = DecisionTreeRegressor(random_state=0).fit(few, random.normal(size=300))
    many = random.normal(size=(200_000, 1)).astype(np.float32)

    pieces = list(passages(model, many))

    paths = model.decision_path(many)
    assert len(pieces) > 1
    assert max(len(nodes) for _, nodes in pieces) <= 1 << 20
    assert np.array_equal(np.concatenate([nodes for _, nodes in pieces]), paths.indices)
    assert np.array_equal(
        np.concatenate([rows for rows, _ in pieces]), np.repeat(np.arange(len(many)), np.diff(paths.indptr))
    )


@st.composite
def one_feature(draw, classes=None):
    """A frame of one continuous feature with its target, folds of it, and a grid."""
    rows = draw(st.integers(12, 60))
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    feature = random.normal(size=rows).round(draw(st.sampled_from([1, 3, 16])))
    if classes is None:
        target = np.sin(2 * feature) + random.normal(size=rows) * draw(st.sampled_from([0, 0.1, 1]))
    else:
        target = np.array(classes)[(feature * 2 + random.normal(size=rows)).astype(int) % len(classes)]
    folds = list(KFold(draw(st.integers(2, 3)), shuffle=True, random_state=0).split(feature))
    grid = {
        "max_depth": draw(st.sampled_from([[1, 3, None], [2, 4], [None]])),
        "min_samples_leaf": draw(st.sampled_from([[1], [3], [0.05]])),
        "min_samples_split": draw(st.sampled_from([[2, 6, 0.4], [3, 1.0], [7, 4, 5]])),
    }
    return pd.DataFrame({"x": feature}), pd.Series(target), folds, grid


@settings(max_examples=settings.default.max_examples // 2)
@given(
    case=one_feature(),
    scoring=st.sampled_from(REGRESSION),
    criterion=st.sampled_from(["squared_error", "absolute_error"]),
)
def test_with_one_feature_every_score_is_that_of_a_separate_fit(case, scoring, criterion):
    features, target, folds, axes = case
    pipeline, grid = bare(DecisionTreeRegressor(criterion=criterion, random_state=1)), named(**axes)

    scores = by_truncation(pipeline, grid, features, target, folds, scoring)

    expected = brute_force(pipeline, grid, features, target, folds, scoring)
    assert scores == pytest.approx(expected, rel=1e-12, abs=1e-12)


@settings(max_examples=settings.default.max_examples // 2)
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@given(
    case=st.sampled_from([["no", "yes"], [3, 7, 9]]).flatmap(one_feature),
    scoring=st.sampled_from([name for name in CLASSIFICATION if name != "neg_log_loss"]),
    criterion=st.sampled_from(["gini", "entropy"]),
    weight=st.sampled_from([None, "balanced"]),
)
def test_with_one_feature_every_class_score_is_that_of_a_separate_fit(case, scoring, criterion, weight):
    features, target, folds, axes = case
    tree = DecisionTreeClassifier(criterion=criterion, class_weight=weight, random_state=1)
    pipeline, grid = bare(tree), named(**axes)

    scores = by_truncation(pipeline, grid, features, target, folds, scoring)

    expected = brute_force(pipeline, grid, features, target, folds, scoring)
    assert scores == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_log_loss_is_that_of_separate_fits():
    random = np.random.default_rng(5)
    features = pd.DataFrame({"x": random.normal(size=90)})
    target = pd.Series(np.array(["a", "b", "c"])[(features["x"] * 2 + random.normal(size=90)).astype(int) % 3])
    folds = list(StratifiedKFold(3).split(features, target))
    pipeline = bare(DecisionTreeClassifier(random_state=1))
    grid = named(max_depth=[1, 3, None], min_samples_leaf=[1, 5], min_samples_split=[2, 9])

    scores = by_truncation(pipeline, grid, features, target, folds, "neg_log_loss")

    expected = brute_force(pipeline, grid, features, target, folds, "neg_log_loss")
    assert scores == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("build", [orders, steps])
@pytest.mark.parametrize("criterion", ["squared_error", "absolute_error"])
def test_with_many_ties_truncations_are_near_and_fresh_fits_equal_cross_validation(build, criterion):
    features, target = build(300, 7)
    tree = DecisionTreeRegressor(criterion=criterion, random_state=42)
    pipeline = encoded(tree) if build is orders else bare(tree)
    grid = named(max_depth=[2, 6, None], min_samples_leaf=[2, 5], min_samples_split=[2, 8])
    folds = list(KFold(3).split(features))
    points = TreeGrid.of(pipeline, grid)
    chosen = [11, 0, 5, 8]

    near = by_truncation(pipeline, grid, features, target, folds, "r2")
    fresh = refitted_scores(pipeline, points, chosen, features, target, folds, TREE_SCORERS["r2"])

    expected = brute_force(pipeline, grid, features, target, folds, "r2")
    assert near == pytest.approx(expected, abs=0.03)
    assert fresh == pytest.approx(expected[chosen], rel=1e-12)


@pytest.mark.parametrize(("rows", "seed"), [(150, 12), (150, 13)])
def test_regret_against_every_point_fitted_by_itself(rows, seed):
    features, target = orders(rows, seed)
    pipeline, folds = encoded(DecisionTreeRegressor(random_state=42)), list(KFold(5).split(features))
    grid = named(
        max_depth=[2, 3, 5, 7, 9, None], min_samples_leaf=[2, 3, 5, 7, 9], min_samples_split=[2, 5, 8, 10]
    )
    points = TreeGrid.of(pipeline, grid)

    result = tree_search.search(pipeline, grid, features, target, folds, "r2", Watch())

    different = {points.identity(point, [rows]): point for point in range(points.points)}
    every = refitted_scores(
        pipeline, points, list(different.values()), features, target, folds, TREE_SCORERS["r2"]
    )
    assert every.max() - result.score <= 0.0005
    assert result.score <= every.max() + 1e-12
    assert result.points == 120


@pytest.mark.parametrize("scoring", ["r2", "neg_mean_absolute_error"])
def test_the_winner_has_the_score_of_cross_validation_and_grid_search_finds_no_better(scoring):
    features, target = orders(250, 3)
    pipeline = encoded(DecisionTreeRegressor(random_state=42))
    grid = named(max_depth=[3, 7, None], min_samples_leaf=[2, 3], criterion=["squared_error", "absolute_error"])
    folds = list(KFold(3).split(features))

    result = tree_search.search(pipeline, grid, features, target, folds, scoring, Watch())

    every = GridSearchCV(pipeline, grid, cv=3, scoring=scoring, refit=False).fit(features, target)
    scores = dict(zip(map(str, every.cv_results_["params"]), every.cv_results_["mean_test_score"], strict=True))
    pipeline.set_params(**result.params)
    assert result.score == cross_val_score(pipeline, features, target, cv=3, scoring=scoring).mean()
    assert every.best_score_ - result.score <= 0.0005
    assert list(result.params) == sorted(grid)
    assert result.score == max(point.score for point in result.rescored)
    for point in result.rescored:
        assert point.score == pytest.approx(scores[str(point.params)], rel=1e-12)
        assert point.truncated == pytest.approx(point.score, abs=0.05)
    assert len(result.rescored) == tree_search.RESCORED


@pytest.mark.parametrize("scoring", CLASSIFICATION)
def test_classes_may_be_texts_and_the_winner_has_the_score_of_cross_validation(scoring):
    features, hours = orders(240, 5)
    target = pd.Series(np.where(hours > 12, "late", np.where(hours > 4, "soon", "at once")))
    pipeline = encoded(DecisionTreeClassifier(random_state=0))
    grid = named(criterion=["gini", "entropy"], max_depth=[3, None], min_samples_leaf=[4, 0.1])
    folds = list(StratifiedKFold(3).split(features, target))

    result = tree_search.search(pipeline, grid, features, target, folds, scoring, Watch())

    best = GridSearchCV(pipeline, grid, cv=3, scoring=scoring, refit=False).fit(features, target)
    pipeline.set_params(**result.params)
    assert result.score == cross_val_score(pipeline, features, target, cv=3, scoring=scoring).mean()
    assert best.best_score_ == pytest.approx(result.score, abs=0.0005)


@pytest.mark.parametrize("scoring", ["accuracy", "balanced_accuracy", "f1_macro", "neg_log_loss"])
@pytest.mark.filterwarnings("ignore")
def test_a_class_that_only_one_side_of_a_fold_has_scores_as_scikit_learn_says(scoring):
    features = pd.DataFrame({"x": np.arange(12.0)})
    target = pd.Series([0, 0, 1, 1, 0, 1, 0, 1, 2, 2, 2, 2])
    folds = [(np.arange(8), np.arange(8, 12)), (np.r_[0:6, 8:11], np.array([6, 7, 11]))]
    folds.append((np.r_[1, 3:12], np.array([0, 2])))
    pipeline = bare(DecisionTreeClassifier(random_state=0))
    grid = named(max_depth=[1, None], min_samples_split=[2, 6])

    scores = by_truncation(pipeline, grid, features, target, folds, scoring)

    each = [
        cross_val_score(pipeline.set_params(**params), features, target, cv=folds, scoring=scoring).mean()
        for params in ParameterGrid(grid)
    ]
    assert scores == pytest.approx(np.array(each), nan_ok=True)
    assert np.isnan(scores).all() == (scoring == "neg_log_loss")


def test_equal_scores_go_to_the_simpler_tree():
    features = pd.DataFrame({"x": np.tile([0.0, 1.0], 40)})
    target = features["x"] * 3
    pipeline, folds = bare(DecisionTreeRegressor(random_state=0)), list(KFold(4).split(features))
    depths, leaves, splits = [None, 5, 3, 8], [2, 7, 0.1, 3], [4, 0.3, 9, 6]
    grid = named(min_samples_split=splits, max_depth=depths, min_samples_leaf=leaves)

    result = tree_search.search(pipeline, grid, features, target, folds, "r2", Watch())

    # Of 80 rows a share of 0.1 is 8, the largest leaf, and 0.3 is 24, the largest split.
    assert result.params == named(min_samples_split=0.3, max_depth=3, min_samples_leaf=0.1)
    assert list(result.params) == sorted(grid)
    assert result.score == 1.0
    # Of the training rows, 60, these are 18 and 6: below twice a leaf of 6 or 7 no split takes effect, so that 9,
    # 6 and 4 are one fit, for which 9 stands.
    tried = [tuple(point.params.values()) for point in result.rescored]
    assert tried == [(3, 0.1, 0.3), (3, 0.1, 9), (3, 7, 0.3), (3, 7, 9), (3, 3, 0.3)]


def test_equal_scores_and_sizes_go_to_the_first_in_the_grid():
    features = pd.DataFrame({"x": np.tile([0.0, 1.0], 20)})
    pipeline = bare(DecisionTreeRegressor(random_state=0))
    grid = named(criterion=["absolute_error", "squared_error"], max_depth=[2, None])

    result = tree_search.search(
        pipeline, grid, features, features["x"], list(KFold(4).split(features)), "r2", Watch()
    )

    assert result.params == named(criterion="absolute_error", max_depth=2)
    assert [point.params["tree__criterion"] for point in result.rescored[:2]] == [
        "absolute_error",
        "squared_error",
    ]


def test_points_far_below_the_best_are_not_scored_again():
    features = pd.DataFrame({"x": np.arange(64.0)})
    target = features["x"] // 8
    folds = list(KFold(4, shuffle=True, random_state=0).split(features))
    pipeline = bare(DecisionTreeRegressor(random_state=0))

    result = tree_search.search(pipeline, named(max_depth=[1, 2, 8]), features, target, folds, "r2", Watch())

    assert [point.params for point in result.rescored] == [named(max_depth=8)]
    assert result.points == 3


def test_the_margin_is_absolute_for_shares_and_relative_for_errors_and_itself_within():
    r2, error = TREE_SCORERS["r2"], TREE_SCORERS["neg_mean_absolute_error"]
    assert [r2.leads(score, 1.0) for score in (1.0, 1.0 - r2.margin, 0.999 - r2.margin)] == [True, True, False]
    assert r2.leads(-r2.margin, 0.0)
    assert [error.leads(score, -50.0) for score in (-50.0, -55.0, -55.1)] == [True, True, False]
    assert [error.leads(score, 0.0) for score in (0.0, -1e-9)] == [True, False]


@pytest.mark.parametrize("criterion", ["squared_error", "absolute_error"])
@pytest.mark.parametrize("scoring", REGRESSION)
def test_few_and_constant_test_rows_score_as_scikit_learn_says(criterion, scoring):
    features = pd.DataFrame({"x": np.arange(10.0)})
    target = pd.Series([1.0, 1.0, 1.0, 1.0, 5.0, 6.0, 7.0, 7.0, 7.0, 7.0])
    pipeline = bare(DecisionTreeRegressor(criterion=criterion, random_state=0))
    grid = named(max_depth=[1, None], min_samples_leaf=[1, 2])
    for test in ([4, 5], [0, 1], [0, 1, 2, 3], [6, 7, 8, 9], [1, 2, 8, 9]):
        folds = [(np.setdiff1d(np.arange(10), test), np.array(test))]

        scores = by_truncation(pipeline, grid, features, target, folds, scoring)

        assert scores == pytest.approx(brute_force(pipeline, grid, features, target, folds, scoring), rel=1e-12)
        assert np.isfinite(scores).all()


def test_of_many_rows_only_the_first_few_leaders_are_fitted_again():
    random = np.random.default_rng(8)
    features = pd.DataFrame({"x": random.normal(size=4000)})
    target = np.sin(3 * features["x"]) + random.normal(size=4000) / 3
    pipeline, folds = bare(DecisionTreeRegressor(random_state=0)), list(KFold(3).split(features))
    grid = named(max_depth=[4, 5, 6, 7, 8, 9, 10], min_samples_leaf=[20])

    result = tree_search.search(pipeline, grid, features, target, folds, "r2", Watch())

    expected = brute_force(pipeline, grid, features, target, folds, "r2")
    best_first = [grid["tree__max_depth"][place] for place in np.argsort(-expected)]
    assert [point.params["tree__max_depth"] for point in result.rescored] == best_first[: tree_search.RESCORED]
    assert result.params["tree__max_depth"] == best_first[0]


def test_without_any_score_the_answer_is_nan():
    features, target = pd.DataFrame({"x": [1.0, 2.0, 3.0]}), pd.Series([1.0, 2.0, 4.0])
    folds = [(np.array([0, 1]), np.array([2])), (np.array([1, 2]), np.array([0]))]
    pipeline, watch = bare(DecisionTreeRegressor(random_state=0)), Watch()

    with pytest.warns(UserWarning, match="less than two samples"):
        result = tree_search.search(pipeline, named(max_depth=[3, 1]), features, target, folds, "r2", watch)

    assert np.isnan(result.score)
    assert result.params == named(max_depth=1)
    assert (watch.steps, watch.bests) == ([1, 1, 0], [None] * 3)


def test_missing_values_and_sparse_columns_go_as_in_scikit_learn():
    features, target = orders(200, 11)
    features.loc[::7, "orders_placed"] = np.nan
    sparse = ColumnTransformer(
        [("one_hot", OneHotEncoder(), ["product_code"])], remainder="passthrough", sparse_threshold=0
    )
    only = ColumnTransformer([("one_hot", OneHotEncoder(), ["product_code"])], sparse_threshold=1)
    for columns in (sparse, only):
        pipeline = Pipeline([("features", columns), ("tree", DecisionTreeRegressor(random_state=0))])
        grid, folds = named(max_depth=[2, 3, None], min_samples_leaf=[3, 9]), list(KFold(4).split(features))

        result = tree_search.search(pipeline, grid, features, target, folds, "r2", Watch())

        pipeline.set_params(**result.params)
        assert result.score == cross_val_score(pipeline, features, target, cv=4).mean()
        assert result.rescored[0].truncated == pytest.approx(result.rescored[0].score, abs=0.01)


def test_progress_counts_points_and_tells_the_best():
    features, target = orders(120, 2)
    pipeline, watch = encoded(DecisionTreeRegressor(random_state=42)), Watch()
    grid = named(criterion=["squared_error", "absolute_error"], max_depth=[2, 5, None], min_samples_leaf=[2, 4])

    result = tree_search.search(pipeline, grid, features, target, list(KFold(3).split(features)), "r2", watch)

    fits, again = 2 * 2 * 3, len(result.rescored)
    assert (watch.totals, sum(watch.steps), watch.finished) == ([12], 12, 1)
    assert watch.steps == [1] * fits + [0] * again
    assert watch.bests[: 2 * 2 * 2] == [None] * 8
    known = watch.bests[8:fits]
    assert known == sorted(known)
    assert known[-1] == by_truncation(pipeline, grid, features, target, list(KFold(3).split(features)), "r2").max()
    assert watch.bests[fits:] == [max(p.score for p in result.rescored[: n + 1]) for n in range(again)]


@pytest.mark.parametrize(
    ("preparation", "value", "error"), [(Stopped(), 1.0, KeyboardInterrupt), ("passthrough", np.inf, ValueError)]
)
def test_what_stops_a_search_passes_through_and_progress_is_finished(preparation, value, error):
    features, target = pd.DataFrame({"x": [value, 2.0, 3.0, 4.0]}), pd.Series([1.0, 2.0, 3.0, 4.0])
    pipeline = Pipeline([("preparation", preparation), ("tree", DecisionTreeRegressor())])
    watch = Watch()

    with pytest.raises(error):
        tree_search.search(
            pipeline, named(max_depth=[2]), features, target, list(KFold(2).split(features)), "r2", watch
        )

    assert (watch.totals, watch.steps, watch.finished) == ([1], [], 1)


def test_the_same_search_gives_the_same_answer_and_leaves_the_pipeline_alone():
    features, target = steps(150, 4)
    pipeline, folds = bare(DecisionTreeRegressor(random_state=9)), list(KFold(3).split(features))
    grid, before = named(max_depth=[3, None], min_samples_leaf=[2, 3]), pipeline.get_params()["tree"].get_params()

    first, second = (tree_search.search(pipeline, grid, features, target, folds, "r2", Watch()) for _ in range(2))

    assert first == second
    assert pipeline.get_params()["tree"].get_params() == before
    assert not hasattr(pipeline["tree"], "tree_")


def test_parameters_that_the_grid_leaves_out_stay_as_the_tree_has_them():
    features, target = orders(200, 6)
    tree = DecisionTreeRegressor(max_depth=3, min_samples_leaf=5, min_impurity_decrease=0.01, random_state=0)
    pipeline, folds = encoded(tree), list(KFold(4).split(features))

    result = tree_search.search(
        pipeline, named(min_samples_split=[12, 60]), features, target, folds, "r2", Watch()
    )

    expected = brute_force(pipeline, named(min_samples_split=[12, 60]), features, target, folds, "r2")
    assert result.score == pytest.approx(expected.max(), rel=1e-12)
    assert set(result.params) == {"tree__min_samples_split"}


REGRESSOR = DecisionTreeRegressor(random_state=0)
CLASSIFIER = DecisionTreeClassifier(random_state=0)


@pytest.mark.parametrize(
    ("tree", "axes", "scoring"),
    [
        (REGRESSOR, {}, "r2"),
        (REGRESSOR, {"criterion": ["squared_error", "absolute_error", "poisson"]}, "r2"),
        (REGRESSOR, {"max_depth": [1, None, np.int64(4)]}, "neg_mean_squared_error"),
        (
            REGRESSOR,
            {"min_samples_leaf": [1, 0.5], "min_samples_split": [2, 1.0, 0.01]},
            "neg_mean_absolute_error",
        ),
        (DecisionTreeRegressor(min_impurity_decrease=0.1), {"max_depth": [2]}, "neg_root_mean_squared_error"),
        (CLASSIFIER, {"criterion": ["gini", "entropy"], "max_depth": [2]}, "accuracy"),
        (DecisionTreeClassifier(class_weight="balanced"), {"max_depth": [2]}, "neg_log_loss"),
    ],
)
def test_what_is_supported(tree, axes, scoring):
    assert tree_search.supports(bare(tree), named(**axes), scoring)


@pytest.mark.parametrize(
    ("tree", "axes", "scoring"),
    [
        (RandomForestRegressor(), {"max_depth": [2]}, "r2"),
        (type("Mine", (DecisionTreeRegressor,), {})(), {"max_depth": [2]}, "r2"),
        (DecisionTreeRegressor(splitter="random"), {"max_depth": [2]}, "r2"),
        (DecisionTreeRegressor(max_features=1), {"max_depth": [2]}, "r2"),
        (DecisionTreeRegressor(max_leaf_nodes=9), {"max_depth": [2]}, "r2"),
        (DecisionTreeRegressor(ccp_alpha=0.1), {"max_depth": [2]}, "r2"),
        (DecisionTreeRegressor(monotonic_cst=np.array([1, 0])), {"max_depth": [2]}, "r2"),
        (DecisionTreeClassifier(class_weight={0: 2}), {"max_depth": [2]}, "accuracy"),
        (REGRESSOR, {"max_depth": [2]}, "accuracy"),
        (REGRESSOR, {"max_depth": [2]}, "max_error"),
        (CLASSIFIER, {"max_depth": [2]}, "r2"),
        (REGRESSOR, {"max_depth": [2], "ccp_alpha": [0.0]}, "r2"),
        (REGRESSOR, {"max_depth": []}, "r2"),
        (REGRESSOR, {"max_depth": [0]}, "r2"),
        (REGRESSOR, {"max_depth": [2.0]}, "r2"),
        (REGRESSOR, {"max_depth": [True]}, "r2"),
        (REGRESSOR, {"max_depth": ["2"]}, "r2"),
        (REGRESSOR, {"min_samples_split": [1]}, "r2"),
        (REGRESSOR, {"min_samples_split": [0.0]}, "r2"),
        (REGRESSOR, {"min_samples_split": [1.5]}, "r2"),
        (REGRESSOR, {"min_samples_split": [None]}, "r2"),
        (REGRESSOR, {"min_samples_leaf": [0]}, "r2"),
        (REGRESSOR, {"min_samples_leaf": [1.0]}, "r2"),
        (REGRESSOR, {"min_samples_leaf": [None]}, "r2"),
        (REGRESSOR, {"criterion": [None]}, "r2"),
    ],
)
def test_what_is_not_supported(tree, axes, scoring):
    assert not tree_search.supports(bare(tree), named(**axes), scoring)


def test_only_the_last_step_of_a_plain_pipeline_is_searched():
    grid = {"tree__max_depth": [2]}
    two = Pipeline([("tree", DecisionTreeRegressor()), ("last", DecisionTreeRegressor())])
    assert not tree_search.supports(two, grid, "r2")
    assert not tree_search.supports(DecisionTreeRegressor(), {"max_depth": [2]}, "r2")
    assert not tree_search.supports(bare(REGRESSOR), {"max_depth": [2]}, "r2")
    with pytest.raises(ValueError, match="does not support"):
        tree_search.search(two, grid, pd.DataFrame(), pd.Series(dtype=float), [], "r2", Watch())


@given(
    split=st.one_of(st.integers(2, 40), st.floats(0.01, 1.0)),
    leaf=st.one_of(st.integers(1, 20), st.floats(0.01, 0.5)),
    rows=st.integers(4, 60),
)
def test_a_split_takes_effect_as_in_scikit_learn(split, leaf, rows):
    random = np.random.default_rng(rows)
    matrix, target = random.normal(size=(rows, 1)), random.normal(size=rows)
    pipeline = bare(DecisionTreeRegressor(min_samples_leaf=leaf, min_samples_split=split, random_state=0))
    (effective,) = TreeGrid.of(pipeline, {}).effective_splits(leaf, rows)

    tree = pipeline.fit(matrix, target)["tree"].tree_

    plain = DecisionTreeRegressor(min_samples_leaf=leaf, min_samples_split=int(effective), random_state=0)
    assert np.array_equal(tree.value, plain.fit(matrix, target).tree_.value)
    inner = tree.n_node_samples[tree.children_left >= 0]
    assert (inner >= effective).all()


def test_points_are_numbered_as_in_parameter_grid():
    grid = named(min_samples_split=[3, 2], max_depth=[None, 4], criterion=["squared_error", "absolute_error"])
    points = TreeGrid.of(bare(DecisionTreeRegressor(min_samples_leaf=6)), grid)

    listed = [points.params(point) for point in range(points.points)]

    assert listed == list(ParameterGrid(grid))
    assert points.shape == (2, 2, 1, 2)
    assert points.limits.tolist() == [UNBOUNDED, 4]
    same = [points.identity(point, [50]) for point in range(8)]
    assert len(set(same)) == len(set(product(grid["tree__criterion"], grid["tree__max_depth"])))
