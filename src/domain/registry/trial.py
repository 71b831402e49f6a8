"""Trying a release where nothing is lost if it does harm."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from weighbridge.domain.registry.releases import Release


class ReleaseTrial(Protocol):
    """Decodes the model of a release and predicts its golden rows, away from whoever asks."""

    @abstractmethod
    def run(self, release: Release, data: bytes) -> None:
        """Return when the model can be read and predicts its golden rows; whatever the bytes do, only say so.

        Args:
            release: whose record names the format, the schema and the golden rows.
            data: the model's bytes.

        Raises:
            ModelUnreadable: the bytes hold no model that may be built; or the trial crashed, or came to a limit of
                time or memory.
            IncompatibleModel: the model does not fit the schema, or fails its golden rows.
        """
