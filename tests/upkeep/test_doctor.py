"""`doctor` names what is left behind, clears what is proved redundant, and touches nothing else."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from gitexp.execution.run import run
from gitexp.git.transaction.cache import Index, Kind
from gitexp.git.transaction.layout import index_file
from gitexp.git.transaction.locks import FileLock, this_process
from gitexp.model.report import Level
from gitexp.model.request import RunRequest
from gitexp.store import calls
from gitexp.upkeep.doctor import CHECKS, doctor
from gitexp.views.list_runs import list_runs
from tests.execution.test_run import plain
from tests.git.test_faults import finish
from tests.lab import publisher
from tests.lab.build import repository
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitexp.model.report import Diagnosis, Trouble
    from tests.lab.build import BuiltRepo

DEAD = {"host": os.uname().nodename, "pid": 4194305, "started": "0-0"}
ID = "0123456789abcdef"
LONG_AGO = 1_600_000_000


@pytest.fixture
def project(repo: BuiltRepo) -> BuiltRepo:
    """A repository with one commit, and nothing of gitexp's."""
    repo.commit({"log.txt": "", "params.yaml": "lr: 0.1\n"})
    return repo


@pytest.fixture(scope="module")
def recorded_once(tmp_path_factory: pytest.TempPathFactory) -> BuiltRepo:
    """A project with one recorded run."""
    repo = plain(tmp_path_factory.mktemp("recorded") / "r")
    run(repo.workspace, RunRequest(repeats=1))
    return repo


@pytest.fixture
def recorded(recorded_once: BuiltRepo, tmp_path: Path) -> BuiltRepo:
    """A copy of it without its job folders."""
    copy = repository(tmp_path / "copy")
    copy.git("fetch", "--quiet", str(recorded_once.path), "+refs/heads/*:refs/remotes/from/*")
    copy.git("reset", "--quiet", "--hard", "from/main")
    copy.git("update-ref", "refs/heads/gitexp/data", "refs/remotes/from/gitexp/data")
    for ref in copy.refs():
        if ref.startswith("refs/remotes/"):
            copy.git("update-ref", "-d", ref)
    return copy


def found(repo: BuiltRepo, check: str, *, fix: bool = False) -> list[Trouble]:
    return [each for each in doctor(repo.workspace, fix=fix).findings if each.check == check]


def cleared(repo: BuiltRepo, check: str, *, times: int = 1) -> list[Trouble]:
    """Examine, clear, examine: named first, then cleared, then not there."""
    before = repo.refs()
    named = found(repo, check)
    assert [each.fixable for each in named] == [True] * times, named
    fixed = doctor(repo.workspace, fix=True)
    assert [each.cleared for each in fixed.findings if each.check == check] == [True] * times
    assert fixed.left == 0, fixed
    after = doctor(repo.workspace)
    assert after.left == 0, after
    assert not [each for each in after.findings if each.check == check]
    kept = {ref: hash_ for ref, hash_ in before.items() if "refs/gitexp/" not in ref}
    assert {ref: repo.refs().get(ref) for ref in kept} == kept
    repo.fsck()
    return named


def damage(repo: BuiltRepo, name: str, change: bytes, at: int = 5) -> str:
    """Commit another content for a file of the only record; return its path."""
    (path,) = [path for path in repo.files() if path.endswith(name)]
    repo.commit({path: change}, at=at)
    return path


def test_a_healthy_project_has_no_finding(recorded: BuiltRepo) -> None:
    before = (recorded.refs(), recorded.status())
    diagnosis = doctor(recorded.workspace, fix=True)
    assert diagnosis.findings == ()
    assert diagnosis.checks == tuple(CHECKS)
    assert (recorded.refs(), recorded.status()) == before


@pytest.mark.sweep(2)
@pytest.mark.parametrize("point", ["tempref", "locked", "set", "cleanup"])
def test_a_dead_publisher_is_named_and_cleared(project: BuiltRepo, point: str) -> None:
    killed = publisher.start(project.path, "main", "a", "1", failpoint=f"publish.{point}:kill")
    assert finish(killed)[0] == -signal.SIGKILL
    (finding,) = cleared(project, "locks")
    assert f"process {killed.pid} died" in finding.what
    assert project.locks() == []
    assert project.status() == []
    assert set(project.refs()) == {"refs/heads/main"}
    assert project.show("log.txt") == ("" if point in {"tempref", "locked"} else "a-0\n")


