"""Why a candidate was refused or released with a warning: one reason with its severity and its source."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """What a reason does to the verdict: an error refuses, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


class Source(StrEnum):
    """What a reason comes from."""

    THRESHOLD = "threshold"
    CHECK = "check"
    COMPARISON = "comparison"
    RULE = "rule"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason of a decision.

    Args:
        severity: an error refuses.
        source: what found it.
        name: of the metric, the check, the comparison or the rule; what ``train --accept`` takes.
        text: what was found, in words.
        accepted: why it was accepted for this training, in the words of whoever did; empty when it was not. An
            accepted error is a warning.
    """

    severity: Severity
    source: Source
    name: str
    text: str
    accepted: str = ""

    @property
    def next_step(self) -> str:
        """What to do about it; empty for a reason that was accepted."""
        if self.accepted:
            return ""
        match self.source:
            case Source.RULE:
                return (
                    "fix the source data and upload it again; for a wanted change, train with "
                    f'--accept "{self.name}" --reason "..."'
                )
            case Source.CHECK:
                return "see the check's figure in the report, then fix the source data, the estimator or the check"
            case Source.COMPARISON:
                return "compare the slices of both models in the report; the live model stays until one is better"
            case Source.THRESHOLD:
                return "see the slices in the report, then fix the source data, the estimator or the threshold"

    @property
    def shown(self) -> str:
        """The text with the next step, or with why it was accepted."""
        if self.accepted:
            return f"{self.text} (accepted: {self.accepted})"
        return f"{self.text}{'' if self.text.endswith(('.', '?')) else '.'} Next: {self.next_step}"

    def to_dict(self) -> dict[str, Any]:
        """As plain data; ``accepted`` in place of ``next_step`` when it was."""
        document = {
            "severity": str(self.severity),
            "source": str(self.source),
            "name": self.name,
            "text": self.text,
        }
        return document | ({"accepted": self.accepted} if self.accepted else {"next_step": self.next_step})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Reason:
        """Read what ``to_dict`` wrote.

        Raises:
            KeyError, ValueError: it is something else.
        """
        severity, source = Severity(data["severity"]), Source(data["source"])
        return cls(severity, source, data["name"], data["text"], data.get("accepted", ""))


def errors_first(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """The errors, then the warnings, each in their order."""
    return tuple(sorted(reasons, key=lambda reason: reason.severity is not Severity.ERROR))


def read_reasons(record: Mapping[str, Any]) -> tuple[Reason, ...]:
    """The reasons in a record of any layout, errors first.

    Records of layout 1 have texts alone: where a text comes from is told by its words, and its severity by the
    finding or the threshold that it names, or else by the verdict.

    Raises:
        KeyError, ValueError, TypeError: it is no record.
    """
    reasons, verdict = record["decision"]["reasons"], record["decision"]["verdict"]
    if not any(isinstance(reason, str) for reason in reasons):
        return tuple(Reason.from_dict(reason) for reason in reasons)
    levels = {one["name"]: one["level"] for one in record.get("findings", ())}
    return errors_first(_read_text(reason, levels, verdict == "reject") for reason in reasons)


def _read_text(text: str, levels: Mapping[str, str], is_refused: bool) -> Reason:
    severity = Severity.ERROR if is_refused and "its warning threshold" not in text else Severity.WARNING
    quoted = re.match(r"(rule|check) '(.*?)'(?:: | failed: )", text)
    if quoted is None:
        source = Source.COMPARISON if "than the live model's" in text else Source.THRESHOLD
        return Reason(severity, source, text.partition(" ")[0], text)
    source, name = Source(quoted[1]), quoted[2]
    is_warning = source is Source.RULE and levels.get(name) == "warning"
    return Reason(Severity.WARNING if is_warning else severity, source, name, text)
