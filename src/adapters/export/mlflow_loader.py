"""Loads a model that Weighbridge exported, for MLflow.

This file is copied into every export, as ``code/weighbridge_model.py``. It stands alone: of Weighbridge nothing is
needed where the model is used, only what ``requirements.txt`` names.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


class OnnxModel:
    """An ONNX model behind a data frame: one input of shape [rows, 1] per feature, numbers as float64."""

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
        self._about = about

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:  # noqa: ARG002
        """The prediction for each row; for classes the label and the probability of each level."""
        feed = {
            feature["name"]: model_input[feature["name"]]
            .to_numpy(np.float64 if feature["type"] == "number" else object)
            .reshape(-1, 1)
            for feature in self._about["features"]
        }
        answers = self._session.run(None, feed)
        levels = self._about["levels"]
        frame = pd.DataFrame({self._about["prediction"]: np.asarray(answers[0]).reshape(-1)}, model_input.index)
        if levels is None:
            return frame.astype(np.float64)
        return _with_probabilities(frame, levels, np.asarray(answers[1], np.float64).reshape(-1, len(levels)))


class SkopsModel:
    """A scikit-learn model behind a data frame. Only types on the export's own list are ever built."""

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        import skops.io

        self._model = skops.io.load(path, trusted=about["trusted_types"])
        self._about = about

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:  # noqa: ARG002
        """The prediction for each row; for classes the label and the probability of each level."""
        features = pd.DataFrame(
            {
                feature["name"]: model_input[feature["name"]].to_numpy(
                    np.float64 if feature["type"] == "number" else object
                )
                for feature in self._about["features"]
            },
            model_input.index,
        )
        levels = self._about["levels"]
        frame = pd.DataFrame({self._about["prediction"]: self._model.predict(features)}, model_input.index)
        if levels is None:
            return frame.astype(np.float64)
        classes = list(self._model.classes_)
        likely = self._model.predict_proba(features)
        columns = [
            likely[:, classes.index(level)] if level in classes else np.zeros(len(likely)) for level in levels
        ]
        return _with_probabilities(frame, levels, np.column_stack(columns))


def _load_pyfunc(data_path: str) -> OnnxModel | SkopsModel:
    """What MLflow calls, with the folder ``model``."""
    folder = Path(data_path)
    about = json.loads((folder / "about.json").read_text("utf-8"))
    model = folder / f"model.{about['format']}"
    return OnnxModel(model, about) if about["format"] == "onnx" else SkopsModel(model, about)


def _with_probabilities(frame: pd.DataFrame, levels: list[str], likely: Any) -> pd.DataFrame:
    for place, level in enumerate(levels):
        frame[f"probability_{level}"] = likely[:, place]
    return frame
