"""Everything that can go wrong, as one hierarchy.

Errors know nothing of HTTP status or exit codes: one table at each edge maps them. A message says what is
wrong and, where somebody can act on it, what to do.
"""

from collections.abc import Iterable
from dataclasses import dataclass


class WeighbridgeError(Exception):
    """The root of every error that Weighbridge raises on purpose."""


class TaskError(WeighbridgeError):
    """A task's definition is wrong: the message names the field, the fault and what is allowed."""


class ConfigurationError(WeighbridgeError):
    """A setting, an option or a reference is wrong; running again changes nothing until it is corrected."""


def shown(value: object) -> str:
    """A value that was found, as Python writes it, whatever it is."""
    try:
        return repr(value)
    except (RecursionError, ValueError):
        # Nested too deeply, or a whole number of too many digits.
        return f"<{type(value).__name__}>"


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a dataset or a request.

    Args:
        message: what was expected, in words.
        column: the column or field at fault; None for the whole.
        row: the row number, 1 for the first row below the header; None for the whole column or a single row.
        value: what was found there, as it was found (only meaningful with a row); None for nothing.
    """

    message: str
    column: str | None = None
    row: int | None = None
    value: object = None

    def __str__(self) -> str:
        where = [f"column '{self.column}'"] if self.column is not None else []
        where += [f"row {self.row}"] if self.row is not None else []
        prefix = ", ".join(where)
        found = f" (found {shown(self.value)})" if self.row is not None and self.value is not None else ""
        return f"{prefix}: {self.message}{found}" if prefix else f"{self.message}{found}"


class DataError(WeighbridgeError):
    """Invalid data. Carries every problem, not the first one.

    Args:
        subject: what was being read (a key, a file, a request).
        problems: at least one, in the order in which a reader would look for them.
        more: how many others there are, which nobody listed.
    """

    #: Problems listed in the message; all of them stay on the exception.
    SHOWN = 100

    def __init__(self, subject: str, problems: Iterable[Problem], more: int = 0) -> None:
        self.subject = subject
        self.problems = tuple(problems)
        self.more = more
        super().__init__(subject, self.problems, more)

    def __str__(self) -> str:
        count = len(self.problems) + self.more
        shown = self.problems[: self.SHOWN]
        lines = [f"{self.subject}: {count:,} {'problem' if count == 1 else 'problems'}"]
        lines += [f"  {problem}" for problem in shown]
        if count > len(shown):
            lines.append(f"  ... and {count - len(shown):,} more")
        return "\n".join(lines)


class DataTooLarge(DataError):
    """More rows or bytes than are allowed."""


class NoFinitePrediction(DataError):
    """The model gives infinity or NaN for an admitted row, most often because its numbers are too large."""


class StoreError(WeighbridgeError):
    """A store could not do what it was asked."""


class ArtefactNotFound(StoreError):
    """No artefact has this key (or no longer has the revision that was named)."""


class ArtefactExists(StoreError):
    """An artefact with this key exists already; nothing is ever overwritten."""


class StoreNotFound(StoreError):
    """The store itself, its folder or its bucket, does not exist."""


class StoreDenied(StoreError):
    """The store refused us: wrong, missing or insufficient credentials or permissions."""


class StoreUnavailable(StoreError):
    """The store did not answer, or not properly; the same call may succeed later."""


class RegistryError(WeighbridgeError):
    """The registry of models cannot answer."""


class NothingReleased(RegistryError):
    """No model of this task has ever been promoted."""


class UnknownVersion(RegistryError):
    """No release has this version."""


class PromotionOvertaken(RegistryError):
    """Something else was promoted since the log was read; whoever promotes reads it again and decides anew."""


class ReportFailure(WeighbridgeError):
    """The report of an evaluation could not be built."""


class ComputeUnavailable(WeighbridgeError):
    """The processes or machines that fit models do not answer or were lost; the same call may succeed later."""


class ModelError(WeighbridgeError):
    """A model cannot be encoded, decoded or used."""


class ModelUnreadable(ModelError):
    """The bytes of a model are not those that were recorded, or no model can be read from them."""


class IncompatibleModel(ModelError):
    """A readable model that does not fit its record: its schema, or its predictions on the golden rows."""
