"""Environment variables that look like ours and mean nothing: a misspelt one is not ignored in silence."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from weighbridge.entrypoints.settings import PREFIX, Settings

#: What Kubernetes sets for a service of this name, and Docker's links did: it is nobody's mistake.
_OF_A_SERVICE = re.compile(rf"{PREFIX}(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP)(_\w+)?)?)")


def unknown_variables(environment: Mapping[str, str], options: Iterable[str]) -> dict[str, str | None]:
    """The variables with our prefix that are neither an option nor a setting, each with the likeliest one meant.

    Args:
        environment: the variables of the process.
        options: the variables of all options.

    Returns:
        By name; None where no known variable is alike.
    """
    known = {*options, *(f"{PREFIX}{name.upper()}" for name in Settings.model_fields)}
    found: dict[str, str | None] = {}
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known and not _OF_A_SERVICE.fullmatch(name):
            found[name] = next(iter(get_close_matches(name, sorted(known), n=1, cutoff=0.8)), None)
    return found


def warn_of_unknown_variables(environment: Mapping[str, str], options: Iterable[str]) -> None:
    """Log a warning for each variable that ``unknown_variables`` finds."""
    for name, meant in unknown_variables(environment, options).items():
        hint = f"did you mean {meant}?" if meant else "docs/operations.md lists every variable"
        logging.getLogger("weighbridge").warning("the variable %s is unknown and is ignored; %s", name, hint)
