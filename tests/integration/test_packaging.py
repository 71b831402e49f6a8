"""The wheel holds one package, the command and the licence; and it runs from where it is unpacked."""

import configparser
import os
import re
import subprocess
import sys
import tomllib
from email.parser import BytesParser
from importlib.metadata import entry_points, version
from pathlib import Path
from zipfile import ZipFile

import pytest
from hatchling.build import build_editable

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
INFO = f"weighbridge-{PROJECT['version']}.dist-info"

WHERE = """
import weighbridge.entrypoints.cli.main
print(weighbridge.__path__[0])
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    """The wheel, built without a network."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (built,) = out.iterdir()
    assert built.name == f"weighbridge-{PROJECT['version']}-py3-none-any.whl"
    return ZipFile(built)


def python(code: str, folder: Path, **environment: str) -> str:
    """What a fresh interpreter, started in ``folder``, prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**{name: value for name, value in os.environ.items() if name != "PYTHONPATH"}, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


def test_the_wheel_holds_one_package_and_nothing_else(wheel: ZipFile) -> None:
    held = {name for name in wheel.namelist() if not name.startswith(f"{INFO}/")}
    source = {
        f"weighbridge/{path.relative_to(ROOT / 'src').as_posix()}"
        for path in (ROOT / "src").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == source
    assert {name.partition("/")[0] for name in held} == {"weighbridge"}
    assert {path.name for path in (ROOT / "src").iterdir() if path.is_dir() and path.name != "__pycache__"} == {
        "adapters",
        "domain",
        "entrypoints",
    }


def test_the_wheel_says_what_it_is(wheel: ZipFile) -> None:
    about = {name.removeprefix(f"{INFO}/") for name in wheel.namelist() if name.startswith(f"{INFO}/")}
    assert about == {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
    assert wheel.read(f"{INFO}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    commands = configparser.ConfigParser()
    commands.read_string(wheel.read(f"{INFO}/entry_points.txt").decode())
    assert {name: dict(commands[name]) for name in commands.sections()} == {
        "console_scripts": {"weighbridge": "weighbridge.__main__:main"}
    }
    told = BytesParser().parsebytes(wheel.read(f"{INFO}/METADATA"))
    assert (told["Name"], told["Version"]) == ("weighbridge", PROJECT["version"])
    assert told["License-Expression"] == "Apache-2.0"
    assert told["Requires-Python"] == ">=3.11"
    needed = {re.split(r"[^\w-]", one)[0] for one in told.get_all("Requires-Dist", []) if "extra ==" not in one}
    assert needed == {re.split(r"[^\w-]", one)[0] for one in PROJECT["dependencies"]}


def test_the_unpacked_wheel_is_whole(wheel: ZipFile, tmp_path: Path) -> None:
    unpacked = tmp_path / "unpacked"
    wheel.extractall(unpacked)
    # What PYTHONPATH names goes before the installed packages.
    place = python(WHERE, tmp_path, PYTHONPATH=str(unpacked)).strip()
    assert Path(place) == unpacked / "weighbridge"
    help_text = python(
        "import sys; sys.argv = ['weighbridge', 'train', '--help']; from weighbridge.__main__ import main; main()",
        tmp_path,
        PYTHONPATH=str(unpacked),
    )
    assert "Usage: weighbridge train" in help_text


def test_the_installed_package_is_the_one_that_the_command_runs(tmp_path: Path) -> None:
    assert Path(python(WHERE, tmp_path).strip()).name == "weighbridge"
    (command,) = entry_points(group="console_scripts", name="weighbridge")
    assert command.value == "weighbridge.__main__:main"


def test_versions_agree() -> None:
    assert version("weighbridge") == PROJECT["version"]
    headings = re.findall(
        r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    released = [name for name, date in headings if date]
    assert [name for name, date in headings if not date] in ([], ["Unreleased"])
    assert released[:1] in ([], [PROJECT["version"]])


def test_an_editable_install_is_one_path_and_copies_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy would be found before the path, and hide every change of the checkout."""
    monkeypatch.chdir(ROOT)
    with ZipFile(tmp_path / build_editable(str(tmp_path))) as built:
        files = [name for name in built.namelist() if ".dist-info/" not in name]
        assert [Path(name).suffix for name in files] == [".pth"]
        assert built.read(files[0]).decode().split() == [str(ROOT)]
