"""Counts come out as they went in, whoever counted them."""

import mmap
import os
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from tests.support.clocks import START, SettableClock
from tests.support.quick_task import QUICK, store_of_two, two_releases
from weighbridge.adapters.onnx.codec import OnnxCodec
from weighbridge.adapters.prometheus.buckets import LATENCIES, PREDICTIONS
from weighbridge.adapters.prometheus.shared_counters import NUMBERS, SLOT_BYTES, SharedCounters, private_memory
from weighbridge.adapters.prometheus.telemetry import PrometheusTelemetry
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.domain.data.ranges import training_ranges
from weighbridge.domain.serving.events import ModelLoaded, RefreshFailed
from weighbridge.domain.serving.service import LoadedModel, PredictionService
from weighbridge.domain.store.events import StoreRetried

CLOCK = SettableClock()


def telemetry(counters: SharedCounters | None = None) -> PrometheusTelemetry:
    return PrometheusTelemetry(counters or SharedCounters(private_memory()), CLOCK)


def samples(of: PrometheusTelemetry, loaded: LoadedModel | None = None) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels."""
    content, _ = of.exposition(loaded, "")
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in plain(content.decode())
        for sample in family.samples
    }


REQUESTS = st.lists(
    st.tuples(
        st.sampled_from(["GET", "POST"]),
        st.sampled_from(["/a", "/b", 'quo"te\\\n']),
        st.sampled_from([200, 422, 503]),
        st.sampled_from([0.0, *LATENCIES, 11.0]) | st.floats(0, 20),
    ),
    max_size=30,
)


@given(st.lists(REQUESTS, min_size=1, max_size=3))
def test_requests_of_all_processes_are_counted(processes: list[Any]) -> None:
    memory = memoryview(bytearray(SLOT_BYTES * len(processes)))
    tellers = [telemetry(SharedCounters(memory, slot)) for slot in range(len(processes))]
    for teller, requests in zip(tellers, processes, strict=True):
        for request in requests:
            teller.answered(*request)
    everything = [request for requests in processes for request in requests]
    count = Counter(request[:3] for request in everything)
    for teller in tellers:
        found = samples(teller)
        requests_found = {key[1:]: n for key, n in found.items() if key[0] == "weighbridge_http_requests_total"}
        assert requests_found == {(m, r, str(s)): n for (m, r, s), n in count.items()}
        for method, route in {request[:2] for request in everything}:
            times = [seconds for m, r, _, seconds in everything if (m, r) == (method, route)]
            name = "weighbridge_http_request_duration_seconds"
            assert found[f"{name}_count", method, route] == len(times)
            assert found[f"{name}_sum", method, route] == pytest.approx(sum(times))
            for bound in LATENCIES:
                below = sum(seconds <= bound for seconds in times)
                assert found[f"{name}_bucket", repr(bound), method, route] == below


@given(st.lists(st.sampled_from(PREDICTIONS) | st.floats(-1e7, 1e7), max_size=20))
def test_predictions_are_counted_by_size(values: list[float]) -> None:
    teller = telemetry()
    teller.predicted(values[:5])
    teller.predicted(values[5:])
    found = samples(teller)
    assert found["weighbridge_rows_predicted_total",] == len(values)
    if values:
        assert found["weighbridge_prediction_count",] == len(values)
        assert found["weighbridge_prediction_sum",] == pytest.approx(sum(values), abs=1e-6)
        for bound in PREDICTIONS:
            below = sum(value <= bound for value in values)
            assert found["weighbridge_prediction_bucket", repr(bound)] == below


@given(st.lists(st.sampled_from(["late", "Ünïcode ☃", 'a"b\\c\nd']), max_size=10))
def test_predicted_classes_are_counted_by_name(labels: list[str]) -> None:
    teller = telemetry()
    teller.predicted(labels)
    found = samples(teller)
    classes = {key[1]: n for key, n in found.items() if key[0] == "weighbridge_predicted_classes_total"}
    assert classes == Counter(labels)
    assert found["weighbridge_rows_predicted_total",] == len(labels)


def test_refreshes_events_and_inputs_outside_their_range() -> None:
    teller = telemetry()
    before = samples(teller)
    assert (before["weighbridge_refresh_failing",], before["weighbridge_ready",]) == (0, 0)
    for problem in (None, "gone", None, "gone"):
        teller.refreshed(problem)
    teller.outside_training_range(["a", "b"])
    teller.outside_training_range(["a"])
    teller.emit(ModelLoaded("v", 1.0))
    teller.emit(ModelLoaded("v", 1.0))
    teller.emit(RefreshFailed("v", "gone"))
    for reason in ("SlowDown", "SlowDown", "500"):
        teller.emit(StoreRetried("GetObject", reason))
    found = samples(teller)
    assert found["weighbridge_refreshes_total", "success"] == 2
    assert found["weighbridge_refreshes_total", "failure"] == 2
    assert found["weighbridge_refresh_failing",] == 1
    assert found["weighbridge_inputs_outside_training_range_total", "a"] == 2
    assert found["weighbridge_inputs_outside_training_range_total", "b"] == 1
    assert found["weighbridge_events_total", "model_loaded"] == 2
    assert found["weighbridge_events_total", "refresh_failed"] == 1
    assert found["weighbridge_events_total", "store_retried"] == 3
    assert found["weighbridge_store_retries_total", "GetObject", "SlowDown"] == 2
    assert found["weighbridge_store_retries_total", "GetObject", "500"] == 1
    teller.refreshed(None)
    assert samples(teller)["weighbridge_refresh_failing",] == 0


def test_the_last_refresh_that_succeeded_is_told_and_stands_still_while_none_does() -> None:
    clock = SettableClock()
    teller = PrometheusTelemetry(SharedCounters(private_memory()), clock)
    name = ("weighbridge_last_refresh_success_timestamp",)
    teller.refreshed("gone")
    assert samples(teller)[name] == 0
    for problem in (None, "gone", "gone"):
        teller.refreshed(problem)
        assert samples(teller)[name] == START.timestamp()
        clock.advance(60)
    teller.refreshed(None)
    assert samples(teller)[name] == (START + timedelta(seconds=180)).timestamp()


def test_the_model_that_answers_is_described() -> None:
    teller = telemetry()
    registry = StoreRegistry(store_of_two(), CLOCK)
    service = PredictionService(QUICK.name, registry, [OnnxCodec()], CLOCK, teller)
    service.load()
    assert service.loaded is not None
    _, live = two_releases()
    found = samples(teller, service.loaded)
    assert found["weighbridge_ready",] == 1
    # Labels in the order of their names: dataset, format, task, version.
    assert found["weighbridge_model_info", live.record.dataset.key, "onnx", QUICK.name, str(live.version)] == 1
    age = (CLOCK.now() - live.version.created).total_seconds()
    assert found["weighbridge_model_age_seconds",] == age
    dataset_age = found["weighbridge_dataset_age_seconds",]
    CLOCK.advance(60)
    later = samples(teller, service.loaded)
    assert later["weighbridge_model_age_seconds",] - age == 60
    assert later["weighbridge_dataset_age_seconds",] - dataset_age == 60
    assert timedelta(seconds=dataset_age) > timedelta(0)


def test_openmetrics_is_written_for_whoever_asks_for_it() -> None:
    teller = telemetry()
    teller.answered("GET", "/a", 200, 0.01)
    teller.predicted([1.0])
    content, media_type = teller.exposition(None, "application/openmetrics-text; version=1.0.0")
    assert media_type.startswith("application/openmetrics-text")
    assert "weighbridge_http_requests" in {family.name for family in openmetrics(content.decode())}
    content, media_type = teller.exposition(None, "text/plain")
    assert media_type.startswith("text/plain")
    assert b"# EOF" not in content


def test_features_are_not_told_apart_when_there_is_no_more_room() -> None:
    teller = telemetry()
    teller.outside_training_range(["other"])
    teller.outside_training_range(str(number) for number in range(NUMBERS + 10))
    found = samples(teller)
    counts = {key[1]: n for key, n in found.items() if key[0].startswith("weighbridge_inputs_outside")}
    assert sum(counts.values()) == NUMBERS + 11
    assert counts["other"] > 1
    assert counts["0"] == 1
    # What has nowhere to be counted is left out, and nothing fails.
    teller.answered("GET", "/a", 200, 0.5)
    teller.predicted([1.0])
    again = samples(teller)
    assert again.keys() == found.keys()
    assert again["weighbridge_rows_predicted_total",] == 0


def test_whoever_takes_over_a_slot_counts_on() -> None:
    memory = private_memory()
    telemetry(SharedCounters(memory)).answered("GET", "/a", 200, 0.5)
    successor = telemetry(SharedCounters(memory))
    successor.answered("GET", "/a", 200, 0.5)
    successor.answered("GET", "/b", 200, 0.5)
    found = samples(successor)
    assert found["weighbridge_http_requests_total", "GET", "/a", "200"] == 2
    assert found["weighbridge_http_requests_total", "GET", "/b", "200"] == 1


def test_processes_that_were_forked_count_together() -> None:
    memory = mmap.mmap(-1, 3 * SLOT_BYTES)
    children = []
    for slot in (1, 2):
        pid = os.fork()
        if pid == 0:
            # The child counts, and leaves nothing of this process's behind.
            try:
                child = telemetry(SharedCounters(memoryview(memory), slot))
                for _ in range(100 * slot):
                    child.answered("GET", f"/{slot}", 200, 0.5)
                    child.answered("GET", "/both", 200, 0.5)
            finally:
                os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)
    found = samples(telemetry(SharedCounters(memoryview(memory), 0)))
    name = "weighbridge_http_requests_total"
    assert [found[name, "GET", route, "200"] for route in ("/1", "/2", "/both")] == [100, 200, 300]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, {}),
        ({"statistics": None}, {}),
        ({"statistics": {"features": []}}, {}),
        ({"statistics": {"features": {"x": None}}}, {}),
        ({"statistics": {"features": {"x": {"type": "category", "minimum": 1, "maximum": 2}}}}, {}),
        ({"statistics": {"features": {"x": {"type": "number", "minimum": None, "maximum": 2}}}}, {}),
        ({"statistics": {"features": {"x": {"type": "number", "rows": 0, "minimum": 0, "maximum": 0}}}}, {}),
        (
            {"statistics": {"features": {"x": {"type": "number", "rows": 9, "minimum": -1, "maximum": 2.5}}}},
            {"x": (-1.0, 2.5)},
        ),
    ],
)
def test_ranges_of_training_are_read_where_a_record_has_them(document: Any, expected: Any) -> None:
    assert training_ranges(document) == expected
