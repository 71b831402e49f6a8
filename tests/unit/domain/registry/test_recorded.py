"""What a person names: the live version, or one by its text; and its record, released or refused."""

from datetime import timedelta

import pytest

from tests.support.clocks import START, SettableClock
from tests.support.quick_task import QUICK, store_of_two, two_releases
from tests.support.registry_contract import make_record
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.domain.errors import NothingReleased, UnknownVersion
from weighbridge.domain.evaluation.gate import Verdict
from weighbridge.domain.registry.recorded import read_recorded, version_named
from weighbridge.domain.registry.releases import ModelVersion


@pytest.fixture
def registry() -> StoreRegistry:
    """A registry of two releases, the second of which is live, and a refusal."""
    registry = StoreRegistry(store_of_two(), SettableClock())
    registry.refuse(make_record(b"bad", START + timedelta(seconds=5), QUICK.name, Verdict.REJECT))
    return registry


def test_live_is_the_live_version_and_any_other_text_itself(registry: StoreRegistry) -> None:
    old, live = (release.version for release in two_releases())
    assert version_named(registry, QUICK.name, "live") == live
    assert version_named(registry, QUICK.name, str(old)) == old
    with pytest.raises(UnknownVersion, match="newest"):
        version_named(registry, QUICK.name, "newest")


def test_nothing_is_live_in_an_empty_store() -> None:
    empty = StoreRegistry(MemoryStore(SettableClock()), SettableClock())
    with pytest.raises(NothingReleased):
        version_named(empty, QUICK.name, "live")


def test_the_record_of_a_release_and_of_a_refusal_is_found(registry: StoreRegistry) -> None:
    _, live = two_releases()
    (refused,) = registry.refused_versions(QUICK.name)
    assert read_recorded(registry, live.version).document["version"] == str(live.version)
    assert read_recorded(registry, refused).document["decision"]["verdict"] == "reject"
    with pytest.raises(UnknownVersion):
        read_recorded(registry, ModelVersion(QUICK.name, START, "00000000"))
