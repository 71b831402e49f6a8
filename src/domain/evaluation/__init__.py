"""What a candidate has to achieve: metrics, thresholds, checks, rules, and the decision."""
