"""The page itself: the report of an evaluation as one self-contained HTML file."""

from collections.abc import Iterator
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape
from matplotlib.figure import Figure as Canvas

from weighbridge.adapters.report_html import charts
from weighbridge.adapters.report_html.gauges import draw_gauges
from weighbridge.adapters.report_html.heat_map import draw_grid
from weighbridge.adapters.report_html.svg import Styles, compact
from weighbridge.domain.report.figures import Figure
from weighbridge.domain.report.shapes import Report


def page(report: Report) -> bytes:
    """The file, in UTF-8."""
    here = files("weighbridge.adapters.report_html")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(here.joinpath("report.html.jinja").read_text(encoding="utf-8"))
    styles = Styles()
    drawn = {
        id(figure): compact(_drawn(figure), f"f{number}", str(escape(figure.description)), styles)
        for number, figure in enumerate(_figures(report), 1)
    }
    sheet = here.joinpath("report.css").read_text(encoding="utf-8") + styles.sheet()
    text = template.render(
        report=report,
        # Our own file, and what was made of matplotlib's own output, in which it escapes every text.
        style=Markup(sheet),  # noqa: S704
        draw=lambda figure: Markup(drawn[id(figure)]),  # noqa: S704
    )
    return text.encode("utf-8", errors="replace")


def _figures(report: Report) -> Iterator[Figure]:
    for section in report.sections:
        yield from section.figures
        for check in section.checks:
            yield from check.figures


def _drawn(figure: Figure) -> Canvas:
    if figure.gauges is not None:
        return draw_gauges(figure.gauges)
    if figure.curves is not None:
        return charts.draw_curves(figure.curves)
    if figure.histogram is not None:
        return charts.draw_histogram(figure.histogram)
    if figure.bars is not None:
        return charts.draw_bars(figure.bars)
    if figure.points is not None:
        return charts.draw_points(figure.points)
    if figure.strips is not None:
        return charts.draw_strips(figure.strips)
    if figure.ranges is not None:
        return charts.draw_ranges(figure.ranges)
    assert figure.grid is not None
    return draw_grid(figure.grid)
