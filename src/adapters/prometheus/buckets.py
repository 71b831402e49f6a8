"""The upper bounds of the buckets of histograms."""

#: Of latencies, in seconds.
LATENCIES = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

#: Of predictions, in the target's unit, whatever that is. None is negative: such a histogram has no sum in the
#: formats that are written.
PREDICTIONS = (
    0.0,
    *(float(f"{digits}e{power}") for power in range(-3, 6) for digits in ("1", "2.5", "5")),
    1e6,
)

#: Of differences between two models, in the target's unit.
DIFFERENCES = (0.0, *(float(f"{digits}e{power}") for power in range(-4, 5) for digits in ("1", "2.5", "5")), 1e5)
