"""Releases written to folders for other programs."""
