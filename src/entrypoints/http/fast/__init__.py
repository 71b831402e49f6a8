"""The quick path of single rows, before the framework."""
