"""Weighbridge: train, evaluate, publish and serve tabular models from timestamped datasets."""
