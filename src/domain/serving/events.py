"""Facts about what a service answers from."""

from dataclasses import dataclass
from typing import ClassVar

from weighbridge.domain.events import Event, Severity


@dataclass(frozen=True, slots=True)
class ModelLoaded(Event):
    """The service answers from this version from now on."""

    name: ClassVar[str] = "model_loaded"
    version: str
    seconds: float

    def __str__(self) -> str:
        return f"serving {self.version}, loaded in {self.seconds:.2f} s"


@dataclass(frozen=True, slots=True)
class ShadowChanged(Event):
    """The service runs this version as a shadow from now on, or none."""

    name: ClassVar[str] = "shadow_changed"
    version: str | None

    def __str__(self) -> str:
        return f"shadowing with {self.version}" if self.version else "shadowing with no model"


@dataclass(frozen=True, slots=True)
class ShadowFailed(Event):
    """The shadow model could not be loaded; answers are unaffected."""

    name: ClassVar[str] = "shadow_failed"
    severity: ClassVar[Severity] = "error"
    problem: str

    def __str__(self) -> str:
        return f"cannot shadow: {self.problem}"


@dataclass(frozen=True, slots=True)
class FellBack(Event):
    """The live release is damaged; the service answers from an earlier one until it can be loaded."""

    name: ClassVar[str] = "fell_back"
    severity: ClassVar[Severity] = "error"
    version: str
    live: str

    def __str__(self) -> str:
        return (
            f"serving {self.version} instead of the live {self.live}, which is damaged: restore it, or go back "
            "with 'weighbridge models rollback'"
        )


@dataclass(frozen=True, slots=True)
class RefreshFailed(Event):
    """The service could not load the live release; it keeps the model that it has."""

    name: ClassVar[str] = "refresh_failed"
    severity: ClassVar[Severity] = "error"
    serving: str | None
    problem: str

    def __str__(self) -> str:
        kept = f"still serving {self.serving}" if self.serving else "no model is loaded"
        return f"could not refresh, {kept}: {self.problem}"
