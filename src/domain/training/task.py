"""A task: the definition of what to predict, and of what a model has to achieve."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from weighbridge.domain.data.dataset import SplitSpec
from weighbridge.domain.data.plain_data import WITHOUT_MODULES, Naming, plain
from weighbridge.domain.data.schema import Category, Schema
from weighbridge.domain.errors import ConfigurationError, TaskError
from weighbridge.domain.evaluation.checks.check import Check
from weighbridge.domain.evaluation.comparison import NotWorseThanLive
from weighbridge.domain.evaluation.gate import Threshold
from weighbridge.domain.evaluation.metrics import measured, metric_named
from weighbridge.domain.evaluation.rules.rule import Rule
from weighbridge.domain.store.artefacts import is_task_name
from weighbridge.domain.training.estimator import EstimatorSpec
from weighbridge.domain.training.legacy_names import LEGACY_NAMES


@dataclass(frozen=True, slots=True)
class TaskDefinition:
    """What to predict, from what, with what, and what a model has to achieve.

    Args:
        name: snake_case; it begins every name in the store and ends the route of the service.
        schema: the columns.
        estimator: the pipeline and its search.
        thresholds: at least one; the first is the one that options on the command line set.
        split: which rows a model is evaluated on.
        checks: what a model must do whatever its score; no two of one name.
        comparisons: how much worse than the live model a candidate may be, on the same rows.
        rules: what goes wrong with data and is looked for; no two of one name.
        join: features that together tell one row from another: by them the labels in later datasets are found for
            rows that were predicted. None when there are no such features.

    Raises:
        TaskError: the parts do not fit together.
    """

    name: str
    schema: Schema
    estimator: EstimatorSpec
    thresholds: tuple[Threshold, ...]
    split: SplitSpec = SplitSpec()
    checks: tuple[Check, ...] = ()
    comparisons: tuple[NotWorseThanLive, ...] = ()
    rules: tuple[Rule, ...] = ()
    join: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._check_types()
        if not is_task_name(self.name):
            raise TaskError(f"name: {self.name!r} is not snake_case, such as time_to_dispatch")
        if not self.thresholds:
            raise TaskError("thresholds: there is none; a model must have something to achieve")
        stratum = self.split.stratify_by
        if stratum is not None:
            columns = {column.name: column for column in (*self.schema.features, self.schema.target)}
            if not isinstance(columns.get(stratum), Category):
                fitting = ", ".join(name for name, column in columns.items() if isinstance(column, Category))
                raise TaskError(
                    f"split: stratify_by names '{stratum}', which is not a category; there are {fitting or 'none'}"
                )
        for part, members in (("checks", self.checks), ("rules", self.rules)):
            names = [member.name for member in members]
            if len(set(names)) != len(names):
                raise TaskError(f"{part}: one name stands twice in {names}")
        for check in self.checks:
            check.validate(self.schema)
        for rule in self.rules:
            rule.validate(self.schema)
        self._check_metrics()
        self._check_join()

    def _check_join(self) -> None:
        if not isinstance(self.join, tuple | list) or not all(isinstance(name, str) for name in self.join):
            raise TaskError(f"join: it is {self.join!r}; it must be a tuple of the names of features")
        unknown = [name for name in self.join if name not in self.schema.feature_names]
        if unknown:
            known = ", ".join(self.schema.feature_names)
            raise TaskError(f"join: '{unknown[0]}' is not a feature; there are {known}")
        if len(set(self.join)) != len(self.join):
            raise TaskError(f"join: a feature is named twice in {list(self.join)}")

    def _check_types(self) -> None:
        wholes = {"name": str, "schema": Schema, "estimator": EstimatorSpec, "split": SplitSpec}
        for field, kind in wholes.items():
            value = getattr(self, field)
            if not isinstance(value, kind):
                raise TaskError(f"{field}: it is {value!r}; it must be of the type {kind.__name__}")
        members: dict[str, type[Any]] = {
            "thresholds": Threshold,
            "checks": Check,
            "comparisons": NotWorseThanLive,
            "rules": Rule,
        }
        for field, kind in members.items():
            value = getattr(self, field)
            if not isinstance(value, tuple | list):
                raise TaskError(f"{field}: it is {value!r}; it must be a tuple, such as ({kind.__name__}(...),)")
            for member in value:
                # Protocols are inherited explicitly, so this tells a check from a rule.
                if isinstance(member, type) or kind not in type(member).__mro__:
                    raise TaskError(f"{field}: {member!r} is not a {kind.__name__}")

    def _check_metrics(self) -> None:
        classes = isinstance(self.schema.target, Category)
        categories = [feature.name for feature in self.schema.features if isinstance(feature, Category)]
        categories += [self.schema.target.name] if classes else []
        for metric in (*(one.metric for one in self.thresholds), *(one.metric for one in self.comparisons)):
            if metric_named(metric).classes not in (classes, None):
                kind = "a category" if classes else "a number"
                fitting = ", ".join(measured(self.schema.target))
                raise TaskError(f"thresholds: {metric} does not fit {kind} as the target; these do: {fitting}")
        for threshold in self.thresholds:
            if threshold.slice_by is not None and threshold.slice_by not in categories:
                raise TaskError(
                    f"thresholds: slice_by names '{threshold.slice_by}', which is not a category; "
                    f"there are {', '.join(categories) or 'none'}"
                )

    def with_levels(self, error: float | None, warning: float | None) -> TaskDefinition:
        """The task with other levels for its first threshold; None leaves a level as it is.

        A warning level that only the other change has put out of order follows it: an error level raised
        above the task's warning level raises that too.

        Raises:
            ConfigurationError: the levels are out of range, or given out of order.
        """
        first = self.thresholds[0]
        if error is None and warning is None:
            return self
        try:
            changed = replace(
                first,
                error=first.error if error is None else error,
                warning=first.warning if warning is None else warning,
            )
        except ConfigurationError:
            if error is None or warning is not None:
                raise
            changed = replace(first, error=error, warning=error)
        return replace(self, thresholds=(changed, *self.thresholds[1:]))

    def describe(self, naming: Naming = WITHOUT_MODULES) -> dict[str, Any]:
        """The whole definition as plain data.

        Args:
            naming: how classes and functions are named; by default without their modules.

        Raises:
            TaskError: the pipeline cannot be built.
        """
        try:
            pipeline = self.estimator.pipeline(self.split.seed)
        except (ValueError, TypeError) as error:
            raise TaskError(f"estimator: the pipeline cannot be built: {error}") from error
        document = {
            "name": self.name,
            "schema": self.schema.to_dict(),
            "estimator": {
                "pipeline": {key: plain(value, naming) for key, value in sorted(pipeline.get_params().items())},
                "grid": {name: plain(values, naming) for name, values in self.estimator.grid.items()},
                "folds": self.estimator.folds,
                "scoring": self.estimator.scoring,
                "search": self.estimator.search,
                "iterations": self.estimator.iterations if self.estimator.search == "random" else None,
            },
            "split": asdict(self.split),
            "thresholds": [threshold.to_dict() for threshold in self.thresholds],
            "checks": [plain(check, naming) for check in self.checks],
            "comparisons": [asdict(comparison) for comparison in self.comparisons],
            "rules": [plain(rule, naming) for rule in self.rules],
        }
        return document | {"join": list(self.join)} if self.join else document

    @property
    def fingerprint(self) -> str:
        """A digest of ``describe()``, units aside: two runs of equal definitions on equal bytes do the same.

        Raises:
            TaskError: the pipeline cannot be built.
        """
        return self._digest(WITHOUT_MODULES)

    def has_fingerprint(self, recorded: str) -> bool:
        """Whether ``recorded`` is the fingerprint of this task, as this version or version 0.1.0 computes it.

        Raises:
            TaskError: the pipeline cannot be built.
        """
        return recorded in self.fingerprints

    @property
    def fingerprints(self) -> tuple[str, str]:
        """The fingerprint of this task, as this version computes it and as version 0.1.0 did.

        Raises:
            TaskError: the pipeline cannot be built.
        """
        return self.fingerprint, self._digest(LEGACY_NAMES)

    def _digest(self, naming: Naming) -> str:
        document = self.describe(naming) | {"schema": self.schema.identity}
        text = json.dumps(document, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
