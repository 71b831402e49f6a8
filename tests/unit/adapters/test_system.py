"""The machine's own clock and identity."""

import importlib.util
import os
import platform
import re
import shutil
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pytest

import weighbridge.adapters.system
from weighbridge.adapters.system import SystemClock, SystemRevision


def test_the_clock_tells_the_present_in_utc() -> None:
    clock = SystemClock()
    before, now, after = datetime.now(UTC), clock.now(), datetime.now(UTC)
    assert before <= now <= after
    assert now.tzinfo is UTC


def test_the_count_of_seconds_never_goes_back() -> None:
    clock = SystemClock()
    seconds = [clock.seconds() for _ in range(100)]
    assert seconds == sorted(seconds)


def test_a_revision_that_was_told_is_taken_at_its_word() -> None:
    assert SystemRevision("release-7").revision() == "release-7"


@pytest.mark.parametrize("told", [None, ""])
def test_without_git_the_revision_is_unknown(
    told: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert SystemRevision(told).revision() == "unknown"


def test_a_checkout_knows_its_revision() -> None:
    found = SystemRevision().revision()
    assert found == "unknown" or re.fullmatch("[0-9a-f]{40}", found)


def test_a_repository_that_happens_to_be_around_is_not_the_codes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment often lies within somebody's own repository, untracked: its revision is not ours."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)

    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init")
    git("commit", "--allow-empty", "--message", "somebody's own")
    inside = tmp_path / "system.py"
    shutil.copy(weighbridge.adapters.system.__file__, inside)
    spec = importlib.util.spec_from_file_location("copied_system", inside)
    assert spec is not None
    assert spec.loader is not None
    copied = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copied)
    assert copied.SystemRevision().revision() == "unknown"
    git("add", "system.py")
    git("commit", "--message", "now it is the code's")
    assert copied.SystemRevision().revision() == git("rev-parse", "HEAD")


def test_the_libraries_are_those_installed() -> None:
    libraries = SystemRevision().libraries()
    assert libraries.pop("python") == platform.python_version()
    assert set(libraries) == {
        *(
            "joblib",
            "lightgbm",
            "numpy",
            "onnx",
            "onnxruntime",
            "pandas",
            "scikit-learn",
            "scipy",
            "skl2onnx",
            "skops",
        )
    }
    assert libraries == {name: version(name) for name in libraries}
