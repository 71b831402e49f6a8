"""API keys: who may ask for predictions and records."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping

from weighbridge.entrypoints.http.paths import DOCS, DOCS_FILES

#: What needs no key: the probes, the metrics, and the description of the service.
OPEN_PATHS = frozenset(
    {"/livez", "/readyz", "/metrics", "/openapi.json", DOCS, *(f"{DOCS}/{name}" for name in DOCS_FILES)}
    | {"/v2/health/live", "/v2/health/ready", "/v2/health/live/", "/v2/health/ready/"}
)

_BEARER, _BASIC = b"bearer ", b"basic "


class ApiKeys:
    """Keys, kept as digests only.

    Args:
        keys: as clients send them; none for a service that is open to everybody.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = [_digest(key.encode()) for key in keys]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def admit(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether ``Authorization: Bearer KEY`` or ``X-API-Key: KEY`` names one of the keys.

        Browsers send ``Authorization: Basic``: the key is its password, under any name. Whoever sends both
        headers needs both to be right: no wrong key is ever passed over.

        Args:
            headers: by lower-case name.
        """
        key, authorization = headers.get(b"x-api-key"), headers.get(b"authorization")
        if authorization is None:
            return key is not None and self._is_known(key)
        if authorization[: len(_BEARER)].lower() == _BEARER:
            told = authorization[len(_BEARER) :].strip()
        elif authorization[: len(_BASIC)].lower() == _BASIC:
            told = _password(authorization[len(_BASIC) :].strip())
        else:
            return False
        return self._is_known(told) and (key is None or self._is_known(key))

    def _is_known(self, key: bytes) -> bool:
        digest = _digest(key)
        # Every key is compared, whichever fits: the time that it takes tells nothing.
        return sum(hmac.compare_digest(digest, known) for known in self._digests) > 0


def _password(credentials: bytes) -> bytes:
    try:
        return base64.b64decode(credentials, validate=True).partition(b":")[2]
    except ValueError:
        return b""


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
