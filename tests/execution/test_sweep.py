"""A sweep through real runs: its variants are joined by name or by state, and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import compare
from gitexp.errors import UsageError
from gitexp.execution.run import run
from gitexp.experiments.new import new
from gitexp.git import repository
from gitexp.model.config import ParamKey
from gitexp.model.plan import SeedOrigin
from gitexp.model.request import NewRequest, RunRequest
from gitexp.report.comparisons import text as render
from gitexp.report.sheet import PLAIN
from gitexp.store import lookup
from tests.execution.test_run import plain

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.model.comparison import Comparison
    from tests.lab.build import BuiltRepo

RATES = (0.2, 0.3, 0.4)
RATE = ParamKey("params.yaml", "lr")


def variant(repo: BuiltRepo, rate: float, **more: object) -> str:
    """Run one configuration, outside any plan, and return its group."""
    asked = RunRequest(params=((RATE, rate),), seeds=(7, 8), **more)  # type: ignore[arg-type]
    (recorded,) = run(repo.workspace, asked).recorded
    return recorded.run.group


def chosen(repo: BuiltRepo, rate: float) -> Comparison:
    """Compare the branch that has one configuration committed, without a plan."""
    repo.switch("main")
    run(repo.workspace, RunRequest(seeds=(7, 8)))
    repo.switch("chosen", create=True)
    repo.commit({"params.yaml": f"lr: {rate}\nseed: 7\n"})
    (found,) = compare(repo.workspace, ("main", "chosen"))
    return found


@pytest.mark.slow
def test_the_best_of_a_named_sweep_needs_fresh_seeds(tmp_path: Path) -> None:
    repo = plain(tmp_path / "project")
    for rate in RATES[:2]:
        assert variant(repo, rate, group="rates") == "rates"
    repo.switch("aside", create=True)  # part of a sweep may be on another branch
    variant(repo, RATES[2], group="rates")
    found = chosen(repo, RATES[1])
    assert found.selection is not None
    assert (found.selection.configurations, found.selection.fresh) == (3, False)
    said = render((found,), PLAIN)
    assert "3 configurations were run in the sweep rates: the best of them looks good by luck" in (
        said
    )
    assert "in up to 14 % instead of 5 %, and no p here pays for that" in said
    repo.switch("main")
    request = NewRequest(
        name="rate",
        hypothesis="the best rate of three raises accuracy",
        metric="acc:max",
        effect=">0",
        repeats=5,
        params=((RATE, RATES[1]),),
        seeds=SeedOrigin.COMMITTED,
    )
    new(repo.workspace, request)
    sides = run(repo.workspace).recorded
    assert {each.side: each.run.group for each in sides} == {"candidate": "", "baseline": ""}
    (planned,) = compare(repo.workspace)
    assert planned.pairs == 5
    assert set(planned.candidate.seeds).isdisjoint({7, 8})
    assert planned.selection is not None
    assert (planned.selection.configurations, planned.selection.fresh) == (3, True)
    assert "what counts here is fresh, so alpha holds" in render((planned,), PLAIN)


@pytest.mark.slow
def test_variants_of_one_state_are_a_sweep_without_a_name(tmp_path: Path) -> None:
    repo = plain(tmp_path / "project")
    groups = {variant(repo, rate) for rate in RATES}
    assert len(groups) == 1, "each run moved the branch, and the state below stayed the same"
    found = chosen(repo, RATES[0])
    assert found.selection is not None
    assert found.selection.configurations == 3
    assert found.selection.how == f"over the state {groups.pop()[:7]}"


def test_a_run_without_overrides_stands_alone(tmp_path: Path) -> None:
    repo = plain(tmp_path / "project")
    (recorded,) = run(repo.workspace).recorded
    assert recorded.run.group == ""
    opened = repository.open_repository(repo.workspace)
    assert lookup.runs_in_groups(opened, {"rates"}).runs == ()


@pytest.mark.parametrize("name", ["two words", "-x", "a/b", "x" * 65, "\x1b[0m"])
def test_a_sweep_has_a_name_that_can_be_printed(repo: BuiltRepo, name: str) -> None:
    with pytest.raises(UsageError, match="a sweep cannot have this name"):
        run(repo.workspace, RunRequest(group=name))
