"""Predicting with the live release, and following it as it changes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from weighbridge.domain.data.schema import Category
from weighbridge.domain.errors import NothingReleased, WeighbridgeError
from weighbridge.domain.registry.loading import decode_release
from weighbridge.domain.serving.events import ModelLoaded, RefreshFailed

if TYPE_CHECKING:
    from weighbridge.domain.data.schema import Row, Schema, Value
    from weighbridge.domain.model.codec import ModelCodec
    from weighbridge.domain.model.predictor import Predictor
    from weighbridge.domain.registry.model_registry import ModelRegistry
    from weighbridge.domain.registry.releases import Promotion, Release
    from weighbridge.domain.system import Clock, EventSink


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
        self._token: Hashable = None

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
            # Before the log is read: what is promoted after this shows in the next token.
            token = self._registry.change_token(current.promotion)
            if token == self._token:
                return
            self._token = None
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
            self._token = token

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
