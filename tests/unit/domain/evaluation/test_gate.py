"""The gate: three regions by metric, all reasons, and the worst verdict."""

import math
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.support.reasons import errors, warnings
from weighbridge.domain.errors import ConfigurationError
from weighbridge.domain.evaluation.checks.check import CheckResult
from weighbridge.domain.evaluation.gate import GateDecision, Threshold, Verdict, decide
from weighbridge.domain.evaluation.metrics import METRICS, Slice
from weighbridge.domain.evaluation.reason import Reason, Severity, Source, errors_first
from weighbridge.domain.evaluation.rules.rule import Finding, FindingLevel

R2 = Threshold("r2", error=0.8, warning=0.9)
ERROR = Threshold("mean_absolute_error", error=10, warning=5)

#: From best to worst.
VERDICTS = [Verdict.RELEASE, Verdict.RELEASE_WITH_WARNING, Verdict.REJECT]
THRESHOLD = Source.THRESHOLD


def verdict_of(reason: Reason | None) -> Verdict:
    if reason is None:
        return Verdict.RELEASE
    return Verdict.REJECT if reason.severity is Severity.ERROR else Verdict.RELEASE_WITH_WARNING


@st.composite
def thresholds(draw: st.DrawFn) -> Threshold:
    name = draw(st.sampled_from(sorted(METRICS)))
    metric = METRICS[name]
    levels = st.floats(metric.lowest, 100 if metric.highest is None else metric.highest)
    low, high = sorted([draw(levels), draw(levels)])
    return Threshold(name, low, high) if metric.greater_is_better else Threshold(name, high, low)


def values() -> st.SearchStrategy[float]:
    return st.one_of(st.floats(-1, 2), st.floats(0, 200), st.floats())


@pytest.mark.parametrize(
    ("threshold", "value", "verdict", "reason"),
    [
        (R2, 1.0, Verdict.RELEASE, None),
        (R2, 0.9, Verdict.RELEASE, None),
        (
            R2,
            math.nextafter(0.9, 0),
            Verdict.RELEASE_WITH_WARNING,
            "r2 0.8999999999999999 is below its warning threshold 0.9",
        ),
        (R2, 0.8, Verdict.RELEASE_WITH_WARNING, "r2 0.8 is below its warning threshold 0.9"),
        (R2, math.nextafter(0.8, 0), Verdict.REJECT, "r2 0.7999999999999999 is below its error threshold 0.8"),
        (R2, -3.25, Verdict.REJECT, "r2 -3.25 is below its error threshold 0.8"),
        (R2, 0.123456789, Verdict.REJECT, "r2 0.123457 is below its error threshold 0.8"),
        (ERROR, 0.0, Verdict.RELEASE, None),
        (ERROR, 5, Verdict.RELEASE, None),
        (
            ERROR,
            math.nextafter(5, 6),
            Verdict.RELEASE_WITH_WARNING,
            "mean_absolute_error 5.000000000000001 is above its warning threshold 5",
        ),
        (ERROR, 10, Verdict.RELEASE_WITH_WARNING, "mean_absolute_error 10 is above its warning threshold 5"),
        (
            ERROR,
            math.nextafter(10, 11),
            Verdict.REJECT,
            "mean_absolute_error 10.000000000000002 is above its error threshold 10",
        ),
        (ERROR, 1234.5678, Verdict.REJECT, "mean_absolute_error 1234.57 is above its error threshold 10"),
        *((R2, value, Verdict.REJECT, "r2 is not a finite number") for value in (math.nan, math.inf, -math.inf)),
        *(
            (ERROR, value, Verdict.REJECT, "mean_absolute_error is not a finite number")
            for value in (math.nan, math.inf, -math.inf)
        ),
    ],
)
def test_the_three_regions_and_their_edges(
    threshold: Threshold, value: float, verdict: Verdict, reason: str | None
) -> None:
    found = threshold.evaluate(value)
    severity = {Verdict.REJECT: "error", Verdict.RELEASE_WITH_WARNING: "warning"}
    expected = None if reason is None else Reason(Severity(severity[verdict]), THRESHOLD, threshold.metric, reason)
    assert found == expected
    reasons = () if found is None else (found,)
    assert decide({threshold.metric: value}, [threshold], []) == GateDecision(verdict, reasons)


@given(thresholds(), values())
def test_a_value_is_in_one_region(threshold: Threshold, value: float) -> None:
    better = METRICS[threshold.metric].greater_is_better
    reason = threshold.evaluate(value)
    verdict = verdict_of(reason)
    if not math.isfinite(value):
        assert verdict == Verdict.REJECT
    elif (value >= threshold.warning) if better else (value <= threshold.warning):
        assert verdict == Verdict.RELEASE
    elif (value >= threshold.error) if better else (value <= threshold.error):
        assert verdict == Verdict.RELEASE_WITH_WARNING
    else:
        assert verdict == Verdict.REJECT
    assert (reason is None) == (verdict == Verdict.RELEASE)


