"""Tables: one line a row for a pipe, and as narrow as the terminal is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.entrypoints.cli.tables import fitted, print_table

COLUMNS = ("NAME", "VALUE")
ROWS = [("sha256", "0123456789abcdef" * 4), ("key", "one two three four five")]


def lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int | None, wide: bool = False
) -> list[str]:
    """What is printed on a terminal of so many columns, or to a pipe."""
    with monkeypatch.context() as patched:
        patched.setattr("sys.stdout.isatty", lambda: columns is not None)
        patched.setenv("COLUMNS", str(columns or 80))
        print_table(COLUMNS, ROWS, wide)
    return capsys.readouterr().out.splitlines()


def test_a_row_is_a_line_for_a_pipe_and_when_it_is_to_be_wide(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = ["NAME    VALUE", f"sha256  {ROWS[0][1]}", "key     one two three four five"]
    assert lines(capsys, monkeypatch, None) == expected
    assert lines(capsys, monkeypatch, 20, wide=True) == expected
    assert lines(capsys, monkeypatch, 80) == expected


def test_cells_go_on_below_on_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lines(capsys, monkeypatch, 24) == [
        "NAME    VALUE",
        *["sha256  0123456789abcdef", "        0123456789abcdef"],
        *["        0123456789abcdef", "        0123456789abcdef"],
        *["key     one two three", "        four five"],
    ]


@given(st.lists(st.integers(1, 200), min_size=1, max_size=6), st.integers(20, 300))
def test_columns_fit_where_they_can(widths: list[int], available: int) -> None:
    fit = fitted(widths, available)
    assert all(one <= need for one, need in zip(fit, widths, strict=True))
    assert all(one >= min(need, 8) for one, need in zip(fit, widths, strict=True))
    used = sum(fit) + 2 * (len(fit) - 1)
    assert used <= available or max(fit) <= 8
    # Nothing is cut that need not be.
    assert fit == widths or used >= available
