"""Columns, rows and datasets, and what may be admitted as one."""
