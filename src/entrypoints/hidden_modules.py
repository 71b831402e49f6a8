"""Importing a library as if others, which it can do without, were not installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def hidden_modules(*names: str) -> Iterator[None]:
    """While this is open, importing one of these top-level modules raises ModuleNotFoundError.

    What was imported before is there again afterwards. Other threads are not told apart: for the start of a
    process only.
    """
    modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]
    before = {name: modules[name] for name in names if name in modules}
    try:
        # Python takes None for a module that is known not to exist.
        modules.update(dict.fromkeys(names))
        yield
    finally:
        for name in names:
            del modules[name]
        modules.update(before)
