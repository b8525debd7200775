"""Other experiments on the same data: the p that decides is Holm's over all of them."""

from __future__ import annotations

import hashlib
import itertools
import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import compare
from gitexp.comparison.power import power
from gitexp.errors import UsageError
from gitexp.execution.run import run
from gitexp.experiments.amend_plan import amend_plan
from gitexp.experiments.archive import archive
from gitexp.experiments.conclude import conclude
from gitexp.experiments.new import new
from gitexp.experiments.rename import rename
from gitexp.git.repository import open_repository
from gitexp.git.transaction import layout
from gitexp.model.comparison import Comparison, Sibling, Siblings
from gitexp.model.design import PowerRequest
from gitexp.model.ids import CommitHash, EvaluationDigest
from gitexp.model.plan import OnFailed, PlanSeeds, Terms, Verdict
from gitexp.model.request import NewRequest, RunRequest
from gitexp.model.run import RepeatState
from gitexp.records import codec, terms
from gitexp.report.answers.plans import power as power_sheet
from gitexp.report.comparisons import text as render
from gitexp.report.sheet import PLAIN, text
from gitexp.store.plan_files import plans_in
from gitexp.text.jsontext import json_dumps_compact
from gitexp.views.show import show
from gitexp.views.status import status
from tests.lab import build
from tests.lab.records import CONFIG, EVALUATION, START, Lab, one

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gitexp.model.plan import Plan
    from tests.lab.build import BuiltRepo

REPEATS = 6  # all of which have to agree: the smallest p is 1/64
OTHER = EvaluationDigest("d" * 64)


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    made = Lab(repo)
    made.init()
    return made


def begin(  # noqa: PLR0913  what an experiment may differ in
    lab: Lab,
    name: str,
    depth: int,
    *,
    gain: float = 0.05,
    effect: str = ">0",
    start: str = "main",
    evaluation: str = EVALUATION,
    rules: int = 2,
) -> Plan:
    """Make a whole experiment on seeds of its own; its branch is checked out then."""
    lab.repo.switch(start)
    plan = lab.plan(name, effect=effect, repeats=REPEATS, rules=rules, baseline=start)
    plan = terms.sealed(replace(plan, seeds=PlanSeeds(f"{depth:032x}")))
    lab.repo.commit({layout.plan_path(name): codec.dump(plan)}, at=lab.tick(), message="plan")
    lab.change(depth)
    assert plan.drawn is not None
    seeds = list(itertools.islice(plan.drawn.sequence(), REPEATS))
    low = {seed: 0.6 + 0.001 * (seed % 7) for seed in seeds}
    high = {seed: value + gain + 0.0001 * (seed % 5 - 2) for seed, value in low.items()}
    left, right = (chr(ord("a") + 2 * (depth - 3) + side) for side in (0, 1))
    for letter, values, of in ((left, low, start), (right, high, "HEAD")):
        lab.record(
            letter, {"f1": values}, of=of, plan=plan, evaluation=evaluation, call=f"call-{name}"
        )
    return plan


def names(result: Comparison) -> tuple[str, ...]:
    return () if result.siblings is None else tuple(s.name for s in result.siblings.experiments)


def test_the_p_that_decides_is_holms_over_all_that_have_a_result(lab: Lab) -> None:
    begin(lab, "one", 3)
    alone = one(lab)
    assert (alone.verdict, alone.siblings) == (Verdict.SUPPORTED, None)
    begin(lab, "two", 4)
    lab.repo.switch("main")
    lab.plan("idea", rules=2)  # nothing was run: no chance of a yes
    for name, other in (("one", "two"), ("two", "one")):
        result = one(lab, name)
        assert result.verdict is Verdict.SUPPORTED
        assert names(result) == (other,)
        assert result.metrics[0].p_adjusted == pytest.approx(2 / 64)
        assert "p = 0.016 alone; 1 of 2 on the same data, Holm p = 0.031" in result.headline


def test_a_sibling_whose_branch_git_renamed_is_one_still(lab: Lab) -> None:
    begin(lab, "one", 3)
    begin(lab, "two", 4)
    lab.repo.git("branch", "-m", "exp/one", "exp/uno")
    assert names(one(lab, "two")) == ("one",)
    assert names(one(lab, "one")) == names(one(lab, "exp/uno")) == ("two",)


