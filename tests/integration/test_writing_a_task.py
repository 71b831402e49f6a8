"""The page about writing a task: its files and commands are run in order, in an empty folder."""

import json
import logging
import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from weighbridge.entrypoints.cli.main import main

PAGE = Path(__file__).parents[2] / "docs" / "writing-a-task.md"
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: What differs from run to run, and from one version of scikit-learn to the next.
CHANGING = re.compile(r"\d[\d.,]*")


class Block(NamedTuple):
    """A fenced block: its language, what stands behind that, and its text."""

    language: str
    name: str
    text: str


def section(title: str) -> str:
    """The page from the heading that begins with ``title`` to the next of its level."""
    (found,) = [part for part in re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE) if part.startswith(title)]
    return found


def blocks(text: str) -> list[Block]:
    return [Block(*found) for found in BLOCK.findall(text)]


class Folder(NamedTuple):
    """Where a page is followed: the current folder."""

    path: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def run(self, line: str) -> tuple[object, str, str]:
        """Run a command in this process, which saves seconds of imports; gives its exit code, stdout, stderr."""
        program, *arguments = shlex.split(line)
        if program == "python":
            runpy.run_path(arguments[0], run_name="__main__")
            return 0, *self.capsys.readouterr()
        assert program == "weighbridge"
        self.monkeypatch.setattr(sys, "argv", [program, *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, *self.capsys.readouterr()


@pytest.fixture
def folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Folder]:
    """An empty folder; the environment of whoever runs the tests does not count."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("WEIGHBRIDGE_", "AWS_"))]:
        monkeypatch.delenv(name)
    root, ours = logging.getLogger(), logging.getLogger("weighbridge")
    before = root.handlers[:], root.level, ours.level
    yield Folder(tmp_path, monkeypatch, capsys)
    root.handlers[:], root.level, ours.level = before


def commands(script: str) -> Iterator[str]:
    """The commands of a shell block: lines, except for those that an open quotation or a backslash goes on in."""
    command = ""
    for line in script.splitlines():
        command += f"{line}\n"
        try:
            words = shlex.split(command)
        except ValueError:
            continue
        if words and not line.endswith("\\"):
            yield command
            command = ""
    assert not command


@contextmanager
def served(command: str) -> Iterator[str]:
    """Run a block that serves, on a free port in place of the one that it names; gives the address."""
    assert command.rstrip().endswith("--port 8000")
    arguments = [*shlex.split(command)[:-1], "0"]
    server = subprocess.Popen(
        [str(Path(sys.executable).with_name(arguments[0])), *arguments[1:]],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stderr is not None
        log = []
        for line in server.stderr:
            log.append(line)
            if found := re.search(r"listening on (http://127\.0\.0\.1:\d+)", line):
                yield found[1]
                return
        pytest.fail("".join(log))
    finally:
        server.terminate()
        server.communicate(timeout=120)


def ask(command: str, address: str) -> httpx.Response:
    """Send the request of a block that calls curl."""
    words = shlex.split(command.replace("\\\n", " "))
    assert words[0] == "curl"
    name, _, value = words[words.index("--header") + 1].partition(": ")
    (url,) = [word for word in words if word.startswith("http")]
    return httpx.post(
        url.replace("http://127.0.0.1:8000", address),
        headers={name: value},
        content=words[words.index("--data") + 1],
        trust_env=False,
    )


def follow(title: str, folder: Folder) -> tuple[list[str], dict[str, object]]:
    """Do what a section says, in order; returns what its commands printed, and the answer of its service.

    What the page shows of their output is compared, except for numbers; so is the shape of the answer.
    """
    printed: list[str] = []
    answer: dict[str, object] = {}
    command = ""
    for block in blocks(section(title)):
        match block:
            case ("python", name, text):
                (folder.path / name).write_text(text)
            case ("sh", "serve", text):
                command = text
            case ("sh", _, text) if text.startswith("curl"):
                with served(command) as address:
                    response = ask(text, address)
                assert response.status_code == 200, response.text
                answer = response.json()
            case ("sh", _, text):
                for line in commands(text):
                    code, out, err = folder.run(line)
                    assert code == 0, err
                    printed.append(out)
            case ("text", _, text):
                lines = [CHANGING.sub("#", line) for line in printed[-1].splitlines()]
                assert [line for line in text.splitlines() if CHANGING.sub("#", line) not in lines] == []
            case ("json", _, text):
                assert shape(answer) == shape(json.loads(text))
            case _:
                pytest.fail(f"there is no telling what to do with {block}")
    return printed, answer


def shape(value: object) -> object:
    """A document with its texts, and the type of everything else."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    if isinstance(value, str):
        return re.sub(r"\d{4}-\d\d-\d\dT.*", "version", value)
    return type(value).__name__


def released(folder: Folder, task: str) -> dict[str, object]:
    """The only release of a task."""
    code, out, err = folder.run(f"weighbridge models list --task {task} --json")
    assert code == 0, err
    (release,) = json.loads(out)
    assert release["live"]
    return dict(release)


def test_a_number_from_a_csv_file_to_a_served_model(folder: Folder) -> None:
    printed, answer = follow("A number", folder)
    _, drafted, checked, _, _, trained, predicted = printed
    assert "drafted a task that predicts 'progression' from 442 rows" in drafted
    assert checked.splitlines()[-1] == "problems  none"
    release = released(folder, "diabetes")
    assert release["decision"] == {"verdict": "release", "summary": "Released", "reasons": []}
    assert f"live      {release['version']}" in trained.splitlines()
    # The last command asks for what the service is asked for too.
    assert json.loads(predicted) == answer
    assert answer["model_version"] == f"diabetes/{release['version']}"


def test_a_category_from_a_csv_file_to_a_served_model(folder: Folder) -> None:
    _, answer = follow("A category", folder)
    release = released(folder, "breast_cancer")
    assert release["decision"] == {"verdict": "release", "summary": "Released", "reasons": []}
    probabilities = answer["probabilities"]
    assert isinstance(probabilities, dict)
    assert sum(probabilities.values()) == pytest.approx(1)
    assert (
        max(probabilities, key=lambda label: probabilities[label]) == answer["predicted_diagnosis"] == "malignant"
    )


def test_the_errors_that_the_page_shows_are_those_that_are_told(folder: Folder) -> None:
    files = {name: text for language, name, text in blocks(section("A number")) if language == "python"}
    in_the_grid, in_the_data = (text.strip() for language, _, text in blocks(section("The parts")))
    task = files["diabetes_task.py"]
    (folder.path / "make_diabetes.py").write_text(files["make_diabetes.py"])
    (folder.path / "task.py").write_text(task)
    (folder.path / "typo.py").write_text(task.replace("regressor__alpha", "regresor__alpha"))
    folder.run("python make_diabetes.py")
    lines = (folder.path / "diabetes.csv").read_text().splitlines()
    lines[3] = re.sub(r"^[^,]*", "199.0", lines[3])
    (folder.path / "old.csv").write_text("\n".join(lines))

    code, out, err = folder.run("weighbridge task check --task typo.py:DIABETES --dataset diabetes.csv")
    assert (code, err.count("\n")) == (2, 1)
    assert f"problem   {in_the_grid}" in out.splitlines()
    code, out, err = folder.run("weighbridge task check --task task.py:DIABETES --dataset old.csv")
    assert (code, err.count("\n")) == (4, 1)
    assert f"problem   {in_the_data}" in out.splitlines()


def test_the_tasks_of_the_page_are_clean(tmp_path: Path) -> None:
    for language, name, text in blocks(PAGE.read_text()):
        if language == "python":
            (tmp_path / name).write_text(text)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "ruff",
            "check",
            "--isolated",
            "--line-length",
            "115",
            "--select",
            "E,F,I,W",
            tmp_path,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
