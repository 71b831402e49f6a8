"""Scores that are too good to be true: not those that chance gives on few rows."""

import numpy as np
import pandas as pd
import pytest

from weighbridge.domain.data.dataset import Dataset, Split
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.evaluation.rules.rule import Evidence, FindingLevel
from weighbridge.domain.evaluation.rules.scores import TooGood
from weighbridge.domain.statistics.summaries import summarise

SCHEMA = Schema((Number("size"),), Category("kind", ("a", "b")), "est_kind")


def perfect(rows: int, history: float) -> Evidence:
    """No wrong test row, where eight earlier releases had an accuracy of ``history``."""
    dataset = Dataset(pd.DataFrame({"size": np.arange(float(rows)), "kind": ["a", "b"] * (rows // 2)}), SCHEMA)
    predicted = dataset.target.to_numpy(object)
    past = ({"accuracy": history},) * 8
    return Evidence(dataset, Split(dataset, dataset), summarise(dataset), {}, predicted, history=past)


@pytest.mark.parametrize(
    ("rows", "history", "level"),
    [
        # 0.95 to the power of 40 is 0.13, 0.97 to that of 114 is 0.03: chance.
        (40, 0.95, FindingLevel.OK),
        (114, 0.97, FindingLevel.OK),
        # 0.9 to the power of 400 is no chance.
        (400, 0.9, FindingLevel.ERROR),
    ],
)
def test_no_wrong_row_is_too_good_only_where_chance_does_not_explain_it(
    rows: int, history: float, level: FindingLevel
) -> None:
    assert TooGood("accuracy").inspect(perfect(rows, history)).level is level
