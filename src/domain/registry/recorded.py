"""Finding what was weighed, whatever became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighbridge.domain.errors import UnknownVersion

if TYPE_CHECKING:
    from weighbridge.domain.registry.model_registry import ModelRegistry
    from weighbridge.domain.registry.releases import ModelVersion, Refusal, Release


def read_weighed(registry: ModelRegistry, version: ModelVersion) -> Release | Refusal:
    """The release of a version, or else its refusal.

    Raises:
        UnknownVersion: there is neither.
        RegistryError: its record cannot be read as one.
    """
    try:
        return registry.read(version)
    except UnknownVersion as unknown:
        try:
            return registry.read_refusal(version)
        except UnknownVersion:
            raise unknown from None