def test_a_living_publisher_is_left_alone(project: BuiltRepo, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    living = publisher.start(
        project.path, "main", "a", "1", failpoint=f"publish.compared:pause={fifo}"
    )
    with fifo.open("w"):
        later = os.stat(project.path).st_mtime + 10  # noqa: PTH116  the time alone
        assert doctor(project.workspace, fix=True, now_s=lambda: later).findings == ()
        assert project.locks() == ["HEAD.lock", "index.lock", "refs/heads/main.lock"]
    assert finish(living)[0] == 0
    assert project.show("log.txt") == "a-0\n"


def test_an_index_lock_of_ours_without_an_owner_is_removed(project: BuiltRepo) -> None:
    project.write({".git/index.lock": f"{ID}\n"})
    cleared(project, "locks")
    assert project.locks() == []


def test_a_lock_of_gits_is_named_when_it_is_old_and_never_removed(project: BuiltRepo) -> None:
    names = ["index.lock", "packed-refs.lock", "refs/heads/main.lock"]
    project.write({f".git/{name}": "" for name in names})
    assert found(project, "locks") == []  # a git command is under way
    for name in names:
        os.utime(project.path / ".git" / name, (LONG_AGO, LONG_AGO))
    diagnosis = doctor(project.workspace, fix=True)
    assert [each.fixable for each in diagnosis.findings] == [False] * 3
    assert all(each.remedy.startswith("rm ") for each in diagnosis.findings)
    assert project.locks() == sorted(names)


def test_a_half_written_owner_file_is_named_and_stays(project: BuiltRepo) -> None:
    path = project.path / ".git/gitexp/locks/publish-0123.json"
    project.write({".git/gitexp/locks/publish-0123.json": "{"})
    os.utime(path, (LONG_AGO, LONG_AGO))
    (finding,) = found(project, "locks", fix=True)
    assert (finding.fixable, finding.cleared) == (False, False)
    assert path.exists()


def test_temporary_refs_and_files_without_an_owner_are_removed(project: BuiltRepo) -> None:
    project.git("update-ref", f"refs/gitexp/tmp/{ID}", "HEAD")
    project.git("pack-refs", "--all")
    project.write(
        {
            ".git/refs/gitexp/tmp/fedcba9876543210.lock": "",
            f".git/index.gitexp-{ID}": "x",
            f".git/index.gitexp-{ID}.lock": "x",
            f".gitexp/tmp/publish-{ID}/0": "x",
            ".gitexp/tmp/.gitignore": "*\n",
            ".gitexp/tmp/publish-mine/0": "not of this form",
        }
    )
    cleared(project, "leftovers", times=5)
    assert set(project.refs()) == {"refs/heads/main"}
    assert project.locks() == []
    assert [path.name for path in (project.path / ".gitexp/tmp").glob("publish-*")] == [
        "publish-mine"
    ]


@pytest.fixture
def killed_run(tmp_path: Path) -> BuiltRepo:
    """A project whose coordinator was killed when its two repeats had finished."""
    repo = plain(tmp_path / "r")
    armed = {"GITEXP_TESTING": "1", "GITEXP_FAILPOINT": "publish.blobs:kill"}
    assert gitexp(repo, "run", "--repeats", "2", env=armed).code == -signal.SIGKILL
    return repo


def test_finished_repeats_of_a_dead_run_are_named_with_the_command_that_records_them(
    killed_run: BuiltRepo,
) -> None:
    (finding,) = found(killed_run, "repeats")
    assert "2 finished repeats" in finding.what
    assert finding.remedy == "record them; gitexp run finishes the call, too"
    assert gitexp(killed_run, "doctor").out.endswith("\nnext: gitexp run\n")
    assert gitexp(killed_run, "status").out.endswith("\nnext: gitexp run\n")
    assert gitexp(killed_run, "run").code == 0
    assert gitexp(killed_run, "doctor").out == "no problems; 10 checks\n"


def test_finished_repeats_of_a_dead_run_are_recorded_by_fix(killed_run: BuiltRepo) -> None:
    done = gitexp(killed_run, "doctor", "--fix")
    assert done.code == 0, done.out
    assert f"recorded {killed_run.hash()[:9]} on main" in done.out
    (path,) = [path for path in killed_run.files() if path.endswith("run.json")]
    assert [r["state"] for r in json.loads(killed_run.show(path))["repeats"]] == ["finished"] * 2
    assert killed_run.status() == []
    again = gitexp(killed_run, "doctor", "--json")
    assert (again.code, again.json["left"], again.json["findings"]) == (0, 0, [])


def test_nothing_is_recorded_while_a_worker_is_at_work_for_it(killed_run: BuiltRepo) -> None:
    before = killed_run.refs()
    (slot,) = [p for p in (killed_run.path / ".git/gitexp/work/worktrees").iterdir() if p.is_dir()]
    with FileLock(slot.with_name(f"{slot.name}.lock")):
        (finding,) = found(killed_run, "repeats", fix=True)
    assert not finding.cleared
    assert "a worker is at work" in finding.said
    assert killed_run.refs() == before


def test_calls_of_an_earlier_version_are_named_and_stay(project: BuiltRepo) -> None:
    project.write({".gitexp/tmp/.gitignore": "*\n", ".gitexp/tmp/runs/aaaa/state.json": "{}"})
    (said,) = found(project, "repeats", fix=True)
    assert (said.level, said.cleared) == (Level.NOTE, False)
    assert said.remedy.endswith(f"then rm -r {project.path}/.gitexp/tmp")
    assert doctor(project.workspace, fix=True).left == 0
    assert (project.path / ".gitexp/tmp/runs/aaaa/state.json").exists()


def test_where_the_branch_is_gone_the_remedy_brings_it_back(killed_run: BuiltRepo) -> None:
    killed_run.switch("other", create=True)
    killed_run.git("branch", "--quiet", "-D", "main")
    (finding,) = found(killed_run, "repeats")
    first, second = finding.remedy.split(" && ")
    killed_run.git(*first.split()[1:])
    assert gitexp(killed_run, *second.split()[1:]).code == 0
    assert len([path for path in killed_run.files("main") if path.endswith("run.json")]) == 1


def test_a_worktree_of_a_dead_run_is_removed_and_its_outcomes_stay(killed_run: BuiltRepo) -> None:
    folder = killed_run.path / ".git/gitexp/work"
    outcomes = sorted(folder.glob("runs/*/jobs/*/attempt-1/outcome.json"))
    assert len(outcomes) == 2
    (finding,) = found(killed_run, "worktrees", fix=True)
    assert finding.cleared
    assert killed_run.git("worktree", "list").count("\n") == 0
    assert list((folder / "worktrees").iterdir()) == []
    assert sorted(folder.glob("runs/*/jobs/*/attempt-1/outcome.json")) == outcomes


def test_a_worktree_in_which_a_worker_is_at_work_stays(killed_run: BuiltRepo) -> None:
    (slot,) = [p for p in (killed_run.path / ".git/gitexp/work/worktrees").iterdir() if p.is_dir()]
    with FileLock(slot.with_name(f"{slot.name}.lock")):
        (finding,) = found(killed_run, "worktrees", fix=True)
    assert not finding.cleared
    assert "a worker is at work" in finding.said
    assert slot.is_dir()


def test_a_worktree_that_is_being_made_belongs_to_its_run(project: BuiltRepo) -> None:
    owner = {"claimed": str(this_process()), "dropped": " ".join(map(str, DEAD.values()))}
    for name, text in owner.items():
        project.write({f".git/gitexp/work/runs/{name}/owner": text})
        calls.begun(calls.proofs(project.workspace), name)
        project.git(
            "worktree", "add", "--quiet", "--detach", f".git/gitexp/work/worktrees/{name}-0", "HEAD"
        )
    fixed = doctor(project.workspace, fix=True)
    assert fixed.left == 0, fixed
    left = [path.name for path in (project.path / ".git/gitexp/work/worktrees").iterdir()]
    assert left == ["claimed-0"]
    assert [path.name for path in (project.path / ".git/gitexp/work/runs").iterdir()] == ["claimed"]


def test_notes_that_say_less_than_git_are_brought_up_to_date(tmp_path: Path) -> None:
    repo = plain(tmp_path / "r", outputs=(), dvc_init=False)  # no by-products: one transaction
    armed = {"GITEXP_TESTING": "1", "GITEXP_FAILPOINT": "publish.set:kill"}
    assert gitexp(repo, "run", "--repeats", "1", env=armed).code == -signal.SIGKILL
    (finding,) = found(repo, "repeats")
    assert "is recorded on main" in finding.what
    assert doctor(repo.workspace, fix=True).left == 0
    assert doctor(repo.workspace).findings == ()
    assert repo.status() == []
    assert len([path for path in repo.files() if path.endswith("run.json")]) == 1


def test_half_written_notes_are_named_and_stay(project: BuiltRepo) -> None:
    project.write({".git/gitexp/work/runs/aaaa/state.json": "{"})
    (finding,) = found(project, "repeats", fix=True)
    assert "not to be believed: this is not JSON" in finding.what
    assert (project.path / ".git/gitexp/work/runs/aaaa/state.json").exists()


def records(repo: BuiltRepo) -> Iterator[tuple[str, bytes]]:
    for path in repo.files():
        if path.startswith((".gitexp/runs/", ".gitexp/environments/")):
            yield path, repo.git_bytes("show", f"HEAD:{path}")


def test_every_cut_and_every_flip_of_a_record_is_found(recorded: BuiltRepo) -> None:
    whole = dict(records(recorded))
    checked = {name: data for name, data in whole.items() if not name.endswith("requirements.txt")}
    assert len(checked) == 3
    tree, head = recorded.tree(), recorded.hash()
    for number, (path, data) in enumerate(checked.items()):
        at = len(data) // 2
        for spoilt in (data[:at], data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]):
            recorded.commit({path: spoilt}, at=5 + number)
            findings = found(recorded, "records", fix=True)
            assert findings, path
            assert not any(finding.cleared for finding in findings)
            recorded.git("reset", "--quiet", "--hard", head)
    assert recorded.tree() == tree


