"""Exports: folders that appear whole or not at all, and predict what the release predicts."""

import json
import runpy
from ast import literal_eval
from contextlib import chdir
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.support.clocks import START, SettableClock
from tests.support.codec_contract import (
    CLASSES,
    CLASSIFIERS,
    SCHEMA,
    fitted,
    fitted_classifier,
    frame_of,
    probabilities_by_level,
)
from tests.support.quick_task import store_of_two, two_releases
from tests.support.registry_contract import make_record
from weighbridge.adapters.export.folder import FolderExporter, write_whole
from weighbridge.adapters.export.mlflow_loader import _load_pyfunc
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.adapters.skops.allowed import TRUSTED_TYPES
from weighbridge.adapters.skops.codec import SkopsCodec
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.errors import ConfigurationError
from weighbridge.domain.registry.provenance import GoldenRow
from weighbridge.domain.registry.releases import ModelVersion, Release

EXPORTER = FolderExporter(TRUSTED_TYPES)


def onnx_release() -> tuple[Release, bytes]:
    release = two_releases()[1]
    return release, StoreRegistry(store_of_two(), SettableClock()).fetch(release)


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_onnx_release_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    release, data = onnx_release()
    folder = tmp_path / "new" / "exported"
    written = EXPORTER.export(release, data, "onnx", str(folder))
    found = files(folder)
    assert written == sorted(found) == ["README.md", "model.onnx", "record.json", "requirements.txt"]
    assert found["model.onnx"] == data
    assert json.loads(found["record.json"]) == release.document
    libraries = release.record.libraries
    names = ("numpy", "pandas", "onnxruntime")
    assert found["requirements.txt"].decode().splitlines() == [f"{name}=={libraries[name]}" for name in names]
    # What it says is true.
    predicted = run_readme(folder, capsys)
    assert literal_eval(predicted) == [row.prediction for row in release.record.golden[:2]]


