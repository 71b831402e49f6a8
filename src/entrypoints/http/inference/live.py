"""The live model as the Open Inference Protocol names it: by its task, and by its version."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from weighbridge.domain.serving.service import PredictionService
from weighbridge.entrypoints.http.answers import LiveAnswers
from weighbridge.entrypoints.http.errors import RequestProblem

if TYPE_CHECKING:
    from weighbridge.entrypoints.http.inference.model import InferenceModel


class LiveInference:
    """The live model, made ready for the protocol when it changes."""

    def __init__(self, service: PredictionService, answers: LiveAnswers) -> None:
        self._service, self._answers = service, answers
        self._made: InferenceModel | None = None

    def problem(self) -> str | None:
        """Why nothing can be predicted."""
        if self._service.loaded is not None:
            return None
        return self._service.problem or f"no model of {self._service.task} is loaded yet"

    def model(self, name: str, version: str | None = None) -> InferenceModel:
        """The live model, when that is its name and its version.

        Raises:
            RequestProblem: 404 for another name or version; 503 while no model is loaded.
        """
        task = self._service.task
        if name != task:
            raise RequestProblem(HTTPStatus.NOT_FOUND, f"there is no model {name[:100]!r} here; there is {task!r}")
        problem = self.problem()
        if problem is not None:
            raise RequestProblem(HTTPStatus.SERVICE_UNAVAILABLE, problem, headers={"Retry-After": "10"})
        made = self._now()
        if version is not None and version != made.version:
            raise RequestProblem(
                HTTPStatus.NOT_FOUND,
                f"version {version[:100]!r} of {task!r} is not served; the live one is {made.version!r}",
            )
        return made

    def index(self, only_ready: bool) -> list[dict[str, str]]:
        """The protocol's index of a repository."""
        problem = self.problem()
        if problem is None:
            made = self._now()
            return [{"name": made.name, "version": made.version, "state": "READY", "reason": ""}]
        unavailable = {"name": self._service.task, "version": "", "state": "UNAVAILABLE", "reason": problem}
        return [] if only_ready else [unavailable]

    def _now(self) -> InferenceModel:
        # What only this protocol needs is loaded when somebody first speaks it.
        from weighbridge.entrypoints.http.inference.model import InferenceModel

        answers = self._answers.required()
        made = self._made
        if made is None or made.answers is not answers:
            made = self._made = InferenceModel(answers)
        return made