def test_a_damaged_record_comes_back_by_the_command_that_is_named(recorded: BuiltRepo) -> None:
    path = damage(recorded, "samples.csv", b"metric\n")
    (finding,) = found(recorded, "records")
    assert "is damaged" in finding.what
    command = finding.remedy.split(", and")[0].split()
    recorded.git(*command[1:])
    recorded.git("commit", "--quiet", "-m", "whole again")
    assert found(recorded, "records") == []
    assert recorded.show(path).startswith("metric,")


def test_an_edited_record_is_found_although_it_can_be_read(recorded: BuiltRepo) -> None:
    (path,) = [path for path in recorded.files() if path.endswith("run.json")]
    value = json.loads(recorded.show(path))
    value["author"]["name"] = "Somebody Else"
    damage(recorded, "run.json", json.dumps(value).encode())
    (finding,) = found(recorded, "records")
    assert "was edited after it was recorded" in finding.what


def test_by_products_of_a_run_that_no_branch_has_are_a_note(recorded: BuiltRepo) -> None:
    recorded.git("switch", "--quiet", "--orphan", "elsewhere")
    recorded.git("branch", "--quiet", "-D", "main")
    recorded.commit({"x": "1"})
    before = recorded.refs()
    diagnosis = doctor(recorded.workspace, fix=True)
    (finding,) = diagnosis.findings
    assert (finding.check, finding.level) == ("by-products", Level.NOTE)
    assert diagnosis.left == 0
    assert recorded.refs() == before
    # Where a remote has the commit, the run may be on a branch that is not here.
    recorded.git("update-ref", "refs/remotes/origin/gitexp/data", "refs/heads/gitexp/data")
    assert doctor(recorded.workspace).findings == ()


