"""The live model, to compare a candidate with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weighbridge.domain.data.schema import Category, Schema
from weighbridge.domain.errors import NothingReleased, StoreError, WeighbridgeError
from weighbridge.domain.model.encoding import columns_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from weighbridge.domain.model.codec import ModelCodec
    from weighbridge.domain.model.predictor import Predictor
    from weighbridge.domain.registry.model_registry import ModelRegistry
    from weighbridge.domain.registry.provenance import Record
    from weighbridge.domain.registry.releases import ModelVersion


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


class DecodedModel:
    """A predictor with the interface of a fitted model: it takes frames of the schema's features.

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
    """The live model of a task, for comparison: a fault of it is a note, and blocks nothing.

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
