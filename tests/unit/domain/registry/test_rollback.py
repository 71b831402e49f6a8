"""Going back, against a plain list of what was promoted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clocks import START
from tests.support.registry_contract import TASK, keys_of, make_record
from tests.support.worlds import World
from weighbridge.domain.errors import ModelUnreadable, NothingReleased, RegistryError, UnknownVersion
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
        promotion = roll_back(
            self.registry, self.registry.read, TASK, "it was better", "bob", hold, to, self.recorder
        )
        assert promotion == self.registry.live(TASK)
        assert (promotion.reason, promotion.by, promotion.hold) == ("it was better", "bob", hold)
        return promotion.version


@pytest.fixture
def world() -> RollbackWorld:
    return RollbackWorld()


def test_a_rollback_undoes_the_promotion_of_a_version_that_was_live_earlier(world: RollbackWorld) -> None:
    one, two, three = world.versions
    world.promote(one, two, three, two)
    assert [world.roll_back() for _ in range(3)] == [three, two, one]
    world.promote(two, one)
    assert world.roll_back() == two


def test_a_release_that_fails_its_check_is_not_promoted(world: RollbackWorld) -> None:
    world.promote(*world.versions)
    before = keys_of(world.store)

    def damaged(version: ModelVersion) -> None:
        raise ModelUnreadable(f"the bytes of {version} are others")

    for to in (None, world.versions[0]):
        with pytest.raises(ModelUnreadable):
            roll_back(world.registry, damaged, TASK, "it was better", "bob", to=to)
    assert keys_of(world.store) == before


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


def test_a_version_that_was_pruned_is_skipped(world: RollbackWorld) -> None:
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


def test_a_release_that_cannot_be_read_is_not_skipped(world: RollbackWorld) -> None:
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
    targets = [target.version for target in rollback_targets(world.registry, world.registry.live(TASK))]
    went = []
    while len(went) < len(targets):
        went.append(world.roll_back())
    assert went == targets
    with pytest.raises(NothingReleased):
        world.roll_back()


def test_a_promotion_that_cannot_be_read_hides_what_was_before(world: RollbackWorld) -> None:
    one, two, _ = world.versions
    world.promote(one)
    world.store.write(f"promotions/{TASK}_000000000002.json", b"{}")
    with pytest.raises(RegistryError, match="000000000002"):
        world.roll_back()
    # A named version is the way out.
    assert world.roll_back(to=two) == two
    with pytest.raises(RegistryError, match="000000000002"):
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
    #: What rollbacks go down: the last one is live.
    stack: list[ModelVersion] = []
    for step, number in steps:
        if step == "time":
            world.clock.advance(number or 0)
        elif step == "promote":
            version = world.versions[number or 0]
            world.promote(version)
            history.append(version)
            if stack[-1:] != [version]:
                stack.append(version)
        elif number is not None:
            version = world.versions[number]
            assert world.roll_back(to=version) == version
            history.append(version)
            if version in stack:
                while stack[-1] != version:
                    stack.pop()
            else:
                stack.append(version)
        elif len(stack) < 2:
            with pytest.raises(NothingReleased):
                world.roll_back()
        else:
            stack.pop()
            assert world.roll_back() == stack[-1]
            history.append(stack[-1])
        assert [promotion.version for promotion in world.registry.promotions(TASK)] == history[::-1]
