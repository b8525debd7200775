"""What is planned against the verdict: `new`, `power` and `run` know which repeats can decide."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.power import power
from gitexp.errors import UsageError
from gitexp.execution.run import run
from gitexp.experiments.new import new
from gitexp.git.transaction import layout
from gitexp.model.comparison import price_of_try
from gitexp.model.design import PowerRequest
from gitexp.model.plan import PlanSeeds, Verdict
from gitexp.model.request import NewRequest, RunRequest
from gitexp.model.run import Sample
from gitexp.records import codec, terms
from tests.lab.records import START, Lab, one

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitexp.model.plan import Plan
    from tests.lab.build import BuiltRepo

DEPTH = 9  # of the candidate
FOLDS = 5
ASKED = PowerRequest(sd=0.01, name="mine")
LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


@dataclass
class World:
    """A repository with experiments whose results say nothing, but that they were there."""

    lab: Lab
    folds: bool
    letters: Iterable[str]

    def recorded(self, plan: Plan | None, seeds: Iterable[int], gain: float, of: str) -> None:
        """Record repeats of a revision; `gain`: beyond the baseline."""
        values = {seed: 0.6 + 0.001 * (seed % 7) + gain for seed in seeds}
        values = {seed: x + (0.0001 * (seed % 5) if gain else 0) for seed, x in values.items()}
        samples = tuple(
            Sample("f1", seed, x + 0.002 * fold, None, fold, "", 400, 100)
            for seed, x in values.items()
            for fold in range(FOLDS)
        )
        letter, call = next(iter(self.letters)), "" if plan is None else f"call-{plan.digest[:9]}"
        self.lab.record(
            letter,
            {} if self.folds else {"f1": values},
            of=of,
            plan=plan,
            evaluation="",
            call=call,
            samples=samples if self.folds else (),
        )

    def planned(self, name: str, depth: int, repeats: int) -> Plan:
        """Begin an experiment from main."""
        lab, root = self.lab, f"{len(name) * 1000 + repeats:x}{name.encode().hex()}".ljust(32, "0")
        lab.repo.switch("main")
        plan = lab.plan(name, effect=">0", repeats=repeats, rules=2, baseline="main")
        plan = terms.sealed(replace(plan, seeds=PlanSeeds(root[:32])))
        lab.repo.commit({layout.plan_path(name): codec.dump(plan)}, at=lab.tick(), message="plan")
        lab.change(depth)
        return plan

    def done(self, plan: Plan, gain: float) -> None:
        """Record all repeats of a plan."""
        assert plan.drawn is not None
        seeds = list(itertools.islice(plan.drawn.sequence(), plan.repeats))
        self.recorded(plan, seeds, 0.0, "main")
        self.recorded(plan, seeds, gain, "HEAD")


def can_be_shown(world: World, repeats: int) -> bool:
    """Return what `new` says of a plan of so many repeats, which begins from the candidate."""
    request = NewRequest(
        name="mine",
        hypothesis="A deeper model raises F1 at all.",
        metric="f1",
        effect=">0",
        repeats=repeats,
        start="state",
        baseline="main",
        dry_run=True,
    )
    try:
        found = new(world.lab.repo.workspace, request, now=START).power
    except UsageError:
        return False
    return found is not None and found.support.least is not None


@pytest.mark.sweep(2)
@pytest.mark.parametrize("siblings", [0, 1, 2, 3])
@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("tries", [0, 1, 2])
@pytest.mark.parametrize("folds", [False, True])
def test_planning_and_the_verdict_agree_on_which_repeats_can_decide(
    repo: BuiltRepo, siblings: int, moved: int, tries: int, *, folds: bool
) -> None:
    lab = Lab(repo)
    lab.init()
    world = World(lab, folds, iter(LETTERS))
    for number in range(siblings):
        world.done(world.planned(f"other{number}", 3 + number, 3), 0.0)
    repo.switch("main")
    if moved:
        repo.commit({"train.py": "print('train')  # again\n"}, at=lab.tick(), message="moved on")
    world.recorded(None, range(900, 904), 0.0, "main")
    for number in range(tries):
        world.done(world.planned(f"try{number}", DEPTH, 3), 0.0)
    repo.switch("main")
    repo.switch("state", create=True)
    lab.change(DEPTH)
    factor = (1 + siblings) * price_of_try(1 + tries)
    least = next(n for n in itertools.count(1) if factor * 2.0**-n <= 0.05)
    for repeats in (2,) if folds else (least - 1, least):
        decides = folds or repeats == least
        assert can_be_shown(world, repeats) is decides
        plan = world.planned("mine", DEPTH, repeats)
        before = power(repo.workspace, ASKED)
        assert (before.support.least is not None) is decides, before.assumed
        warned = run(repo.workspace, RunRequest(dry_run=True)).warnings
        assert any("cannot decide" in text for text in warned) is not decides, warned
        world.done(plan, 0.05)
        found = one(lab)
        assert (found.verdict is Verdict.SUPPORTED) is decides, found.headline
        assert (power(repo.workspace, ASKED).support.least is not None) is decides
        repo.switch("main")
        repo.git("branch", "-q", "-D", "exp/mine")
