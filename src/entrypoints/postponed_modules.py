"""Importing a library without another one that it names at the start and uses now and then."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


@contextmanager
def postponed_module(name: str, taken_by_name: tuple[str, ...]) -> Iterator[None]:
    """While this is open, importing a module gives a stand-in, which imports the real one when it is used.

    Used it is once something is called that was taken from it by name, or, after this is closed, anything is
    looked up in it. A module that is there already stays as it is. For the start of a process only: other threads
    are not told apart.

    Args:
        name: of the module; those above it are imported.
        taken_by_name: functions and objects that may be taken from it while this is open. Taking another one, or
            importing a module below it, raises ImportError.
    """
    importlib.import_module(name.rpartition(".")[0])
    if name in sys.modules:
        yield
        return
    stand_in = _Module(name)
    for each in taken_by_name:
        setattr(stand_in, each, _Thing(name, each))
    sys.modules[name] = stand_in
    try:
        yield
    finally:
        del sys.modules[name]


class _Module(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            raise AttributeError(name)
        return getattr(importlib.import_module(self.__name__), name)


class _Thing:
    """A function, or an object with attributes, of a module that is imported at its first use."""

    def __init__(self, module: str, name: str) -> None:
        self._place = module, name

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._real()(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real(), name)

    def _real(self) -> Any:
        module, name = self._place
        return getattr(importlib.import_module(module), name)
