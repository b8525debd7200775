"""The second rules: repeats pair where what acts on both is equal, and the first ones count."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison import eligible, environments, pairs
from gitexp.comparison.counting import Count, FoundRuns, count
from gitexp.model.ids import EvaluationDigest
from gitexp.model.plan import OnFailed, PlanSeeds, Stopping, StoppingRule
from gitexp.model.run import Distribution, Environment, Observed, PlanRef, RepeatState
from gitexp.records.terms import sealed
from tests.comparison.test_counting import (
    BASE,
    CANDIDATE,
    ENV,
    ENV2,
    OTHER,
    PLAN,
    in_line,
    parallel,
    reasons,
    run,
)

if TYPE_CHECKING:
    from gitexp.comparison.eligible import Alike, Earlier
    from gitexp.model.plan import Plan
    from gitexp.store.lookup import FoundRun

ROOT = "0123456789abcdef" * 2
DRAWN = sealed(replace(PLAN, seeds=PlanSeeds(ROOT), repeats=3, rules=2))
COMMITTED = sealed(replace(PLAN, repeats=3, rules=2))
REF, PUBLIC = (PlanRef(each.name, each.digest) for each in (DRAWN, COMMITTED))
SEEDS = tuple(itertools.islice(PlanSeeds(ROOT).sequence(), 12))


def judged(
    *runs: FoundRun,
    plan: object = DRAWN,
    by: Earlier = in_line,
    alike: Alike = lambda _, one, __, two: one.place == two.place,
) -> Count:
    return count(FoundRuns(runs, alike=alike), plan, BASE, CANDIDATE, by)


def base(letter: str, seeds: tuple[int, ...], order: int = 0, **fields: object) -> FoundRun:
    return run(letter, BASE, seeds, order=order, **{"plan": REF, **fields})


def mine(letter: str, seeds: tuple[int, ...], order: int = 0, **fields: object) -> FoundRun:
    return run(letter, CANDIDATE, seeds, order=order, **{"plan": REF, **fields})


def test_pairs_may_differ_in_environment_and_each_is_equal_within() -> None:
    result = judged(
        base("a", SEEDS[:2]),
        mine("b", SEEDS[:2]),
        base("c", SEEDS[2:3], 1, environment=ENV2),
        mine("d", SEEDS[2:3], 1, environment=ENV2),
    )
    assert (set(result.pairs), result.confounded, result.variants) == ({*SEEDS[:3]}, "", 1)


def test_the_first_finished_repeat_counts_in_whatever_environment() -> None:
    """Attack: install what the script imports, and draw every repeat again."""
    first = (base("a", SEEDS[:3]), mine("b", SEEDS[:3]))
    again = (
        base("c", SEEDS[:3], 1, environment=ENV2),
        mine("d", SEEDS[:3], 1, environment=ENV2),
    )
    result = judged(*first, *again)
    assert {item.found.run.id[0] for item in result.candidate.repeats.values()} == {"b"}
    assert {item.found.run.id[0] for item in result.baseline.repeats.values()} == {"a"}
    assert (result.looks, result.variants) == (0, 1)
    assert reasons(result)[pairs.OTHER_ENVIRONMENT] == tuple(sorted(SEEDS[:3]))


def test_a_larger_group_wins_nothing() -> None:
    """Attack: one pair was bad, so all are run in another environment, and one more."""
    bad = (base("a", SEEDS[:1]), mine("b", SEEDS[:1]))
    many = (
        base("c", SEEDS[:3], 1, environment=ENV2),
        mine("d", SEEDS[:3], 1, environment=ENV2),
    )
    result = judged(*bad, *many)
    assert [result.candidate.repeats[seed].found.run.id[0] for seed in SEEDS[:3]] == [*"bdd"]


def test_a_partner_is_the_first_of_the_baseline_in_an_equal_environment() -> None:
    result = judged(
        mine("b", SEEDS[:3], 0, environment=ENV2),
        base("a", SEEDS[:3], 1),
        base("c", SEEDS[:3], 2, environment=ENV2),
        base("d", SEEDS[:3], 3, environment=ENV2),
    )
    assert {item.found.run.id[0] for item in result.baseline.repeats.values()} == {"c"}
    assert result.baseline.failed == ()


@pytest.mark.parametrize("policy", OnFailed)
def test_a_pair_that_is_not_completed_is_failed_and_not_replaced(policy: OnFailed) -> None:
    """Attack: what did not please is taken out by an installation on the other side."""
    plan = sealed(replace(DRAWN, on_failed=policy))
    ref = PlanRef(plan.name, plan.digest)
    result = judged(
        mine("b", SEEDS[:4], plan=ref),
        base("a", SEEDS[:2], plan=ref),
        base("c", SEEDS[2:3], plan=ref, environment=ENV2),
        base("d", SEEDS[3:4], plan=ref),
        plan=plan,
    )
    assert set(result.pairs) == {*SEEDS[:2]}
    assert dict(result.baseline.failed) == {SEEDS[2]: pairs.UNLIKE}
    assert not result.given_up


def dropping(**terms: object) -> tuple[Plan, PlanRef]:
    plan = sealed(replace(DRAWN, on_failed=OnFailed.DROP, repeats=5, **terms))
    return plan, PlanRef(plan.name, plan.digest)


def failed(found: FoundRun) -> FoundRun:
    repeats = tuple(replace(each, state=RepeatState.FAILED) for each in found.run.repeats)
    return replace(found, run=replace(found.run, repeats=repeats), samples=())


def test_a_failed_repeat_lowers_n_and_no_later_seed_replaces_it() -> None:
    """Attack: let the baseline fail where the candidate is low, until n high ones are there.

    65 % are supported at a promised 5 %, with independent noise on both sides.
    """
    plan, ref = dropping()
    low = SEEDS[1:3]
    high = tuple(seed for seed in SEEDS[:7] if seed not in low)
    runs = [
        base("a", high, plan=ref),
        mine("b", SEEDS[:7], plan=ref),
        failed(base("c", low, plan=ref)),
    ]
    result = judged(*runs, plan=plan)
    assert {*result.pairs} == {SEEDS[0], *SEEDS[3:5]}
    assert (result.ended, result.left_of(plan.repeats)) == ({*low}, 3)
    assert {seed for seed, _ in result.baseline.failed} == {*low}
    assert {*low} <= result.candidate.repeats.keys(), "the worst case knows its score"


def test_what_failed_and_was_dropped_is_not_healed_once_the_others_are_known() -> None:
    plan, ref = dropping()
    rest = (SEEDS[0], *SEEDS[2:5])
    runs = [
        base("a", rest, plan=ref),
        failed(base("c", SEEDS[1:2], plan=ref)),
        mine("b", SEEDS[:5], plan=ref),
    ]
    healed = base("d", SEEDS[1:2], 1, plan=ref)
    for more in ((), (healed,)):
        result = judged(*runs, *more, plan=plan)
        assert ({*result.pairs}, result.ended) == ({*rest}, {SEEDS[1]})
    assert reasons(result)[eligible.ENDED] == SEEDS[1:2]


def test_what_failed_while_nothing_of_its_side_had_finished_is_mended_and_counts() -> None:
    """A module that is not installed fails the first repeat, and takes nothing from anybody."""
    plan, ref = dropping()
    first = failed(base("a", SEEDS[:1], plan=ref))
    mended = [mine("b", SEEDS[:5], 1, plan=ref), base("c", SEEDS[:5], 1, plan=ref)]
    result = judged(first, *mended, plan=plan)
    assert ({*result.pairs}, result.ended) == ({*SEEDS[:5]}, frozenset())


def test_seeds_that_were_not_drawn_and_rules_without_an_end_take_further_ones() -> None:
    always, ref = dropping(stopping=Stopping(StoppingRule.ALWAYS_VALID))
    runs = [base("a", SEEDS[:7], plan=ref), mine("b", (*SEEDS[:2], *SEEDS[3:7]), plan=ref)]
    result = judged(*runs, failed(mine("c", SEEDS[2:3], plan=ref)), plan=always)
    assert len(result.pairs) == 6
    public, ref = dropping(seeds=None)
    runs = [base("a", range(6), plan=ref), mine("b", (0, 1, 3, 4, 5), plan=ref)]
    result = judged(*runs, failed(mine("c", (2,), plan=ref)), plan=public)
    assert (len(result.pairs), result.ended) == (5, frozenset())


def test_a_baseline_is_not_drawn_again_while_the_candidates_repeat_is_killed() -> None:
    """Attack: kill the candidate's, run the baseline's in many environments, choose the lowest."""
    low = (
        base("a", SEEDS[:3]),
        base("c", SEEDS[:3], 1, environment=ENV2),
        mine("b", SEEDS[:3], 2, environment=ENV2),
        base("d", SEEDS[:3], 3, environment=ENV2),
    )
    result = judged(*low)
    assert result.pairs == ()
    assert len(result.baseline.failed) == 3
    public = [replace(each, run=replace(each.run, plan=PUBLIC)) for each in low]
    public = [replace(each, run=replace(each.run, seeds=each.run.seeds)) for each in public]
    assert len(judged(*public, plan=COMMITTED).pairs) == 3  # public seeds take what there is


def test_linked_data_are_of_the_pair_too() -> None:
    result = judged(
        base("a", SEEDS[:3], links="one"),
        mine("b", SEEDS[:3], links="one"),
        base("c", SEEDS[:3], 1, links="two"),
        mine("d", SEEDS[:3], 1, links="two"),
    )
    assert {item.repeat.links for item in result.candidate.repeats.values()} == {"one"}
    assert len(result.pairs) == 3


def test_what_does_not_pair_has_one_environment_and_p_pays_for_each_further_one() -> None:
    """Attack: with another test set each seed, environments are tried until one pleases."""
    other = EvaluationDigest("f" * 64)
    result = judged(
        base("a", SEEDS[:3]),
        mine("b", SEEDS[:1], evaluation=other),
        mine("c", SEEDS[:3], 1, evaluation=other, environment=ENV2),
        mine("d", SEEDS[:3], 2, evaluation=other),
        base("e", SEEDS[:3], 3, environment=ENV2),
    )
    assert {item.repeat.environment for item in result.candidate.repeats.values()} == {ENV}
    assert {item.found.run.id[0] for item in result.candidate.repeats.values()} == {*"bd"}
    assert {item.found.run.id[0] for item in result.baseline.repeats.values()} == {"a"}
    assert (result.variants, result.environments) == (2, 1)


def test_a_seed_that_does_not_count_takes_no_partner_from_those_that_do() -> None:
    """Run far ahead of the plan's seeds, on other evaluation data, it made the sides unpaired."""
    plan = sealed(replace(DRAWN, on_failed=OnFailed.DROP))
    ref = PlanRef(plan.name, plan.digest)
    both = [
        base("a", (*SEEDS[:2], SEEDS[3]), plan=ref),
        mine("b", (*SEEDS[:2], SEEDS[3]), plan=ref),
        base("c", SEEDS[2:3], 1, plan=ref),
        mine("d", SEEDS[2:3], 1, plan=ref, environment=ENV2),
    ]
    other = EvaluationDigest("9" * 64)
    ahead = [
        base("e", SEEDS[11:], 2, plan=ref, evaluation=other),
        mine("f", SEEDS[11:], 2, plan=ref),
    ]
    for stray in ((), ahead):
        result = judged(*both, *stray, plan=plan)
        assert set(result.pairs) == {*SEEDS[:2]}


