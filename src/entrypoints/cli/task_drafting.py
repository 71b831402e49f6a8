"""A first task file from a CSV file: Python text in which every guess is marked for whoever reads it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import indent
from typing import TYPE_CHECKING

from weighbridge.domain.data.schema import Category, Number
from weighbridge.domain.store.artefacts import parse_timestamp
from weighbridge.entrypoints.cli.task_inference import Inference, infer, snake_case
from weighbridge.entrypoints.cli.task_templates import FILE, PLAIN, WITH_CATEGORIES

if TYPE_CHECKING:
    from weighbridge.domain.data.dataset_reader import DatasetReader
    from weighbridge.domain.data.schema import Feature
    from weighbridge.domain.store.artefacts import Artefact

#: Begins every comment above something that the reader has to judge.
MARK = "# guess: "
#: The name of the task in the file.
ATTRIBUTE = "TASK"
FOLDS = 5

#: A call up to this width stays on one line, indented or not: within the width of every formatter.
_WIDTH = 68


@dataclass(frozen=True, slots=True)
class Draft:
    """A drafted task file.

    Args:
        text: of the file; the task in it goes by the name of ATTRIBUTE.
        target: what it predicts.
        rows: that it was drafted from.
    """

    text: str
    target: str
    rows: int

    @property
    def guesses(self) -> int:
        """How many there are in the text."""
        return self.text.count(MARK)


def draft(data: Artefact, target: str | None, reader: DatasetReader) -> Draft:
    """Draft a task for a CSV file. The task admits and splits the rows that it was drafted from.

    Args:
        data: the file; its key ends in ``.csv``, and its name gives the task's.
        target: the column to predict; None for the last one.
        reader: reads it.

    Raises:
        ConfigurationError, DataError: as ``infer``.
    """
    found = infer(data, target, FOLDS, reader)
    schema, answer = found.schema, found.schema.target
    kinds = {"tree": "DecisionTreeRegressor", "step": "regressor", "scoring": "r2", "rules": "r2"}
    levels = {"error": 0.1, "warning": 0.5}
    why = "the model has to beat the mean"
    if isinstance(answer, Category):
        chance = 1 / len(answer.levels)
        kinds = {"tree": "DecisionTreeClassifier", "step": "classifier"}
        kinds |= {"scoring": "balanced_accuracy", "rules": "accuracy"}
        levels = {"error": round(0.9 * chance + 0.1, 2), "warning": round((1 + chance) / 2, 2)}
        why = f"the model has to beat chance, which is {chance:.2g}"
    encoded = any(isinstance(feature, Category) for feature in schema.features)
    checks = _checks(found)
    last = f"{MARK}the last column is what to predict\n" if target is None else ""
    text = FILE.format(
        mark=MARK,
        imports=_imports(schema.features, answer, [call.partition("(")[0] for _, call in checks]),
        features=indent(
            "\n".join(f"{MARK}{each.seen}\n{_feature(each.feature)}," for each in found.features), " " * 8
        ),
        target=indent(f"{last}{MARK}{found.target.seen}\ntarget={_feature(answer)},", " " * 4),
        prediction=_text(schema.prediction),
        pipeline=(WITH_CATEGORIES if encoded else PLAIN).format(mark=MARK, **kinds),
        name=_text(_task_name(data.ref.name)),
        folds=FOLDS,
        why=why,
        stratified=_stratified(found),
        split=indent(_split(found), " " * 4).lstrip(),
        checks=indent(
            "checks=(\n" + "".join(f"    {MARK}{reason}\n    {call},\n" for reason, call in checks) + "),"
            if checks
            else f"{MARK}nothing yet; say here what a model must do whatever its score\nchecks=(),",
            " " * 4,
        ),
        **kinds,
        **levels,
    )
    return Draft(text, answer.name, found.rows)


def _task_name(file: str) -> str:
    """That of the file, without its suffix and the timestamp that it may end in."""
    stem = file.rpartition(".")[0]
    cuts = [cut for cut, character in enumerate(stem) if character == "_"]
    stem = next((stem[:cut] for cut in cuts if parse_timestamp(stem[cut + 1 :]) is not None), stem)
    return snake_case(stem, "task")


def _imports(features: Iterable[Feature], target: Feature, checks: Sequence[str]) -> str:
    kinds = {type(feature).__name__ for feature in (*features, target)}
    always = {"EstimatorSpec", "Schema", "SplitSpec", "TaskDefinition", "Threshold", "default_rules"}
    names = sorted({*always, *kinds, *checks}, key=_isort_key)
    return "from weighbridge import (\n" + "".join(f"    {name},\n" for name in names) + ")"


def _isort_key(name: str) -> tuple[bool, str]:
    """Classes before functions, as formatters sort the names of an import."""
    return name.islower(), name


def _feature(feature: Feature) -> str:
    if isinstance(feature, Number):
        bounds = (("minimum", feature.minimum), ("maximum", feature.maximum))
        given = [f"{name}={bound!r}" for name, bound in bounds if bound is not None]
        return _call("Number", [_text(feature.name), *given])
    return _call("Category", [_text(feature.name), _tuple([_text(level) for level in feature.levels])])


def _stratified(found: Inference) -> str:
    where = "a fifth of the rows is kept to weigh a model on"
    if isinstance(found.schema.target, Category):
        return f"{where}, with equal shares of each class"
    return where if found.split.stratify_by is None else f"{where}, with equal shares of a category"


def _split(found: Inference) -> str:
    spec = found.split
    stratum = [] if spec.stratify_by is None else [f"stratify_by={_text(spec.stratify_by)}"]
    return _call("SplitSpec", [f"test_size={spec.test_size!r}", *stratum, f"seed={spec.seed!r}"])


def _checks(found: Inference) -> list[tuple[str, str]]:
    """Each with the reason for it."""
    target = found.schema.target
    if isinstance(target, Category):
        return [("a class that is never predicted was not learnt", "EveryClassPredicted()")]
    checks = [("nothing far beyond what was ever seen is believable", "NotAboveLargestLabel(1.25)")]
    if target.maximum is None or target.maximum <= 0:
        checks = []
    if target.minimum == 0:
        checks.append(("the file has none below 0", "NotBelow(0)"))
    return checks


def _text(value: str) -> str:
    """A literal, in double quotes unless that costs an escape more, as formatters have it."""
    # Both quotes in front make repr choose single ones, and escape those within.
    single = repr(f"'\"{value}")[4:-1]
    if value.count('"') > value.count("'"):
        return f"'{single}'"
    double = single.replace("\\'", "'").replace('"', '\\"')
    return f'"{double}"'


def _tuple(items: Sequence[str]) -> str:
    return f"({items[0]},)" if len(items) == 1 else _call("", items)


def _call(name: str, arguments: Sequence[str]) -> str:
    """On one line where it fits, else with a line for each argument and a comma that keeps it so."""
    line = f"{name}({', '.join(arguments)})"
    if "\n" not in line and _width(line) <= _WIDTH:
        return line
    return "\n".join([f"{name}(", *(indent(f"{argument},", " " * 4) for argument in arguments), ")"])


def _width(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in line)
