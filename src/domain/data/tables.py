"""Tables that pass through in pieces: where their rows come from, and where their predictions go."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, get_args

from weighbridge.domain.errors import Problem, shown

if TYPE_CHECKING:
    from weighbridge.domain.data.columns import Array, Cells, Encoded

#: ``json`` is an array of objects, or one object of arrays; ``ndjson`` an object in each line; ``arrow`` the
#: stream of Arrow's IPC format; ``feather`` its file.
TableFormat: TypeAlias = Literal["json", "ndjson", "csv", "parquet", "arrow", "feather"]
TABLE_FORMATS: tuple[TableFormat, ...] = get_args(TableFormat)

#: Of what was found, as many characters are told.
_SHOWN = 100

#: The column that tables have where rows may be bad, and what JSON calls it.
PROBLEM_COLUMN = "problem"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of a table, as they came; nothing is admitted yet.

    Args:
        first_row: the number of the first of them; 1 for the first of the table.
        rows: how many.
        columns: all of them, by name, in order.
        faults: of rows that are none; each has its number.
        source: the same in the way of the vendor that read it, for a writer of the same vendor; None for none.
    """

    first_row: int
    rows: int
    columns: Mapping[str, Cells]
    faults: Sequence[Problem] = ()
    source: object = None


@dataclass(frozen=True, slots=True)
class Answered:
    """What becomes of the rows of a chunk.

    Args:
        prediction: of all rows; of a bad one it is anything.
        probabilities: for a category target, of shape [rows, levels]; None for a number.
        problems: by the place of a bad row in the chunk, what is wrong with it, in order.
    """

    prediction: Array | Encoded
    probabilities: Array | None
    problems: Mapping[int, Sequence[Problem]]


class TableReader(Protocol):
    """A table that is read once, from its beginning to its end."""

    @abstractmethod
    def chunks(self) -> Iterator[Chunk]:
        """The rows in pieces that fit into memory, as they are consumed; a table without rows gives none.

        Raises:
            DataError: no such table can be read.
            DataTooLarge: it would take more memory, once decoded, than is allowed.
        """


class TableWriter(Protocol):
    """A table that is written once."""

    @abstractmethod
    def write(self, chunk: Chunk, answered: Answered) -> None:
        """Write the answers to the rows of a chunk; they come in order."""

    @abstractmethod
    def finish(self) -> None:
        """Write what stands at the end. Without it, what was written is no whole table."""


@dataclass(frozen=True, slots=True)
class Output:
    """How predictions are written.

    Args:
        prediction: the column's name.
        levels: of a category target; empty for a number.
        model_version: of the model that predicts.
        echo: the input's columns go before the predictions.
        skips: bad rows are allowed, and told in a place of their own.
        csv_safe: in CSV, cells that a spreadsheet would run as formulas are quoted.
    """

    prediction: str
    levels: tuple[str, ...]
    model_version: str
    echo: bool = False
    skips: bool = False
    csv_safe: bool = False

    def added_columns(self) -> tuple[str, ...]:
        """The columns that come behind those of the input."""
        likely = tuple(f"probability_{level}" for level in self.levels)
        return (self.prediction, *likely, *((PROBLEM_COLUMN,) if self.skips else ()))


def problem_text(problems: Sequence[Problem]) -> str:
    """What is wrong with a row, in one line."""
    return "; ".join(
        f"{'' if one.column is None else f'{one.column}: '}{one.message}"
        f"{'' if one.value is None else f' (found {shown(one.value)})'}"
        for one in problems
    )


def problem_document(problem: Problem) -> dict[str, Any]:
    """A problem as the documents of refusals have it."""
    value = problem.value
    if isinstance(value, str):
        value = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}..."
    elif value is not None and not isinstance(value, bool):
        text = shown(value)
        value = value if isinstance(value, int) and len(text) < 16 else text[:_SHOWN]
    return {"row": problem.row, "field": problem.column, "message": problem.message, "found": value}
