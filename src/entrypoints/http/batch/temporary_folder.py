"""Whether large requests can be kept in the temporary folder: told at the start, not with the first of them."""

from __future__ import annotations

import tempfile

#: So much is written to try it.
_TRIED_BYTES = 1 << 18


def temporary_folder_problem() -> str | None:
    """Why nothing can be kept in the temporary folder, in one line; None when it can be."""
    folder = "the temporary folder"
    try:
        folder = tempfile.gettempdir()
        with tempfile.TemporaryFile() as file:
            file.write(bytes(_TRIED_BYTES))
            file.flush()
    except OSError as error:
        return f"{folder}: {error.strerror}"
    return None