def test_a_yes_that_is_none_among_its_siblings_is_open(lab: Lab) -> None:
    for number, name in enumerate(("one", "two", "three", "four")):
        begin(lab, name, 3 + number, gain=0.0 if name == "three" else 0.05)
    result = one(lab)
    assert (result.verdict, result.exit_code) == (Verdict.INCONCLUSIVE, 6)
    assert names(result) == ("one", "three", "two")
    assert result.headline.startswith("not shown that f1 rises: +")
    assert result.metrics[0].interval is None, "no outcome of six pairs excludes a value"
    assert "p = 0.016 alone; 1 of 4 on the same data, Holm p = 0.062, alpha" in result.headline
    assert "3 other experiments on the same data (one, three, two)" in render((result,), PLAIN)
    data = codec.dump(result)
    assert codec.load(Comparison, data, "here").siblings == result.siblings


def test_the_interval_pays_for_siblings_as_p_does(lab: Lab) -> None:
    begin(lab, "one", 3)
    before = one(lab).metrics[0].interval
    begin(lab, "two", 4)
    after = one(lab, "one").metrics[0].interval
    assert before is not None
    assert after is not None
    assert (before.confidence, after.confidence) == (pytest.approx(0.9), pytest.approx(0.95))
    assert after.low is not None
    assert after.low > 0, "as the verdict is a yes"


def test_what_a_design_finds_pays_for_siblings_too(lab: Lab) -> None:
    begin(lab, "one", 3)
    before = one(lab).detectable
    begin(lab, "two", 4)
    after = one(lab, "one").detectable
    assert before is not None
    assert after is not None
    assert after.distance > before.distance
    begin(lab, "three", 5)
    begin(lab, "four", 6)
    assert one(lab, "one").detectable is None, "no outcome of six pairs reaches alpha / 4"


def test_of_several_in_one_call_each_counts_once(lab: Lab) -> None:
    for number, name in enumerate(("one", "two", "three")):
        begin(lab, name, 3 + number)
    both = compare(lab.repo.workspace, ["main", "one", "two"], now=START)
    assert [names(result) for result in both] == [("three",), ("three",)]
    assert [result.metrics[0].p_adjusted for result in both] == pytest.approx([3 / 64] * 2)


def test_data_set_experiments_apart_where_baselines_differ(lab: Lab) -> None:
    begin(lab, "one", 3)
    lab.repo.switch("main")
    lab.repo.commit({"train.py": "print('another')\n"}, at=lab.tick(), message="moved on")
    begin(lab, "two", 4, evaluation=OTHER)
    assert one(lab).siblings is None
    begin(lab, "three", 5)
    assert names(one(lab)) == ("one", "two")  # the data of one, the baseline of two


def test_a_supported_and_merged_experiment_begins_a_new_family(lab: Lab) -> None:
    begin(lab, "one", 3)
    begin(lab, "lost", 4, gain=0.0)
    conclude(lab.repo.workspace, words="no", now=START)
    lab.repo.switch("exp/one")
    conclude(lab.repo.workspace, words="yes, but it was one of two", now=START)
    lab.repo.switch("main")
    lab.repo.git("merge", "--no-ff", "-q", "-m", "merge", "exp/one")
    begin(lab, "next", 5)
    assert one(lab).siblings is None
    assert names(one(lab, "lost")) == ("one",)


@pytest.mark.parametrize("way", ["a copy", "another metric", "no runs"])
def test_what_is_no_progress_on_the_metric_begins_no_family(lab: Lab, way: str) -> None:
    begin(lab, "one", 3)
    conclude(lab.repo.workspace, words="yes", now=START)
    lab.repo.switch("main")
    left_out = [":!.gitexp/runs"] if way == "no runs" else []
    lab.repo.git("restore", "--source=exp/one", "-SW", "--", ".gitexp", *left_out)
    files = lab.repo.path / ".gitexp"
    if way == "a copy":
        text = (files / "conclusions/one.yaml").read_text()
        (files / "conclusions/two.yaml").write_text(text)
        (files / "conclusions/one.yaml").unlink()
    elif way == "another metric":
        for file in (files / "conclusions/one.yaml", files / "experiments/one.yaml"):
            file.write_text(file.read_text().replace("metric: f1", "metric: size"))
    lab.repo.git("add", "--all")
    lab.repo.commit(at=lab.tick(), message="chore")
    begin(lab, "next", 5)
    assert names(one(lab)) == ("one",)


def test_a_merged_or_archived_experiment_that_was_not_supported_still_counts(lab: Lab) -> None:
    begin(lab, "one", 3, gain=0.0)
    conclude(lab.repo.workspace, words="nothing", now=START)
    lab.repo.switch("main")
    lab.repo.git("restore", "--source=exp/one", "-SW", "--", ".gitexp")
    lab.repo.commit(at=lab.tick(), message="what was learned")
    lab.repo.git("branch", "-D", "exp/one")
    begin(lab, "two", 4)
    lab.repo.switch("main")
    archive(lab.repo.workspace, "two", now=START)
    begin(lab, "three", 5)
    assert names(one(lab)) == ("one", "two")


