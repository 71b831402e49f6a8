"""Traces of trainings and of requests, through OpenTelemetry."""

import atexit
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from weighbridge.domain.system import RequestSpan, Tracing

_PROPAGATOR = TraceContextTextMapPropagator()

#: How long the end of the process waits for the last spans to be sent, in seconds.
_FAREWELL = 2.0


class OpenTelemetryTracing(Tracing):
    """Sends spans by OTLP over HTTP, in batches, from a thread of its own.

    The standard ``OTEL_*`` variables configure the endpoint and everything else; the service is called
    ``weighbridge`` unless they name it. Spans are lost while the collector does not answer, and nothing else is.

    Args:
        version: of the software.
        exporter: where spans go; None for OTLP.
    """

    def __init__(self, version: str, exporter: SpanExporter | None = None) -> None:
        named = Resource.create({SERVICE_NAME: "weighbridge"}).merge(OTELResourceDetector().detect())
        provider = TracerProvider(resource=named, shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
        self._provider = provider
        # Its own end waits for the collector much longer. A thread cannot be started any more when it is needed.
        self._ending = threading.Event()
        self._end = threading.Thread(target=self._shut_down, name="last-spans", daemon=True)
        self._end.start()
        atexit.register(self.close)
        self._tracer = provider.get_tracer("weighbridge", version)

    def span(self, name: str, **attributes: str) -> AbstractContextManager[None]:
        """A span around what is done within; its attributes are named ``weighbridge.<name>``."""
        return self._span(name, {f"weighbridge.{key}": value for key, value in attributes.items()})

    @contextmanager
    def request(self, method: str, path: str, headers: Mapping[str, str]) -> Iterator[RequestSpan]:
        """A server span, a child of the trace context in ``headers`` where they have one.

        Attributes are those of OpenTelemetry's semantic conventions for HTTP servers.
        """
        attributes = {"http.request.method": method, "url.path": path}
        with self._tracer.start_as_current_span(
            method, _PROPAGATOR.extract(headers), trace.SpanKind.SERVER, attributes
        ) as span:
            yield _Request(method, span)

    def flush(self) -> None:
        """Send the spans that are waiting now; the end of the process does so too."""
        self._provider.force_flush()

    def close(self) -> None:
        """Send the spans that are waiting, for two seconds at most, and no more from then on."""
        self._ending.set()
        self._end.join(timeout=_FAREWELL)

    def _shut_down(self) -> None:
        self._ending.wait()
        self._provider.shutdown()

    @contextmanager
    def _span(self, name: str, attributes: Mapping[str, str]) -> Iterator[None]:
        with self._tracer.start_as_current_span(name, attributes=attributes):
            yield


class _Request(RequestSpan):
    def __init__(self, method: str, span: trace.Span) -> None:
        self._method = method
        self._span = span

    def answered(self, route: str, status: int, request_id: str) -> None:
        """Name the span by method and route, and record the status; 500 and above are errors."""
        self._span.update_name(f"{self._method} {route}")
        self._span.set_attributes(
            {"http.route": route, "http.response.status_code": status, "weighbridge.request_id": request_id}
        )
        if status >= 500:
            self._span.set_status(trace.StatusCode.ERROR)
