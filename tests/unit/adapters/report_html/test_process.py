"""Reports as HTML: self-contained, small, accessible, and never anything but text where data speak."""

import re
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from tests.support.reports import (
    HOSTILE,
    EvaluatedCandidate,
    refused_regression,
    released_classification,
    released_regression,
)
from weighbridge.adapters.report_html.page import page
from weighbridge.adapters.report_html.process import HtmlReports
from weighbridge.domain.errors import ReportFailure
from weighbridge.domain.report.shapes import Report

SINGLE = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "path", "use", "source", "wbr"}


class Parsed(HTMLParser):
    """The elements of a page with their attributes, and its text; unbalanced elements are an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs)
        if tag not in SINGLE:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in SINGLE:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@cache
def rendered(which: str) -> tuple[EvaluatedCandidate, bytes]:
    candidate = {"first": released_regression, "second": refused_regression, "classes": released_classification}[
        which
    ]()
    return candidate, page(candidate.report)


@pytest.fixture(params=["first", "second", "classes"])
def report(request: pytest.FixtureRequest) -> tuple[EvaluatedCandidate, bytes]:
    return rendered(request.param)


@cache
def parsed(data: bytes) -> Parsed:
    return Parsed(data.decode())


def test_a_report_is_small_and_asks_for_nothing(report: tuple[EvaluatedCandidate, bytes]) -> None:
    _, data = report
    found = parsed(data)
    assert len(data) < 400_000
    assert data.startswith(b"<!doctype html>")
    names = {name for name, _ in found.elements}
    assert (
        names & {"script", "img", "iframe", "object", "embed", "base", "form", "b", "image", "foreignobject"}
        == set()
    )
    for name, attributes in found.elements:
        assert not any(attribute.startswith("on") for attribute in attributes)
        for attribute in ("href", "src", "xlink:href"):
            value = attributes.get(attribute)
            assert value is None or value.startswith("#") or (name, value) == ("link", "data:,")
    styles = data.decode().partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in styles
    assert "@import" not in styles
    assert set(re.findall(r'https?://[^"<\s]*', data.decode())) <= {"http://www.w3.org/2000/svg"}


def test_every_figure_has_a_label_and_names_are_unique(report: tuple[EvaluatedCandidate, bytes]) -> None:
    candidate, data = report
    found = parsed(data)
    drawings = found.all("svg")
    every = [figure for part in candidate.report.sections for figure in part.figures]
    every += [figure for part in candidate.report.sections for check in part.checks for figure in check.figures]
    assert sorted(str(one["aria-label"]) for one in drawings) == sorted(figure.description for figure in every)
    assert all(one["role"] == "img" for one in drawings)
    identifiers = [str(attributes["id"]) for _, attributes in found.elements if "id" in attributes]
    assert len(set(identifiers)) == len(identifiers)
    text = data.decode()
    referred = set(re.findall(r'href="#([^"]+)"', text)) | set(re.findall(r"url\(#([^)]+)\)", text))
    assert referred <= set(identifiers)


def test_colours_come_from_the_page(report: tuple[EvaluatedCandidate, bytes]) -> None:
    text = report[1].decode()
    assert re.search(r"#0[12]0[12]\d\d", text) is None
    used = set(re.findall(r"var\(--([a-z0-9]+)\)", text))
    light, dark = (part for part in (text, text.partition("prefers-color-scheme:dark")[2]))
    assert all(f"--{name}:" in light and f"--{name}:" in dark for name in used)
    assert "@media print" in text
    classes = set(re.findall(r'class="(s\d+)"', text))
    assert classes
    assert all(f".{name}{{" in text for name in classes)


def test_a_report_reads_well_aloud(report: tuple[EvaluatedCandidate, bytes]) -> None:
    found = parsed(report[1])
    assert found.all("html") == [{"lang": "en"}]
    assert [len(found.all(name)) for name in ("h1", "main", "header", "nav", "footer")] == [1, 1, 1, 1, 1]
    headings = [int(name[1]) for name, _ in found.elements if re.fullmatch("h[1-6]", name)]
    assert all(after <= before + 2 for before, after in pairwise(headings))
    assert len(found.all("table")) == len(found.all("caption")) == len(found.all("thead"))
    assert all(cell.get("scope") in ("col", "row") for cell in found.all("th"))


def test_all_that_is_said_is_in_it_as_text(report: tuple[EvaluatedCandidate, bytes]) -> None:
    candidate, data = report
    said = " ".join(" ".join(parsed(data).text).split())
    report = candidate.report
    for text in (report.headline, *(text for _, text in report.reasons), report.version):
        assert " ".join(text.split()) in said
    for section in report.sections:
        assert section.command in said
        for check in section.checks:
            assert " ".join(check.name.split()) in said
            assert " ".join(check.detail.split()) in said
        for table in section.tables:
            assert all(" ".join(cell.split()) in said for row in table.rows for cell in row)


def test_hostile_names_are_only_names() -> None:
    text = rendered("second")[1].decode()
    assert HOSTILE not in text
    assert "<img src=x>" not in text
    assert "<b>price</b>" not in text
    assert text.count("&lt;script&gt;") > 5
    # Nor does matplotlib take dollars for mathematics.
    assert ">$x^2$<" in text


def test_the_process_of_its_own_draws_the_same() -> None:
    candidate, data = rendered("classes")
    assert HtmlReports().render(candidate.report) == data


@pytest.mark.parametrize(
    ("renderer", "message"),
    [
        (HtmlReports(python="/nowhere/python"), "the process that draws it could not be run: "),
        (HtmlReports(timeout=0.001), "drawing it took longer than 0.001 s"),
        (HtmlReports(python="/bin/false"), "drawing it failed with code 1: nothing was said"),
    ],
)
def test_what_goes_wrong_there_is_a_failure(renderer: HtmlReports, message: str) -> None:
    with pytest.raises(ReportFailure) as caught:
        renderer.render(Report("t", "v", "now", "release", "Released", (), ()))
    assert str(caught.value).startswith(message)


def test_what_the_process_says_last_is_told() -> None:
    broken = Report("t", "v", "now", "no verdict", "Released", (), ())
    with pytest.raises(ReportFailure, match=r"drawing it failed with code 1: .*UndefinedError"):
        HtmlReports().render(broken)