def test_a_conclusion_keeps_its_family_and_names_newcomers(lab: Lab) -> None:
    for number, name in enumerate(("one", "two")):
        begin(lab, name, 3 + number)
    concluded = conclude(lab.repo.workspace, words="it rose", now=START).conclusion.comparison
    assert names(concluded) == ("one",)
    for number, name in enumerate(("three", "four", "five")):
        begin(lab, name, 5 + number)
    again = one(lab, "two")
    assert again.verdict is Verdict.SUPPORTED
    assert again.siblings is not None
    assert (names(again), again.siblings.newer) == (("one",), ("five", "four", "three"))
    assert "since the conclusion, and not counted: five, four, three" in render((again,), PLAIN)
    assert one(lab, "five").verdict is Verdict.INCONCLUSIVE


def test_what_pays_as_a_try_pays_once(lab: Lab) -> None:
    begin(lab, "one", 3, gain=0.0)
    lab.repo.switch("main")
    plan = begin_same(lab, "again")
    result = one(lab)
    assert (result.plan, result.siblings) == (plan, None)
    assert result.selection is not None


def begin_same(lab: Lab, name: str) -> Plan:
    """Make another experiment of the inputs of the first one, on its own seeds."""
    plan = begin(lab, name, 4)
    lab.repo.git("reset", "-q", "--hard", "HEAD~3")
    lab.change(3)
    assert plan.drawn is not None
    seeds = list(itertools.islice(plan.drawn.sequence(), REPEATS))
    low = {seed: 0.6 + 0.001 * (seed % 7) for seed in seeds}
    high = {seed: value + 0.05 + 0.0001 * (seed % 5) for seed, value in low.items()}
    lab.record("x", {"f1": low}, of="main", plan=plan, call="call")
    lab.record("y", {"f1": high}, plan=plan, call="call")
    return plan


@pytest.mark.parametrize(
    "way", ["branch renamed", "plan deleted", "settings broken", "name reused", "winner's code"]
)
def test_nothing_done_to_a_loser_afterwards_takes_it_out_of_the_family(lab: Lab, way: str) -> None:
    loser = begin(lab, "one", 3, gain=0.0)
    match way:
        case "branch renamed":
            lab.repo.git("branch", "-m", "exp/one", "exp/old-one")
        case "plan deleted":
            lab.repo.git("rm", "-q", layout.plan_path("one"))
            lab.repo.commit(at=lab.tick(), message="tidy")
        case "settings broken":
            lab.repo.commit({layout.CONFIG: "metrics: [\n"}, at=lab.tick(), message="settings")
        case "name reused":
            rename(lab.repo.workspace, "one", "first")
    name = "one" if way == "name reused" else "two"
    begin(lab, name, 4)
    if way == "winner's code":
        lab.repo.switch("exp/one")
        assert loser.drawn is not None
        lab.change(4)
        lab.record("x", {"f1": {next(loser.drawn.sequence()): 0.7}}, plan=loser, call="late")
        lab.repo.switch("exp/two")
    assert names(one(lab, name)) == ("first" if way == "name reused" else "one",)


def test_a_loser_that_was_stopped_once_its_score_was_seen_is_one_of_them(lab: Lab) -> None:
    plan = begin(lab, "one", 3)
    lab.repo.switch("main")
    other = lab.plan("two", effect=">0", repeats=REPEATS, rules=2)
    other = terms.sealed(replace(other, seeds=PlanSeeds(f"{4:032x}")))
    lab.repo.commit({layout.plan_path("two"): codec.dump(other)}, at=lab.tick(), message="plan")
    lab.change(4)
    assert other.drawn is not None
    seed = next(other.drawn.sequence())
    lab.record("x", {"f1": {}}, plan=other, call="stopped", failed=[seed])
    assert one(lab, "one").siblings is None, "it failed, and nobody saw a score"
    lab.change(5)
    watched = replace(lab, ended=(RepeatState.LOST, "nobody knows"))
    watched.record("y", {"f1": {}}, plan=other, call="watched", failed=[seed])
    assert names(one(lab, "one")) == ("two",)
    assert one(lab, "one").plan == plan


def test_data_that_nothing_tells_apart_are_the_same(lab: Lab) -> None:
    """As where main moves on by a comment between one idea and the next."""
    begin(lab, "one", 3, gain=0.0, evaluation="")
    lab.repo.switch("main")
    lab.repo.commit(
        {"train.py": "print('train')  # one did not help\n"}, at=lab.tick(), message="c"
    )
    begin(lab, "two", 4, evaluation="")
    assert names(one(lab)) == ("one",)


