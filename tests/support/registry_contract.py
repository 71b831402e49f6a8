"""The contract of a ModelRegistry. A store's test module subclasses RegistryContract and gives ``new_store``."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from tests.support.clocks import START, SettableClock
from tests.support.reasons import errors
from tests.support.record_rules import valid_record
from tests.support.stores import Crash, CrashingStore
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.adapters.testing.store_contract import NewStore
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.errors import (
    ArtefactExists,
    ModelUnreadable,
    NothingReleased,
    PromotionOvertaken,
    RegistryError,
    UnknownVersion,
)
from weighbridge.domain.evaluation.checks.check import CheckResult
from weighbridge.domain.evaluation.gate import GateDecision, Verdict
from weighbridge.domain.registry.model_registry import ModelRegistry
from weighbridge.domain.registry.promotions import Decision, Origin, Promotion, unnumbered_entry
from weighbridge.domain.registry.provenance import (
    CodeSource,
    DatasetSource,
    GoldenRow,
    ModelFile,
    Record,
    SearchSummary,
    Training,
)
from weighbridge.domain.registry.releases import ModelVersion, Release, version_of_record
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.system import Clock

#: The names of the one begin like those of the other.
TASKS = ("time", "time_to_dispatch")
TASK = TASKS[1]

SCHEMA = Schema((Number("orders", minimum=0), Category("product", ("a", "b"))), Number("hours"), "est_hours")


def make_record(model: bytes, created: datetime, task: str = TASK, verdict: Verdict = Verdict.RELEASE) -> Record:
    """The record of a candidate with these bytes, trained then; its numbers are as real ones."""
    digest = sha256(model).hexdigest()
    version = ModelVersion.of(task, created, digest)
    reasons = () if verdict is Verdict.RELEASE else errors("r2 0.75 is below its error threshold 0.8")
    return Record(
        task=task,
        version=str(version),
        created_at=version.created,
        dataset=DatasetSource(f"datasets/{task}_2021-07-01.csv", "0" * 64, 12, "1", None, 400),
        code=CodeSource("unknown", "0.1.0"),
        libraries={"python": "3.11.9"},
        training=Training(
            "sklearn.tree._classes.DecisionTreeRegressor",
            {"regressor__max_depth": None},
            SearchSummary("tree_grid", 2, 5, 0.93, "r2"),
            42,
            {"test_size": 0.2, "stratify_by": "product", "seed": 42},
            1.5,
        ),
        metrics={"r2": 0.95, "mean_absolute_error": 1.25},
        checks=(CheckResult("predictions are not below 0", True, "the smallest is 0.5"),),
        decision=GateDecision(verdict, reasons),
        model=ModelFile(
            None if verdict is Verdict.REJECT else version.model_key("onnx"),
            "onnx",
            digest,
            len(model),
            {"rows": 80},
        ),
        schema=SCHEMA,
        golden=(GoldenRow({"orders": 10.0, "product": "a"}, 1.75),),
        thresholds=({"metric": "r2", "error": 0.8, "warning": 0.9},),
        task_fingerprint="f" * 64,
    )


def version_of(record: Record) -> ModelVersion:
    return ModelVersion.parse(record.task, record.version)


def keys_of(store: ArtefactStore) -> list[str]:
    """Every key in the store that is not a dataset's."""
    return [ref.key for kind in ("models", "promotions", "rejected") for ref in store.list(f"{kind}/")]


