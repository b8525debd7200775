"""Every kind of hypothesis from `new --effect` to the verdict and its exit code."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import exit_code
from gitexp.errors import UsageError
from gitexp.experiments.new import new
from gitexp.git.transaction import layout
from gitexp.model.plan import Direction, SeedOrigin, Verdict
from gitexp.model.request import NewRequest
from gitexp.records import plan as plan_format
from tests.lab.records import START, Lab, one, scores

if TYPE_CHECKING:
    from gitexp.model.plan import Plan
    from tests.lab.build import BuiltRepo

MAX, MIN = Direction.MAX, Direction.MIN
YES, NO, OPEN = 0, 1, 6


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    lab = Lab(repo)
    lab.init()
    return lab


def planned(lab: Lab, effect: str, direction: Direction) -> Plan:
    """Begin an experiment as a user does, and read its plan back from the branch."""
    request = NewRequest(
        name="idea",
        hypothesis="the metric does as it is told",
        metric="m",
        effect=effect,
        direction=direction,
        repeats=10,
        baseline="main",
        checkout=True,
        seeds=SeedOrigin.COMMITTED,
    )
    new(lab.repo.workspace, request, now=START)
    return plan_format.load(lab.repo.show(layout.plan_path("idea")).encode(), "plan.yaml")


def test_a_metric_with_its_direction_is_read_as_on_the_command_line(lab: Lab) -> None:
    request = NewRequest(
        name="idea",
        hypothesis="the metric does as it is told",
        metric="m:min",
        effect=">0",
        repeats=10,
        baseline="main",
        seeds=SeedOrigin.COMMITTED,
    )
    with pytest.raises(UsageError, match="two directions"):
        new(lab.repo.workspace, replace(request, direction=Direction.MAX), now=START)
    new(lab.repo.workspace, request, now=START)
    name = f"exp/idea:{layout.plan_path('idea')}"
    plan = plan_format.load(lab.repo.git("show", name).encode(), "plan.yaml")
    assert (plan.metric, plan.direction) == ("m", Direction.MIN)


@pytest.mark.sweep(9)
@pytest.mark.parametrize(
    ("effect", "direction", "change", "verdict", "code", "said"),
    [
        (">0", MAX, 0.05, Verdict.SUPPORTED, YES, "m rises"),
        (">0", MAX, -0.05, Verdict.REFUTED, NO, "rejected that m rises"),
        (">0", MAX, 0.0, Verdict.INCONCLUSIVE, OPEN, "not shown that m rises"),
        (">=0.02", MAX, 0.05, Verdict.SUPPORTED, YES, "m rises by at least 0.02"),
        (">=0.02", MAX, 0.01, Verdict.REFUTED, NO, "rejected that m rises by at least 0.02"),
        (">=5%", MAX, 0.05, Verdict.SUPPORTED, YES, "m rises by at least 5 %"),
        (">=5%", MAX, 0.01, Verdict.REFUTED, NO, "rejected that m rises by at least 5 %"),
        (">=-2%", MAX, 0.0, Verdict.SUPPORTED, YES, "m falls by at most 2 %"),
        (">=-2%", MAX, -0.05, Verdict.REFUTED, NO, "rejected that m falls by at most 2 %"),
        ("+-2%", MAX, 0.0, Verdict.EQUIVALENT, YES, "m changes by less than 2 %"),
        ("+-2%", MAX, 0.05, Verdict.REFUTED, NO, "rejected that m changes by less than 2 %"),
        ("+-2%", MAX, 0.012, Verdict.INCONCLUSIVE, OPEN, "not shown that m changes by less"),
        ("!=0", MAX, 0.05, Verdict.SUPPORTED, YES, "m changes"),
        ("!=0", MAX, -0.05, Verdict.SUPPORTED, YES, "m changes"),
        ("!=0", MAX, 0.0, Verdict.INCONCLUSIVE, OPEN, "not shown that m changes"),
        ("<=-5%", MIN, -0.05, Verdict.SUPPORTED, YES, "m falls by at least 5 %"),
        ("<0", MIN, 0.05, Verdict.REFUTED, NO, "rejected that m falls"),
        ("<=+2%", MIN, 0.0, Verdict.SUPPORTED, YES, "m rises by at most 2 %"),
    ],
)
def test_from_the_words_to_the_exit_code(  # noqa: PLR0913, PLR0917  one argument a column
    lab: Lab,
    effect: str,
    direction: Direction,
    change: float,
    verdict: Verdict,
    code: int,
    said: str,
) -> None:
    plan = planned(lab, effect, direction)
    lab.change()
    low = scores(0.6, range(10))
    # a noise of mean zero around the change, the same size whatever is asked
    noise = (0.004, -0.004, 0.002, -0.002, 0.001, -0.001, 0.003, -0.003, 0.0005, -0.0005)
    high = {seed: value + change + noise[seed] for seed, value in low.items()}
    lab.record("b", {"m": low}, of="main", plan=plan)
    lab.record("c", {"m": high}, plan=plan)
    result = one(lab)
    assert (result.verdict, exit_code([result])) == (verdict, code)
    assert result.headline.startswith(said)
    assert result.metrics[0].interval is not None, "never a p without its interval"
