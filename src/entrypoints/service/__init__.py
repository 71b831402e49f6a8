"""The HTTP service as processes."""
