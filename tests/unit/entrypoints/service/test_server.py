"""What a server is configured with: whom it believes about clients."""

from tests.support.http_service import CLOCK, service_of_two
from weighbridge.adapters.prometheus.shared_counters import SharedCounters, private_memory
from weighbridge.adapters.prometheus.telemetry import PrometheusTelemetry
from weighbridge.entrypoints.service.server import make_server
from weighbridge.entrypoints.settings import load_settings


def test_only_trusted_proxies_are_believed() -> None:
    telemetry = PrometheusTelemetry(SharedCounters(private_memory()), CLOCK)
    nobody = make_server(service_of_two(), load_settings({}), telemetry).config
    assert nobody.proxy_headers is False
    some = make_server(service_of_two(), load_settings({"trusted_proxies": "10.0.0.0/8, 192.168.1.1"}), telemetry)
    assert (some.config.proxy_headers, some.config.forwarded_allow_ips) == (True, "10.0.0.0/8, 192.168.1.1")
