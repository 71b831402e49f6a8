"""Where the service's own routes are."""

API = "/api/v0.1"

#: Of the page: what is shown, and its script and style beside it.
PAGE, REPORTS, STATE, SCRIPT, STYLE = "/", "/reports", "/page/state", "/page.js", "/page.css"


def is_page(path: str) -> bool:
    """Whether a path is one that a person opens in a browser."""
    return path == PAGE or path.startswith((f"{REPORTS}/", "/page"))
