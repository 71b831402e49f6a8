"""Importing scikit-learn for a training, frugally."""

from __future__ import annotations

import importlib
import os
from contextlib import ExitStack, suppress

from weighbridge.entrypoints.postponed_modules import postponed_module

#: Of scipy.stats, what scikit-learn's modules take by name as they are imported, and call later if at all.
_TAKEN_BY_NAME = {"scipy.stats": ("chi2", "gmean", "rankdata", "spearmanr"), "scipy.stats.mstats": ("mquantiles",)}


def import_scikit_learn() -> None:
    """Import what of scikit-learn every training uses, but not scipy.stats: 15 MB, and a sixth of its time.

    Whoever asks for scipy.stats gets it, now and afterwards. Where scikit-learn turns out to need it at once, this
    gives up, and it is imported as usual by whoever is next.

    Threads of OpenMP, which histogram boosting uses, sleep while they wait for each other, unless
    ``OMP_WAIT_POLICY`` says otherwise: where other processes want the processor as well, or a container has a
    part of one, they would spend most of it on spinning. For this to hold, nothing may have imported scikit-learn.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with suppress(ImportError), ExitStack() as postponed:
        for module, taken_by_name in _TAKEN_BY_NAME.items():
            postponed.enter_context(postponed_module(module, taken_by_name))
        for name in ("compose", "inspection", "model_selection", "pipeline", "preprocessing", "tree"):
            importlib.import_module(f"sklearn.{name}")
