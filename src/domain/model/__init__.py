"""Fitted and decoded models."""
