"""The commands around a task file: what they print and write, and what they refuse."""

import json
import os
import re
import shlex
import sys
from pathlib import Path

import pytest

from tests.support.commands import Command, Done, run_process
from weighbridge.domain.tasks.time_to_dispatch import simulate

COMMAND = Path(sys.executable).with_name("weighbridge")

ORDERS = simulate(200, 0)


@pytest.fixture(autouse=True)
def orders(command: Command) -> None:
    """Every command finds ``orders.csv`` in its folder."""
    ORDERS.to_csv("orders.csv", index=False)


def process(folder: Path, *arguments: str) -> Done:
    """Runs the installed command."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("WEIGHBRIDGE_", "AWS_"))}
    return run_process(*arguments, cwd=folder, env=ours)


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.*") if "__pycache__" not in path.parts}


def test_a_draft_is_written_once(command: Command, tmp_path: Path) -> None:
    done = command("task", "new", "orders.csv", "--target", "hours_to_dispatch")
    assert (done.code, done.err) == (0, "")
    text = (tmp_path / "task.py").read_text()
    assert done.out.splitlines() == [
        "drafted a task that predicts 'hours_to_dispatch' from 200 rows",
        f"now read 'task.py': {text.count('# guess: ')} guesses are marked '# guess:'; then",
        "  weighbridge task check --task task.py:TASK --dataset orders.csv",
    ]
    again = command("task", "new", "orders.csv")
    assert (again.code, again.out) == (2, "")
    assert again.error_lines == ["'task.py' exists and is not overwritten; choose another file with --output"]
    assert (tmp_path / "task.py").read_text() == text
    assert files(tmp_path) == {"orders.csv", "task.py"}


def test_names_are_quoted_where_a_shell_needs_it(command: Command, tmp_path: Path) -> None:
    (tmp_path / "orders.csv").rename(tmp_path / "it's new.csv")
    done = command("task", "new", "it's new.csv", "--output", "new task.py")
    line = done.out.splitlines()[-1]
    assert shlex.split(line)[1:] == [
        *["task", "check", "--task", "new task.py:TASK", "--dataset", "it's new.csv"],
    ]
    assert command(*shlex.split(line)[1:]).code == 0


def test_options_come_from_the_environment(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEIGHBRIDGE_TARGET", "orders_placed")
    monkeypatch.setenv("WEIGHBRIDGE_OUTPUT", "orders_task.py")
    assert command("task", "new", "orders.csv").code == 0
    assert 'target=Number("orders_placed"' in (tmp_path / "orders_task.py").read_text()
    monkeypatch.setenv("WEIGHBRIDGE_TASK", "orders_task.py:TASK")
    monkeypatch.setenv("WEIGHBRIDGE_DATASET", "orders.csv")
    monkeypatch.setenv("WEIGHBRIDGE_JSON", "true")
    done = command("task", "check")
    assert (done.code, json.loads(done.out)["task"], json.loads(done.out)["ok"]) == (0, "orders", True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["orders.parquet"], "'orders.parquet' is not a .csv file"),
        (["nothing.csv"], "'nothing.csv' cannot be read: No such file or directory"),
        (
            ["orders.csv", "--target", "hours"],
            (
                "--target is 'hours'; the columns of 'orders.csv' are hours_to_dispatch, orders_placed, "
                "product_code"
            ),
        ),
        (["orders.csv", "--output", "task.txt"], "--output is 'task.txt'; a task file ends in .py"),
        (
            ["orders.csv", "--output", "no/task.py"],
            "'no/task.py' cannot be written: No such file or directory",
        ),
    ],
)
def test_what_no_draft_can_be_made_with(
    command: Command, tmp_path: Path, arguments: list[str], message: str
) -> None:
    done = command("task", "new", *arguments)
    assert (done.code, done.out, done.error_lines) == (2, "", [message])
    assert files(tmp_path) == {"orders.csv"}


def test_a_file_that_no_task_could_admit(command: Command, tmp_path: Path) -> None:
    lines = (tmp_path / "orders.csv").read_text().splitlines()
    lines[3] = ",5,SKU001"
    lines[7] = "2,many,SKU001"
    (tmp_path / "orders.csv").write_text("\n".join(lines))
    done = command("task", "new", "orders.csv", "--target", "hours_to_dispatch")
    assert (done.code, done.out) == (4, "")
    assert done.error_lines == [
        "orders.csv: 2 problems",
        "  column 'orders_placed', row 7: expected a number from 0 to 1000 (found 'many')",
        "  column 'hours_to_dispatch', row 3: expected a number from 0 to 100, found nothing",
        "Nothing was written. Fix the file and run this again.",
    ]
    assert files(tmp_path) == {"orders.csv"}


def test_a_draft_can_be_trained_as_it_is(command: Command, tmp_path: Path) -> None:
    simulate(300, 1).to_csv(tmp_path / "shipped.csv", index=False)
    task = ["--task", "shipped.py:TASK"]
    drafted = process(
        tmp_path, "task", "new", "shipped.csv", "--target", "hours_to_dispatch", "--output", "shipped.py"
    )
    assert (drafted.code, drafted.err) == (0, "")
    assert command("task", "check", *task, "--dataset", "shipped.csv").code == 0
    assert command("datasets", "put", "shipped.csv", *task).code == 0
    trained = command("train", *task, "--json")
    assert trained.code == 0, trained.err
    record = json.loads(trained.out)
    assert (record["outcome"], record["decision"]) == (
        "released",
        {"verdict": "release", "summary": "Released", "reasons": []},
    )
    assert record["task"] == "shipped"


def test_a_draft_of_codes_can_be_trained_as_it_is(command: Command, tmp_path: Path) -> None:
    late = (ORDERS["hours_to_dispatch"] > 10).astype(int)
    ORDERS.drop(columns="hours_to_dispatch").assign(late=late).to_csv(tmp_path / "orders.csv", index=False)
    assert command("task", "new", "orders.csv", "--output", "late.py").code == 0
    assert 'Category("late", ("0", "1"))' in (tmp_path / "late.py").read_text()
    assert command("task", "check", "--task", "late.py:TASK", "--dataset", "orders.csv").code == 0
    assert command("datasets", "put", "orders.csv", "--task", "late.py:TASK").code == 0
    done = command("train", "--task", "late.py:TASK", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["schema"]["target"] == {"name": "late", "type": "category", "levels": ["0", "1"]}


def test_a_definition_is_checked_without_data(command: Command, tmp_path: Path) -> None:
    done = command("task", "check")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "ABOUT     FOUND",
        "task      time_to_dispatch: 'hours_to_dispatch', expected a finite number",
        "features  2: orders_placed, product_code",
        "search    1,620 candidates, 5 folds, by r2",
        "problems  none; --dataset FILE tries it on data",
    ]
    assert files(tmp_path) == {"orders.csv"}


def test_a_dataset_is_tried(command: Command, tmp_path: Path) -> None:
    done = command("task", "check", "--dataset", "orders.csv")
    assert (done.code, done.err) == (0, "")
    numbers = re.sub(r"\d[\d.,]*", "#", done.out).splitlines()
    assert done.out.splitlines()[4:6] == [
        "dataset   orders.csv: 200 rows, all valid",
        "split     160 rows to train on, 40 to test on",
    ]
    assert [line.split()[0] for line in numbers] == [
        *["ABOUT", "task", "features", "search", "dataset", "split", "trial", "metric", "metric", "metric"],
        *["check", "check", "check", "rules", "verdict", "error", "error", "format", "problems"],
    ]
    assert (
        "trial     one training, of the first candidate: regressor__criterion='squared_error', "
        "regressor__max_depth=#regressor__min_samples_split=#regressor__min_samples_leaf=#"
    ) in [line.replace("# ", "#") for line in numbers]
    assert "metric    r# #" in numbers
    assert "verdict   Refused: # errors, if the search found nothing better" in numbers
    assert numbers[-2:] == ["format    onnx", "problems  none"]
    assert files(tmp_path) == {"orders.csv"}


def test_a_parquet_file_is_tried_too(command: Command, tmp_path: Path) -> None:
    ORDERS.to_parquet(tmp_path / "orders.parquet")
    done = command("task", "check", "--dataset", "orders.parquet", "--json")
    document = json.loads(done.out)
    assert (done.code, done.err, document["ok"]) == (0, "", True)
    assert document["dataset"] == {"name": "orders.parquet", "rows": 200}
    assert document["split"] == {"train_rows": 160, "test_rows": 40}
    assert sorted(document["trial"]) == [
        *["checks", "decision", "findings", "format", "metrics", "notes", "params"]
    ]
    assert [document["task_problems"], document["data_problems"]] == [[], []]


WRONG = """
from dataclasses import replace
from weighbridge.domain.tasks.time_to_dispatch import TIME_TO_DISPATCH as BASE

