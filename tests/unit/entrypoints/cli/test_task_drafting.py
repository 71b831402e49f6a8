"""Drafting a task from a CSV file: what is inferred, what is refused, and that a draft fits its own data."""

import io
import re
import subprocess
import sys
from csv import writer
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.support.strategies import column_names
from weighbridge.adapters.onnx.codec import OnnxCodec
from weighbridge.adapters.tables.dataset_reader import TabularReader
from weighbridge.domain.data.dataset import SplitSpec
from weighbridge.domain.data.schema import Category, Number
from weighbridge.domain.errors import ConfigurationError, DataError
from weighbridge.domain.evaluation.checks.check import NotAboveLargestLabel, NotBelow
from weighbridge.domain.evaluation.checks.classes import EveryClassPredicted
from weighbridge.domain.evaluation.gate import Threshold
from weighbridge.domain.evaluation.rules.defaults import default_rules
from weighbridge.domain.store.artefacts import Artefact, ArtefactRef
from weighbridge.domain.training.task import TaskDefinition
from weighbridge.domain.training.task_check import check_task
from weighbridge.entrypoints.cli.task_drafting import ATTRIBUTE, MARK, Draft, draft

READER = TabularReader()


def file(text: str, name: str = "orders.csv") -> Artefact:
    data = text.encode()
    ref = ArtefactRef(f"datasets/{name}", len(data), "", None, datetime.now(UTC))
    return Artefact(ref, data, sha256(data).hexdigest())


def table(**columns: list[Any]) -> str:
    """A CSV file of these columns."""
    text = io.StringIO()
    lines = writer(text)
    lines.writerow(columns)
    lines.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()


def task_in(drafted: Draft) -> TaskDefinition:
    """What the text makes when it is run."""
    names: dict[str, Any] = {"__name__": "drafted"}
    exec(compile(drafted.text, "task.py", "exec", dont_inherit=True), names)
    task = names[ATTRIBUTE]
    assert isinstance(task, TaskDefinition)
    return task


def drafted_from(text: str, target: str | None = None, name: str = "orders.csv") -> TaskDefinition:
    return task_in(draft(file(text, name), target, READER))


#: Rows that every feature and target below can be put beside.
ROWS = 40
RAMP = [number / 2 for number in range(ROWS)]


def feature(values: list[Any]) -> Number | Category:
    """What a column of these values is taken for."""
    (found,) = drafted_from(table(column=values, answer=RAMP)).schema.features
    assert found.name == "column"
    return found


def repeated(*values: Any) -> list[Any]:
    return [values[position % len(values)] for position in range(ROWS)]


@pytest.mark.parametrize(
    ("values", "bounds"),
    [
        (repeated(0, 5), (0, 10)),
        (repeated(0, 5.01), (0, 100)),
        (repeated(1, 320), (0, 1000)),
        (repeated(1, 1000), (0, 10000)),
        (repeated(0, 500), (0, 1000)),
        (repeated(-3, 7), (-10, 100)),
        (repeated(-50, -20), (-100, 0)),
        (repeated(-1, 0), (-10, 0)),
        (repeated(0.011, 0.04), (0, 0.1)),
        (repeated(0.011, 0.0500001), (0, 1)),
        (repeated("1e20", "2"), (0, 1e21)),
        (repeated("1e308", "-1e308"), (None, None)),
        (repeated(3), (None, None)),
        (repeated(1, 2, 3), (0, 10)),
        (repeated(" 1", "2 "), (0, 10)),
    ],
)
def test_numbers_get_round_bounds_with_room(values: list[Any], bounds: tuple[float | None, float | None]) -> None:
    assert feature(values) == Number("column", *bounds)


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        (repeated("b", "a"), ("a", "b")),
        (repeated("only"), ("only",)),
        (repeated("True", "False"), ("False", "True")),
        (repeated("1", "2", "3", "x"), ("1", "2", "3", "x")),
        (repeated("10", "9", "a", "b"), ("9", "10", "a", "b")),
        (repeated("1_000", "2_000"), ("1_000", "2_000")),
        (repeated('a "b"', "it's", "\\", "{x}", "two\nlines", "日本"), None),
        ([f"text {number % 20}" for number in range(ROWS)], None),
    ],
)
def test_texts_are_levels_in_order(values: list[str], levels: tuple[str, ...] | None) -> None:
    assert feature(values) == Category("column", levels or tuple(sorted(set(values))))


def problems(text: str, target: str | None = None) -> list[str]:
    with pytest.raises(DataError) as caught:
        draft(file(text), target, READER)
    assert caught.value.subject == "datasets/orders.csv"
    return [str(problem) for problem in caught.value.problems]


