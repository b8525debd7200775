"""`run` under a plan that drew its seeds: both sides, pair by pair, and no seed passed over."""

from __future__ import annotations

import itertools
import json
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import compare
from gitexp.errors import NoSamplesError, UsageError
from gitexp.execution.run import run
from gitexp.execution.until import until_decided
from gitexp.experiments.amend_plan import amend_plan
from gitexp.experiments.new import new
from gitexp.git import objects
from gitexp.git.repository import open_repository
from gitexp.git.transaction.cache import open_index
from gitexp.model.config import ParamKey
from gitexp.model.metrics import NO_RULE, ONE_TABLE
from gitexp.model.plan import (
    Direction,
    OnFailed,
    Plan,
    PlanSeeds,
    SeedOrigin,
    Stopping,
    StoppingRule,
    Terms,
    Verdict,
)
from gitexp.model.request import NewRequest, RunRequest
from gitexp.model.run import RepeatState
from gitexp.model.views import ShownExperiment
from gitexp.report.views import sheet_of
from gitexp.store import lookup
from gitexp.views.show import show
from gitexp.views.status import status
from tests.execution.test_run import plain
from tests.lab.jobs import ABOVE
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.model.run import Run
    from tests.lab.build import BuiltRepo

TRAIN = """\
import os
text = open("params.yaml").read()
seed = int(text.split("seed:")[1].split()[0])
lr = float(text.split("lr:")[1].split()[0])
if lr > 0.1 and os.path.exists(rf"OUT/{seed}"):
    os._exit(9)
open("metrics.json", "w").write('{"acc": %r}' % (lr + seed % 9973 / 100000))
open("model.txt", "w").write(f"{lr} {seed}")
"""
ASKED = NewRequest(
    name="x",
    hypothesis="a higher learning rate raises acc",
    metric="acc",
    direction=Direction.MAX,
    effect=">0",
    repeats=5,
    baseline="main",
    params=((ParamKey("params.yaml", "lr"), 0.2),),
)


@pytest.fixture
def project(tmp_path: Path) -> tuple[BuiltRepo, Plan, tuple[int, ...]]:
    """A project on exp/x, its plan, and the plan's first seeds."""
    repo = plain(tmp_path / "p", TRAIN.replace("OUT", str(tmp_path)))
    plan = new(repo.workspace, ASKED).plan
    assert plan.drawn is not None
    return repo, plan, tuple(itertools.islice(plan.drawn.sequence(), 20))


def runs(repo: BuiltRepo) -> list[Run]:
    opened = open_repository(repo.workspace)
    with open_index(repo.workspace) as index:
        commit = objects.resolve(opened, "HEAD")
        return [item.run for item in lookup.runs_at(opened, commit, index).runs]


def test_both_sides_run_the_plans_seeds_in_their_order_and_the_committed_one_is_no_sample(
    project: tuple[BuiltRepo, Plan, tuple[int, ...]],
) -> None:
    repo, _, seeds = project
    report = run(repo.workspace)
    assert {each.run.seeds for each in report.recorded} == {seeds[:5], (7, *seeds[:5])}
    assert report.snapshot.startswith("written")
    assert [(each.metrics[0].n, len(each.run.own_repeats)) for each in report.recorded] == [
        (5, 5),
        (5, 5),
    ]
    (mine,) = (each.run.id for each in report.recorded if each.side == "candidate")
    for said in (gitexp(repo, "show", mine).out, gitexp(repo, "list", "--runs").out):
        assert "5/5" in said
        assert "6/6" not in said
    assert repo.show("model.txt.dvc")
    found = compare(repo.workspace)[0]
    assert (found.pairs, found.verdict) == (5, Verdict.SUPPORTED)
    assert set(found.candidate.seeds) == set(found.baseline.seeds) == {*seeds[:5]}
    again = run(repo.workspace)
    assert again.recorded == ()
    assert repo.status() == []


def test_older_repeats_of_the_baseline_are_not_paired_with(
    project: tuple[BuiltRepo, Plan, tuple[int, ...]],
) -> None:
    repo, _, seeds = project
    repo.switch("main")
    run(repo.workspace, RunRequest(seeds=tuple(range(7, 12))))
    repo.switch("exp/x")
    run(repo.workspace)
    assert set(compare(repo.workspace)[0].baseline.seeds) == {*seeds[:5]}


