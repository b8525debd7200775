"""Every verb counts by one rule: the same repeats, the same mean, the same runs, in every world.

A world is a history in which something does not count. A verb is a function of it; one that is
added to the command table has to be put into one of the two tables below.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import pytest

from gitexp.cli.commands import COMMANDS
from gitexp.comparison.compare import compare
from gitexp.comparison.power import power
from gitexp.enforcement.review import review
from gitexp.errors import NoSamplesError
from gitexp.execution.state import next_command
from gitexp.experiments.amend_plan import amend_plan
from gitexp.experiments.conclude import conclude
from gitexp.git.repository import Repo
from gitexp.model.comparison import LATE
from gitexp.model.design import PowerRequest
from gitexp.model.plan import Stopping, StoppingRule, Terms
from gitexp.model.run import Distribution
from gitexp.model.views import ShownExperiment
from gitexp.report.answers import details, listing
from gitexp.views.list_runs import group_runs, list_experiments, list_runs
from gitexp.views.show import show
from gitexp.views.status import status
from tests.lab.records import ENVIRONMENT, START, Lab, experiment, scores

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gitexp.model.comparison import Comparison
    from gitexp.model.listing import RunSummary
    from gitexp.model.plan import Plan
    from tests.lab.build import BuiltRepo

TEN: Final = tuple(range(10))
OTHER: Final = replace(ENVIRONMENT, distributions=(Distribution("pexpect", "4.9.0", "a" * 64),))


@dataclass(frozen=True)
class Said:
    """What a verb says; None where it does not speak of it."""

    seeds: tuple[int, ...] | None = None
    baseline: tuple[int, ...] | None = None
    n: int | None = None
    mean: float | None = None
    counts: dict[str, tuple[int, ...]] | None = None  # by run
    words: dict[str, str] | None = None


def high(seeds: Sequence[int], gain: float = 0.05) -> dict[int, float]:
    return {seed: v + gain + 0.001 * (seed % 3) for seed, v in scores(0.6, seeds).items()}


def begun(lab: Lab, repeats: int = 10, stopping: Stopping | None = None) -> Plan:
    lab.init()
    plan = lab.plan(effect=">0", repeats=repeats, stopping=stopping)
    lab.change()
    return plan


def both(lab: Lab, plan: Plan, seeds: Sequence[int] = TEN) -> None:
    lab.record("b", {"f1": scores(0.6, seeds)}, of="main", plan=plan)
    lab.record("c", {"f1": high(seeds)}, plan=plan)


# --- worlds -------------------------------------------------------------------------------------


def plain(lab: Lab) -> None:
    both(lab, begun(lab))


def extra_repeats(lab: Lab) -> None:
    experiment(lab)
    plan = status(lab.repo.workspace).plan
    lab.record("d", {"f1": high((10, 11), 0.3)}, plan=plan)


def extra_pairs(lab: Lab) -> None:
    extra_repeats(lab)
    lab.record("e", {"f1": scores(0.6, (10, 11))}, of="main", plan=status(lab.repo.workspace).plan)


def before_the_plan(lab: Lab) -> None:
    lab.init()
    lab.change()
    lab.record("x", {"f1": high((0, 1, 2), 0.3)})
    lab.repo.branch("old", "main~2")
    plan = lab.plan(effect=">0", baseline="old")
    both_of = {"f1": scores(0.6, range(13))}
    lab.record("b", both_of, of="old", plan=plan)
    lab.record("c", {"f1": high(range(13))}, plan=plan)


def seen_elsewhere(lab: Lab) -> None:
    plan = begun(lab)
    lab.repo.switch("look", create=True)
    lab.record("x", {"f1": high((0, 1), 0.3)})
    lab.repo.switch("exp/deep")
    both(lab, plan)


def twin(lab: Lab) -> None:
    plan = begun(lab)
    lab.repo.switch("main")
    other = lab.plan("twin", effect=">0")
    lab.change()
    lab.record("x", {"f1": high((0, 1), 0.3)}, plan=other)
    lab.repo.switch("exp/deep")
    both(lab, plan)


def failed(lab: Lab) -> None:
    plan = begun(lab)
    lab.record("b", {"f1": scores(0.6, range(9))}, of="main", plan=plan, failed=(9,))
    lab.record("c", {"f1": high(range(10))}, plan=plan)
    lab.record("d", {"f1": {}}, plan=plan, failed=(3, 4))


def again(lab: Lab) -> None:
    plan = begun(lab)
    both(lab, plan)
    lab.record("d", {"f1": high(range(5), 0.3)}, plan=plan)


def amended(lab: Lab) -> None:
    both(lab, begun(lab))
    report = amend_plan(lab.repo.workspace, None, Terms(repeats=6), why="fewer will do", now=START)
    lab.record("d", {"f1": high(range(20, 26))}, plan=report.plan)
    lab.record("e", {"f1": scores(0.6, range(20, 26))}, of="main", plan=report.plan)


def two_environments(lab: Lab) -> None:
    plan = begun(lab)
    both(lab, plan)
    lab.record("d", {"f1": high(range(4), 0.3)}, plan=plan, environment=OTHER)


def older_baseline(lab: Lab) -> None:
    lab.init()
    lab.record("x", {"f1": scores(0.6, range(12))})
    lab.repo.commit({"README.md": "words\n"}, at=lab.tick())
    plan = lab.plan(effect=">0")
    lab.change()
    lab.record("c", {"f1": high(TEN)}, plan=plan)


def stopping(lab: Lab) -> None:
    plan = begun(lab, 10, Stopping(StoppingRule.POCOCK, 2))
    both(lab, plan)
    lab.record("d", {"f1": high((10, 11), 0.3)}, plan=plan)


def variants(lab: Lab) -> None:
    plan = begun(lab)
    both(lab, plan)
    lab.change(7)
    lab.record("d", {"f1": high(range(3), 0.3)}, plan=plan)


def changed_since(lab: Lab) -> None:
    both(lab, begun(lab))
    lab.repo.commit({"tests/test_a.py": "x = 1\n"}, at=lab.tick())


def collapsing(lab: Lab, *left: int) -> None:
    lab.init()
    plan = lab.plan(effect=">0", failure="f1<0.3")
    lab.change()
    sides = ((scores(0.6, TEN), left), (high(TEN), (7,)))
    low, good = ({s: 0.05 if s in gone else v for s, v in side.items()} for side, gone in sides)
    lab.record("b", {"f1": low}, of="main", plan=plan)
    lab.record("c", {"f1": good}, plan=plan)


def both_collapsing(lab: Lab) -> None:
    collapsing(lab, 2)


def collapsing_alike(lab: Lab) -> None:
    collapsing(lab, 7)


def mostly_collapsing(lab: Lab) -> None:
    collapsing(lab, 2, 3, 4)


def unpaired_baseline(lab: Lab) -> None:
    lab.init()
    lab.record("x", {"f1": scores(0.6, range(20, 23))})
    plan = lab.plan(effect=">0")
    lab.change()
    both(lab, plan)


WORLDS = (
    plain, extra_repeats, extra_pairs, before_the_plan, seen_elsewhere, twin, failed, again,
    amended, two_environments, older_baseline, stopping, variants, changed_since,
    unpaired_baseline, collapsing, both_collapsing, collapsing_alike, mostly_collapsing,
)  # fmt: skip


def candidate_alone(lab: Lab) -> None:
    lab.record("c", {"f1": high(TEN)}, plan=begun(lab))


def baseline_alone(lab: Lab) -> None:
    lab.record("b", {"f1": scores(0.6, TEN)}, of="main", plan=begun(lab))


def of_unlike_seeds(lab: Lab) -> None:
    plan = begun(lab)
    lab.record("b", {"f1": scores(0.6, range(3, 13))}, of="main", plan=plan)
    lab.record("c", {"f1": high(TEN)}, plan=plan)


def too_few_planned(lab: Lab) -> None:
    both(lab, begun(lab, 4), (0, 1, 2))


def some(lab: Lab) -> None:
    plan = begun(lab)
    lab.record("b", {"f1": scores(0.6, TEN)}, of="main", plan=plan)
    lab.record("c", {"f1": high(range(7))}, plan=plan, failed=(7,))


HALF_WAY = (begun, candidate_alone, baseline_alone, of_unlike_seeds, too_few_planned, some)


# --- verbs --------------------------------------------------------------------------------------


def compared(lab: Lab) -> Said:
    try:
        (found,) = compare(lab.repo.workspace, now=START)
    except NoSamplesError:
        return Said(seeds=(), n=0)
    return of_comparison(found)


def of_comparison(found: Comparison) -> Said:
    (metric,) = [item for item in found.metrics if item.metric == "f1"]
    if found.looks and not found.selection:  # said once, and in one way
        (look,) = [text for text in found.warnings if "look" in text]
        assert ("do not count" in look) is any(item.why == LATE for item in found.unused)
    return Said(found.candidate.seeds, n=metric.n_candidate, mean=metric.mean_candidate)


def concluded(lab: Lab) -> Said:
    try:
        report = conclude(lab.repo.workspace, words="well", dry_run=True, now=START)
    except NoSamplesError:
        return Said(seeds=(), n=0)
    return of_comparison(report.conclusion.comparison)


def reviewed(lab: Lab) -> Said:
    asked = review(lab.repo.workspace, "main...HEAD", experiments=["deep"], now=START)
    (found,) = asked.experiments
    if found.comparison is None:
        return Said(seeds=(), n=0)
    by = {seed for item in found.recorded_by for seed in item.seeds}
    assert by == set(found.comparison.candidate.seeds)
    return of_comparison(found.comparison)


def stood(lab: Lab) -> Said:
    view = status(lab.repo.workspace)
    text = next(fact.text for fact in details.status(view).facts if fact.label == "repeats")
    counted = len(view.counted)
    of = f"{counted} of {view.planned} count"
    assert text.startswith(of if counted <= view.planned else f"{counted} count")
    return Said(view.counted, view.baseline_counted)


def listed(lab: Lab) -> Said:
    cold, warm = (list_experiments(lab.repo.workspace).experiments for _ in range(2))
    assert cold == warm
    (found,) = [item for item in cold if item.name == "deep"]
    primary = found.primary
    n = 0 if primary is None else primary.n
    return Said(
        n=n, mean=None if primary is None else primary.mean, seeds=(found.finished,) * 0 or None
    )


def of_runs(runs: Sequence[RunSummary]) -> Said:
    return Said(
        counts={item.id[0]: item.counts for item in runs},
        words={item.id[0]: listing.counts_text(item) for item in runs},
    )


def listed_runs(lab: Lab) -> Said:
    return of_runs(list_runs(lab.repo.workspace).runs)


def grouped(lab: Lab) -> Said:
    view = status(lab.repo.workspace)
    inputs = str(view.inputs)
    found = group_runs(list_runs(lab.repo.workspace).runs, ["inputs"])
    (mine,) = [item for item in found if item.key[0][1] == inputs] or [None]
    if mine is None or not mine.counts:
        return Said(seeds=())
    (f1,) = [item for item in mine.metrics if item.metric == "f1"]
    assert f1.n == mine.repeats == len(view.counted)
    paired = len(view.baseline_counted) >= f1.n  # else `compare` has fewer of them
    return Said(n=f1.n, mean=f1.mean) if paired else Said()


def showed(lab: Lab) -> Said:
    view = show(lab.repo.workspace)
    assert isinstance(view, ShownExperiment)
    return of_runs(view.runs)


def powered(lab: Lab) -> Said:
    """Say how many of the baseline's repeats the spread is of, where there are some that count."""
    counted = status(lab.repo.workspace).baseline_counted
    if len(counted) < 3:
        return Said()
    asked = PowerRequest(effect=">0", expect="0.01")  # else pairs of the plan tell the spread
    text = str(power(lab.repo.workspace, asked))
    assert f"the spread of {len(counted)} baseline repeats" in text
    return Said()


