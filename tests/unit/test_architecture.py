"""The shape of the code: import contracts, and rules that the contracts cannot tell."""

import ast
import re
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest
from importlinter import api
from importlinter.application.use_cases import create_report, read_user_options
from importlinter.contracts.acyclic_siblings import AcyclicSiblingsContract
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.independence import IndependenceContract
from importlinter.contracts.layers import LayersContract
from importlinter.domain.contract import registry

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]

#: What of the standard library leads out of the process, or depends on more than what is passed in.
DOORS = {"logging", "os", "pathlib", "pickle", "random", "socket", "subprocess", "tempfile", "urllib"}


@pytest.fixture(scope="module")
def kept() -> dict[str, bool]:
    """Whether each contract is kept, by name."""
    assert api.read_configuration(str(ROOT / "pyproject.toml"))["contracts_options"]
    for name, kind in (
        ("layers", LayersContract),
        ("forbidden", ForbiddenContract),
        ("independence", IndependenceContract),
        ("acyclic_siblings", AcyclicSiblingsContract),
    ):
        registry.register(kind, name)
    report = create_report(read_user_options(str(ROOT / "pyproject.toml")), cache_dir=None)
    assert not report.could_not_run
    return {contract.name: check.kept for contract, check in report.get_contracts_and_checks()}


@pytest.mark.parametrize("name", [contract["name"] for contract in CONTRACTS])
def test_an_import_contract_is_kept(kept: dict[str, bool], name: str) -> None:
    assert kept[name]


def test_the_contracts_say_what_the_architecture_is() -> None:
    layers = {
        contract["containers"][0]: contract["layers"] for contract in CONTRACTS if contract["type"] == "layers"
    }
    assert layers["weighbridge"] == ["entrypoints", "adapters", "domain"]
    folders = {path.stem for path in (SOURCE / "domain").iterdir() if not path.stem.startswith("__")}
    assert set(layers["weighbridge.domain"]) == folders
    (domain,) = [contract for contract in CONTRACTS if contract.get("source_modules") == ["weighbridge.domain"]]
    storage, web = {"boto3", "botocore"}, {"fastapi", "starlette", "pydantic", "typer", "prometheus_client"}
    models = {"onnx", "onnxruntime", "skl2onnx", "skops"}
    assert storage | web | models | {"dependency_injector"} | DOORS <= set(domain["forbidden_modules"])
    adapters = [contract for contract in CONTRACTS if contract.get("modules") == ["weighbridge.adapters.*"]]
    assert [(contract["type"], contract.get("ignore_imports")) for contract in adapters] == [
        ("independence", None)
    ]
    guarded = {module for contract in CONTRACTS for module in contract.get("forbidden_modules", ())}
    assert {"boto3", "fastapi", "dependency_injector", "pydantic_settings"} <= guarded


MODULES = sorted(SOURCE.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """The top-level packages that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            found.add(str(node.module).partition(".")[0])
    return found


def test_the_domain_imports_only_what_it_may() -> None:
    # joblib is where scikit-learn does its fits in parallel; the domain asks it how many go on at once.
    allowed = (set(sys.stdlib_module_names) - DOORS) | {
        "weighbridge",
        "numpy",
        "pandas",
        "sklearn",
        "joblib",
        "scipy",
    }
    found = {path.name: imported(path) - allowed for path in (SOURCE / "domain").rglob("*.py")}
    assert {name: modules for name, modules in found.items() if modules} == {}


def module_name(path: Path) -> str:
    """The dotted name of a file below src/."""
    parts = ("weighbridge", *path.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Imports for type checkers count, and imports within functions."""
    graph = grimp.build_graph("weighbridge", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert {module_name(path) for path in MODULES} <= set(imports)
    list(TopologicalSorter(imports).static_order())


def test_nothing_is_pickled() -> None:
    picklers = {"pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}
    # Nothing is ever stored so. Fits and their data go to other processes that way, while a search goes on.
    found = {path.name: imported(path) & picklers for path in MODULES if imported(path) & picklers}
    assert found == {
        "sklearn_search.py": {"joblib"},
        "parallel.py": {"joblib", "cloudpickle"},
        "cluster.py": {"joblib"},
    }
    from_joblib = {
        (path.name, alias.name)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("joblib")
        for alias in node.names
    }
    assert from_joblib == {
        ("sklearn_search.py", "effective_n_jobs"),
        *(("parallel.py", name) for name in ("parallel_config", "BrokenProcessPool", "TerminatedWorkerError")),
        *(("parallel.py", name) for name in ("Parallel", "delayed", "resource_tracker")),
        *(("cluster.py", name) for name in ("parallel_config", "DaskDistributedBackend")),
    }


def test_modules_are_named_for_what_they_are() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}
    assert [path for path in MODULES if path.stem in vague] == []


def test_every_module_says_what_it_is() -> None:
    assert [path for path in MODULES if not ast.get_docstring(ast.parse(path.read_text()))] == []


#: The page about the folders.
PAGE = ROOT / "docs/architecture.md"


@pytest.mark.parametrize("layer", ["domain", "adapters", "entrypoints"])
def test_the_architecture_names_every_folder_and_no_other(layer: str) -> None:
    _, _, rest = PAGE.read_text().partition(f"## `src/{layer}/`")
    assert rest
    rows = [line.split("|")[1] for line in rest.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    entries = [path for path in (SOURCE / layer).iterdir() if not path.name.startswith(("__", "."))]
    told = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
    assert sorted(told) == sorted(f"{path.name}/" if path.is_dir() else path.name for path in entries)


def test_the_architecture_names_files_that_there_are() -> None:
    text = PAGE.read_text()
    for layer in ("domain", "adapters"):
        rows = text[text.index("| port |") : text.index("Ports are [synchronous]")].splitlines()[2:]
        column = {"domain": 2, "adapters": 3}[layer]
        names = [name for row in rows if row for name in re.findall(r"`([\w./]+)`", row.split("|")[column])]
        assert len(names) > 12
        for name in names:
            found = [*(SOURCE / layer).rglob(name.rstrip("/"))]
            assert found, name
    for name in re.findall(r"`((?:domain|adapters|entrypoints|http)/[\w/]+)`", text):
        place = SOURCE / (f"entrypoints/{name}" if name.startswith("http/") else name)
        assert place.with_suffix(".py").exists(), name


def test_the_ways_into_the_code_name_what_is_there() -> None:
    """Each step names a function or a class, and the file that defines it."""
    text = PAGE.read_text()
    ways = text[text.index("Three places that people look for") :].partition("\n## ")[0]
    steps = re.findall(r"(`[^\]]+?`) in \[`[^`]+`\]\(([^)]+)\)", ways)
    steps += re.findall(r"→ (`[^\]→]+?`) in \[`[^`]+`\]\(([^)]+)\)", ways)
    assert len({path for _, path in steps}) == 6
    for names, path in steps:
        source = (PAGE.parent / path).read_text()
        for name in re.findall(r"`([\w.]+)`", names):
            assert re.search(rf"(def|class) {name.rpartition('.')[2]}\b", source), f"{name} in {path}"
