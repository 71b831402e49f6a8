import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.codec_contract import SCHEMA, fitted, frame_of
from weighbridge.adapters.onnx.codec import OnnxCodec
from weighbridge.adapters.skops.codec import SkopsCodec
from weighbridge.domain.model.encoding import columns_of

ROOT = Path(__file__).parents[2]

DECODE = """
import json, sys
from weighbridge.adapters.onnx.codec import OnnxCodec
from weighbridge.adapters.skops import codec as codec_skops
from weighbridge.adapters.tables import dataset_reader as tabular
from weighbridge.domain.model import encoding
from weighbridge.domain.data.schema import Schema
import numpy as np
before = sorted(sys.modules)
given = json.load(sys.stdin)
schema = Schema.from_dict(given["schema"])
columns = {name: np.array(values) if isinstance(values[0], float) else np.array(values, object)
           for name, values in given["columns"].items()}
with open(sys.argv[1], "rb") as file:
    predictions = OnnxCodec().decode(file.read(), schema).predict(columns)
print(json.dumps({"before": before, "after": sorted(sys.modules), "predictions": predictions.tolist()}))
"""

ENCODE = """
import sys, warnings
from tests.integration.test_codec_imports import digests
warnings.simplefilter("error")
print(digests())
"""


def digests() -> str:
    """One line for each model and codec."""
    return "\n".join(
        f"{name} {codec.format} {hashlib.sha256(codec.encode(fitted(name), SCHEMA)).hexdigest()}"
        for name in ("tree", "boosting", "ridge")
        for codec in (OnnxCodec(), SkopsCodec())
    )


def python(code: str, *arguments: str, given: str = "", **environment: str) -> Any:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT)]), **environment},
        input=given,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )


@pytest.mark.parametrize("name", ["tree", "forest", "linear"])
def test_decoding_onnx_imports_only_its_runtime_and_prints_nothing(name: str, tmp_path: Path) -> None:
    model, frame = fitted(name), frame_of(20)
    data = OnnxCodec().encode(model, SCHEMA)
    (tmp_path / "model.onnx").write_bytes(data)
    columns = columns_of(frame, SCHEMA)
    given = {"schema": SCHEMA.to_dict(), "columns": {key: values.tolist() for key, values in columns.items()}}
    done = python(DECODE, str(tmp_path / "model.onnx"), given=json.dumps(given))
    assert done.stderr == ""
    answer = json.loads(done.stdout)
    assert answer["predictions"] == OnnxCodec().decode(data, SCHEMA).predict(columns).tolist()
    heavy = {"sklearn", "skl2onnx", "pandas", "scipy", "skops", "onnx", "pyarrow", "joblib"}
    assert heavy.isdisjoint(answer["after"])
    assert "onnxruntime" not in answer["before"]
    assert "onnxruntime" in answer["after"]


def test_processes_write_the_same_bytes_in_whatever_order_their_sets_are() -> None:
    # This process has a seed of its own.
    seed = "1" if os.environ.get("PYTHONHASHSEED") == "0" else "0"
    other = python(ENCODE, PYTHONHASHSEED=seed)
    assert (other.stdout.strip(), other.stderr) == (digests(), "")
