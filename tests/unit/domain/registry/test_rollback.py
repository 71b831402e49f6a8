"""Going back, against a plain list of what was promoted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clocks import START
from tests.support.registry_contract import TASK, keys_of, make_record
from tests.support.worlds import World
from weighbridge.domain.errors import NothingReleased, RegistryError, UnknownVersion
from weighbridge.domain.registry.releases import ModelVersion
from weighbridge.domain.registry.rollback import roll_back, rollback_targets


class RollbackWorld(World):
    """A registry with three releases, none of them live."""

    def __init__(self) -> None:
        super().__init__()
        self.versions = [self._publish(model) for model in (b"1", b"2", b"3")]

    def _publish(self, model: bytes) -> ModelVersion:
        return self.registry.publish(model, make_record(model, START)).version

    def roll_back(self, hold: bool = False, to: ModelVersion | None = None) -> ModelVersion:
        promotion = roll_back(self.registry, TASK, "it was better", "bob", hold, to, self.recorder)
        assert promotion == self.registry.live(TASK)
        assert (promotion.reason, promotion.by, promotion.hold) == ("it was better", "bob", hold)
        return promotion.version


@pytest.fixture
def world() -> RollbackWorld:
    return RollbackWorld()


def test_what_was_live_before_is_live_again(world: RollbackWorld) -> None:
    one, two, three = world.versions
    world.promote(three, one, two)
    before = keys_of(world.store)
    world.clock.advance(60)
    assert world.roll_back() == one
    # One more promotion; nothing is undone.
    assert len(set(keys_of(world.store)) - set(before)) == 1
    assert set(before) <= set(keys_of(world.store))
    assert [promotion.version for promotion in world.registry.promotions(TASK)] == [one, two, one, three]


def test_a_version_that_was_promoted_again_is_not_what_was_before(world: RollbackWorld) -> None:
    one, two, _ = world.versions
    world.promote(one, two, two, two)
    assert world.roll_back() == one


def test_a_second_rollback_goes_further_back_and_never_forward_again(world: RollbackWorld) -> None:
    one, two, three = world.versions
    world.promote(one, two, three)
    assert [world.roll_back(), world.roll_back()] == [two, one]
    with pytest.raises(NothingReleased):
        world.roll_back()
    assert world.registry.live(TASK).version == one


@pytest.mark.parametrize("hold", [False, True])
def test_a_rollback_holds_when_it_is_told_to(world: RollbackWorld, hold: bool) -> None:
    world.promote(*world.versions)
    assert world.roll_back(hold) == world.versions[1]
    assert world.registry.live(TASK).hold is hold
    # The next one does not inherit it.
    world.roll_back()
    assert world.registry.live(TASK).hold is False


def test_any_release_can_be_gone_back_to_by_its_name(world: RollbackWorld) -> None:
    one, two, three = world.versions
    # Nothing was ever live.
    assert world.roll_back(to=three) == three
    world.promote(one, two)
    assert world.roll_back(to=three) == three
    # The live one itself, to hold it.
    assert world.roll_back(hold=True, to=three) == three
    assert world.registry.live(TASK).hold is True


def test_there_is_nothing_to_go_back_to(world: RollbackWorld) -> None:
    one, *_ = world.versions
    before = keys_of(world.store)
    with pytest.raises(NothingReleased, match="weighbridge train"):
        world.roll_back()
    assert keys_of(world.store) == before
    world.promote(one, one)
    before = keys_of(world.store)
    with pytest.raises(NothingReleased) as caught:
        world.roll_back()
    assert str(caught.value) == (
        f"nothing of {TASK} was live before {one}; name a version to go back to with --to, "
        "'weighbridge models list' shows them"
    )
    assert keys_of(world.store) == before


def test_a_version_that_was_never_released_is_refused(world: RollbackWorld) -> None:
    world.promote(*world.versions)
    before = keys_of(world.store)
    with pytest.raises(UnknownVersion):
        world.roll_back(to=ModelVersion(TASK, world.versions[0].created, "00000000"))
    assert keys_of(world.store) == before


def test_a_version_that_was_pruned_is_passed_over(world: RollbackWorld) -> None:
    one, two, three = world.versions
    world.promote(three, one, two)
    world.store.delete(one.record_key)
    assert world.roll_back() == three
    assert [str(event) for event in world.recorder.events] == [
        f"skipped {one}, which was live before: it has been pruned"
    ]
    with pytest.raises(UnknownVersion, match=str(one)):
        world.roll_back(to=one)
    assert world.registry.live(TASK).version == three


def test_when_all_that_was_before_is_pruned_it_says_so(world: RollbackWorld) -> None:
    one, two, three = world.versions
    world.promote(one, two, three)
    for version in (one, two):
        world.store.delete(version.record_key)
    with pytest.raises(NothingReleased) as caught:
        world.roll_back()
    assert str(caught.value) == (
        f"nothing of {TASK} was live before {three} that has not been pruned; name a version to go back to with "
        "--to, 'weighbridge models list' shows them"
    )
    assert [event.version for event in world.recorder.events] == [str(two), str(one)]
    assert world.registry.live(TASK).version == three


def test_a_release_that_cannot_be_read_is_not_passed_over(world: RollbackWorld) -> None:
    one, two, three = world.versions
    world.promote(three, one, two)
    world.store.delete(one.record_key)
    world.store.write(one.record_key, b"{}")
    with pytest.raises(RegistryError, match=one.record_key):
        world.roll_back()
    assert world.registry.live(TASK).version == two


@given(st.lists(st.integers(0, 2), min_size=1, max_size=9))
def test_the_targets_are_where_one_rollback_after_another_goes(promoted: list[int]) -> None:
    world = RollbackWorld()
    world.promote(*(world.versions[number] for number in promoted))
    live = world.registry.live(TASK).version
    targets = list(rollback_targets(world.registry, live))
    went = []
    while len(went) < len(targets):
        went.append(world.roll_back())
    assert went == targets
    with pytest.raises(NothingReleased):
        world.roll_back()


def test_a_promotion_that_cannot_be_read_hides_what_was_before(world: RollbackWorld) -> None:
    one, two, _ = world.versions
    world.promote(one)
    world.store.write(f"promotions/{TASK}_2021-07-04T00-00-00Z-00000000.json", b"{}")
    with pytest.raises(RegistryError, match="2021-07-04"):
        world.roll_back()
    # A named version is the way out.
    assert world.roll_back(to=two) == two
    with pytest.raises(RegistryError, match="2021-07-04"):
        world.roll_back()


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("promote"), st.integers(0, 2)),
            st.tuples(st.just("back"), st.none() | st.integers(0, 2)),
            st.tuples(st.just("time"), st.sampled_from([1, 60, -60])),
        ),
        max_size=12,
    )
)
def test_any_history_is_that_of_a_plain_list(steps: list[tuple[str, int | None]]) -> None:
    world = RollbackWorld()
    history: list[ModelVersion] = []
    for step, number in steps:
        if step == "time":
            world.clock.advance(number or 0)
        elif step == "promote":
            world.promote(world.versions[number or 0])
            history.append(world.versions[number or 0])
        elif number is not None:
            assert world.roll_back(to=world.versions[number]) == world.versions[number]
            history.append(world.versions[number])
        elif not history or history.index(history[-1]) == 0:
            with pytest.raises(NothingReleased):
                world.roll_back()
        else:
            before = history[history.index(history[-1]) - 1]
            assert world.roll_back() == before
            history.append(before)
        assert [promotion.version for promotion in world.registry.promotions(TASK)] == history[::-1]
