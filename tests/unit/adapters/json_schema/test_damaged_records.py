"""Whatever is in a record or a promotion, reading it ends in one of our own errors or in a record."""

import copy
import json
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.support.clocks import SettableClock
from tests.support.quick_task import QUICK, two_releases
from weighbridge.adapters.json_schema.rules import JsonSchemaRules
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.domain.errors import WeighbridgeError
from weighbridge.domain.registry.promotions import Decision

RULES = JsonSchemaRules()

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -1, 0, 2**63, float("inf"), float("nan"), "", "../../etc/passwd", "models/\x00"])
    | st.floats()
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def damaged(draw: st.DrawFn, document: dict[str, Any]) -> dict[str, Any]:
    """The document with a few values replaced, removed or added, anywhere."""
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        part: Any = document
        while True:
            places = list(part) if isinstance(part, dict) else list(range(len(part)))
            if not places:
                break
            place = draw(st.sampled_from(places))
            if isinstance(part[place], dict | list) and draw(st.booleans()):
                part = part[place]
                continue
            if draw(st.booleans()):
                part[place] = draw(values)
            else:
                del part[place]
            break
    return document


@given(st.data())
def test_a_damaged_record_is_read_or_is_one_of_our_errors(data: st.DataObject) -> None:
    release = two_releases()[1]
    store = MemoryStore(SettableClock())
    registry = StoreRegistry(store, SettableClock(), RULES)
    document = data.draw(damaged(dict(release.document)))
    for key in (release.version.record_key, release.version.rejected_key):
        store.write(key, json.dumps(document).encode())
    for read in (registry.read, registry.read_refusal):
        with suppress(WeighbridgeError):
            found = read(release.version)
            assert RULES.faults("release", dict(found.document)) == []
            with suppress(WeighbridgeError):
                registry.fetch(found)  # type: ignore[arg-type]
    with suppress(WeighbridgeError):
        list(registry.trained_on(QUICK.name, release.record.dataset.sha256, [release.record.task_fingerprint]))


@given(st.data())
def test_a_damaged_promotion_is_read_or_is_one_of_our_errors(data: st.DataObject) -> None:
    store = MemoryStore(SettableClock())
    registry = StoreRegistry(store, SettableClock(), RULES)
    version = two_releases()[1].version
    promotion = registry.append(Decision(version, "", ""), None)
    key = f"promotions/{QUICK.name}_{promotion.entry}.json"
    store.delete(key)
    store.write(key, json.dumps(data.draw(damaged(promotion.to_dict()))).encode())
    with suppress(WeighbridgeError):
        assert registry.live(QUICK.name).version.task == QUICK.name


@given(
    st.binary(max_size=40)
    | st.sampled_from([b"[" * 100_000, b"1" * 5000, b'{"schema_version":NaN}', b"\xff\xfe{"])
)
def test_bytes_that_are_no_record_are_one_of_our_errors(data: bytes) -> None:
    store = MemoryStore(SettableClock())
    registry = StoreRegistry(store, SettableClock(), RULES)
    version = two_releases()[1].version
    store.write(version.record_key, data)
    store.write(f"promotions/{QUICK.name}_000000000001.json", data)
    for ask in (lambda: registry.read(version), lambda: registry.live(QUICK.name)):
        try:
            ask()
        except WeighbridgeError:
            continue
        raise AssertionError(f"read as a record: {data!r}")