def test_a_failed_repeat_is_run_again_and_never_passed_over(
    project: tuple[BuiltRepo, Plan, tuple[int, ...]], tmp_path: Path
) -> None:
    repo, _, seeds = project
    (tmp_path / str(seeds[2])).touch()
    run(repo.workspace, RunRequest(keep_going=True))
    found = compare(repo.workspace)[0]
    assert (found.pairs, found.verdict) == (4, Verdict.UNDECIDABLE)
    (tmp_path / str(seeds[2])).unlink()
    went = run(repo.workspace)
    assert [each.run.seeds for each in went.recorded] == [(seeds[2],)]
    assert compare(repo.workspace)[0].verdict is Verdict.SUPPORTED


def test_more_than_are_planned_are_asked_for_by_an_amendment(
    project: tuple[BuiltRepo, Plan, tuple[int, ...]],
) -> None:
    repo, _, _ = project
    asked = RunRequest(repeats=6, dry_run=True)
    (said,) = (text for text in run(repo.workspace, asked).warnings if "will not count" in text)
    amend = "gitexp amend-plan --repeats 6 --why TEXT"
    assert said == f"1 of these repeats will not count: the planned 5 alone do; {amend} plans them"
    run(repo.workspace, RunRequest(params=((ParamKey("params.yaml", "lr"), 0.3),)))
    said, *_, last = run(repo.workspace, RunRequest(dry_run=True)).warnings
    assert last.startswith("try 2 under this plan: p will be multiplied by 6, unless it has the")
    assert "p = 0.19 at best, times 6 as try 2, unless it has the numbers and files of an" in said
    assert said.endswith("gitexp amend-plan --repeats 7 --why TEXT plans what would do")
    done = run(repo.workspace, RunRequest(seeds=plan_seeds(repo)))  # all but the snapshot
    assert not any("cannot decide" in text for text in done.warnings), "compare knows by now"
    report = run(repo.workspace, asked)
    assert [each.seeds for each in report.planned] == [(7,), ()]
    assert any(text.startswith("1 more would not count: ") for text in report.warnings)
    amend_plan(repo.workspace, None, Terms(repeats=8), why="5 cannot decide, and this is try 3")
    run(repo.workspace)
    assert compare(repo.workspace)[0].verdict is Verdict.SUPPORTED


def plan_seeds(repo: BuiltRepo) -> tuple[int, ...]:
    plan = status(repo.workspace).plan
    assert plan is not None
    assert plan.drawn is not None
    return tuple(itertools.islice(plan.drawn.sequence(), plan.repeats))


@pytest.mark.slow
@pytest.mark.parametrize("looks", [0, 2])
def test_a_plan_that_drops_what_failed_is_judged_by_the_rest_of_its_first_seeds(
    tmp_path: Path, looks: int
) -> None:
    """No later seed stands in for one that failed: which fail may be somebody's choice."""
    repo = plain(tmp_path / "p", TRAIN.replace("OUT", str(tmp_path)))
    asked = replace(ASKED, repeats=6, on_failed=OnFailed.DROP)
    if looks:
        asked = replace(asked, repeats=10, stopping=Stopping(StoppingRule.POCOCK, looks))
    drawn = new(repo.workspace, asked).plan.drawn
    assert drawn is not None
    fatal = next(itertools.islice(drawn.sequence(), 2, None))
    (tmp_path / str(fatal)).touch()
    request = RunRequest(keep_going=True)
    report = until_decided(repo.workspace, request) if looks else run(repo.workspace, request)
    (tmp_path / str(fatal)).unlink()
    if looks:
        assert report.next_step == "gitexp run --until-decided"
        report = until_decided(repo.workspace, request)
    ends = "gitexp compare", 'gitexp conclude -m "what was learned"'
    assert (report.next_step, status(repo.workspace).next_step) == (ends[looks > 0], ends[0])
    assert run(repo.workspace, RunRequest(repeats=asked.repeats)).recorded == ()
    (found,) = compare(repo.workspace)
    first = {*itertools.islice(drawn.sequence(), asked.repeats)}
    assert {*found.candidate.seeds} == first - {fatal}
    assert (found.verdict, found.pairs) == (Verdict.SUPPORTED, asked.repeats - 1)
    assert found.next_step == ends[1]


