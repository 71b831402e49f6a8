"""Columns, rows and datasets, and their validation against a schema."""
