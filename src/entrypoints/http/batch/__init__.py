"""The route for many rows."""