def test_a_failed_repeat_for_the_snapshot_is_named_with_the_way_past_it(
    project: tuple[BuiltRepo, Plan, tuple[int, ...]], tmp_path: Path
) -> None:
    repo, _, _ = project
    (tmp_path / "7").touch()  # the committed seed
    report = run(repo.workspace)
    name = report.recorded[0].run.id[:8]
    past = "gitexp run --keep-going --with-baseline"
    step = f"gitexp logs {name}; mend it, then gitexp run --with-baseline"
    ended = "failed in command: stage command ended with exit code 9"
    said = f"seed 7, run for the snapshot, {ended}; gitexp logs {name}"
    assert report.next_step == f"{step}; or, to go on without it, {past}"
    view = status(repo.workspace)
    assert (view.failed, view.next_step) == ((said,), report.next_step)
    shown = show(repo.workspace)
    assert isinstance(shown, ShownExperiment)
    assert (shown.failed, sheet_of(shown).next_step) == (view.failed, view.next_step)
    with pytest.raises(NoSamplesError) as nothing:
        compare(repo.workspace)
    assert said in nothing.value.found
    assert nothing.value.next_step == view.next_step
    repo.switch("main")
    with pytest.raises(NoSamplesError) as nothing:
        compare(repo.workspace, ["x"])
    there = view.next_step.replace("gitexp run", "git switch exp/x && gitexp run")
    assert nothing.value.next_step == there
    shown = show(repo.workspace, "x")
    assert sheet_of(shown).next_step == there
    repo.switch("exp/x")
    assert run(repo.workspace, RunRequest(keep_going=True)).next_step == "gitexp compare"
    assert compare(repo.workspace)[0].verdict is Verdict.SUPPORTED
    assert status(repo.workspace).next_step == "gitexp compare"
    (tmp_path / "7").unlink()
    run(repo.workspace)
    assert status(repo.workspace).failed == ()


@pytest.mark.slow
def test_the_baseline_is_not_run_alone_before_there_is_a_candidate(
    project: tuple[BuiltRepo, Plan, tuple[int, ...]],
) -> None:
    repo, _, seeds = project
    for asked in ((), seeds[:3], (1, seeds[17])):
        with pytest.raises(UsageError) as refused:
            run(repo.workspace, RunRequest(at="main", seeds=asked))
        assert refused.value.next_step.endswith("gitexp run")
    run(repo.workspace, RunRequest(at="main", seeds=(1,)))  # tells nothing of these
    run(repo.workspace, RunRequest(seeds=seeds[:1]))
    run(repo.workspace, RunRequest(at="main", seeds=seeds[:1]))
    with pytest.raises(UsageError):
        run(repo.workspace, RunRequest(at="main", seeds=seeds[:2]))
    run(repo.workspace)
    assert compare(repo.workspace)[0].verdict is Verdict.SUPPORTED


@pytest.mark.slow
def test_scores_of_the_baseline_that_were_known_elsewhere_choose_no_seeds(
    project: tuple[BuiltRepo, Plan, tuple[int, ...]],
) -> None:
    repo, _, seeds = project
    repo.git("switch", "--quiet", "--create", "look", "main")
    run(repo.workspace, RunRequest(seeds=seeds[:9]))
    lr = ((ParamKey("params.yaml", "lr"), 0.3),)
    run(repo.workspace, RunRequest(seeds=seeds[1:9:2], params=lr))
    repo.switch("exp/x")
    run(repo.workspace)
    found = compare(repo.workspace)[0]
    assert (set(found.candidate.seeds), found.verdict) == ({*seeds[8:13]}, Verdict.UNDECIDABLE)
    assert "and 8 of the plan's first 13 seeds passed over" in found.headline