def test_that_nothing_is_worse_by_half_ends_no_family(lab: Lab) -> None:
    begin(lab, "lost", 3, gain=0.0)
    begin(lab, "noop", 4, effect=">=-50%")
    assert conclude(lab.repo.workspace, words="not worse", now=START).conclusion.verdict is (
        Verdict.SUPPORTED
    )
    lab.repo.switch("main")
    lab.repo.git("merge", "--no-ff", "-q", "-m", "merge", "exp/noop")
    begin(lab, "next", 5)
    assert names(one(lab)) == ("lost", "noop")


def test_a_loser_that_is_amended_to_what_is_true_anyway_gives_no_place_back(lab: Lab) -> None:
    plan = begin(lab, "lost", 3, gain=0.0)
    lab.repo.switch("exp/lost")
    amend_plan(lab.repo.workspace, None, Terms(effect=">=-50%"), why="it is not worse", now=START)
    (amended,) = plans_in(
        open_repository(lab.repo.workspace).tree(CommitHash(lab.repo.hash("HEAD")))
    )
    assert plan.drawn is not None
    seeds = list(itertools.islice(plan.drawn.sequence(), REPEATS))
    for letter, of in (("x", "main"), ("y", "HEAD")):
        values = {seed: 0.6 + 0.001 * (seed % 7) for seed in seeds}
        lab.record(letter, {"f1": values}, of=of, plan=amended, call="call-again")
    begin(lab, "two", 4)
    assert one(lab, "two").siblings == Siblings((Sibling("lost", 1.0, 1.0),))


def test_a_conclusion_of_fewer_repeats_keeps_no_family(lab: Lab) -> None:
    plan = lab.plan("two", effect=">0", repeats=REPEATS, rules=2)
    plan = terms.sealed(replace(plan, seeds=PlanSeeds(f"{4:032x}")))
    lab.repo.commit({layout.plan_path("two"): codec.dump(plan)}, at=lab.tick(), message="plan")
    lab.change(4)
    assert plan.drawn is not None
    seeds = list(itertools.islice(plan.drawn.sequence(), REPEATS))
    values = {seed: 0.6 + 0.001 * (seed % 7) for seed in seeds}
    lab.record("u", {"f1": values}, of="main", plan=plan, call="call")
    lab.record("v", {"f1": {seeds[0]: 0.7}}, plan=plan, call="call")
    conclude(lab.repo.workspace, words="no time", now=START + timedelta(minutes=lab.tick()))
    begin(lab, "one", 3)
    lab.repo.switch("exp/two")
    lab.record("w", {"f1": {s: 0.1 + values[s] for s in seeds[1:]}}, of="HEAD~3", plan=plan)
    found = one(lab, "two")
    assert (found.pairs, found.siblings) == (REPEATS, Siblings((Sibling("one", 1 / 64, 1.0),)))


def test_what_ran_before_a_conclusion_that_did_not_know_it_is_said_in_line_1(
    lab: Lab, tmp_path: Path
) -> None:
    begin(lab, "one", 3)
    begin(lab, "two", 4)
    other = build.clone(lab.repo, tmp_path / "other", "--no-local")
    other.git("switch", "-q", "-C", "exp/one", "origin/exp/one")
    other.git("branch", "-q", "-D", "exp/two")
    assert (
        conclude(
            other.workspace, words="it rose", now=START + timedelta(minutes=lab.tick())
        ).conclusion.comparison.siblings
        is None
    )
    lab.repo.git("fetch", "-q", str(other.path), "exp/one:exp/one")
    begin(lab, "three", 5)
    found = one(lab, "one")
    assert found.siblings == Siblings((), ("three",), ("two",))
    assert "1 before it on the same data not counted" in found.headline
    assert "unknown where it was reached: two" in render((found,), PLAIN)


def test_plans_of_older_rules_are_judged_as_ever(lab: Lab) -> None:
    begin(lab, "one", 3)
    begin(lab, "two", 4, rules=1)
    assert one(lab).siblings is None
    assert names(one(lab, "one")) == ("two",)


def test_what_a_fetch_brought_is_no_sibling(lab: Lab, tmp_path: Path) -> None:
    begin(lab, "one", 3)
    before = render((one(lab),), PLAIN)
    other = build.clone(lab.repo, tmp_path / "other", "--no-local")
    theirs = Lab(other, clock=lab.clock)
    other.git("switch", "-q", "-c", "main", "origin/main")
    begin(theirs, "two", 4)
    lab.repo.git("remote", "add", "them", str(other.path))
    lab.repo.git("fetch", "-q", "them", "exp/two:refs/remotes/them/exp/two")
    assert render((one(lab),), PLAIN) == before


