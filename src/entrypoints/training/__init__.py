"""Training on a schedule and in parallel."""
