"""Errors of the Open Inference Protocol: ``{"error": text}``, whatever part of the service has found them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from fastapi.responses import Response

if TYPE_CHECKING:
    from entrypoints.http.errors import RequestProblem

#: Where the protocol's routes are.
ROOT = "/v2"


def is_inference(path: str) -> bool:
    """Whether whoever asks for ``path`` speaks the Open Inference Protocol."""
    return path == ROOT or path.startswith(f"{ROOT}/")


def inference_error(problem: RequestProblem) -> Response:
    """The error and its status. Its type is ``application/json`` and nothing more: clients compare it."""
    body = json.dumps({"error": problem.detail}, ensure_ascii=False).encode("utf-8", "replace")
    return Response(body, problem.status, headers=problem.headers, media_type="application/json")
