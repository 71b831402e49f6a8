"""A release with the predictor that was decoded from its bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weighbridge.domain.data.schema import Schema
    from weighbridge.domain.model.predictor import Predictor
    from weighbridge.domain.registry.releases import Release


@dataclass(frozen=True, slots=True)
class DecodedModel:
    """A release whose bytes were verified, and the predictor in them."""

    release: Release
    predictor: Predictor

    @property
    def schema(self) -> Schema:
        """What a row has to be, and what is predicted of it."""
        return self.release.record.schema