class RegistryContract:
    """Examples and a state machine. A fresh store is empty and shares nothing with another."""

    #: Divides the number of examples of the state machine, for stores that are slow to ask.
    slowness = 1

    @pytest.fixture
    def new_store(self) -> NewStore:
        raise NotImplementedError("a subclass says how to make an empty store")

    def open_registry(self, store: ArtefactStore, clock: Clock) -> ModelRegistry:
        return StoreRegistry(store, clock)

    @pytest.fixture
    def clock(self) -> SettableClock:
        return SettableClock()

    @pytest.fixture
    def store(self, new_store: NewStore) -> CrashingStore:
        return CrashingStore(new_store())

    @pytest.fixture
    def registry(self, store: CrashingStore, clock: SettableClock) -> ModelRegistry:
        return self.open_registry(store, clock)

    @pytest.fixture
    def released(self, registry: ModelRegistry) -> Release:
        """The only release, not yet promoted."""
        return registry.publish(b"model", make_record(b"model", START))

    def test_a_fresh_registry_holds_nothing(self, registry: ModelRegistry, store: CrashingStore) -> None:
        with pytest.raises(NothingReleased) as caught:
            registry.live(TASK)
        assert str(caught.value) == (
            f"no model of {TASK} has been released in {store.url}; "
            "'weighbridge train' makes one from the newest dataset"
        )
        assert registry.newest(TASK) is None
        assert list(registry.releases(TASK)) == []
        assert list(registry.promotions(TASK)) == []
        assert registry.versions(TASK) == registry.refused_versions(TASK) == []

    def test_what_is_published_can_be_read_and_is_not_live(
        self, registry: ModelRegistry, store: CrashingStore
    ) -> None:
        record = make_record(b"model", START)
        release = registry.publish(b"model", record)
        assert release == Release(version_of(record), record, record.to_dict())
        assert str(release.version) == f"2021-07-03T23-05-32Z-{sha256(b'model').hexdigest()[:8]}"
        again = registry.read(release.version)
        assert (again.version, again.record.to_dict(), again.document) == (
            release.version,
            record.to_dict(),
            record.to_dict(),
        )
        assert registry.newest(TASK) == again
        assert list(registry.releases(TASK)) == [again]
        assert registry.fetch(again) == b"model"
        # The bytes first: the record, whose existence is the publication, must never name what is not there.
        assert store.attempted == [
            f"models/{TASK}_{release.version}.onnx",
            f"trained/{TASK}_{'0' * 16}-{'f' * 8}-{release.version}-released.json",
            f"models/{TASK}_{release.version}.json",
        ]
        assert store.read(release.version.record_key).data == record.to_json()
        valid_record(json.loads(record.to_json()))
        with pytest.raises(NothingReleased):
            registry.live(TASK)

    def test_a_version_is_published_once(
        self, registry: ModelRegistry, released: Release, store: CrashingStore
    ) -> None:
        before = keys_of(store)
        with pytest.raises(ArtefactExists, match=str(released.version)):
            registry.publish(b"model", make_record(b"model", START + timedelta(milliseconds=500)))
        assert keys_of(store) == before
        assert list(registry.releases(TASK)) == [registry.read(released.version)]

    def test_bytes_that_a_crash_left_behind_are_taken_over(
        self, registry: ModelRegistry, store: CrashingStore
    ) -> None:
        record = make_record(b"model", START)
        store.crash_at(2, after=False)
        with pytest.raises(Crash):
            registry.publish(b"model", record)
        assert keys_of(store) == [record.model.key]
        assert registry.newest(TASK) is None
        assert registry.fetch(registry.publish(b"model", record)) == b"model"

    def test_other_bytes_under_its_key_are_never_taken_for_the_models(
        self, registry: ModelRegistry, store: CrashingStore
    ) -> None:
        record = make_record(b"model", START)
        assert record.model.key is not None
        store.write(record.model.key, b"other")
        with pytest.raises(ArtefactExists):
            registry.publish(b"model", record)
        assert keys_of(store) == [record.model.key]

    def test_a_record_that_names_no_model_is_not_published(
        self, registry: ModelRegistry, store: CrashingStore
    ) -> None:
        record = make_record(b"model", START, verdict=Verdict.REJECT)
        with pytest.raises(RegistryError, match="names no key for the model's bytes"):
            registry.publish(b"model", record)
        assert keys_of(store) == []

    def test_a_refusal_leaves_its_record_alone(self, registry: ModelRegistry, store: CrashingStore) -> None:
        record = make_record(b"model", START, verdict=Verdict.REJECT)
        for _ in range(2):
            registry.refuse(record)
        key = f"rejected/{TASK}_{record.version}.json"
        assert keys_of(store) == [key]
        assert store.read(key).data == record.to_json()
        valid_record(json.loads(record.to_json()))
        assert list(registry.releases(TASK)) == []
        assert registry.newest(TASK) is None
        with pytest.raises(UnknownVersion):
            registry.read(version_of(record))
        with pytest.raises(UnknownVersion):
            registry.promote(version_of(record), "why not", "somebody")

    @pytest.mark.parametrize("hold", [False, True])
    def test_a_promotion_is_one_record(
        self, registry: ModelRegistry, released: Release, store: CrashingStore, clock: SettableClock, hold: bool
    ) -> None:
        clock.advance(61)
        promotion = registry.promote(released.version, "it is « better »", "ann", hold=hold)
        at = datetime(2021, 7, 3, 23, 6, 33, tzinfo=UTC)
        assert promotion == Promotion(
            released.version, at, "it is « better »", "ann", hold, "000000000001", Origin.PERSON
        )
        assert registry.live(TASK) == promotion
        [ref] = store.list("promotions/")
        data = store.read(ref).data
        assert ref.key == f"promotions/{TASK}_000000000001.json"
        assert valid_record(json.loads(data), "promotion") == {
            "schema_version": 1,
            "task": TASK,
            "version": str(released.version),
            "promoted_at": "2021-07-03T23:06:33Z",
            "reason": "it is « better »",
            "by": "ann",
            "hold": hold,
            "number": 1,
            "origin": "person",
            "rollback_to": None,
        }

    def test_hold_is_off_unless_asked_for(self, registry: ModelRegistry, released: Release) -> None:
        assert registry.promote(released.version, "", "").hold is False

    def test_only_what_was_published_is_promoted(
        self, registry: ModelRegistry, released: Release, store: CrashingStore
    ) -> None:
        before = keys_of(store)
        unknown = replace(released.version, digest="00000000")
        with pytest.raises(UnknownVersion) as caught:
            registry.promote(unknown, "why not", "ann")
        assert str(caught.value) == (
            f"there is no release {unknown} of {TASK} in {store.url}; "
            "'weighbridge models list' shows those there are"
        )
        assert keys_of(store) == before

    def test_promotions_of_one_second_keep_their_order(self, registry: ModelRegistry) -> None:
        versions = [registry.publish(model, make_record(model, START)).version for model in (b"1", b"2", b"3")]
        for order in (versions, versions[::-1]):
            for version in order:
                promotion = registry.promote(version, "in a hurry", "ann")
                assert registry.live(TASK) == promotion
                assert promotion.version == version

    def test_a_promotion_comes_after_the_last_even_when_the_clock_is_behind(
        self, registry: ModelRegistry, released: Release, clock: SettableClock
    ) -> None:
        first = registry.promote(released.version, "first", "ann")
        clock.advance(-86_400)
        second = registry.promote(released.version, "second", "bob")
        assert (second.number, second.at) == (2, first.at - timedelta(days=1))
        assert registry.live(TASK) == second

    def test_a_decision_on_what_is_not_live_any_more_is_not_written(
        self, registry: ModelRegistry, released: Release, store: CrashingStore
    ) -> None:
        first = registry.append(Decision(released.version, "first", "ann"), None)
        held = registry.append(Decision(released.version, "second", "bob", hold=True), first)
        before = keys_of(store)
        for after in (None, first):
            with pytest.raises(PromotionOvertaken):
                registry.append(Decision(released.version, "late", "cy", origin=Origin.TRAINING), after)
        assert (registry.live(TASK), keys_of(store)) == (held, before)
        assert registry.promotion(TASK, first.entry) == first
        with pytest.raises(RegistryError, match="000000000003"):
            registry.promotion(TASK, "000000000003")

    def test_numbered_promotions_continue_the_log_of_version_0_1(
        self, registry: ModelRegistry, released: Release, store: CrashingStore
    ) -> None:
        older = []
        # The latest of them is dated later than all numbered ones will be.
        for at in (START, START + timedelta(days=900), START + timedelta(hours=1)):
            promotion = Promotion(released.version, at, "by version 0.1", "ann")
            data = json.dumps(promotion.to_dict()).encode()
            entry = unnumbered_entry(promotion, data)
            store.write(f"promotions/{TASK}_{entry}.json", data)
            older.append(replace(promotion, entry=entry))
        older.sort(key=lambda promotion: promotion.at, reverse=True)
        assert registry.live(TASK) == older[0]
        token = registry.change_token(older[0])
        assert registry.change_token(older[0]) == token
        first = registry.promote(released.version, "numbered", "ann")
        assert (first.number, first.rollback_to, registry.live(TASK)) == (1, older[0].entry, first)
        assert registry.change_token(older[0]) != token
        assert list(registry.promotions(TASK)) == [first, *older]
        assert list(registry.promotions(TASK, before=older[0].entry)) == older[1:]
        store.delete(f"promotions/{TASK}_{first.entry}.json")
        assert registry.live(TASK) == older[0]

    def test_a_log_that_is_full_takes_no_more(
        self, registry: ModelRegistry, released: Release, store: CrashingStore
    ) -> None:
        first = registry.promote(released.version, "first", "ann")
        last = first.to_dict() | {"number": 10**11 - 1}
        store.write(f"promotions/{TASK}_099999999999.json", json.dumps(last).encode())
        assert registry.live(TASK).number == 10**11 - 1
        with pytest.raises(RegistryError, match="the log of promotions has no entry 100000000000"):
            registry.promote(released.version, "one too many", "ann")

    def test_the_trainings_of_a_dataset_are_found(self, registry: ModelRegistry, store: CrashingStore) -> None:
        def publish(model: bytes, sha: str, fingerprint: str, verdict: Verdict = Verdict.RELEASE) -> ModelVersion:
            record = make_record(model, START, verdict=verdict)
            record = replace(record, dataset=replace(record.dataset, sha256=sha), task_fingerprint=fingerprint)
            if verdict is Verdict.REJECT:
                registry.refuse(record)
            else:
                registry.publish(model, record)
            return version_of(record)

        one, two = publish(b"1", "a" * 64, "b" * 64), publish(b"2", "a" * 64, "c" * 64)
        refused = publish(b"3", "a" * 64, "b" * 64, Verdict.REJECT)
        # Others that begin with the same digits.
        publish(b"4", "a" * 63 + "0", "b" * 64)
        publish(b"5", "a" * 64, "b" * 63 + "0")

        def found(*fingerprints: str) -> list[ModelVersion]:
            return [one.version for one in registry.trained_on(TASK, "a" * 64, fingerprints)]

        assert found("b" * 64) == [one, refused]
        assert found("b" * 64, "c" * 64) == [*sorted((one, two), reverse=True), refused]
        assert found("d" * 64) == found() == []
        assert list(registry.trained_on(TASKS[0], "a" * 64, ["b" * 64])) == []
        # What was pruned or damaged tells of no training.
        store.delete(one.record_key)
        store.delete(refused.rejected_key)
        store.write(refused.rejected_key, b"{}")
        assert found("b" * 64, "c" * 64) == [two]

    def test_the_newest_version_is_a_release_or_a_refusal(self, registry: ModelRegistry) -> None:
        assert registry.newest_version(TASK) is None
        registry.publish(b"1", make_record(b"1", START))
        refused = make_record(b"2", START + timedelta(seconds=1), verdict=Verdict.REJECT)
        registry.refuse(refused)
        assert registry.newest_version(TASK) == version_of(refused)
        later = registry.publish(b"3", make_record(b"3", START + timedelta(seconds=2)))
        assert registry.newest_version(TASK) == later.version
        assert registry.newest_version(TASKS[0]) is None

    def test_promotions_come_newest_first(self, registry: ModelRegistry, clock: SettableClock) -> None:
        versions = [registry.publish(model, make_record(model, START)).version for model in (b"1", b"2", b"3")]
        made = []
        for number, seconds in enumerate([0, 86_400 * 400, -86_400 * 700, 0, 0.5, 86_400 * 800]):
            clock.advance(seconds)
            made.append(registry.promote(versions[number % 3], f"{number}", "ann", hold=number == 4))
        assert list(registry.promotions(TASK)) == made[::-1]
        assert list(registry.promotions(TASKS[0])) == []

    def test_other_names_are_no_promotions(
        self, registry: ModelRegistry, released: Release, store: CrashingStore
    ) -> None:
        good = registry.promote(released.version, "good", "ann")
        for name in ("2021-07-05T00-00-00Z.json", "2021-07-05-00000000.json", "tomorrow-00000000.json"):
            store.write(f"promotions/{TASK}_{name}", b"not read")
        assert list(registry.promotions(TASK)) == [good]

    def test_promotions_are_read_as_they_are_consumed(
        self, registry: ModelRegistry, released: Release, store: CrashingStore
    ) -> None:
        """What lies before a promotion that cannot be read is hidden by it, and nothing else is."""
        early = registry.promote(released.version, "early", "ann")
        key = f"promotions/{TASK}_000000000002.json"
        store.write(key, b"{}")
        late = registry.promote(released.version, "late", "bob")
        promotions = iter(registry.promotions(TASK))
        assert next(promotions) == late
        with pytest.raises(RegistryError) as caught:
            next(promotions)
        assert type(caught.value) is RegistryError
        assert f"the promotion '{key}' in {store.url} cannot be read: " in str(caught.value)
        store.delete(key)
        assert list(registry.promotions(TASK)) == [late, early]
        # A gap hides nothing.
        assert registry.live(TASK) == late

    def test_releases_come_newest_first(self, registry: ModelRegistry) -> None:
        moments = [START + timedelta(seconds=seconds) for seconds in (5, 86_400 * 400, -3, 0)]
        versions = [registry.publish(b"model", make_record(b"model", at)).version for at in moments]
        assert [release.version for release in registry.releases(TASK)] == sorted(versions, reverse=True)
        newest = registry.newest(TASK)
        assert newest is not None
        assert newest.version == versions[1]
        assert registry.versions(TASK) == sorted(versions, reverse=True)

    def test_versions_are_listed_without_reading(self, registry: ModelRegistry, store: CrashingStore) -> None:
        record = make_record(b"model", START)
        late = [
            registry.publish(model, make_record(model, START + timedelta(seconds=1))).version
            for model in (b"1", b"2")
        ]
        store.write(version_of(record).record_key, b"nobody reads this")
        expected = [*sorted(late, reverse=True), version_of(record)]
        assert registry.versions(TASK) == expected
        for place, version in enumerate(expected):
            assert registry.versions(TASK, after=version) == expected[:place]
        never = replace(version_of(record), digest="00000000")
        assert registry.versions(TASK, after=never) == [one for one in expected if one > never]
        assert registry.versions(TASKS[0]) == []

    def test_refusals_are_listed_newest_first_and_read(
        self, registry: ModelRegistry, store: CrashingStore
    ) -> None:
        moments = [START + timedelta(seconds=seconds) for seconds in (5, -3, 0)]
        records = [make_record(b"model", at, verdict=Verdict.REJECT) for at in moments]
        for record in records:
            registry.refuse(record)
        registry.refuse(make_record(b"model", START, TASKS[0], Verdict.REJECT))
        versions = [version_of(record) for record in records]
        assert registry.refused_versions(TASK) == sorted(versions, reverse=True)
        assert registry.refused_versions(TASK, after=min(versions)) == sorted(versions, reverse=True)[:-1]
        assert registry.versions(TASK) == []
        for version, record in zip(versions, records, strict=True):
            refusal = registry.read_refusal(version)
            assert (refusal.version, refusal.record.to_dict(), refusal.document) == (
                version,
                record.to_dict(),
                record.to_dict(),
            )

    def test_what_was_not_refused_is_unknown_and_what_cannot_be_read_is_an_error(
        self, registry: ModelRegistry, released: Release, store: CrashingStore
    ) -> None:
        with pytest.raises(UnknownVersion) as caught:
            registry.read_refusal(released.version)
        assert str(caught.value) == (
            f"no candidate {released.version} of {TASK} was refused in {store.url}; "
            "'weighbridge models list --rejected' shows those that were"
        )
        for data in (b"{}", b"[", make_record(b"other", START, verdict=Verdict.REJECT).to_json()):
            store.write(released.version.rejected_key, data)
            with pytest.raises(RegistryError) as unreadable:
                registry.read_refusal(released.version)
            assert type(unreadable.value) is RegistryError
            assert f"the record '{released.version.rejected_key}' in {store.url} cannot be read: " in str(
                unreadable.value
            )
            store.delete(released.version.rejected_key)

    def test_tasks_share_nothing(self, registry: ModelRegistry, clock: SettableClock) -> None:
        long = registry.publish(b"long", make_record(b"long", START, TASKS[1]))
        registry.promote(long.version, "", "")
        assert registry.newest(TASKS[0]) is None
        assert list(registry.releases(TASKS[0])) == []
        with pytest.raises(NothingReleased):
            registry.live(TASKS[0])
        short = registry.publish(b"short", make_record(b"short", START, TASKS[0]))
        assert [release.version for release in registry.releases(TASKS[0])] == [short.version]
        assert [release.version for release in registry.releases(TASKS[1])] == [long.version]

    def test_a_release_whose_model_has_another_name_is_fetched_by_its_record(
        self, registry: ModelRegistry
    ) -> None:
        record = make_record(b"model", START)
        record = replace(record, model=replace(record.model, key="models/elsewhere.bin", format="other"))
        registry.publish(b"model", record)
        release = registry.read(version_of(record))
        assert release.record.model.format == "other"
        assert registry.fetch(release) == b"model"

    def test_fields_from_a_later_release_of_the_software_stay_in_the_document(
        self, registry: ModelRegistry, store: CrashingStore
    ) -> None:
        record = make_record(b"model", START)
        document = record.to_dict() | {"weather": "fair"}
        document["dataset"] |= {"colour": "blue"}
        store.write(version_of(record).record_key, json.dumps(document).encode())
        release = registry.read(version_of(record))
        assert release.document == document
        assert release.record.to_dict() == record.to_dict()

    def test_bytes_that_are_gone_or_are_others_are_unreadable(
        self, registry: ModelRegistry, released: Release, store: CrashingStore
    ) -> None:
        key = released.record.model.key
        assert key is not None
        store.delete(key)
        with pytest.raises(ModelUnreadable) as gone:
            registry.fetch(released)
        assert str(gone.value) == f"the model '{key}' of {released.version} is gone"
        store.write(key, b"other")
        with pytest.raises(ModelUnreadable) as other:
            registry.fetch(released)
        assert str(other.value) == (
            f"the bytes of '{key}' are not those that were published: their sha256 is "
            f"{sha256(b'other').hexdigest()}, the record says {sha256(b'model').hexdigest()}"
        )

    def test_a_release_without_a_key_has_no_bytes(self, registry: ModelRegistry) -> None:
        record = make_record(b"model", START, verdict=Verdict.REJECT)
        with pytest.raises(ModelUnreadable, match=f"the record of {record.version} names no model"):
            registry.fetch(Release(version_of(record), record, record.to_dict()))

    @pytest.mark.parametrize(
        "change",
        [
            {"schema_version": 3},
            {"schema_version": "1"},
            {"metrics": None},
            {"metrics": {"r2": 10**400}},
            {"schema": {"features": [], "target": SCHEMA.target.to_dict(), "prediction": "p"}},
            {"schema": SCHEMA.to_dict() | {"fingerprint": "0" * 64}},
            {"decision": {"verdict": "perhaps", "reasons": []}},
            {"version": "2021-07-03T23-05-32Z-00000000"},
            {"task": TASKS[0]},
            {"model": {"key": True, "format": "onnx", "sha256": "0", "size": 1, "parity": {}}},
            {"model": {"key": "models/a", "format": ["onnx"], "sha256": "0", "size": 1, "parity": {}}},
            {"model": {"key": "models/a", "format": "onnx", "sha256": None, "size": 1, "parity": {}}},
        ],
        ids=[
            *(
                "later",
                "textual",
                "no-metrics",
                "huge-metric",
                "no-features",
                "other-schema",
                "no-verdict",
                "other-version",
            ),
            *("other-task", "no-key", "no-format", "no-digest"),
        ],
    )
    def test_a_record_that_cannot_be_read_is_a_registry_error(
        self, registry: ModelRegistry, store: CrashingStore, change: dict[str, Any]
    ) -> None:
        record = make_record(b"model", START)
        self._unreadable(registry, store, json.dumps(record.to_dict() | change).encode())

    @pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"{", b"\xff\xfe", b"null"])
    def test_bytes_that_are_no_record_are_a_registry_error(
        self, registry: ModelRegistry, store: CrashingStore, data: bytes
    ) -> None:
        self._unreadable(registry, store, data)

    def _unreadable(self, registry: ModelRegistry, store: CrashingStore, data: bytes) -> None:
        version = version_of(make_record(b"model", START))
        store.write(version.record_key, data)
        for ask in (
            lambda: registry.read(version),
            lambda: registry.newest(TASK),
            lambda: list(registry.releases(TASK)),
            lambda: registry.promote(version, "", ""),
        ):
            with pytest.raises(RegistryError) as caught:
                ask()
            assert type(caught.value) is RegistryError
            assert f"the record '{version.record_key}' in {store.url} cannot be read: " in str(caught.value)
        assert keys_of(store) == [version.record_key]

    @pytest.mark.parametrize(
        "change",
        [
            {"schema_version": 3},
            {"task": "another"},
            {"version": "latest"},
            {"version": None},
            {"promoted_at": "yesterday"},
            {"promoted_at": 5},
            {"promoted_at": "2021-07-03T23:05:32"},
            {"hold": None, "reason": None, "by": None, "task": None},
            None,
        ],
    )
    def test_a_newest_promotion_that_cannot_be_read_is_a_registry_error(
        self, registry: ModelRegistry, released: Release, store: CrashingStore, change: dict[str, Any] | None
    ) -> None:
        good = registry.promote(released.version, "good", "ann")
        document = "nonsense" if change is None else good.to_dict() | {"number": 2} | change
        key = f"promotions/{TASK}_000000000002.json"
        store.write(key, json.dumps(document).encode())
        with pytest.raises(RegistryError) as caught:
            registry.live(TASK)
        assert type(caught.value) is RegistryError
        assert f"the promotion '{key}' in {store.url} cannot be read: " in str(caught.value)
        # Somebody who promotes again is out of it, and behind nothing.
        corrected = registry.promote(released.version, "corrected", "bob")
        assert (corrected.number, corrected.rollback_to) == (3, "000000000002")
        assert registry.live(TASK) == corrected

    @pytest.mark.parametrize(
        "name",
        [
            "2021-07-05T00-00-00Z.json",
            "2021-07-05T00-00-00Z-0000000.json",
            "2021-07-05T00-00-00Z-000000000.json",
            "tomorrow-00000000.json",
            "2021-07-05T00-00-00Z-00000000.json.tmp",
            "000000000009.json.tmp",
            "00000000009.json",
            "0000000000009.json",
            "100000000009.json",
            "000000000009-00000000.json",
            "٠٠٠٠٠٠٠٠٠٠٠٩.json",
        ],
    )
    def test_other_names_among_the_promotions_are_none(
        self, registry: ModelRegistry, released: Release, store: CrashingStore, name: str
    ) -> None:
        good = registry.promote(released.version, "good", "ann")
        store.write(f"promotions/{TASK}_{name}", b"not read")
        assert registry.live(TASK) == good

    def test_whatever_happens_live_names_a_whole_release(self, new_store: NewStore) -> None:
        def machine() -> RegistryMachine:
            clock = SettableClock()
            store = CrashingStore(new_store())
            return RegistryMachine(store, clock, self.open_registry(store, clock))

        usual = settings.default
        assert usual is not None
        run_state_machine_as_test(
            machine,  # type: ignore[arg-type]  # a factory will do
            settings=settings(
                usual, max_examples=max(4, usual.max_examples // self.slowness), stateful_step_count=20
            ),
        )


class RegistryMachine(RuleBasedStateMachine):
    """A registry against lists: any history, on a clock that goes both ways, cut off between any two writes."""

    tasks = st.sampled_from(TASKS)
    models = st.sampled_from([b"1", b"2", b"3"])

    def __init__(self, store: CrashingStore, clock: SettableClock, registry: ModelRegistry) -> None:
        super().__init__()
        self.store, self.clock, self.registry = store, clock, registry
        self.published: dict[ModelVersion, bytes] = {}
        self.promoted: dict[str, list[Promotion]] = {task: [] for task in TASKS}
        self.garbage_or_models: set[str] = set()
        self.refused: set[str] = set()

    @rule(seconds=st.sampled_from([0.3, 0.7, 1, 59, 86_400 * 90, -0.3, -1, -59, -86_400 * 90]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(task=tasks, model=models)
    def publish(self, task: str, model: bytes) -> None:
        record = make_record(model, self.clock.now(), task)
        version = version_of(record)
        if version in self.published:
            with pytest.raises(ArtefactExists):
                self.registry.publish(model, record)
        else:
            assert self.registry.publish(model, record) == Release(version, record, record.to_dict())
            self.published[version] = model
            self.garbage_or_models.add(version.model_key("onnx"))

    @rule(task=tasks, model=models, write=st.sampled_from([1, 2, 3]), after=st.booleans())
    def publish_and_crash(self, task: str, model: bytes, write: int, after: bool) -> None:
        record = make_record(model, self.clock.now(), task)
        version = version_of(record)
        self.store.crash_at(write, after)
        with pytest.raises(Crash):
            self.registry.publish(model, record)
        if (write, after) != (1, False):
            self.garbage_or_models.add(version.model_key("onnx"))
        if (write, after) == (3, True):
            self.published[version] = model

    @precondition(lambda self: self.published)
    @rule(data=st.data(), reason=st.text(max_size=5), hold=st.booleans())
    def promote(self, data: st.DataObject, reason: str, hold: bool) -> None:
        version = data.draw(st.sampled_from(sorted(self.published)))
        expected = self._expected(version, reason, "ann", hold)
        assert self.registry.promote(version, reason, "ann", hold) == expected
        self.promoted[version.task].append(expected)

    @precondition(lambda self: self.published)
    @rule(data=st.data(), after=st.booleans())
    def promote_and_crash(self, data: st.DataObject, after: bool) -> None:
        version = data.draw(st.sampled_from(sorted(self.published)))
        expected = self._expected(version, "cut off", "bob")
        self.store.crash_at(1, after)
        with pytest.raises(Crash):
            self.registry.promote(version, "cut off", "bob")
        if after:
            self.promoted[version.task].append(expected)

    @rule(task=tasks, model=models)
    def promote_what_is_not_published(self, task: str, model: bytes) -> None:
        version = version_of(make_record(model, self.clock.now(), task))
        if version not in self.published:
            with pytest.raises(UnknownVersion):
                self.registry.promote(version, "", "")
            with pytest.raises(UnknownVersion):
                self.registry.read(version)

    @rule(task=tasks, model=models, crash=st.sampled_from([None, False, True]))
    def refuse(self, task: str, model: bytes, crash: bool | None) -> None:
        record = make_record(model, self.clock.now(), task, Verdict.REJECT)
        if crash is None:
            self.registry.refuse(record)
        else:
            self.store.crash_at(2, after=crash)
            with pytest.raises(Crash):
                self.registry.refuse(record)
        if crash is not False:
            self.refused.add(version_of(record).rejected_key)

    @invariant()
    def live_is_the_last_promotion_and_whole(self) -> None:
        for task in TASKS:
            if self.promoted[task]:
                live = self.registry.live(task)
                assert live == self.promoted[task][-1]
                release = self.registry.read(live.version)
                assert self.registry.fetch(release) == self.published[live.version]
            else:
                with pytest.raises(NothingReleased):
                    self.registry.live(task)

    @rule()
    def look_around(self) -> None:
        for task in TASKS:
            expected = sorted((version for version in self.published if version.task == task), reverse=True)
            newest = self.registry.newest(task)
            assert (None if newest is None else newest.version) == (expected[0] if expected else None)
            releases = list(self.registry.releases(task))
            assert [release.version for release in releases] == self.registry.versions(task) == expected
            refused = self.registry.refused_versions(task)
            assert {version.rejected_key for version in refused} == {
                key for key in self.refused if version_of_record(task, key.partition("/")[2])
            }
            assert list(self.registry.promotions(task)) == self.promoted[task][::-1]
            for release in releases:
                model = self.published[release.version]
                assert release.document == make_record(model, release.version.created, task).to_dict()
        # Nothing else is in the store.
        promotions = [ref.key for ref in self.store.list("promotions/")]
        assert len(promotions) == sum(map(len, self.promoted.values()))
        records = {version.record_key for version in self.published}
        assert {ref.key for ref in self.store.list("models/")} == self.garbage_or_models | records
        assert {ref.key for ref in self.store.list("rejected/")} == self.refused

    def _expected(self, version: ModelVersion, reason: str, by: str, hold: bool = False) -> Promotion:
        now, earlier = self.clock.now().replace(microsecond=0), self.promoted[version.task]
        last = earlier[-1] if earlier else None
        rollback_to = None if last is None else last.rollback_to if last.version == version else last.entry
        entry = f"{len(earlier) + 1:012}"
        return Promotion(version, now, reason, by, hold, entry, Origin.PERSON, rollback_to)

    def teardown(self) -> None:
        self.look_around()
