"""Predicting whole files."""
