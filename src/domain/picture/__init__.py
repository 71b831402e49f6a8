"""The picture of a weighing: what its report shows, as plain data. Whoever draws it knows nothing of models."""
