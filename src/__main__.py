"""The command: ``weighbridge``, and ``python -m weighbridge``."""

import os
import signal
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line.

    The first process of a container ignores SIGTERM while it has no handler for it. Commands that need the signal
    install their own handlers later; until then it ends the process, as it does everywhere else.
    """
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, _end)
    # To import it takes a while.
    from weighbridge.entrypoints.cli.main import main as run

    run()


def _end(number: int, _: object) -> NoReturn:
    os._exit(128 + number)


if __name__ == "__main__":
    main()
