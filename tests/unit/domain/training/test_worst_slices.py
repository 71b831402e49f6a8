"""The slices that a reason names: levels that do worse than all rows, or than is required; the worst first."""

import math

import numpy as np
import pandas as pd
import pytest

from tests.support.reasons import errors
from weighbridge.domain.data.admission import admit
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.evaluation.gate import GateDecision, Verdict
from weighbridge.domain.evaluation.reason import Source
from weighbridge.domain.training.worst_slices import name_worst_slices

SCHEMA = Schema(
    (Category("product", ("a", "b", "c")), Category("region", ("x", "y"))), Number("hours"), "est_hours"
)
ROWS = pd.DataFrame({"product": list("abc") * 20, "region": ["x"] * 60, "hours": np.arange(60.0)})
#: Of product b every prediction is 4 off, of c 1.
PREDICTED = ROWS["hours"].to_numpy() + np.tile([0.0, 4.0, 1.0], 20)


def named(text: str, source: Source = Source.THRESHOLD, required: float = math.nan) -> str:
    decision = GateDecision(Verdict.REJECT, errors(text, source=source))
    metrics = {"mean_absolute_error": 5 / 3, "r2": 0.98, "neg_max_error": -4.0}
    found = name_worst_slices(
        decision, metrics, admit(ROWS, SCHEMA, "rows"), PREDICTED, {source: {"mean_absolute_error": required}}
    )
    assert found.verdict is Verdict.REJECT
    [reason] = found.reasons
    return reason.text


@pytest.mark.parametrize("source", [Source.THRESHOLD, Source.COMPARISON])
def test_levels_that_do_worse_than_all_rows_are_named(source: Source) -> None:
    text = "mean_absolute_error 1.67 is above its error threshold 1"
    assert named(text, source) == f"{text}; worst slices: product b (4)"


@pytest.mark.parametrize("source", [Source.THRESHOLD, Source.COMPARISON])
@pytest.mark.parametrize(
    ("required", "levels"), [(0.9, "b (4), c (1)"), (1.0, "b (4)"), (2.0, "b (4)"), (5.0, "b (4)")]
)
def test_a_bad_level_is_not_hidden_by_a_worse_one(source: Source, required: float, levels: str) -> None:
    text = f"mean_absolute_error 1.67 is above {required:g}"
    # All rows have one region.
    assert named(text, source, required) == f"{text}; worst slices: product {levels}"


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("neg_max_error -4 is below its error threshold -1", Source.THRESHOLD),
        ("accuracy[product=a] 0.1 is below its error threshold 1", Source.THRESHOLD),
        ("r2 is what a rule may be called", Source.RULE),
    ],
)
def test_other_reasons_stay_as_they_are(text: str, source: Source) -> None:
    assert named(text, source) == text
