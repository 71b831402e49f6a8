"""Releases, refusals and promotions, and what can be done with them."""
