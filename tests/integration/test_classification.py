"""A classification task from its file to the service: wines, whose levels are not in their sorted order."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    log_loss,
    recall_score,
    roc_auc_score,
)
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from tests.support.commands import COMMAND, Command
from weighbridge.adapters.export.mlflow_loader import _load_pyfunc

FEATURES = ["alcohol", "flavanoids", "colour"]
LEVELS = ["rosso", "bianco", "dolce"]

TASK = '''
"""Which wine is it?"""

from weighbridge.domain.evaluation.checks.classes import EveryClassPredicted
from weighbridge.domain.evaluation.comparison import NotWorseThanLive
from weighbridge.domain.data.dataset import SplitSpec
from weighbridge.domain.training.estimator import EstimatorSpec
from weighbridge.domain.evaluation.gate import Threshold
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.training.task import TaskDefinition


def pipeline(seed):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    return Pipeline([("scale", StandardScaler()), ("classifier", LogisticRegression(random_state=seed))])


def task(recall):
    return TaskDefinition(
        name="wine",
        schema=Schema(
            features=(Number("alcohol", minimum=0), Number("flavanoids"), Number("colour")),
            target=Category("wine", ("rosso", "bianco", "dolce")),
            prediction="which_wine",
        ),
        estimator=EstimatorSpec(pipeline, {"classifier__C": [0.01, 1.0]}, folds=3, scoring="accuracy"),
        thresholds=(
            Threshold("accuracy", error=0.6, warning=0.8),
            Threshold("accuracy", error=recall, warning=recall, slice_by="wine", smallest=5),
            Threshold("f1_weighted", error=0.5, warning=0.6),
        ),
        split=SplitSpec(test_size=0.25, seed=7),
        checks=(EveryClassPredicted(),),
        comparisons=(NotWorseThanLive("log_loss", warning=0.1, error=0.5),),
    )


WINE = task(0.75)
#: Nothing is that sure.
STRICT = task(1.0)
'''


def wines() -> pd.DataFrame:
    """Three measurements of each of scikit-learn's wines, and what it is; 178 rows."""
    found = load_wine(as_frame=True).frame
    names = {"alcohol": "alcohol", "flavanoids": "flavanoids", "color_intensity": "colour"}
    frame = found[list(names)].rename(columns=names)
    return frame.assign(wine=[("bianco", "dolce", "rosso")[number] for number in found["target"]])


def expected() -> tuple[Pipeline, pd.DataFrame]:
    """The model that the task has to come to, by scikit-learn alone, and its test rows."""
    frame = wines()
    train, test = train_test_split(frame, test_size=0.25, stratify=frame["wine"], random_state=7)
    model = Pipeline([("scale", StandardScaler()), ("classifier", LogisticRegression(C=1.0, random_state=7))])
    return model.fit(train[FEATURES], train["wine"]), test


