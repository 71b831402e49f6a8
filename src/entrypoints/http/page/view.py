"""What the page shows, and how it is written. Jinja2 is imported when somebody looks."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from weighbridge.domain.data.schema import Category
from weighbridge.domain.evaluation.gate import Verdict
from weighbridge.domain.registry.history import Snapshot
from weighbridge.domain.serving.figures import Figures
from weighbridge.domain.serving.service import LoadedModel, PredictionService
from weighbridge.domain.store.artefacts import dataset_timestamp
from weighbridge.entrypoints.http.page.chart import draw, headline
from weighbridge.entrypoints.http.page.now import figures_in_words
from weighbridge.entrypoints.http.page.trying import Tried, fields_of
from weighbridge.entrypoints.http.paths import API

if TYPE_CHECKING:
    from jinja2 import Template

VERDICTS = {
    Verdict.RELEASE: "released",
    Verdict.RELEASE_WITH_WARNING: "released with a warning",
    Verdict.REJECT: "refused",
}

#: Versions in the drawing for a wide window, and in that for a narrow one, with their widths.
_WIDE, _NARROW = (50, 900), (14, 330)


@dataclass(frozen=True, slots=True)
class Number:
    """A metric of the live model with its levels, in words."""

    name: str
    value: str
    levels: str


def render(
    service: PredictionService,
    snapshot: Snapshot,
    figures: Figures,
    tried: Tried | None,
    now: datetime,
    started: datetime,
    has_keys: bool,
) -> str:
    """The page as HTML.

    Args:
        service: whose model it is about.
        snapshot: of the history.
        figures: counted until now.
        tried: the form that was sent; None for none.
        now: the present.
        started: when the service began.
        has_keys: whether a key is asked for.
    """
    loaded = service.loaded
    live = loaded.release.version if loaded else None
    fields = [] if loaded is None else fields_of(loaded, tried)
    return _template().render(
        task=service.task,
        title=service.task.replace("_", " ").capitalize(),
        api=f"{API.removeprefix('/')}/{service.task}",
        software=version("weighbridge"),
        mark=mark_of(service, snapshot),
        problem=service.problem,
        live=None if loaded is None else _live(loaded, now),
        history=snapshot,
        metric=headline(snapshot.weighings),
        charts=[
            (kind, draw(snapshot.weighings, live, width, most))
            for kind, (most, width) in (("wide", _WIDE), ("narrow", _NARROW))
        ],
        version=live,
        verdicts=VERDICTS,
        fields=fields,
        # Along a number there is a curve.
        along=next((field.name for field in fields if not field.levels), ""),
        tried=tried,
        now=figures_in_words(figures),
        started=started,
        has_keys=has_keys,
    )


def mark_of(service: PredictionService, snapshot: Snapshot) -> str:
    """A text that differs whenever the page shows something else, but for the form and for numbers that run.

    Every process of a service that knows the same gives the same.
    """
    promotion = service.loaded and service.loaded.promotion
    weighings = [(one.verdict, one.version) for one in snapshot.weighings]
    counts = snapshot.released, snapshot.refused, snapshot.is_whole, snapshot.problem
    text = repr((promotion, service.problem, weighings, counts))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def age_in_words(seconds: float) -> str:
    """How long ago, in the unit that fits."""
    for size, name in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        count = int(seconds // size)
        if count >= 1:
            return f"{count:,} {name}{'s' if count > 1 else ''}"
    return "less than a minute"


def shown(value: float) -> str:
    """A metric for people."""
    return f"{value:.4g}" if math.isfinite(value) else "not a number"


def _live(loaded: LoadedModel, now: datetime) -> dict[str, Any]:
    record, promotion = loaded.release.record, loaded.promotion
    taken = dataset_timestamp(promotion.version.task, record.dataset.key.partition("/")[2])
    target = record.schema.target
    return {
        "promotion": promotion,
        "since": age_in_words((now - promotion.at).total_seconds()),
        "record": record,
        "data_age": None if taken is None else age_in_words((now - taken).total_seconds()),
        "taken": taken,
        "numbers": _numbers(loaded),
        "schema": record.schema.fingerprint,
        "unit": "" if isinstance(target, Category) else target.unit,
        "levels": list(target.levels) if isinstance(target, Category) else [],
        "has_report": "key" in (record.report or {}),
    }


def _numbers(loaded: LoadedModel) -> list[Number]:
    record = loaded.release.record
    levels = {one["metric"]: one for one in record.thresholds if "slice_by" not in one}
    # Those that were weighed come first, and metrics of slices stay in the report.
    names = sorted((name for name in record.metrics if "[" not in name), key=lambda name: name not in levels)
    return [
        Number(
            name.replace("_", " "),
            shown(record.metrics[name]),
            f"warning {levels[name]['warning']:g}, error {levels[name]['error']:g}" if name in levels else "",
        )
        for name in names[:6]
    ]


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["shown"] = shown
    text = files("weighbridge.entrypoints.http.page").joinpath("page.html.jinja").read_text(encoding="utf-8")
    return environment.from_string(text)
