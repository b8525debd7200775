"""How an experiment ends: archive, restore, rm and rename, in real repositories."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import compare
from gitexp.errors import (
    BusyBranchError,
    ConfirmationError,
    ExistsError,
    GitFailedError,
    MovedRefError,
    PreconditionError,
    UnknownExperimentError,
    UsageError,
)
from gitexp.experiments.archive import archive, restore
from gitexp.experiments.conclude import conclude
from gitexp.experiments.new import new
from gitexp.experiments.remove import remove
from gitexp.experiments.rename import rename
from gitexp.git import repository
from gitexp.git.transaction import layout, locks
from gitexp.git.transaction.failpoints import PUBLISH_POINTS
from gitexp.model.ids import ABSENT
from gitexp.model.plan import SeedOrigin, Verdict
from gitexp.model.request import NewRequest
from gitexp.model.sharing import Tombstone
from gitexp.model.views import ShownExperiment
from gitexp.records import codec
from gitexp.sharing.push_pull import pull
from gitexp.store import calls, plans
from gitexp.store.conclusions import conclusion_named
from gitexp.views.diff import diff
from gitexp.views.list_runs import list_experiments
from gitexp.views.query import ListQuery
from gitexp.views.show import show
from tests.lab.build import BuiltRepo, clone, git_environment
from tests.lab.finished import hosted
from tests.lab.recorded import a_run
from tests.lab.records import START, Lab, experiment, one, scores

if TYPE_CHECKING:
    from collections.abc import Callable

DOCS = Path(__file__).parents[2] / "docs"
TAG = "refs/tags/exp-archive/deep"
BRANCH = "refs/heads/exp/deep"


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    """A finished experiment; HEAD is on main."""
    made = Lab(repo)
    experiment(made)
    repo.switch("main")
    return made


def merge(lab: Lab) -> None:
    lab.repo.git("merge", "-q", "--squash", "exp/deep")
    lab.repo.commit(at=200, message="squashed")


def states(repo: BuiltRepo, query: ListQuery | None = None) -> dict[str, str]:
    found = list_experiments(repo.workspace, query or ListQuery())
    return {item.name: item.state for item in found.experiments}


def test_the_tag_of_an_archive_stands_for_its_experiment(lab: Lab) -> None:
    archive(lab.repo.workspace, "deep", abandon=True)
    (by_name,), (by_tag,) = (
        compare(lab.repo.workspace, [name], now=START) for name in ("deep", "exp-archive/deep")
    )
    assert (by_tag.verdict, by_tag.plan) == (by_name.verdict, by_name.plan)
    assert by_tag.candidate.seeds == by_name.candidate.seeds
    for name in ("deep", "exp-archive/deep"):
        view = show(lab.repo.workspace, name)
        assert isinstance(view, ShownExperiment)
        assert view.plan is not None


# --- archive ------------------------------------------------------------------------------------


def test_a_branch_whose_records_main_has_becomes_an_annotated_tag(lab: Lab) -> None:
    tip = lab.repo.hash("exp/deep")
    merge(lab)
    report = archive(lab.repo.workspace, "deep", now=START)
    refs = lab.repo.refs()
    assert BRANCH not in refs
    assert lab.repo.git("cat-file", "-t", refs[TAG]) == "tag"
    assert lab.repo.hash("exp-archive/deep^{commit}") == tip == report.commit
    said = lab.repo.git("for-each-ref", "--format=%(contents)", TAG)
    assert "A deeper model raises F1" in said
    assert "records in: main" in said
    assert states(lab.repo) == {"deep": "archived"}
    assert one(lab, "deep").verdict is Verdict.SUPPORTED
    lab.repo.fsck()
    assert lab.repo.locks() == []
    assert not [ref for ref in refs if ref.startswith("refs/gitexp/")]


def test_before_the_merge_the_tag_is_made_and_the_branch_stays(lab: Lab) -> None:
    report = archive(lab.repo.workspace, "deep")
    assert "exp/deep stays: its records are not all in main yet" in report.notes
    assert {BRANCH, TAG} <= lab.repo.refs().keys()
    again = archive(lab.repo.workspace, "exp/deep")
    assert again.done == ()
    merge(lab)
    archive(lab.repo.workspace, "deep")
    assert BRANCH not in lab.repo.refs()


def test_a_conclusion_that_main_lacks_keeps_the_branch(lab: Lab) -> None:
    merge(lab)
    conclude(lab.repo.workspace, "deep", words="It holds.")
    assert archive(lab.repo.workspace, "deep").notes
    assert BRANCH in lab.repo.refs()


def test_an_abandoned_branch_goes_unmerged(lab: Lab) -> None:
    archive(lab.repo.workspace, "deep", abandon=True)
    assert BRANCH not in lab.repo.refs()
    assert "this tag only" in lab.repo.git("for-each-ref", "--format=%(contents)", TAG)


def test_a_branch_that_a_worktree_is_on_is_refused_and_the_worktree_named(
    lab: Lab, tmp_path: Path
) -> None:
    lab.repo.worktree(tmp_path / "other", "exp/deep")
    before = lab.repo.refs()
    with pytest.raises(BusyBranchError) as caught:
        archive(lab.repo.workspace, "deep", abandon=True)
    assert caught.value.where == str(tmp_path / "other")
    assert lab.repo.refs() == before


@pytest.mark.parametrize("alive", [True, False])
def test_repeats_that_run_or_are_not_recorded_keep_an_experiment_open(
    lab: Lab, tmp_path: Path, *, alive: bool
) -> None:
    other = lab.repo.worktree(tmp_path / "other", "exp/deep")
    unrecorded(other, alive=alive)
    before = lab.repo.refs()
    every: tuple[Callable[[], object], ...] = (
        lambda: archive(lab.repo.workspace, "deep", abandon=True),
        lambda: remove(lab.repo.workspace, "deep", yes=True),
        lambda: rename(lab.repo.workspace, "deep", "deeper"),
    )
    for end in every:
        with pytest.raises(PreconditionError, match="on exp/deep") as caught:
            end()
        assert caught.value.where == str(tmp_path / "other")
        assert ("run --resume --on exp/deep" in caught.value.next_step) is not alive
    with pytest.raises(PreconditionError):
        conclude(lab.repo.workspace, "deep", words="It holds.", archived=True)
    assert lab.repo.refs() == before


def unrecorded(repo: BuiltRepo, *, alive: bool) -> None:
    """Leave what a coordinator has in a work tree when its first repeat has ended."""
    run, _ = a_run(1, [0.5], seeds=[1])
    me = locks.this_process()
    state = {
        "branch": "exp/deep",
        "asked": {"at": None, "jobs": 1, "repeats": None, "seeds": [], "with_baseline": False},
        "draft": json.loads(codec.dump(run)),
        "owner": {"host": me.host, "pid": me.pid, "started": me.started + "0" * (not alive)},
        "published": False,
        "secret": calls.begun(calls.proofs(repo.workspace), run.id),
        "side": "candidate",
    }
    page = (DOCS / "formats" / "outcome.md").read_text(encoding="utf-8")
    folder = f"{repo.workspace.git_dir}/gitexp/work/runs/{run.id}"
    repo.write(
        {
            f"{folder}/state.json": json.dumps(state),
            f"{folder}/jobs/1/attempt-1/outcome.json": page.split("```")[1].removeprefix("json"),
        }
    )


def test_an_experiment_planned_on_main_is_not_archived_with_main(lab: Lab) -> None:
    with pytest.raises(UsageError):
        archive(lab.repo.workspace, "main")
    with pytest.raises(UnknownExperimentError):
        archive(lab.repo.workspace, "nothing")
    with pytest.raises(UnknownExperimentError):
        archive(lab.repo.workspace, "../../x")


def test_work_after_a_restore_moves_the_tag_forward_and_another_experiment_does_not(
    lab: Lab,
) -> None:
    archive(lab.repo.workspace, "deep", abandon=True)
    restore(lab.repo.workspace, "deep")
    lab.repo.switch("exp/deep")
    later = lab.repo.commit({"note.md": "more"}, at=300)
    lab.repo.switch("main")
    archive(lab.repo.workspace, "deep", abandon=True)
    assert lab.repo.hash("exp-archive/deep^{commit}") == later
    lab.plan("deep")
    lab.repo.switch("main")
    with pytest.raises(ExistsError, match="is another one"):
        archive(lab.repo.workspace, "deep", abandon=True)


def test_with_push_the_remote_has_the_tag_and_not_the_branch(lab: Lab, tmp_path: Path) -> None:
    host = hosted(lab.repo, tmp_path / "host.git")
    merge(lab)
    report = archive(lab.repo.workspace, "deep", push=True)
    assert len(report.sent) == 2
    assert (TAG in host.refs(), BRANCH in host.refs()) == (True, False)
    assert host.refs()[TAG] == lab.repo.refs()[TAG]
    assert archive(lab.repo.workspace, "deep", push=True).sent == ()
    fresh = clone(host, tmp_path / "fresh")
    assert states(fresh) == {"deep": "archived"}


def test_an_archive_can_be_pushed_later_also_when_the_host_deleted_the_branch(
    lab: Lab, tmp_path: Path
) -> None:
    host = hosted(lab.repo, tmp_path / "host.git")
    archive(lab.repo.workspace, "deep", abandon=True)
    host.git("branch", "-D", "exp/deep")
    report = archive(lab.repo.workspace, "deep", push=True)
    assert report.sent == ("exp-archive/deep is on origin",)


def test_commits_that_only_the_remote_has_are_not_deleted_there(lab: Lab, tmp_path: Path) -> None:
    host = hosted(lab.repo, tmp_path / "host.git")
    other = clone(host, tmp_path / "other")
    other.switch("exp/deep")
    other.commit({"more.txt": "x"}, at=400)
    other.git("push", "-q", "origin", "exp/deep")
    before, there = lab.repo.refs(), host.refs()
    with pytest.raises(MovedRefError, match="commits that are not here"):
        archive(lab.repo.workspace, "deep", push=True, abandon=True)
    assert (lab.repo.refs(), host.refs()) == (before, there)


def test_a_failing_push_leaves_an_archive_that_can_be_pushed_again(
    lab: Lab, tmp_path: Path
) -> None:
    host = hosted(lab.repo, tmp_path / "host.git")
    hook = host.path / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(GitFailedError, match="does not take the push"):
        archive(lab.repo.workspace, "deep", push=True, abandon=True)
    assert states(lab.repo)["deep"] == "archived"
    assert BRANCH in host.refs()
    hook.unlink()
    assert len(archive(lab.repo.workspace, "deep", push=True).sent) == 2
    assert BRANCH not in host.refs()


POINTS = ("publish.blobs", "publish.tempref", "publish.locked", "publish.compared", "publish.set")


@pytest.mark.sweep(2)
@pytest.mark.parametrize("point", POINTS)
def test_killed_anywhere_it_is_archived_or_untouched_and_the_same_call_succeeds(
    point: str, lab: Lab
) -> None:
    code = (
        "import sys; from pathlib import Path; from gitexp.git.discovery import discover\n"
        "from gitexp.experiments.archive import archive\n"
        "archive(discover(Path(sys.argv[1])), 'deep', abandon=True)\n"
    )
    rules = {"GITEXP_TESTING": "1", "GITEXP_FAILPOINT": f"{point}:kill"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(lab.repo.path)], env=os.environ | rules, check=False
    )
    assert done.returncode == -9
    there = lab.repo.refs()
    assert (BRANCH in there, TAG in there) == (
        (False, True) if point == POINTS[-1] else (True, False)
    )
    archive(lab.repo.workspace, "deep", abandon=True)
    assert (BRANCH in lab.repo.refs(), TAG in lab.repo.refs()) == (False, True)
    restore(lab.repo.workspace, "deep")
    assert lab.repo.locks() == []
    assert not [ref for ref in lab.repo.refs() if ref.startswith("refs/gitexp/")]
    lab.repo.fsck()


def killed(lab: Lab, verb: str, point: str) -> None:
    """Run a verb that dies at a step."""
    rules = {"GITEXP_TESTING": "1", "GITEXP_FAILPOINT": f"{point}:kill"}
    argv = [sys.executable, "-m", "gitexp", *shlex.split(verb)]
    where, env = lab.repo.path, os.environ | rules
    assert subprocess.run(argv, cwd=where, env=env, check=False).returncode == -9


@pytest.mark.sweep(4)
@pytest.mark.parametrize("point", [point.value for point in PUBLISH_POINTS])
@pytest.mark.parametrize("push", [False, True])
def test_concluding_and_archiving_goes_on_with_what_a_killed_call_left(
    point: str, lab: Lab, tmp_path: Path, *, push: bool
) -> None:
    host = hosted(lab.repo, tmp_path / "host.git")
    lab.repo.switch("exp/deep")
    killed(lab, f"conclude -m 'It holds.' {'--push' if push else '--archive'}", point)
    left = conclusion_named(repository.open_repository(lab.repo.workspace), "deep", lab.repo.hash())
    if left is not ABSENT:
        with pytest.raises(ExistsError) as refused:  # another one is no repetition
            conclude(lab.repo.workspace, words="It does not.", archived=True, push=push)
        step = (refused.value.next_step or "").partition(";")[0]
        assert step == f"gitexp archive deep{' --push' * push}"
        with pytest.raises(ExistsError):
            conclude(lab.repo.workspace, words="It holds.")
        tried = conclude(lab.repo.workspace, words="It holds.", archived=True, dry_run=True)
        assert (tried.commit, TAG in lab.repo.refs()) == (None, False)
    for _ in range(2):  # what is done stays done
        report = conclude(lab.repo.workspace, words="It holds.", archived=True, push=push)
        assert lab.repo.hash("exp-archive/deep^{commit}") == report.commit
        assert lab.repo.hash("exp/deep") == report.commit
    assert left in (ABSENT, report.conclusion)
    assert (TAG in host.refs()) is push
    assert (lab.repo.status(), lab.repo.locks()) == ([], [])


@pytest.mark.sweep(2)
@pytest.mark.parametrize("point", POINTS)
def test_a_branch_that_a_killed_restore_left_is_sent_again(
    point: str, lab: Lab, tmp_path: Path
) -> None:
    hosted(lab.repo, tmp_path / "host.git")
    lab.repo.git("push", "-q", "-u", "origin", "exp/deep")
    archive(lab.repo.workspace, "deep", push=True, abandon=True)
    killed(lab, "restore deep", point)
    if BRANCH not in lab.repo.refs():
        restore(lab.repo.workspace, "deep")
    with pytest.raises(ExistsError) as refused:
        restore(lab.repo.workspace, "deep")
    assert refused.value.next_step == "git switch exp/deep"
    assert "branch.exp/deep." not in lab.repo.git("config", "--list")
    assert lab.repo.hash("exp/deep") == lab.repo.hash("exp-archive/deep^{commit}")
    assert lab.repo.locks() == []
    lab.repo.fsck()


def test_concluding_can_archive_in_one_step(lab: Lab) -> None:
    lab.repo.switch("exp/deep")
    report = conclude(lab.repo.workspace, words="It holds.", archived=True)
    assert report.archived is not None
    assert report.archived.notes
    assert lab.repo.hash("exp-archive/deep^{commit}") == report.commit
    assert "verdict: supported" in lab.repo.git("for-each-ref", "--format=%(contents)", TAG)


def test_a_plan_that_nobody_tried_is_archived_only_when_it_is_abandoned(lab: Lab) -> None:
    merge(lab)  # the runs of another experiment are no runs of this one
    lab.plan("typo")
    lab.repo.switch("main")
    before = lab.repo.refs()
    with pytest.raises(PreconditionError, match="nothing of typo was run") as caught:
        archive(lab.repo.workspace, "typo")
    assert "gitexp rm typo --yes" in caught.value.next_step
    assert lab.repo.refs() == before
    assert archive(lab.repo.workspace, "typo", abandon=True).done
    assert "refs/tags/exp-archive/typo" in lab.repo.refs()


# --- list ---------------------------------------------------------------------------------------


def test_a_list_of_archives_has_nothing_else_and_one_of_stale_branches_no_archive(
    lab: Lab,
) -> None:
    lab.plan("other")
    lab.repo.commit({"x": "y"}, at=60 * 24 * 100)
    lab.repo.switch("main")
    soon = START.replace(year=2024) + timedelta(days=100)
    stale = ListQuery(stale_before=soon - timedelta(days=90))
    assert states(lab.repo, stale) == {"deep": "run"}
    archive(lab.repo.workspace, "deep", abandon=True)
    assert states(lab.repo, stale) == {}
    assert states(lab.repo, ListQuery(archived=True)) == {"deep": "archived"}
    assert states(lab.repo) == {"deep": "archived", "other": "planned"}


@pytest.mark.parametrize("then", ["stays", "is back", "has gone on", "went back"])
def test_an_archived_experiment_whose_branch_is_here_stands_where_that_is(
    lab: Lab, then: str
) -> None:
    archive(lab.repo.workspace, "deep", abandon=then != "stays")
    if then != "stays":
        assert states(lab.repo, ListQuery(archived=True)) == {"deep": "archived"}
        restore(lab.repo.workspace, "deep")
    if then.startswith(("has", "went")):
        lab.repo.switch("exp/deep")
    if then == "has gone on":
        lab.repo.commit({"x": "y"}, at=99)
    if then == "went back":
        lab.repo.git("reset", "-q", "--hard", "HEAD~1")
    assert {BRANCH, "refs/tags/exp-archive/deep"} <= {*lab.repo.refs()}
    assert states(lab.repo, ListQuery(archived=True)) == {}
    (listed,) = list_experiments(lab.repo.workspace).experiments
    assert listed.branch == "exp/deep"
    assert "archived" not in (listed.state, listed.standing.rpartition(", ")[2])


# --- restore ------------------------------------------------------------------------------------


def test_what_is_restored_is_as_it_was(lab: Lab) -> None:
    tip = lab.repo.hash("exp/deep")
    archive(lab.repo.workspace, "deep", abandon=True)
    report = restore(lab.repo.workspace, "deep")
    assert (lab.repo.hash("exp/deep"), report.commit) == (tip, tip)
    assert TAG in lab.repo.refs()
    assert states(lab.repo) == {"deep": "run"}
    with pytest.raises(ExistsError):
        restore(lab.repo.workspace, "deep")
    with pytest.raises(UnknownExperimentError):
        restore(lab.repo.workspace, "nothing")


# --- rm -----------------------------------------------------------------------------------------


def test_an_experiment_that_is_not_archived_is_removed_only_with_yes(lab: Lab) -> None:
    before = lab.repo.refs()
    with pytest.raises(ConfirmationError):
        remove(lab.repo.workspace, "deep")
    assert lab.repo.refs() == before
    remove(lab.repo.workspace, "deep", yes=True)
    assert BRANCH not in lab.repo.refs()


def test_a_removed_experiment_keeps_its_records_and_loses_its_code(lab: Lab) -> None:
    before = one(lab, "deep")
    tip, source = lab.repo.hash("exp/deep"), lab.repo.hash("exp/deep~")
    conclude(lab.repo.workspace, "deep", words="It holds.")
    archive(lab.repo.workspace, "deep", abandon=True)
    report = remove(lab.repo.workspace, "deep", words="the data had to go", now=START)
    assert all(path.startswith(".gitexp/") for path in lab.repo.files(report.commit))
    lab.repo.git("reflog", "expire", "--expire=now", "--all")
    lab.repo.git("gc", "-q", "--prune=now")
    assert lab.repo.git("cat-file", "-t", tip, check=False) == ""
    stone = codec.load(
        Tombstone, lab.repo.show(layout.tombstone_path("deep"), "exp-archive/deep").encode(), ""
    )
    assert (stone.words, stone.inputs) == ("the data had to go", before.candidate.inputs)
    assert stone.source is not None
    assert source != stone.tip
    after = one(lab, "deep")
    assert (after.verdict, after.pairs) == (Verdict.SUPPORTED, 10)
    assert after.candidate.source_lost
    (listed,) = list_experiments(lab.repo.workspace, ListQuery(archived=True)).experiments
    assert (listed.state, listed.verdict) == ("removed", Verdict.SUPPORTED)
    view = show(lab.repo.workspace, "deep")
    assert isinstance(view, ShownExperiment)
    assert any("the data had to go" in note for note in view.notes)
    seen = diff(lab.repo.workspace, "main", "deep")
    assert (seen.code, seen.params) == ((), ())
    assert any("was removed" in note for note in seen.notes)
    with pytest.raises(PreconditionError, match="was removed"):
        restore(lab.repo.workspace, "deep")
    assert remove(lab.repo.workspace, "deep").done == ()


def test_the_name_of_a_removed_experiment_is_not_given_to_another(lab: Lab) -> None:
    remove(lab.repo.workspace, "deep", yes=True)
    request = NewRequest(
        name="deep",
        hypothesis="another idea raises the score",
        metric="f1",
        effect=">0",
        baseline="main",
        seeds=SeedOrigin.COMMITTED,
    )
    with pytest.raises(ExistsError, match="was archived, or removed"):
        new(lab.repo.workspace, request)
    lab.plan("deep")
    lab.repo.switch("main")
    with pytest.raises(ExistsError, match="was removed"):
        archive(lab.repo.workspace, "deep")
    first = lab.repo.hash("exp-archive/deep^{commit}")
    remove(lab.repo.workspace, "deep", yes=True)
    assert lab.repo.hash("exp-archive/deep^{commit}^") == first


def test_the_name_of_a_plan_that_nobody_tried_is_free_after_its_removal(lab: Lab) -> None:
    lab.plan("typo")
    lab.repo.switch("main")
    report = remove(lab.repo.workspace, "typo")  # nothing would be lost, so nothing is asked
    assert "the name typo is free" in report.done[-1]
    assert [ref for ref in lab.repo.refs() if "typo" in ref] == []
    assert states(lab.repo) == {"deep": "run"}


def test_runs_outside_the_plan_keep_a_removed_experiment_on_record(lab: Lab) -> None:
    lab.plan("typo")
    lab.record("t", {"f1": scores(0.6, [1, 2])})
    lab.repo.switch("main")
    remove(lab.repo.workspace, "typo", yes=True)
    assert "refs/tags/exp-archive/typo" in lab.repo.refs()


def test_seeds_that_a_removed_experiment_saw_stay_spent(repo: BuiltRepo) -> None:
    lab = Lab(repo)
    lab.init()
    lab.repo.switch("exp/try", create=True)
    lab.change()
    lab.record("d", {"f1": scores(0.9, range(10))})
    lab.repo.switch("main")
    remove(repo.workspace, "try", yes=True)
    plan = lab.plan()
    lab.change()
    lab.record("b", {"f1": scores(0.6, range(10))}, of="main", plan=plan)
    lab.record("c", {"f1": scores(0.7, range(12))}, plan=plan)
    assert one(lab).pairs == 0


def test_a_removal_reaches_the_remote_with_push(lab: Lab, tmp_path: Path) -> None:
    host = hosted(lab.repo, tmp_path / "host.git")
    archive(lab.repo.workspace, "deep", abandon=True, push=True)
    remove(lab.repo.workspace, "deep", push=True)
    assert host.refs()[TAG] == lab.repo.refs()[TAG]
    assert BRANCH not in host.refs()


# --- rename -------------------------------------------------------------------------------------


def test_a_renamed_experiment_is_the_same_experiment(lab: Lab) -> None:
    conclude(lab.repo.workspace, "deep", words="It holds.")
    before = one(lab, "deep")
    tip = lab.repo.hash("exp/deep")
    report = rename(lab.repo.workspace, "deep", "deeper", now=START)
    assert BRANCH not in lab.repo.refs()
    assert lab.repo.hash("exp/deeper") == report.commit
    assert lab.repo.hash("exp/deeper~") == tip
    after = one(lab, "deeper")
    assert (after.verdict, after.pairs) == (before.verdict, before.pairs)
    assert (after.metrics, after.unused) == (before.metrics, before.unused)
    assert after.plan is not None
    assert before.plan is not None
    assert after.plan.digest == before.plan.digest
    assert (after.plan.name, after.plan.formerly) == ("deeper", ("deep",))
    view = show(lab.repo.workspace, "deeper")
    assert isinstance(view, ShownExperiment)
    assert view.conclusion is not None
    assert view.conclusion.experiment == "deeper"
    assert view.plan_commit == lab.repo.git("log", "--format=%H", "--grep=^plan$", "exp/deeper")
    (listed,) = list_experiments(lab.repo.workspace).experiments
    assert (listed.name, listed.state, listed.finished) == ("deeper", "concluded", 10)
    rename(lab.repo.workspace, "deeper", "deep")
    again = plan_of(lab.repo, "deep")
    assert again == ("deep", ("deeper",))


def test_after_a_merge_a_renamed_experiment_is_listed_once(lab: Lab) -> None:
    merge(lab)
    rename(lab.repo.workspace, "deep", "deeper", now=START)
    assert lab.repo.git("branch", "--show-current") == "main"
    assert states(lab.repo) == {"deeper": "run"}


def test_every_worktree_on_the_branch_follows_and_keeps_its_changes(
    lab: Lab, tmp_path: Path
) -> None:
    other = lab.repo.worktree(tmp_path / "other", "exp/deep")
    other.write({"train.py": "print('edited')\n", "new.txt": "mine"})
    rename(lab.repo.workspace, "deep", "deeper")
    assert other.git("branch", "--show-current") == "exp/deeper"
    assert other.status() == [" M train.py", "?? new.txt"]
    assert BRANCH not in lab.repo.refs()


def test_a_plan_that_is_being_edited_in_a_worktree_stops_the_renaming(
    lab: Lab, tmp_path: Path
) -> None:
    archive(lab.repo.workspace, "deep")
    other = lab.repo.worktree(tmp_path / "other", "exp/deep")
    other.write({layout.plan_path("deep"): "edited\n"})
    before = lab.repo.refs()
    with pytest.raises(GitFailedError, match="nothing was renamed"):
        rename(lab.repo.workspace, "deep", "deeper")
    assert lab.repo.refs() == before
    assert other.git("branch", "--show-current") == "exp/deep"
    assert other.status() == [f" M {layout.plan_path('deep')}"]


@pytest.mark.parametrize("on", ["the old branch", "the new branch", "the new branch, committed"])
def test_a_renaming_that_died_half_way_is_finished_by_the_same_call(
    lab: Lab, tmp_path: Path, on: str
) -> None:
    other = lab.repo.worktree(tmp_path / "other", "exp/deep")
    tip = lab.repo.hash("exp/deep")
    rename(lab.repo.workspace, "deep", "deeper")
    renamed = lab.repo.hash("exp/deeper")
    lab.repo.branch("exp/deep", tip)  # as if the old branch had not gone yet
    if on == "the old branch":
        other.switch("exp/deep")
    elif on.endswith("committed"):
        renamed = other.commit({"more.txt": "x\n"}, at=lab.tick())
    assert sorted(states(lab.repo)) == ["deep", "deeper"]
    rename(lab.repo.workspace, "deep", "deeper")
    assert lab.repo.hash("exp/deeper") == renamed
    assert BRANCH not in lab.repo.refs()
    assert other.git("branch", "--show-current") == "exp/deeper"


def test_an_archive_is_renamed_with_or_without_its_branch(lab: Lab) -> None:
    archive(lab.repo.workspace, "deep", abandon=True)
    rename(lab.repo.workspace, "deep", "deeper")
    assert states(lab.repo) == {"deeper": "archived"}
    assert TAG not in lab.repo.refs()
    assert one(lab, "deeper").verdict is Verdict.SUPPORTED
    restore(lab.repo.workspace, "deeper")
    assert lab.repo.hash("exp/deeper") == lab.repo.hash("exp-archive/deeper^{commit}")
    rename(lab.repo.workspace, "deeper", "deepest")
    assert states(lab.repo) == {"deepest": "run"}
    assert "refs/tags/exp-archive/deepest" in lab.repo.refs()


@pytest.mark.parametrize("there", ["branch", "tag", "branch tag", "branch tag, archived here"])
def test_what_a_remote_has_is_renamed_by_the_command_that_is_printed(
    lab: Lab, tmp_path: Path, there: str
) -> None:
    host = hosted(lab.repo, tmp_path / "host.git")
    if "tag" in there:
        archive(lab.repo.workspace, "deep", abandon="here" in there or "branch" not in there)
        lab.repo.git("push", "-q", "origin", "exp-archive/deep")
    if "branch" not in there:
        archive(lab.repo.workspace, "deep", push=True)
    step = rename(lab.repo.workspace, "deep", "deeper").next_step
    subprocess.run(["sh", "-c", step], cwd=lab.repo.path, env=git_environment(), check=True)
    names = {ref.replace("deeper", "deep") for ref in host.refs() if "deeper" in ref}
    assert names == {ref for word, ref in (("branch", BRANCH), ("tag", TAG)) if word in there}
    pull(lab.repo.workspace)
    assert states(lab.repo).keys() == {"deeper"}
    assert states(clone(host, tmp_path / "fresh")).keys() == {"deeper"}


def test_a_name_that_is_taken_is_refused(lab: Lab) -> None:
    lab.plan("other")
    lab.repo.switch("main")
    lab.repo.git("tag", "-a", "-m", "x", "exp-archive/third", "exp/other")
    lab.repo.branch("exp/Twin")
    before = lab.repo.refs()
    for name in ("other", "third", "twin"):
        with pytest.raises(ExistsError):
            rename(lab.repo.workspace, "deep", name)
    for name in ("deep", "Deep", "a/b"):
        with pytest.raises(UsageError):
            rename(lab.repo.workspace, "deep", name)
    assert lab.repo.refs() == before


def plan_of(repo: BuiltRepo, name: str) -> tuple[str, tuple[str, ...]]:
    opened = repository.open_repository(repo.workspace)
    plan = plans.plan_named(opened, name, repo.hash(f"exp/{name}"))  # type: ignore[arg-type]
    assert plan is not ABSENT
    return plan.name, plan.formerly
