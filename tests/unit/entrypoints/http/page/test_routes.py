"""The page as a browser gets it: what it shows, its policy, its form, and who may see it."""

import base64
import html
import json
import re
import shlex
from dataclasses import replace
from datetime import timedelta
from functools import cache
from hashlib import sha256
from urllib.parse import urlencode

import pytest

from tests.support.asgi_client import Reply, ask
from tests.support.http_service import CLOCK, service_on
from tests.support.quick_task import QUICK, store_of_two, two_releases
from tests.support.reasons import errors
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.prometheus.shared_counters import SharedCounters, private_memory
from weighbridge.adapters.prometheus.telemetry import PrometheusTelemetry
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.domain.evaluation.gate import GateDecision, Verdict
from weighbridge.domain.registry.history import History
from weighbridge.domain.registry.releases import ModelVersion
from weighbridge.domain.serving.service import PredictionService
from weighbridge.entrypoints.http.fast.front import Front
from weighbridge.entrypoints.http.lifecycle import Lifecycle
from weighbridge.entrypoints.service.app import create_app
from weighbridge.entrypoints.settings import load_settings

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
HOSTILE = "<script>alert('x')</script>\"&"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

REPORT = b"<!DOCTYPE html><p>evaluated"


class Place:
    """The application over a store with two releases; another one is there to be refused."""

    def __init__(self, store: MemoryStore | None = None, **given: object) -> None:
        self.store = store or store_of_two()
        self.telemetry = PrometheusTelemetry(SharedCounters(private_memory()), CLOCK)
        self.registry = StoreRegistry(self.store, CLOCK)
        self.service: PredictionService = service_on(self.store, self.telemetry)
        self.service.refresh()
        self.history = History(QUICK.name, self.registry, self.store, CLOCK)
        self.follow()
        settings = load_settings(given)
        self.app: Front = create_app(self.service, settings, self.telemetry, Lifecycle(), history=self.history)

    def follow(self) -> None:
        loaded = self.service.loaded
        self.history.follow(None if loaded is None else loaded.promotion)

    def get(self, path: str = "/", **headers: str) -> Reply:
        return ask(self.app, "GET", path, headers=headers)

    def text(self) -> str:
        reply = self.get()
        assert reply.status == 200
        return reply.body.decode()

    def send(self, **values: str) -> Reply:
        body = urlencode(values).encode()
        return ask(self.app, "POST", "/", body, {**FORM, "Host": "models.example:8000"})


@cache
def shared() -> Place:
    """For tests that change nothing."""
    return Place()


def refuse(place: Place, reason: str) -> ModelVersion:
    """Record a refusal that is newer than every release, with a report."""
    newest = two_releases()[1]
    version = ModelVersion(QUICK.name, newest.version.created + timedelta(hours=1), "0badbad0")
    record = replace(
        newest.record,
        version=str(version),
        decision=GateDecision(Verdict.REJECT, errors(reason)),
        metrics={**newest.record.metrics, "r2": 0.1234},
        report={"key": version.report_key, "sha256": sha256(REPORT).hexdigest(), "size": len(REPORT)},
    )
    place.registry.refuse(record)
    return version


def section(text: str, name: str) -> str:
    found = re.search(rf'<section id="{name}".*?</section>', text, re.DOTALL)
    assert found is not None
    return found[0]


def test_the_headers_of_the_page() -> None:
    reply = shared().get()
    assert reply.headers["content-security-policy"] == POLICY
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["referrer-policy"] == "no-referrer"
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_nothing_on_it_needs_more_than_its_policy_allows() -> None:
    text = shared().text()
    assert re.findall(r"<script(?! src=\"page\.js\")|<style|\sstyle=|\son[a-z]+=|javascript:|//", text) == ["//"]
    assert "xmlns='http://www.w3.org/2000/svg'" in text
    for path, kind in (("/page.js", "text/javascript"), ("/page.css", "text/css")):
        reply = shared().get(path)
        assert (reply.status, reply.headers["content-type"]) == (200, f"{kind}; charset=utf-8")
        assert set(re.findall(rb"https?://[^/\"]*", reply.body)) <= {b"http://www.w3.org"}
        assert not re.search(rb"@import|\burl\(|innerHTML|eval", reply.body)


def test_what_is_live() -> None:
    _, newest = two_releases()
    text = section(shared().text(), "live")
    assert f"<code>{newest.version}</code>" in text
    assert newest.record.dataset.key in text
    assert f"{newest.record.dataset.rows:,} rows" in text
    assert f'<span class="value">{newest.record.metrics["r2"]:.4g}</span>' in text
    assert "warning 0.9, error 0.8" in text
    assert 'aria-hidden="true">●</span> Released\n' in text
    assert "notice" not in text


def test_a_hold_and_a_failed_refresh_are_in_plain_sight() -> None:
    place = Place()
    first, newest = two_releases()
    place.registry.promote(first.version, "complaints", "the night shift", hold=True)
    place.service.refresh()
    text = section(place.text(), "live")
    assert "<strong>Held.</strong>" in text
    assert "by the night shift: complaints" in text
    place.store.delete(newest.record.model.key or "")
    place.registry.promote(newest.version, "as before", "me")
    place.service.refresh()
    text = section(place.text(), "live")
    assert "The last look for a newer model failed." in text
    assert f"{newest.version} is gone" in text
    assert f"<code>{first.version}</code>" in text