def test_variants_are_other_inputs_and_not_other_environments_of_pairs() -> None:
    result = judged(
        mine("z", SEEDS[:1], plan=REF, environment=ENV2),
        replace(other := mine("y", SEEDS[:1], 1), run=replace(other.run, inputs=OTHER)),
        base("a", SEEDS[:3], 2, environment=ENV2),
        mine("b", SEEDS[1:3], 2, environment=ENV2),
    )
    assert result.variants == 2


def test_the_first_rules_count_as_ever() -> None:
    plan = sealed(replace(PLAN, repeats=3))
    ref = PlanRef(plan.name, plan.digest)
    result = judged(
        run("a", BASE, (1, 2, 3), plan=ref),
        run("b", CANDIDATE, (1, 2), plan=ref),
        run("c", CANDIDATE, (3,), plan=ref, environment=ENV2),
        plan=plan,
        by=parallel,
    )
    assert (set(result.pairs), result.in_pairs) == ({1, 2}, False)


# --- equal environments --------------------------------------------------------------------------


def environment(**versions: str) -> Environment:
    found = tuple(Distribution(name.replace("_", "-"), v, v) for name, v in versions.items())
    return Environment("cpython", "3.12", "cp312", "linux", "glibc", found)


PLAIN = environment(numpy="1", pandas="1")
SEEN = Observed(("numpy",), ("lightgbm", "train"), modules={"scikit-learn": ("sklearn",)})
CASES = {
    "nothing imports it": (environment(numpy="1", pandas="1", pexpect="1"), SEEN, ()),
    "taken away": (environment(numpy="1"), SEEN, ()),
    "imported": (environment(numpy="2", pandas="1"), SEEN, ("numpy",)),
    "asked for and missed": (
        environment(numpy="1", pandas="1", lightgbm="1"),
        replace(SEEN, distributions=("lightgbm", "numpy"), asked=("train",)),
        ("lightgbm",),
    ),
    "missed by the other alone": (
        environment(numpy="1", pandas="1", lgbm="1"),
        Observed(("numpy",), modules={"lgbm": ("lightgbm",)}),
        ("lgbm",),
    ),
    "imported by the other alone": (
        environment(numpy="1", pandas="2"),
        Observed(("numpy", "pandas")),
        ("pandas",),
    ),
    "the other was not observed": (
        environment(numpy="1", pandas="1", pexpect="1"),
        Observed(why="Rscript"),
        ("pexpect",),
    ),
    "a loose module": (
        PLAIN,
        replace(SEEN, asked=("train",), loose={"lightgbm": "ab"}),
        ("lightgbm",),
    ),
    "a .pth file": (PLAIN, replace(SEEN, loose={"evil.pth": "ab"}), ("evil.pth",)),
    "another Python": (replace(PLAIN, python="3.13"), SEEN, ("python",)),
}


@pytest.mark.parametrize(("other", "seen", "differ"), CASES.values(), ids=CASES)
def test_what_acts_on_either_is_compared_and_nothing_else(
    other: Environment, seen: Observed, differ: tuple[str, ...]
) -> None:
    assert environments.differing(PLAIN, SEEN, other, seen) == differ
    assert environments.differing(other, seen, PLAIN, SEEN) == differ
