"""The command ``weighbridge``, run in the test's own process, which saves its imports, or as one of its own."""

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from weighbridge.entrypoints.cli.main import main

#: The installed command.
COMMAND = str(Path(sys.executable).with_name("weighbridge"))

#: A line of the text log: the level and the text.
LOG_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (\w+) +(.*)")


class Done(NamedTuple):
    """How a command ended."""

    code: Any
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What it printed, which is one JSON document and nothing else."""
        return json.loads(self.out)

    @property
    def error_lines(self) -> list[str]:
        """The lines on stderr, which are one error: its text without the time and the level."""
        first, *others = self.err.splitlines()
        found = LOG_LINE.fullmatch(first)
        assert found is not None, self.err
        assert found[1] == "error", self.err
        return [found[2], *others]

    @property
    def error(self) -> str:
        """The only line on stderr, which is an error."""
        (line,) = self.error_lines
        return line

    @property
    def table(self) -> list[list[str]]:
        """The cells of each line that it printed."""
        assert self.code == 0, self.err
        return [re.split(r"  +", line) for line in self.out.splitlines()]


#: Runs a command with these arguments.
Command = Callable[..., Done]


@contextmanager
def commands_in_this_process(
    monkeypatch: pytest.MonkeyPatch, captured: Callable[[], Sequence[str]]
) -> Iterator[Command]:
    """Commands run as ``main``, without variables of ours and without reports; logging is put back at the end.

    Args:
        captured: stdout and stderr since the last call.
    """
    for name in [name for name in os.environ if name.startswith("WEIGHBRIDGE_")]:
        monkeypatch.delenv(name)
    # Reports are tested where they are built.
    monkeypatch.setenv("WEIGHBRIDGE_NO_REPORT", "1")
    root, ours = logging.getLogger(), logging.getLogger("weighbridge")
    before = root.handlers[:], root.level, ours.level
    # The S3 server of the tests is in this process too, and logs its requests.
    monkeypatch.setattr(logging.getLogger("werkzeug"), "disabled", True)

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["weighbridge", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = captured()
        return Done(ended.value.code, out, err)

    yield run
    root.handlers[:], root.level, ours.level = before


def run_process(*arguments: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> Done:
    """Runs the installed command as a process, in this environment or another one."""
    done = subprocess.run(
        [COMMAND, *arguments], cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=120
    )
    return Done(done.returncode, done.stdout, done.stderr)