@given(thresholds(), values(), values())
def test_a_better_metric_never_gives_a_worse_verdict(threshold: Threshold, one: float, other: float) -> None:
    assume(math.isfinite(one) and math.isfinite(other))
    worse, better = sorted([one, other], reverse=not METRICS[threshold.metric].greater_is_better)
    assert VERDICTS.index(verdict_of(threshold.evaluate(better))) <= VERDICTS.index(
        verdict_of(threshold.evaluate(worse))
    )


@given(thresholds(), st.floats(-1, 2).filter(math.isfinite), st.floats(0, 200))
def test_a_reason_shows_two_numbers_on_the_sides_that_it_says(
    threshold: Threshold, one: float, other: float
) -> None:
    for value in (one, other, math.nextafter(threshold.error, 0), math.nextafter(threshold.warning, 300)):
        reason = threshold.evaluate(value)
        if reason is not None:
            number = r"(-?[\d.]+(?:e[+-]\d+)?)"
            said = re.fullmatch(
                rf"\w+ {number} is (below|above) its (error|warning) threshold {number}", reason.text
            )
            assert said is not None, reason
            assert (float(said[1]) < float(said[4])) == (said[2] == "below")
            assert float(said[1]) != float(said[4])
            assert float(said[4]) == (threshold.error if said[3] == "error" else threshold.warning)


@given(
    st.lists(thresholds(), max_size=4),
    st.dictionaries(st.sampled_from(sorted(METRICS)), values()),
    st.lists(
        st.builds(CheckResult, st.sampled_from("abc"), st.booleans(), st.sampled_from(["x", "y"])), max_size=4
    ),
)
def test_the_worst_verdict_wins_and_every_reason_is_listed(
    weighed: list[Threshold], metrics: dict[str, float], checks: list[CheckResult]
) -> None:
    decision = decide(metrics, iter(weighed), checks)
    single = [threshold.evaluate(metrics.get(threshold.metric, math.nan)) for threshold in weighed]
    failed = [
        Reason(Severity.ERROR, Source.CHECK, check.name, f"check '{check.name}' failed: {check.detail}")
        for check in checks
        if not check.passed
    ]
    reasons = [reason for reason in single if reason is not None]
    assert decision.reasons == errors_first([*reasons, *failed])
    verdicts = [verdict_of(reason) for reason in [*single, *failed]]
    assert decision.verdict == max(verdicts, key=VERDICTS.index, default=Verdict.RELEASE)


def test_everything_against_a_candidate_is_said_at_once() -> None:
    checks = [
        CheckResult("one", False, "no"),
        CheckResult("two", True, "yes"),
        CheckResult("three", False, "never"),
    ]
    decision = decide({"r2": 0.85, "mean_absolute_error": 11}, [R2, ERROR], checks)
    assert decision == GateDecision(
        Verdict.REJECT,
        (
            Reason(
                Severity.ERROR,
                THRESHOLD,
                "mean_absolute_error",
                "mean_absolute_error 11 is above its error threshold 10",
            ),
            Reason(Severity.ERROR, Source.CHECK, "one", "check 'one' failed: no"),
            Reason(Severity.ERROR, Source.CHECK, "three", "check 'three' failed: never"),
            Reason(Severity.WARNING, THRESHOLD, "r2", "r2 0.85 is below its warning threshold 0.9"),
        ),
    )
    assert decision.summary == "Refused: 3 errors, 1 warning"


def test_a_metric_that_was_not_measured_refuses() -> None:
    assert decide({"mean_absolute_error": 1}, [R2], []) == GateDecision(
        Verdict.REJECT, errors("r2 is not a finite number")
    )


def test_equal_levels_leave_no_room_for_a_warning() -> None:
    threshold = Threshold("r2", 0.8, 0.8)
    assert threshold.evaluate(0.8) is None
    assert verdict_of(threshold.evaluate(math.nextafter(0.8, 0))) == Verdict.REJECT


