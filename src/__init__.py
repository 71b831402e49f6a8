"""Weighbridge: train, evaluate, publish and serve tabular models from timestamped datasets.

Task files and stores of third parties import what they need from here: ``from weighbridge import Schema, Number``.
Each name is imported when it is first used, so ``import weighbridge`` loads neither pandas nor scikit-learn. Every
other module path may change.
"""

from importlib import import_module

#: The module below this package in which each public name is defined.
_HOMES = {
    "Artefact": "domain.store.artefacts",
    "ArtefactExists": "domain.errors",
    "ArtefactNotFound": "domain.errors",
    "ArtefactRef": "domain.store.artefacts",
    "ArtefactStore": "domain.store.artefact_store",
    "AssociationChanged": "domain.evaluation.rules.leaks",
    "Category": "domain.data.schema",
    "Check": "domain.evaluation.checks.check",
    "check_key": "domain.store.artefacts",
    "check_prefix": "domain.store.artefacts",
    "CheckResult": "domain.evaluation.checks.check",
    "ConceptDrift": "domain.evaluation.rules.scores",
    "ConfigurationError": "domain.errors",
    "DataError": "domain.errors",
    "Dataset": "domain.data.dataset",
    "DEFAULT_RULES": "domain.evaluation.rules.defaults",
    "default_rules": "domain.evaluation.rules.defaults",
    "EstimatorSpec": "domain.training.estimator",
    "EveryClassPredicted": "domain.evaluation.checks.classes",
    "Evidence": "domain.evaluation.rules.rule",
    "FewRows": "domain.evaluation.rules.rows",
    "FewRowsPerLevel": "domain.evaluation.rules.rows",
    "Finding": "domain.evaluation.rules.rule",
    "FindingLevel": "domain.evaluation.rules.rule",
    "FittedClassifier": "domain.model.fitted",
    "FittedModel": "domain.model.fitted",
    "GateDecision": "domain.evaluation.gate",
    "IdenticalRows": "domain.evaluation.rules.leaks",
    "IncompatibleModel": "domain.errors",
    "Increases": "domain.evaluation.checks.check",
    "Invariant": "domain.evaluation.checks.behaviour",
    "KnownRow": "domain.evaluation.checks.known_rows",
    "KnownRows": "domain.evaluation.checks.known_rows",
    "KolmogorovSmirnov": "domain.evaluation.rules.distribution",
    "LevelsAgainstLive": "domain.evaluation.rules.rows",
    "LiveEvidence": "domain.evaluation.rules.rule",
    "LostColumns": "domain.evaluation.rules.rows",
    "ModelError": "domain.errors",
    "ModelUnreadable": "domain.errors",
    "Monotone": "domain.evaluation.checks.behaviour",
    "NotAboveLargestLabel": "domain.evaluation.checks.check",
    "NotBelow": "domain.evaluation.checks.check",
    "NothingReleased": "domain.errors",
    "NotWorseThanLive": "domain.evaluation.comparison",
    "Number": "domain.data.schema",
    "PopulationStability": "domain.evaluation.rules.distribution",
    "PredictedLabels": "domain.evaluation.rules.leaks",
    "ProbabilityIncreases": "domain.evaluation.checks.classes",
    "Problem": "domain.errors",
    "RegistryError": "domain.errors",
    "Replacements": "domain.evaluation.checks.behaviour",
    "RowsAgainstLive": "domain.evaluation.rules.rows",
    "Rule": "domain.evaluation.rules.rule",
    "Schema": "domain.data.schema",
    "SingleFeatureLeak": "domain.evaluation.rules.leaks",
    "Split": "domain.data.dataset",
    "SplitSpec": "domain.data.dataset",
    "StoreContract": "adapters.testing.store_contract",
    "StoreDenied": "domain.errors",
    "StoreError": "domain.errors",
    "StoreNotFound": "domain.errors",
    "StoreUnavailable": "domain.errors",
    "TargetChanged": "domain.evaluation.rules.distribution",
    "TaskDefinition": "domain.training.task",
    "TaskError": "domain.errors",
    "Threshold": "domain.evaluation.gate",
    "TIME_TO_DISPATCH": "domain.tasks.time_to_dispatch",
    "TooGood": "domain.evaluation.rules.scores",
    "UnknownVersion": "domain.errors",
    "Verdict": "domain.evaluation.gate",
    "WeighbridgeError": "domain.errors",
}

__all__ = tuple(_HOMES)


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'weighbridge' has no attribute '{name}'")
    value = getattr(import_module(f"weighbridge.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
