"""Exports in MLflow's own hands: ``make test-mlflow`` runs this against an environment that has MLflow.

Not part of the other tests: MLflow is no dependency of anything here, and brings many of its own.
"""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.clocks import SettableClock
from tests.support.quick_task import store_of_two, two_releases
from tests.unit.adapters.export.test_folder import skops_release
from weighbridge.adapters.export.folder import FolderExporter
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.adapters.skops.allowed import TRUSTED_TYPES
from weighbridge.domain.registry.releases import Release

#: Where the commands of that environment are.
BIN = Path(os.environ.get("MLFLOW_BIN", "build/mlflow/bin")).absolute()


@pytest.fixture(params=["onnx", "skops", "classes"])
def exported(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Release, Path]:
    if request.param == "onnx":
        release = two_releases()[1]
        data = StoreRegistry(store_of_two(), SettableClock()).fetch(release)
    else:
        release, data = skops_release("ridge" if request.param == "skops" else "logistic")
    FolderExporter(TRUSTED_TYPES).export(release, data, "mlflow", str(tmp_path / "exported"))
    return release, tmp_path / "exported"


def environment() -> dict[str, str]:
    """Only what that environment has; nothing is told to anybody."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "WEIGHBRIDGE_"))}
    paths = os.pathsep.join((str(BIN), kept["PATH"]))
    return kept | {"PATH": paths, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


def expected(release: Release) -> list[dict[str, Any]]:
    """What MLflow has to answer for the input example: the golden rows."""
    name = release.record.schema.prediction
    return [
        {name: row.prediction}
        | {f"probability_{level}": likely for level, likely in (row.probabilities or {}).items()}
        for row in release.record.golden
    ]


def test_mlflow_models_predict(exported: tuple[Release, Path]) -> None:
    release, folder = exported
    example = folder / "serving_input_example.json"
    command = ("models", "predict", "-m", folder, "--env-manager", "local", "-i", example, "-t", "json")
    done = subprocess.run(
        [BIN / "mlflow", *command],
        env=environment(),
        cwd=folder.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["predictions"] == expected(release)


def test_mlflow_models_serve(exported: tuple[Release, Path]) -> None:
    release, folder = exported
    with served(folder) as url:
        body = (folder / "serving_input_example.json").read_bytes()
        assert answer(f"{url}/invocations", body)["predictions"] == expected(release)
        records = {"dataframe_records": [dict(row.inputs) for row in release.record.golden]}
        assert answer(f"{url}/invocations", json.dumps(records).encode())["predictions"] == expected(release)


def test_mlflow_loads_it_with_its_signature_and_the_onnx_flavour(exported: tuple[Release, Path]) -> None:
    release, folder = exported
    script = (
        "import json, sys, mlflow, pandas\n"
        "model = mlflow.pyfunc.load_model(sys.argv[1])\n"
        "found = {'inputs': model.metadata.get_input_schema().input_names(),\n"
        "         'outputs': model.metadata.get_output_schema().input_names(),\n"
        "         'example': model.input_example.to_dict('records')}\n"
        "if 'onnx' in model.metadata.flavors:\n"
        "    found['onnx'] = type(mlflow.onnx.load_model(sys.argv[1])).__name__\n"
        "print(json.dumps(found))\n"
    )
    done = subprocess.run(
        [BIN / "python", "-c", script, folder],
        env=environment(),
        cwd=folder.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["inputs"] == list(release.record.schema.feature_names)
    assert found["outputs"] == list(expected(release)[0])
    assert found["example"] == [dict(row.inputs) for row in release.record.golden]
    assert found.get("onnx") == ("ModelProto" if release.record.model.format == "onnx" else None)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ("models", "serve", "-m", folder, "--env-manager", "local", "-h", "127.0.0.1", "-p", str(port))
    process = subprocess.Popen(
        [BIN / "mlflow", *command], env=environment(), cwd=folder.parent, start_new_session=True
    )
    try:
        url = f"http://127.0.0.1:{port}"
        end = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"{url}/ping", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.2)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def answer(url: str, body: bytes) -> Any:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.loads(reply.read())
