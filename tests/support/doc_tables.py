"""Tables of the documentation, of the code's own words: ``python -m tests.support.doc_tables`` writes them anew.

Those of docs/operations.md (settings, events, metrics), and the index of docs/adr.
"""

import re
from collections.abc import Iterator
from dataclasses import fields
from inspect import getdoc
from pathlib import Path
from typing import Any

import typer

from tests.support.quick_task import QUICK, copy, store_of_two
from weighbridge.adapters.prometheus.telemetry import PrometheusTelemetry
from weighbridge.domain.events import Event
from weighbridge.domain.monitoring import events as monitoring_events
from weighbridge.domain.registry import events as registry_events
from weighbridge.domain.report import events as report_events
from weighbridge.domain.serving import events as serving_events
from weighbridge.domain.store import events as store_events
from weighbridge.domain.training import events as training_events
from weighbridge.entrypoints import edge_events
from weighbridge.entrypoints.cli.main import app
from weighbridge.entrypoints.container import wire
from weighbridge.entrypoints.settings import PREFIX, Settings, load_settings

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"

INDEX = PAGE.parent / "adr" / "README.md"

EVENT_MODULES = (
    edge_events,
    monitoring_events,
    registry_events,
    report_events,
    serving_events,
    store_events,
    training_events,
)

#: The settings that no option's help tells of.
WORDS = {
    "root_path": "The path below which a proxy offers the service, as `/models/dispatch`: requests are answered "
    "with it and without it.",
    "trusted_proxies": "Addresses and networks of proxies, separated by commas, whose `X-Forwarded-For` and "
    "`X-Forwarded-Proto` are believed.",
    "worker_seconds": "A worker process that has not responded for so many seconds is killed and replaced.",
    "access_log": "One log line for each request.",
    "allowed_hosts": "Names, separated by commas, that requests may give as `Host`: `models.example.com`, "
    "`*.example.com`, `*`. On a loopback address local names are allowed as well, and no others by default; "
    "elsewhere every name is, when none is given. By an IP address, probes and metrics are always answered.",
    "answer_seconds": "For a client to take an answer, and a second more for each 64 KiB; then it is over.",
    "api_keys": "Keys, separated by commas; with any, every route but probes, metrics and docs wants one.",
    "body_seconds": "For the body of a request, and one second more for every 64 KiB that come; then 408.",
    "create_store": "Make the folder of a local store that is not there.",
    "drain_seconds": "After SIGTERM: answer, with `/readyz` at 503, before no more connections are taken.",
    "fall_back": "When the live release is damaged as the service starts: serve the newest intact one before it.",
    "header_seconds": "For the head of a request; then 408.",
    "keep_alive_seconds": "Between two requests on a connection; then it is closed.",
    "max_batch_bytes": "Bytes of a body of many rows, as they are sent; then 413.",
    "max_batch_decoded_bytes": "Bytes of such a body once it is decompressed and decoded; then 413.",
    "max_batch_rows": "Rows of a body of many rows; then 413.",
    "max_body_bytes": "Bytes of a body of one row; then 413.",
    "max_dataset_bytes": "Bytes of a dataset once decompressed, and eight times its cells; then exit code 4.",
    "max_dataset_rows": "Rows of a dataset; then exit code 4.",
    "max_client_batches": "Batches that one client, by its address, may have in work in a process; then 429.",
    "max_spool_bytes": "Bytes of all batches and their answers together that a process keeps in memory and in the "
    "temporary folder; then 503.",
    "max_header_bytes": "Bytes of a request's target and headers, of its trailers, and of its chunks' extensions; "
    "then 431.",
    "prediction_log": "Log answered rows to the store; see [Monitoring](monitoring.md).",
    "prediction_log_rate": "The share of rows that is logged: a random sample.",
    "prediction_log_redact": "Columns that are left out of it, separated by commas.",
    "prediction_log_rows": "Rows that one of its files has at most.",
    "prediction_log_seconds": "How long a row waits at most for its file to be written.",
    "shutdown_seconds": "After draining: for requests under way.",
    "store_attempts": "How often a request to a bucket is tried.",
    "store_anonymous": "Ask a public bucket of S3 without credentials.",
    "store_requester_pays": "Agree to pay for requests, of a bucket of S3 whose owner does not.",
    "store_deadline_seconds": "For a request to a bucket with all its attempts.",
    "store_timeout_seconds": "For a single attempt: to connect, and between bytes.",
    "tracing": "Send traces of trainings and requests by OTLP; needs the extra `otel`.",
}

_BEFORE_INDEX = """# Decisions

What was decided about the design, why, and what it costs; one page each, by number. A number that is missing was
never given. A decision that is changed gets a new page, which the old one then names.

| | decision |
|---|---|
"""