def run_readme(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    text = (folder / "README.md").read_text()
    code = text.partition("```python\n")[2].partition("```")[0]
    (folder / "readme.py").write_text(code)
    with chdir(folder):
        runpy.run_path("readme.py")
    return capsys.readouterr().out


def test_an_onnx_release_for_mlflow(tmp_path: Path) -> None:
    release, data = onnx_release()
    folder = tmp_path / "exported"
    written = EXPORTER.export(release, data, "mlflow", str(folder))
    found = files(folder)
    assert written == sorted(found)
    model = yaml.safe_load(found["MLmodel"])
    assert model["flavors"]["python_function"] == {
        "loader_module": "weighbridge_model",
        "code": "code",
        "data": "model",
        "env": {"virtualenv": "python_env.yaml"},
        "python_version": release.record.libraries["python"],
    }
    assert model["flavors"]["onnx"]["data"] == "model/model.onnx"
    assert json.loads(model["signature"]["inputs"]) == [
        {"type": "double", "name": "orders_placed", "required": True},
        {"type": "string", "name": "product_code", "required": True},
    ]
    assert json.loads(model["signature"]["outputs"]) == [
        {"type": "double", "name": "est_hours_to_dispatch", "required": True}
    ]
    assert model["metadata"]["weighbridge_version"] == release.version.qualified
    assert model["utc_time_created"] == f"{release.version.created:%Y-%m-%d %H:%M:%S}.000000"
    assert found["requirements.txt"].decode().startswith("mlflow>=3,<4\n")
    assert yaml.safe_load(found["python_env.yaml"]) == {
        "python": release.record.libraries["python"],
        "dependencies": ["-r requirements.txt"],
    }
    rows = json.loads(found["input_example.json"])
    assert json.loads(found["serving_input_example.json"]) == {"dataframe_split": rows}
    frame = pd.DataFrame(rows["data"], columns=rows["columns"])
    loaded = _load_pyfunc(str(folder / "model"))
    for table in (frame, frame[frame.columns[::-1]].set_index(frame.index[::-1])):
        answer = loaded.predict(table)
        assert answer.columns.tolist() == ["est_hours_to_dispatch"]
        assert answer.index.equals(table.index)
        assert answer["est_hours_to_dispatch"].tolist() == [row.prediction for row in release.record.golden]


def skops_release(name: str) -> tuple[Release, bytes]:
    """A classifier, or a model of numbers, as skops; the classifier has not seen every level."""
    is_classifier = name in CLASSIFIERS
    target = Category("label", CLASSES) if is_classifier else Number("hours")
    schema = Schema(SCHEMA.features, target, "answer")
    model = fitted_classifier(name, 2) if is_classifier else fitted(name)
    data = SkopsCodec().encode(model, schema)
    version = ModelVersion.of("labels", START, sha256(data).hexdigest())
    frame = frame_of(4)
    rows = [schema.admit_row({str(key): value for key, value in row.items()}) for row in frame.to_dict("records")]
    predicted = model.predict(frame).tolist()
    likely = [None] * 4
    if is_classifier:
        likely = [dict(zip(CLASSES, row, strict=True)) for row in probabilities_by_level(model, frame)]
    golden = tuple(GoldenRow(*row) for row in zip(rows, predicted, likely, strict=True))
    record = make_record(data, START, "labels")
    file = replace(record.model, key=version.model_key("skops"), format="skops")
    record = replace(record, model=file, schema=schema, golden=golden)
    return Release(version, record, record.to_dict()), data


@pytest.mark.parametrize("name", ["logistic", "ridge"])
def test_a_skops_release_as_it_is_and_for_mlflow(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    release, data = skops_release(name)
    golden = release.record.golden
    written = EXPORTER.export(release, data, "skops", str(tmp_path / "plain"))
    assert written == ["README.md", "model.skops", "record.json", "requirements.txt", "trusted_types.json"]
    assert (tmp_path / "plain/model.skops").read_bytes() == data
    printed = run_readme(tmp_path / "plain", capsys)
    assert literal_eval(printed) == [row.prediction for row in golden[:2]]

    EXPORTER.export(release, data, "mlflow", str(tmp_path / "mlflow"))
    frame = pd.DataFrame([row.inputs for row in golden])
    answer = _load_pyfunc(str(tmp_path / "mlflow/model")).predict(frame)
    assert answer["answer"].tolist() == [row.prediction for row in golden]
    outputs = json.loads(yaml.safe_load((tmp_path / "mlflow/MLmodel").read_text())["signature"]["outputs"])
    assert [(one["name"], one["type"]) for one in outputs] == [
        (str(column), "double" if pd.api.types.is_float_dtype(answer[column]) else "string") for column in answer
    ]
    if name == "logistic":
        assert answer.columns.tolist() == ["answer", *(f"probability_{level}" for level in CLASSES)]
        for row, given in zip(answer.to_dict("records"), golden, strict=True):
            assert given.probabilities == {level: row[f"probability_{level}"] for level in CLASSES}


def test_what_cannot_be_converted_is_refused(tmp_path: Path) -> None:
    release, data = onnx_release()
    with pytest.raises(ConfigurationError) as caught:
        EXPORTER.export(release, data, "skops", str(tmp_path / "new"))
    assert str(caught.value) == (
        f"{release.version} is stored as onnx, and no skops can be made of that; "
        "export it with --format onnx or --format mlflow"
    )
    with pytest.raises(ConfigurationError, match="cannot be exported as 'pickle'"):
        EXPORTER.export(release, data, "pickle", str(tmp_path / "new"))
    assert list(tmp_path.iterdir()) == []


def test_a_release_without_golden_rows_has_no_example(tmp_path: Path) -> None:
    release, data = onnx_release()
    bare = replace(release, record=replace(release.record, golden=()))
    written = EXPORTER.export(bare, data, "mlflow", str(tmp_path / "new"))
    assert [name for name in written if "example" in name] == []
    assert "saved_input_example_info" not in yaml.safe_load((tmp_path / "new/MLmodel").read_text())
    EXPORTER.export(bare, data, "onnx", str(tmp_path / "plain"))


def test_an_empty_folder_is_taken_and_one_that_is_not_is_left_alone(tmp_path: Path) -> None:
    release, data = onnx_release()
    (tmp_path / "empty").mkdir()
    EXPORTER.export(release, data, "onnx", str(tmp_path / "empty"))
    before = {name: files(tmp_path / "empty")[name] for name in ("model.onnx", "README.md")}
    for taken in (tmp_path / "empty", tmp_path / "empty/model.onnx"):
        with pytest.raises(
            ConfigurationError, match="exists and is not empty; name a folder that is not there yet"
        ):
            EXPORTER.export(release, data, "mlflow", str(taken))
    assert {name: files(tmp_path / "empty")[name] for name in before} == before
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_a_folder_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    release, data = onnx_release()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigurationError, match=r"cannot write '.*': "):
        EXPORTER.export(release, data, "onnx", str(tmp_path / "file" / "new"))
    with pytest.raises(ConfigurationError, match=r"cannot write '.*': File name too long"):
        EXPORTER.export(release, data, "onnx", str(tmp_path / ("x" * 300)))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_is_cut_off_leaves_nothing(tmp_path: Path) -> None:
    """The model's key in a folder of the same name as a file: the second of the two cannot be written."""
    content = {"a": b"1", "a/b": b"2"}
    with pytest.raises(ConfigurationError, match="cannot write"):
        write_whole(content, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_others_may_read_what_they_may_read_elsewhere(tmp_path: Path) -> None:
    write_whole({"a": b"1"}, tmp_path / "new")
    (tmp_path / "made").mkdir()
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "made").stat().st_mode


@pytest.mark.parametrize("wanted", ["onnx", "mlflow"])
@pytest.mark.parametrize("library", ["numpy", "onnxruntime"])
@pytest.mark.parametrize(
    "version",
    [
        "2.1\n--editable ./evil",
        "2.1 ; evil",
        "2.1\n",
        " 2.1",
        "@ https://evil.example",
        "*",
        "",
        "2.1\u0661",
    ],
)
def test_a_version_that_is_none_stops_the_export(tmp_path: Path, wanted: str, library: str, version: str) -> None:
    release, data = onnx_release()
    libraries = {**release.record.libraries, library: version}
    forged = replace(release, record=replace(release.record, libraries=libraries))
    with pytest.raises(ConfigurationError, match=f"the record's version of {library}, .* is none by PEP 440"):
        EXPORTER.export(forged, data, wanted, str(tmp_path / "new"))
    assert not (tmp_path / "new").exists()