def test_a_column_of_many_texts_is_no_category() -> None:
    advice = "make numbers of them, group them, or leave the column out"
    names = [f"order {number}" for number in range(402)]
    answer = list(range(402))
    assert problems(table(a=names[:21] + names[:20], answer=answer[:41])) == [
        f"column 'a': 21 different texts in 41 rows are no category; {advice}"
    ]
    assert drafted_from(table(a=names[:21] * 2, answer=answer[:42])).schema.features[0] == Category(
        "a", tuple(sorted(names[:21]))
    )
    assert problems(table(a=names[:201] * 2, answer=answer)) == [
        f"column 'a': 201 different texts in 402 rows are no category; {advice}"
    ]
    assert len(drafted_from(table(a=names[:200] * 2, answer=answer[:400])).schema.features[0].levels) == 200  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "target", "expected"),
    [
        ("", None, ["the dataset is empty"]),
        ("a,b\n", None, ["there are no rows"]),
        ("a\n1\n", None, ["one column is too few: a target and at least one feature are needed"]),
        ("a,a\n1,2\n", None, ["column 'a': the header has this column more than once"]),
        (
            "a,,c, \n1,2,3,4\n",
            None,
            [
                "the 2. column has no proper name; name it in the header, or leave it out",
                "the 4. column has no proper name; name it in the header, or leave it out",
            ],
        ),
        ("a,b\n1,2\n1,2,3\n", None, ["line 3 has 3 fields, the header has 2"]),
        (
            table(a=RAMP, b=[""] * ROWS, c=RAMP),
            None,
            ["column 'b': there is not a single value; leave the column out"],
        ),
        (
            table(a=RAMP, answer=repeated(3)),
            None,
            ["column 'answer': there is one value only; there is nothing to predict"],
        ),
        (
            table(a=RAMP, answer=repeated("yes")),
            None,
            ["column 'answer': there is one value only; there is nothing to predict"],
        ),
        (
            table(a=[*RAMP[:-1], "?"], b=["", *repeated("x", "y")[1:]], c=["NA", "inf", *RAMP[2:]], answer=RAMP),
            None,
            [
                "column 'a', row 40: expected a number from 0 to 100 (found '?')",
                "column 'b', row 1: expected one of x, y, found nothing",
                "column 'c', row 1: expected a number from 0 to 100, found nothing",
                "column 'c', row 2: expected a number from 0 to 100 (found inf)",
            ],
        ),
        (
            table(a=range(11), answer=range(11)),  # type: ignore[arg-type]
            None,
            [
                "11 rows are too few: of the 8 to train on, each of 5 folds needs 2, and 3 of the 2 needed are "
                "left to evaluate on"
            ],
        ),
    ],
)
def test_what_no_task_could_admit_is_refused(text: str, target: str | None, expected: list[str]) -> None:
    assert problems(text, target) == expected


def test_a_column_of_mostly_numbers_is_one_with_faults() -> None:
    texts = ["w", "x", "y", "z"]
    assert problems(table(a=[*RAMP[:36], *texts], answer=RAMP)) == [
        f"column 'a', row {37 + position}: expected a number from 0 to 100 (found '{text}')"
        for position, text in enumerate(texts)
    ]
    few = [str(position % 5) for position in range(35)]
    assert feature([*few, *texts, "v"]) == Category("column", ("0", "1", "2", "3", "4", "v", *texts))


def test_every_column_at_fault_is_told() -> None:
    names = [f"name {number}" for number in range(ROWS)]
    found = problems(table(a=names, b=RAMP, c=[""] * ROWS, answer=repeated(1)))
    assert [re.findall(r"column '(\w+)'", problem) for problem in found] == [["a"], ["c"], ["answer"]]


def test_a_target_that_is_not_there() -> None:
    with pytest.raises(ConfigurationError) as caught:
        draft(file(table(a=RAMP, b=RAMP)), "c", READER)
    assert str(caught.value) == "--target is 'c'; the columns of 'orders.csv' are a, b"


def test_a_number_makes_a_regression() -> None:
    task = drafted_from(table(orders=RAMP, product=repeated("b", "a"), hours=RAMP), name="orders_2021-07-03.csv")
    assert task.name == "orders"
    assert task.schema.features == (Number("orders", 0, 100), Category("product", ("a", "b")))
    assert task.schema.target == Number("hours", 0, 100)
    assert task.schema.prediction == "predicted_hours"
    assert task.thresholds == (Threshold("r2", 0.1, 0.5),)
    assert task.split == SplitSpec(0.2, "product", 42)
    assert task.checks == (NotAboveLargestLabel(1.25), NotBelow(0))
    assert task.rules == default_rules("r2")
    assert (task.estimator.folds, task.estimator.scoring) == (5, "r2")
    assert task.estimator.grid == {
        "regressor__max_depth": [*range(2, 11), None],
        "regressor__min_samples_leaf": [1, 2, 5, 10, 20],
    }


