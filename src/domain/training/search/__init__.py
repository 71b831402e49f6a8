"""Choosing the parameters of a model."""
