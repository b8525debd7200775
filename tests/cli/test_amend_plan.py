"""`gitexp amend-plan` from the command line, and what its readers say of it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from gitexp.experiments.amend_plan import amend_plan
from gitexp.git.transaction import layout
from gitexp.model.plan import OnFailed, PlanSeeds, Terms
from gitexp.records import codec
from gitexp.records import plan as plan_format
from gitexp.records.terms import sealed
from tests.lab.records import START, Lab, experiment
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from gitexp.model.plan import Plan
    from tests.lab.build import BuiltRepo

WHY = "5 % of the old test set is 3 % of the new one"


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    """An experiment with runs."""
    found = Lab(repo)
    experiment(found, n=4, repeats=4)
    return found


def plan(lab: Lab) -> Plan:
    return plan_format.load(lab.repo.show(layout.plan_path("deep")).encode(), "plan")


def test_it_keeps_what_bound_before_who_changed_it_and_why(lab: Lab) -> None:
    before = plan(lab)
    done = gitexp(lab.repo, "amend-plan", "--effect", ">=3%", "--alpha", "0.01", "--why", WHY)
    assert done.code == 0, done.err
    assert done.out.startswith("amended deep: effect >=5% -> >=3%, alpha 0.05 -> 0.01\n")
    assert "2 runs under plan" in done.out
    after = plan(lab)
    (kept,) = after.amended
    assert kept.digest == before.digest != after.digest
    assert dict(kept.old) == {"effect": ">=5%", "alpha": 0.05}
    assert (kept.why, kept.by.name) == (WHY, "Ada Lovelace")
    assert after.hypothesis == before.hypothesis
    assert lab.repo.git("log", "-1", "--format=%s") == "gitexp amend-plan: deep"
    assert lab.repo.status() == []


def test_runs_from_before_are_those_of_another_plan_and_the_rules_let_it_through(lab: Lab) -> None:
    assert gitexp(lab.repo, "amend-plan", "deep", "--alpha", "0.01", "--why", WHY).code == 0
    compared = gitexp(lab.repo, "compare")
    assert compared.code in {3, 6}
    checked = gitexp(lab.repo, "check", "--json").json
    assert [item for item in checked["violations"] if item["rule"] == "R2"] == []
    (found,) = checked["plans"]
    assert (found["amended"], found["runs"], found["order"]) == (1, 0, "history")


def test_show_and_reports_say_that_it_was_amended(lab: Lab) -> None:
    gitexp(lab.repo, "amend-plan", "--alpha", "0.01", "--why", WHY)
    shown = gitexp(lab.repo, "show", "deep")
    assert "alpha was 0.05" in shown.out
    assert WHY in shown.out


def test_a_dry_run_writes_nothing(lab: Lab) -> None:
    before = lab.repo.hash()
    done = gitexp(lab.repo, "amend-plan", "--repeats", "8", "--why", WHY, "--dry-run", "--json")
    assert done.code == 0, done.err
    assert done.json["terms"] == [{"name": "repeats", "old": 4, "new": 8}]
    assert lab.repo.hash() == before


def test_guard_rails_are_given_all_at_once_and_can_be_taken_away(lab: Lab) -> None:
    arguments = ("amend-plan", "--why", WHY, "--guard")
    assert gitexp(lab.repo, *arguments, "loss<=+5%").code == 0
    assert len(plan(lab).guards) == 1
    assert gitexp(lab.repo, *arguments, "none").code == 0
    assert plan(lab).guards == ()
    assert len(plan(lab).amended) == 2


def test_a_stopping_rule_can_be_taken_away(lab: Lab) -> None:
    arguments = ("amend-plan", "--why", WHY, "--stopping")
    assert gitexp(lab.repo, *arguments, "pocock", "--looks", "2").code == 0
    assert plan(lab).stopping is not None
    assert gitexp(lab.repo, *arguments, "none").code == 0
    assert plan(lab).stopping is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--alpha", "0.01"), "reason"),
        (("--why", WHY), "nothing that binds"),
        (("--why", WHY, "--alpha", "0.05"), "nothing that binds"),
        (("--why", WHY, "--alpha", "7"), "alpha is no rate of false positives"),
        (("--why", WHY, "--effect", "good"), "effect"),
        (("--why", WHY, "--looks", "3"), "stopping rule"),
    ],
)
def test_what_makes_no_sense_is_refused(lab: Lab, arguments: tuple[str, ...], said: str) -> None:
    before = lab.repo.hash()
    done = gitexp(lab.repo, "amend-plan", *arguments)
    assert done.code in {2, 3}
    assert said in done.err
    assert lab.repo.hash() == before


def test_without_a_plan_there_is_nothing_to_amend(lab: Lab) -> None:
    lab.repo.switch("main")
    assert gitexp(lab.repo, "amend-plan", "--alpha", "0.01", "--why", WHY).code == 3


def test_a_new_name_says_what_it_costs_where_the_baselines_runs_do_not_have_it(lab: Lab) -> None:
    renamed = ("amend-plan", "--dry-run", "--why", WHY, "--metric")
    done = gitexp(lab.repo, *renamed, "f1_macro:max")
    assert done.code == 0, done.err
    assert "none of 4 recorded repeats of the baseline has f1_macro" in done.out
    assert "run --with-baseline makes 4 anew, about 12 s" in done.out
    assert len(gitexp(lab.repo, *renamed, "f1_macro:max", "--json").json["warnings"]) == 3
    assert "none of 4 recorded" not in gitexp(lab.repo, *renamed[:-1], "--alpha", "0.01").out


def test_without_a_plan_it_says_what_cannot_be_amended(lab: Lab) -> None:
    lab.repo.switch("main")
    done = gitexp(lab.repo, "amend-plan", "--alpha", "0.01", "--why", WHY)
    assert done.code == 3
    assert done.says("no-plan", "main has no plan, so there is nothing to amend")


@pytest.mark.sweep(3)
@pytest.mark.parametrize("since", ["", "comment", "other params", "merge of main", "started anew"])
def test_what_the_baseline_scored_beside_a_candidate_counts_for_no_amended_plan(
    lab: Lab, since: str
) -> None:
    """Whatever became of that candidate since, and for every verb."""
    assert gitexp(lab.repo, "status", "--json").json["baseline_counted"] == [0, 1, 2, 3]
    if since == "started anew":  # its run is on another branch alone
        lab.repo.git("branch", "kept")
        lab.repo.git("reset", "--quiet", "--hard", "HEAD~1")
    amend_plan(lab.repo.workspace, None, Terms(effect=">=3%"), why=WHY, now=START)
    if since == "comment":
        lab.repo.commit({"train.py": "print(1)  # a comment\n"}, at=lab.tick())
    elif since == "other params":
        lab.change(depth=4)
    elif since == "merge of main":
        lab.repo.switch("main")
        lab.repo.commit({"other.py": "print(2)\n"}, at=lab.tick())
        lab.repo.switch("exp/deep")
        lab.repo.git("merge", "--quiet", "--no-edit", "main")
    status = gitexp(lab.repo, "status")
    assert " 0 of 4 count" in status.out
    assert "4 repeats of the baseline: seen beside a candidate before the plan was" in status.out
    assert "next: gitexp run --with-baseline" in status.out
    assert gitexp(lab.repo, "status", "--json").json["baseline_counted"] == []
    lab.record("d", {"f1": dict.fromkeys(range(4, 8), 0.7)}, plan=plan(lab))
    compared = gitexp(lab.repo, "compare")
    assert compared.says("no-samples", "seen beside a candidate before the plan was amended")
    for verb in ("--with-baseline",), ("--at", plan(lab).baseline.commit):
        planned = gitexp(lab.repo, "run", "--dry-run", "--json", *verb).json["planned"]
        (side,) = (each for each in planned if each["side"] == "baseline")
        assert (side["counting"], side["seeds"]) == ([], [4, 5, 6, 7])
    runs = gitexp(lab.repo, "show", "deep", "--json").json["runs"]
    assert [run["counts"] for run in runs if run["counts"]] == [[4, 5, 6, 7]]


def test_what_drops_a_seed_that_always_fails_says_its_price_and_asks_for_enough(
    repo: BuiltRepo,
) -> None:
    lab = Lab(repo)
    lab.init()
    drawn = lab.plan("bad", effect=">0", repeats=8, rules=2)
    drawn = sealed(replace(drawn, seeds=PlanSeeds("5" * 32)))
    repo.commit({layout.plan_path("bad"): codec.dump(drawn)}, at=lab.tick(), message="plan")
    lab.change()
    few = gitexp(repo, "amend-plan", "--repeats", "4", "--why", "less", "--dry-run").out
    assert "4 repeats a side cannot decide at alpha = 0.05" in few
    assert "--repeats 5 would do" in few
    assert few.splitlines()[-1].split(maxsplit=1) == ["next:", "the same with --repeats 5"]
    assert (
        "warning" not in gitexp(repo, "amend-plan", "--repeats", "5", "--why", WHY, "--dry-run").out
    )

    def record(terms: Plan, letters: str, skipped: int) -> None:
        assert terms.drawn is not None
        every = list(itertools.islice(terms.drawn.sequence(), skipped + terms.repeats))[skipped:]
        low = {seed: 0.6 + 0.001 * (seed % 7) for seed in every}
        high = {seed: value + 0.05 + 0.0001 * (seed % 5) for seed, value in low.items()}
        good = dict(list(low.items())[2:])
        lab.record(letters[0], {"f1": good}, of="main", plan=terms, failed=every[:2], call="one")
        lab.record(letters[1], {"f1": high}, plan=terms, call="one")
        lab.record(letters[2], {"f1": {}}, of="main", plan=terms, failed=every[:2], call="two")

    record(drawn, "bcd", 0)
    step = gitexp(repo, "compare").out
    price = "(p times 6, 14 finished repeats will not count)"
    assert f"amend-plan --on-failed drop --repeats 11 --why TEXT {price}" in step
    drop = ("amend-plan", "--on-failed", "drop", "--why", "lr .1 diverges")
    for more in (("--dry-run",), ("--repeats", "11", "--dry-run")):
        said = gitexp(repo, *drop, *more).out
        assert "14 finished repeats that counted count no more" in said
        assert "p will be multiplied by 6" in said
        assert ("7 are needed, which --repeats 11 leave" in said) is ("--repeats" not in more)
    terms, when = Terms(on_failed=OnFailed.DROP, repeats=11), START + timedelta(minutes=lab.tick())
    record(amend_plan(repo.workspace, None, terms, why=WHY, now=when).plan, "efg", 8)
    assert gitexp(repo, "compare").out.startswith("SUPPORTED")