def test_before_anything_was_released() -> None:
    place = Place(MemoryStore(CLOCK))
    text = place.text()
    assert "No model is loaded yet." in section(text, "live")
    assert "Nothing has been weighed yet." in section(text, "history")
    assert "There is no model to try yet." in section(text, "try")
    assert place.send(orders_placed="1").status == 503


def test_the_history_marks_what_is_live_and_what_was_refused() -> None:
    place = Place()
    refused = refuse(place, HOSTILE)
    place.history = History(QUICK.name, place.registry, place.store, CLOCK)
    place.follow()
    place.app = create_app(place.service, load_settings({}), place.telemetry, Lifecycle(), history=place.history)
    text = section(place.text(), "history")
    assert "2 released, 1 refused." in text
    rows = re.findall(r'<tr(.*?)>.*?<th scope="row">(.*?)</th>.*?</span> (.*?)</td>', text, re.DOTALL)
    first, newest = two_releases()
    assert [(mark.strip(), html.unescape(name), re.sub("<.*?>", "", verdict)) for mark, name, verdict in rows] == [
        ("", f'<a href="reports/{refused}">{refused}</a>', "refused"),
        ('class="current"', str(newest.version), "released, live"),
        ("", str(first.version), "released"),
    ]
    assert html.escape(HOSTILE).replace("&quot;", "&#34;").replace("&#x27;", "&#39;") in text
    assert HOSTILE not in text
    # Twice: for wide windows and for narrow ones.
    assert [text.count(f'class="{kind}"') for kind in ("point reject", "point release", "ring")] == [2, 4, 2]
    assert text.count('class="level warning"') == text.count('class="level error"') == 4


def test_what_a_browser_sends_is_never_written_as_it_came() -> None:
    reply = shared().send(product_code=HOSTILE, orders_placed=HOSTILE)
    assert reply.status == 422
    assert HOSTILE.encode() not in reply.body
    assert reply.headers["content-security-policy"] == POLICY


@pytest.mark.parametrize(("orders", "outside"), [("10", False), ("1e3", True)])
def test_the_form_is_answered_without_a_script(orders: str, outside: bool) -> None:
    place = Place()
    reply = place.send(product_code="SKU001", orders_placed=orders)
    assert reply.status == 200
    text = section(reply.body.decode(), "try")
    command = html.unescape(re.search(r"<code>(curl .*?)</code>", text, re.DOTALL)[1])  # type: ignore[index]
    *_, flag, body, url = shlex.split(command)
    assert (flag, url) == ("-d", f"http://models.example:8000/api/v0.1/{QUICK.name}")
    answer = ask(place.app, "POST", f"/api/v0.1/{QUICK.name}", body.encode(), {"Content-Type": "application/json"})
    said = json.loads(answer.body)
    assert f'<span class="value">{said["est_hours_to_dispatch"]:.6g} hours</span>' in text
    assert f"<code>{said['model_version']}</code>" in text
    assert ("x-outside-training-range" in answer.headers) == outside == ("Outside the range in training" in text)
    assert f'value="{orders}"' in text
    assert '<option value="SKU001" selected>' in text
    # The form's row and the command's.
    figures = place.telemetry.figures()
    assert (figures.rows, figures.outside) == (2.0, {"orders_placed": 2.0} if outside else {})


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"product_code": "SKU001", "orders_placed": "-1"}, "orders_placed"),
        ({"product_code": "SKU001", "orders_placed": "1e999"}, "orders_placed"),
        ({"product_code": "SKU001", "orders_placed": "1_0"}, "orders_placed"),
        ({"product_code": "SKU001", "orders_placed": "nan"}, "orders_placed"),
        ({"product_code": "SKU001"}, "orders_placed"),
        ({"product_code": "SKU009", "orders_placed": "1"}, "product_code"),
    ],
)
def test_the_form_is_refused_beside_the_field(values: dict[str, str], field: str) -> None:
    reply = shared().send(**values)
    assert reply.status == 422
    text = section(reply.body.decode(), "try")
    assert "The row was not admitted." in text
    marked = re.findall(r'data-field="(\w+)">(?:(?!data-field).)*?aria-invalid="true"', text, re.DOTALL)
    assert marked == [field]
    assert "curl" not in text


def test_only_forms_are_taken() -> None:
    reply = ask(shared().app, "POST", "/", b"{}", {"Content-Type": "application/json"})
    assert reply.status == 415


def test_the_form_has_ranges_units_and_choices() -> None:
    text = section(shared().text(), "try")
    assert re.search(r'<input [^>]*type="number" step="any" required[^>]* min="0"', text)
    assert '<span class="unit">(orders)</span>' in text
    assert re.findall(r'<option value="(SKU\d+)"', text) == list(QUICK.schema.feature("product_code").levels)