def test_a_broken_sibling_stops_nobody(lab: Lab) -> None:
    begin(lab, "one", 3)
    begin(lab, "two", 4)
    lab.repo.commit({layout.plan_path("two"): "no: plan\n"}, at=lab.tick(), message="broken")
    assert one(lab, "one").siblings == Siblings((Sibling("two", 1 / 64, 1.0),))


def three(lab: Lab, name: str, repeats: int) -> NewRequest:
    """Make three experiments, and ask for a fourth."""
    for number, each in enumerate(("one", "two", "three")):
        if each not in lab.repo.git("branch"):
            begin(lab, each, 3 + number)
    lab.repo.switch("main")
    return NewRequest(
        name=name,
        hypothesis="A deeper model raises F1 at all.",
        metric="f1",
        effect=">0",
        repeats=repeats,
        dry_run=True,
    )


def moved(lab: Lab, files: dict[str, str]) -> None:
    """Let main move on."""
    lab.repo.switch("main")
    lab.repo.commit(files, at=lab.tick(), message="moved on")


DECLARED = replace(CONFIG, evaluation=("test.csv",))
TESTED = "x,y\n"


def digest_of(text: str) -> str:
    """Return the identity of what the settings declare, as a run records it."""
    rows = [["test.csv", hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()]]
    return hashlib.sha256(json_dumps_compact(rows)).hexdigest()


@pytest.mark.sweep(3)
@pytest.mark.parametrize(
    ("way", "known", "counted"),
    [
        ("nothing tells", "", ("one",)),
        ("the same declared file", TESTED, ("one",)),
        ("another declared file", "x,z\n", ()),
        ("not tracked", "", ("one",)),
        ("baseline's repeats elsewhere", "", ()),
        ("one repeat elsewhere", "", ("one",)),
    ],
)
def test_what_is_planned_has_the_siblings_that_compare_will_count(
    lab: Lab, way: str, known: str, counted: tuple[str, ...]
) -> None:
    declared = "declared" in way or way == "not tracked"
    if declared:
        lab.init(DECLARED, {"test.csv": TESTED})
    lab = replace(lab, basis="evaluation" if declared else "predictions")
    first = digest_of(TESTED) if declared else "" if way == "nothing tells" else EVALUATION
    begin(lab, "one", 3, gain=0.0, evaluation=first)
    moved(lab, {"train.py": "print('train')  # again\n", **({"test.csv": known} if known else {})})
    if way == "not tracked":
        lab.repo.git("rm", "-q", "test.csv")
        lab.repo.commit(at=lab.tick(), message="kept elsewhere")
    if "elsewhere" in way:
        seeds = range(900, 901 if way.startswith("one") else 903)
        lab.record("z", {"f1": {s: 0.6 + s / 1e5 for s in seeds}}, evaluation=OTHER)
    request = NewRequest(
        name="next",
        hypothesis="A deeper model raises F1 at all.",
        metric="f1",
        effect=">0",
        repeats=REPEATS,
        dry_run=True,
    )
    said = " ".join(new(lab.repo.workspace, request, now=START).warnings)
    assert ("has results on this baseline's data" in said) is bool(counted)
    asked = power(lab.repo.workspace, PowerRequest(metric="f1", effect=">0", sd=0.01))
    assert any("alpha / 2" in each for each in asked.assumed) is bool(counted)
    later = {"the same": digest_of(TESTED), "another": digest_of(known)}.get(way[:8].strip(), "")
    later = OTHER if way == "baseline's repeats elsewhere" else later
    begin(lab, "two", 4, evaluation=later)
    assert names(one(lab)) == counted


def test_a_baseline_that_moved_on_past_a_win_has_a_new_family_before_there_is_a_result(
    lab: Lab,
) -> None:
    begin(lab, "one", 3)
    conclude(lab.repo.workspace, words="yes", now=START)
    lab.repo.switch("main")
    lab.repo.git("merge", "--no-ff", "-q", "-m", "merge", "exp/one")
    found = power(lab.repo.workspace, PowerRequest(metric="f1", effect=">0", sd=0.01))
    assert not [each for each in found.assumed if "alpha /" in each]