@pytest.mark.slow
def test_a_candidate_that_crashes_twice_leaves_no_seed_that_was_scored_alone(
    project: tuple[BuiltRepo, Plan, tuple[int, ...]], tmp_path: Path
) -> None:
    repo, _, seeds = project
    for seed in (7, seeds[0], seeds[1]):
        (tmp_path / str(seed)).touch()
        run(repo.workspace, RunRequest(jobs=2))
        (tmp_path / str(seed)).unlink()
    run(repo.workspace)
    found = compare(repo.workspace)[0]
    assert (set(found.candidate.seeds), found.verdict) == ({*seeds[:5]}, Verdict.SUPPORTED)


def test_seeds_of_ones_own_are_run_and_do_not_count(
    project: tuple[BuiltRepo, Plan, tuple[int, ...]],
) -> None:
    repo, _, seeds = project
    report = run(repo.workspace, RunRequest(seeds=(1, 2, 3)))
    assert [each.run.seeds for each in report.recorded] == [(1, 2, 3)]
    said = gitexp(repo, "status").out
    assert "0 of 5 count" in said
    assert "other seeds than those that were drawn with the plan" in said
    run(repo.workspace)
    assert set(compare(repo.workspace)[0].candidate.seeds) == {*seeds[:5]}


def test_a_seed_of_the_plan_that_another_candidate_had_is_replaced(
    project: tuple[BuiltRepo, Plan, tuple[int, ...]],
) -> None:
    """Ten variants tried on the plan's seeds, the best one committed: 22 % where they count."""
    repo, _, seeds = project
    repo.git("switch", "--quiet", "--create", "try", "main")
    lr = ((ParamKey("params.yaml", "lr"), 0.3),)
    run(repo.workspace, RunRequest(seeds=seeds[:2], params=lr))
    repo.switch("exp/x")
    run(repo.workspace)
    assert set(compare(repo.workspace)[0].candidate.seeds) == {*seeds[2:7]}


def test_an_amended_plan_draws_on_and_a_renamed_one_stays(
    project: tuple[BuiltRepo, Plan, tuple[int, ...]],
) -> None:
    repo, plan, seeds = project
    run(repo.workspace)
    assert gitexp(repo, "rename", "x", "y").code == 0
    assert compare(repo.workspace)[0].verdict is Verdict.SUPPORTED
    changed = amend_plan(repo.workspace, None, Terms(alpha=0.04), why="a stricter reader")
    assert changed.plan.seeds == plan.seeds
    run(repo.workspace)
    assert set(compare(repo.workspace)[0].candidate.seeds) == {*seeds[5:10]}


@pytest.mark.sweep(1)
@pytest.mark.parametrize("options", [RunRequest(), RunRequest(keep_going=True)])
def test_both_sides_go_on_pair_by_pair(tmp_path: Path, options: RunRequest) -> None:
    log = tmp_path / "order"
    repo = plain(tmp_path / "p", f"{TRAIN}print(lr, seed, file=open({str(log)!r}, 'a'))\n")
    new(repo.workspace, ASKED)
    run(repo.workspace, options)
    order = [tuple(line.split()) for line in log.read_text().splitlines()]
    mine = [(side, seed) for side, seed in order if seed != "7"]
    ahead = [
        abs(sum(1 if side == "0.2" else -1 for side, _ in mine[:number]))
        for number in range(len(mine) + 1)
    ]
    assert len(mine) == 10
    assert ahead[-1] == 0
    assert max(ahead) <= 1


@pytest.mark.skipif(sys.platform != "linux", reason="finds its coordinator in /proc")
def test_a_call_that_was_killed_leaves_whole_pairs_and_is_gone_on_with(tmp_path: Path) -> None:
    train = TRAIN.replace(
        "    os._exit(9)\n",
        f"    os.unlink(rf'OUT/{{seed}}')\n    exec({ABOVE!r})\n    os.kill(coordinator, 9)\n",
    )
    repo = plain(tmp_path / "p", train.replace("OUT", str(tmp_path)))
    plan = new(repo.workspace, ASKED).plan
    assert plan.drawn is not None
    seeds = tuple(itertools.islice(plan.drawn.sequence(), 5))
    (tmp_path / str(seeds[3])).touch()
    gitexp(repo, "run", env={"HOME": os.environ["HOME"]})
    assert gitexp(repo, "run").code == 0
    found = compare(repo.workspace)[0]
    assert (found.verdict, set(found.candidate.seeds)) == (Verdict.SUPPORTED, {*seeds})
    ran = [
        each.seed
        for item in runs(repo)
        for each in item.repeats
        if each.state is RepeatState.FINISHED
    ]
    assert sorted(ran) == sorted([7, *seeds, *seeds])


