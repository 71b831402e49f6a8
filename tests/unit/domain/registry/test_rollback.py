"""Going back, against a plain list of what was promoted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clocks import START, SettableClock
from tests.support.events import Recorder
from tests.support.registry_contract import TASK, keys_of, make_record
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.domain.errors import NothingReleased, RegistryError, UnknownVersion
from weighbridge.domain.registry.releases import ModelVersion
from weighbridge.domain.registry.rollback import roll_back, rollback_targets


class Place:
    """A registry with three releases, none of them live."""

    def __init__(self) -> None:
        self.clock = SettableClock()
        self.store = MemoryStore(self.clock)
        self.registry = StoreRegistry(self.store, self.clock)
        self.events = Recorder()
        self.versions = [self._publish(model) for model in (b"1", b"2", b"3")]

    def _publish(self, model: bytes) -> ModelVersion:
        return self.registry.publish(model, make_record(model, START)).version

    def promote(self, *versions: ModelVersion) -> None:
        for version in versions:
            self.registry.promote(version, "promoted", "ann")

    def roll_back(self, hold: bool = False, to: ModelVersion | None = None) -> ModelVersion:
        promotion = roll_back(self.registry, TASK, "it was better", "bob", hold, to, self.events)
        assert promotion == self.registry.live(TASK)
        assert (promotion.reason, promotion.by, promotion.hold) == ("it was better", "bob", hold)
        return promotion.version


@pytest.fixture
def place() -> Place:
    return Place()


def test_what_was_live_before_is_live_again(place: Place) -> None:
    one, two, three = place.versions
    place.promote(three, one, two)
    before = keys_of(place.store)
    place.clock.advance(60)
    assert place.roll_back() == one
    # One more promotion; nothing is undone.
    assert len(set(keys_of(place.store)) - set(before)) == 1
    assert set(before) <= set(keys_of(place.store))
    assert [promotion.version for promotion in place.registry.promotions(TASK)] == [one, two, one, three]


def test_a_version_that_was_promoted_again_is_not_what_was_before(place: Place) -> None:
    one, two, _ = place.versions
    place.promote(one, two, two, two)
    assert place.roll_back() == one


def test_a_second_rollback_goes_further_back_and_never_forward_again(place: Place) -> None:
    one, two, three = place.versions
    place.promote(one, two, three)
    assert [place.roll_back(), place.roll_back()] == [two, one]
    with pytest.raises(NothingReleased):
        place.roll_back()
    assert place.registry.live(TASK).version == one


@pytest.mark.parametrize("hold", [False, True])
def test_a_rollback_holds_when_it_is_told_to(place: Place, hold: bool) -> None:
    place.promote(*place.versions)
    assert place.roll_back(hold) == place.versions[1]
    assert place.registry.live(TASK).hold is hold
    # The next one does not inherit it.
    place.roll_back()
    assert place.registry.live(TASK).hold is False


def test_any_release_can_be_gone_back_to_by_its_name(place: Place) -> None:
    one, two, three = place.versions
    # Nothing was ever live.
    assert place.roll_back(to=three) == three
    place.promote(one, two)
    assert place.roll_back(to=three) == three
    # The live one itself, to hold it.
    assert place.roll_back(hold=True, to=three) == three
    assert place.registry.live(TASK).hold is True


def test_there_is_nothing_to_go_back_to(place: Place) -> None:
    one, *_ = place.versions
    before = keys_of(place.store)
    with pytest.raises(NothingReleased, match="weighbridge train"):
        place.roll_back()
    assert keys_of(place.store) == before
    place.promote(one, one)
    before = keys_of(place.store)
    with pytest.raises(NothingReleased) as caught:
        place.roll_back()
    assert str(caught.value) == (
        f"nothing of {TASK} was live before {one}; name a version to go back to with --to, "
        "'weighbridge models list' shows them"
    )
    assert keys_of(place.store) == before


def test_a_version_that_was_never_released_is_refused(place: Place) -> None:
    place.promote(*place.versions)
    before = keys_of(place.store)
    with pytest.raises(UnknownVersion):
        place.roll_back(to=ModelVersion(TASK, place.versions[0].created, "00000000"))
    assert keys_of(place.store) == before


def test_a_version_that_was_pruned_is_passed_over(place: Place) -> None:
    one, two, three = place.versions
    place.promote(three, one, two)
    place.store.delete(one.record_key)
    assert place.roll_back() == three
    assert [str(event) for event in place.events.events] == [
        f"passing over {one}, which was live before: it has been pruned"
    ]
    with pytest.raises(UnknownVersion, match=str(one)):
        place.roll_back(to=one)
    assert place.registry.live(TASK).version == three


def test_when_all_that_was_before_is_pruned_it_says_so(place: Place) -> None:
    one, two, three = place.versions
    place.promote(one, two, three)
    for version in (one, two):
        place.store.delete(version.record_key)
    with pytest.raises(NothingReleased) as caught:
        place.roll_back()
    assert str(caught.value) == (
        f"nothing of {TASK} was live before {three} that has not been pruned; name a version to go back to with "
        "--to, 'weighbridge models list' shows them"
    )
    assert [event.version for event in place.events.events] == [str(two), str(one)]
    assert place.registry.live(TASK).version == three


def test_a_release_that_cannot_be_read_is_not_passed_over(place: Place) -> None:
    one, two, three = place.versions
    place.promote(three, one, two)
    place.store.delete(one.record_key)
    place.store.write(one.record_key, b"{}")
    with pytest.raises(RegistryError, match=one.record_key):
        place.roll_back()
    assert place.registry.live(TASK).version == two


@given(st.lists(st.integers(0, 2), min_size=1, max_size=9))
def test_the_targets_are_where_one_rollback_after_another_goes(promoted: list[int]) -> None:
    place = Place()
    place.promote(*(place.versions[number] for number in promoted))
    live = place.registry.live(TASK).version
    targets = list(rollback_targets(place.registry, live))
    went = []
    while len(went) < len(targets):
        went.append(place.roll_back())
    assert went == targets
    with pytest.raises(NothingReleased):
        place.roll_back()


def test_a_promotion_that_cannot_be_read_hides_what_was_before(place: Place) -> None:
    one, two, _ = place.versions
    place.promote(one)
    place.store.write(f"promotions/{TASK}_2021-07-04T00-00-00Z-00000000.json", b"{}")
    with pytest.raises(RegistryError, match="2021-07-04"):
        place.roll_back()
    # A named version is the way out.
    assert place.roll_back(to=two) == two
    with pytest.raises(RegistryError, match="2021-07-04"):
        place.roll_back()


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
    place = Place()
    history: list[ModelVersion] = []
    for step, number in steps:
        if step == "time":
            place.clock.advance(number or 0)
        elif step == "promote":
            place.promote(place.versions[number or 0])
            history.append(place.versions[number or 0])
        elif number is not None:
            assert place.roll_back(to=place.versions[number]) == place.versions[number]
            history.append(place.versions[number])
        elif not history or history.index(history[-1]) == 0:
            with pytest.raises(NothingReleased):
                place.roll_back()
        else:
            before = history[history.index(history[-1]) - 1]
            assert place.roll_back() == before
            history.append(before)
        assert [promotion.version for promotion in place.registry.promotions(TASK)] == history[::-1]
