"""A project whose own packages are called domain, adapters and entrypoints, as this one's folders are."""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commands import Done
from tests.support.quick_task import csv

ROOT = Path(__file__).parents[2]

PACKAGES = {
    "domain/__init__.py": "",
    "domain/checks.py": """
from dataclasses import dataclass

from weighbridge import Check, CheckResult, Dataset, FittedModel, Schema


@dataclass(frozen=True, slots=True)
class NotAboveAYear(Check):
    \"\"\"No dispatch takes a year.\"\"\"

    @property
    def name(self) -> str:
        return "not_above_a_year"

    def validate(self, schema: Schema) -> None:
        pass

    def run(self, model: FittedModel, dataset: Dataset) -> CheckResult:
        highest = float(max(model.predict(dataset.features)))
        return CheckResult(self.name, highest < 8760, f"at most {highest:.1f} hours")
""",
    "adapters/__init__.py": "",
    "adapters/models.py": """
from weighbridge import TIME_TO_DISPATCH


def pipeline(seed):
    return TIME_TO_DISPATCH.estimator.pipeline(seed)
""",
    "entrypoints/__init__.py": "",
    "entrypoints/levels.py": """
from weighbridge import Threshold

THRESHOLDS = (Threshold("r2", error=0.5, warning=0.7),)
""",
}

TASK = """
from dataclasses import replace

from adapters.models import pipeline
from domain.checks import NotAboveAYear
from entrypoints.levels import THRESHOLDS
from weighbridge import TIME_TO_DISPATCH

ESTIMATOR = replace(TIME_TO_DISPATCH.estimator, pipeline=pipeline, grid={"regressor__max_depth": [8]})
OWN = replace(
    TIME_TO_DISPATCH, name="own", estimator=ESTIMATOR, thresholds=THRESHOLDS, checks=(NotAboveAYear(),)
)
"""

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "somebody-elses-project"
version = "1.0"

[tool.hatch.build.targets.wheel]
packages = ["domain", "adapters", "entrypoints"]
"""


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def beside_the_task(folder: Path) -> tuple[str, dict[str, str]]:
    write(folder / "project", PACKAGES)
    return sys.executable, {}


def on_the_path(folder: Path) -> tuple[str, dict[str, str]]:
    write(folder / "packages", PACKAGES)
    return sys.executable, {"PYTHONPATH": os.pathsep.join([str(folder / "packages"), str(ROOT)])}


def pip(python: str, *arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--python", python, *arguments]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


def installed(folder: Path) -> tuple[str, dict[str, str]]:
    """In an environment that has what this one has, and the project."""
    write(folder / "source", PACKAGES | {"pyproject.toml": PROJECT})
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True, timeout=120)
    python = str(folder / "venv" / "bin" / "python")
    ours = sysconfig.get_path("purelib")
    theirs = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "venv")}))
    (theirs / "ours.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    source = str(folder / "source")
    pip(python, "install", "--no-index", "--no-deps", "--no-build-isolation", source)
    assert (theirs / "domain" / "checks.py").is_file()
    return python, {}


@pytest.mark.parametrize("place", [beside_the_task, on_the_path, installed])
def test_a_task_file_imports_from_packages_of_the_same_names(
    tmp_path: Path, place: Callable[[Path], tuple[str, dict[str, str]]]
) -> None:
    python, variables = place(tmp_path)
    write(tmp_path / "project", {"task.py": TASK})
    (tmp_path / "orders.csv").write_bytes(csv())
    bare = {name: text for name, text in os.environ.items() if not name.startswith("WEIGHBRIDGE_")}
    bare |= {"PYTHONPATH": str(ROOT), "WEIGHBRIDGE_NO_REPORT": "1", "WEIGHBRIDGE_STORE": str(tmp_path / "store")}

    def run(*arguments: str, cwd: Path = tmp_path) -> Done:
        # ``python -m weighbridge`` is the command; it puts the current folder first on the path of imports.
        done = subprocess.run(
            [python, "-m", "weighbridge", *arguments],
            cwd=cwd,
            env=bare | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    put = run("datasets", "put", "orders.csv", "--task", "project/task.py:OWN", "--json")
    assert put.code == 0, put.err
    assert put.document["rows"] == 400
    trained = run("train", "--task", str(tmp_path / "project" / "task.py:OWN"), "--workers", "2", "--json")
    assert trained.code == 0, trained.err
    record = trained.document
    assert (record["task"], record["outcome"]) == ("own", "released")
    assert [check["name"] for check in record["checks"]] == ["not_above_a_year"]
    row = '{"product_code": "SKU001", "orders_placed": 10}'
    predicted = run("predict", "--task", "task.py:OWN", "--row", row, cwd=tmp_path / "project")
    assert predicted.document["model_version"] == f"own/{record['version']}", predicted.err


def test_uninstalling_such_a_project_leaves_ours_whole(tmp_path: Path) -> None:
    python, _ = installed(tmp_path)
    pip(python, "uninstall", "--yes", "somebody-elses-project")
    done = subprocess.run(
        [python, "-m", "weighbridge", "--version"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.startswith("weighbridge ")
    assert (ROOT / "src" / "domain" / "__init__.py").is_file()
