"""Traces arrive at a collector: the phases of a training, and requests within the trace of whoever asks."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.asgi_client import ask
from tests.support.quick_task import QUICK, copy, csv, store_of_two
from weighbridge.adapters.local.store import LocalStore
from weighbridge.adapters.tracing_otel import OpenTelemetryTracing
from weighbridge.entrypoints.container import wire
from weighbridge.entrypoints.http.lifecycle import Lifecycle
from weighbridge.entrypoints.http.traced import Traced
from weighbridge.entrypoints.service.app import create_app
from weighbridge.entrypoints.settings import load_settings

COMMAND = Path(sys.executable).with_name("weighbridge")
TASK = f"{Path(__file__).parents[1] / 'support' / 'quick_task.py'}:QUICK"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector:
    """Takes traces by OTLP over HTTP."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.services: set[str] = set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/traces"
                body = self.rfile.read(int(self.headers["Content-Length"]))
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    collector.services.add(attributes(resource.resource)["service.name"])
                    collector.spans += [span for scope in resource.scope_spans for span in scope.spans]
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


def attributes(thing: Any) -> dict[str, Any]:
    return {one.key: one.value.string_value or one.value.int_value for one in thing.attributes}


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_a_training_is_a_trace_and_logs_and_record_have_its_id(tmp_path: Path, collector: Collector) -> None:
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets/time_to_dispatch_2021-07-01.csv").write_bytes(csv())
    done = subprocess.run(
        [COMMAND, "train", "--store", str(tmp_path), "--task", TASK, "--json", "--log-format", "json"],
        env={**os.environ, "WEIGHBRIDGE_TRACING": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    record = json.loads(done.stdout)
    run = record["run_id"]
    assert len(run) == 16
    assert {json.loads(line)["run_id"] for line in done.stderr.splitlines()} == {run}
    (root,) = [span for span in collector.spans if not span.parent_span_id]
    assert (root.name, attributes(root)) == (
        "train",
        {"weighbridge.task": "time_to_dispatch", "weighbridge.run_id": run},
    )
    phases = [span.name for span in sorted(collector.spans, key=lambda span: span.end_time_unix_nano)][:-1]
    assert phases == [f"train.{phase['name']}" for phase in record["phases"]]
    assert {span.trace_id for span in collector.spans} == {root.trace_id}
    assert collector.services == {"weighbridge"}


def test_a_request_is_a_span_within_the_trace_of_whoever_asks(collector: Collector, tmp_path: Path) -> None:
    copy(store_of_two(), LocalStore(tmp_path, create=False))
    settings = load_settings({"store": str(tmp_path)})
    container = wire(settings)
    service = container.service(QUICK.name)
    service.load()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    tracing = OpenTelemetryTracing("1", OTLPSpanExporter(f"{collector.url}/v1/traces"))
    app = Traced(create_app(service, settings, container.telemetry(), Lifecycle()), tracing)
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "content-type": "application/json"}
    path = f"/api/v0.1/{QUICK.name}"
    good = ask(app, "POST", path, b'{"product_code": "SKU001", "orders_placed": 10}', headers)
    bad = ask(app, "POST", path, b"{}", {**headers, "x-request-id": "of-mine"})
    lost = ask(app, "GET", "/nowhere")
    tracing.flush()
    assert (good.status, bad.status, lost.status) == (200, 422, 404)
    told = [(span.name, attributes(span)) for span in collector.spans]
    expected = [
        ("POST", path, path, good),
        ("POST", path, path, bad),
        ("GET", "/nowhere", "unmatched", lost),
    ]
    assert told == [
        (
            f"{method} {route}",
            {
                "http.request.method": method,
                "url.path": asked,
                "http.route": route,
                "http.response.status_code": reply.status,
                "weighbridge.request_id": reply.headers["x-request-id"],
            },
        )
        for method, asked, route, reply in expected
    ]
    assert bad.headers["x-request-id"] == "of-mine"
    inside = [(span.trace_id.hex(), span.parent_span_id.hex()) for span in collector.spans[:2]]
    assert inside == [(TRACE, PARENT)] * 2
    assert not collector.spans[2].parent_span_id
