"""What following the registry costs: a log in which nothing happened, one small request."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.quick_task import QUICK, two_releases
from tests.support.worlds import ServiceWorld
from weighbridge.domain.serving.events import ModelLoaded
from weighbridge.domain.store.artefacts import format_timestamp


class RefreshWorld(ServiceWorld):
    """A service that is up to date, on a log with as many promotions of long ago as a test wants."""

    def __init__(self, old: int = 0) -> None:
        super().__init__()
        for number in range(old):
            at = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=number)
            key = f"promotions/{QUICK.name}_{format_timestamp(at)}-00000000.json"
            self.store.write(key, b"{}")
        self.service.load()
        self.service.load()
        self.forget()

    def forget(self) -> None:
        self.counting.forget()
        self.recorder.take()

    @property
    def requests(self) -> list[str]:
        """The prefix of each listing, and the key of each read."""
        return [*(prefix for prefix, _ in self.counting.lists), *self.counting.reads]


@pytest.mark.parametrize("old", [0, 3000])
def test_a_look_at_an_unchanged_log_is_one_small_request(old: int) -> None:
    world = RefreshWorld(old=old)
    for _ in range(3):
        world.service.refresh()
        assert world.requests == [f"promotions/{QUICK.name}_0"]
        assert world.counting.listed <= 2
        assert (world.service.problem, world.recorder.take()) == (None, [])
        world.forget()


def test_after_a_promotion_one_small_request_is_enough_again() -> None:
    world = RefreshWorld()
    first, second = two_releases()
    for release in (first, second, first):
        world.registry.promote(release.version, "", "a test")
        world.forget()
        world.service.refresh()
        assert world.serving == release.version
        assert [type(event) for event in world.recorder.take()] == [ModelLoaded]
        world.service.refresh()
        world.forget()
        world.service.refresh()
        assert len(world.requests) == 1


def test_a_log_that_lost_its_last_promotion_is_looked_at_anew() -> None:
    world = RefreshWorld()
    first, second = two_releases()
    world.registry.promote(first.version, "", "a test")
    for _ in range(3):
        world.service.refresh()
    last = max(ref.key for ref in world.store.list(f"promotions/{QUICK.name}_0"))
    world.store.delete(last)
    world.service.refresh()
    assert world.serving == second.version


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from(["promote", "look", "look twice"])), max_size=8))
def test_whatever_happens_a_look_finds_what_the_registry_says_is_live(steps: list[tuple[int, str]]) -> None:
    world = RefreshWorld()
    releases = two_releases()
    for which, step in steps:
        if step == "promote":
            world.registry.promote(releases[which].version, "", "a test")
            world.clock.advance(1800)
        for _ in range({"promote": 0, "look": 1, "look twice": 2}[step]):
            world.service.refresh()
    world.service.refresh()
    assert world.serving == world.registry.live(QUICK.name).version
    assert world.service.loaded is not None
    assert world.service.loaded.promotion == world.registry.live(QUICK.name)
