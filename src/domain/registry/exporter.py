"""Writing releases for other programs."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from weighbridge.domain.registry.releases import Release


class ModelExporter(Protocol):
    """Writes releases to where other programs load models from."""

    @abstractmethod
    def export(self, release: Release, model: bytes, wanted: str, folder: str) -> list[str]:
        """Write a release to a new folder, which appears when it is whole.

        Args:
            release: what to write.
            model: its bytes, verified.
            wanted: ``mlflow``, ``onnx`` or ``skops``.
            folder: a path; it may exist if it is empty.

        Returns:
            The files that are there now, relative to the folder.

        Raises:
            ConfigurationError: the model is of another format, or the folder cannot be written or is not empty.
        """
