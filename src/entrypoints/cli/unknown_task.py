"""A task of which a store has nothing: most often a misspelt name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighbridge.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from weighbridge.domain.store.artefact_store import ArtefactStore

#: So many names of tasks are listed at most.
_SHOWN = 10


def check_task_is_known(store: ArtefactStore, task: str) -> None:
    """Check that a store has something of a task; to be called when nothing was found.

    Raises:
        ConfigurationError: it has not, but of other tasks: the message names the likeliest, or all of them. An
            empty store is no error.
    """
    from weighbridge.domain.store.task_names import similar_task, tasks_in

    names = tasks_in(store)
    if not names or task in names:
        return
    meant = similar_task(task, names)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    hint = f"did you mean '{meant}'?" if meant else f"it has {', '.join(names[:_SHOWN])}{more}"
    raise ConfigurationError(f"'{task}': no such task in this store, {store.url}; {hint}")
