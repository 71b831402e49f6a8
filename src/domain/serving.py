"""Predicting with the live release, and following it as it changes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, TypeAlias, cast

from weighbridge.domain.encoding import Parity, compare, compare_classes
from weighbridge.domain.errors import (
    DataError,
    IncompatibleModel,
    ModelUnreadable,
    NothingReleased,
    WeighbridgeError,
)
from weighbridge.domain.events import ModelLoaded, RefreshFailed
from weighbridge.domain.schema import Category

if TYPE_CHECKING:
    import numpy as np

    from weighbridge.domain.columns import AdmittedColumns, Encoded
    from weighbridge.domain.ports import Clock, EventSink, ModelCodec, ModelRegistry
    from weighbridge.domain.provenance import Record
    from weighbridge.domain.releases import Promotion, Release
    from weighbridge.domain.schema import Row, Schema, Value

#: One array of shape [rows] per feature: float64 for numbers, object (of str) for categories.
Columns: TypeAlias = "Mapping[str, np.ndarray[Any, Any]]"


#: How the predictions for rows compare with those that are expected.
_Measure: TypeAlias = "Callable[[Predictor, Sequence[Row]], Parity]"

#: How long a predictor takes for a row: a few microseconds; well below a millisecond, nearly all of it for the
#: call and not for the row; or longer.
Pace: TypeAlias = Literal["instant", "short", "long"]


class Classification(NamedTuple):
    """A label, and the probabilities of all levels in the order of the target's."""

    label: str
    probabilities: list[float]


class Predictor(Protocol):
    """A decoded model. Safe to call from several threads at once."""

    pace: ClassVar[Pace] = "long"

    @abstractmethod
    def predict(self, columns: Columns) -> np.ndarray[Any, Any]:
        """Predictions of shape [rows] for admitted columns of equal length; zero rows give zero.

        Float64 in the target's unit for a number target; object (of str), each a level, for a category.
        """

    def predict_columns(self, columns: AdmittedColumns) -> np.ndarray[Any, Any] | Encoded:
        """Predictions for many admitted rows, as ``predict`` gives them, or as codes and such values.

        A predictor that has a quicker way for columns of codes overrides it.
        """
        return self.predict(columns.plain())

    def predict_rows(self, rows: Sequence[Row]) -> list[Value]:
        """Predictions for admitted rows, as ``predict`` gives them; no rows give none.

        A predictor that has a quicker way for a few rows than columns overrides it.
        """
        if not rows:
            return []
        return cast("list[Value]", self.predict(_columns(rows)).tolist())

    def classify_rows(self, rows: Sequence[Row]) -> list[Classification]:
        """For a category target: the label and the probabilities for admitted rows; no rows give none."""
        if not rows:
            return []
        columns = _columns(rows)
        labels, likely = self.predict(columns).tolist(), self.predict_proba(columns).tolist()
        return [Classification(*pair) for pair in zip(labels, likely, strict=True)]

    def predict_row(self, row: Row) -> Value:
        """The prediction for one admitted row."""
        return self.predict_rows([row])[0]

    def predict_proba(self, columns: Columns) -> np.ndarray[Any, Any]:  # noqa: ARG002
        """For a category target: float64 of shape [rows, levels], in the order of the target's levels.

        A level that was not in the training data has the probability 0.

        Raises:
            IncompatibleModel: the model gives no probabilities, as one that predicts numbers.
        """
        raise IncompatibleModel("this model gives no probabilities")


@dataclass(frozen=True, slots=True)
class Prediction:
    """A prediction, and the version that made it as ``<task>/<version>``.

    Args:
        value: in the target's unit; the label for a category.
        model_version: of the model that made it.
        probabilities: by level, for a category; None for a number.
    """

    value: Value
    model_version: str
    probabilities: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """What a service answers from: a release whose bytes were verified, and its predictor."""

    promotion: Promotion
    release: Release
    predictor: Predictor
    loaded_at: datetime

    @property
    def schema(self) -> Schema:
        """What a request has to be."""
        return self.release.record.schema

    def predict(self, row: Row) -> Prediction:
        """Predict an admitted row."""
        target = self.schema.target
        if isinstance(target, Category):
            label, likely = self.predictor.classify_rows([row])[0]
            probabilities = dict(zip(target.levels, likely, strict=True))
            return Prediction(label, self.release.version.qualified, probabilities)
        return Prediction(self.predictor.predict_row(row), self.release.version.qualified)


