"""Stores that installed packages register: found by their scheme, and refused with the reason when broken."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.clocks import SettableClock
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.telemetry_log import LogEventSink
from weighbridge.domain.errors import ConfigurationError, StoreDenied
from weighbridge.entrypoints.registered_stores import open_registered
from weighbridge.entrypoints.settings import load_settings
from weighbridge.entrypoints.store_urls import open_store

MODULE = """
from weighbridge.adapters.memory import MemoryStore
from weighbridge.domain.errors import StoreDenied
from tests.support.clocks import SettableClock

def good(url):
    store = MemoryStore(SettableClock())
    store.opened_with = url
    return store

def denied(url):
    raise StoreDenied(f"{url}: no")

def broken(url):
    return url / 2

def other(url):
    return object()
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Makes a package look installed, as installers do: a module, and its metadata beside it."""
    (tmp_path / "somebodys_stores.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "somebodys_stores", raising=False)

    def do(package: str, scheme: str, value: str) -> None:
        info = tmp_path / f"{package.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[weighbridge.stores]\n{scheme} = {value}\n")

    return do


def opened(url: str) -> object:
    return open_store(load_settings({"store": url}), SettableClock(), LogEventSink())


def test_a_registered_scheme_opens_its_store(install: Install) -> None:
    install("some-stores", "Some+Db", "somebodys_stores:good")
    store = opened("SOME+db://here/there?x=1")
    assert isinstance(store, MemoryStore)
    assert vars(store)["opened_with"] == "SOME+db://here/there?x=1"
    assert open_registered("other", "other://") is None
    with pytest.raises(ConfigurationError, match="the store 'other://' cannot be opened"):
        opened("other://")


def test_a_scheme_of_our_own_cannot_be_taken(install: Install) -> None:
    install("greedy", "s3", "somebodys_stores:good")
    with pytest.raises(ConfigurationError, match="the store 's3://' cannot be opened"):
        opened("s3://")


def test_two_registrations_are_refused(install: Install) -> None:
    install("one-store", "db", "somebodys_stores:good")
    install("other-store", "db", "somebodys_stores:other")
    with pytest.raises(ConfigurationError) as caught:
        opened("db://x")
    assert str(caught.value) == (
        "the scheme 'db://' is registered more than once: somebodys_stores:good of one-store, "
        "somebodys_stores:other of other-store; uninstall all but one"
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (
            "nowhere_to_be_found:good",
            "cannot be imported: ModuleNotFoundError: No module named",
        ),
        ("somebodys_stores:missing", "cannot be imported: AttributeError: .*'missing'"),
        ("somebodys_stores:broken", "cannot open 'db://x': TypeError: unsupported operand"),
        ("somebodys_stores:other", "gave object, which does not inherit from ArtefactStore"),
    ],
)
def test_a_broken_registration_is_refused_with_the_reason(install: Install, value: str, reason: str) -> None:
    install("bad-store", "db", value)
    with pytest.raises(ConfigurationError, match=f"^the store '{value}' of bad-store, .* for 'db://', {reason}"):
        opened("db://x")


def test_what_the_package_raises_of_our_own_errors_passes_through(install: Install) -> None:
    install("strict", "db", "somebodys_stores:denied")
    with pytest.raises(StoreDenied, match=r"^db://x: no$"):
        opened("db://x")
