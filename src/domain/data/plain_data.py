"""Anything as plain data: what stands for an object in a JSON document or a digest."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

#: Where Python says that an object is, in its text.
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")


def plain(value: object) -> Any:
    """``value`` as JSON data that is the same in every process: never an address in memory.

    JSON data stays what it is, tuples and arrays become lists, NumPy's scalars become Python's. Everything
    else, a number that is not finite too, becomes a description that tells it from its like.
    """
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"type": "float", "text": str(float(value))}
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | range):
        return [plain(item) for item in value]
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return f"{value.__module__}.{value.__qualname__}"
    return plain(value.tolist()) if hasattr(value, "tolist") else _description(value)


def _description(value: object) -> dict[str, Any]:
    if isinstance(value, set | frozenset):
        return {"type": type(value).__name__, "items": sorted(json.dumps(plain(item)) for item in value)}
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if hasattr(value, "get_params"):
        return {"type": kind, "params": plain(value.get_params(deep=False))}
    if hasattr(value, "__dataclass_fields__"):
        return {"type": kind} | {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if hasattr(value, "dist") and hasattr(value, "args") and hasattr(value, "kwds"):
        # A distribution of scipy.stats with its arguments, whose text names neither.
        name = getattr(value.dist, "name", None)
        return {"type": kind, "name": name, "args": plain(value.args), "kwds": plain(value.kwds)}
    return {"type": kind, "text": _ADDRESS.sub("", repr(value))}
