"""Hypothesis profiles: ``dev`` (the default), ``ci`` and ``thorough``, chosen by HYPOTHESIS_PROFILE."""

import os

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("weighbridge.adapters.testing")
# Before any library reads it: over a handful of rows, threads cost many times what they bring, most of all where
# the tests themselves run side by side. Whoever sets these decides.
for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")

_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}

settings.register_profile("dev", max_examples=20, **_COMMON)
settings.register_profile("ci", max_examples=20, derandomize=True, print_blob=True, **_COMMON)
settings.register_profile("thorough", max_examples=2000, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))
