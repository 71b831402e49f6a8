"""Predicting one row that is given on the command line."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import typer

from weighbridge.domain.errors import ConfigurationError, DataError
from weighbridge.entrypoints import exit_codes
from weighbridge.entrypoints.cli.context import Context

if TYPE_CHECKING:
    from weighbridge.domain.data.schema import Category


def predict_row(context: Context, text: str) -> None:
    """Predict the row in a JSON text with the live model, and print the answer.

    Raises:
        DataError: the text is no row of the model's schema.
    """
    from weighbridge.domain.data.ranges import training_ranges
    from weighbridge.domain.model.predictor import Classification, label_or_value
    from weighbridge.domain.serving.row_predictor import RowPredictor
    from weighbridge.entrypoints.cli.console import print_json

    try:
        features = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"--row is not JSON: {error}") from error
    if not isinstance(features, dict):
        raise ConfigurationError('--row is not a JSON object, such as {"orders_placed": 10}')
    service = context.container().service(context.task_name())
    service.load()
    model = service.loaded
    assert model is not None
    try:
        answer, outside = RowPredictor(model).predict(model.schema.admit_row(features))
    except DataError as error:
        # The remedy of bad data elsewhere, to upload it again, would mislead here.
        logging.getLogger("weighbridge").error(
            "%s\nFix the row; 'weighbridge models show live' lists the features that it needs.",
            DataError("--row", error.problems),
            exc_info=context.debug,
        )
        raise typer.Exit(exit_codes.BAD_DATA) from error
    if outside:
        _warn_of_ranges(features, outside, training_ranges(model.release.document))
    document: dict[str, Any] = {model.schema.prediction: label_or_value(answer)}
    if isinstance(answer, Classification):
        levels = cast("Category", model.schema.target).levels
        document["probabilities"] = dict(zip(levels, answer.probabilities, strict=True))
    print_json(document | {"model_version": model.release.version.qualified})


def _warn_of_ranges(
    row: Mapping[str, object], outside: Sequence[str], ranges: Mapping[str, tuple[float, float]]
) -> None:
    texts = [f"'{name}' is {row[name]}, trained on {ranges[name][0]:g} to {ranges[name][1]:g}" for name in outside]
    logging.getLogger("weighbridge").warning(
        "outside the range of the training data, where predictions may be far off: %s", "; ".join(texts)
    )
