"""How many large requests each client may have in work at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from http import HTTPStatus

from weighbridge.entrypoints.http.errors import RequestProblem


class ClientLimit:
    """Counts the requests of each client, on the event loop's thread.

    Args:
        most: that one client may have in work.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._at_work: Counter[str] = Counter()

    def enter(self, client: str) -> Callable[[], None]:
        """Begin with a request of a client; what is returned ends it, and may be called again.

        Raises:
            RequestProblem: 429, the client has as many requests in work as it may.
        """
        if self._at_work[client] >= self._most:
            detail = f"{self._most} batches of this client are in work; send the next when one of them is answered"
            raise RequestProblem(HTTPStatus.TOO_MANY_REQUESTS, detail, headers={"Retry-After": "5"})
        self._at_work[client] += 1
        is_over = False

        def leave() -> None:
            nonlocal is_over
            if not is_over:
                is_over = True
                self._at_work[client] -= 1
                if not self._at_work[client]:
                    del self._at_work[client]

        return leave
