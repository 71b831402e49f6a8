"""A second model beside the live one: what would it have answered?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

from weighbridge.domain.data.schema import Category
from weighbridge.domain.errors import DataError, WeighbridgeError
from weighbridge.domain.model.predictor import label_or_value
from weighbridge.domain.registry.loading import decode_release
from weighbridge.domain.registry.promotions import Promotion
from weighbridge.domain.registry.releases import CLOCKS_APART, ModelVersion
from weighbridge.domain.serving.decoded_model import DecodedModel
from weighbridge.domain.serving.events import ShadowChanged, ShadowFailed

if TYPE_CHECKING:
    from weighbridge.domain.data.schema import Row
    from weighbridge.domain.model.codec import ModelCodec
    from weighbridge.domain.model.predictor import Answer
    from weighbridge.domain.registry.model_registry import ModelRegistry
    from weighbridge.domain.registry.trial import ReleaseTrial
    from weighbridge.domain.serving.service import PredictionService
    from weighbridge.domain.serving.telemetry import ShadowTelemetry
    from weighbridge.domain.system import EventSink

#: Stands for the newest release that is newer than the live one and was never promoted.
NEWEST_UNPROMOTED = "newest-unpromoted"

#: Why there is nothing to compare: the row is not one of the second model's, its target is of another kind than
#: the live one's, or it fails or has no finite prediction.
ROW, TARGET, PREDICTION = "row", "target", "prediction"


class Answered(NamedTuple):
    """An admitted row, which model answered it, and what."""

    model: DecodedModel
    row: Row
    answer: Answer


class _Relation(Enum):
    """What an answer is to the second model."""

    SAME_MODEL = auto()
    SAME_SCHEMA = auto()
    OTHER_SCHEMA = auto()
    OTHER_TARGET = auto()


class Shadow:
    """Holds the second model, follows what it is to be, and compares it with what was answered.

    It never becomes an answer, and nothing that is wrong with it harms one. Its methods are called by one thread.

    Args:
        service: that answers; while the version wanted is the one that answers, there is no second model.
        wanted: a version, or NEWEST_UNPROMOTED.
        registry: where releases are.
        codecs: the formats that can be read.
        events: told of each change, and of each new problem once.
        telemetry: told of every comparison.
        trial: where a release is tried before it is decoded here; None for nowhere.

    Raises:
        UnknownVersion: ``wanted`` is neither; whether there is such a version shows later.
    """

    def __init__(
        self,
        service: PredictionService,
        wanted: str,
        registry: ModelRegistry,
        codecs: Sequence[ModelCodec],
        events: EventSink,
        telemetry: ShadowTelemetry,
        trial: ReleaseTrial | None = None,
    ) -> None:
        self._service = service
        self._fixed = None if wanted == NEWEST_UNPROMOTED else ModelVersion.parse(service.task, wanted)
        self._registry = registry
        self._codecs = codecs
        self._events = events
        self._telemetry = telemetry
        self._trial = trial
        self._second: DecodedModel | None = None
        self._problem: str | None = None
        #: What the newest unpromoted version was chosen by, and the choice.
        self._chosen: tuple[list[ModelVersion], Promotion, ModelVersion | None] | None = None

    @property
    def version(self) -> ModelVersion | None:
        """Which the second model is; None while there is none."""
        second = self._second
        return None if second is None else second.release.version

    def follow(self) -> None:
        """Load the version that is wanted now, when it is another, and verify it as the live one is.

        One that cannot be loaded leaves no second model, and is tried again at the next call. When the registry
        cannot be asked for what is wanted, everything stays as it is.
        """
        before, problem = self.version, None
        try:
            wanted = self._wanted()
            if wanted != before:
                self._second = None
                if wanted is not None:
                    release = self._registry.read(wanted)
                    data = self._registry.fetch(release)
                    predictor = decode_release(release, data, self._codecs, self._trial)
                    self._second = DecodedModel(release, predictor)
        except WeighbridgeError as error:
            problem = " ".join(str(error).split())
            if problem != self._problem:
                self._events.emit(ShadowFailed(problem))
        self._problem = problem
        if self.version != before:
            self._events.emit(ShadowChanged(None if self.version is None else str(self.version)))
        self._telemetry.shadowing(None if self._second is None else self._second.release, problem)

    def compare(self, answered: Sequence[Answered]) -> None:
        """Predict these rows as well, and count how far from their answers; never raises.

        Rows that the same version has answered are left out.
        """
        second = self._second
        if second is None:
            return
        rows, answers, wrong = _comparable(second, answered)
        for reason, count in wrong.items():
            if count:
                self._telemetry.failed(str(second.release.version), reason, count)
        if rows:
            self._predict(second, rows, answers)

    def _predict(self, second: DecodedModel, rows: Sequence[Row], answers: Sequence[Answer]) -> None:
        version = str(second.release.version)
        try:
            if isinstance(second.schema.target, Category):
                found = second.predictor.classify_rows(rows)
                pairs = list(zip(found, answers, strict=True))
                otherwise = sum(one.label != label_or_value(answer) for one, answer in pairs)
                self._telemetry.labelled(version, len(rows), otherwise)
            else:
                values = second.predictor.predict_rows(rows)
                differences = [
                    abs(float(value) - float(answer))  # type: ignore[arg-type]
                    for value, answer in zip(values, answers, strict=True)
                ]
                finite = [difference for difference in differences if math.isfinite(difference)]
                self._telemetry.differed(version, finite)
                if len(finite) < len(differences):
                    self._telemetry.failed(version, PREDICTION, len(differences) - len(finite))
        except Exception:
            # Whatever a model that nobody has approved of does is to be counted, not to end the comparing.
            self._telemetry.failed(version, PREDICTION, len(rows))

    def _wanted(self) -> ModelVersion | None:
        live = self._service.loaded
        if live is None:
            return None
        if self._fixed is not None:
            return None if self._fixed == live.release.version else self._fixed
        newer = self._registry.versions(self._service.task, after=live.release.version)
        if self._chosen is None or self._chosen[:2] != (newer, live.promotion):
            self._chosen = (newer, live.promotion, _newest_unpromoted(self._registry, newer))
        return self._chosen[2]


def _newest_unpromoted(registry: ModelRegistry, newest_first: Sequence[ModelVersion]) -> ModelVersion | None:
    """The first of these that no promotion names. Promotions are read back to the time of the last of them."""
    if not newest_first:
        return None
    promoted = set()
    for promotion in registry.promotions(newest_first[0].task):
        promoted.add(promotion.version)
        if promotion.at < newest_first[-1].created - CLOCKS_APART:
            break
    return next((version for version in newest_first if version not in promoted), None)


def _comparable(
    second: DecodedModel, answered: Sequence[Answered]
) -> tuple[list[Row], list[Answer], dict[str, int]]:
    """The rows that the second model can predict, their answers, and how many others there are by reason."""
    rows: list[Row] = []
    answers: list[Answer] = []
    wrong = {TARGET: 0, ROW: 0}
    model: DecodedModel | None = None
    relation = _Relation.SAME_MODEL
    for one in answered:
        if one.model is not model:
            model, relation = one.model, _relation(one.model, second)
        row: Row | None = None
        if relation is _Relation.SAME_SCHEMA:
            row = one.row
        elif relation is _Relation.OTHER_TARGET:
            wrong[TARGET] += 1
        elif relation is _Relation.OTHER_SCHEMA:
            try:
                row = _row_of(second, one.row)
            except DataError:
                wrong[ROW] += 1
        if row is not None:
            rows.append(row)
            answers.append(one.answer)
    return rows, answers, wrong


def _relation(model: DecodedModel, second: DecodedModel) -> _Relation:
    schema = second.schema
    if model.release.version == second.release.version:
        return _Relation.SAME_MODEL
    if isinstance(schema.target, Category) is not isinstance(model.schema.target, Category):
        return _Relation.OTHER_TARGET
    is_same = schema.fingerprint == model.schema.fingerprint
    return _Relation.SAME_SCHEMA if is_same else _Relation.OTHER_SCHEMA


def _row_of(second: DecodedModel, row: Row) -> Row:
    """The row as the second model takes it: with its own features only, admitted by its own schema."""
    schema = second.schema
    return schema.admit_row({one.name: row[one.name] for one in schema.features if one.name in row})
