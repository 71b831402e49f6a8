"""Under which names the service answers.

A page of a stranger can have its own name lead to 127.0.0.1 (DNS rebinding): the browser then lets it read what a
service on that machine answers. Only the name in the request tells, so a service on a loopback address answers to
local names alone, unless it is told others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from ipaddress import ip_address

from weighbridge.entrypoints.http.errors import RequestProblem

_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::[0-9]*)?")
_AUTHORITY = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)

#: What is asked by address: by the kubelet and by Prometheus.
_BY_ADDRESS = frozenset({b"/livez", b"/readyz", b"/metrics"})

#: Names that lead to this machine, or to what it lies on, whatever else they are.
_LOCAL = ("localhost", "*.localhost")


class AllowedHosts:
    """The hosts that requests may name.

    Args:
        names: such as ``models.example.com``, ``*.example.com`` for every name below, ``*`` for all. On a loopback
            address local names are allowed as well; elsewhere every name is, when none is given.
        address: that the service listens on; empty when it is no address.

    Attributes:
        known: the last one that was found to be right for every path: requests mostly name the same.
    """

    def __init__(self, names: Iterable[str], address: str) -> None:
        given = tuple(name.strip().rstrip(".").lower() for name in names)
        self._by_address = bool(given)
        self._is_local = is_loopback(address)
        local = (*_LOCAL, address.lower()) if self._is_local else ()
        self._names = (*given, *local) or ("*",)
        self.known: bytes | None = None

    def check(self, host: bytes | None, target: bytes) -> None:
        """Whether a request may name this host; None, which only HTTP/1.0 has, names none.

        Raises:
            RequestProblem: 400 for what is no host, 421 for one that the service does not answer to.
        """
        if not target.startswith(b"/"):
            # The target names the host once more, and goes before the header (RFC 9112, 3.2.2).
            found = _AUTHORITY.match(target)
            if found is not None:
                self._check(found[1], b"")
        if host is None or host == self.known:
            return
        if self._check(host, target):
            self.known = host

    def _check(self, host: bytes, target: bytes) -> bool:
        """Whether a host is allowed for every path, and not for this one alone."""
        found = _HOST.fullmatch(host.strip(b" \t"))
        if found is None:
            raise RequestProblem(HTTPStatus.BAD_REQUEST, "the Host header does not name a host")
        name = found[1].decode().strip("[]").rstrip(".").lower()
        if self._is_allowed(name):
            return True
        if self._by_address and target.partition(b"?")[0] in _BY_ADDRESS and _is_address(name):
            return False
        raise RequestProblem(
            HTTPStatus.MISDIRECTED_REQUEST,
            f"this service does not answer to the name {name[:100]}; WEIGHBRIDGE_ALLOWED_HOSTS adds names",
        )

    def _is_allowed(self, name: str) -> bool:
        for known in self._names:
            if known in ("*", name) or (known.startswith("*.") and name.endswith(known[1:])):
                return True
        return self._is_local and is_loopback(name)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine and nobody else can reach it."""
    if host.lower() == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
