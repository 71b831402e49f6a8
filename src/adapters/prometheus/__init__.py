"""Metrics for Prometheus, counted across processes."""
