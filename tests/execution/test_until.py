"""`run --until-decided`: rounds of real repeats until the plan's rule has an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitexp.errors import NoStoppingRuleError, UsageError
from gitexp.execution.until import until_decided
from gitexp.experiments.init import init
from gitexp.experiments.new import new
from gitexp.model.config import ParamKey
from gitexp.model.plan import Direction, SeedOrigin, Stopping, StoppingRule
from gitexp.model.request import InitRequest, NewRequest, RunRequest
from gitexp.model.run import RepeatState
from gitexp.report import views
from tests.lab.build import repository
from tests.lab.records import Lab, scores
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.model.report import RunReport
    from tests.lab.build import BuiltRepo

TRAIN = """\
values = dict(line.split(": ") for line in open("params.yaml").read().splitlines())
seed, lr = int(values["seed"]), float(values["lr"])
noise = ((seed * 7919) % 11 - 5) / 100
if lr == 0.9 and seed == 9:
    raise SystemExit("diverged")
acc = 0.5 + noise + (lr - 0.1) * 0.1 * (1 + noise)
open("metrics.json", "w").write('{"acc": %r}' % acc)
"""


def project(path: Path, stopping: Stopping | None, *, lr: float = 0.7) -> BuiltRepo:
    """Begin an experiment of twelve repeats on a project without DVC; HEAD is on it."""
    repo = repository(path)
    repo.commit({"train.py": TRAIN, "params.yaml": "lr: 0.1\nseed: 7\n"})
    init(repo.workspace, InitRequest(command="python train.py", metrics=("metrics.json",)))
    request = NewRequest(
        name="faster",
        hypothesis="a larger learning rate raises accuracy",
        metric="acc",
        direction=Direction.MAX,
        effect=">0",
        repeats=12,
        baseline="main",
        params=((ParamKey("params.yaml", "lr"), lr),),
        stopping=stopping,
        seeds=SeedOrigin.COMMITTED,
    )
    new(repo.workspace, request)
    return repo


def seeds(report: RunReport, side: str) -> list[int]:
    return [
        repeat.seed
        for each in report.recorded
        if each.side == side
        for repeat in each.run.repeats
        if repeat.state is RepeatState.FINISHED
    ]


@pytest.mark.slow
def test_it_stops_when_the_bets_have_an_answer(tmp_path: Path) -> None:
    repo = project(tmp_path / "r", Stopping(StoppingRule.ALWAYS_VALID))
    report = until_decided(repo.workspace, RunRequest(jobs=2))
    assert report.verdict.startswith("SUPPORTED  acc rises")
    have = seeds(report, "candidate")
    assert have == seeds(report, "baseline")
    assert 5 <= len(have) < 12
    assert "SUPPORTED" in views.render(report, "text")
    assert report.next_step == 'gitexp conclude -m "what was learned"'
    again = until_decided(repo.workspace, RunRequest(jobs=2))
    assert again.recorded == ()
    assert again.verdict == report.verdict


@pytest.mark.slow
def test_it_looks_when_the_plan_says_and_ends_with_its_last_look(tmp_path: Path) -> None:
    repo = project(tmp_path / "r", Stopping(StoppingRule.POCOCK, 4), lr=0.1000001)
    report = until_decided(repo.workspace, RunRequest(jobs=2), most=6)
    assert len(seeds(report, "candidate")) == 6
    assert report.snapshot == "written, with the committed seed 7"  # in the first of two rounds
    assert report.verdict.startswith(("INCONCLUSIVE", "SUPPORTED"))
    assert report.exit_code == (0 if report.verdict.startswith("SUPPORTED") else 6)


@pytest.mark.slow
def test_a_failed_repeat_ends_it(tmp_path: Path) -> None:
    repo = project(tmp_path / "r", Stopping(StoppingRule.ALWAYS_VALID), lr=0.9)
    report = until_decided(repo.workspace, RunRequest(jobs=1))
    assert report.failed
    assert 9 not in seeds(report, "candidate")


def test_a_plan_that_does_not_allow_it_is_refused(tmp_path: Path) -> None:
    repo = project(tmp_path / "r", None)
    with pytest.raises(NoStoppingRuleError) as caught:
        until_decided(repo.workspace, RunRequest())
    assert "--stopping" in caught.value.next_step
    with pytest.raises(UsageError):
        until_decided(repo.workspace, RunRequest(seeds=(1, 2)))


def test_a_dry_run_says_what_the_first_round_would_be(tmp_path: Path) -> None:
    repo = project(tmp_path / "r", Stopping(StoppingRule.OBRIEN_FLEMING, 3))
    report = until_decided(repo.workspace, RunRequest(dry_run=True))
    assert report.verdict == ""
    assert [len(side.seeds) for side in report.planned] == [4, 4]


RULES = (Stopping(StoppingRule.ALWAYS_VALID), Stopping(StoppingRule.POCOCK, 2))
DRAWS = """\
import json, os, random
score = random.Random(int(os.environ["GITEXP_SEED"])).gauss(0.6, 0.1)
json.dump({"f1": score}, open("metrics.json", "w"))
"""
GAINS = {"supported": 0.1, "refuted": -0.1, "open": 0.0}


def recorded(lab: Lab, stopping: Stopping, gain: float) -> None:
    """Record both sides of half an experiment of sixteen repeats."""
    lab.init(files={"train.py": DRAWS})
    plan = lab.plan(effect=">0", repeats=16, stopping=stopping)
    lab.change()
    low = scores(0.6, range(8))
    high = {
        seed: value + gain + (0.001 + seed / 10_000) * (-1) ** seed for seed, value in low.items()
    }
    lab.record("b", {"f1": low}, of="main", plan=plan)
    lab.record("c", {"f1": high}, plan=plan)


@pytest.mark.sweep
@pytest.mark.parametrize("came", GAINS)
@pytest.mark.parametrize("stopping", RULES, ids=lambda each: each.rule.value)
def test_what_is_decided_early_is_concluded_and_not_run_on_unasked(
    repo: BuiltRepo, stopping: Stopping, came: str
) -> None:
    recorded(Lab(repo), stopping, GAINS[came])
    compared = gitexp(repo, "compare")
    over = came != "open"
    step = 'gitexp conclude -m "what was learned"' if over else "gitexp run --until-decided"
    for verb in ("compare", "status"):
        assert gitexp(repo, verb).out.endswith(f"next: {step}\n"), verb
    for how in ((), ("--with-baseline",)):
        planned = gitexp(repo, "run", "--dry-run", *how)
        said = f"the plan's stopping rule has decided, {came}: further repeats"
        assert (said in planned.out) is over
        assert ("gitexp run --repeats 16 --with-baseline" in planned.out) is over
        assert ("would run seed 0\n" in planned.out) is over  # for the snapshot alone
    assert "would run seeds" in gitexp(repo, "run", "--dry-run", "--repeats", "16").out
    if over:
        done = gitexp(repo, "run", "--until-decided")
        assert done.code == compared.code == (0 if came == "supported" else 1)
        assert done.out.startswith(f"{came.upper()}  ")
        assert "baseline" not in done.err  # of which no snapshot is made
        again = gitexp(repo, "run")
        assert again.code == 0
        assert said in again.out
        assert again.out.endswith(f"next: {step}\n")
