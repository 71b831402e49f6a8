"""Listings of a bucket by obstore, page by page."""

from collections.abc import Iterator
from typing import Any

#: How many keys a page has at most.
_PAGE = 1000


class Pages:
    """The pages of a listing of a folder, from a path on. After an error it goes on where it was."""

    def __init__(self, client: Any, folder: str, start: str) -> None:
        self._client, self._folder, self._start = client, folder, start
        self._pages: Iterator[Any] | None = None

    def next(self) -> Any:
        """The next page; None when there is none."""
        if self._pages is None:
            self._pages = self._client.list(self._folder, offset=self._start, chunk_size=_PAGE)
        try:
            page = next(self._pages, None)
        except BaseException:
            self._pages = None
            raise
        if page:
            self._start = max(str(meta["path"]) for meta in page)
        return page


def before(prefix: str) -> str:
    """A key that sorts before every key with this prefix, and, where there is such a key, after most others."""
    last = ord(prefix[-1]) - 1
    # Not every character can stand in a path: those of task names and times can.
    return f"{prefix[:-1]}{chr(last)}\U0010ffff" if ord("0") <= last <= ord("z") else prefix[:-1]
