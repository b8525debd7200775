"""What was tried under which plan: the same from the index as from the records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.comparison.gather import RunPool
from gitexp.git.repository import open_repository
from gitexp.git.transaction.cache import Index
from gitexp.store.tried import tried
from tests.lab.records import Lab

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo


def test_runs_are_joined_by_plan_and_inputs_and_remembered_as_they_were(repo: BuiltRepo) -> None:
    lab = Lab(repo)
    lab.init()
    plan = lab.plan("one")
    lab.record("a", {"f1": {1: 0.5}}, of="main", plan=plan)
    lab.change(3)
    lab.record("b", {"f1": {1: 0.6}}, plan=plan)
    lab.record("c", {"f1": {2: 0.6}}, of="HEAD~1", plan=plan)
    lab.change(4)
    lab.record("d", {"f1": {}}, plan=plan, failed=[1])
    lab.record("e", {"f1": {1: 0.7}})  # under none
    opened = open_repository(repo.workspace)
    with Index(None) as index:
        world = RunPool(opened, index)
        first = tried(opened, index, world.tips, world.own.values())
        assert tried(opened, index, world.tips, ()) == first, "nothing is read a second time"
    assert [(each.plan, each.seen) for each in first] == [("one", True)] * 2 + [("one", False)]
    both = first[1]
    assert (both.inputs, both.source) == (lab.inputs("HEAD~5"), repo.hash("HEAD~5"))
    assert both.commit == repo.hash("HEAD~3"), "the newest of its two runs"
    assert first[0].began < both.began
