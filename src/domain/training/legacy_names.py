"""The names of classes in the task fingerprints that version 0.1.0 recorded: they contained module paths.

A deployment whose newest record has such a fingerprint must not train again because of the names alone.
"""

from __future__ import annotations

from weighbridge.domain.data.plain_data import WITH_MODULES, Naming

#: The modules in which version 0.1.0 defined what a task may hold.
_OLD_MODULES = {
    "checks": ("Increases", "NotBelow", "NotAboveLargestLabel"),
    "behaviour_checks": ("Monotone", "Invariant"),
    "class_checks": ("EveryClassPredicted", "ProbabilityIncreases"),
    "known_rows": ("KnownRow", "KnownRows"),
    "distribution_rules": ("TargetChanged", "PopulationStability", "KolmogorovSmirnov"),
    "leak_rules": ("SingleFeatureLeak", "AssociationChanged", "IdenticalRows", "PredictedLabels"),
    "row_rules": ("FewRows", "FewRowsPerLevel", "RowsAgainstLive", "LevelsAgainstLive", "LostColumns"),
    "score_rules": ("ConceptDrift", "TooGood"),
}
_OLD_NAMES = {name: f"domain.{module}.{name}" for module, names in _OLD_MODULES.items() for name in names}


def _old_name(value: type) -> str:
    ours = value.__module__.startswith("weighbridge.")
    return _OLD_NAMES.get(value.__qualname__, value.__qualname__) if ours else WITH_MODULES.name_of(value)


#: As version 0.1.0 named classes and functions.
LEGACY_NAMES = Naming(_old_name, WITH_MODULES.clean)
