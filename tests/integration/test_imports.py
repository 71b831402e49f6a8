"""What a process pays for: commands and the service import no more than they use."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.quick_task import QUICK, copy, store_of_two, two_releases
from weighbridge.adapters.local.store import LocalStore

#: Runs the command and then tells, on stderr, which modules were imported.
COMMAND = """
import json, sys
from weighbridge.entrypoints.cli.main import main
sys.argv = ["weighbridge", *sys.argv[1:]]
try:
    main()
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""

#: Loads the live release, predicts with it, and builds the server.
SERVICE = """
import json, sys
from pathlib import Path
from weighbridge.adapters.onnx.codec import OnnxCodec
from weighbridge.adapters.skops.codec import SkopsCodec
from weighbridge.adapters.local.store import LocalStore
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.adapters.system import SystemClock
from weighbridge.adapters.prometheus.telemetry import PrometheusTelemetry
from weighbridge.adapters.prometheus.shared_counters import SharedCounters, private_memory
from weighbridge.domain.serving.row_predictor import RowPredictor
from weighbridge.domain.serving.service import PredictionService
from weighbridge.entrypoints.service.server import make_server
from weighbridge.entrypoints.settings import load_settings

clock = SystemClock()
telemetry = PrometheusTelemetry(SharedCounters(private_memory()), clock)
registry = StoreRegistry(LocalStore(Path(sys.argv[1]), create=False), clock)
service = PredictionService(sys.argv[2], registry, [OnnxCodec(), SkopsCodec()], clock, telemetry)
service.load()
loaded = service.loaded
server = make_server(service, load_settings({}), telemetry)
server.config.load()
first = {name.partition(".")[0] for name in sys.modules}
assert not first & {"fastapi", "starlette", "numpy"}, first
server.config.app.prepare()
RowPredictor(loaded).predict(loaded.schema.admit_row({"product_code": "SKU001", "orders_placed": 10}))
print(loaded.release.version.qualified)
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""

TRAINERS = {"sklearn", "pandas", "scipy", "skl2onnx", "onnx", "skops", "joblib", "pyarrow"}
SERVERS = {"fastapi", "starlette", "uvicorn"}


def run(code: str, *arguments: str) -> tuple[str, set[str]]:
    """What a fresh process prints, and what it imported: modules, and the packages that they are of."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={name: value for name, value in os.environ.items() if not name.startswith("WEIGHBRIDGE_")},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    modules = json.loads(done.stderr.splitlines()[-1])
    return done.stdout, {*modules, *(name.partition(".")[0] for name in modules)}


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["serve", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    printed, imported = run(COMMAND, *arguments)
    assert printed.startswith("Usage: weighbridge ")
    assert imported & (TRAINERS | SERVERS | {"boto3", "botocore", "numpy", "dependency_injector"}) == set()


def test_the_service_of_an_onnx_model_imports_no_trainer(tmp_path: Path) -> None:
    copy(store_of_two(), LocalStore(tmp_path, create=False))
    _, live = two_releases()
    assert live.record.model.format == "onnx"
    printed, imported = run(SERVICE, str(tmp_path), QUICK.name)
    assert printed == f"{live.version.qualified}\n"
    # A single tree needs no runtime, and metrics are written when they are asked for.
    unused = {"boto3", "botocore", "numpy", "onnxruntime", "prometheus_client", "rich", "yaml"}
    assert imported & (TRAINERS | unused) == set()
    assert imported >= SERVERS


def test_predicting_and_reading_import_no_trainer(tmp_path: Path) -> None:
    copy(store_of_two(), LocalStore(tmp_path, create=False))
    row = '{"product_code": "SKU001", "orders_placed": 10}'
    _, predicting = run(COMMAND, "predict", "--store", str(tmp_path), "--row", row)
    _, listing = run(COMMAND, "models", "list", "--store", str(tmp_path))
    # The container names the workflows, which read tables.
    heavy = TRAINERS | {"boto3", "uvicorn", "onnxruntime"}
    assert (predicting & heavy, listing & heavy) == (set(), set())


def test_training_a_tree_imports_no_more_of_its_libraries_than_it_uses(tmp_path: Path) -> None:
    copy(store_of_two(), LocalStore(tmp_path, create=False))
    quick = f"{Path(__file__).parents[1] / 'support' / 'quick_task.py'}:QUICK"
    # What is drawn of a weighing is told by scikit-learn's own inspection, which needs more of SciPy.
    options = ["--force", "--json", "--no-report", "--store", str(tmp_path), "--task", quick]
    printed, imported = run(COMMAND, "train", *options)
    record = json.loads(printed)
    assert (record["outcome"], record["model"]["format"]) == ("released", "onnx")
    assert imported & {"skl2onnx", "scipy.stats", "skops", "boto3", "fastapi", "prometheus_client"} == set()
    assert imported >= {"sklearn", "onnx", "onnxruntime"}


#: Imports public names, and then tells which modules were imported.
PUBLIC = """
import json, sys
import weighbridge
dir(weighbridge)
exec(sys.argv[1])
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def test_importing_the_package_imports_none_of_its_libraries() -> None:
    _, imported = run(PUBLIC, "")
    libraries = {"numpy", "pydantic", "typer", "boto3", "dependency_injector", "rich", "onnx", "onnxruntime"}
    assert imported & (TRAINERS | SERVERS | libraries) == set()


def test_defining_a_store_or_a_schema_imports_no_trainer() -> None:
    names = "ArtefactStore, ArtefactRef, ConfigurationError, DataError, Number, Schema, StoreUnavailable"
    _, imported = run(PUBLIC, f"from weighbridge import {names}")
    assert imported & TRAINERS == set()
