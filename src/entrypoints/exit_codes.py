"""Exit codes: the one table from outcomes and errors to what a scheduler sees."""

from typing import Final

from weighbridge.domain.errors import (
    ArtefactExists,
    ArtefactNotFound,
    ComputeUnavailable,
    ConfigurationError,
    DataError,
    IncompatibleModel,
    ModelUnreadable,
    NothingReleased,
    PromotionOvertaken,
    RegistryError,
    StoreDenied,
    StoreError,
    StoreNotFound,
    TaskError,
    UnknownVersion,
    WeighbridgeError,
)

OK: Final = 0
BUG: Final = 1
USAGE: Final = 2
REFUSED: Final = 3
BAD_DATA: Final = 4
TRY_AGAIN: Final = 75
#: Ended by Ctrl-C: 128 and the number of the signal, as shells have it.
INTERRUPTED: Final = 130
#: Ended by SIGTERM, likewise.
TERMINATED: Final = 143

_DAMAGED: Final = (
    "Restore what is damaged from a backup, or promote a release that 'weighbridge models verify' finds whole."
)

#: The first class that an error is an instance of decides: the more special ones come first. For those whose
#: message does not already say what to do, the second text does.
_TABLE: tuple[tuple[type[WeighbridgeError], int, str], ...] = (
    (DataError, BAD_DATA, "Nothing was written. Fix the source data and upload it again."),
    (TaskError, USAGE, "Nothing was written. Fix the task's definition."),
    (ConfigurationError, USAGE, ""),
    (StoreNotFound, USAGE, ""),
    (StoreDenied, USAGE, ""),
    (ArtefactExists, USAGE, "Nothing is ever overwritten; choose another time or name."),
    (ArtefactNotFound, TRY_AGAIN, "It was removed or replaced meanwhile; run this again."),
    (StoreError, TRY_AGAIN, ""),
    (ComputeUnavailable, TRY_AGAIN, ""),
    (NothingReleased, USAGE, ""),
    (UnknownVersion, USAGE, ""),
    (PromotionOvertaken, TRY_AGAIN, ""),
    (RegistryError, BAD_DATA, _DAMAGED),
    (ModelUnreadable, BAD_DATA, _DAMAGED),
    (IncompatibleModel, BAD_DATA, _DAMAGED),
    (WeighbridgeError, BUG, "This needs a person: see the message above."),
)


def exit_code(error: WeighbridgeError) -> int:
    """The exit code that an error ends a command with."""
    return _row(error)[1]


def remedy(error: WeighbridgeError) -> str:
    """What to do about an error; empty when its message says it."""
    return _row(error)[2]


def _row(error: WeighbridgeError) -> tuple[type[WeighbridgeError], int, str]:
    return next(row for row in _TABLE if isinstance(error, row[0]))