def test_a_branch_that_dvc_made_is_a_note(project: BuiltRepo) -> None:
    project.branch("exp/urban-moss")
    diagnosis = doctor(project.workspace)
    (finding,) = diagnosis.findings
    assert (finding.where, finding.level, diagnosis.left) == ("exp/urban-moss", Level.NOTE, 0)
    assert "gitexp new NAME --here" in finding.remedy
    done = gitexp(project, "doctor")
    assert done.code == 0
    assert "1 note;" in done.out


def test_an_index_that_disagrees_with_git_is_removed(recorded: BuiltRepo) -> None:
    list_runs(recorded.workspace)
    file = index_file(recorded.workspace)
    assert found(recorded, "index") == []
    with Index(file) as index:  # with a right seal: nothing but Git can tell
        rows = index.all(Kind.RUN)
        assert rows
        index.put(Kind.RUN, {key: row.replace(b"Ada", b"Eve") for key, row in rows.items()})
    assert any(run.author == "Eve Lovelace" for run in list_runs(recorded.workspace).runs)
    cleared(recorded, "index")
    assert not file.exists()
    assert all(run.author == "Ada Lovelace" for run in list_runs(recorded.workspace).runs)


def test_unfinished_files_of_dead_processes_are_removed_from_the_cache(
    recorded: BuiltRepo,
) -> None:
    folder = ".dvc/cache/files/md5"
    names = {
        "dead": f"{folder}/.gitexp-4194305-0123456789ab",
        "nested": f"{folder}/ab/.gitexp-4194305-0123456789ab",
        "alive": f"{folder}/.gitexp-{os.getpid()}-0123456789ab",
        "fresh": f"{folder}/.gitexp-4194305-ba9876543210",
        "object": f"{folder}/ab/cdef",
        "copy": ".gitexp-4194305-01234567",
        "aside": ".gitexp-4194305-01234567-old",
    }
    recorded.write(dict.fromkeys(names.values(), "x"))
    for kind, name in names.items():
        if kind != "fresh":
            os.utime(recorded.path / name, (LONG_AGO, LONG_AGO))
    named = found(recorded, "data cache", fix=True)
    assert len(named) == 4
    assert {kind for kind, name in names.items() if not (recorded.path / name).exists()} == {
        "dead",
        "nested",
        "copy",
    }
    (aside,) = [each for each in named if not each.cleared]
    assert "dvc checkout" in aside.remedy


def test_doctor_works_in_a_bare_repository_and_in_one_without_gitexp(
    recorded: BuiltRepo, tmp_path: Path
) -> None:
    bare = repository(tmp_path / "bare", bare=True)
    empty: Diagnosis = doctor(bare.workspace)
    assert empty.findings == ()
    bare.git("fetch", "--quiet", str(recorded.path), "+refs/heads/*:refs/heads/*")
    assert doctor(bare.workspace, fix=True).findings == ()
