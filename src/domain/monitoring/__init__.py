"""What became of predictions: the log, the labels, the comparison with training."""
