"""Anything as plain data: what stands for an object in a JSON document or a digest."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

#: Where Python says that an object is, in its text.
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")
#: The modules and outer classes in the texts that Python gives classes and plain objects.
_MODULES = re.compile(r"(<class '|<)(?:\w+\.|<locals>\.)+(?=\w+(?:'>| object))")


@dataclass(frozen=True, slots=True)
class Naming:
    """How classes and functions are named in plain data.

    Args:
        name_of: the name of a class or function.
        clean: takes what does not belong in it out of the text of an object.
    """

    name_of: Callable[[Any], str]
    clean: Callable[[str], str]


#: By module and qualified name.
WITH_MODULES = Naming(lambda value: f"{value.__module__}.{value.__qualname__}", str)
#: By qualified name alone: where a class or function lives makes no difference.
WITHOUT_MODULES = Naming(lambda value: str(value.__qualname__), lambda text: _MODULES.sub(r"\1", text))


def plain(value: object, naming: Naming = WITH_MODULES) -> Any:
    """``value`` as JSON data that is the same in every process: never an address in memory.

    JSON data stays what it is, tuples and arrays become lists, NumPy's scalars become Python's. Everything
    else, a number that is not finite too, becomes a description that tells it from its like.

    Args:
        value: anything.
        naming: how classes and functions are named.
    """
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"type": "float", "text": str(float(value))}
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item, naming) for key, item in value.items()}
    if isinstance(value, list | tuple | range):
        return [plain(item, naming) for item in value]
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return naming.name_of(value)
    return plain(value.tolist(), naming) if hasattr(value, "tolist") else _description(value, naming)


def _description(value: object, naming: Naming) -> dict[str, Any]:
    if isinstance(value, set | frozenset):
        items = sorted(json.dumps(plain(item, naming)) for item in value)
        return {"type": type(value).__name__, "items": items}
    kind = naming.name_of(type(value))
    if hasattr(value, "get_params"):
        return {"type": kind, "params": plain(value.get_params(deep=False), naming)}
    if hasattr(value, "__dataclass_fields__"):
        fields = {name: plain(getattr(value, name), naming) for name in value.__dataclass_fields__}
        return {"type": kind} | fields
    if hasattr(value, "dist") and hasattr(value, "args") and hasattr(value, "kwds"):
        # A distribution of scipy.stats with its arguments, whose text names neither.
        name = getattr(value.dist, "name", None)
        return {"type": kind, "name": name, "args": plain(value.args, naming), "kwds": plain(value.kwds, naming)}
    return {"type": kind, "text": naming.clean(_ADDRESS.sub("", repr(value)))}
