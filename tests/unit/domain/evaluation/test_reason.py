"""Reasons of a decision: as records have them, in every layout, and what they tell to do."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.domain.evaluation.reason import Reason, Severity, Source, errors_first, read_reasons

REASONS = st.builds(Reason, st.sampled_from(Severity), st.sampled_from(Source), st.text(), st.text(), st.text())
BELOW = "r2 0.5 is below its error threshold 0.8"
WARNED = "r2 0.85 is below its warning threshold 0.9"
WORSE = "r2 0.5 is worse than the live model's 0.9 on the same rows by more than 0.1"
RULE = "rule 'target changed': it moved"
CHECK = "check 'predictions are not below 0' failed: one is"


def record(verdict: str, *reasons: Any, **levels: str) -> dict[str, Any]:
    findings = [{"name": name.replace("_", " "), "level": level} for name, level in levels.items()]
    return {"decision": {"verdict": verdict, "reasons": list(reasons)}, "findings": findings}


@given(st.lists(REASONS))
def test_what_is_written_is_read(reasons: list[Reason]) -> None:
    assert read_reasons(record("reject", *(reason.to_dict() for reason in reasons))) == tuple(reasons)


@given(st.lists(REASONS))
def test_errors_come_first_and_the_order_is_kept_otherwise(reasons: list[Reason]) -> None:
    ordered = errors_first(reasons)
    for severity in Severity:
        assert [one for one in ordered if one.severity is severity] == [
            one for one in reasons if one.severity is severity
        ]
    assert [one.severity for one in ordered] == sorted(one.severity for one in reasons)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (record("release"), []),
        (record("release_with_warning", WARNED), [("warning", "threshold", "r2", WARNED)]),
        (
            record("reject", WARNED, BELOW, WORSE),
            [
                ("error", "threshold", "r2", BELOW),
                ("error", "comparison", "r2", WORSE),
                ("warning", "threshold", "r2", WARNED),
            ],
        ),
        (
            record("reject", RULE, CHECK, target_changed="warning"),
            [
                ("error", "check", "predictions are not below 0", CHECK),
                ("warning", "rule", "target changed", RULE),
            ],
        ),
        (record("reject", RULE, target_changed="error"), [("error", "rule", "target changed", RULE)]),
    ],
)
def test_texts_of_layout_1_are_told_by_their_words(
    document: dict[str, Any], expected: list[tuple[str, str, str, str]]
) -> None:
    found = [(str(one.severity), str(one.source), one.name, one.text) for one in read_reasons(document)]
    assert found == expected


@given(REASONS)
def test_a_reason_shows_its_next_step_or_why_it_was_accepted(reason: Reason) -> None:
    assert reason.shown.startswith(reason.text)
    assert (reason.next_step == "") == bool(reason.accepted)
    assert reason.shown.endswith(f"(accepted: {reason.accepted})" if reason.accepted else reason.next_step)
