"""Rules about data: each on its fault, on the clean counterpart, and at the exact levels."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.domain.data.dataset import Dataset, Split
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.errors import TaskError
from weighbridge.domain.evaluation.metrics import measure
from weighbridge.domain.evaluation.rules.defaults import (
    DEFAULT_RULES,
    AssociationChanged,
    ConceptDrift,
    Evidence,
    FewRows,
    FewRowsPerLevel,
    Finding,
    FindingLevel,
    IdenticalRows,
    KolmogorovSmirnov,
    LevelsAgainstLive,
    LiveEvidence,
    LostColumns,
    PopulationStability,
    PredictedLabels,
    RowsAgainstLive,
    SingleFeatureLeak,
    TargetChanged,
    TooGood,
    default_rules,
    inspect_all,
)
from weighbridge.domain.evaluation.rules.rule import RULE_ALPHA, grade, grade_shortage
from weighbridge.domain.statistics.association import association, association_error
from weighbridge.domain.statistics.drift import compare_statistics, distance
from weighbridge.domain.statistics.score_error import LOSSES, loss_of_score, measure_loss, summarise_errors
from weighbridge.domain.statistics.significance import binomial_p, normal_p
from weighbridge.domain.statistics.summaries import summarise

OK, WARNING, ERROR = FindingLevel.OK, FindingLevel.WARNING, FindingLevel.ERROR
COLOURS = {"a": 0.0, "b": 2.0, "c": 4.0}
SCHEMA = Schema((Number("size"), Number("weight"), Category("colour", tuple(COLOURS))), Number("cost"), "est_cost")
CLASSES = replace(SCHEMA, target=Category("cost", ("high", "low", "odd")))


class Known:
    """A model that knows how the data are made."""

    def __init__(self, slope=3.0):
        self.slope = slope

    def predict(self, features):
        return (self.slope * features["size"] + features["colour"].map(COLOURS).astype(float)).to_numpy()


def made(rows, seed, noise=1.0):
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "size": random.normal(size=rows),
            "weight": random.exponential(size=rows).round(1),
            "colour": random.choice(list(COLOURS), rows, p=[0.5, 0.3, 0.2]),
        }
    )
    return frame.assign(cost=Known().predict(frame) + noise * random.normal(size=rows))


def parted(frame, schema=SCHEMA):
    names = [*schema.feature_names, schema.target.name]
    dataset = Dataset(frame[names].reset_index(drop=True), schema)
    cut = len(frame) * 4 // 5
    train, test = dataset.frame.iloc[:cut], dataset.frame.iloc[cut:]
    return dataset, Split(
        Dataset(train.reset_index(drop=True), schema), Dataset(test.reset_index(drop=True), schema)
    )


def weighing(frame, before=None, model=None, live_model=None, history=(), schema=SCHEMA):
    """Evidence on ``frame``, with a live release that was trained on ``before``."""
    dataset, parts = parted(frame, schema)
    model, live_model = model or Known(), live_model or Known()
    numeric = isinstance(schema.target, Number)
    live = None
    if before is not None:
        old, old_parts = parted(before, schema)
        live = LiveEvidence(
            statistics=summarise(old),
            metrics=measure(live_model, old_parts.test) if numeric else {},
            test_rows=len(old_parts.test),
            predicted=live_model.predict(parts.test.features) if numeric else None,
            errors=summarise_errors(old_parts.test.target, live_model.predict(old_parts.test.features)),
        )
    return Evidence(
        dataset=dataset,
        split=parts,
        statistics=summarise(dataset),
        metrics=measure(model, parts.test) if numeric else {},
        predicted=model.predict(parts.test.features),
        live=live,
        history=history,
    )


def levels_of(evidence):
    return {finding.name: finding.level for finding in inspect_all(DEFAULT_RULES, evidence)}


BEFORE = made(1000, 1)
NOW = made(1000, 2)
HISTORY = tuple({"r2": score} for score in (0.9, 0.91, 0.92, 0.905, 0.915))
BEFORE_STATISTICS = summarise(parted(BEFORE)[0])
SOUND = weighing(NOW, BEFORE, history=HISTORY)
FIRST = weighing(NOW)


@pytest.mark.parametrize("evidence", [SOUND, FIRST], ids=["live", "first"])
def test_sound_data_raise_nothing_and_every_rule_says_so(evidence):
    findings = inspect_all(DEFAULT_RULES, evidence)
    assert [finding.name for finding in findings] == [rule.name for rule in DEFAULT_RULES]
    assert len({finding.name for finding in findings}) == len(DEFAULT_RULES) == 14
    assert {finding.level for finding in findings} == {OK}
    assert all(finding.detail for finding in findings)
    assert all(math.isfinite(number) for finding in findings for number in finding.numbers.values())
    assert all(rule.validate(SCHEMA) is None for rule in DEFAULT_RULES)


def test_the_rules_that_test_by_sampling_theory_stay_within_one_run_in_a_hundred():
    tests = [rule for rule in DEFAULT_RULES if "alpha" in rule.__dataclass_fields__]
    assert {rule.alpha for rule in tests} == {RULE_ALPHA}
    assert len(tests) * RULE_ALPHA <= 0.01


def spoilt(column, values):
    return weighing(NOW.assign(**{column: values}), BEFORE, history=HISTORY)


SHUFFLED = np.random.default_rng(0).permutation(NOW["size"])
DOUBLED = pd.concat([NOW.iloc[:950], NOW.iloc[:50]])
FEW_OF_A_LEVEL = pd.concat([NOW[NOW["colour"] != "c"], NOW[NOW["colour"] == "c"].head(4)]).sample(
    frac=1, random_state=0
)
FAULTS = {
    SingleFeatureLeak(): (spoilt("weight", NOW["cost"] * 60 + 5), ERROR, "weight"),
    AssociationChanged(): (spoilt("size", SHUFFLED), ERROR, "size"),
    IdenticalRows(): (weighing(DOUBLED, BEFORE), ERROR, "share"),
    PredictedLabels(): (spoilt("cost", Known().predict(NOW)), ERROR, "share"),
    TargetChanged(): (spoilt("cost", NOW["cost"] * 60), ERROR, "'cost'"),
    FewRows(): (weighing(NOW.head(99)), WARNING, "rows"),
    FewRowsPerLevel(): (weighing(FEW_OF_A_LEVEL), WARNING, "least"),
    RowsAgainstLive(): (weighing(NOW.head(499), BEFORE), WARNING, "share"),
    LevelsAgainstLive(): (weighing(NOW[NOW["colour"] != "b"], BEFORE), ERROR, "colour: b"),
    LostColumns(): (spoilt("weight", 1.0), ERROR, "columns"),
    ConceptDrift(): (spoilt("size", SHUFFLED), ERROR, "growth"),
    TooGood(): (weighing(made(1000, 3, noise=0.1), BEFORE, history=HISTORY), ERROR, "gain"),
    PopulationStability(): (spoilt("size", NOW["size"] + 1), ERROR, "size"),
    KolmogorovSmirnov(): (spoilt("size", NOW["size"] + 1), ERROR, "size"),
}


def each_rule():
    return pytest.mark.parametrize("rule", FAULTS, ids=lambda rule: type(rule).__name__)


def test_every_rule_has_its_fault():
    assert set(FAULTS) == set(DEFAULT_RULES)


@each_rule()
def test_a_rule_is_raised_by_its_fault_and_not_by_sound_data(rule):
    evidence, level, _ = FAULTS[rule]
    finding = rule.inspect(evidence)
    assert (finding.name, finding.level) == (rule.name, level)
    assert rule.inspect(SOUND).level is OK


@each_rule()
def test_a_level_that_is_none_is_off(rule):
    evidence, _, _ = FAULTS[rule]
    assert replace(rule, warning=None, error=None).inspect(evidence).level is OK
    warned = replace(rule, warning=rule.warning or rule.error, error=None)
    assert warned.inspect(evidence).level is WARNING


@each_rule()
def test_a_value_that_equals_a_level_has_reached_it(rule):
    evidence, _, number = FAULTS[rule]
    value = abs(rule.inspect(evidence).numbers[number])
    shortage = isinstance(rule, FewRows | FewRowsPerLevel | RowsAgainstLive)
    beyond = math.nextafter(value, math.inf)
    # Where too little is bad, a value that equals a level suffices.
    raised, silent = (beyond, value) if shortage else (value, beyond)
    off = {"warning": None, "error": None}
    for kind, level in (("warning", WARNING), ("error", ERROR)):
        assert replace(rule, **off | {kind: raised}).inspect(evidence).level is level
        if shortage or value == max(map(abs, rule.inspect(evidence).numbers.values())):
            assert replace(rule, **off | {kind: silent}).inspect(evidence).level is OK


@each_rule()
@pytest.mark.parametrize("level", [0.0, -1.0, math.nan, math.inf])
def test_a_level_must_be_a_finite_number_above_zero(rule, level):
    for kind in ("warning", "error"):
        with pytest.raises(TaskError, match=f"the {kind} level {level!r} is not a finite number above 0"):
            replace(rule, **{"warning": None, "error": None, kind: level})


@each_rule()
def test_the_warning_level_must_come_first(rule):
    shortage = isinstance(rule, FewRows | FewRowsPerLevel | RowsAgainstLive)
    first, second = (0.3, 0.2) if shortage else (0.2, 0.3)
    assert replace(rule, warning=first, error=second)
    assert replace(rule, warning=first, error=first)
    with pytest.raises(TaskError, match="would be reached before the warning level"):
        replace(rule, warning=second, error=first)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, math.nan])
def test_alpha_must_be_a_probability(alpha):
    for rule in DEFAULT_RULES:
        if "alpha" in rule.__dataclass_fields__:
            with pytest.raises(TaskError, match="it must be between 0 and 1"):
                replace(rule, alpha=alpha)


@given(st.floats(0.01, 10), st.floats(0.01, 10), st.floats(0.01, 10))
def test_grades(value, one, other):
    low, high = sorted((one, other))
    assert grade(value, low, high) is (ERROR if value >= high else WARNING if value >= low else OK)
    assert grade_shortage(value, high, low) is (ERROR if value < low else WARNING if value < high else OK)
    assert grade(low, low, None) is grade_shortage(math.nextafter(low, 0), low, None) is WARNING
    assert grade(math.nan, low, high) is grade_shortage(low, low, low) is OK


def test_every_rule_runs_and_one_that_cannot_is_a_warning():
    class Broken(SingleFeatureLeak):
        def inspect(self, evidence):
            raise ValueError("no way")

    found = inspect_all([Broken(), FewRows()], FIRST)
    assert found[0] == Finding("one feature tells the target", WARNING, "the rule failed: no way")
    assert found[1] == FewRows().inspect(FIRST)


def test_without_a_live_release_what_compares_with_it_says_so():
    for rule in (AssociationChanged(), TargetChanged(), RowsAgainstLive(), LevelsAgainstLive()):
        assert rule.inspect(FIRST).detail == "skipped: no baseline yet"
    for rule in (PopulationStability(), KolmogorovSmirnov()):
        assert rule.inspect(FIRST).detail == "skipped: no baseline yet"
    bare = replace(SOUND, live=LiveEvidence(None, {}, 0, None))
    assert [finding.level for finding in inspect_all(DEFAULT_RULES, bare)] == [OK] * len(DEFAULT_RULES)
    assert PredictedLabels().inspect(bare).detail.startswith("skipped: ")
    assert ConceptDrift().inspect(bare).detail.startswith("skipped: ")


# Leaks.


@pytest.mark.parametrize(("r2", "level"), [(0.5, OK), (0.9, OK), (0.99, OK), (0.999, WARNING), (0.9999, ERROR)])
@pytest.mark.parametrize("rows", [200, 2000])
def test_a_strong_honest_feature_is_no_leak_and_a_blurred_copy_is(r2, level, rows):
    random = np.random.default_rng(3)
    frame = made(rows, 4)
    frame["cost"] = math.sqrt(r2) * frame["size"] + math.sqrt(1 - r2) * random.normal(size=rows)
    finding = SingleFeatureLeak().inspect(weighing(frame))
    assert finding.level is level
    assert finding.numbers["size"] == association(frame["size"], frame["cost"])
    assert "'size'" in finding.detail


def test_a_rounded_copy_in_another_order_is_a_leak():
    frame = NOW.assign(weight=(-NOW["cost"] * 100).round(-1))
    assert SingleFeatureLeak().inspect(weighing(frame)).level is ERROR


def test_a_few_rows_may_be_in_order_by_luck():
    frame = NOW.assign(weight=NOW["cost"])
    assert SingleFeatureLeak().inspect(weighing(frame.head(29))).detail == "skipped: needs 30 rows"
    assert SingleFeatureLeak().inspect(weighing(frame.head(30))).level is ERROR


def test_an_association_that_rose_or_fell_says_what_it_means():
    fallen = AssociationChanged().inspect(FAULTS[AssociationChanged()][0])
    assert "'size' alone: association 0." in fallen.detail
    assert fallen.detail.endswith("do its values still belong to these rows?")
    assert fallen.numbers["size"] < -0.3
    risen = AssociationChanged().inspect(spoilt("weight", NOW["cost"] + made(1000, 9)["size"]))
    assert risen.level is ERROR
    assert risen.detail.endswith("does it hold the target?")


def test_a_change_of_association_that_may_be_chance_is_not_raised():
    few, before = NOW.head(40), BEFORE.head(40)
    broken = few.assign(size=np.random.default_rng(1).permutation(few["size"]))
    finding = AssociationChanged().inspect(weighing(broken, before))
    assert abs(finding.numbers["size"]) > 0.3
    assert finding.level is OK
    assert AssociationChanged(alpha=0.5).inspect(weighing(broken, before)).level is ERROR


def test_associations_with_targets_of_different_types_are_not_compared():
    classes = replace(SOUND.live.statistics, target=SOUND.statistics.features["colour"])
    other = replace(SOUND.live, statistics=classes)
    assert AssociationChanged().inspect(replace(SOUND, live=other)).detail.startswith("skipped: ")
    assert TargetChanged().inspect(replace(SOUND, live=other)).level is OK


def test_copies_across_the_split_are_counted_and_copies_on_one_side_are_not():
    finding = IdenticalRows().inspect(FAULTS[IdenticalRows()][0])
    assert finding.numbers["share"] == 50 / 200
    assert finding.detail == "50 of 200 test rows are copies of training rows, found by 'size'"
    ordered = NOW.sort_values("size")
    least = pd.concat([ordered.iloc[:950], ordered.iloc[:50]])
    assert IdenticalRows().inspect(weighing(least)).numbers["share"] == 50 / 200
    one_side = pd.concat([NOW.iloc[:700], NOW.iloc[:100], NOW.iloc[800:]])
    assert IdenticalRows().inspect(weighing(one_side)).numbers["share"] == 0


@pytest.mark.parametrize(("copies", "level"), [(2, OK), (3, WARNING), (9, WARNING), (10, ERROR)])
def test_two_copies_may_be_a_coincidence(copies, level):
    frame = pd.concat([NOW.iloc[: 1000 - copies], NOW.iloc[:copies]])
    assert IdenticalRows().inspect(weighing(frame)).level is level


def test_rows_that_differ_in_one_column_are_no_copies():
    copies = NOW.iloc[:50].assign(weight=NOW["weight"].iloc[:50] + 0.1)
    finding = IdenticalRows().inspect(weighing(pd.concat([NOW.iloc[:950], copies])))
    assert (finding.level, finding.numbers["share"]) == (OK, 0)


@pytest.mark.parametrize("rows", [300, 3000])
@pytest.mark.parametrize("seed", range(5))
def test_discrete_data_repeat_themselves_by_chance(rows, seed):
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "size": random.poisson(30, rows).astype(float),
            "weight": random.integers(0, 3, rows).astype(float),
            "colour": random.choice(list(COLOURS), rows),
        }
    )
    frame["cost"] = np.maximum(0, frame["size"] - 30 + random.integers(-1, 2, rows))
    assert frame.duplicated().mean() > 0.1
    assert IdenticalRows().inspect(weighing(frame)).level is OK


def test_without_numbers_copies_are_not_looked_for():
    schema = Schema((Category("colour", tuple(COLOURS)),), Category("cost", ("high", "low")), "est_cost")
    frame = pd.DataFrame({"colour": ["a", "b"] * 50, "cost": ["high", "low"] * 50})
    dataset, parts = parted(frame, schema)
    evidence = replace(FIRST, dataset=dataset, split=parts, statistics=summarise(dataset))
    assert IdenticalRows().inspect(evidence).detail.startswith("skipped: ")


def test_targets_that_repeat_themselves_may_be_predicted_exactly():
    rounded = NOW.assign(cost=NOW["cost"].round())
    evidence = weighing(rounded.assign(cost=Known().predict(NOW)), rounded)
    assert PredictedLabels().inspect(evidence).detail == "skipped: targets repeat, so exact matches prove nothing"
    half = BEFORE.assign(cost=np.arange(1000) // 2 * 1.0)
    assert PredictedLabels().inspect(weighing(NOW, half)).detail.startswith("0 of 200")
    finding = PredictedLabels().inspect(FAULTS[PredictedLabels()][0])
    assert finding.detail == "200 of 200 targets are exactly what the live model predicts"


def test_a_target_of_nothing_can_be_predicted_too():
    frame = NOW.assign(cost=np.where(NOW.index < 801, NOW["cost"], 0.0))
    evidence = weighing(frame, BEFORE)
    nothing = replace(evidence, live=replace(evidence.live, predicted=np.zeros(200)))
    assert PredictedLabels().inspect(nothing).numbers["share"] == 199 / 200


# Distributions.


def test_a_target_in_another_unit_says_by_what_factor():
    finding = TargetChanged().inspect(FAULTS[TargetChanged()][0])
    ratio = 60 * NOW["cost"].quantile(0.5, "lower") / BEFORE["cost"].quantile(0.5, "lower")
    assert f"the median is {ratio:.4g} times what it was): before median" in finding.detail
    assert set(finding.numbers) == {"'cost'", *(f"'cost' where colour is {level}" for level in COLOURS)}


def test_a_target_that_changed_at_one_level_only_is_found_there():
    chosen = NOW["colour"] == "c"
    evidence = spoilt("cost", NOW["cost"].where(~chosen, NOW["cost"] * 0.4))
    finding = TargetChanged().inspect(evidence)
    assert finding.level is ERROR
    assert "'cost' where colour is c (KS distance 0.52, the median is 0." in finding.detail
    assert "colour is a" not in finding.detail


def test_a_target_distance_is_tested_over_all_comparisons():
    evidence = spoilt("cost", NOW["cost"] + 0.35)
    live, now = evidence.live.statistics, evidence.statistics
    found = distance(live.target, now.target)
    everything = TargetChanged(warning=found.value, error=None)
    assert found.p_value * 4 < 0.5
    by_level = [
        distance(live.target_by_level["colour"][level], now.target_by_level["colour"][level]).p_value
        for level in COLOURS
    ]
    least = min(found.p_value, *by_level) * 4
    assert replace(everything, warning=1e-9, alpha=least).inspect(evidence).level is OK
    assert replace(everything, warning=1e-9, alpha=math.nextafter(least, 1)).inspect(evidence).level is WARNING


def test_classes_whose_shares_changed_are_a_changed_target():
    def labelled(seed):
        random = np.random.default_rng(seed)
        return made(1000, seed).assign(cost=random.choice(["high", "low", "odd"], 1000, p=[0.5, 0.4, 0.1]))

    before, now = labelled(1), labelled(2)
    rules = default_rules("accuracy")
    assert {finding.level for finding in inspect_all(rules, weighing(now, before, schema=CLASSES))} == {OK}
    swapped = now.assign(cost=now["cost"].replace({"high": "odd", "odd": "high"}))
    assert TargetChanged().inspect(weighing(swapped, before, schema=CLASSES)).level is ERROR
    gone = weighing(now[now["cost"] != "odd"], before, schema=CLASSES)
    assert LevelsAgainstLive().inspect(gone).numbers["cost: odd"] == 1
    assert LevelsAgainstLive().inspect(gone).level is ERROR


def test_drift_names_the_column_and_both_distributions():
    for rule in (PopulationStability(), KolmogorovSmirnov()):
        finding = rule.inspect(FAULTS[rule][0])
        assert finding.detail.startswith("'size' (")
        assert ": before median " in finding.detail
        assert "; now median " in finding.detail
    assert set(PopulationStability().inspect(SOUND).numbers) == {"size", "weight", "colour"}
    assert set(KolmogorovSmirnov().inspect(SOUND).numbers) == {"size", "weight"}


@pytest.mark.parametrize("rule", [PopulationStability(), KolmogorovSmirnov(), TargetChanged()])
def test_an_effect_that_may_be_chance_is_not_raised(rule):
    few = weighing(NOW.head(25), BEFORE.head(25))
    assert max(rule.inspect(few).numbers.values()) > rule.warning
    assert rule.inspect(few).level is OK


def test_a_trifle_is_not_raised_however_sure():
    many, more = made(20_000, 1), made(20_000, 2)
    evidence = weighing(more.assign(size=more["size"] + 0.05, cost=more["cost"] + 0.25), many)
    for rule in (PopulationStability(), KolmogorovSmirnov(), TargetChanged()):
        assert rule.inspect(evidence).level is OK
        assert replace(rule, warning=1e-6).inspect(evidence).level is WARNING


# Rows, levels and columns that are missing.


@pytest.mark.parametrize(("rows", "level"), [(29, ERROR), (30, WARNING), (99, WARNING), (100, OK)])
def test_too_few_rows(rows, level):
    assert FewRows().inspect(weighing(NOW.head(rows))) == Finding(
        "too few rows", level, f"there are {rows} rows", {"rows": rows}
    )


@pytest.mark.parametrize(("rows", "level"), [(1, ERROR), (2, WARNING), (4, WARNING), (5, OK)])
def test_too_few_rows_of_a_level(rows, level):
    frame = pd.concat([NOW[NOW["colour"] == "c"].head(rows), NOW[NOW["colour"] != "c"]])
    finding = FewRowsPerLevel().inspect(weighing(frame))
    assert (finding.level, finding.numbers) == (level, {"least": rows})
    if level is not OK:
        assert finding.detail == f"{rows} {'row' if rows == 1 else 'rows'} where 'colour' is c"
    # What was released once is no news; a level that is new has to be learnt.
    assert FewRowsPerLevel().inspect(weighing(frame, BEFORE)).detail == "no new level"
    assert FewRowsPerLevel().inspect(weighing(frame, BEFORE[BEFORE["colour"] != "c"])).level is level


@pytest.mark.parametrize(("rows", "level"), [(99, ERROR), (100, WARNING), (499, WARNING), (500, OK)])
def test_fewer_rows_than_the_live_release(rows, level):
    finding = RowsAgainstLive().inspect(weighing(NOW.head(rows), BEFORE))
    assert finding == Finding(
        "fewer rows than the live release",
        level,
        f"there are {rows} rows; the live release has 1000",
        {"share": rows / 1000},
    )


def test_a_level_that_vanished_or_shrank():
    gone = LevelsAgainstLive().inspect(FAULTS[LevelsAgainstLive()][0])
    rows, before = int((NOW["colour"] != "b").sum()), int((BEFORE["colour"] == "b").sum())
    assert gone.detail == f"'colour' is b in 0 of {rows} rows; before, in {before} of 1000"
    assert gone.numbers["colour: b"] == 1
    third = NOW[(NOW["colour"] != "b") | (np.arange(1000) % 3 == 0)]
    assert LevelsAgainstLive().inspect(weighing(third, BEFORE)).level is WARNING


@pytest.mark.parametrize(("before", "level"), [(8, OK), (13, ERROR)])
def test_a_rare_level_may_be_missing_by_chance(before, level):
    # By chance, all of so many rows are among the earlier half once in 2 to that power, for each of 3 levels.
    assert (0.5**before * 3 < RULE_ALPHA) is (level is ERROR)
    rare = BEFORE.assign(colour=np.where(np.arange(1000) < before, "c", np.where(BEFORE["size"] < 0, "a", "b")))
    now = NOW.assign(colour=np.where(NOW["size"] < 0, "a", "b"))
    assert LevelsAgainstLive().inspect(weighing(now, rare)).level is level


def test_a_column_that_became_constant_or_is_gone():
    stuck = LostColumns().inspect(FAULTS[LostColumns()][0])
    distinct = BEFORE["weight"].nunique()
    assert stuck.detail == f"'weight' has one value in all rows and had {distinct}"
    known = SOUND.live.statistics
    live = replace(known, features=known.features | {"height": known.target})
    gone = LostColumns().inspect(replace(SOUND, live=replace(SOUND.live, statistics=live)))
    assert (gone.level, gone.detail) == (ERROR, "'height' is gone")
    both = LostColumns(warning=1, error=2)
    spoilt_live = replace(FAULTS[LostColumns()][0], live=replace(SOUND.live, statistics=live))
    assert (both.inspect(spoilt_live).level, both.inspect(spoilt_live).numbers) == (ERROR, {"columns": 2})
    target = LostColumns().inspect(spoilt("cost", 1.0))
    assert target.detail.startswith("'cost' has one value")


def test_a_column_that_was_always_constant_or_nearly_is_no_news():
    constant = BEFORE.assign(weight=2.0)
    assert LostColumns().inspect(weighing(NOW.assign(weight=1.0), constant)).level is OK
    nearly = BEFORE.assign(weight=np.where(np.arange(1000) == 0, 1.0, 2.0))
    assert LostColumns().inspect(weighing(NOW.assign(weight=2.0), nearly)).level is OK
    tenth = BEFORE.assign(weight=np.where(np.arange(1000) < 50, 1.0, 2.0))
    assert LostColumns().inspect(weighing(NOW.assign(weight=2.0), tenth)).level is ERROR


def test_a_constant_feature_of_the_first_release_is_a_warning():
    finding = LostColumns().inspect(weighing(NOW.assign(weight=1.0)))
    assert (finding.level, finding.detail) == (WARNING, "'weight' has one value in all 1000 rows")
    assert LostColumns(error=2).inspect(weighing(NOW.assign(weight=1.0))).level is OK


# Scores.


CHANGED = NOW.assign(cost=NOW["cost"] - 2 * NOW["size"])


def test_a_changed_world_is_told_from_damaged_data_and_from_a_bad_candidate():
    world = ConceptDrift().inspect(weighing(CHANGED, BEFORE, model=Known(1.0)))
    assert world.level is WARNING
    assert world.detail.endswith(
        "the target's relation to the features has changed, and the candidate has learnt it"
    )
    assert world.numbers["growth"] > 2.5
    damaged = ConceptDrift().inspect(FAULTS[ConceptDrift()][0])
    assert damaged.level is ERROR
    assert damaged.detail.endswith("the new data are damaged, or can no longer be predicted")
    bad = ConceptDrift().inspect(weighing(NOW, BEFORE, model=Known(1.0)))
    assert bad.level is OK
    assert bad.detail.endswith("the data are fine, the candidate is not")
    off = ConceptDrift(warning=None)
    assert off.inspect(weighing(CHANGED, BEFORE, model=Known(1.0))).level is OK


def test_the_loss_of_the_live_model_is_compared_with_its_record():
    evidence = weighing(CHANGED, BEFORE, model=Known(1.0))
    scores = measure(Known(), evidence.split.test)
    for metric in LOSSES[:3]:
        finding = ConceptDrift(metric).inspect(evidence)
        recorded = loss_of_score(metric, evidence.live.metrics[metric], 200)
        assert finding.numbers["growth"] == pytest.approx(loss_of_score(metric, scores[metric], 200) / recorded)
        mine = measure(Known(1.0), evidence.split.test)[metric]
        assert finding.numbers["candidate"] == pytest.approx(loss_of_score(metric, mine, 200) / recorded)


def test_a_score_that_a_few_rows_made_is_not_raised():
    row = NOW.index[-1]
    outlier = NOW.assign(cost=NOW["cost"].where(NOW.index != row, 60.0))
    finding = ConceptDrift().inspect(weighing(outlier, BEFORE))
    assert finding.numbers["growth"] > 1.5
    assert finding.level is OK
    assert finding.numbers["p_value"] > 0.01


def test_without_recorded_errors_the_sampling_error_of_the_score_decides():
    evidence = FAULTS[ConceptDrift()][0]
    bare = replace(evidence, live=replace(evidence.live, errors=None))
    assert ConceptDrift().inspect(bare).level is ERROR
    assert ConceptDrift().inspect(bare).numbers["p_value"] < ConceptDrift().inspect(evidence).numbers["p_value"]


def test_a_chance_equal_to_alpha_is_not_raised():
    for rule in (ConceptDrift(), TooGood(), IdenticalRows()):
        evidence = FAULTS[rule][0]
        chance = rule.inspect(evidence).numbers["p_value"]
        assert replace(rule, alpha=chance).inspect(evidence).level is OK
        assert replace(rule, alpha=math.nextafter(chance, 1)).inspect(evidence).level is ERROR


def test_a_chance_over_all_looks_that_equals_alpha_is_not_raised():
    size = {rule: FAULTS[rule][0] for rule in (AssociationChanged(), PopulationStability(), KolmogorovSmirnov())}
    drift = compare_statistics(BEFORE_STATISTICS, size[PopulationStability()].statistics)[0]
    change = abs(AssociationChanged().inspect(size[AssociationChanged()]).numbers["size"])
    error = math.sqrt(2) * association_error(1000, 1 - SOUND.live.statistics.target.commonest**2, numeric=True)
    tenth = weighing(NOW.assign(weight=2.0), BEFORE.assign(weight=np.where(np.arange(1000) < 50, 1.0, 2.0)))
    gone = FAULTS[LevelsAgainstLive()][0]
    rows, before = len(gone.dataset), int((BEFORE["colour"] == "b").sum())
    for rule, evidence, chance in (
        (AssociationChanged(), size[AssociationChanged()], 2 * normal_p(change / error) * 3),
        (PopulationStability(), size[PopulationStability()], drift.psi_p_value * 3),
        (KolmogorovSmirnov(), size[KolmogorovSmirnov()], drift.distance.p_value * 2),
        (LevelsAgainstLive(), gone, binomial_p(0, before, rows / (rows + 1000)) * 3),
        (LostColumns(), tenth, binomial_p(1000, 1000, 0.95) * 4),
    ):
        assert 0 < chance < RULE_ALPHA
        assert replace(rule, alpha=chance).inspect(evidence).level is OK
        assert replace(rule, alpha=math.nextafter(chance, 1)).inspect(evidence).level is ERROR


def test_a_column_of_two_values_is_not_constant():
    assert LostColumns().inspect(weighing(NOW.assign(weight=np.arange(1000) % 2 * 1.0))).numbers == {"columns": 0}


def test_a_record_without_the_metric_is_not_compared():
    live = replace(SOUND.live, metrics={"r2": math.nan})
    assert ConceptDrift().inspect(replace(SOUND, live=live)).detail == (
        "skipped: the live release's record has no r2"
    )


def test_too_good_takes_a_history():
    evidence = FAULTS[TooGood()][0]
    assert TooGood().inspect(replace(evidence, history=HISTORY[:4])).detail == (
        "skipped: needs 5 earlier releases"
    )
    unusable = (*HISTORY[:4], {"r2": math.nan}, {"mean_absolute_error": 0.1})
    assert TooGood().inspect(replace(evidence, history=unusable)).detail.startswith("skipped: ")
    assert TooGood(least_history=4).inspect(replace(evidence, history=HISTORY[:4])).level is ERROR
    loss = 1 - evidence.metrics["r2"]
    finding = TooGood().inspect(evidence)
    assert finding.detail == f"the loss is {loss:.4g}; 5 earlier releases left {1 - 0.91:.4g}"
    assert finding.numbers["gain"] == pytest.approx(1 - loss / (1 - 0.91))
    assert TooGood(least_history=1).least_history == 1
    with pytest.raises(TaskError, match="least_history is 0; it must be at least 1"):
        TooGood(least_history=0)


def test_a_history_that_varies_as_much_raises_nothing():
    wide = tuple({"r2": score} for score in (0.5, 0.99, 0.9, 0.999, 0.3))
    assert TooGood().inspect(replace(FAULTS[TooGood()][0], history=wide)).level is OK


def test_a_score_that_only_a_few_rows_made_better_is_not_too_good():
    # The errors as a whole are what the live release's were; only the spread of the target grew.
    frame = NOW.assign(size=NOW["size"] * np.where(NOW.index >= 990, 40, 1))
    frame["cost"] += 3 * (frame["size"] - NOW["size"])
    finding = TooGood().inspect(weighing(frame, BEFORE, history=HISTORY))
    assert finding.numbers["gain"] > 0.8
    assert finding.level is OK
    assert TooGood().inspect(replace(weighing(frame), history=HISTORY)).numbers["p_value"] < 0.05


def test_metrics_must_fit_the_target():
    for rule in (ConceptDrift, TooGood):
        with pytest.raises(TaskError, match="data rules know no metric 'f1'; they know r2, "):
            rule("f1")
        with pytest.raises(TaskError, match="accuracy is no metric of the target 'cost'"):
            rule("accuracy").validate(SCHEMA)
        with pytest.raises(TaskError, match="r2 is no metric of the target 'cost'"):
            rule("r2").validate(CLASSES)
        assert rule("accuracy").validate(CLASSES) is None
        assert rule("mean_absolute_error").validate(SCHEMA) is None


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=2, max_size=30))
def test_losses_are_those_of_scikit_learns_scores(pairs):
    class Fixed:
        def predict(self, features):
            return features["size"].to_numpy()

    predicted, truth = (np.array(column) for column in zip(*pairs, strict=True))
    frame = pd.DataFrame({"size": predicted, "weight": 0.0, "colour": "a", "cost": truth})
    scores = measure(Fixed(), Dataset(frame, SCHEMA))
    for metric, score in scores.items():
        if metric in LOSSES and (metric != "r2" or np.var(truth) > 1e-6):
            found = measure_loss(metric, frame["cost"], predicted)
            assert found.value == pytest.approx(loss_of_score(metric, score, len(truth)), rel=1e-6, abs=1e-9)


def test_the_loss_of_classes_is_their_wrong_share_and_at_least_half_a_row():
    truth = pd.Series(["a", "b"] * 50)
    wrong = np.array(["a"] * 100)
    assert measure_loss("accuracy", truth, wrong).value == 0.5
    assert measure_loss("accuracy", truth, truth.to_numpy()).value == 0.005
    assert measure_loss("accuracy", truth, truth.to_numpy()).relative_error < 1e-12
    assert loss_of_score("accuracy", 0.9, 10) == pytest.approx(0.1)
    assert loss_of_score("r2", 1.0, 10) == loss_of_score("mean_absolute_error", 0.0, 10) == 1e-12
    assert summarise_errors(truth, wrong) is None


def test_of_a_constant_target_nothing_is_explained():
    constant = pd.Series([2.0] * 5)
    assert measure_loss("r2", constant, np.full(5, 3.0)).value == 1
    assert measure_loss("r2", constant, np.full(5, 2.0)).value == 1e-12


def test_the_sampling_error_of_a_loss_is_what_theory_gives():
    random = np.random.default_rng(1)
    truth = pd.Series(random.exponential(size=2000))
    # The mean of n exponentials has a relative error of 1 / sqrt(n).
    found = measure_loss("mean_absolute_error", truth, np.zeros(2000))
    assert found.relative_error == pytest.approx(1 / math.sqrt(2000), rel=0.2)
    shares = pd.Series(random.choice(["a", "b"], 2000, p=[0.9, 0.1]))
    found = measure_loss("accuracy", shares, np.array(["a"] * 2000))
    assert found.relative_error == pytest.approx(math.sqrt(0.9 / 0.1 / 2000), rel=0.2)


def test_recorded_errors_are_those_of_the_rows():
    errors = summarise_errors(pd.Series([1.0, 2.0, 5.0]), np.array([1.5, 2.0, 2.0]))
    assert errors.values == (0.0, 0.5, 3.0)


def test_a_tree_that_was_trained_on_rows_that_are_still_there_is_no_feedback():
    class Remembering:
        def predict(self, features):
            seen = features["size"].isin(NOW["size"].iloc[::5])
            return np.where(seen, 0.0, NOW.set_index("size")["cost"].reindex(features["size"]))

    finding = PredictedLabels().inspect(weighing(NOW, BEFORE, live_model=Remembering()))
    assert finding.numbers["share"] == pytest.approx(0.8, abs=0.01)
    assert finding.level is OK
