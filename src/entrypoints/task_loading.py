"""Task references: the name of a shipped task, ``package.module:ATTRIBUTE`` or ``path/to/file.py:ATTRIBUTE``."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from weighbridge.domain.errors import ConfigurationError, TaskError, WeighbridgeError
from weighbridge.domain.store.artefacts import is_task_name

if TYPE_CHECKING:
    from weighbridge.domain.training.task import TaskDefinition

SHIPPED = {"time_to_dispatch": "weighbridge.domain.tasks.time_to_dispatch:TIME_TO_DISPATCH"}


def load_task(reference: str) -> TaskDefinition:
    """The task that ``reference`` names.

    A module is looked for in the current folder too, after the installed ones; what a file imports is looked for
    in the file's own folder too, likewise. A file is run once per process.

    Raises:
        ConfigurationError: the reference is of none of the three forms, or names nothing that is there.
        TaskError: what is there cannot be run, or is no task.
    """
    # A service asks for the name of its task alone.
    from weighbridge.domain.training.task import TaskDefinition

    target = SHIPPED.get(reference, reference)
    where, colon, attribute = target.rpartition(":")
    if not colon or not where or not attribute.isidentifier():
        raise ConfigurationError(
            f"there is no task '{reference}'; give the name of a shipped one ({', '.join(SHIPPED)}), "
            "package.module:ATTRIBUTE, or path/to/file.py:ATTRIBUTE"
        )
    module = _load_file(Path(where)) if where.endswith(".py") else _load_module(where)
    task = getattr(module, attribute, None)
    if isinstance(task, TaskDefinition):
        return task
    there = ", ".join(name for name, value in vars(module).items() if isinstance(value, TaskDefinition))
    found = (
        "there is no such attribute" if task is None else f"it is a {type(task).__name__}, not a TaskDefinition"
    )
    raise TaskError(f"task '{reference}': {found}; the tasks in {where} are: {there or 'none'}")


def task_name(reference: str) -> str:
    """The name of the task that ``reference`` names; a bare name is taken at its word and nothing is loaded.

    Raises:
        ConfigurationError, TaskError: as ``load_task``, for a reference with a colon.
    """
    return reference if is_task_name(reference) else load_task(reference).name


def _load_module(name: str) -> ModuleType:
    _look_for_modules_in(Path.cwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise ConfigurationError(f"there is no module '{name}' to load a task from") from error
        raise TaskError(f"the task module '{name}' cannot be imported: {error}") from error
    except WeighbridgeError:
        raise
    except Exception as error:
        raise TaskError(f"the task module '{name}' cannot be imported: {_say(error)}") from error


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ConfigurationError(f"there is no file '{path}' to load a task from")
    name = f"weighbridge_task_{path.stem}"
    known = sys.modules.get(name)
    if known is not None and known.__file__ == str(path.resolve()):
        return known
    _look_for_modules_in(path.resolve().parent)
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Registered under its name while it runs, as an import is: dataclasses and workers look it up there.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except WeighbridgeError:
        del sys.modules[name]
        raise
    except Exception as error:
        del sys.modules[name]
        raise TaskError(f"the task file '{path}' cannot be run: {_say(error)}") from error
    return module


def _look_for_modules_in(folder: Path) -> None:
    # At the end: a file that is named like a library must not take its place.
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _say(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
