"""Predicting with the live release."""
