"""Stores of other people: packages that are installed beside this one register the schemes of their addresses."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import cast

from weighbridge.domain.errors import ConfigurationError, WeighbridgeError
from weighbridge.domain.store.artefact_store import ArtefactStore

#: The group of entry points: the name is the scheme, the object is called with the address and gives the store.
GROUP = "weighbridge.stores"


def open_registered(scheme: str, url: str) -> ArtefactStore | None:
    """The store that an installed package opens at ``url``; None when none has registered the scheme.

    Args:
        scheme: in small letters.
        url: the whole address.

    Raises:
        ConfigurationError: several packages have registered it, or what is registered cannot be loaded, cannot be
            called, or gives something else than a store.
        WeighbridgeError: what the package itself raises.
    """
    found = {(one.value, _package(one)): one for one in entry_points(group=GROUP) if one.name.lower() == scheme}
    if not found:
        return None
    if len(found) > 1:
        who = ", ".join(sorted(f"{value} of {package}" for value, package in found))
        raise ConfigurationError(
            f"the scheme '{scheme}://' is registered more than once: {who}; uninstall all but one"
        )
    (((value, package), registered),) = found.items()
    what = f"the store '{value}' of {package}, which is registered for '{scheme}://'"
    try:
        factory = registered.load()
    except Exception as error:
        raise ConfigurationError(f"{what}, cannot be imported: {_said(error)}") from error
    try:
        store = factory(url)
    except WeighbridgeError:
        raise
    except Exception as error:
        raise ConfigurationError(f"{what}, cannot open '{url}': {_said(error)}") from error
    if ArtefactStore not in type(store).__mro__:
        raise ConfigurationError(f"{what}, gave {type(store).__name__}, which does not inherit from ArtefactStore")
    return cast("ArtefactStore", store)


def _package(entry_point: EntryPoint) -> str:
    return "an unknown package" if entry_point.dist is None else entry_point.dist.name


def _said(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
