"""What a report is made of: sections of text, tables and figures, down to the last number and word.

All of it is plain data of finite numbers, so that it can be written, sent to another process and drawn there.
This module and ``figures`` import nothing but the standard library.
"""

from __future__ import annotations

from dataclasses import dataclass

from weighbridge.domain.report.figures import Figure


@dataclass(frozen=True, slots=True)
class Table:
    """Cells of text under headings; the first cell of a row is the row's own heading."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class CheckSeen:
    """What one check found, and its figures."""

    name: str
    passed: bool
    detail: str
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report.

    Args:
        key: its name in addresses, a word.
        title: its heading.
        lead: what there is to say before anything is looked at.
        figures: in their order.
        tables: below the figures.
        checks: each with its own figures.
        command: a command to copy; empty for none.
    """

    key: str
    title: str
    lead: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    checks: tuple[CheckSeen, ...] = ()
    command: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All that a report shows.

    Args:
        task: its name.
        version: of the model.
        created: when it was made, in words.
        verdict: ``release``, ``release_with_warning`` or ``reject``.
        headline: the verdict in one line.
        reasons: severity and text of every one, errors first.
        sections: the answer first.
    """

    task: str
    version: str
    created: str
    verdict: str
    headline: str
    reasons: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
