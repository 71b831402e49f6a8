"""Every error has an exit code that somebody has thought about."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import weighbridge
from weighbridge.domain.errors import DataError, Problem, WeighbridgeError
from weighbridge.entrypoints.exit_codes import exit_code, remedy

DAMAGED = (
    "Restore what is damaged from a backup, or promote a release that 'weighbridge models verify' finds whole."
)

#: The code of each error, and whether it needs a remedy because its messages do not tell what to do.
EXPECTED = {
    "WeighbridgeError": (1, "This needs a person: see the message above."),
    "TaskError": (2, "Nothing was written. Fix the task's definition."),
    "ConfigurationError": (2, ""),
    "DataError": (4, "Nothing was written. Fix the source data and upload it again."),
    "DataTooLarge": (4, "Nothing was written. Fix the source data and upload it again."),
    "NoFinitePrediction": (4, "Nothing was written. Fix the source data and upload it again."),
    "StoreError": (75, ""),
    "ArtefactNotFound": (75, "It was removed or replaced meanwhile; run this again."),
    "ArtefactExists": (2, "Nothing is ever overwritten; choose another time or name."),
    "StoreNotFound": (2, ""),
    "StoreDenied": (2, ""),
    "StoreUnavailable": (75, ""),
    "RegistryError": (4, DAMAGED),
    "PromotionOvertaken": (75, ""),
    "NothingReleased": (2, ""),
    "UnknownVersion": (2, ""),
    "ComputeUnavailable": (75, ""),
    "ReportFailure": (1, "This needs a person: see the message above."),
    "ModelError": (1, "This needs a person: see the message above."),
    "ModelUnreadable": (4, DAMAGED),
    "IncompatibleModel": (4, DAMAGED),
}


def errors(root: type[WeighbridgeError] = WeighbridgeError) -> Iterator[type[WeighbridgeError]]:
    """The class and all below it, as far as they are the project's own."""
    if root.__module__.partition(".")[0] == "weighbridge":
        yield root
    for kind in root.__subclasses__():
        yield from errors(kind)


def test_no_error_is_without_an_exit_code() -> None:
    for module in pkgutil.walk_packages(weighbridge.__path__, "weighbridge."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    assert sorted(kind.__name__ for kind in errors()) == sorted(EXPECTED)


@pytest.mark.parametrize("kind", list(errors()), ids=lambda kind: kind.__name__)
def test_the_exit_code_of_an_error(kind: type[WeighbridgeError]) -> None:
    error = kind("a.csv", [Problem("wrong")]) if issubclass(kind, DataError) else kind("what went wrong")
    assert (exit_code(error), remedy(error)) == EXPECTED[kind.__name__]


def test_an_error_of_a_task_s_own_has_the_code_of_its_kind() -> None:
    class Late(DataError):
        """Raised by somebody else's code."""

    assert exit_code(Late("a.csv", [Problem("too late")])) == 4
