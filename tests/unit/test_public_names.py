"""``from weighbridge import ...``: the public names in Python, in the stub, in the docs and in drafted tasks."""

import ast
import re
import sys
from pathlib import Path

import pytest

import weighbridge
from tests.support.quick_task import csv
from weighbridge.entrypoints.cli.task_drafting import draft
from weighbridge.entrypoints.container import wire
from weighbridge.entrypoints.settings import load_settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
#: What a person may copy from: pages for users; the architecture and the decisions are about the inside.
FOR_USERS = [page for page in PAGES if page.name != "architecture.md" and "adr" not in page.parts]

_PYTHON = re.compile(r"^```python[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def homes() -> dict[str, str]:
    """The module of each public name, as type checkers have it."""
    tree = ast.parse((ROOT / "src" / "__init__.pyi").read_text())
    found = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            for name in node.names:
                assert name.name == name.asname, "a stub exports only what it imports under its own name"
                found[name.name] = str(node.module)
    return found


def imported(code: str) -> list[tuple[str, str]]:
    """The module and the name of each import of ours."""
    return [
        (str(node.module), name.name)
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == "weighbridge"
        for name in node.names
    ]


def test_the_stub_and_the_package_offer_the_same_names() -> None:
    public = homes()
    assert sorted(weighbridge.__all__) == sorted(public)
    assert set(public) <= set(dir(weighbridge))
    for name, module in public.items():
        found = getattr(weighbridge, name)
        assert found is getattr(sys.modules[module], name)
        if isinstance(found, type):
            # It is imported from where it is defined.
            assert found.__module__ == module


def test_a_name_that_is_not_public_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="module 'weighbridge' has no attribute 'Weigher'"):
        _ = weighbridge.Weigher  # type: ignore[attr-defined]
    with pytest.raises(ImportError, match="Weigher"):
        exec("from weighbridge import Weigher")


@pytest.mark.parametrize("page", FOR_USERS, ids=lambda page: page.stem)
def test_pages_for_users_import_only_public_names(page: Path) -> None:
    text = page.read_text()
    for block in _PYTHON.findall(text):
        assert [one for one in imported(block) if one[0] != "weighbridge"] == []
        assert {name for _, name in imported(block)} <= set(weighbridge.__all__)
    inside = set(re.findall(r"weighbridge\.(?:domain|adapters|entrypoints)[\w.]*", text))
    # pytest rewrites the assertions of a module by its path.
    assert inside <= {"weighbridge.adapters.testing"}


def test_a_drafted_task_imports_only_public_names() -> None:
    container = wire(load_settings({"store": "memory://"}))
    ref = container.store().write("datasets/orders_2021-07-03.csv", csv())
    text = draft(container.store().read(ref), None, container.reader()).text
    found = imported(text)
    assert {module for module, _ in found} == {"weighbridge"}
    assert {name for _, name in found} <= set(weighbridge.__all__)