@pytest.mark.parametrize(
    ("metric", "error", "warning", "message"),
    [
        (
            "accuracy_of_sorts",
            0.8,
            0.9,
            f"there is no metric 'accuracy_of_sorts'; there are {', '.join(METRICS)}, and the names of "
            "scikit-learn's scorers",
        ),
        ("r2", -0.1, 0.9, "the error threshold of r2 is -0.1, out of its range: from 0 to 1"),
        ("r2", 0.8, 1.1, "the warning threshold of r2 is 1.1, out of its range: from 0 to 1"),
        ("r2", 1.5, 0.9, "the error threshold of r2 is 1.5, out of its range: from 0 to 1"),
        ("r2", math.nan, 0.9, "the error threshold of r2 is nan, out of its range: from 0 to 1"),
        ("r2", 0.8, math.inf, "the warning threshold of r2 is inf, out of its range: from 0 to 1"),
        (
            "mean_absolute_error",
            math.inf,
            5,
            "the error threshold of mean_absolute_error is inf, out of its range: from 0",
        ),
        (
            "root_mean_squared_error",
            10,
            -1,
            "the warning threshold of root_mean_squared_error is -1, out of its range: from 0",
        ),
        (
            "r2",
            0.9,
            0.8,
            (
                "the warning threshold of r2, 0.8, is out of order: it must be at least as demanding as the error "
                "threshold, 0.9"
            ),
        ),
        (
            "mean_absolute_error",
            5,
            10,
            (
                "the warning threshold of mean_absolute_error, 10, is out of order: it must be at least as "
                "demanding as the error threshold, 5"
            ),
        ),
    ],
)
def test_thresholds_that_cannot_be(metric: str, error: float, warning: float, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Threshold(metric, error, warning)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("metric", "error", "warning"), [("r2", 0, 1), ("r2", 1, 1), ("mean_absolute_error", 1e300, 0)]
)
def test_thresholds_at_the_ends_of_their_range(metric: str, error: float, warning: float) -> None:
    assert Threshold(metric, error, warning).error == error


@given(st.sampled_from(sorted(METRICS)), st.floats(-1, 2), st.floats(-1, 2))
def test_a_threshold_exists_when_its_levels_are_in_range_and_in_order(
    name: str, error: float, warning: float
) -> None:
    metric = METRICS[name]
    in_range = all(metric.lowest <= level <= (metric.highest or math.inf) for level in (error, warning))
    in_order = error <= warning if metric.greater_is_better else warning <= error
    try:
        Threshold(name, error, warning)
    except ConfigurationError:
        assert not (in_range and in_order)
    else:
        assert in_range
        assert in_order


# Slices

RECALL = Threshold("accuracy", error=0.5, warning=0.75, slice_by="colour", smallest=10)


def test_a_sliced_threshold_weighs_every_level_that_was_measured() -> None:
    metrics = {
        "accuracy": 0.25,
        "accuracy[colour=red]": 0.75,
        "accuracy[colour=amber]": 0.5,
        "accuracy[shape=round]": 0.0,
        "f1_macro[colour=red]": 0.0,
        "accuracy[colour=violet]": 0.25,
        "accuracy[colour=grey]": math.nan,
    }
    amber = warnings("accuracy[colour=amber] 0.5 is below its warning threshold 0.75")
    violet, grey = errors(
        "accuracy[colour=violet] 0.25 is below its error threshold 0.5",
        "accuracy[colour=grey] is not a finite number",
    )
    assert RECALL.evaluate_all(metrics) == [*amber, violet, grey]
    assert decide(metrics, [RECALL], []) == GateDecision(Verdict.REJECT, (violet, grey, *amber))
    # The metric of all rows is not what it weighs.
    assert decide({"accuracy": 0.0}, [RECALL], []) == GateDecision(Verdict.RELEASE, ())


def test_a_threshold_that_is_not_sliced_weighs_all_rows_alone() -> None:
    whole = Threshold("accuracy", 0.5, 0.75)
    assert whole.evaluate_all({"accuracy[colour=red]": 0.0, "accuracy": 0.75}) == []
    assert whole.evaluate_all({"accuracy[colour=red]": 1.0}) == [*errors("accuracy is not a finite number")]


def test_what_a_threshold_has_measured_and_recorded() -> None:
    assert RECALL.slice == Slice("accuracy", "colour", 10)
    assert RECALL.slice.name("red") == "accuracy[colour=red]"
    assert RECALL.to_dict() == {
        "metric": "accuracy",
        "error": 0.5,
        "warning": 0.75,
        "slice_by": "colour",
        "smallest": 10,
    }
    assert R2.slice is None
    assert R2.to_dict() == {"metric": "r2", "error": 0.8, "warning": 0.9}
    assert Threshold("r2", 0.8, 0.9, slice_by="kind").to_dict()["smallest"] == 30


@given(thresholds(), st.dictionaries(st.sampled_from("abc"), values()))
def test_a_level_is_weighed_as_a_metric_of_its_own(threshold: Threshold, levels: dict[str, float]) -> None:
    assume(threshold.metric not in ("log_loss", "roc_auc"))
    sliced = Threshold(threshold.metric, threshold.error, threshold.warning, slice_by="kind")
    metrics = {f"{threshold.metric}[kind={level}]": value for level, value in levels.items()}
    found = [threshold.evaluate(value, name) for name, value in metrics.items()]
    assert sliced.evaluate_all(metrics) == [reason for reason in found if reason is not None]
    severities = [reason.severity for reason in map(threshold.evaluate, levels.values()) if reason is not None]
    assert [reason.severity for reason in sliced.evaluate_all(metrics)] == severities