class PredictionService:
    """Holds the live model of a task and swaps it for a newer one by a single reference.

    Whoever took ``loaded`` goes on with that model to the end of their request, whatever is swapped
    meanwhile. ``refresh`` is called by one thread; everything else by any.

    Args:
        task: the task's name; its definition is never needed here.
        registry: where releases are.
        codecs: the formats that can be read.
        clock: for durations and the time of loading.
        events: told of each change, and of each new problem once.
    """

    def __init__(
        self, task: str, registry: ModelRegistry, codecs: Sequence[ModelCodec], clock: Clock, events: EventSink
    ) -> None:
        self.task = task
        self._registry = registry
        self._codecs = codecs
        self._clock = clock
        self._events = events
        self._loaded: LoadedModel | None = None
        self._problem: str | None = None
        #: How the log looked when the loaded model was last found to be live.
        self._mark: Hashable = None

    @property
    def loaded(self) -> LoadedModel | None:
        """The model that answers now; None until one is loaded."""
        return self._loaded

    @property
    def problem(self) -> str | None:
        """Why the last refresh failed, in one line; None when it did not."""
        return self._problem

    def load(self) -> None:
        """Follow the registry: when another release is live, verify it, then swap.

        While nothing is promoted, that is one small request.

        Raises:
            NothingReleased: nothing is live.
            StoreError, RegistryError: the registry could not be asked.
            ModelUnreadable, IncompatibleModel: the live release fails verification. The model that was
                loaded, if any, stays.
        """
        current = self._loaded
        if current is not None:
            # Before the log is read: what is promoted after this shows in the next mark.
            mark = self._registry.mark(current.promotion)
            if mark == self._mark:
                return
            self._mark = None
        promotion = self._registry.live(self.task)
        if current is None or current.promotion.version != promotion.version:
            started = self._clock.seconds()
            release = self._registry.read(promotion.version)
            predictor = decode_release(release, self._registry.fetch(release), self._codecs)
            self._loaded = LoadedModel(promotion, release, predictor, self._clock.now())
            self._events.emit(ModelLoaded(str(promotion.version), self._clock.seconds() - started))
        elif current.promotion != promotion:
            self._loaded = LoadedModel(promotion, current.release, current.predictor, current.loaded_at)
        else:
            self._mark = mark

    def refresh(self) -> None:
        """``load``, but a failure is kept as ``problem`` and told as an event instead of raised.

        Each problem is told once, until it changes or is over.
        """
        problem: str | None = None
        try:
            self.load()
        except WeighbridgeError as error:
            problem = " ".join(str(error).split())
            # To wait for the first release is no failure.
            waiting = self._loaded is None and isinstance(error, NothingReleased)
            if problem != self._problem and not waiting:
                serving = str(self._loaded.release.version) if self._loaded else None
                self._events.emit(RefreshFailed(serving, problem))
        self._problem = problem


def decode_release(release: Release, data: bytes, codecs: Sequence[ModelCodec]) -> Predictor:
    """The predictor in the bytes of a release, whose predictions for the golden rows are verified.

    Raises:
        ModelUnreadable, IncompatibleModel: it fails verification.
    """
    record = release.record
    codec = next((codec for codec in codecs if codec.format == record.model.format), None)
    if codec is None:
        known = ", ".join(codec.format for codec in codecs)
        raise ModelUnreadable(f"{release.version} has the format {record.model.format}; readable are {known}")
    predictor = codec.decode(data, record.schema)
    _try_golden_rows(predictor, release)
    return predictor


def _columns(rows: Sequence[Row]) -> Columns:
    import numpy as np

    return {
        name: np.array([row[name] for row in rows], dtype=object if isinstance(value, str) else np.float64)
        for name, value in rows[0].items()
    }


def columns_of_rows(rows: Sequence[Row], schema: Schema) -> Columns:
    """Admitted rows, as a predictor takes them."""
    import numpy as np

    return {
        feature.name: np.array(
            [row[feature.name] for row in rows],
            dtype=object if isinstance(feature, Category) else np.float64,
        )
        for feature in schema.features
    }


def _try_golden_rows(predictor: Predictor, release: Release) -> None:
    record = release.record
    target = record.schema.target
    try:
        rows = [record.schema.admit_row(row.inputs) for row in record.golden]
        measure = _by_class(record, target) if isinstance(target, Category) else _by_number(record)
    except (DataError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise IncompatibleModel(
            f"{release.version} has golden rows that are not of its schema: {error}"
        ) from error
    if not rows:
        return
    parity = measure(predictor, rows)
    if not parity.holds:
        raise IncompatibleModel(
            f"{release.version} fails its golden rows: off by {parity.max_difference:.3g}, "
            f"allowed is {parity.tolerance:g}"
        )


def _by_number(record: Record) -> _Measure:
    expected = [float(row.prediction) for row in record.golden]
    # Row by row, as requests come.
    return lambda predictor, rows: compare(expected, cast("list[float]", predictor.predict_rows(rows)))


def _by_class(record: Record, target: Category) -> _Measure:
    import numpy as np

    expected = np.array([row.prediction for row in record.golden], dtype=object)
    likely = np.array(
        [[(row.probabilities or {})[level] for level in target.levels] for row in record.golden], dtype=np.float64
    )
    return lambda predictor, rows: compare_classes(
        expected,
        likely,
        np.array(predictor.predict_rows(rows), dtype=object),
        predictor.predict_proba(columns_of_rows(rows, record.schema)),
    )
