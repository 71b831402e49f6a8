"""Inputs without end for whatever reads what strangers send: ``make fuzz FUZZ_SECONDS=600``."""
