"""Champion against challenger: the candidate and the live model, scored on the same rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from weighbridge.domain.encoding import columns_of
from weighbridge.domain.errors import ConfigurationError, NothingReleased, StoreError, WeighbridgeError
from weighbridge.domain.gate import Verdict
from weighbridge.domain.metrics import METRICS, Metrics
from weighbridge.domain.schema import Category, Schema

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from weighbridge.domain.ports import ModelCodec, ModelRegistry
    from weighbridge.domain.provenance import Record
    from weighbridge.domain.releases import ModelVersion
    from weighbridge.domain.serving import Predictor


@dataclass(frozen=True, slots=True)
class NotWorseThanLive:
    """How much worse than the live model a candidate may score, on the same test rows.

    Args:
        metric: a name in ``metrics.METRICS``.
        warning: being worse by more than this, in the metric's unit, is released with a warning; None for off.
        error: being worse by more than this refuses; None for off.
    """

    metric: str
    warning: float | None = None
    error: float | None = None

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ConfigurationError(f"there is no metric '{self.metric}'; there are {', '.join(METRICS)}")
        for name, level in (("warning", self.warning), ("error", self.error)):
            if level is not None and not 0 <= level < math.inf:
                raise ConfigurationError(
                    f"comparison by {self.metric}: the {name} level is {level!r}; it must be a number not below 0"
                )
        if self.warning is not None and self.error is not None and self.warning > self.error:
            raise ConfigurationError(
                f"comparison by {self.metric}: the warning level {self.warning:g} is out of order: it must not be "
                f"greater than the error level, {self.error:g}"
            )

    def weigh(self, candidate: Metrics, live: Metrics) -> tuple[Verdict, str | None]:
        """What the two scores mean, and the reason unless it is a plain release.

        A score of the live model that is not a number compares with nothing; one of the candidate is worse
        than any level.
        """
        ours, theirs = candidate.get(self.metric, math.nan), live.get(self.metric, math.nan)
        if math.isnan(theirs):
            return Verdict.RELEASE, None
        worse = theirs - ours if METRICS[self.metric].greater_is_better else ours - theirs
        for level, verdict in ((self.error, Verdict.REJECT), (self.warning, Verdict.RELEASE_WITH_WARNING)):
            if level is not None and not worse <= level:
                reason = (
                    f"{self.metric} {ours:.6g} is worse than the live model's {theirs:.6g} on the same rows "
                    f"by more than {level:g}"
                )
                return verdict, reason
        return Verdict.RELEASE, None


@dataclass(frozen=True, slots=True)
class LiveModel:
    """The live release, as far as it can be had.

    Args:
        version: which it is; None when nothing is live.
        record: its record; None when it cannot be read.
        model: what predicts; None when it cannot be read or has another schema.
        note: why it cannot be compared with; empty when it can.
    """

    version: ModelVersion | None = None
    record: Record | None = None
    model: DecodedModel | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class LiveScores:
    """What the live model scores on a candidate's test rows; no metrics when it could not be asked."""

    version: str | None = None
    metrics: Metrics = field(default_factory=dict)
    note: str = ""

    def to_dict(self, candidate: Metrics) -> dict[str, Any]:
        """As the record has it: both numbers for every metric."""
        return {
            "live_version": self.version,
            "note": self.note,
            "metrics": {
                name: {"candidate": _json(candidate.get(name)), "live": _json(value)}
                for name, value in self.metrics.items()
            },
        }


class DecodedModel:
    """A predictor in the dress of a fitted model: it takes frames of the schema's features.

    Args:
        predictor: what predicts.
        schema: of the predictor.
    """

    def __init__(self, predictor: Predictor, schema: Schema) -> None:
        self._predictor = predictor
        self._schema = schema

    @property
    def classes_(self) -> np.ndarray[Any, Any]:
        """The levels of a category target, in the order of the probabilities."""
        levels = self._schema.target.levels if isinstance(self._schema.target, Category) else ()
        import numpy as np

        return np.array(levels, dtype=object)

    def predict(self, features: pd.DataFrame, /) -> np.ndarray[Any, Any]:
        """Predictions of shape [rows]."""
        return self._predictor.predict(columns_of(features, self._schema))

    def predict_proba(self, features: pd.DataFrame, /) -> np.ndarray[Any, Any]:
        """Probabilities of shape [rows, levels]."""
        return self._predictor.predict_proba(columns_of(features, self._schema))


def live_model(registry: ModelRegistry, codecs: Sequence[ModelCodec], task: str, schema: Schema) -> LiveModel:
    """The live model of a task, for comparison: whatever is wrong with it is a note, and blocks nothing.

    Raises:
        StoreError: the store could not be asked. What is unavailable now is not unreadable.
        RegistryError: the newest promotion cannot be read: whether it holds later ones back is unknown.
    """
    try:
        version = registry.live(task).version
    except NothingReleased:
        return LiveModel(note="nothing is live")
    record: Record | None = None
    try:
        release = registry.read(version)
        record = release.record
        if record.schema.fingerprint != schema.fingerprint:
            return LiveModel(version, record, note=f"the live model {version} has another schema")
        codec = next((codec for codec in codecs if codec.format == record.model.format), None)
        if codec is None:
            return LiveModel(version, record, note=f"the live model {version} has an unknown format")
        predictor = codec.decode(registry.fetch(release), record.schema)
    except StoreError:
        raise
    except WeighbridgeError as error:
        return LiveModel(version, record, note=f"the live model {version} cannot be read: {error}")
    return LiveModel(version, record, DecodedModel(predictor, schema))


def _json(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
