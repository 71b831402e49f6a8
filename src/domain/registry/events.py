"""Facts about releases, refusals and promotions."""

from dataclasses import dataclass
from typing import ClassVar

from weighbridge.domain.events import Event, Severity


@dataclass(frozen=True, slots=True)
class ModelReleased(Event):
    """A candidate passed the gate and was published."""

    name: ClassVar[str] = "model_released"
    version: str
    verdict: str
    reasons: tuple[str, ...]
    counts: str = ""

    def __str__(self) -> str:
        return f"released {self.version}{_why(self.counts, self.reasons)}"


@dataclass(frozen=True, slots=True)
class ModelRefused(Event):
    """The gate refused a candidate."""

    name: ClassVar[str] = "model_refused"
    severity: ClassVar[Severity] = "warning"
    version: str
    reasons: tuple[str, ...]
    counts: str = ""

    def __str__(self) -> str:
        return f"refused {self.version}{_why(self.counts, self.reasons)}"


@dataclass(frozen=True, slots=True)
class RefusedBefore(Event):
    """The newest dataset was refused before, beside the same live model; it is not trained on again."""

    name: ClassVar[str] = "refused_before"
    severity: ClassVar[Severity] = "warning"
    key: str
    version: str
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"'{self.key}' was refused before, as {self.version}, beside the same live model: "
            f"{'; '.join(self.reasons)}; 'weighbridge train --force' trains on it again"
        )


@dataclass(frozen=True, slots=True)
class ModelPromoted(Event):
    """From now on a version is live."""

    name: ClassVar[str] = "model_promoted"
    version: str
    reason: str

    def __str__(self) -> str:
        return f"{self.version} is live now ({self.reason})"


@dataclass(frozen=True, slots=True)
class PrunedVersionSkipped(Event):
    """A rollback goes further back, because the version that it would have gone to has been pruned."""

    name: ClassVar[str] = "pruned_version_passed_over"
    severity: ClassVar[Severity] = "warning"
    version: str

    def __str__(self) -> str:
        return f"skipped {self.version}, which was live before: it has been pruned"


@dataclass(frozen=True, slots=True)
class PromotionLeft(Event):
    """A release was published but not promoted, because a person promoted something while it was trained."""

    name: ClassVar[str] = "promotion_left"
    severity: ClassVar[Severity] = "warning"
    version: str
    live: str
    reason: str

    def __str__(self) -> str:
        return (
            f"{self.version} is published but not live: {self.live} was promoted while it was trained "
            f"({self.reason}); 'weighbridge models promote {self.version}' makes it live"
        )


@dataclass(frozen=True, slots=True)
class PromotionHeld(Event):
    """A release was published but not promoted, because the live one is held."""

    name: ClassVar[str] = "promotion_held"
    severity: ClassVar[Severity] = "warning"
    version: str
    live: str
    reason: str

    def __str__(self) -> str:
        return f"{self.version} is published but not live: {self.live} is held ({self.reason})"


def _why(counts: str, reasons: tuple[str, ...]) -> str:
    return f": {counts}: {'; '.join(reasons)}" if reasons else ""
