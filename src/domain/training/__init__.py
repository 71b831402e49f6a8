"""Tasks, and how a candidate is trained and evaluated."""
