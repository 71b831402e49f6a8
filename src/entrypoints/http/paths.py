"""Where the service's own routes are."""

API = "/api/v0.1"

#: Of the page: what is shown, and its script and style beside it.
PAGE, REPORTS, STATE, SCRIPT, STYLE = "/", "/reports", "/page/state", "/page.js", "/page.css"

#: The documentation, and its files beside it: script, style and icon, with their types.
DOCS = "/docs"
DOCS_FILES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css", "favicon.png": "image/png"}


def is_page(path: str) -> bool:
    """Whether a path is one that a person opens in a browser."""
    return path == PAGE or path.startswith((f"{REPORTS}/", "/page"))