def test_a_sweep_explores_beside_the_plan_and_changes_nothing_of_it(tmp_path: Path) -> None:
    repo = plain(tmp_path / "p", TRAIN.replace("OUT", str(tmp_path)))
    plan = new(repo.workspace, ASKED).plan
    assert plan.drawn is not None
    explored = tuple(itertools.islice(plan.drawn.sequence("/explore"), 3))
    assert not {*explored} & {*itertools.islice(plan.drawn.sequence(), 100)}
    sweep = RunRequest(group="rates", repeats=3, params=((ParamKey("params.yaml", "lr"), 0.4),))
    (made,) = run(repo.workspace, sweep).recorded
    assert (made.run.plan, made.run.group, made.run.seeds) == (None, "rates", explored)
    run(repo.workspace)
    before = compare(repo.workspace)[0]
    assert (before.verdict, before.looks, before.selection) == (Verdict.SUPPORTED, 0, None)
    run(repo.workspace, replace(sweep, params=()))  # of the candidate itself
    run(repo.workspace, sweep)
    after = compare(repo.workspace)[0]
    assert after.selection is not None
    assert after.selection.fresh  # it costs nothing
    same = replace(after, compared_at=before.compared_at, unused=before.unused, selection=None)
    assert replace(same, candidate=before.candidate) == before
    with pytest.raises(UsageError, match="--group explores"):
        run(repo.workspace, replace(sweep, with_baseline=True))


def test_what_ran_on_another_plans_seeds_makes_committed_ones_no_cheaper(
    project: tuple[BuiltRepo, Plan, tuple[int, ...]],
) -> None:
    repo, _, _ = project
    run(repo.workspace)
    repo.git("switch", "-q", "main")
    why = ("--metric", "acc:max", "--effect", ">0", "--hypothesis", "a higher rate raises acc")
    told = gitexp(repo, "new", "c", *why, "--repeats", "6", "--seeds", "drawn", "--dry-run")
    assert "12 repeats on both sides" in told.out
    assert "--seeds committed" not in told.out


def test_committed_seeds_are_asked_for_or_settled_and_said(tmp_path: Path) -> None:
    repo = plain(tmp_path / "p", TRAIN.replace("OUT", str(tmp_path)))
    run(repo.workspace, RunRequest(seeds=(7, 8)))
    why = ("--metric", "acc:max", "--effect", ">0", "--hypothesis", "a higher rate raises acc")
    asked = ("new", "c", *why, "--repeats", "5", "--param", "lr=0.2")
    price = "10 repeats on both sides"
    told = gitexp(repo, *asked, "--seeds", "drawn", "--dry-run").out
    assert price in told
    assert "8 repeats with --seeds committed" in told
    settings = repo.show(".gitexp/config.yaml")
    assert "seeds: drawn" in settings
    assert gitexp(repo, *asked, "--seeds", "committed").code == 0
    run(repo.workspace, RunRequest(with_baseline=True))
    answer = gitexp(repo, "compare")
    assert "the committed ones, public before the plan" in answer.out
    assert json.loads(gitexp(repo, "compare", "--json").out)["plan"]["seeds"] == "committed"
    repo.switch("main")
    repo.commit({".gitexp/config.yaml": settings.replace("seeds: drawn", "seeds: committed")})
    found = new(
        repo.workspace, replace(ASKED, repeats=6)
    ).plan.seeds  # fewer decide nothing beside c
    assert found == PlanSeeds()
    assert found.origin is SeedOrigin.COMMITTED


