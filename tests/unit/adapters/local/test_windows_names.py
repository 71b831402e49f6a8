"""Whatever is written has a name that Windows takes, too: a store can be copied there, and served from there."""

import hashlib
import re
from datetime import datetime

from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.clocks import SettableClock
from tests.support.quick_task import store_of_two
from tests.support.strategies import moments, task_names
from tests.unit.domain.store.test_store_check import Strange
from weighbridge.domain.monitoring.prediction_log import log_key
from weighbridge.domain.registry.promotion_log import entry_of
from weighbridge.domain.registry.releases import ModelVersion
from weighbridge.domain.registry.trained import trained_key
from weighbridge.domain.store.artefacts import DATASET_SUFFIXES, dataset_key
from weighbridge.domain.store.store_check import check_store

#: Devices, which are no names of files whatever follows their first dot.
DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}


def is_legal(key: str) -> bool:
    """Whether every level of a key is a name that Windows takes."""
    return all(
        re.search(r'[<>:"/\\|?*\x00-\x1f]', level) is None
        and not level.endswith((".", " "))
        and level.partition(".")[0].rstrip(" ").lower() not in DEVICES
        and 0 < len(level) < 256
        for level in key.split("/")
    )


def test_what_is_legal() -> None:
    assert is_legal("datasets/a_2021-07-03T23-05-32Z.csv.gz")
    for name in (
        "a:b",
        "a|b",
        "a?",
        "a*",
        '"',
        "<",
        ">",
        "a.",
        "a ",
        "con",
        "NUL.txt",
        "com1.csv",
        "a\tb",
        "x" * 256,
    ):
        assert not is_legal(f"datasets/{name}"), name


tasks = task_names() | st.sampled_from(sorted(DEVICES))


@given(task=tasks, at=moments(), data=st.binary(max_size=4), suffix=st.sampled_from(DATASET_SUFFIXES))
@example(task="nul", at=datetime.fromisoformat("2021-07-03T23:05:32.5+00:00"), data=b"", suffix=".csv")
def test_every_name_that_we_make_is_legal(task: str, at: datetime, data: bytes, suffix: str) -> None:
    digest = hashlib.sha256(data).hexdigest()
    version = ModelVersion.of(task, at, digest)
    for key in (
        dataset_key(task, at, suffix),
        *(version.model_key(kind) for kind in ("onnx", "skops")),
        version.record_key,
        version.rejected_key,
        version.report_key,
        f"promotions/{task}_{entry_of(12)}.json",
        trained_key(version, digest, digest, is_released=True),
        log_key(task, at, digest),
    ):
        assert is_legal(key), key


def test_every_name_that_was_written_is_legal() -> None:
    trained = store_of_two()
    keys = [ref.key for kind in ("datasets/", "models/", "promotions/", "reports/") for ref in trained.list(kind)]
    assert len(keys) >= 8
    clock, written = SettableClock(), []

    class Watched(Strange):
        def write(self, key: str, data: bytes):  # type: ignore[no-untyped-def]
            written.append(key)
            return super().write(key, data)

    check_store(Watched(clock), clock, "0a1b2c3d")
    assert [key for key in (*keys, *written) if not is_legal(key)] == []
