"""The documentation holds: its tables are the code's, its commands exist, and the runbook can be followed.

``make docs-check`` follows every page whole, services included.
"""

import logging
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import MotoServer
from tests.support import doc_tables
from tests.support.followed_docs import PAGES, Block, Section, a_bucket, commands, follow, is_like, sections

RUNBOOK = doc_tables.PAGE
ROOT = Path(__file__).parents[2]


def weighbridge_calls(block: Block) -> Iterator[list[str]]:
    """The calls of our command in a block, whatever else its lines do."""
    for command, _ in commands(block):
        lexer = shlex.shlex(command.replace("\\\n", " "), posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        call: list[str] | None = None
        begins = True
        for word in [*lexer, ";"]:
            if set(word) <= set("();<>|&"):
                if call is not None:
                    yield call
                call, begins = None, not set(word) & set("<>")
            elif call is not None:
                call.append(word)
            elif begins and (word == "weighbridge" or word.endswith("/weighbridge")):
                call = []
            else:
                # Variables may be set before a command.
                begins = begins and re.fullmatch(r"\w+=.*", word) is not None


def test_tables_are_those_of_the_code() -> None:
    """``python -m tests.support.doc_tables`` writes them."""
    text = RUNBOOK.read_text()
    assert doc_tables.page(text) == text
    assert doc_tables.INDEX.read_text() == doc_tables.index()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_shown_exists_with_its_options(page: Path) -> None:
    known = dict(doc_tables.commands())
    for section in sections(page):
        for block in section.blocks:
            if block.language not in ("sh", "console"):
                continue
            for words in weighbridge_calls(block):
                where = f"{page.name}, line {block.line}: weighbridge {shlex.join(words)}"
                name = next((name for name in known if words[: len(name.split())] == name.split()), None)
                if name is None:
                    assert words[0].startswith("--") or "--help" in words, where
                    continue
                arguments = words[len(name.split()) :]
                if not {"--help", "..."} & {*arguments}:
                    assert known[name].make_context(name, arguments), where


def test_the_help_of_every_command_has_an_example_that_can_be_run() -> None:
    for name, command in doc_tables.commands():
        examples = re.findall(r"^ *Example: (weighbridge .*)$", command.help, re.MULTILINE)
        assert examples, name
        for example in examples:
            program, *words = shlex.split(example)
            assert (program, words[: len(name.split())]) == ("weighbridge", name.split())
            assert command.make_context(name, words[len(name.split()) :])


@pytest.mark.parametrize("page", [*PAGES, *sorted((ROOT / "docs/adr").glob("*.md"))], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        if "://" in path:
            continue
        there = (page.parent / path) if path else page
        assert there.exists(), target
        if anchor and there.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", there.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}, target


@pytest.mark.parametrize("section", sections(RUNBOOK), ids=lambda section: section.title.replace(" ", "-"))
def test_the_runbook_can_be_followed(
    section: Section, moto_server: MotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without services, which take a process each."""
    monkeypatch.setattr(logging.getLogger("werkzeug"), "disabled", True)
    if any("s3://" in f"{block.text}{block.marks}" for block in section.blocks):
        with a_bucket(moto_server.url) as aws:
            follow(section, serves=False, WEIGHBRIDGE_NO_REPORT="1", **aws)
    else:
        follow(section, serves=False, WEIGHBRIDGE_NO_REPORT="1")


@pytest.mark.parametrize(
    ("printed", "shown", "alike"),
    [
        ("live  2021-07-03T09-00-00Z-ddb047b2\n", "live 2026-01-01T00-00-00Z-00000000", True),
        ("released 2021-07-03T09-00-00Z-ddb047b2\n", "refused VERSION\n", False),
        ("one\ntwo\nthree\n", "one\n...\nthree\n", True),
        ("one\nthree\n", "one\n...\nthree\n", True),
        ("one is two\n", "one ... two\n", True),
        ("one is two\nthree\n", "one ... three\n", False),
        ("one\nthree\nmore\n", "one\nthree\n", False),
        ("r2 0.97\n", "r2 0.5\n", True),
        ("r2 0.97\n", "mae 0.97\n", False),
        ("", "", True),
        ("something\n", "", False),
    ],
)
def test_what_is_printed_is_compared_without_what_changes(printed: str, shown: str, alike: bool) -> None:
    assert is_like(printed, shown) is alike
