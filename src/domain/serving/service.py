"""Predicting with the live release, and following it as it changes."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

from weighbridge.domain.errors import ModelError, NothingReleased, RegistryError, WeighbridgeError
from weighbridge.domain.registry.loading import decode_release
from weighbridge.domain.registry.rollback import rollback_targets
from weighbridge.domain.serving.decoded_model import DecodedModel
from weighbridge.domain.serving.events import FellBack, ModelLoaded, RefreshFailed

if TYPE_CHECKING:
    from weighbridge.domain.model.codec import ModelCodec
    from weighbridge.domain.registry.model_registry import ModelRegistry
    from weighbridge.domain.registry.promotions import Promotion
    from weighbridge.domain.registry.trial import ReleaseTrial
    from weighbridge.domain.system import Clock, EventSink


@dataclass(frozen=True, slots=True)
class LoadedModel(DecodedModel):
    """What a service answers from, which promotion made it live, and when it was loaded."""

    promotion: Promotion
    loaded_at: datetime


#: How many earlier releases are tried at most when the live one is damaged.
_EARLIER = 20


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
        trial: where a release is tried before it is decoded here; None for nowhere.
        fall_back: whether to serve the newest intact release that was live before, when the live one is damaged
            and nothing is loaded yet.
    """

    def __init__(
        self,
        task: str,
        registry: ModelRegistry,
        codecs: Sequence[ModelCodec],
        clock: Clock,
        events: EventSink,
        trial: ReleaseTrial | None = None,
        fall_back: bool = False,
    ) -> None:
        self.task = task
        self._registry = registry
        self._codecs = codecs
        self._clock = clock
        self._events = events
        self._trial = trial
        self._fall_back = fall_back
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
                loaded, if any, stays; if none was, and the service may fall back, an earlier one is loaded now.
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
            try:
                self._decode(promotion)
            except (ModelError, RegistryError):
                if current is None and self._fall_back:
                    self._load_earlier(promotion)
                raise
        elif current.promotion != promotion:
            self._loaded = LoadedModel(current.release, current.predictor, promotion, current.loaded_at)
        else:
            self._token = token

    def _decode(self, promotion: Promotion) -> None:
        started = self._clock.seconds()
        release = self._registry.read(promotion.version)
        predictor = decode_release(release, self._registry.fetch(release), self._codecs, self._trial)
        self._loaded = LoadedModel(release, predictor, promotion, self._clock.now())
        self._events.emit(ModelLoaded(str(promotion.version), self._clock.seconds() - started))

    def _load_earlier(self, live: Promotion) -> None:
        """Load the newest intact release that rollbacks from ``live`` would go to; nothing when there is none."""
        for promotion in islice(rollback_targets(self._registry, live), _EARLIER):
            with suppress(ModelError, RegistryError):
                self._decode(promotion)
                self._events.emit(FellBack(str(promotion.version), str(live.version)))
                return

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
