"""Task references: three forms, and what each failure says."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from weighbridge.domain.errors import ConfigurationError, TaskError, WeighbridgeError
from weighbridge.domain.tasks.time_to_dispatch import TIME_TO_DISPATCH
from weighbridge.entrypoints.task_loading import load_task, task_name

SHORT = """
from dataclasses import replace
from weighbridge.domain.tasks.time_to_dispatch import TIME_TO_DISPATCH

SHORT = replace(TIME_TO_DISPATCH, name="short")
LONG = replace(TIME_TO_DISPATCH, name="long")
NUMBER = 5
NOTHING = None
with open(__file__ + ".runs", "a") as runs:
    runs.write(__name__ + "\\n")
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with a task file in it; what is imported from it is forgotten afterwards."""
    modules, path = set(sys.modules), list(sys.path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short_task.py").write_text(SHORT)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def runs(folder: Path, name: str = "short_task.py") -> list[str]:
    return (folder / f"{name}.runs").read_text().splitlines()


def failure(reference: str) -> WeighbridgeError:
    with pytest.raises(WeighbridgeError) as caught:
        load_task(reference)
    return caught.value


def test_a_shipped_task_by_its_name() -> None:
    assert load_task("time_to_dispatch") is TIME_TO_DISPATCH


def test_a_task_in_an_installed_module() -> None:
    assert load_task("weighbridge.domain.tasks.time_to_dispatch:TIME_TO_DISPATCH") is TIME_TO_DISPATCH


def test_a_task_in_a_module_of_the_current_folder(folder: Path) -> None:
    assert load_task("short_task:SHORT").name == "short"
    assert load_task("short_task:LONG").name == "long"
    assert runs(folder) == ["short_task"]
    (folder / "package").mkdir()
    (folder / "package" / "__init__.py").touch()
    (folder / "package" / "other.py").write_text(SHORT)
    assert load_task("package.other:SHORT").name == "short"


def test_a_module_of_the_current_folder_hides_none_that_is_installed(folder: Path) -> None:
    (folder / "json.py").write_text("raise SystemExit('the wrong one')")
    assert "no such attribute" in str(failure("json:TASK"))
    assert sys.path[-1] == str(folder)
    load_task("short_task:SHORT")
    assert sys.path.count(str(folder)) == 1


@pytest.mark.parametrize("absolute", [False, True])
def test_a_task_in_a_file(folder: Path, absolute: bool) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "my task.py").write_text(SHORT)
    where = folder / "sub" / "my task.py" if absolute else Path("sub/my task.py")
    before = list(sys.path)
    assert load_task(f"{where}:SHORT").name == "short"
    assert runs(folder / "sub", "my task.py") == ["weighbridge_task_my task"]
    assert sys.path == [*before, str(folder / "sub")]


def test_a_file_is_run_once(folder: Path) -> None:
    first = load_task("short_task.py:SHORT")
    assert load_task(f"{folder}/short_task.py:SHORT") is first
    assert load_task("./short_task.py:LONG").name == "long"
    assert runs(folder) == ["weighbridge_task_short_task"]


def test_files_of_one_name_in_two_folders_are_two(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "short_task.py").write_text(SHORT.replace('"short"', '"other"'))
    assert load_task("short_task.py:SHORT").name == "short"
    assert load_task("sub/short_task.py:SHORT").name == "other"
    assert load_task("short_task.py:SHORT").name == "short"


def test_what_a_file_defines_can_be_looked_up_while_it_runs(folder: Path) -> None:
    (folder / "dataclassy.py").write_text(
        "from __future__ import annotations\nimport dataclasses\n"
        "@dataclasses.dataclass\nclass Setting:\n    value: dataclasses.InitVar[int]\n" + SHORT
    )
    assert load_task("dataclassy.py:SHORT").name == "short"


@pytest.mark.parametrize(
    "reference", ["", "time_to_dispatsch", "short_task", ":", ":SHORT", "short_task:", "a:b c"]
)
def test_a_reference_of_no_known_form(reference: str) -> None:
    error = failure(reference)
    assert type(error) is ConfigurationError
    assert str(error) == (
        f"there is no task '{reference}'; give the name of a shipped one (time_to_dispatch), "
        "package.module:ATTRIBUTE, or path/to/file.py:ATTRIBUTE"
    )


@pytest.mark.parametrize(
    "name", ["nowhere", "nowhere.at.all", "weighbridge.nowhere", "weighbridge.domain.errors.deeper", "a/b"]
)
def test_a_module_that_is_not_there(name: str) -> None:
    error = failure(f"{name}:TASK")
    assert type(error) is ConfigurationError
    assert str(error) == f"there is no module '{name}' to load a task from"


def test_a_file_that_is_not_there(folder: Path) -> None:
    (folder / "folder.py").mkdir()
    for name in ("nowhere.py", "folder.py"):
        error = failure(f"{name}:TASK")
        assert type(error) is ConfigurationError
        assert str(error) == f"there is no file '{name}' to load a task from"


@pytest.mark.parametrize(
    ("attribute", "found"),
    [
        ("MISSING", "there is no such attribute"),
        ("NUMBER", "it is a int, not a TaskDefinition"),
        ("NOTHING", "there is no such attribute"),
    ],
)
@pytest.mark.parametrize("where", ["short_task", "short_task.py"])
def test_an_attribute_that_is_no_task(where: str, attribute: str, found: str) -> None:
    error = failure(f"{where}:{attribute}")
    assert type(error) is TaskError
    tasks = "TIME_TO_DISPATCH, SHORT, LONG"
    assert str(error) == f"task '{where}:{attribute}': {found}; the tasks in {where} are: {tasks}"


def test_a_module_without_any_task() -> None:
    assert str(failure("json:TASK")).endswith("the tasks in json are: none")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("1 +", "SyntaxError: invalid syntax"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
        ("import nowhere_at_all", "No module named 'nowhere_at_all'"),
        ("\0", "null bytes"),
    ],
    ids=["syntax", "zero", "lines", "import", "null"],
)
def test_code_that_cannot_be_run(folder: Path, source: str, says: str) -> None:
    (folder / "broken.py").write_text(source)
    for reference, begins in (
        ("broken:TASK", "the task module 'broken' cannot be imported: "),
        ("broken.py:TASK", "the task file 'broken.py' cannot be run: "),
    ):
        error = failure(reference)
        assert type(error) is TaskError
        assert str(error).startswith(begins)
        assert says in str(error)
        assert "\n" not in str(error)
        assert error.__cause__ is not None
    # Mended, it is loaded: nothing is left of the failed run.
    (folder / "broken.py").write_text(SHORT)
    assert load_task("broken.py:SHORT").name == "short"


@pytest.mark.parametrize("reference", ["wrong:TASK", "wrong.py:TASK"])
def test_a_task_that_contradicts_itself_says_what_is_wrong_with_it(folder: Path, reference: str) -> None:
    (folder / "wrong.py").write_text(SHORT.replace('"short"', '"Not Snake"'))
    error = failure(reference)
    assert type(error) is TaskError
    assert str(error) == "name: 'Not Snake' is not snake_case, such as time_to_dispatch"


def test_a_bare_name_is_taken_at_its_word() -> None:
    assert task_name("time_to_dispatch") == "time_to_dispatch"
    assert task_name("served_elsewhere") == "served_elsewhere"
    assert task_name("short_task.py:SHORT") == "short"
    with pytest.raises(ConfigurationError, match="there is no task 'Not Snake'"):
        task_name("Not Snake")


def test_a_file_imports_from_its_own_folder_but_libraries_first(folder: Path) -> None:
    there = folder / "there"
    there.mkdir()
    (there / "beside_it.py").write_text("NAME = 'beside'")
    # Named like a library.
    (there / "colorsys.py").write_text("raise ImportError('not this one')")
    (there / "own.py").write_text(
        "from colorsys import rgb_to_hsv\nfrom beside_it import NAME\nfrom dataclasses import replace\n"
        "from weighbridge import TIME_TO_DISPATCH\nTASK = replace(TIME_TO_DISPATCH, name=NAME)"
    )
    assert load_task("there/own.py:TASK").name == "beside"
