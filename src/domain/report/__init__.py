"""The report of an evaluation, as plain data."""
