"""The prediction log: how answers become files, how files are found again, and what is lost at most."""

import hashlib
import io
import os
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.class_task import LEVELS, service_of_classes
from tests.support.clocks import START, SettableClock
from tests.support.events import Recorder
from tests.support.http_service import service_of_two
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.observers.prediction_logging import MOST_FILES, PredictionLogging
from weighbridge.adapters.prediction_log.parquet import ParquetPredictions
from weighbridge.adapters.prediction_log.unwritten_marks import UnwrittenMark
from weighbridge.adapters.prometheus.prediction_log import PrometheusPredictionLog
from weighbridge.adapters.prometheus.shared_counters import SharedCounters, private_memory
from weighbridge.domain.data.schema import Number, Schema
from weighbridge.domain.errors import DataError, StoreUnavailable
from weighbridge.domain.monitoring.events import (
    PredictionLogFailed,
    PredictionsLogged,
    PredictionsLost,
    RedactionUnknown,
)
from weighbridge.domain.monitoring.prediction_log import (
    LONGEST,
    LoggedAnswer,
    LoggedRows,
    OpenFiles,
    files_of_window,
    log_key,
    log_timestamp,
    write_file,
)
from weighbridge.domain.serving.service import LoadedModel
from weighbridge.domain.store.artefacts import Artefact, ArtefactRef

TABLES = ParquetPredictions()


def model() -> LoadedModel:
    loaded = service_of_two().loaded
    assert loaded is not None
    return loaded


MODEL = model()
ROW = {"orders_placed": 10.0, "product_code": "SKU001"}


def answer(at: datetime = START, number: float = 0.0, by: LoadedModel = MODEL) -> LoggedAnswer:
    return LoggedAnswer(by, {**ROW, "orders_placed": number}, number / 10, f"id-{number:g}", at)


def with_schema(schema: Schema) -> LoadedModel:
    record = replace(MODEL.release.record, schema=schema)
    return replace(MODEL, release=replace(MODEL.release, record=record))


OTHER = with_schema(Schema((Number("time"), Number("input_time")), Number("y"), "model"))


class Flaky(MemoryStore):
    """A store that is away while it is told to be."""

    away = False

    def write(self, key: str, data: bytes) -> ArtefactRef:
        if self.away:
            raise StoreUnavailable("the store is away")
        return super().write(key, data)


class Bench:
    """A log without its thread: time moves, and files are written, when the test says so."""

    def __init__(self, folder: Path, rate: float = 1.0, redacted: Sequence[str] = (), rows: int = 3) -> None:
        self.clock, self.recorder = SettableClock(), Recorder()
        self.store = Flaky(self.clock)
        self.telemetry = PrometheusPredictionLog(SharedCounters(private_memory()))
        self.mark = UnwrittenMark("bench", folder)
        self.log = PredictionLogging(
            self.store,
            TABLES,
            self.telemetry,
            self.mark,
            self.recorder,
            self.clock,
            rate=rate,
            seconds=60,
            rows=rows,
            redacted=redacted,
            draw=random.Random(7),
        )
        self.telemetry.begin(0)

    def answers(self, count: int, start: int = 0) -> None:
        for number in range(start, start + count):
            self.log.observe(MODEL, {**ROW, "orders_placed": float(number)}, 1.0, f"id-{number}")

    def files(self) -> list[LoggedRows]:
        return [TABLES.decode(self.store.read(ref)) for ref in self.store.list("predictions/")]

    def logged(self) -> list[float]:
        return sorted(number for one in self.files() for number in one.frame["orders_placed"])

    def metrics(self) -> dict[str, float]:
        return {
            sample.name.removeprefix("weighbridge_prediction_log_"): sample.value
            for family in self.telemetry.families()
            for sample in family.samples
        }


@given(st.datetimes(timezones=st.just(UTC)), st.binary(max_size=4))
def test_a_name_tells_the_time_of_its_earliest_row(at: datetime, data: bytes) -> None:
    sha256 = hashlib.sha256(data).hexdigest()
    key = log_key("orders", at, sha256)
    folder, _, name = key.partition("/")
    assert folder == "predictions"
    assert name.endswith(f"-{sha256[:8]}.parquet")
    assert log_timestamp("orders", name) == at.replace(microsecond=0)
    assert log_timestamp("order", name) is log_timestamp("orders_placed", name) is None


STEPS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.4, 5.0, 59.0, 61.0, 4000.0, -30.0, -4000.0]), st.booleans()), max_size=25
)