def test_after_a_try_its_price_is_in_the_number_that_would_do(tmp_path: Path) -> None:
    repo = plain(tmp_path / "p", TRAIN.replace("OUT", str(tmp_path)))
    new(repo.workspace, replace(ASKED, repeats=2))
    for asked, needed in ((RunRequest(dry_run=True), 5), (RunRequest(), 7)):
        (said,) = (text for text in run(repo.workspace, asked).warnings if "cannot decide" in text)
        amend = f"gitexp amend-plan --repeats {needed} --why TEXT"
        assert said.endswith(f"2 are planned; {amend} plans what would do")
    assert f"amend-plan --repeats {needed} " in compare(repo.workspace)[0].next_step


@pytest.mark.sweep(2, "True-gain", "False-acc")
@pytest.mark.parametrize(("same", "metric"), [(True, "acc"), (True, "gain"), (False, "acc")])
def test_what_tests_of_predictions_can_decide_is_not_warned_of(
    tmp_path: Path, *, same: bool, metric: str
) -> None:
    train = TRAIN.replace("OUT", str(tmp_path)).replace('"acc"', f'"{metric}"')
    first = 0 if same else "seed"
    train += 'row = "{0},{1},{1}\\n".format\nopen("pred.csv", "w").write("id,y_true,y_pred\\n" + '
    train += f'"".join(row(i, i % 2) for i in range({first}, {first} + 9)))\n'
    repo = plain(tmp_path / "p", train, predictions="pred.csv")
    new(repo.workspace, replace(ASKED, repeats=4, metric=metric, hypothesis="it gets better"))

    def warned(asked: RunRequest) -> list[str]:
        return [text for text in run(repo.workspace, asked).warnings if "cannot decide" in text]

    assert warned(RunRequest(dry_run=True)) == []
    (one,) = warned(RunRequest(repeats=1))
    assert "pairs of them reach p = 1 at best; 4 are planned, --repeats 2 would do" in one
    assert warned(RunRequest(repeats=2)) == []
    for n in (3, 4):
        assert bool(warned(RunRequest(repeats=n, dry_run=True))) == (metric == "gain")


@pytest.mark.slow
@pytest.mark.sweep(1)
@pytest.mark.parametrize("origin", SeedOrigin)
def test_what_is_printed_next_goes_by_the_test_of_predictions(
    tmp_path: Path, origin: SeedOrigin
) -> None:
    """By signs four pairs decide nothing, and an amendment wants seven."""
    train = TRAIN.replace("OUT", str(tmp_path)).replace(
        "lr + seed % 9973 / 100000", "sum(right) / 20"
    )
    right = "right = [(i * seed + seed // 7) % 9 < 3 + 20 * lr for i in range(20)]\n"
    train = train.replace('open("metrics', f'{right}open("metrics')
    train += (
        'rows = "".join(f"{i},{i % 2},{(i + one + 1) % 2}\\n" for i, one in enumerate(right))\n'
    )
    train += 'open("pred.csv", "w").write("id,y_true,y_pred\\n" + rows)\n'
    repo = plain(tmp_path / "p", train, predictions="pred.csv")
    plan = new(repo.workspace, replace(ASKED, repeats=4, seeds=origin)).plan
    done = run(repo.workspace, RunRequest(repeats=2, with_baseline=True))
    steps = (done.next_step, status(repo.workspace).next_step, compare(repo.workspace)[0].next_step)
    assert {*steps} == {"gitexp run --with-baseline"}
    if plan.drawn is not None:
        last = next(itertools.islice(plan.drawn.sequence(), 3, None))
        (tmp_path / str(last)).touch()
        for _ in range(2):
            done = run(repo.workspace, RunRequest(keep_going=True))
        step = "each time, gitexp amend-plan --on-failed drop --repeats 5 --why TEXT (p times 6, "
        assert f"{step}7 finished repeats will not count)" in done.next_step


SPLITS = TRAIN + (
    "import random\n"
    "rows = random.Random(seed).sample(range(40), 20)\n"
    'open("pred.csv", "w").write("id,y_true,y_pred\\n" + "".join(f"{i},1,1\\n" for i in rows))\n'
)
LOOKS = Stopping(StoppingRule.OBRIEN_FLEMING, 2)


