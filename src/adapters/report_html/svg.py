"""SVG as it goes into a page: small, with the page's own colours and fonts, and names that are unique in it."""

import io
import re

from matplotlib.figure import Figure

from weighbridge.adapters.report_html.style import PROPERTIES

_HEAD = re.compile(r".*?<svg [^>]*?viewBox=\"([^\"]+)\"[^>]*>", re.DOTALL)
_DROPPED = re.compile(r"<metadata>.*?</metadata>|<!--.*?-->|<style type=\"text/css\">.*?</style>", re.DOTALL)
_STYLE = re.compile(r'style="([^"]*)"')
_PATH = re.compile(r'\bd="([^"]*)"')
_COLOUR = re.compile("|".join(PROPERTIES))
_NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
_IDENTIFIER = re.compile(r'\bid="([^"]+)"')
_REFERENCE = re.compile(r'(?:xlink:href="#|url\(#)([^")]+)')


class Styles:
    """The styles of all figures of a page, each once, by the name of its class."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def name(self, style: str) -> str:
        """The class of a style."""
        return self._names.setdefault(style, f"s{len(self._names)}")

    def sheet(self) -> str:
        """The classes as a style sheet."""
        return "".join(f".{name}{{{style}}}" for style, name in self._names.items())


def compact(figure: Figure, key: str, title: str, styles: Styles) -> str:
    """A drawn figure as inline SVG.

    Args:
        figure: with the stand-ins of ``style`` for colours.
        key: unique in the page; begins every identifier.
        title: the whole of the report in words, escaped for HTML.
        styles: of the page; those of the figure are added.
    """
    figure.patch.set_visible(False)
    for axes in figure.axes:
        axes.patch.set_visible(False)
    written = io.StringIO()
    figure.savefig(written, format="svg", metadata={"Date": None})
    text = written.getvalue()
    head = _HEAD.match(text)
    assert head is not None
    body = _DROPPED.sub("", text[head.end() :].rpartition("</svg>")[0])
    referred = set(_REFERENCE.findall(body))
    body = _IDENTIFIER.sub(lambda found: f'id="{key}-{found[1]}"' if found[1] in referred else "", body)
    body = _REFERENCE.sub(lambda found: found[0].replace(f"#{found[1]}", f"#{key}-{found[1]}"), body)
    body = body.replace("xlink:href", "href")
    body = _PATH.sub(lambda found: f'd="{_relative(found[1])}"', body)
    body = _STYLE.sub(lambda found: _styled(found[1], styles), body)
    body = re.sub(r'(?<=[ "(])-?\d+\.\d+(?=[ ",)])', lambda found: _round(float(found[0])), body)
    body = re.sub(r' transform="rotate\(-?0 [^)]*\)"', "", body)
    # Groups that say nothing, and what only lays the source out.
    body = re.sub(r"\s*\n\s*", "", body)
    body = re.sub(r"<(\w+) +>", r"<\1>", re.sub(r" {2,}", " ", body))
    body = _without_plain_groups(body).replace(" />", "/>")
    box = " ".join(_round(float(part)) for part in head[1].split())
    label = f'role="img" aria-label="{title}"'
    return f'<svg viewBox="{box}" {label} xmlns="http://www.w3.org/2000/svg">{body}</svg>'


def _without_plain_groups(body: str) -> str:
    kept: list[str] = []
    groups: list[bool] = []
    for part in re.split(r"(</?g\b[^>]*>)", re.sub(r"<g\b[^>]*/>", "", body)):
        if part.startswith("<g"):
            groups.append(part != "<g>")
        if not (part == "<g>" or (part == "</g>" and not groups.pop())):
            kept.append(part)
    return "".join(kept)


def _styled(style: str, styles: Styles) -> str:
    """The class of a style in the page's colours, without what the page says once for all figures."""
    parts = []
    for part in style.split(";"):
        name, _, value = (side.strip() for side in part.partition(":"))
        if name in ("", "font-family", "stroke-linejoin") or (name, value) == ("stroke-linecap", "butt"):
            continue
        if name == "font":
            # "8px 'DejaVu Sans', ..." and the like: only the size and the weight are ours.
            sizes = re.search(r"([\d.]+)px", value)
            name, value = "font-size", f"{_round(float(sizes[1]))}px" if sizes else "8px"
            if re.search(r"\b(700|bold)\b", style):
                parts.append("font-weight:700")
        value = _COLOUR.sub(lambda found: f"var(--{PROPERTIES[found[0]]})", value)
        parts.append(f"{name}:{_NUMBER.sub(lambda found: _round(float(found[0]), 2), value)}")
    return f'class="{styles.name(";".join(parts))}"' if parts else ""


def _relative(path: str) -> str:
    """A path in relative steps of tenths of a point, when it has only straight lines; else rounded as it is."""
    tokens = path.split()
    if not {token for token in tokens if token.isalpha()} <= {"M", "L", "z"}:
        return _NUMBER.sub(lambda found: _round(float(found[0])), " ".join(tokens))
    out, at, place, start = [], 0, (0, 0), (0, 0)
    while at < len(tokens):
        command = tokens[at]
        if command == "z":
            out.append("z")
            place, at = start, at + 1
            continue
        x, y = (round(10 * float(value)) for value in tokens[at + 1 : at + 3])
        if command == "M":
            out.append(f"M{_tenths(x)} {_tenths(y)}")
            start = (x, y)
        else:
            out.append(_step(x - place[0], y - place[1]))
        place, at = (x, y), at + 3
    return "".join(out).replace(" -", "-")


def _step(right: int, down: int) -> str:
    if not right:
        return f"v{_tenths(down)}"
    return f"l{_tenths(right)} {_tenths(down)}" if down else f"h{_tenths(right)}"


def _tenths(value: int) -> str:
    return _round(value / 10)


def _round(value: float, places: int = 1) -> str:
    text = f"{value:.{places}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text