def test_a_text_makes_a_classification() -> None:
    answers = repeated("yes", "no", "maybe")
    task = drafted_from(table(outcome=answers, product=repeated("b", "a"), orders=RAMP), target="outcome")
    assert task.schema.features == (Category("product", ("a", "b")), Number("orders", 0, 100))
    assert task.schema.target == Category("outcome", ("maybe", "no", "yes"))
    assert task.thresholds == (Threshold("balanced_accuracy", 0.4, 0.67),)
    assert task.split == SplitSpec(0.2, None, 42)
    assert task.checks == (EveryClassPredicted(),)
    assert task.rules == default_rules("accuracy")
    assert task.estimator.scoring == "balanced_accuracy"
    assert list(task.estimator.grid) == ["classifier__max_depth", "classifier__min_samples_leaf"]


@pytest.mark.parametrize("values", [repeated("0", "1"), repeated(*"1234"), repeated(*map(str, range(10)))])
def test_whole_numbers_that_count_are_classes(values: list[str]) -> None:
    task = drafted_from(table(a=RAMP * 2, answer=values * 2))
    assert task.schema.target == Category("answer", tuple(sorted(set(values))))


@pytest.mark.parametrize(
    "values",
    [
        repeated("0", "2"),
        repeated("2", "3"),
        repeated("-1", "0", "1"),
        repeated("0.0", "1.0"),
        repeated(*map(str, range(11))),
        repeated("0", "0.5", "1"),
    ],
)
def test_other_whole_numbers_are_numbers(values: list[str]) -> None:
    assert isinstance(drafted_from(table(a=RAMP, answer=values)).schema.target, Number)


@pytest.mark.parametrize(
    ("answers", "checks"),
    [
        (repeated(0, 7), (NotAboveLargestLabel(1.25), NotBelow(0))),
        (repeated(-1, 7), (NotAboveLargestLabel(1.25),)),
        (repeated(-2, -7), ()),
        (repeated(-2, 0), ()),
    ],
)
def test_checks_are_those_that_the_target_allows(answers: list[Any], checks: tuple[object, ...]) -> None:
    assert drafted_from(table(a=RAMP, answer=answers)).checks == checks


def test_rows_are_stratified_by_a_category_of_which_no_level_is_rare() -> None:
    def stratum(rare: int) -> str | None:
        categories = ["a"] * rare + ["b"] * (60 - rare)
        return drafted_from(table(x=["c"] * 60, y=categories, answer=list(range(60)))).split.stratify_by

    assert stratum(19) is None
    assert stratum(20) == "y"


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("orders.csv", "orders"),
        ("Orders placed (2021).csv", "orders_placed_2021"),
        ("time_to_dispatch_2021-07-01T16|45|38.csv", "time_to_dispatch"),
        ("time_to_dispatch_2021-07-01.csv", "time_to_dispatch"),
        ("2021-07-01.csv", "task_2021_07_01"),
        ("größe.csv", "gr_e"),
        ("日本.csv", "task"),
    ],
)
def test_the_task_is_named_after_the_file(name: str, task: str) -> None:
    assert drafted_from(table(a=RAMP, b=RAMP), name=name).name == task


@pytest.mark.parametrize(
    ("target", "prediction"),
    [("hours", "predicted_hours"), ("Hours (h)", "predicted_hours_h"), ("日", "predicted_target")],
)
def test_the_prediction_is_named_after_the_target(target: str, prediction: str) -> None:
    assert drafted_from(table(**{"a": RAMP, target: RAMP})).schema.prediction == prediction


def test_every_guess_is_marked() -> None:
    drafted = draft(file(table(orders=RAMP, product=repeated("b", "a"), hours=RAMP)), None, READER)
    assert (drafted.target, drafted.rows) == ("hours", ROWS)
    lines = drafted.text.splitlines()
    marked = [lines[number + 1].strip() for number, line in enumerate(lines) if line.strip().startswith(MARK)]
    assert len(marked) == drafted.guesses
    assert marked == [
        'Number("orders", minimum=0, maximum=100),',
        'Category("product", ("a", "b")),',
        "# guess: numbers from 0 to 19.5 in the file; the bounds leave room",
        'target=Number("hours", minimum=0, maximum=100),',
        'prediction="predicted_hours",',
        "tree = DecisionTreeRegressor(random_state=seed)",
        'name="orders",',
        "grid={",
        'scoring="r2",',
        'thresholds=(Threshold("r2", error=0.1, warning=0.5),),',
        'split=SplitSpec(test_size=0.2, stratify_by="product", seed=42),',
        "NotAboveLargestLabel(1.25),",
        "NotBelow(0),",
        'rules=default_rules("r2"),',
    ]
    named = draft(file(table(orders=RAMP, product=repeated("b", "a"), hours=RAMP)), "hours", READER)
    assert named.text == drafted.text.replace("    # guess: the last column is what to predict\n", "")


