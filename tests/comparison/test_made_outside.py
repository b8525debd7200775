"""What both sides stand on, and no run has made, or not all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.counting import FoundRuns
from gitexp.comparison.randomness.variation import made_outside
from gitexp.model.ids import Md5
from gitexp.model.run import FileHash, LoggedValue, OnceRecord, Origin, PlanRef, StageOrigin
from tests.comparison.test_counting import PLAN
from tests.comparison.test_drawn import DRAWN, both, judged

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
    line, warnings = made_outside(count, FoundRuns(every), DRAWN)
    assert line == ("conditional on prep.csv, made outside; " if said else "")
    assert len(warnings) == said
    if more:  # what nobody reaches proves nothing here
        assert made_outside(count, FoundRuns(runs, elsewhere=(more,)), DRAWN)[0]
        lying = replace(FoundRuns(every), contradicted={more.run.id: "another tree"})
        assert made_outside(count, lying, DRAWN)[0]


@pytest.mark.parametrize("plan", [None, PlanRef("other", DRAWN.digest), PlanRef("x", PLAN.digest)])
def test_what_others_say_that_they_executed_lifts_nothing(plan: PlanRef | None) -> None:
    runs = tuple(made(each, OUTSIDE) for each in both(0, 4))
    theirs = made(both(0, 1, 2)[1], EXECUTED)
    theirs = replace(theirs, run=replace(theirs.run, plan=plan))
    reported = made(both(0, 1, 2)[1], EXECUTED)
    reported = replace(reported, run=replace(reported.run, origin=Origin.REPORTED))
    count, _ = judged(*runs)
    for other in (theirs, reported):
        line, _ = made_outside(count, FoundRuns((*runs, other)), DRAWN)
        assert line == "conditional on prep.csv, made outside; "


def test_a_path_in_line_1_is_quoted_where_it_could_be_words() -> None:
    def worded(found: FoundRun) -> FoundRun:
        (once,) = found.run.once
        outs = tuple(replace(out, path="a, made by all; b") for out in once.outs)
        return replace(found, run=replace(found.run, once=(replace(once, outs=outs),)))

    runs = tuple(worded(made(each, OUTSIDE)) for each in both(0, 4))
    line, _ = made_outside(judged(*runs)[0], FoundRuns(runs), DRAWN)
    assert line == "conditional on 'a, made by all; b', made outside; "


UNREAD = ("prep.csv", "fig.png")


@pytest.mark.parametrize(
    ("path", "mine", "theirs", "told"),
    [
        ("fig.png", UNREAD, UNREAD, False),
        ("prep.csv", UNREAD, UNREAD, True),  # a table, whatever both say
        ("fig.png", UNREAD, (), True),  # one record alone
        ("fig.png", (), UNREAD, True),
    ],
)
def test_an_output_may_differ_where_it_is_a_report_and_both_say_that_nobody_reads_it(
    path: str, mine: tuple[str, ...], theirs: tuple[str, ...], *, told: bool
) -> None:
    one, other = (
        OnceRecord("a", "b", (FileHash(path, Md5(digit * 32), 1),), unread=unread)
        for digit, unread in (("0", mine), ("1", theirs))
    )
    assert one.other(other) == (path if told else "")


def test_two_executions_log_the_same_names_whatever_the_values() -> None:
    def logged(name: str, value: float, origin: StageOrigin = EXECUTED) -> OnceRecord:
        return OnceRecord("a", "b", (), origin, (LoggedValue(name, value, None),))

    first = logged("minutes", 1)
    assert not first.other(logged("minutes", 2))
    assert first.other(logged("f1", 1)) == "f1"
    assert not first.other(logged("f1", 1, OUTSIDE))  # dvc.lock does not say what was logged


def test_runs_that_stand_on_different_bytes_of_one_recipe_are_told_of() -> None:
    first, second = both(0, 2), both(2, 4, 1)
    runs = [made(each, EXECUTED) for each in first] + [made(each, EXECUTED, "1") for each in second]
    line, (said,) = made_outside(judged(*runs)[0], FoundRuns(tuple(runs)))
    assert line == ""
    assert "prepare made other outputs in some of these runs" in said


def test_sides_of_another_recipe_may_differ() -> None:
    runs = [made(run, EXECUTED, str(n), "ab"[n]) for n, run in enumerate(both(0, 4))]
    assert made_outside(judged(*runs)[0], FoundRuns(tuple(runs))) == ("", [])