def test_new_says_with_whom_a_plan_will_share_alpha_and_refuses_too_few(lab: Lab) -> None:
    asked = three(lab, "next", 7)
    said = " ".join(new(lab.repo.workspace, asked, now=START).warnings)
    assert "one, three, two have results on this baseline's data" in said
    assert "Holm's over 4" in said
    with pytest.raises(UsageError, match="6 pairs cannot show anything here") as error:
        new(lab.repo.workspace, replace(asked, repeats=6), now=START)
    assert error.value.next_step == "the same with --repeats 7"
    assert "Holm's over 4" in (error.value.found or "")
    # What could not decide alone is said by the line on power, as ever.
    assert new(lab.repo.workspace, replace(asked, repeats=2), now=START).power is not None


def test_run_says_that_a_plan_can_no_longer_be_a_yes_among_experiments_that_came_later(
    lab: Lab,
) -> None:
    three(lab, "later", REPEATS)
    lab.repo.switch("main")
    plan = lab.plan("early", effect=">0", repeats=REPEATS, rules=2, baseline="main")
    plan = terms.sealed(replace(plan, seeds=PlanSeeds(f"{9:032x}")))
    lab.repo.commit({layout.plan_path("early"): codec.dump(plan)}, at=lab.tick(), message="plan")
    lab.change(9)
    said = " ".join(run(lab.repo.workspace, RunRequest(dry_run=True)).warnings)
    assert "6 repeats a side cannot decide at alpha = 0.05: pairs of them reach" in said
    assert "p = 0.062 at best, times 4 experiments with results on this data; 6 are planned" in said
    assert "gitexp amend-plan --repeats 7 --why TEXT" in said


@pytest.mark.parametrize("ran", [False, True])
def test_the_number_that_run_and_compare_name_decides(lab: Lab, *, ran: bool) -> None:
    """It pays for siblings, and after a look for the amendment itself."""
    begin(lab, "one", 3, gain=0.0)
    lab.repo.switch("main")
    plan = lab.plan("few", effect=">0", repeats=3, rules=2)
    plan = terms.sealed(replace(plan, seeds=PlanSeeds(f"{9:032x}")))
    lab.repo.commit({layout.plan_path("few"): codec.dump(plan)}, at=lab.tick(), message="plan")
    lab.change(9)
    said = " ".join(run(lab.repo.workspace, RunRequest(dry_run=True)).warnings)
    assert "amend-plan --repeats 6 --why" in said, "1 / 64 is below alpha / 2"
    needed = 6
    if ran:
        complete(lab, plan, "pq")
        found = one(lab)
        assert found.verdict is Verdict.UNDECIDABLE
        assert "gitexp amend-plan --repeats 8" in found.next_step, "1 / 256, below alpha / 2 / 6"
        needed = 8
    for repeats in (needed - 1, needed):
        where = lab.repo.hash("HEAD")
        when = START + timedelta(minutes=lab.tick())
        amend_plan(lab.repo.workspace, None, Terms(repeats=repeats), why="said so", now=when)
        amended = planned(lab, "few")
        said = " ".join(run(lab.repo.workspace, RunRequest(dry_run=True)).warnings)
        assert ("cannot decide" in said) is (repeats < needed)
        complete(lab, amended, "rs" if repeats < needed else "uv")
        assert (one(lab).verdict is Verdict.SUPPORTED) is (repeats == needed)
        if repeats < needed:
            lab.repo.git("reset", "-q", "--hard", where)


def planned(lab: Lab, name: str) -> Plan:
    """Return the plan of a name as it stands on the current branch."""
    tree = open_repository(lab.repo.workspace).tree(CommitHash(lab.repo.hash("HEAD")))
    return next(each for each in plans_in(tree) if each.name == name)


def best(seed: int, side: int) -> dict[str, float]:
    """Return the best outcome there is."""
    return {"f1": 0.6 + 0.001 * (seed % 7) + side * (0.05 + 0.0001 * (seed % 5 - 2))}


def still(seed: int, side: int) -> dict[str, float]:
    return {"f1": 0.6 + side / 10, "loss": 0.3 + seed % 1009 / 1e5}


def full(seed: int, side: int) -> dict[str, float]:
    return still(seed, side) | {"f1": 1.0}


def idle(_seed: int, side: int) -> dict[str, float]:
    return {"f1": 0.6 + side / 10}


def complete(
    lab: Lab,
    plan: Plan,
    letters: str,
    make: Callable[[int, int], dict[str, float]] = best,
    failed: int = 0,
) -> None:
    """Record all repeats of a plan; so many of the candidate's fail."""
    assert plan.drawn is not None
    spent = {
        int(row.split(",")[1])
        for file in lab.repo.path.glob(".gitexp/runs/*/*/samples.csv")
        for row in file.read_text().splitlines()
        if row.startswith("f1,")
    }
    fresh = (seed for seed in plan.drawn.sequence() if seed not in spent)
    seeds = list(itertools.islice(fresh, plan.repeats))
    for side, (letter, of) in enumerate(zip(letters, ("main", "HEAD"), strict=True)):
        values: dict[str, dict[int, float]] = {}
        bad = seeds[:failed] if side else []
        for seed in seeds[len(bad) :]:
            for metric, value in make(seed, side).items():
                values.setdefault(metric, {})[seed] = value
        lab.record(letter, values, of=of, plan=plan, call=f"call-{letters}", failed=bad)