@pytest.mark.slow
def test_a_rule_without_a_test_for_re_splits_stops_after_two_pairs_and_is_refused_from_then_on(
    tmp_path: Path,
) -> None:
    repo = plain(tmp_path / "p", SPLITS.replace("OUT", str(tmp_path)), predictions="pred.csv")
    asked = replace(ASKED, repeats=8, stopping=LOOKS)
    new(repo.workspace, asked)
    found = run(repo.workspace, RunRequest(jobs=1))
    assert {len(each.run.own_repeats) for each in found.recorded} <= {2, 3}  # one was under way
    assert any(text.startswith(f"{NO_RULE}, and {ONE_TABLE}") for text in found.warnings)
    step = compare(repo.workspace)[0].next_step
    assert step.startswith("gitexp amend-plan x --stopping none --why")
    assert step == found.next_step == status(repo.workspace).next_step
    ended = until_decided(repo.workspace)
    assert (ended.recorded, ended.next_step) == ((), step)
    with pytest.raises(UsageError, match=NO_RULE):
        amend_plan(repo.workspace, None, Terms(repeats=9), why="more")
    amend_plan(
        repo.workspace, None, Terms(stopping=replace(LOOKS, looks=1)), why="the metric is by folds"
    )
    assert status(repo.workspace).next_step == "gitexp run --with-baseline"
    repo.switch("main")
    with pytest.raises(UsageError, match=NO_RULE) as refused:
        new(repo.workspace, replace(asked, name="y"))
    assert refused.value.found == f"{ONE_TABLE}, as recorded predictions of the baseline show"
    assert new(repo.workspace, replace(asked, name="y", stopping=None)).commit


@pytest.mark.slow
def test_a_rule_is_kept_where_seeds_have_examples_of_their_own(tmp_path: Path) -> None:
    train = SPLITS.replace("OUT", str(tmp_path)).replace("range(40), 20", "range(1 << 60), 20")
    repo = plain(tmp_path / "p", train, predictions="pred.csv")
    new(repo.workspace, replace(ASKED, repeats=8, stopping=LOOKS))
    found = run(repo.workspace, RunRequest(jobs=1, repeats=3))
    assert [len(each.run.own_repeats) for each in found.recorded] == [3, 3]
    assert found.next_step == status(repo.workspace).next_step == "gitexp run --until-decided"
    repo.switch("main")
    assert new(repo.workspace, replace(ASKED, name="y", repeats=8, stopping=LOOKS)).commit


@pytest.mark.parametrize("ids", ["places", "rows"])
def test_places_in_a_split_are_no_ids_and_two_pairs_show_it(tmp_path: Path, ids: str) -> None:
    """`enumerate` over each seed's own test rows: all repeats ran, and nothing could be tested."""
    train = TRAIN.replace("OUT", str(tmp_path)).replace("(lr + ", "(lr * (1 + seed % 997 / 999) + ")
    train += "import random\nrows = random.Random(seed).sample(range(90), 30)\n"
    train += 'lines = ["%d,%d,%d\\n" % (NAME, row % 7 < 3, (row + seed) % 5 < 2) for n, row in '
    train += (
        'enumerate(rows)]\nopen("pred.csv", "w").write("id,y_true,y_pred\\n" + "".join(lines))\n'
    )
    train = train.replace("NAME", "n" if ids == "places" else "row")
    repo = plain(tmp_path / "p", train, predictions="pred.csv")
    new(repo.workspace, replace(ASKED, repeats=6))
    report = run(repo.workspace, RunRequest(with_baseline=True))
    finished = [len(each.run.repeats) for each in report.recorded]
    steps = {report.next_step, status(repo.workspace).next_step}
    steps.add(compare(repo.workspace)[0].next_step)
    if ids == "rows":
        assert all(step.startswith("gitexp co") for step in steps), steps
        assert finished == [7, 6], "one for the snapshot"
        return
    assert max(finished) <= 4, "three pairs at most, and one for the snapshot"
    assert any("name other rows for other seeds" in text for text in report.warnings)
    (step,) = steps
    assert step.startswith("write an id of its own for each row, on main; git merge main, then ")
    keep = run(repo.workspace, RunRequest(with_baseline=True, keep_going=True))
    assert sum(len(each.run.repeats) for each in (*report.recorded, *keep.recorded)) >= 12
