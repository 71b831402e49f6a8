"""Variables with our prefix that nobody reads."""

import pytest

from weighbridge.entrypoints.cli.options import VARIABLES
from weighbridge.entrypoints.cli.variables import unknown_variables

OPTIONS = {"WEIGHBRIDGE_STORE", "WEIGHBRIDGE_LOG_LEVEL"}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("WEIGHBRIDGE_STOER", "WEIGHBRIDGE_STORE"),
        ("WEIGHBRIDGE_LOGLEVEL", "WEIGHBRIDGE_LOG_LEVEL"),
        ("WEIGHBRIDGE_API_KEY", "WEIGHBRIDGE_API_KEYS"),
        ("WEIGHBRIDGE_COLOUR_OF_THE_MOON", None),
    ],
)
def test_a_variable_that_nobody_reads_is_found(name: str, meant: str | None) -> None:
    assert unknown_variables({name: "x", "STORE": "y"}, OPTIONS) == {name: meant}


@pytest.mark.parametrize(
    "name",
    [
        *("WEIGHBRIDGE_STORE", "WEIGHBRIDGE_PREDICTION_LOG", "PATH"),
        *("WEIGHBRIDGE_SERVICE_HOST", "WEIGHBRIDGE_SERVICE_PORT", "WEIGHBRIDGE_SERVICE_PORT_HTTP"),
        *("WEIGHBRIDGE_PORT", "WEIGHBRIDGE_PORT_8000_TCP", "WEIGHBRIDGE_PORT_8000_TCP_ADDR"),
        "WEIGHBRIDGE_SERVE_PORT_8000_TCP_PROTO",
    ],
)
def test_options_settings_and_what_kubernetes_sets_are_known(name: str) -> None:
    assert unknown_variables({name: "x"}, OPTIONS) == {}


def test_every_option_is_among_the_variables() -> None:
    import weighbridge.entrypoints.cli.main  # noqa: F401 - imports every command

    assert {"WEIGHBRIDGE_STORE", "WEIGHBRIDGE_YES", "WEIGHBRIDGE_WIDE", "WEIGHBRIDGE_MIN_ROWS"} <= VARIABLES
