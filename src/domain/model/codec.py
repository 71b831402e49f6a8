"""Formats of models."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from weighbridge.domain.data.schema import Schema
    from weighbridge.domain.model.fitted import FittedModel
    from weighbridge.domain.model.predictor import Predictor


class ModelCodec(Protocol):
    """Turns a fitted model into bytes of one format, and such bytes into something that predicts."""

    @property
    @abstractmethod
    def format(self) -> str:
        """The name of the format, as records have it: ``onnx``, ``skops``."""

    @abstractmethod
    def encode(self, model: FittedModel, schema: Schema) -> bytes:
        """The model as bytes; the same model gives the same bytes.

        Raises:
            ModelError: this format cannot hold this model; the message says why.
        """

    @abstractmethod
    def decode(self, data: bytes, schema: Schema) -> Predictor:
        """A predictor for rows of ``schema``.

        Raises:
            ModelUnreadable: the bytes hold no model of this format, or one that is not trusted.
            IncompatibleModel: the model does not take the schema's features.
        """

    def is_plain(self, data: bytes) -> bool:  # noqa: ARG002
        """Whether decoding these bytes, and predicting rows, runs no compiled code over them; False if not known.

        Raises:
            ModelUnreadable: the bytes hold no model of this format.
        """
        return False