TASK = replace(BASE, estimator=replace(BASE.estimator, scoring="roc_auc", grid={"regressor__depth": [1]}))
"""


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_all_that_is_wrong_with_task_and_data(command: Command, tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "wrong.py").write_text(WRONG)
    text = (tmp_path / "orders.csv").read_text()
    (tmp_path / "orders.csv").write_text(text.replace("SKU001", "SKU009"))
    count = text.count("SKU001")
    task = ["--task", "wrong.py:TASK"]

    done = command("task", "check", *task, "--dataset", "orders.csv", *options)
    assert (done.code, done.error_lines) == (2, ["2 problems in the task: fix its definition"])
    if options:
        document = json.loads(done.out)
        problems = document["task_problems"]
        assert document["ok"] is False
        assert len(document["data_problems"]) == count
    else:
        lines = done.out.splitlines()
        problems = [line.removeprefix("problem   ") for line in lines if line.startswith("problem ")][:2]
        assert len([line for line in lines if "SKU009" in line]) == count
    grid, scoring = problems
    assert grid.startswith("estimator: grid['regressor__depth'] is no parameter of the pipeline; allowed is regr")
    assert scoring.startswith("estimator: scoring 'roc_auc' does not score a number, which 'hours_to_dispatch' is")

    done = command("task", "check", *task, *options)
    assert (done.code, done.error_lines) == (2, ["2 problems in the task: fix its definition"])
    done = command("task", "check", "--dataset", "orders.csv", *options)
    assert (done.code, done.error_lines) == (
        4,
        [f"{count} problems in the data: fix the data, or the task's schema"],
    )


def test_one_problem_is_one(command: Command, tmp_path: Path) -> None:
    lines = (tmp_path / "orders.csv").read_text().splitlines()
    lines[2] = "1,-5,SKU001"
    (tmp_path / "orders.csv").write_text("\n".join(lines))
    done = command("task", "check", "--dataset", "orders.csv")
    assert (done.code, done.error_lines) == (4, ["1 problem in the data: fix the data, or the task's schema"])
    assert done.out.splitlines()[-1] == (
        "problem   column 'orders_placed', row 2: expected a number not below 0 (found -5.0)"
    )


@pytest.mark.parametrize(("rows", "shown", "last"), [(100, 100, None), (101, 101, "... and 1 more")])
def test_of_many_problems_the_first_are_shown(
    command: Command, tmp_path: Path, rows: int, shown: int, last: str | None
) -> None:
    ORDERS.head(rows).assign(product_code="X").to_csv(tmp_path / "orders.csv", index=False)
    done = command("task", "check", "--dataset", "orders.csv")
    assert done.error_lines == [f"{rows} problems in the data: fix the data, or the task's schema"]
    problems = [line.removeprefix("problem   ") for line in done.out.splitlines() if line.startswith("problem")]
    assert len(problems) == shown
    assert (problems[-1] == last) is (last is not None)
    document = json.loads(command("task", "check", "--dataset", "orders.csv", "--json").out)
    assert len(document["data_problems"]) == rows


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (
            ["--task", "nothing.py:TASK"],
            2,
            ["there is no file 'nothing.py' to load a task from"],
        ),
        (["--dataset", "orders.txt"], 2, ["'orders.txt' is not a .csv, .csv.gz, .csv.zst or .parquet file"]),
        (["--dataset", "nothing.csv"], 2, ["'nothing.csv' cannot be read: No such file or directory"]),
    ],
)
def test_what_cannot_be_checked(command: Command, arguments: list[str], code: int, error: list[str]) -> None:
    assert command("task", "check", *arguments)[:2] == (code, "")
    assert command("task", "check", *arguments).error_lines == error


def test_a_task_that_cannot_be_loaded_says_what_to_fix(command: Command, tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(WRONG.replace("estimator=", "name='Hours', estimator="))
    done = command("task", "check", "--task", "wrong.py:TASK")
    assert (done.code, done.out) == (2, "")
    assert done.error_lines == [
        "name: 'Hours' is not snake_case, such as time_to_dispatch",
        "Nothing was written. Fix the task's definition.",
    ]
