"""Runs are found by ancestry and by inputs, whatever happened to their files later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitexp.errors import UnknownRunError
from gitexp.git.repository import open_repository
from gitexp.git.transaction import layout
from gitexp.git.transaction.cache import open_index
from gitexp.model.ids import CommitHash, InputsDigest
from gitexp.store import lookup
from gitexp.store.ancestry import Graph
from tests.lab.build import clone
from tests.lab.recorded import a_plan, a_run, plan_file, run_files, run_id

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo

ONES, TWOS = InputsDigest("1" * 64), InputsDigest("2" * 64)


def record(repo: BuiltRepo, number: int, *, inputs: str = ONES, at: int = 1) -> CommitHash:
    return CommitHash(repo.commit(run_files(*a_run(number, inputs=inputs)), at=at))


def ids(found: lookup.Lookup) -> list[str]:
    return [item.run.id for item in found]


def test_runs_come_in_the_order_in_which_ancestry_added_them(repo: BuiltRepo) -> None:
    commits = [record(repo, number, at=20 - number) for number in (9, 3, 6)]
    found = lookup.runs_at(open_repository(repo.workspace), commits[-1])
    assert ids(found) == [run_id(9), run_id(3), run_id(6)]
    assert [item.commit for item in found] == commits
    assert [item.order for item in found] == [0, 1, 2]
    assert not any(item.deleted or item.altered for item in found)


def test_only_what_a_commit_reaches_is_found_at_it(repo: BuiltRepo) -> None:
    first = record(repo, 1)
    record(repo, 2)
    assert ids(lookup.runs_at(open_repository(repo.workspace), first)) == [run_id(1)]


def test_on_parallel_lines_the_smaller_id_comes_first(repo: BuiltRepo) -> None:
    record(repo, 30)
    repo.switch("other", create=True)
    record(repo, 5, at=9)
    repo.switch("main")
    record(repo, 4, at=10)
    repo.git("merge", "--quiet", "--no-edit", "other", at=11)
    record(repo, 1, at=1)
    found = lookup.runs_at(open_repository(repo.workspace), CommitHash(repo.hash()))
    assert ids(found) == [run_id(30), run_id(4), run_id(5), run_id(1)]


def test_a_run_that_was_deleted_later_is_found_and_flagged(repo: BuiltRepo) -> None:
    record(repo, 1)
    record(repo, 2)
    repo.git("rm", "-r", "-q", layout.run_dir(run_id(1)))
    tip = CommitHash(repo.commit(at=5))
    found = lookup.runs_at(open_repository(repo.workspace), tip)
    assert [(item.run.id, item.deleted) for item in found] == [
        (run_id(1), True),
        (run_id(2), False),
    ]


def test_a_record_that_was_edited_is_flagged(repo: BuiltRepo) -> None:
    record(repo, 1)
    tip = CommitHash(repo.commit(run_files(*a_run(1, [0.9])), at=2))
    (found,) = lookup.runs_at(open_repository(repo.workspace), tip)
    assert found.altered
    assert found.samples[0].value == 0.9


def test_a_half_written_record_is_reported_and_others_are_shown(repo: BuiltRepo) -> None:
    files = run_files(*a_run(1, [0.1, 0.2]))
    samples = layout.samples_csv(run_id(1))
    tip = repo.commit({**files, samples: files[samples][:-7], **run_files(*a_run(2))})
    found = lookup.runs_at(open_repository(repo.workspace), CommitHash(tip))
    assert ids(found) == [run_id(2)]
    (bad,) = found.unreadable
    assert bad.id == run_id(1)
    assert "samples" in bad.why


def test_a_record_in_the_folder_of_another_run_is_not_believed(repo: BuiltRepo) -> None:
    files = run_files(*a_run(1))
    ours, theirs = layout.run_dir(run_id(1)), layout.run_dir(run_id(2))
    moved = {name.replace(ours, theirs): data for name, data in files.items()}
    tip = CommitHash(repo.commit(moved))
    found = lookup.runs_at(open_repository(repo.workspace), tip)
    assert not found.runs
    assert "another run" in found.unreadable[0].why


def test_runs_of_the_same_inputs_are_found_on_all_branches(repo: BuiltRepo) -> None:
    record(repo, 1)
    repo.switch("exp/a", create=True)
    record(repo, 2, inputs=TWOS)
    repo.switch("main")
    repo.switch("exp/b", create=True)
    record(repo, 3, inputs=TWOS)
    opened = open_repository(repo.workspace)
    found = lookup.runs_by_inputs(opened, TWOS)
    assert ids(found) == [run_id(2), run_id(3)]
    assert [item.refs for item in found] == [("exp/a",), ("exp/b",)]
    assert set(ids(lookup.runs_by_inputs(opened, ONES, TWOS))) == {run_id(n) for n in (1, 2, 3)}
    assert lookup.runs_by_inputs(opened, ONES).runs[0].refs == ("exp/a", "exp/b", "main")


def test_runs_of_a_plan_are_found_whatever_their_inputs(repo: BuiltRepo) -> None:
    base = record(repo, 1)
    plan = a_plan("x", base)
    repo.commit({**plan_file(plan), **run_files(*a_run(2, inputs=TWOS, plan=plan))})
    opened = open_repository(repo.workspace)
    with open_index(repo.workspace) as index:
        graph = Graph(opened, index, [CommitHash(repo.hash())])
        found = lookup.versions(opened, index, graph, [InputsDigest("3" * 64)], [plan])
    assert [run for run, _ in found] == [run_id(2)]


def test_own_branches_and_archives_are_searched(repo: BuiltRepo, tmp_path: Path) -> None:
    record(repo, 1)
    repo.switch("exp/gone", create=True)
    record(repo, 2)
    repo.git("tag", "-a", "-m", "archived", "exp-archive/gone")
    repo.switch("main")
    repo.git("branch", "-q", "-D", "exp/gone")
    repo.switch("exp/there", create=True)
    record(repo, 3)
    repo.switch("main")
    found = lookup.runs_by_inputs(open_repository(repo.workspace), ONES)
    assert {item.run.id: item.refs for item in found} == {
        run_id(1): ("exp/there", "main", "exp-archive/gone"),
        run_id(2): ("exp-archive/gone",),
        run_id(3): ("exp/there",),
    }
    copy = clone(repo, tmp_path / "copy")
    opened = open_repository(copy.workspace)
    assert [item.refs for item in lookup.runs_by_inputs(opened, ONES)] == [("main",)]
    there = CommitHash(copy.hash("origin/exp/there"))
    found = lookup.runs_by_inputs(opened, ONES, also=[there])
    assert [(item.run.id, item.refs) for item in found] == [(run_id(1), ("main",)), (run_id(3), ())]


def test_a_shallow_history_is_unknown_and_not_empty(repo: BuiltRepo, tmp_path: Path) -> None:
    record(repo, 1)
    record(repo, 2)
    repo.git("rm", "-r", "-q", layout.run_dir(run_id(1)))
    repo.commit(at=5)
    copy = clone(repo, tmp_path / "copy", "--depth", "1")
    opened = open_repository(copy.workspace)
    found = lookup.runs_at(opened, CommitHash(copy.hash()))
    assert ids(found) == [run_id(2)]
    assert found.shallow
    copy.git("fetch", "-q", "--unshallow")
    found = lookup.runs_at(open_repository(copy.workspace), CommitHash(copy.hash()))
    assert ids(found) == [run_id(1), run_id(2)]
    assert not found.shallow


def test_a_run_is_found_by_the_beginning_of_its_id(repo: BuiltRepo) -> None:
    record(repo, 1)
    record(repo, 2)
    opened = open_repository(repo.workspace)
    assert lookup.find_run(opened, run_id(2)[:3]).run.id == run_id(2)
    with pytest.raises(UnknownRunError, match="no runs"):
        lookup.find_run(opened, "zzz")
    with pytest.raises(UnknownRunError, match="2 runs"):
        lookup.find_run(open_repository(_twins(repo).workspace), "ba")


def _twins(repo: BuiltRepo) -> BuiltRepo:
    record(repo, 1 + 32**10)
    return repo


def test_a_cherry_picked_record_counts_once(repo: BuiltRepo) -> None:
    record(repo, 1)
    repo.switch("side", create=True)
    second = record(repo, 2)
    repo.switch("main")
    record(repo, 3)
    repo.git("cherry-pick", second, at=9)
    repo.git("merge", "-q", "--no-edit", "side", at=10)
    found = lookup.runs_at(open_repository(repo.workspace), CommitHash(repo.hash()))
    assert sorted(ids(found)) == sorted(run_id(n) for n in (1, 2, 3))
