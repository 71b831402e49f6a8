"""Trying a task before it is trusted with a search: its definition, a dataset, and a single training.

Everything that is wrong is found in one go, as far as one thing can be looked at without the other: a pipeline
that cannot be built cannot be fitted, and rows that are not valid cannot be split.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from weighbridge.domain.data.admission import admit
from weighbridge.domain.data.dataset import Dataset, Split, split
from weighbridge.domain.errors import DataError, ModelError, Problem, TaskError
from weighbridge.domain.model.encoding import encode_with_parity
from weighbridge.domain.training.candidate_evaluation import Evaluation, evaluate
from weighbridge.domain.training.estimator_check import estimator_problems, say
from weighbridge.domain.training.live_model import LiveModel

if TYPE_CHECKING:
    from weighbridge.domain.data.dataset_reader import DatasetReader
    from weighbridge.domain.model.codec import ModelCodec
    from weighbridge.domain.store.artefacts import Artefact
    from weighbridge.domain.training.task import TaskDefinition


@dataclass(frozen=True, slots=True)
class Trial:
    """What training one candidate gave.

    Args:
        params: the first candidate of the grid; empty when there is no grid.
        evaluation: what was found of it, without a live model to compare it with, and what the gate would say if
            the search found nothing better.
        format: in which the model would be published.
        notes: why the formats that are preferred to it were not taken.
    """

    params: Mapping[str, Any]
    evaluation: Evaluation
    format: str
    notes: Sequence[str]

    def to_dict(self) -> dict[str, Any]:
        """As plain data; a metric that is not defined is None."""
        found = self.evaluation
        return {
            "params": {name: _plain(value) for name, value in self.params.items()},
            "metrics": {name: _plain(value) for name, value in found.metrics.items()},
            "checks": [{"name": each.name, "passed": each.passed, "detail": each.detail} for each in found.checks],
            "findings": [
                {"name": each.name, "level": str(each.level), "detail": each.detail} for each in found.findings
            ],
            "decision": found.decision.to_dict(),
            "format": self.format,
            "notes": list(self.notes),
        }


@dataclass(slots=True)
class TaskReport:
    """What was found out about a task. What could not be got to is None.

    Args:
        task: what was looked at.
        dataset: what the data was read from.
        rows: that are valid.
        split: training and test rows.
        trial: the training of one point.
        task_problems: what is wrong with the definition, in words.
        data_problems: what is wrong with the data.
    """

    task: TaskDefinition
    dataset: str | None = None
    rows: int | None = None
    split: tuple[int, int] | None = None
    trial: Trial | None = None
    task_problems: list[str] = field(default_factory=list)
    data_problems: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong. A single candidate that the gate would refuse is no fault."""
        return not self.task_problems and not self.data_problems

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        task = self.task
        try:
            definition = task.describe()
        except TaskError:
            definition = None
        return {
            "task": task.name,
            "ok": self.ok,
            "definition": definition,
            "search": {
                "kind": task.estimator.search,
                "points": task.estimator.points,
                "folds": task.estimator.folds,
                "scoring": task.estimator.scoring,
            },
            "dataset": None if self.dataset is None else {"name": self.dataset, "rows": self.rows},
            "split": (None if self.split is None else {"train_rows": self.split[0], "test_rows": self.split[1]}),
            "trial": None if self.trial is None else self.trial.to_dict(),
            "task_problems": list(self.task_problems),
            "data_problems": [
                {"message": each.message, "column": each.column, "row": each.row, "value": _plain(each.value)}
                for each in self.data_problems
            ],
        }


def check_task(
    task: TaskDefinition, data: Artefact | None, reader: DatasetReader, codecs: Sequence[ModelCodec]
) -> TaskReport:
    """Check a task; given data, validate and split them and train the first candidate of the grid.

    Nothing is raised for what is wrong with the task or the data, and nothing is written.

    Args:
        task: the definition.
        data: a dataset; its key's suffix says the format. None to look at the definition alone.
        reader: reads it.
        codecs: what a model may be published in, in order of preference.
    """
    report = TaskReport(task, task_problems=estimator_problems(task))
    if data is None:
        return report
    report.dataset = data.ref.name
    try:
        dataset = admit(reader.read(data, task.schema), task.schema, report.dataset)
        report.rows = len(dataset)
        parts = split(dataset, task.split, task.estimator.folds, report.dataset)
        report.split = len(parts.train), len(parts.test)
        if not report.task_problems:
            report.trial = _try(task, dataset, parts, codecs)
    except DataError as error:
        report.data_problems += error.problems
    except TaskError as error:
        report.task_problems.append(str(error))
    return report


def _try(task: TaskDefinition, dataset: Dataset, parts: Split, codecs: Sequence[ModelCodec]) -> Trial:
    """Train the first candidate of the grid.

    Raises:
        TaskError: it cannot be fitted, scored, or held by any format.
    """
    from sklearn.metrics import get_scorer

    spec = task.estimator
    params = spec.first_point(task.split.seed)
    point = f" with {', '.join(f'{name}={value!r}' for name, value in params.items())}" if params else ""
    try:
        model = spec.pipeline(task.split.seed).set_params(**params)
        model.fit(parts.train.features, parts.train.target)
        score = float(get_scorer(spec.scoring)(model, parts.test.features, parts.test.target))
    except Exception as error:  # an estimator raises whatever it likes
        raise TaskError(f"estimator: the pipeline cannot be fitted{point}: {say(error)}") from error
    if not math.isfinite(score):
        raise TaskError(f"estimator: scoring {spec.scoring!r} gives {score} on the test rows")
    try:
        evaluation = evaluate(task, model, dataset, parts, LiveModel(), ())
    except Exception as error:  # checks and rules may be somebody else's code as well
        raise TaskError(f"checks and rules: the model cannot be evaluated{point}: {say(error)}") from error
    try:
        encoded = encode_with_parity(codecs, model, task.schema, parts.test.features)
    except ModelError as error:
        raise TaskError(f"estimator: {error}; allowed is what scikit-learn brings along") from error
    return Trial(params, evaluation, encoded.format, encoded.notes)


def _plain(value: object) -> Any:
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