@pytest.fixture(autouse=True)
def wine_folder(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder but for the task and its data; the environment says where they are."""
    monkeypatch.setenv("WEIGHBRIDGE_STORE", "store")
    monkeypatch.setenv("WEIGHBRIDGE_TASK", "wine_task.py:WINE")
    (tmp_path / "wine_task.py").write_text(TASK)
    wines().to_csv("wine.csv", index=False)


def served(store: Path) -> tuple["subprocess.Popen[str]", str]:
    """The service as a process, and its address."""
    server = subprocess.Popen([COMMAND, "serve", "--port", "0"], stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    log = []
    for line in server.stderr:
        log.append(line)
        if found := re.search(r"listening on (http://127\.0\.0\.1:\d+)", line):
            return server, found[1]
    raise AssertionError(f"{store}: {''.join(log)}")


def test_from_a_file_to_the_service(command: Command, tmp_path: Path) -> None:
    assert command("datasets", "put", "wine.csv", "--at", "2021-07-01").code == 0
    trained = command("train", "--json")
    assert trained.code == 0, trained.err
    record = trained.document
    assert (record["outcome"], record["decision"]) == (
        "released",
        {"verdict": "release", "summary": "Released", "reasons": []},
    )
    model, test = expected()
    check_record(record, model, test)

    assert command("reproduce", "live").code == 0
    again = command("reproduce", "live", "--search", "--json").document
    assert again["holds"] is True
    told = [one["what"] for one in again["results"]]
    assert "metric accuracy[wine=rosso]" in told
    assert "probabilities on the golden rows" in told

    verified = command("models", "verify", "--all", "--json")
    assert (verified.code, json.loads(verified.out)["holds"]) == (0, True)
    assert command("models", "export", "live", "exported").code == 0
    golden = json.loads(Path("exported/record.json").read_text())["golden"]
    answers = _load_pyfunc("exported/model").predict(pd.DataFrame([row["inputs"] for row in golden]))
    assert answers["which_wine"].tolist() == [row["prediction"] for row in golden]
    for level in LEVELS:
        likely = [row["probabilities"][level] for row in golden]
        np.testing.assert_allclose(answers[f"probability_{level}"], likely, atol=1e-5)

    shown = command("models", "show", "live").out
    assert re.search(r"^target +wine, predicted as which_wine$", shown, re.MULTILINE)
    lines = re.findall(r"^accuracy\S* .*$", shown, re.MULTILINE)
    assert [line.partition("(")[2] for line in lines] == [
        "error 0.6, warning 0.8)",
        *["error 0.75, warning 0.75)"] * 3,
    ]

    one = test[FEATURES].iloc[0].to_dict()
    answer = command("predict", "--row", json.dumps(one)).document
    check_answer(answer, model, one, record["version"])
    strange = command("predict", "--row", json.dumps(one | {"alcohol": -1}))
    assert (strange.code, strange.out) == (4, "")

    server, address = served(tmp_path)
    try:
        with httpx.Client(base_url=address, timeout=120, trust_env=False) as client:
            check_service(client, model, test, record["version"])
    finally:
        server.terminate()
        server.communicate(timeout=120)


def check_record(record: dict[str, Any], model: Pipeline, test: pd.DataFrame) -> None:
    """The numbers are those of scikit-learn alone."""
    ordered = sorted(LEVELS)
    truth, predicted = test["wine"], model.predict(test[FEATURES])
    likely = model.predict_proba(test[FEATURES])
    recalls = recall_score(truth, predicted, labels=ordered, average=None)
    assert record["training"]["params"] == {"classifier__C": 1.0}
    assert list(record["metrics"]) == [
        *("accuracy", "balanced_accuracy", "f1_macro", "log_loss", "roc_auc", "f1_weighted"),
        *(f"accuracy[wine={level}]" for level in ordered),
    ]
    assert record["metrics"] == pytest.approx(
        {
            "accuracy": accuracy_score(truth, predicted),
            "balanced_accuracy": balanced_accuracy_score(truth, predicted),
            "f1_macro": f1_score(truth, predicted, average="macro"),
            "log_loss": log_loss(truth, likely, labels=ordered),
            "roc_auc": roc_auc_score(truth, likely, multi_class="ovr"),
            "f1_weighted": f1_score(truth, predicted, average="weighted"),
            **{f"accuracy[wine={level}]": recall for level, recall in zip(ordered, recalls, strict=True)},
        },
        rel=1e-12,
    )
    assert 0.8 < record["metrics"]["accuracy"] < 1
    # The split is stratified by the target without being told to be.
    shares = wines()["wine"].value_counts(normalize=True)
    counts = test["wine"].value_counts()
    assert all(abs(counts[level] - len(test) * shares[level]) < 1 for level in LEVELS)
    assert record["test_errors"] is None
    assert (record["model"]["format"], record["model"]["parity"]["labels_equal"]) == ("onnx", len(test))
    for row in record["golden"]:
        assert list(row["probabilities"]) == LEVELS
        features = pd.DataFrame([row["inputs"]])[FEATURES]
        assert row["prediction"] == model.predict(features)[0]
        assert row["probabilities"] == pytest.approx(
            dict(zip(ordered, model.predict_proba(features)[0], strict=True))
        )


def check_answer(answer: dict[str, Any], model: Pipeline, row: dict[str, float], version: str) -> None:
    """The label and the probabilities are scikit-learn's, in the order of the levels."""
    features = pd.DataFrame([row])[FEATURES]
    likely = dict(zip(model.classes_, model.predict_proba(features)[0], strict=True))
    assert list(answer) == ["which_wine", "probabilities", "model_version"]
    assert (answer["which_wine"], answer["model_version"]) == (model.predict(features)[0], f"wine/{version}")
    assert list(answer["probabilities"]) == LEVELS
    assert answer["probabilities"] == pytest.approx(likely, abs=1e-5)
    assert sum(answer["probabilities"].values()) == pytest.approx(1)


def check_service(client: httpx.Client, model: Pipeline, test: pd.DataFrame, version: str) -> None:
    """The answers, what is refused, and what the OpenAPI document says of them."""
    path = "/api/v0.1/wine"
    rows = test[FEATURES].to_dict(orient="records")
    for row in rows:
        response = client.post(path, json=row)
        assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
        check_answer(response.json(), model, row, version)  # type: ignore[arg-type]
    # The application's own route, which takes what the quick way does not, answers alike.
    slow = client.post(
        path, content=json.dumps(rows[0]), headers={"Content-Type": "application/json;charset=utf-8"}
    )
    assert slow.json() == client.post(path, json=rows[0]).json()
    outside = client.post(path, json=rows[0] | {"alcohol": 99, "colour": 0})
    assert (outside.status_code, outside.headers["x-outside-training-range"]) == (200, "alcohol, colour")

    assert client.post(path, json=rows[0] | {"wine": "rosso"}).status_code == 422
    assert client.post(path, json=rows[0] | {"alcohol": -1}).status_code == 422
    huge = dict.fromkeys(FEATURES, 1e300)
    check_answer(client.post(path, json=huge).json(), model, huge, version)

    operation = client.get("/openapi.json").json()["paths"][path]["post"]
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    share = {"type": "number", "minimum": 0, "maximum": 1}
    assert answer["required"] == ["which_wine", "probabilities", "model_version"]
    assert answer["properties"] == {
        "which_wine": {"type": "string", "enum": LEVELS},
        "probabilities": {"type": "object", "properties": dict.fromkeys(LEVELS, share), "required": LEVELS},
        "model_version": {"type": "string", "description": "task/version"},
    }
    assert operation["requestBody"]["content"]["application/json"]["schema"]["required"] == FEATURES
    assert client.get(f"{path}/model").json()["version"] == version
    counted = client.get("/metrics").text
    labels = model.predict(test[FEATURES])
    for level in LEVELS:
        [line] = [line for line in counted.splitlines() if "predicted" in line and f'"{level}"' in line]
        assert float(line.split()[-1]) >= np.count_nonzero(labels == level)


def test_the_recall_of_a_class_refuses(command: Command, tmp_path: Path) -> None:
    assert command("datasets", "put", "wine.csv").code == 0
    assert command("train").code == 0
    refused = command("train", "--task", "wine_task.py:STRICT")
    assert refused.code == 3
    model, test = expected()
    predicted = model.predict(test[FEATURES])
    recalls = recall_score(test["wine"], predicted, labels=sorted(LEVELS), average=None)
    reasons = [line.removeprefix("error     ") for line in refused.out.splitlines() if line.startswith("error")]
    assert [reason.partition(". Next: ")[0] for reason in reasons] == [
        f"accuracy[wine={level}] {recall:.6g} is below its error threshold 1"
        for level, recall in zip(sorted(LEVELS), recalls, strict=True)
        if recall < 1
    ]
    assert reasons
    [path] = (tmp_path / "store" / "rejected").iterdir()
    record = json.loads(path.read_text())
    # The same rows and the same parameters: the live model is no better and no worse.
    assert record["comparison"]["note"] == ""
    compared = record["comparison"]["metrics"]["log_loss"]
    assert compared["live"] == pytest.approx(compared["candidate"], abs=1e-4)
    assert record["comparison"]["metrics"]["accuracy"]["live"] == record["metrics"]["accuracy"]


def test_a_class_that_cannot_be_on_both_sides_is_bad_data(command: Command, tmp_path: Path) -> None:
    frame = wines()
    lonely = frame[(frame["wine"] != "rosso") | ~frame["wine"].duplicated()]
    lonely.to_csv("lonely.csv", index=False)
    assert command("datasets", "put", "lonely.csv").code == 0
    done = command("train")
    assert (done.code, done.out) == (4, "")
    assert "column 'wine'" in done.err
    assert "the only row of its level" in done.err
    other = frame.assign(wine=frame["wine"].replace("rosso", "verde"))
    other.to_csv("other.csv", index=False)
    put = command("datasets", "put", "other.csv")
    assert put.code == 4
    assert "expected one of rosso, bianco, dolce (found 'verde')" in put.err
