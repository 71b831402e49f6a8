"""The tasks that a store knows of, by the names of its artefacts."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from weighbridge.domain.store.artefacts import DATASETS, MODELS, REJECTED, is_task_name

if TYPE_CHECKING:
    from weighbridge.domain.store.artefact_store import ArtefactStore
#: A task, and the beginning of the time behind it.
_NAME = re.compile(r"(?P<task>[a-z0-9_]+?)_\d{4}-")


def tasks_in(store: ArtefactStore) -> list[str]:
    """The names of the tasks of which there is a dataset, a release or a refusal, sorted; empty in an empty store.

    It takes a listing for each kind, task and year: the other names of a task in that year are jumped over.
    """
    return sorted({name for kind in (DATASETS, MODELS, REJECTED) for name in _tasks_of(store, kind)})


def similar_task(name: str, names: list[str]) -> str | None:
    """The name that is most like ``name``; None when none is."""
    return next(iter(get_close_matches(name, names, n=1)), None)


def _tasks_of(store: ArtefactStore, kind: str) -> set[str]:
    found: set[str] = set()
    after: str | None = f"{kind}/"
    while after is not None:
        after = _next_year(store, kind, after, found)
    return found


def _next_year(store: ArtefactStore, kind: str, after: str, found: set[str]) -> str | None:
    """Add the task of the next name in time to ``found``; gives where to go on, None at the end."""
    for ref in store.list(f"{kind}/", after):
        match = _NAME.match(ref.name)
        if match is not None and is_task_name(match["task"]):
            found.add(match["task"])
            # Behind every time of that year, and before the next year and the tasks whose names go on.
            return f"{kind}/{match[0]}~"
    return None
