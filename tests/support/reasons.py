"""Reasons of a decision, for tests that do not decide themselves."""

from weighbridge.domain.evaluation.reason import Reason, Severity, Source


def errors(*texts: str, source: Source = Source.THRESHOLD) -> tuple[Reason, ...]:
    """An error for each text, by the name that is its first word."""
    return tuple(Reason(Severity.ERROR, source, text.partition(" ")[0], text) for text in texts)


def warnings(*texts: str, source: Source = Source.THRESHOLD) -> tuple[Reason, ...]:
    """A warning for each text, by the name that is its first word."""
    return tuple(Reason(Severity.WARNING, source, text.partition(" ")[0], text) for text in texts)
