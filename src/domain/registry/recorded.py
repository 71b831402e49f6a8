"""Finding what a person names: a version, or the live one, and the record of it, released or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighbridge.domain.errors import UnknownVersion
from weighbridge.domain.registry.releases import ModelVersion

if TYPE_CHECKING:
    from weighbridge.domain.registry.model_registry import ModelRegistry
    from weighbridge.domain.registry.releases import Refusal, Release

#: The word for whatever version is live.
LIVE = "live"


def version_named(registry: ModelRegistry, task: str, text: str) -> ModelVersion:
    """The version that a text names; ``live`` stands for the live one. Whether it was published is not looked up.

    Raises:
        UnknownVersion: the text is neither a version nor ``live``.
        NothingReleased: the text is ``live``, and nothing is.
        RegistryError: the newest promotion cannot be read as one.
    """
    return registry.live(task).version if text == LIVE else ModelVersion.parse(task, text)


def read_recorded(registry: ModelRegistry, version: ModelVersion) -> Release | Refusal:
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
