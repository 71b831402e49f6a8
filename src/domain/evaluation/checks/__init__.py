"""Behavioural checks of a model."""