def test_figures_and_a_mark_that_changes_with_what_is_shown() -> None:
    place = Place()
    before = json.loads(place.get("/page/state").body)
    assert before["now"][0] == ["requests", "0"]
    assert json.loads(place.get("/page/state").body) == before
    place.send(product_code="SKU001", orders_placed="1")
    ask(place.app, "POST", f"/api/v0.1/{QUICK.name}", b"{}", {"Content-Type": "application/json"})
    place.registry.promote(two_releases()[0].version, "why", "who")
    place.service.refresh()
    after = json.loads(place.get("/page/state").body)
    # Another process that serves the same store.
    assert json.loads(Place(place.store).get("/page/state").body)["mark"] == after["mark"] != before["mark"]
    refuse(place, "why")
    assert json.loads(Place(place.store).get("/page/state").body)["mark"] != after["mark"]
    # What the page itself asks for does not count.
    assert dict(after["now"]) | {"latency, median": "", "latency, 95 %": "", "latency, 99 %": ""} == {
        "requests": "1",
        "errors (5xx)": "0 (0.00 %)",
        "refused input (4xx)": "1 (100.00 %)",
        "latency, median": "",
        "latency, 95 %": "",
        "latency, 99 %": "",
        "rows predicted": "1",
        "outside the training range": "0 (0.00 %)",
    }


def test_a_report_is_served_in_a_sandbox() -> None:
    place = Place()
    version = refuse(place, "why")
    assert place.get(f"/reports/{version}").status == 404
    assert place.get("/reports/..%2Fsecrets").status == 404
    place.store.write(version.report_key, REPORT)
    reply = place.get(f"/reports/{version}")
    assert (reply.status, reply.body) == (200, REPORT)
    assert reply.headers["content-security-policy"] == (
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )


def test_a_report_that_was_replaced_is_not_served() -> None:
    place = Place()
    version = refuse(place, "why")
    place.store.write(version.report_key, b"<script>alert(1)</script>")
    reply = place.get(f"/reports/{version}")
    assert reply.status == 404
    assert b"is not the one that was recorded: its sha256 is" in reply.body
    assert b"<script>" not in reply.body


def test_the_page_is_behind_the_keys_which_a_browser_sends_as_a_password() -> None:
    place = Place(api_keys="one,two")
    for path in ("/", "/page.js", "/page.css", "/page/state", f"/reports/{two_releases()[0].version}"):
        reply = place.get(path)
        assert (reply.status, reply.headers["www-authenticate"]) == (401, 'Basic realm="Weighbridge"')
    assert place.send(product_code="SKU001", orders_placed="1").status == 401
    for credentials, status in ((b"me:two", 200), (b":one", 200), (b"two:me", 401), (b"two", 401), (b":", 401)):
        told = base64.b64encode(credentials).decode()
        assert place.get(Authorization=f"Basic {told}").status == status
    assert place.get(Authorization="Basic %").status == 401
    body = urlencode({"product_code": "SKU001", "orders_placed": "1"}).encode()
    reply = ask(place.app, "POST", "/", body, {**FORM, "X-API-Key": "one"})
    assert "Authorization: Bearer $WEIGHBRIDGE_KEY" in html.unescape(reply.body.decode())


def test_without_a_page_there_is_none() -> None:
    telemetry = PrometheusTelemetry(SharedCounters(private_memory()), CLOCK)
    service = service_on(store_of_two(), telemetry)
    app = create_app(service, load_settings({"no_page": True}), telemetry, Lifecycle())
    assert {ask(app, "GET", path).status for path in ("/", "/page.js", "/page/state")} == {404}


def test_the_page_is_no_part_of_the_description() -> None:
    place = shared()
    paths = json.loads(place.get("/openapi.json").body)["paths"]
    assert not [path for path in paths if path == "/" or path.startswith(("/page", "/reports"))]


def test_the_page_asks_no_store() -> None:
    class Gone(MemoryStore):
        is_gone = False

        def read(self, what):  # type: ignore[no-untyped-def]
            assert not self.is_gone
            return super().read(what)

        def list(self, prefix, start_after=None):  # type: ignore[no-untyped-def]
            assert not self.is_gone
            return super().list(prefix, start_after)

    store, full = Gone(CLOCK), store_of_two()
    for kind in ("models", "promotions"):
        for ref in full.list(f"{kind}/"):
            store.write(ref.key, full.read(ref).data)
    place = Place(store)
    store.is_gone = True
    assert place.get().status == 200
    assert place.get("/page/state").status == 200
    assert place.send(product_code="SKU001", orders_placed="1").status == 200


def test_ages_are_told_in_the_unit_that_fits() -> None:
    from weighbridge.entrypoints.http.page.view import age_in_words

    told = [age_in_words(seconds) for seconds in (-5, 59, 60, 7199, 7200, 86_399, 86_400, 1e9)]
    assert told == [
        "less than a minute",
        "less than a minute",
        "1 minute",
        "1 hour",
        "2 hours",
        "23 hours",
        "1 day",
        "11,574 days",
    ]