@pytest.mark.sweep
@pytest.mark.parametrize("place", [1, 2, 3])
@pytest.mark.parametrize(
    ("make", "repeats", "failed", "amended"),
    [
        (best, 3, 0, True),
        (best, 6, 4, True),
        (still, 3, 0, False),
        (still, 6, 0, False),
        (still, 6, 2, False),
        (full, 6, 0, False),
        (idle, 6, 0, False),
    ],
)
def test_more_repeats_are_proposed_once_and_only_where_they_can_decide(  # noqa: PLR0913  a table
    lab: Lab,
    make: Callable[[int, int], dict[str, float]],
    repeats: int,
    failed: int,
    place: int,
    *,
    amended: bool,
) -> None:
    """What `next` proposes leads to another answer, and never to itself with one repeat more."""
    for number in range(1, place):
        begin(lab, f"other{number}", 3 + number, gain=0.0)
    lab.repo.switch("main")
    plan = lab.plan("few", effect=">0", repeats=repeats, rules=2, on_failed=OnFailed.DROP)
    plan = terms.sealed(replace(plan, seeds=PlanSeeds(f"{9:032x}")))
    lab.repo.commit({layout.plan_path("few"): codec.dump(plan)}, at=lab.tick(), message="plan")
    lab.change(9)
    seen, found = [], None
    for letters in ("pq", "rs", "uv"):
        complete(lab, planned(lab, "few"), letters, make, failed if letters == "pq" else 0)
        found = one(lab)
        asked = re.search(r"amend-plan --repeats (\d+)", found.next_step)
        seen.append(found.next_step)
        if asked is None:
            break
        assert make is best, found.next_step
        when = START + timedelta(minutes=lab.tick())
        amend_plan(lab.repo.workspace, None, Terms(repeats=int(asked[1])), why="so", now=when)
    assert len(seen) == 1 + amended, seen
    assert found is not None
    assert (found.verdict is Verdict.SUPPORTED) is amended
    assert amended or not any("would do" in text for text in found.reasons), found.reasons
    said = re.search("finer metric|GITEXP_SEED|^gitexp conclude", found.next_step)
    assert said is not None, found.next_step


def test_power_plans_for_the_worst_place_among_siblings(lab: Lab) -> None:
    asked = PowerRequest(metric="f1", effect=">0", expect="0.002", sd=0.002)
    begin(lab, "one", 3)
    again = power(lab.repo.workspace, replace(asked, name="one", n=8))  # its next try
    lab.repo.switch("main")
    first = power(lab.repo.workspace, asked)
    four = three(lab, "next", 10)
    found = power(lab.repo.workspace, asked)
    numbers = [each.support.needed or 0 for each in (first, again, found)]
    assert 0 < numbers[0] < min(numbers[1:])
    assert [each for each in again.assumed if "alpha /" in each] == [
        "alpha / 6: this would be the next try, and others had results"
    ], "it is no sibling of its own"
    said = "alpha / 4: one, three, two have results on this baseline's data (Holm)"
    assert said in found.assumed
    unasked = power(lab.repo.workspace, PowerRequest(name="one", sd=0.002, n=6))
    assert unasked.support.least is not None, "1 / 64 is below alpha / 3"
    unasked = power(lab.repo.workspace, PowerRequest(name="one", sd=0.002, n=7))
    assert "--repeats 9" in unasked.next_step, "1 / 2^9 is the first below alpha / 3 / 6"
    planned = new(lab.repo.workspace, four, now=START).power
    assert planned is not None
    assert said in planned.assumed


