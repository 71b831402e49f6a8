"""Any history of operations on a store, against a plain dict."""

from collections.abc import Callable
from hashlib import sha256
from io import BytesIO

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, multiple, rule, run_state_machine_as_test

from weighbridge.adapters.testing.keys import keys, kinds, names
from weighbridge.domain.errors import ArtefactExists, ArtefactNotFound
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.store.artefacts import ArtefactRef


class StoreMachine(RuleBasedStateMachine):
    """Any history of writes, reads, deletions and listings, against a plain dict."""

    known = Bundle("known")
    refs = Bundle("refs")

    def __init__(self, store: ArtefactStore) -> None:
        super().__init__()
        self.store = store
        self.model: dict[str, bytes] = {}
        self.writes = 0

    @rule(target=known, key=keys())
    def think_of(self, key: str) -> str:
        return key

    @rule(target=refs, key=known, data=st.binary(max_size=64), as_file=st.booleans())
    def write(self, key: str, data: bytes, as_file: bool) -> object:
        # The same bytes again may rightly be the same revision again; the number makes each write another one.
        self.writes += 1
        data += str(self.writes).encode()

        def write() -> ArtefactRef:
            if as_file:
                return self.store.write_file(key, BytesIO(data), sha256(data).hexdigest())
            return self.store.write(key, data)

        if key in self.model:
            with pytest.raises(ArtefactExists):
                write()
            return multiple()
        ref = write()
        assert (ref.key, ref.size) == (key, len(data))
        self.model[key] = data
        return (ref, data)

    @rule(key=known)
    def read(self, key: str) -> None:
        if key in self.model:
            artefact = self.store.read(key)
            assert (artefact.ref.key, artefact.data) == (key, self.model[key])
        else:
            with pytest.raises(ArtefactNotFound):
                self.store.read(key)

    @rule(written=refs)
    def read_revision(self, written: tuple[ArtefactRef, bytes]) -> None:
        ref, data = written
        if self.model.get(ref.key) == data:
            artefact = self.store.read(ref)
            assert same(artefact.ref, ref)
            assert (artefact.data, artefact.sha256) == (data, sha256(data).hexdigest())
        else:
            with pytest.raises(ArtefactNotFound):
                self.store.read(ref)

    @rule(key=consumes(known), again=st.booleans(), target=known)
    def delete(self, key: str, again: bool) -> object:
        if self.model.pop(key, None) is not None:
            self.store.delete(key)
        else:
            with pytest.raises(ArtefactNotFound):
                self.store.delete(key)
        return key if again else multiple()

    @rule(
        kind=kinds(), start=st.text("aot", max_size=1), after=st.none() | keys() | st.builds("{}/".format, names())
    )
    def listing(self, kind: str, start: str, after: str | None) -> None:
        prefix = f"{kind}/{start}"
        expected = sorted(
            (key for key in self.model if key.startswith(prefix) and (after is None or key > after)),
            key=str.encode,
        )
        listed = list(self.store.list(prefix, after))
        assert [(ref.key, ref.size) for ref in listed] == [(key, len(self.model[key])) for key in expected]


def same(one: ArtefactRef, other: ArtefactRef | None) -> bool:
    """Whether two refs name the same bytes; a listing need not know the version, nor time to the same fraction."""
    return other is not None and (one.key, one.size, one.revision) == (other.key, other.size, other.revision)


def run_machine(machine: Callable[[], RuleBasedStateMachine], slowness: int = 1) -> None:
    """Run a state machine with the profile's settings, fewer examples for what is slow."""
    usual = settings.default
    assert usual is not None
    run_state_machine_as_test(
        machine,  # type: ignore[arg-type]
        settings=settings(usual, max_examples=max(8, usual.max_examples // slowness), stateful_step_count=25),
    )
