"""What both sides stand on, and no run has made, or not all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.counting import FoundRuns
from gitexp.comparison.randomness.variation import made_outside
from gitexp.model.ids import Md5
from gitexp.model.run import FileHash, OnceRecord, StageOrigin
from tests.comparison.test_drawn import both, judged

if TYPE_CHECKING:
    from gitexp.store.lookup import FoundRun

OUTSIDE, EXECUTED, ADOPTED = StageOrigin.OUTSIDE, StageOrigin.EXECUTED, StageOrigin.ADOPTED


def made(found: FoundRun, origin: StageOrigin, digit: str = "0", recipe: str = "a") -> FoundRun:
    outs = (FileHash("prep.csv", Md5(digit * 32), 1),)
    once = (OnceRecord("prepare", recipe * 64, outs, origin),)
    return replace(found, run=replace(found.run, once=once))


@pytest.mark.parametrize(
    ("origins", "more", "said"),
    [
        ((OUTSIDE, OUTSIDE), None, True),
        ((EXECUTED, ADOPTED), None, False),
        ((ADOPTED, ADOPTED), None, True),
        ((OUTSIDE, OUTSIDE), made(both(0, 1, 2)[1], EXECUTED), False),
        ((OUTSIDE, OUTSIDE), made(both(0, 1, 2)[1], EXECUTED, recipe="b"), True),
        ((OUTSIDE, OUTSIDE), made(both(0, 1, 2)[1], EXECUTED, "1"), True),
        ((OUTSIDE, OUTSIDE), made(both(0, 1, 2)[1], ADOPTED), True),
    ],
)
def test_an_executed_run_of_the_same_recipe_and_bytes_alone_lifts_the_qualifier(
    origins: tuple[StageOrigin, StageOrigin], more: FoundRun | None, *, said: bool
) -> None:
    runs = tuple(made(*pair) for pair in zip(both(0, 4), origins, strict=True))
    count, _ = judged(*runs)
    every = (*runs, *((more,) if more else ()))
    line, warnings = made_outside(count, FoundRuns(every))
    assert line == ("conditional on prep.csv, made outside; " if said else "")
    assert len(warnings) == said
    if more:  # what nobody reaches proves nothing here
        assert made_outside(count, FoundRuns(runs, elsewhere=(more,)))[0]
        lying = replace(FoundRuns(every), contradicted={more.run.id: "another tree"})
        assert made_outside(count, lying)[0]


def test_runs_that_stand_on_different_bytes_of_one_recipe_are_told_of() -> None:
    first, second = both(0, 2), both(2, 4, 1)
    runs = [made(each, EXECUTED) for each in first] + [made(each, EXECUTED, "1") for each in second]
    line, (said,) = made_outside(judged(*runs)[0], FoundRuns(tuple(runs)))
    assert line == ""
    assert "prepare made other outputs in some of these runs" in said


def test_sides_of_another_recipe_may_differ() -> None:
    runs = [made(run, EXECUTED, str(n), "ab"[n]) for n, run in enumerate(both(0, 4))]
    assert made_outside(judged(*runs)[0], FoundRuns(tuple(runs))) == ("", [])