def test_what_was_seen_is_told() -> None:
    columns = {"a": repeated(1, 2), "b": repeated(7), "c": repeated("x"), "d": repeated("x", "y"), "e": RAMP}
    text = draft(file(table(**columns)), None, READER).text
    found = [line.strip().removeprefix(MARK) for line in text.splitlines() if line.strip().startswith(MARK)][:5]
    assert found == [
        (
            "whole numbers from 1 to 2 in the file; the bounds leave room (are the 2 values codes? "
            "Then it is a Category)"
        ),
        "a number, always 7 in the file; leave it out unless that will change",
        "a category; its level is what is in the file",
        "a category; its 2 levels are what is in the file",
        "the last column is what to predict",
    ]


def test_a_draft_is_clean(tmp_path: Path) -> None:
    odd = {
        'quo"te': RAMP,
        "it's": RAMP,
        'both \'"" of them': repeated('a"', "it's", "'''\"", "\\n", "日" * 30, "end\n"),
        "a name so long that nothing would fit beside it " * 3: RAMP,
        "日本" * 20: repeated("x", "y"),
    }
    levels = [f"level {number % 20}" for number in range(ROWS)]
    for name, text in {
        "plain": table(a=RAMP, b=RAMP),
        "odd": table(**odd, answer=RAMP),
        "classes": table(a=levels, b=RAMP, answer=repeated("x", "y")),
        "negative": table(a=levels, answer=[-1 - number for number in RAMP]),
    }.items():
        (tmp_path / f"{name}.py").write_text(draft(file(text), None, READER).text)
    ruff = [sys.executable, "-m", "ruff"]
    for width in ("88", "115"):
        common = ("--isolated", "--no-cache", "--line-length", width, ".")
        for command in (
            ["check", "--select", "E4,E7,E9,F,I,W,UP,B,SIM,RET,TC", *common],
            ["format", "--diff", *common],
        ):
            done = subprocess.run([*ruff, *command], cwd=tmp_path, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout


@st.composite
def tables(draw: st.DrawFn) -> tuple[dict[str, list[Any]], str | None]:
    """Columns of numbers and of texts, and which is to be predicted; None for the last."""
    rows = draw(st.integers(30, 60))
    names = draw(st.lists(column_names(), min_size=2, max_size=4, unique=True))
    numbers = st.one_of(
        st.integers(-1000, 1000),
        st.floats(-1e6, 1e6, allow_nan=False, allow_infinity=False, allow_subnormal=False),
    )
    texts = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), min_size=1, max_size=4)

    def column() -> list[Any]:
        if draw(st.booleans()):
            return draw(st.lists(numbers, min_size=rows, max_size=rows))
        some = draw(st.lists(texts.filter(str.strip), min_size=2, max_size=5, unique=True))
        # Each as often as the other, for classes not to be too rare for the folds.
        return [f"t{some[position % len(some)]}" for position in range(rows)]

    columns = {name: column() for name in names}
    return columns, draw(st.sampled_from([None, *names]))


@settings(max_examples=max(settings().max_examples // 4, 5))
@given(tables())
def test_a_draft_passes_its_own_check(given_table: tuple[dict[str, list[Any]], str | None]) -> None:
    columns, target = given_table
    data = file(table(**columns))
    expected = target or list(columns)[-1]
    assume(len(set(columns[expected])) > 1)
    task = task_in(draft(data, target, READER))
    assert task.schema.target.name == expected
    assert list(task.schema.feature_names) == [name for name in columns if name != expected]
    for column in (*task.schema.features, task.schema.target):
        values = columns[column.name]
        assert all(column.admits(value) for value in values)
        if isinstance(column, Category):
            assert set(column.levels) == set(values)
    report = check_task(task, data, READER, [OnnxCodec()])
    assert (report.task_problems, report.data_problems, report.rows) == ([], [], len(columns[expected]))
    assert report.trial is not None
    assert report.trial.format == "onnx"
