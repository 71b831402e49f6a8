"""Errors of the Open Inference Protocol: ``{"error": text}``, whatever part of the service has found them."""

from __future__ import annotations

import json

#: Where the protocol's routes are.
ROOT = "/v2"


def is_inference(path: str) -> bool:
    """Whether whoever asks for ``path`` speaks the Open Inference Protocol."""
    return path == ROOT or path.startswith(f"{ROOT}/")


def inference_error(detail: str) -> bytes:
    """The error as the protocol has it."""
    return json.dumps({"error": detail}, ensure_ascii=False).encode("utf-8", "replace")
