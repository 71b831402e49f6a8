"""Model cards: metadata that hubs can read, and Markdown that says what the report says."""

from typing import Any

import pytest
import yaml

from tests.support.reports import (
    HOSTILE,
    EvaluatedCandidate,
    refused_regression,
    released_classification,
    released_regression,
)
from weighbridge.domain.registry.provenance import Record
from weighbridge.domain.report.model_card import model_card


def card(candidate: EvaluatedCandidate) -> tuple[dict[str, Any], str]:
    """The metadata, and what is below them."""
    text = model_card(Record.from_dict(candidate.document), " --store ./here", "mit")
    empty, block, body = text.split("---\n", 2)
    assert empty == ""
    return yaml.safe_load(block), body


@pytest.mark.parametrize(
    ("candidate", "kind", "metrics"),
    [
        (released_regression, "tabular-regression", ["r_squared", "mae", "rmse"]),
        (
            released_classification,
            "tabular-classification",
            ["accuracy", "balanced_accuracy", "f1", "log_loss", "roc_auc"],
        ),
    ],
)
def test_metadata(candidate: Any, kind: str, metrics: list[str]) -> None:
    document = candidate().document
    found, _ = card(candidate())
    assert (found["license"], found["library_name"], found["pipeline_tag"]) == ("mit", "sklearn", kind)
    assert {"weighbridge", kind, document["task"]} <= set(found["tags"])
    assert found["metrics"] == metrics
    (model,) = found["model-index"]
    assert model["name"] == f"{document['task']}/{document['version']}"
    (result,) = model["results"]
    assert result["task"]["type"] == kind
    assert result["dataset"]["name"] == document["dataset"]["key"]
    assert {one["name"]: one["value"] for one in result["metrics"]} == document["metrics"]


def test_the_body_says_what_the_report_says() -> None:
    candidate = refused_regression()
    _, body = card(candidate)
    titles = [line.removeprefix("## ") for line in body.splitlines() if line.startswith("## ")]
    assert titles == [
        *(
            "What it predicts",
            "Metrics",
            "Checks",
            "Slices",
            "Predicted and observed",
            "Drift",
            "Search",
            "Features",
        ),
        *("Rules about data", "Provenance"),
    ]
    assert f"**{candidate.report.headline}.**" in body
    assert f"```sh\nweighbridge reproduce {candidate.document['version']} --store ./here\n```" in body
    assert body.count(" FAILED ") == sum(not check["passed"] for check in candidate.document["checks"])
    assert candidate.document["model"]["sha256"] in body
    assert "### Permutation importance" in body


def test_data_are_text_in_it() -> None:
    _, body = card(refused_regression())
    assert HOSTILE not in body
    assert "&lt;script&gt;" in body
    # Each row of a table has the cells of its head, whatever stands in them.
    lines = [line.replace("\\|", "") for line in body.splitlines()]
    width = 0
    for before, line in zip(["", *lines], lines, strict=False):
        if line.startswith("|"):
            width = width if before.startswith("|") else line.count("|")
            assert line.count("|") == width


def test_a_record_without_a_report_has_a_card() -> None:
    document = dict(released_regression().document) | {"report": None}
    text = model_card(Record.from_dict(document))
    assert text.startswith('---\nlicense: "unknown"\n')
    assert "## Slices" not in text
    assert "weighbridge reproduce " in text
