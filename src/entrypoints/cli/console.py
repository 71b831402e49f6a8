"""JSON on stdout."""

from __future__ import annotations

import json


def print_json(document: object) -> None:
    """One JSON document, and nothing else."""
    print(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def print_json_line(document: object) -> None:
    """One JSON document on a line of its own, at once: more may follow, much later."""
    print(json.dumps(document, ensure_ascii=False, allow_nan=False), flush=True)
