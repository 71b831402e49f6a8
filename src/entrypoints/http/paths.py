"""Where the service's own routes are."""

API = "/api/v0.1"