@given(STEPS, st.integers(1, 4), st.floats(1, 3600))
def test_files_are_small_short_and_of_one_schema_and_nothing_is_lost(
    steps: list[tuple[float, bool]], rows: int, seconds: float
) -> None:
    files, now, came = OpenFiles(rows, seconds), START, []
    went: list[LoggedAnswer] = []
    for number, (step, other) in enumerate(steps):
        now += timedelta(seconds=step)
        one = answer(now, number, OTHER if other else MODEL)
        came.append(one)
        files.add(one)
        while (due := files.due(now)) is not None:
            assert len({each.model.schema.fingerprint for each in due}) == 1
            assert len(due) <= rows
            assert max(each.at for each in due) - min(each.at for each in due) < 2 * LONGEST
            went += due
            files.done()
        assert len(files) == len(came) - len(went)
    while (rest := files.first()) is not None:
        went += rest
        files.done()
    assert went == came
    assert files.due(now) is None


@given(STEPS, st.integers(-9000, 9000), st.integers(1, 9000))
def test_the_files_of_a_window_hold_every_answer_of_it(
    steps: list[tuple[float, bool]], begin: int, length: int
) -> None:
    store, files, now, times = MemoryStore(SettableClock()), OpenFiles(3, 3600), START, []
    for number, (step, _) in enumerate(steps):
        now += timedelta(seconds=step)
        times.append(now)
        files.add(answer(now, number))
    held: dict[str, list[datetime]] = {}
    while (first := files.first()) is not None:
        held[write_file(store, TABLES, first, ())] = [one.at for one in first]
        files.done()
    start = START + timedelta(seconds=begin)
    end = start + timedelta(seconds=length)
    found = [at for ref in files_of_window(store, "time_to_dispatch", start, end) for at in held[ref.key]]
    assert sorted(at for at in found if start <= at < end) == sorted(at for at in times if start <= at < end)


def test_files_of_other_times_and_tasks_are_not_looked_at() -> None:
    store = MemoryStore(SettableClock())
    hours = {hours: log_key("orders", START + timedelta(hours=hours), "0" * 64) for hours in (-4, -2, 0, 1, 2, 3)}
    strangers = (
        "predictions/orders_2021-07-03.parquet",
        "predictions/orders_placed_2021-07-03T23-05-32Z-00.parquet",
    )
    for key in (*hours.values(), *strangers):
        store.write(key, b"")
    start = START.replace(microsecond=0)
    found = files_of_window(store, "orders", start, start + timedelta(hours=2))
    assert [ref.key for ref in found] == [hours[-2], hours[0], hours[1]]


def test_writing_the_same_file_again_changes_nothing() -> None:
    store = MemoryStore(SettableClock())
    answers = [answer(START, 1), answer(START - timedelta(seconds=5), 2)]
    key = write_file(store, TABLES, answers, ())
    assert write_file(store, TABLES, answers, ()) == key
    (ref,) = store.list("predictions/")
    assert (
        ref.key == key == f"predictions/time_to_dispatch_2021-07-03T23-05-27Z-{store.read(key).sha256[:8]}.parquet"
    )


def test_a_file_is_plain_parquet() -> None:
    table = pq.read_table(io.BytesIO(TABLES.encode([answer(START, 10), answer(START, 20)], ())))
    assert table.to_pylist() == [
        {
            "orders_placed": number,
            "product_code": "SKU001",
            "est_hours_to_dispatch": number / 10,
            "model_version": str(MODEL.release.version),
            "request_id": f"id-{number:g}",
            "time": START,
        }
        for number in (10.0, 20.0)
    ]


def artefact(data: bytes) -> Artefact:
    return Artefact(ArtefactRef("predictions/x.parquet", len(data), "1", None, START), data, "")


@pytest.mark.parametrize(
    "hidden", [(), ("time", "y"), ("input_time", "request_id"), ("model",), ("model_version",)]
)
def test_columns_are_redacted_and_names_do_not_clash(hidden: tuple[str, ...]) -> None:
    row = {"time": 1.0, "input_time": 2.0}
    one = LoggedAnswer(OTHER, dict(row), 3.0, "id", START)
    decoded = TABLES.decode(artefact(TABLES.encode([one], hidden)))
    assert decoded.frame.to_dict("records") == [{name: row[name] for name in row if name not in hidden}]
    version = str(OTHER.release.version)
    own = {"prediction": 3.0, "model_version": version, "request_id": "id", "time": START}
    gone = {"prediction"} if "model" in hidden else {"request_id"} & set(hidden)
    assert decoded.predictions.to_dict("records") == [{name: own[name] for name in own if name not in gone}]


def test_classes_have_their_probabilities() -> None:
    loaded = service_of_classes().loaded
    assert loaded is not None
    row = loaded.schema.admit_row({"alcohol": 12, "colour": 1})
    given = loaded.predictor.classify_rows([row])[0]
    one = LoggedAnswer(loaded, row, given, "id", START)
    decoded = TABLES.decode(artefact(TABLES.encode([one], ())))
    (found,) = decoded.predictions.to_dict("records")
    assert found["prediction"] == given.label
    assert [found[f"probability_{level}"] for level in LEVELS] == given.probabilities
    hidden = TABLES.decode(artefact(TABLES.encode([one], ["which_wine"]))).predictions
    assert list(hidden.columns) == ["model_version", "request_id", "time"]