VERBS: dict[str, tuple[Callable[[Lab], Said], ...]] = {
    "compare": (compared,),
    "conclude": (concluded,),
    "review": (reviewed,),
    "status": (stood,),
    "list": (listed, listed_runs, grouped),
    "show": (showed,),
    "power": (powered,),
}
# They say what they did or found, or how many repeats are needed, not what counts; `run` chooses
# seeds by `ops.eligible`, as `comparison.counting` does; `comment` posts what `review` says.
OTHERS: Final = frozenset(
    (
        "init", "new", "amend-plan", "run", "test", "archive", "restore", "rename", "rm",
        "diff", "inputs", "logs", "push", "pull", "sync", "witness", "check", "hooks", "doctor",
        "maintenance", "completion", "merge-driver", "comment", "hook", "worker",
    )
)  # fmt: skip


def test_every_command_is_in_one_of_the_tables() -> None:
    assert {item.name for item in COMMANDS} == VERBS.keys() | OTHERS


@pytest.mark.sweep(8)
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.__name__)
def test_every_verb_counts_the_same(repo: BuiltRepo, world: Callable[[Lab], None]) -> None:
    lab = Lab(repo)
    world(lab)
    said = {each.__name__: each(lab) for verbs in VERBS.values() for each in verbs}
    first = said["compared"]
    for name, one in said.items():
        for what in ("seeds", "n"):
            mine = getattr(one, what)
            assert mine is None or mine == getattr(first, what), (name, what)
        if one.mean is not None and first.mean is not None:
            assert one.mean == pytest.approx(first.mean), name
    view = said["stood"]
    (line,) = [e for e in list_experiments(repo.workspace).experiments if e.name == "deep"]
    assert line.finished == len(view.seeds or ())
    counts, others = said["showed"], said["listed_runs"]
    assert counts.counts is not None
    assert counts.words is not None
    assert {run: (others.counts or {})[run] for run in counts.counts} == counts.counts
    assert {run: (others.words or {})[run] for run in counts.words} == counts.words
    if world is unpaired_baseline:
        assert counts.words["x"] == "no", "unpaired, not exploratory"
    seeds = [seed for run in counts.counts for seed in counts.counts[run]]
    assert len(seeds) == len(view.seeds or ()) + len(view.baseline or ())


@pytest.mark.sweep(9, "plain")
@pytest.mark.parametrize("world", [*WORLDS, *HALF_WAY], ids=lambda world: world.__name__)
def test_status_run_and_compare_name_one_next_step(
    repo: BuiltRepo, world: Callable[[Lab], object]
) -> None:
    lab = Lab(repo)
    world(lab)
    view = status(repo.workspace)
    try:
        step = compare(repo.workspace, now=START)[0].next_step
    except NoSamplesError as error:
        step = error.next_step
    assert view.plan is not None
    assert next_command(Repo(repo.workspace), "exp/deep", view.plan) == view.next_step
    judged = step.startswith(("gitexp conclude", "gitexp amend-plan"))
    assert view.next_step.endswith("gitexp compare") if judged else view.next_step == step
    if world in HALF_WAY:
        assert "gitexp run" in step
