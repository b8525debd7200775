"""How often the same evaluation data have decided: on branches, in archives, everywhere."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.experiments.archive import archive
from gitexp.experiments.conclude import conclude
from gitexp.git.transaction import layout
from gitexp.model.ids import EvaluationDigest
from gitexp.report.comparisons import text as render
from gitexp.report.sheet import PLAIN
from tests.lab.records import CONFIG, EVALUATION, START, Lab, one, scores

if TYPE_CHECKING:
    from gitexp.model.comparison import Comparison
    from tests.lab.build import BuiltRepo

OTHER = EvaluationDigest("d" * 64)


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    return Lab(repo)


def decide(lab: Lab, name: str, letters: str, **record: object) -> None:
    """Begin an experiment on main and conclude it."""
    begin(lab, name, letters, **record)
    conclude(lab.repo.workspace, words="it was so", now=START)


def begin(lab: Lab, name: str, letters: str, **record: object) -> None:
    lab.repo.switch("main")
    plan = lab.plan(name, effect=">0", repeats=6)
    lab.change(3 + int(letters, 36) % 17)
    low = scores(0.6, range(6))
    high = {seed: value + 0.05 for seed, value in low.items()}
    lab.record(letters[0], {"f1": low}, of="main", plan=plan, **record)  # type: ignore[arg-type]
    lab.record(letters[1], {"f1": high}, plan=plan, **record)  # type: ignore[arg-type]


def test_the_first_decision_is_the_first(lab: Lab) -> None:
    lab.init()
    begin(lab, "one", "bc")
    found = one(lab).ledger
    assert found is not None
    assert (found.experiments, found.budget, found.overdrawn) == ((), None, False)


def test_conclusions_on_the_same_data_are_counted_once_an_experiment(lab: Lab) -> None:
    lab.init()
    decide(lab, "one", "bc")
    conclude(lab.repo.workspace, words="said better", amend=True, now=START)
    decide(lab, "two", "de")
    decide(lab, "apart", "fg", evaluation=OTHER)
    begin(lab, "three", "hi")
    result = one(lab)
    assert result.ledger is not None
    assert result.ledger.experiments == ("one", "two")
    said = render((result,), PLAIN)
    assert "2 other experiments were decided on these evaluation data (one, two)" in said


def test_equal_raw_data_are_not_told_as_one_test_set(lab: Lab) -> None:
    raw = replace(lab, basis="data")
    raw.init()
    decide(raw, "one", "bc")
    begin(raw, "two", "de")
    result = one(raw)
    assert result.ledger is not None
    assert result.ledger.raw
    said = "1 other experiment was decided on the same raw data, whatever each takes of them"
    assert said in render((result,), PLAIN)


def test_an_archived_experiment_still_counts(lab: Lab) -> None:
    lab.init()
    decide(lab, "one", "bc")
    lab.repo.switch("main")
    archive(lab.repo.workspace, "one", abandon=True)
    begin(lab, "two", "de")
    found = one(lab).ledger
    assert found is not None
    assert found.experiments == ("one",)


def test_its_own_conclusion_is_no_other_decision(lab: Lab) -> None:
    lab.init()
    decide(lab, "one", "bc")
    found = one(lab).ledger
    assert found is not None
    assert found.experiments == ()


def test_one_decision_too_many_is_warned_about(lab: Lab) -> None:
    lab.init(replace(CONFIG, evaluation_budget=1))
    decide(lab, "one", "bc")
    begin(lab, "two", "de")
    result: Comparison = one(lab)
    assert result.ledger is not None
    assert result.ledger.overdrawn
    assert any(
        said.startswith("the evaluation budget is spent: 1 of 1") for said in result.warnings
    )
    assert (
        "1 other experiment was decided on these evaluation data (one); 1 decision may be"
        in render((result,), PLAIN)
    )


def test_seeds_with_test_sets_of_their_own_are_used_one_by_one(lab: Lab) -> None:
    lab.init()
    sets = {seed: f"{seed:064x}" for seed in range(6)}
    decide(lab, "one", "bc", evaluation=sets)
    begin(lab, "two", "de", evaluation=sets)
    found = one(lab).ledger
    assert found is not None
    assert len(found.evaluation) == 6
    assert found.experiments == ("one",)


def test_without_known_data_there_is_no_ledger(lab: Lab) -> None:
    lab.init()
    begin(lab, "one", "bc", evaluation="")
    assert one(lab).ledger is None


@pytest.mark.parametrize("then", ["deleted", "amended", "merged"])
def test_a_conclusion_that_no_tip_shows_any_more_still_counts(lab: Lab, then: str) -> None:
    lab.init()
    decide(lab, "one", "bc")
    path = layout.conclusion_path("one")
    if then == "amended":  # to one on other data: what was decided on these is in the history
        written = lab.repo.show(path)
        lab.repo.commit({path: written.replace(EVALUATION, OTHER)}, at=lab.tick())
    else:
        lab.repo.git("rm", "--quiet", path)
        lab.repo.commit({}, at=lab.tick(), message="away with it")
    if then == "merged":
        lab.repo.switch("main")
        lab.repo.git("merge", "--quiet", "--no-ff", "--no-edit", "exp/one", at=lab.tick())
        lab.repo.git("branch", "--quiet", "-D", "exp/one")
    begin(lab, "two", "de")
    found = one(lab).ledger
    assert found is not None
    assert found.experiments == ("one",)


@pytest.mark.parametrize(
    ("ref", "lacking", "counts"),
    [
        ("refs/heads/copy", "", True),  # the control
        ("refs/heads/copy", layout.PLANS, False),
        ("refs/heads/copy", layout.RUNS, False),
        ("refs/remotes/origin/main", "", True),
        ("refs/remotes/origin/exp/evil", "", False),
        ("refs/remotes/eve/main", "", False),
        ("refs/tags/exp-archive/evil", "", False),
    ],
)
def test_a_decision_is_one_of_own_branches_and_main_with_its_plan_and_runs(
    lab: Lab,
    ref: str,
    lacking: str,
    counts: bool,  # noqa: FBT001
) -> None:
    lab.init()
    repo = lab.repo
    decide(lab, "evil", "fg")
    repo.switch("main")
    repo.git("switch", "--quiet", "--detach")
    repo.git("checkout", "--quiet", "exp/evil", "--", ".gitexp")
    if lacking:
        repo.git("rm", "--quiet", "-r", "--force", lacking)
    forged = repo.commit({}, at=lab.tick())
    begin(lab, "two", "de")
    repo.git("branch", "--quiet", "-D", "exp/evil")
    repo.git("update-ref", "refs/remotes/origin/x", "main")
    repo.git("update-ref", ref, forged)
    found = one(lab).ledger
    assert found is not None
    assert found.experiments == (("evil",) if counts else ())
