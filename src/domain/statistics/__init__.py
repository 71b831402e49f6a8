"""Summaries of data, and how far two of them are apart."""
