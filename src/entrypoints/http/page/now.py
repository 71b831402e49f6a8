"""What the service does now, in words and numbers for people."""

from __future__ import annotations

from weighbridge.domain.serving.figures import Figures, quantile
from weighbridge.entrypoints.http.paths import API

#: Where models are asked; what the page itself asks for is nobody's business.
_ASKED = (f"{API}/", "/v2/models")


def figures_in_words(figures: Figures) -> list[tuple[str, str]]:
    """Names and values, in the order in which they are shown."""
    asked = {key: counts for key, counts in figures.answered.items() if key[1].startswith(_ASKED)}
    total = sum(sum(counts) for counts in asked.values())
    refused = sum(sum(counts) for (_, _, status), counts in asked.items() if 400 <= status < 500)
    failed = sum(sum(counts) for (_, _, status), counts in asked.items() if status >= 500)
    latencies = [sum(column) for column in zip(*asked.values(), strict=True)]
    shown = [
        ("requests", f"{total:,.0f}"),
        ("errors (5xx)", _share(failed, total)),
        ("refused input (4xx)", _share(refused, total)),
        *(
            (name, _milliseconds(quantile(figures.bounds, latencies, share)))
            for name, share in (("latency, median", 0.5), ("latency, 95 %", 0.95), ("latency, 99 %", 0.99))
        ),
        ("rows predicted", f"{figures.rows:,.0f}"),
    ]
    for name, rows in sorted(figures.outside.items(), key=lambda item: -item[1])[:5]:
        shown.append((f"outside its training range: {name}", _share(rows, figures.rows)))
    if not figures.outside:
        shown.append(("outside the training range", _share(0, figures.rows)))
    return shown


def _share(part: float, whole: float) -> str:
    return f"{part:,.0f} ({part / whole:.2%})".replace("%", " %") if whole else f"{part:,.0f}"


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.3g} ms"