def page(before: str) -> str:
    """The page as it has to be, from the page as it is."""
    tables = {"settings": _settings(), "events": _events(), "metrics": _metrics()}
    for name, rows in tables.items():
        pattern = rf"<!-- {name} -->\n.*?<!-- end -->"
        whole = "\n".join(rows)
        before, found = re.subn(
            pattern, lambda _, n=name, w=whole: f"<!-- {n} -->\n{w}\n<!-- end -->", before, flags=re.DOTALL
        )
        assert found == 1, f"{PAGE}: there is no place for the table of {name}"
    return before


def index() -> str:
    """The index of the decisions as it has to be."""
    rows = ""
    for path in sorted(INDEX.parent.glob("[0-9]*.md")):
        number, title = path.read_text().splitlines()[0].removeprefix("# ").split(". ", 1)
        assert path.name.startswith(f"{int(number):04}-"), path
        rows += f"| [{number}]({path.name}) | {title} |\n"
    return f"{_BEFORE_INDEX}{rows}"


def commands(command: Any = None, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every command of the command line that does something, by its whole name."""
    command = typer.main.get_command(app) if command is None else command
    if not hasattr(command, "commands"):
        yield name, command
        return
    for word, below in command.commands.items():
        yield from commands(below, f"{name} {word}".strip())


def _settings() -> Iterator[str]:
    """One row for each variable: those of the options, and those of the settings."""
    every = dict(commands())
    options: dict[str, dict[str, list[str]]] = {}
    defaults: dict[str, str] = {}
    for name, command in every.items():
        for option in command.params:
            if option.envvar:
                says = re.sub(r"\s*\[default: (.*)\]$", "", option.help or "")
                options.setdefault(str(option.envvar), {}).setdefault(says, []).append(name)
                given = re.search(r"\[default: (.*)\]$", option.help or "")
                default = given[1] if given else _shown(option.default)
                defaults.setdefault(str(option.envvar), default)
    yield "| variable | option of | default | what |"
    yield "|---|---|---|---|"
    known = {
        f"{PREFIX}{name.upper()}": (name, field)
        for name, field in Settings.model_fields.items()
        if not field.validation_alias
    }
    for variable in sorted({*options, *known}):
        told = options.get(variable)
        if told is None:
            name, field = known[variable]
            assert name in WORDS, f"say what the setting {name} is, in {__name__}.WORDS"
            default = field.get_default()
            shown = _shown(default.get_secret_value() if name == "api_keys" else default)
            yield f"| `{variable}` | | {shown} | {WORDS[name]} |"
            continue
        names = [name for each in told.values() for name in each]
        where = "most commands" if len(names) > 10 else ", ".join(f"`{name}`" for name in names)
        says = " ".join(text if len(told) == 1 else f"`{', '.join(each)}`: {text}" for text, each in told.items())
        yield f"| `{variable}` | {where} | {defaults[variable]} | {says.replace('|', chr(92) + '|')} |"


def _events() -> Iterator[str]:
    yield "| event | level | fields | what |"
    yield "|---|---|---|---|"
    every = [kind for module in EVENT_MODULES for kind in vars(module).values()]
    kinds = {kind for kind in every if isinstance(kind, type) and issubclass(kind, Event)} - {Event}
    for kind in sorted(kinds, key=lambda kind: kind.name):
        names = ", ".join(f"`{field.name}`" for field in fields(kind))
        says = (getdoc(kind) or "").partition("\n\n")[0].replace("\n", " ")
        yield f"| `{kind.name}` | {kind.severity} | {names} | {says} |"
    seen = "`method`, `path`, `status`, `milliseconds`, `request_id`, `client`"
    yield f"| `request` | info | {seen} | A request was answered; with `WEIGHBRIDGE_ACCESS_LOG`. |"


def _metrics() -> Iterator[str]:
    yield "| metric | type | labels | what |"
    yield "|---|---|---|---|"
    for family in sorted(metric_families(), key=lambda family: family.name):
        labels = ", ".join(f"`{name}`" for name in family._labelnames)
        yield f"| `{family.name}` | {family.type} | {labels} | {family.documentation} |"


def metric_families() -> Iterator[Any]:
    """Every family of a service that has a model, and another one beside it, and logs its answers."""
    container = wire(load_settings({"store": "memory://"}))
    copy(store_of_two(), container.store())
    container.shadow_telemetry().shadowing(None, None)
    container.log_telemetry().begin(0)
    service = container.service(QUICK.name)
    service.load()
    telemetry = container.telemetry()
    assert isinstance(telemetry, PrometheusTelemetry)
    yield from telemetry.families(service.loaded)


def _shown(default: object) -> str:
    if default is None or default == "" or default is ...:
        return "none"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
    INDEX.write_text(index())
