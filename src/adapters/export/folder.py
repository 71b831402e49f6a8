"""Releases as folders that other programs load: as they are, or as MLflow models.

Nothing here imports MLflow: the layout of its model folders is written as its documentation has it.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

from weighbridge.adapters.export.readme import readme
from weighbridge.domain.data.schema import Category, Schema
from weighbridge.domain.errors import ConfigurationError
from weighbridge.domain.registry.exporter import ModelExporter
from weighbridge.domain.registry.releases import Release

#: What a model of a format needs to predict, by the names that it is installed by.
_NEEDS = {
    "onnx": ("numpy", "pandas", "onnxruntime"),
    "skops": ("numpy", "pandas", "scikit-learn", "scipy", "joblib", "skops"),
}


class FolderExporter(ModelExporter):
    """Writes exports to folders of this machine.

    Args:
        trusted_types: what a skops model may be made of, beside what skops itself trusts.
    """

    formats = ("mlflow", "onnx", "skops")

    def __init__(self, trusted_types: Sequence[str]) -> None:
        self._trusted_types = list(trusted_types)

    def export(self, release: Release, model: bytes, wanted: str, folder: str) -> list[str]:
        """Write the files to a temporary folder beside ``folder``, then rename it.

        Raises:
            ConfigurationError: the model is of another format than was asked for, or ``folder`` cannot be written
                or is not empty.
        """
        kind = release.record.model.format
        if wanted not in self.formats or kind not in _NEEDS:
            raise ConfigurationError(f"{release.version} is {kind}; it cannot be exported as '{wanted}'")
        if wanted not in ("mlflow", kind):
            raise ConfigurationError(
                f"{release.version} is stored as {kind}, and no {wanted} can be made of that; "
                f"export it with --format {kind} or --format mlflow"
            )
        content = self._as_mlflow(release, model) if wanted == "mlflow" else self._as_it_is(release, model)
        write_whole(content, Path(folder))
        return sorted(content)

    def _as_it_is(self, release: Release, model: bytes) -> dict[str, bytes]:
        kind = release.record.model.format
        content = {f"model.{kind}": model, "record.json": _json(release.document)}
        if kind == "skops":
            content["trusted_types.json"] = _json(self._trusted_types)
        content["requirements.txt"] = _requirements(release).encode()
        content["README.md"] = readme(release).encode()
        return content

    def _as_mlflow(self, release: Release, model: bytes) -> dict[str, bytes]:
        record = release.record
        kind, schema = record.model.format, record.schema
        about = {
            "format": kind,
            "features": [
                {"name": feature.name, "type": "category" if isinstance(feature, Category) else "number"}
                for feature in schema.features
            ],
            "prediction": schema.prediction,
            "levels": list(schema.target.levels) if isinstance(schema.target, Category) else None,
        }
        if kind == "skops":
            about["trusted_types"] = self._trusted_types
        rows = {
            "columns": list(schema.feature_names),
            "data": [[row.inputs[name] for name in schema.feature_names] for row in record.golden],
        }
        return {
            "MLmodel": _yaml(_mlmodel(release, has_rows=bool(record.golden))).encode(),
            f"model/model.{kind}": model,
            "model/about.json": _json(about),
            "code/weighbridge_model.py": (files("weighbridge.adapters.export") / "mlflow_loader.py").read_bytes(),
            "requirements.txt": _requirements(release, "mlflow>=3,<4").encode(),
            "python_env.yaml": _yaml(
                {"python": _python(record.libraries), "dependencies": ["-r requirements.txt"]}
            ).encode(),
            "record.json": _json(release.document),
            **({"input_example.json": _json(rows)} if record.golden else {}),
            **({"serving_input_example.json": _json({"dataframe_split": rows})} if record.golden else {}),
        }


def write_whole(content: Mapping[str, bytes], folder: Path) -> None:
    """Make a folder with these files, which appears when it is whole; nothing is left when it cannot be."""
    unfinished: str | None = None
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ConfigurationError(f"'{folder}' exists and is not empty; name a folder that is not there yet")
        target = folder.absolute()
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent)
        for name, data in content.items():
            path = Path(unfinished, name)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
        # mkdtemp's folder is for this user alone; this one is to be as any other that is made.
        mask = os.umask(0)
        os.umask(mask)
        Path(unfinished).chmod(0o777 & ~mask)
        Path(unfinished).replace(target)
        unfinished = None
    except OSError as error:
        raise ConfigurationError(f"cannot write '{folder}': {error.strerror or error}") from error
    finally:
        if unfinished is not None:
            with suppress(OSError):
                shutil.rmtree(unfinished)


def _mlmodel(release: Release, has_rows: bool) -> dict[str, Any]:
    record = release.record
    python = _python(record.libraries)
    flavors: dict[str, Any] = {
        "python_function": {
            "loader_module": "weighbridge_model",
            "code": "code",
            "data": "model",
            "env": {"virtualenv": "python_env.yaml"},
            "python_version": python,
        }
    }
    if record.model.format == "onnx" and "onnx" in record.libraries:
        flavors["onnx"] = {
            "onnx_version": _version(record.libraries, "onnx"),
            "data": "model/model.onnx",
            "providers": ["CPUExecutionProvider"],
            "code": "code",
        }
    document: dict[str, Any] = {
        "flavors": flavors,
        "model_uuid": record.model.sha256[:32],
        "utc_time_created": f"{record.created_at:%Y-%m-%d %H:%M:%S}.000000",
        "signature": {
            "inputs": json.dumps(
                [_column(feature.name, isinstance(feature, Category)) for feature in record.schema.features]
            ),
            "outputs": json.dumps(_outputs(record.schema)),
            "params": None,
        },
        "metadata": {
            "weighbridge_version": release.version.qualified,
            "dataset": record.dataset.key,
            "dataset_sha256": record.dataset.sha256,
            "model_sha256": record.model.sha256,
            "code_revision": record.code.revision,
        },
    }
    if has_rows:
        document["saved_input_example_info"] = {
            "artifact_path": "input_example.json",
            "pandas_orient": "split",
            "serving_input_path": "serving_input_example.json",
            "type": "dataframe",
        }
    return document


def _outputs(schema: Schema) -> list[dict[str, Any]]:
    levels = schema.target.levels if isinstance(schema.target, Category) else ()
    answer = _column(schema.prediction, bool(levels))
    return [answer, *(_column(f"probability_{level}", False) for level in levels)]


def _column(name: str, is_text: bool) -> dict[str, Any]:
    return {"type": "string" if is_text else "double", "name": name, "required": True}


def _requirements(release: Release, *more: str) -> str:
    libraries = release.record.libraries
    names = list(_NEEDS[release.record.model.format])
    if "lightgbm" in release.record.training.estimator:
        names.append("lightgbm")
    lines = [f"{name}=={_version(libraries, name)}" if name in libraries else name for name in names]
    return "\n".join([*more, *lines]) + "\n"


def _python(libraries: Mapping[str, str]) -> str:
    return _version(libraries, "python") if "python" in libraries else "3.11"


def _version(libraries: Mapping[str, str], name: str) -> str:
    """A recorded version, when it is one and nothing else: whoever installs the export runs what stands there."""
    from packaging.version import InvalidVersion, Version

    text = libraries[name]
    try:
        # Spaces and line breaks around it are let pass by PEP 440.
        if not isinstance(text, str) or text != text.strip() or not text.isascii():
            raise InvalidVersion(text)
        return str(Version(text))
    except InvalidVersion:
        raise ConfigurationError(
            f"the record's version of {name}, {text!r}, is none by PEP 440: nothing is exported"
        ) from None


def _json(document: Any) -> bytes:
    return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _yaml(document: Mapping[str, Any], indent: str = "") -> str:
    """Plain data as YAML: mappings in blocks, everything else as JSON, which YAML is a superset of."""
    lines = []
    for name, value in document.items():
        if isinstance(value, Mapping):
            lines.append(f"{indent}{name}:\n{_yaml(value, f'{indent}  ')}")
        else:
            lines.append(f"{indent}{name}: {json.dumps(value)}\n")
    return "".join(lines)
