import os

import pytest

from weighbridge.entrypoints.scikit_learn import import_scikit_learn


@pytest.mark.parametrize(("given", "then"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_sleep_while_they_wait_unless_somebody_says_otherwise(
    given: str | None, then: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Set first, so that it is as it was afterwards whatever happens in between.
    monkeypatch.setenv("OMP_WAIT_POLICY", given or "")
    if given is None:
        del os.environ["OMP_WAIT_POLICY"]
    import_scikit_learn()
    assert os.environ["OMP_WAIT_POLICY"] == then
