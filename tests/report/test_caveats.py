"""What stands around a test, in words: nothing is said where there is nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from gitexp.model.comparison import (
    EQUAL_IN_PAIRS,
    Change,
    Detectable,
    Ledger,
    Missing,
    Selection,
    Unused,
)
from gitexp.model.ids import EnvironmentDigest
from gitexp.model.plan import HypothesisKind, OnFailed, Stopping, StoppingRule
from gitexp.model.result import Part, Posterior, Role, VarianceShare
from gitexp.report import caveats, words
from gitexp.report.sheet import MANY
from tests.lab import samples

if TYPE_CHECKING:
    from gitexp.model.comparison import Comparison
    from gitexp.model.result import MetricComparison

BARE = replace(
    samples.supported(), detectable=None, missing=None, selection=None, ledger=None, plan=None
)


def labels(comparison: Comparison) -> list[str]:
    return [label for label, _ in caveats.lines(comparison)]


# --- selection, ledger, failures ------------------------------------------------------------------


def test_each_caveat_has_its_label_and_the_failed_are_not_the_unfinished() -> None:
    missing = Missing(OnFailed.REFUSE, (1,), (2, 3))
    every = replace(
        BARE,
        selection=Selection(3, "under this plan", fresh=True, inflation=0.1),
        missing=missing,
        ledger=Ledger((), ()),
    )
    assert labels(every) == ["selection", "failed", "ledger"]
    stopped = replace(every, missing=replace(missing, interrupted=True))
    assert "unfinished" in labels(stopped)
    assert "failed" not in labels(stopped)


@pytest.mark.parametrize(
    ("found", "planned", "said"),
    [
        (Selection(3, "x", fresh=True, inflation=0.143), True, "alpha holds"),
        (Selection(3, "x", fresh=False, inflation=0.143), True, "p is multiplied by 3"),
        (Selection(3, "x", fresh=False, inflation=0.143), False, "no p here pays for that"),
    ],
)
def test_what_a_choice_among_several_costs_is_said(
    found: Selection,
    planned: bool,  # noqa: FBT001
    said: str,
) -> None:
    text = caveats.selection_text(found, 0.05, planned=planned)
    assert text.startswith("3 configurations were run x")
    assert said in text
    assert ("up to 14 % instead of 5 %" in text) == (not found.fresh)


def test_of_a_try_its_place_its_price_and_what_holds_over_all_are_said() -> None:
    found = Selection(3, "under this plan", fresh=False, inflation=0.143, price=12)
    text = caveats.selection_text(found, 0.05, planned=True)
    assert text.startswith("try 3 under this plan (each candidate, ")
    assert "p is multiplied by 12, that of the first by nothing" in text
    assert "gets a wrong one in at most 7.5 %" in text


@pytest.mark.parametrize(
    ("experiments", "said"),
    [
        ((), "no other experiment was decided on these evaluation data"),
        (("a",), "1 other experiment was decided on these evaluation data (a)"),
        (("a", "b"), "2 other experiments were decided on these evaluation data (a, b)"),
        (
            tuple("abcdef"),
            "6 other experiments were decided on these evaluation data (c, d, e, f and 2 more)",
        ),
    ],
)
def test_a_ledger_counts_decisions_and_names_the_last(
    experiments: tuple[str, ...], said: str
) -> None:
    assert caveats.ledger_text(Ledger((), experiments)) == said
    with_budget = caveats.ledger_text(Ledger((), experiments, budget=1))
    assert with_budget == f"{said}; 1 decision may be"


def test_a_ledger_of_raw_data_says_that_they_are_raw() -> None:
    assert "the same raw data" in caveats.ledger_text(Ledger((), ("a",), raw=True))


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (Missing(OnFailed.DROP, (0, 1, 2), ()), ["seeds 0-2 of the baseline; the plan goes on"]),
        (
            Missing(OnFailed.REFUSE, (), (4,)),
            ["seed 4 of the candidate; the plan says no yes without it"],
        ),
        (
            Missing(OnFailed.REFUSE, (1,), (4,), interrupted=True),
            ["seed 1 of the baseline and seed 4 of the candidate; gitexp run goes on"],
        ),
        (
            Missing(OnFailed.DROP, (1,), (), "supported", "refuted", 0.001, None),
            ["seed 1", "the best value seen: supported (p = 0.0010); as bad as the worst seen: "],
        ),
    ],
)
def test_failed_repeats_are_named_with_what_the_plan_makes_of_them(
    missing: Missing, said: list[str]
) -> None:
    lines = list(caveats.missing_texts(missing))
    assert len(lines) == len(said)
    assert all(part in line for part, line in zip(said, lines, strict=True))


# --- families, looks, power -----------------------------------------------------------------------


def watched(count: int, different: int) -> tuple[MetricComparison, ...]:
    return tuple(
        samples.metric(
            f"m{number}",
            role=Role.WATCHED,
            p_adjusted=0.5,
            baseline=(0.1 + number % different, 0.2),
            candidate=(0.3, 0.4),
        )
        for number in range(count)
    )


@pytest.mark.parametrize(
    ("count", "different", "method", "said"),
    [
        (0, 1, "holm", ""),
        (1, 1, "holm", ""),
        (3, 3, "holm", "3 watched metrics, adjusted by Holm"),
        (3, 2, "holm", "2 different of 3 watched metrics, adjusted by Holm"),
        (2, 2, "none", "2 watched metrics, not adjusted because you asked"),
        (2, 2, "other", "2 watched metrics, adjusted by other"),
    ],
)
def test_a_family_is_two_p_values_or_more(
    count: int, different: int, method: str, said: str
) -> None:
    found = replace(BARE, metrics=watched(count, different), adjustment=method)
    assert caveats.family_text(found) == said


def test_rates_of_false_discoveries_are_told_from_those_of_any_error() -> None:
    for method, name in (("bh", "Benjamini-Hochberg"), ("by", "Benjamini-Yekutieli")):
        text = caveats.family_text(replace(BARE, metrics=watched(2, 2), adjustment=method))
        assert name in text
        assert "share of false discoveries" in text
    assert [caveats.adjusted_p(method) for method in ("none", "bh", "by", "holm")] == [
        "plain p",
        "BH p",
        "BY p",
        "Holm p",
    ]


@pytest.mark.parametrize(
    ("stopping", "said"),
    [
        (None, "once, at 10 repeats"),
        (Stopping(StoppingRule.ALWAYS_VALID, 0), "after every repeat"),
        (Stopping(StoppingRule.POCOCK, 2), "at 5, 10 repeats, by the boundary of Pocock"),
        (Stopping(StoppingRule.OBRIEN_FLEMING, 2), "by the boundary of O'Brien-Fleming"),
    ],
)
def test_a_plan_says_when_it_may_be_looked_at(stopping: Stopping | None, said: str) -> None:
    assert said in caveats.stopping_text(replace(samples.plan(), stopping=stopping))


FOUND = Detectable(0.0123, 0.021, 0.8, 10, "pairs", 0.004, promised=0.03, needed=1200)


def test_power_is_said_of_the_promise_and_what_would_be_needed_only_while_open() -> None:
    comparison = samples.supported()
    done = list(caveats.detectable_texts(comparison, FOUND))
    found = "10 pairs of spread 0.004 find a true effect 0.012 (2.1 %) away from the promise"
    assert done == [f"{found} with 80 % power"]
    still_open = list(caveats.detectable_texts(replace(comparison, verdict=None), FOUND))
    assert still_open[0] == done[0]
    assert still_open[1].startswith("1,200 pairs would ")
    nobody_could = replace(FOUND, needed=None)
    assert len(list(caveats.detectable_texts(replace(comparison, verdict=None), nobody_could))) == 1


def test_power_of_an_equivalence_is_about_the_band() -> None:
    comparison = samples.supported()
    assert comparison.effect is not None
    band = replace(comparison, effect=replace(comparison.effect, kind=HypothesisKind.EQUIVALENCE))
    (line, *_) = caveats.detectable_texts(band, replace(FOUND, relative=None))
    assert "show equivalence within 0.012 with 80 % power" in line


# --- sides, differences, notes --------------------------------------------------------------------


def test_a_side_says_what_it_has_and_nothing_of_what_it_has_not() -> None:
    side = samples.supported().baseline
    assert words.side_text(side).split(", ") == [
        f"{side.commit[:7]} {side.name}",
        f"inputs {side.inputs[:7]}",
        "environment 5eedfab",
        "seeds 0-9",
        f"run {side.runs[0][:7]}",
        "73 s",
    ]
    file = replace(side, environment=None, runs=(), wall_s=0.0)  # repeats that no run brought
    assert words.side_text(file) == f"{side.commit[:7]} {side.name}, seeds 0-9"
    nothing = replace(file, seeds=())
    assert "inputs" in words.side_text(nothing)
    assert words.side_text(replace(side, source_lost=True)).endswith("source lost (squashed)")


@pytest.mark.parametrize(
    ("failed", "interrupted", "said"),
    [
        (0, 0, "0 failed"),
        (2, 0, "2 failed"),
        (2, 2, "2 not finished"),
        (3, 1, "2 failed, 1 not finished"),
    ],
)
def test_what_was_stopped_is_not_called_failed(failed: int, interrupted: int, said: str) -> None:
    side = replace(samples.supported().baseline, failed=failed, interrupted=interrupted)
    assert words.unfinished(side) == said


def test_no_failure_does_not_exclude_a_rate_of_failures() -> None:
    """By Clopper and Pearson, one-sided, from SciPy."""
    supported = samples.supported()
    bound = binomtest(0, len(supported.baseline.seeds), alternative="less").proportion_ci().high
    facts = {fact.label: fact.text for fact in words.facts(supported)}
    assert facts["pairs"].endswith(f"0 failed (rates up to {100 * bound:.0f} % are possible)")
    failed = replace(supported, baseline=replace(supported.baseline, failed=1))
    assert "1 failed" in next(f.text for f in words.facts(failed) if f.label == "pairs")


def test_many_runs_of_a_side_are_counted_after_the_first() -> None:
    side = replace(samples.supported().baseline, runs=tuple(f"run{n}xxxxx" for n in range(9)))
    assert "runs run0xxx run1xxx" in words.side_text(side)
    assert f"and {9 - MANY} more" in words.side_text(side)


def test_differences_are_told_by_kind_and_what_is_the_same_is_named() -> None:
    changes = (
        Change("code", "new.py", "", "abc"),
        Change("code", "gone.py", "abc", ""),
        Change("code", "train.py", "abc", "def"),
        Change("params", "lr", "", "0.1"),
        *(Change("data", f"d{number}", "1", "2") for number in range(MANY + 2)),
    )
    told = words.differences(replace(samples.supported(), changes=changes))
    assert told[0] == "params: lr (none) -> 0.1"
    assert told[1] == "code: new.py (new), gone.py (gone), train.py"
    assert told[2].endswith(", and 2 more")
    assert told[3] == "same environment"


def test_between_two_plain_files_nothing_is_known_to_differ_or_to_be_the_same() -> None:
    base = samples.supported()
    files = replace(
        base, baseline=replace(base.baseline, runs=()), candidate=replace(base.candidate, runs=())
    )
    assert words.differences(files) == []


def test_code_is_not_said_to_be_the_same_where_settings_say_what_of_it_is_executed() -> None:
    base = samples.supported()
    assert words.unchanged(base, {"config"}) == ["params", "data", "environment"]
    assert words.unchanged(base, ()) == ["params", "code", "data", "environment"]
    assert words.unchanged(base, {"params", "code", "data", "environment"}) == []
    in_pairs = replace(base, warnings=(f"{EQUAL_IN_PAIRS}: pairs 1-4 numpy 2.1, pair 5 numpy 2.2",))
    assert words.unchanged(in_pairs, ()) == ["params", "code", "data"]


def test_a_note_that_several_metrics_share_is_said_once() -> None:
    metrics = (
        samples.metric("a", notes=("spread 2.5 times as large", "alone")),
        samples.metric("b", role=Role.WATCHED, notes=("spread 3.1 times as large",)),
    )
    notes = [
        fact.text
        for fact in words.facts(replace(samples.supported(), metrics=metrics))
        if fact.label == "note"
    ]
    assert notes == ["a: spread 2.5 times as large (so of b)", "a: alone"]


def test_what_was_not_counted_is_named_with_its_reason() -> None:
    found = replace(
        samples.supported(), unused=(Unused("too late", "abcdefghij", "exp/a", (3, 4)),)
    )
    (fact,) = words.unused(found)
    assert (fact.label, fact.text) == ("not used", "too late: run abcdefg (exp/a), seeds 3, 4")


def test_a_fact_with_a_label_is_told_for_each_side() -> None:
    comparison = replace(
        samples.supported(),
        baseline=replace(samples.supported().baseline, environment=EnvironmentDigest("a" * 64)),
    )
    told = {fact.label: fact.text for fact in words.facts(comparison)}
    assert "environment aaaaaaa" in told["baseline"]
    assert "environment 5eedfab" in told["candidate"]


@given(st.floats(0, 1))
def test_a_probability_is_never_told_as_none_or_certain(share: float) -> None:
    rest = 1 - share
    item = Posterior("m", 0.01, "why", below=rest, within=0.0, above=share)
    metric = replace(samples.metric(), posteriors=(item,))
    (fact,) = (
        fact
        for fact in words.facts(replace(samples.supported(), metrics=(metric,)))
        if fact.text.startswith("m: ")
    )
    assert " 0 %" not in fact.text
    assert "100 %" not in fact.text
    assert fact.text.endswith("decides nothing (0.01: why)")


@pytest.mark.parametrize(
    ("seeds", "examples", "said"),
    [(0.7, 0.2, "more seeds"), (0.2, 0.7, "more examples"), (0.5, 0.5, "more seeds")],
)
def test_more_of_what_makes_the_noise_is_advised(seeds: float, examples: float, said: str) -> None:
    share = VarianceShare(10, 500, 0.01, seeds, examples, 1 - seeds - examples)
    assert f"{said} would help most" in words.noise_text(share)


@pytest.mark.parametrize(
    ("part", "name"),
    [
        (Part(None, None, None, None, None, "iris", 0, 0), "iris"),
        (Part(3, None, None, None, None, "iris", 0, 0), "iris, seed 3"),
        (Part(3, 1, 2, 9, 1, "", 0, 0), "seed 3, rep 1, fold 2"),
        (Part(0, 0, 0, 9, 1, "", 0, 0), "seed 0, rep 0, fold 0"),  # zero is a number, too
    ],
)
def test_a_part_is_called_by_all_that_tells_it_apart(part: Part, name: str) -> None:
    assert words.part_name(part) == name


def test_values_are_given_in_the_order_of_their_seeds() -> None:
    metric = replace(
        samples.metric(),
        baseline_values=((10, 1.0), (2, 2.0)),
        candidate_values=((2, 4.0), (10, 3.0)),
    )
    left, right = words.units(metric)
    assert list(left.items()) == [("2", 2.0), ("10", 1.0)]  # as numbers, not as words
    assert list(left) == list(right)
    assert words.unit_title(metric) == "seed"


def test_a_guard_rail_is_kept_only_where_that_is_shown() -> None:
    comparison = samples.supported()
    guard = next(metric for metric in comparison.metrics if metric.role is Role.GUARD)
    assert guard.result is not None
    alpha = guard.result.plan.alpha
    for p, said in (
        (alpha, "guard-rail, kept"),
        (alpha * 1.01, "guard-rail, not shown to be kept"),
        (None, "guard-rail, not shown to be kept"),
    ):
        told = replace(guard, broken=False, result=replace(guard.result, p_support=p))
        assert words.role_note(comparison, told) == said
    assert words.role_note(comparison, replace(guard, broken=True)) == "guard-rail, BROKEN"
    unknown = replace(guard, broken=False, result=None)
    assert words.role_note(comparison, unknown) == "guard-rail, not shown to be kept"
