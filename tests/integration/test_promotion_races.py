"""A person and a training promote at the same moment: a hold that was told is never lost."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from tests.integration.conftest import shared_client
from tests.support.clocks import START, SettableClock
from tests.support.events import Recorder
from tests.support.registry_contract import TASK, make_record
from weighbridge.adapters.local.store import LocalStore
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.adapters.s3.store import S3Store
from weighbridge.domain.registry.events import ModelPromoted, PromotionHeld, PromotionLeft
from weighbridge.domain.registry.promoting import promote_trained
from weighbridge.domain.registry.promotions import Promotion
from weighbridge.domain.store.artefact_store import ArtefactStore

ROUNDS = 10


@pytest.fixture(params=["memory", "folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ArtefactStore]:
    if request.param == "memory":
        yield MemoryStore(SettableClock())
    elif request.param == "folder":
        yield LocalStore(tmp_path)
    else:
        bucket = request.getfixturevalue("bucket")
        yield S3Store(shared_client(), bucket)


@pytest.mark.parametrize("is_known", [True, False], ids=["since-now", "since-before"])
def test_a_hold_that_is_set_while_a_training_promotes_is_not_lost(store: ArtefactStore, is_known: bool) -> None:
    """Whichever comes first: the hold is the last word, or the training saw it, or it was promoted before it."""
    person, trainer = (StoreRegistry(store, SettableClock()) for _ in range(2))
    one, two = (person.publish(model, make_record(model, START)).version for model in (b"1", b"2"))
    for _ in range(ROUNDS):
        begun = person.promote(one, "reset", "a test")
        recorder, barrier = Recorder(), Barrier(2)

        def hold(barrier: Barrier = barrier) -> Promotion:
            barrier.wait()
            return person.promote(one, "hold it", "ann", hold=True)

        def train(barrier: Barrier = barrier, begun: Promotion = begun, recorder: Recorder = recorder) -> None:
            barrier.wait()
            since = begun.entry if is_known else ""
            promote_trained(trainer, two, "trained", "a schedule", since, recorder)

        with ThreadPoolExecutor(2) as pool:
            held, trained = pool.submit(hold), pool.submit(train)
            trained.result()
        live = person.live(TASK)
        # What the person was told is true: nothing came after the hold.
        assert live == held.result()
        assert live.hold
        told = [type(event) for event in recorder.events]
        promoted = [promotion.version for promotion in person.promotions(TASK)][1] == two
        assert told == [ModelPromoted] if promoted else told[0] in (PromotionHeld, PromotionLeft)
