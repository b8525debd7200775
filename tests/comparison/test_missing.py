"""Failed repeats: shown, never dropped in silence, with the most that they could do."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import exit_code
from gitexp.errors import NoSamplesError
from gitexp.model.plan import Direction, OnFailed, Stopping, StoppingRule, Verdict
from gitexp.model.run import RepeatState, Resources, Sample
from gitexp.report.comparisons import text as render
from gitexp.report.sheet import PLAIN, Style
from tests.lab.records import Lab, one, scores

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    return Lab(repo)


def failing(  # noqa: PLR0913  what may fail, and under which plan
    lab: Lab,
    policy: OnFailed = OnFailed.REFUSE,
    *,
    gain: float = 0.05,
    failed: tuple[int, ...] = (10,),
    baseline_failed: tuple[int, ...] = (),
    n: int = 10,
    direction: Direction = Direction.MAX,
) -> None:
    lab.init()
    effect = ">0" if direction is Direction.MAX else "<0"
    plan = lab.plan(effect=effect, repeats=10, on_failed=policy, direction=direction)
    lab.change()
    seeds = [seed for seed in range(n + len(baseline_failed)) if seed not in baseline_failed]
    low = scores(0.6, range(n + 5))
    have = {seed: low[seed] for seed in low if seed not in baseline_failed}
    lab.record("b", {"f1": have}, of="main", plan=plan, failed=baseline_failed)
    tried = sorted({*seeds, *baseline_failed})
    high = {seed: low[seed] + gain + 0.001 * (seed % 3) for seed in tried}
    lab.record("c", {"f1": high}, plan=plan, failed=failed)


def test_by_default_a_failed_repeat_leaves_a_yes_open(lab: Lab) -> None:
    failing(lab)
    result = one(lab)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert exit_code([result]) == 6
    assert "1 seed has a repeat that failed" in result.headline
    assert result.missing is not None
    assert (result.missing.policy, result.missing.candidate) == (OnFailed.REFUSE, (10,))
    assert result.missing.worst == "supported", "one of eleven cannot turn it"
    assert result.next_step.endswith("gitexp run --seeds 10"), "what finished later is not missing"
    assert result.missing.worst_p is not None
    assert result.missing.best_p is not None
    assert result.missing.best_p < result.missing.worst_p
    said = render((result,), PLAIN)
    assert "seed 10 of the candidate; the plan says no yes without it" in said
    assert "were the missing as good for the candidate as the best value seen: supported (p" in said
    assert "as bad as the worst seen: supported (p = " in said


@pytest.mark.parametrize(
    "ended", [(RepeatState.CANCELLED, "cancelled"), (RepeatState.LOST, "its process is gone")]
)
@pytest.mark.parametrize("n", [4, 10])
def test_what_was_stopped_did_not_fail_and_is_run_again(
    lab: Lab, ended: tuple[RepeatState, str], n: int
) -> None:
    lab = replace(lab, ended=ended)
    failing(lab, failed=(n,), n=n)
    result = one(lab)
    assert result.verdict in {Verdict.INCONCLUSIVE, Verdict.UNDECIDABLE}
    assert (result.candidate.failed, result.candidate.interrupted) == (1, 1)
    assert "gitexp run" in result.next_step
    said = render((result,), PLAIN)
    assert not re.search("fail|mend", said), said
    assert f"unfinished  seed {n} of the candidate; gitexp run goes on with it" in said
    assert "1 not finished" in render((result,), Style(verbose=True))


def test_what_failed_on_either_side_is_what_to_run_again(lab: Lab) -> None:
    failing(lab, failed=(), baseline_failed=(3,))
    assert one(lab).next_step == "gitexp run --seeds 3 --with-baseline"


def test_a_plan_can_go_on_without_and_shows_the_worst_case(lab: Lab) -> None:
    failing(lab, OnFailed.DROP, gain=0.0005, failed=(10, 11, 12, 13))
    result = one(lab)
    assert result.verdict is Verdict.SUPPORTED
    assert result.missing is not None
    assert (result.missing.best, result.missing.worst) == ("supported", "inconclusive")


def test_a_side_of_which_nothing_finished_is_to_be_mended_whatever_the_plan_says(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(effect=">0", on_failed=OnFailed.DROP)
    lab.change()
    lab.record("b", {"f1": scores(0.6, range(10))}, of="main", plan=plan)
    lab.record("c", {}, plan=plan, failed=(0, 1))
    with pytest.raises(NoSamplesError, match="nothing to compare with") as caught:
        one(lab)
    mended, _, dropped = (caught.value.next_step or "").partition("; or, to go on without it, ")
    assert mended == "gitexp logs cccccccc; mend it, then gitexp run"
    assert dropped == "gitexp run --keep-going"  # else the seed that fails ends each call
    lab.record("d", {"f1": scores(0.7, range(2, 8))}, plan=plan)
    assert one(lab).next_step == "gitexp run --with-baseline", "others stand in for 0 and 1"


def test_a_candidate_that_fails_where_it_would_be_bad_has_the_baseline_s_worst(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(effect=">0", repeats=10, on_failed=OnFailed.DROP)
    lab.change()
    low = {seed: 0.6 + 0.01 * (-1) ** seed + 0.001 * seed for seed in range(20)}
    high = {seed: value + 0.001 + 0.0001 * seed for seed, value in low.items() if value > 0.6}
    lab.record("b", {"f1": low}, of="main", plan=plan)
    lab.record("c", {"f1": high}, plan=plan, failed=tuple(set(low) - set(high)))
    result = one(lab)
    assert result.verdict is Verdict.SUPPORTED
    assert result.missing is not None
    assert result.missing.worst != "supported", "its worst is not that of the seeds that finished"
    assert any("only if the failures have nothing to do with f1" in w for w in result.warnings)


def test_a_seed_that_failed_in_the_baseline_is_missing_too(lab: Lab) -> None:
    failing(lab, OnFailed.DROP, failed=(), baseline_failed=(3,))
    result = one(lab)
    assert result.missing is not None
    assert (result.missing.baseline, result.missing.candidate) == ((3,), ())
    assert result.verdict is Verdict.SUPPORTED


def test_a_seed_of_the_baseline_that_nobody_asked_for_is_not_missing(lab: Lab) -> None:
    failing(lab, failed=(), baseline_failed=())
    lab.record("d", {"f1": {40: 0.6}}, of="main", failed=(41,))
    result = one(lab)
    assert result.missing is None
    assert result.verdict is Verdict.SUPPORTED


def test_a_seed_that_finished_in_a_later_call_is_not_missing(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(effect=">0", repeats=10)
    lab.change()
    low = scores(0.6, range(10))
    high = {seed: value + 0.05 for seed, value in low.items()}
    lab.record("b", {"f1": low}, of="main", plan=plan)
    lab.record("c", {"f1": {s: high[s] for s in range(9)}}, plan=plan, failed=(9,))
    lab.record("d", {"f1": {9: high[9]}}, plan=plan)
    result = one(lab)
    assert (result.missing, result.verdict) == (None, Verdict.SUPPORTED)


def test_a_rule_of_several_looks_has_no_case_by_the_test_of_a_single_one(lab: Lab) -> None:
    lab.init()
    rule = Stopping(StoppingRule.POCOCK, 2)
    plan = lab.plan(effect=">0", repeats=10, on_failed=OnFailed.DROP, stopping=rule)
    lab.change()
    low = scores(0.6, range(11))
    lab.record("b", {"f1": low}, of="main", plan=plan)
    lab.record("c", {"f1": {s: low[s] + 0.01 for s in range(10)}}, plan=plan, failed=(10,))
    found = one(lab).missing
    assert found is not None
    assert (found.candidate, found.best, found.worst) == ((10,), "", "")


def test_of_a_loss_the_worst_is_the_largest(lab: Lab) -> None:
    failing(lab, OnFailed.DROP, gain=-0.05, direction=Direction.MIN)
    result = one(lab)
    assert result.verdict is Verdict.SUPPORTED
    assert result.missing is not None
    assert result.missing.best_p is not None
    assert result.missing.worst_p is not None
    assert result.missing.best_p < result.missing.worst_p


@pytest.mark.parametrize("kind", ["resource", "folds"])
def test_the_worst_case_is_known_of_what_no_single_sample_says(lab: Lab, kind: str) -> None:
    """A resource is no sample of the project's, and a repeat in folds is worth their mean."""
    lab.init()
    metric = "wall_s" if kind == "resource" else "f1"
    plan = lab.plan(metric=metric, effect="<0", direction=Direction.MIN, repeats=10)
    lab.change()

    def told(letter: str, shift: float, *, of: str, failed: tuple[int, ...] = ()) -> None:
        values = {seed: 2.0 + 0.01 * (seed % 4) + shift for seed in range(11) if seed not in failed}
        used = {seed: Resources(wall_s=value) for seed, value in values.items()}
        folds = tuple(
            Sample("f1", seed, value + 0.1 * fold, fold=fold)
            for seed, value in values.items()
            for fold in range(3)
        )
        other = {"acc": dict.fromkeys(values, 0.5)}
        samples = () if kind == "resource" else folds
        lab.record(letter, other, of=of, plan=plan, failed=failed, samples=samples, resources=used)

    told("b", 0.0, of="main")
    told("c", -1.0, of="HEAD", failed=(10,))
    missing = one(lab).missing
    assert missing is not None
    assert (missing.candidate, missing.worst) == ((10,), "supported")
