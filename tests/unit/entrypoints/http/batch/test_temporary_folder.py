"""A temporary folder that cannot be used is told at the start, in one line."""

from pathlib import Path

import pytest

from weighbridge.entrypoints.http.batch.temporary_folder import temporary_folder_problem


def test_a_folder_that_can_be_written_to_is_no_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert temporary_folder_problem() is None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_to_is_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    monkeypatch.setattr("tempfile.tempdir", missing)
    assert temporary_folder_problem() == f"{missing}: No such file or directory"