def other_parquet() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"a": [1]}), file)
    return file.getvalue()


@pytest.mark.parametrize("data", [b"", b"PAR1", TABLES.encode([answer()], ())[:-9], other_parquet()])
def test_what_is_no_log_is_said_so(data: bytes) -> None:
    with pytest.raises(DataError, match=r"predictions/x\.parquet: 1 problem\n  no prediction log can be read"):
        TABLES.decode(artefact(data))


def test_files_are_written_when_they_are_full_or_old(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.answers(4)
    bench.log.flush()
    assert bench.logged() == [0, 1, 2]
    bench.clock.advance(59)
    bench.log.flush()
    assert bench.logged() == [0, 1, 2]
    bench.clock.advance(1)
    bench.log.flush()
    assert bench.logged() == [0, 1, 2, 3]
    assert [type(event) for event in bench.recorder.events] == [PredictionsLogged] * 2
    assert bench.metrics() == {"rows_total": 4, "lost_total": 0, "waiting": 0, "failing": 0}


def test_rows_wait_for_a_store_that_is_away_up_to_the_bound(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.store.away = True
    bench.answers(20)
    bench.log.flush()
    bench.answers(15, start=20)
    bench.log.flush()
    most = 3 * MOST_FILES
    assert bench.metrics() == {"rows_total": 0, "lost_total": 5, "waiting": most, "failing": 1}
    assert bench.recorder.events == [PredictionLogFailed("the store is away", 20)]
    bench.store.away = False
    bench.log.flush()
    assert bench.logged() == list(range(most))
    assert bench.metrics() == {"rows_total": most, "lost_total": 5, "waiting": 0, "failing": 0}
    bench.answers(1, start=99)
    bench.log.flush(everything=True)
    assert bench.logged()[-1] == 99


def test_the_thread_writes_everything_at_the_end(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.log.start()
    bench.answers(10)
    bench.log.stop()
    assert bench.logged() == list(range(10))
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_at_the_end_is_counted_and_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.store.away = True
    bench.log.start()
    bench.answers(32)
    bench.log.stop()
    assert bench.metrics() == {"rows_total": 0, "lost_total": 32, "waiting": 0, "failing": 1}
    lost = [event for event in bench.recorder.events if isinstance(event, PredictionsLost)]
    assert lost == [PredictionsLost(2, "30 were waiting already"), PredictionsLost(30, "the store is away")]


def test_a_sample_is_a_share_of_the_answers(tmp_path: Path) -> None:
    bench = Bench(tmp_path, rate=0.25, rows=1000)
    bench.answers(400)
    bench.log.flush(everything=True)
    draw = random.Random(7)
    assert bench.logged() == [number for number in range(400) if draw.random() < 0.25]
    assert 70 < len(bench.logged()) < 130


def test_what_is_redacted_is_in_no_file(tmp_path: Path) -> None:
    bench = Bench(tmp_path, redacted=["product_code", "request_id"])
    bench.answers(3)
    bench.log.flush()
    (file,) = bench.files()
    assert list(file.frame.columns) == ["orders_placed"]
    (ref,) = bench.store.list("predictions/")
    assert b"SKU001" not in bench.store.read(ref).data
    assert [type(event) for event in bench.recorder.events] == [PredictionsLogged]


def test_a_slip_in_what_is_redacted_is_told_once(tmp_path: Path) -> None:
    names = ["product_code", "est_hours_to_dispatch", "request_id", "orders", "time"]
    bench = Bench(tmp_path, redacted=names)
    bench.answers(6)
    bench.log.flush()
    told = [event for event in bench.recorder.events if isinstance(event, RedactionUnknown)]
    assert told == [RedactionUnknown(str(MODEL.release.version), ("orders", "time"))]


def test_a_killed_process_leaves_its_count_to_the_next(tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        mark = UnwrittenMark("here", tmp_path)
        mark.open()
        for _ in range(5):
            mark.taken()
        mark.settled(2)
        os._exit(0)
    os.waitpid(pid, 0)
    mine = UnwrittenMark("here", tmp_path)
    mine.open()
    mine.taken()
    assert UnwrittenMark("elsewhere", tmp_path).left_behind() == 0
    assert UnwrittenMark("here", tmp_path).left_behind() == 3
    assert UnwrittenMark("here", tmp_path).left_behind() == 0
    mine.close()
    assert list(tmp_path.iterdir()) == []


def test_where_no_file_can_be_had_nothing_is_kept(tmp_path: Path) -> None:
    mark = UnwrittenMark("here", tmp_path / "nowhere")
    mark.open()
    mark.taken()
    mark.settled(1)
    mark.close()
    assert mark.left_behind() == 0