@pytest.mark.parametrize("metric", ["log_loss", "roc_auc", "neg_max_error"])
def test_metrics_that_cannot_be_sliced(metric: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Threshold(metric, 1, 1, slice_by="kind")
    assert str(caught.value) == f"the metric {metric} cannot be sliced by 'kind'"
    assert Threshold(metric, 1, 1).slice is None


@pytest.mark.parametrize("smallest", [1, 0, -30])
def test_a_slice_of_one_row_is_none(smallest: int) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Threshold("r2", 0.8, 0.9, slice_by="kind", smallest=smallest)
    assert str(caught.value) == f"the smallest slice of r2 is {smallest}; it must be at least 2"
    assert Threshold("r2", 0.8, 0.9, slice_by="kind", smallest=2).smallest == 2


def test_of_a_scorer_greater_is_better_and_any_level_is_lawful() -> None:
    threshold = Threshold("neg_max_error", error=-5, warning=-1)
    assert threshold.evaluate(-1) is None
    assert (threshold.evaluate(-5),) == warnings("neg_max_error -5 is below its warning threshold -1")
    assert (threshold.evaluate(-5.5),) == errors("neg_max_error -5.5 is below its error threshold -5")
    with pytest.raises(ConfigurationError, match="out of order"):
        Threshold("neg_max_error", error=-1, warning=-5)
    with pytest.raises(
        ConfigurationError, match=r"the error threshold of neg_max_error is inf, out of its range$"
    ):
        Threshold("neg_max_error", error=math.inf, warning=math.inf)


# Comparisons and findings


def findings() -> st.SearchStrategy[Finding]:
    return st.builds(Finding, st.sampled_from("abc"), st.sampled_from(FindingLevel), st.sampled_from(["x", "y"]))


def comparisons() -> st.SearchStrategy[Reason]:
    return st.builds(
        Reason, st.sampled_from(Severity), st.just(Source.COMPARISON), st.just("r2"), st.just("worse")
    )


@given(
    st.lists(values(), max_size=2),
    st.lists(comparisons(), max_size=3),
    st.lists(findings(), max_size=3),
    st.lists(st.builds(CheckResult, st.sampled_from("abc"), st.booleans(), st.just("x")), max_size=2),
)
def test_thresholds_comparisons_findings_and_checks_decide_together(
    r2: list[float], compared: list[Reason], found: list[Finding], checks: list[CheckResult]
) -> None:
    metrics = dict(zip(("r2", "mean_absolute_error"), r2, strict=False))
    thresholds = [R2, ERROR][: len(r2)]
    decision = decide(metrics, thresholds, checks, iter(compared), iter(found))
    parts = [
        *decide(metrics, thresholds, []).reasons,
        *compared,
        *(
            Reason(Severity(each.level), Source.RULE, each.name, f"rule '{each.name}': {each.detail}")
            for each in found
            if each.level is not FindingLevel.OK
        ),
        *decide({}, [], checks).reasons,
    ]
    assert sorted(map(str, decision.reasons)) == sorted(map(str, parts))
    assert decision.reasons == errors_first(decision.reasons)
    assert decision.verdict == max(map(verdict_of, parts), key=VERDICTS.index, default=Verdict.RELEASE)


@given(st.lists(findings(), max_size=4), st.sets(st.sampled_from("abc")))
def test_what_is_accepted_never_refuses_and_is_still_a_reason(found: list[Finding], names: set[str]) -> None:
    before = decide({}, [], [], findings=found)
    after = decide({}, [], [], findings=found, accepted=dict.fromkeys(names, "wanted"))
    assert sorted(one.text for one in after.reasons) == sorted(one.text for one in before.reasons)
    assert all((one.accepted == "wanted") == (one.name in names) for one in after.reasons)
    errors_left = [one for one in before.reasons if one.severity is Severity.ERROR and one.name not in names]
    assert (after.verdict is Verdict.REJECT) == bool(errors_left)
    assert (after.verdict is Verdict.RELEASE) == (not found or not before.reasons)


@pytest.mark.parametrize(
    ("level", "verdict"),
    [
        (FindingLevel.OK, Verdict.RELEASE),
        (FindingLevel.WARNING, Verdict.RELEASE_WITH_WARNING),
        (FindingLevel.ERROR, Verdict.REJECT),
    ],
)
def test_a_finding_counts_by_its_level(level: FindingLevel, verdict: Verdict) -> None:
    decision = decide({}, [], [], findings=[Finding("few rows", level, "there are 3")])
    assert decision.verdict == verdict
    texts = [] if level is FindingLevel.OK else ["rule 'few rows': there are 3"]
    assert [reason.text for reason in decision.reasons] == texts
