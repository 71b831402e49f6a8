"""Under which names a service answers: a stranger's name that leads to this machine is none of them."""

import pytest

from weighbridge.entrypoints.http.errors import RequestProblem
from weighbridge.entrypoints.http.fast.hosts import AllowedHosts

LOCAL = (
    *(b"localhost", b"LOCALHOST:8000", b"127.0.0.1:80", b"127.1.2.3", b"[::1]:80", b"a.localhost", b"localhost."),
)
STRANGE = (
    *(b"evil.example", b"evil.example:8000", b"127.0.0.1.evil.example", b"localhost.evil.example", b"10.0.0.1"),
    *(b"0.0.0.0", b"[::2]", b"1.1.1.1", b"xlocalhost", b"2130706433"),
)


def status(hosts: AllowedHosts, host: bytes | None, target: bytes = b"/") -> int:
    try:
        hosts.check(host, target)
    except RequestProblem as problem:
        return problem.status
    return 200


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1", "127.0.0.2", "::ffff:127.0.0.1"])
def test_on_a_loopback_address_only_local_names_are_answered(address: str) -> None:
    hosts = AllowedHosts((), address)
    # In any order: a name that was right once makes no other right.
    for _ in range(2):
        assert [status(hosts, host) for host in LOCAL] == [200] * len(LOCAL)
        assert [status(hosts, host) for host in STRANGE] == [421] * len(STRANGE)
        assert [status(hosts, host, b"/metrics") for host in STRANGE] == [421] * len(STRANGE)
    assert status(hosts, None) == 200


@pytest.mark.parametrize("address", ["0.0.0.0", "10.0.0.1", "::", ""])
def test_elsewhere_every_name_is_unless_some_are_given(address: str) -> None:
    assert {status(AllowedHosts((), address), host) for host in (*LOCAL, *STRANGE)} == {200}
    hosts = AllowedHosts(("Models.example.com", "*.inside"), address)
    assert status(hosts, b"models.EXAMPLE.com:80") == status(hosts, b"a.b.inside") == 200
    for host in (b"example.com", b"a.models.example.com", b"inside", b"xinside", *LOCAL, *STRANGE):
        assert status(hosts, host) == 421


def test_names_that_are_given_are_answered_on_a_loopback_address_beside_local_ones() -> None:
    hosts = AllowedHosts(("models.example.com",), "127.0.0.1")
    assert [status(hosts, host) for host in (b"models.example.com", *LOCAL)] == [200] * (1 + len(LOCAL))
    assert status(hosts, b"evil.example") == 421
    assert status(AllowedHosts(("*",), "127.0.0.1"), b"evil.example") == 200


def test_probes_and_metrics_are_answered_by_address_where_names_are_given() -> None:
    hosts = AllowedHosts(("models.example.com",), "0.0.0.0")
    for path in (b"/livez", b"/readyz", b"/metrics", b"/metrics?x=y"):
        assert status(hosts, b"10.1.2.3:8000", path) == status(hosts, b"[fd00::1]", path) == 200
        assert status(hosts, b"evil.example", path) == 421
    assert status(hosts, b"10.1.2.3:8000", b"/docs") == 421


@pytest.mark.parametrize(
    "host", [b"", b" ", b"a b", b"a/b", b"me@x", b"a:b", b"a:1:2", b"[::1", b"a\tb", b"\xff", b"a\\b"]
)
def test_what_is_no_host_is_a_bad_request(host: bytes) -> None:
    assert status(AllowedHosts((), "0.0.0.0"), host) == 400


def test_the_target_goes_before_the_header() -> None:
    hosts = AllowedHosts((), "127.0.0.1")
    assert status(hosts, b"localhost", b"http://evil.example/") == 421
    assert status(hosts, b"localhost", b"HTTP://evil.example") == 421
    assert status(hosts, b"localhost", b"http://localhost:8000/x") == 200
    assert status(hosts, b"evil.example", b"http://localhost/x") == 421
