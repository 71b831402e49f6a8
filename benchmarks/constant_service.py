"""Bare uvicorn with a constant: what the HTTP stack alone costs. ``python constant_service.py PORT``."""

import sys
from typing import Any

import uvicorn

_ANSWER = b'{"est_hours_to_dispatch": 1.0, "model_version": "constant"}'
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_ANSWER))]


async def app(_: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _ANSWER})


if __name__ == "__main__":
    uvicorn.run(
        app, host="127.0.0.1", port=int(sys.argv[1]), access_log=False, lifespan="off", log_level="warning"
    )