def test_power_of_a_plan_is_that_of_the_plan_as_it_stands(lab: Lab) -> None:
    asked = PowerRequest(expect="0.002", sd=0.002)
    lab.plan("idea", effect=">0", repeats=REPEATS, rules=2)
    once = power(lab.repo.workspace, asked)
    plan = begin(lab, "one", 3)
    again = power(lab.repo.workspace, asked)
    assert again.support.chance == once.support.chance, "its own repeats are no other try"
    assert (once.again, again.again) == (0, 6), "more than the planned ones are of one"
    said = "its next try: alpha / 6, 7 repeats at least"
    assert [each.endswith(said) for each in again.assumed].count(True) == 1
    unasked = power(lab.repo.workspace, PowerRequest(sd=0.002))
    assert "; or gitexp compare; to go on: gitexp new NAME --baseline main" in unasked.next_step
    assert "--repeats 7" in unasked.next_step
    more = power(lab.repo.workspace, replace(asked, n=REPEATS + 1))
    likely = power(lab.repo.workspace, replace(asked, expect="0.001"))
    assert "gitexp new NAME --baseline main" in likely.next_step
    lab.change(5)
    other = power(lab.repo.workspace, replace(asked, n=plan.repeats))
    assert 0 < (once.support.needed or 0) < (other.support.needed or 0)
    assert more.support.needed == other.support.needed == again.support.needed
    assert f"--repeats {again.support.needed} " in again.next_step
    assert "alpha / 6: tries before this one had results" in other.assumed


def test_the_next_step_of_a_plan_without_results_is_of_this_plan(lab: Lab) -> None:
    lab.plan("idea", effect=">0", repeats=4, rules=2)
    lab.change(4)
    lab.repo.switch("main")
    with pytest.raises(UsageError) as caught:
        power(lab.repo.workspace, PowerRequest(name="idea"))
    assert caught.value.next_step == "gitexp power idea --sd 0.01"
    few = power(lab.repo.workspace, PowerRequest(name="idea", sd=0.01))
    assert few.next_step.endswith("; or gitexp amend-plan idea --repeats 5 --why TEXT")
    plan = lab.plan("other", effect=">0", repeats=5, rules=2)
    lab.change(5)
    enough = power(lab.repo.workspace, PowerRequest(sd=0.01))
    assert plan.repeats == 5
    assert enough.next_step.endswith("; or gitexp run --with-baseline")


def blurred(seed: int, side: int) -> dict[str, float]:
    """Return values whose pairs differ by nothing but noise, and by much of that."""
    return {"f1": 0.6 + 0.001 * (seed % 7) + side * 0.01 * (seed % 5 - 2)}


@pytest.mark.sweep
@pytest.mark.parametrize("others", [0, 1, 2])
@pytest.mark.parametrize("drawn", [True, False])
@pytest.mark.parametrize("effect", ["+-0.005", ">=1%"])
def test_every_verb_names_one_number_of_repeats_for_another_plan(
    lab: Lab, effect: str, others: int, *, drawn: bool
) -> None:
    """Alone, in a call of all, by `power` and with `next`: what a next plan shares and pays."""
    for number in range(others):
        begin(lab, f"other{number}", 4 + number, gain=0.0)
    lab.repo.switch("main")
    plan = lab.plan("open", effect=effect, repeats=8, rules=2)
    spaces = PlanSeeds(f"{9:032x}")
    plan = terms.sealed(replace(plan, seeds=spaces if drawn else plan.seeds))
    lab.repo.commit({layout.plan_path("open"): codec.dump(plan)}, at=lab.tick(), message="plan")
    lab.change(9)
    if drawn:
        complete(lab, plan, "pq", blurred)
    else:
        for side, (letter, of) in enumerate((("p", "main"), ("q", "HEAD"))):
            values = {seed: blurred(seed, side)["f1"] for seed in range(3, 11)}
            lab.record(letter, {"f1": values}, of=of, plan=plan)
    calls = [["open"], ["main", "open"], ["main", *(f"other{n}" for n in range(others)), "open"]]
    found = [compare(lab.repo.workspace, names, now=START)[-1] for names in calls]
    asked = power(lab.repo.workspace, PowerRequest(name="open"))
    assert {each.verdict for each in found} == {Verdict.INCONCLUSIVE}
    (said,) = {re.findall(r"(\d+) pairs would", " ".join(each.reasons))[0] for each in found}
    steps = {each.next_step.partition("to go on: ")[2] for each in found}
    numbers = {re.findall(r"--repeats (\d+)", step)[-1] for step in (*steps, asked.next_step)}
    assert (asked.needed, numbers) == (int(said), {said})
    if effect.startswith("+-"):
        assert asked.support.needed == int(said)
        assert asked.price is not None
        assert asked.price.repeats == 2 * int(said)
    shares = (1 + others) * (6 if drawn else 1)
    assert asked.again == (6 if drawn else 0)
    tail = f"of the next try, at alpha / {shares}"
    assert any(tail in text for each in found for text in each.reasons) is drawn
    shown = text(power_sheet(asked))
    assert f"{said} pairs{' of a next try' if drawn else ''} " in shown
    here = (status(lab.repo.workspace), show(lab.repo.workspace, "open"))
    assert not any("--repeats" in each.next_step for each in here)
