"""What somebody else runs takes no sample of an experiment, however it comes into a clone.

The same by oneself is the control: own runs spend, count as variants and as another draw.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

from gitexp.cli.dispatch import dispatch
from tests.lab.build import EMAIL, NAME, BuiltRepo, clone, repository
from tests.lab.records import Lab, scores

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gitexp.model.plan import Plan

SEEDS: Final = range(1, 11)
MALLORY: Final = ("Mallory", "mallory@example.com")


def same(lab: Lab, _: Plan) -> None:
    """Run the same inputs and seeds under a plan of another name."""
    mine = lab.plan("m2", hypothesis="Mine.")
    lab.change()
    lab.record("m", {"f1": scores(0.5, SEEDS)}, plan=mine)


def unplanned(lab: Lab, _: Plan) -> None:
    """Run them without a plan."""
    lab.change()
    lab.record("m", {"f1": scores(0.5, SEEDS)})


def second(lab: Lab, plan: Plan) -> None:
    """Draw the planned repeats again."""
    lab.change()
    lab.record("m", {"f1": scores(0.5, SEEDS)}, plan=plan)


def variants(lab: Lab, plan: Plan) -> None:
    """Run other inputs under the plan."""
    for depth, letter in enumerate("mno", 4):
        lab.change(depth)
        lab.record(letter, {"f1": scores(0.5, SEEDS)}, plan=plan)


def scored(lab: Lab, _: Plan) -> None:
    """Run the baseline with a seed that the experiment passed over."""
    lab.record("m", {"f1": scores(0.5, range(11))}, of="main")


def pulled(repo: BuiltRepo) -> None:
    assert dispatch(["-C", str(repo.path), "pull", "m"]) == 0


def switched(repo: BuiltRepo) -> None:
    repo.git("fetch", "-q")
    repo.git("switch", "-q", "exp/m")
    repo.git("switch", "-q", "exp/deep")


def merged(repo: BuiltRepo) -> None:
    repo.git("fetch", "-q")
    repo.switch("main")
    repo.git("merge", "-q", "--no-ff", "--no-edit", "origin/exp/m")
    repo.switch("exp/deep")


def into_it(repo: BuiltRepo) -> None:
    merged(repo)
    repo.git("merge", "-q", "--no-edit", "-X", "ours", "main")


WORK: Final = (same, unplanned, second, variants, scored)
WAYS: Final = (pulled, switched, merged, into_it)
# What is in the experiment's own history under its plan is its own.
CASES: Final = [
    (work, way)
    for work in WORK
    for way in WAYS
    if not (way is into_it and work in {second, variants})
]


def answer(repo: BuiltRepo, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Return what compare, show, review and list say of the experiment."""
    found = {}
    for argv in ("compare deep", "show deep", "review main...exp/deep", "compare deep --json"):
        capsys.readouterr()
        dispatch(["-C", str(repo.path), *argv.split()])
        said = capsys.readouterr().out
        verdict = re.search(r"(?m)^.*\b(SUPPORTED|UNDECIDABLE|NO CONCLUSION)\b.*$", said)
        found[argv] = verdict[0] if verdict else re.sub('"compared_at": .*', "", said)
    dispatch(["-C", str(repo.path), "list", "--md"])  # in a page's width others take of the columns
    rows = capsys.readouterr().out.splitlines()
    found["list"] = next(row for row in rows if row.startswith("| deep |"))
    return found


def shared(folder: Path) -> tuple[BuiltRepo, Plan]:
    """Return a clone of Ada's with a finished experiment that she has pushed."""
    hub = repository(folder / "hub", bare=True)
    made = repository(folder / "made")
    lab = Lab(made)
    lab.init()
    made.git("push", "-q", hub.path.as_uri(), "main")
    ada = clone(hub, folder / "ada")
    lab = Lab(ada, lab.clock)
    plan = lab.plan()
    lab.change()
    low = scores(0.6, SEEDS)
    lab.record("b", {"f1": low}, of="main", plan=plan)
    high = {seed: value + 0.05 + 0.001 * (seed % 3) for seed, value in low.items()}
    lab.record("c", {"f1": high}, plan=plan)
    ada.git("push", "-q", "origin", "exp/deep")
    return ada, plan


@pytest.mark.slow
@pytest.mark.sweep(3)
@pytest.mark.parametrize(("work", "way"), CASES)
def test_what_another_runs_takes_nothing(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    work: Callable[[Lab, Plan], None],
    way: Callable[[BuiltRepo], None],
) -> None:
    said = {}
    for who in (MALLORY, (NAME, EMAIL)):
        folder = tmp_path / who[0]
        ada, plan = shared(folder)
        before = answer(ada, capsys)
        assert "SUPPORTED" in before["compare deep"]
        theirs = BuiltRepo(clone(BuiltRepo(folder / "hub"), folder / "theirs").path, by=who)
        theirs.git("switch", "-q", "-c", "exp/m", "origin/main")
        lab = Lab(theirs, [50])
        work(lab, plan)
        theirs.git("push", "-q", "origin", "HEAD:exp/m")
        way(ada)
        said[who] = answer(ada, capsys)
        if way is into_it:  # its records are listed, and named as what does not count
            del said[who]["compare deep --json"]
        if who is MALLORY:
            assert said[who] == {argv: before[argv] for argv in said[who]}
    assert said[MALLORY] != said[NAME, EMAIL]  # the control


@pytest.mark.slow
def test_by_another_name_here_it_is_ones_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ada, plan = shared(tmp_path)
    before = answer(ada, capsys)
    eve = BuiltRepo(ada.path, by=MALLORY)
    eve.git("switch", "-q", "-c", "exp/m", "main")
    unplanned(Lab(eve, [50]), plan)
    eve.git("push", "-q", "origin", "exp/m")
    eve.git("switch", "-q", "exp/deep")
    assert answer(ada, capsys) != before
    eve.git("branch", "-q", "-D", "exp/m")  # pushed and pulled again
    pulled(ada)
    assert answer(ada, capsys) != before
