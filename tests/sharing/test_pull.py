"""`pull`: branches go forward, work trees follow, data come when asked for."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from gitexp.errors import PreconditionError, UnknownExperimentError
from gitexp.experiments.init import init
from gitexp.model.request import InitRequest
from gitexp.model.sharing import BranchOutcome
from gitexp.sharing.push_pull import pull
from tests.lab.build import BuiltRepo, clone, dvc, repository
from tests.lab.sharing import BRANCH, Team, clean, copy, gitexp, make, record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment that one of two clones has run and pushed."""
    folder = tmp_path_factory.mktemp("shared") / "team"
    team = make(folder)
    for command in (("run", "--repeats", "2", "--jobs", "2"), ("push",)):
        done = gitexp(team.a, *command)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def team(shared: Path, tmp_path: Path) -> Team:
    return copy(shared, tmp_path / "team")


def test_the_branch_and_its_work_tree_go_forward(team: Team) -> None:
    report = pull(team.b.workspace)
    (move,) = report.branches
    assert (move.way, move.after) == (BranchOutcome.FORWARD, team.a.hash())
    assert team.b.hash() == team.tip()
    assert team.b.status() == []
    assert json.loads((team.b.path / "metrics.json").read_text())["acc"] == 0.507
    assert not (team.b.path / "model.txt").exists()
    assert pull(team.b.workspace).branches[0].way is BranchOutcome.SAME


def test_data_come_when_asked_for(team: Team) -> None:
    report = pull(team.b.workspace, data=True)
    assert (report.data.by, report.data.objects) == ("gitexp", 1)
    assert (team.b.path / "model.txt").read_bytes() == (team.a.path / "model.txt").read_bytes()
    clean(team.b)


def test_data_of_what_a_fresh_clone_has_checked_out_come_without_a_name(team: Team) -> None:
    team.b.git("switch", "--quiet", "--detach", f"origin/{BRANCH}")
    team.b.git("branch", "--quiet", "-D", BRANCH)
    team.b.git("switch", "--quiet", "--create", "main2")
    pull(team.b.workspace)
    team.b.git("merge", "--quiet", f"origin/{BRANCH}")
    assert not (team.b.path / "model.txt").exists()
    report = pull(team.b.workspace, data=True)
    assert (report.branches, report.data.objects) == ((), 1)
    assert (team.b.path / "model.txt").read_bytes() == (team.a.path / "model.txt").read_bytes()


def test_a_branch_that_is_not_checked_out_names_what_puts_its_data_there(team: Team) -> None:
    team.b.git("switch", "--quiet", "main")
    report = pull(team.b.workspace, [BRANCH.partition("/")[2]], data=True)
    switch, checkout = report.next_step.split(" && ")
    team.b.git(*switch.split()[1:])
    assert not (team.b.path / "model.txt").exists()
    assert gitexp(team.b, *checkout.split()[1:]).returncode == 0
    clean(team.b)


def test_data_come_also_where_the_branch_is_up_to_date(team: Team) -> None:
    pull(team.b.workspace)
    pull(team.b.workspace, data=True)
    assert (team.b.path / "model.txt").exists()


def test_an_output_that_is_there_follows_its_branch(team: Team) -> None:
    pull(team.b.workspace, data=True)
    team.a.commit({"params.yaml": "lr: 0.9\nseed: 7\n"}, at=9)
    assert gitexp(team.a, "run", "--seeds", "7").returncode == 0
    assert gitexp(team.a, "push").returncode == 0
    report = pull(team.b.workspace)
    assert [path.split(" (")[0] for path in report.not_updated] == ["model.txt"]
    assert pull(team.b.workspace, data=True).not_updated == ()
    assert "0.9" in (team.b.path / "model.txt").read_text()


def test_edits_stay_and_are_named(team: Team) -> None:
    team.a.commit({"train.py": "# theirs\n"}, at=9)
    team.a.git("push", "--quiet", "origin", BRANCH)
    team.b.write({"train.py": "# mine\n"})
    report = pull(team.b.workspace)
    assert report.not_updated == ("train.py",)
    assert (team.b.path / "train.py").read_text() == "# mine\n"
    assert team.b.hash() == team.tip()


def test_linked_work_trees_follow_too(team: Team, tmp_path: Path) -> None:
    team.b.switch("main")
    other = team.b.worktree(tmp_path / "other", BRANCH)
    pull(team.b.workspace)
    assert (other.hash(), other.status()) == (team.tip(), [])


def test_a_branch_with_commits_of_its_own_is_left(team: Team) -> None:
    record(team.b, 1)
    tip = team.b.hash()
    done = gitexp(team.b, "pull")
    assert done.returncode == 4
    assert "gitexp sync" in done.stdout
    assert team.b.hash() == tip
    assert pull(team.b.workspace).branches[0].way is BranchOutcome.DIVERGED


def test_a_name_that_only_the_remote_has_becomes_a_branch(team: Team) -> None:
    team.a.branch("exp/other")
    team.a.git("push", "--quiet", "origin", "exp/other")
    assert [move.branch for move in pull(team.b.workspace).branches] == [BRANCH]
    (move,) = pull(team.b.workspace, ["other"]).branches
    assert (move.branch, move.way, move.before) == ("exp/other", BranchOutcome.NEW, None)
    assert team.b.hash("exp/other") == team.a.hash("exp/other")
    with pytest.raises(UnknownExperimentError, match="no such branch"):
        pull(team.b.workspace, ["nope"])


def test_archive_tags_arrive_and_one_of_the_same_name_is_not_overwritten(team: Team) -> None:
    team.a.git("tag", "-a", "-m", "done", "exp-archive/old", "main")
    team.a.git("push", "--quiet", "origin", "exp-archive/old")
    assert pull(team.b.workspace).archived == ("exp-archive/old",)
    team.a.git("tag", "-f", "-a", "-m", "another", "exp-archive/old", BRANCH)
    team.a.git("push", "--quiet", "--force", "origin", "exp-archive/old")
    record(team.a, 1)
    team.a.git("push", "--quiet", "origin", BRANCH)
    before = team.b.hash("exp-archive/old")
    report = pull(team.b.workspace)
    assert any("exp-archive/old" in warning for warning in report.warnings)
    assert team.b.hash("exp-archive/old") == before
    assert report.branches[0].way is BranchOutcome.FORWARD


def test_a_remote_that_was_rewritten_takes_nothing_away(team: Team) -> None:
    pull(team.b.workspace)
    tip = team.b.hash()
    team.a.git("push", "--quiet", "--force", "origin", f"{BRANCH}~1:{BRANCH}")
    assert pull(team.b.workspace).branches[0].way is BranchOutcome.AHEAD
    assert team.b.hash() == tip


def test_damaged_or_lacking_data_of_the_remote_are_told(team: Team) -> None:
    (path,) = (team.store / "files" / "md5").glob("*/*")
    path.chmod(0o644)
    path.write_text("spoilt")
    done = gitexp(team.b, "pull", "--data")
    assert done.returncode == 3
    assert f"damaged model.txt of {BRANCH} (an object has other bytes" in re.sub(
        " +", " ", done.stdout
    )
    shutil.rmtree(team.store)
    report = pull(team.b.workspace, data=True)
    assert report.data.lacking == ("model.txt",)
    assert [path.split(" (")[0] for path in report.not_updated] == ["model.txt"]


SECRET = b"TOPSECRET key"


def md5_of(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def other_bytes(place: Path, _: Path) -> None:
    place.write_text("bad")


def a_link(place: Path, secret: Path) -> None:
    place.symlink_to(secret)


def a_sound_link(place: Path, secret: Path) -> None:
    """Name bytes that the victim has elsewhere: a push of that branch would send them."""
    secret.write_bytes(b"x\n")
    place.symlink_to(secret)


def below_a_link(place: Path, secret: Path) -> None:
    place.parent.rmdir()
    (secret.parent / "there").mkdir()
    (secret.parent / "there" / place.name).write_bytes(b"x\n")
    place.parent.symlink_to(secret.parent / "there")


DAMAGE = (other_bytes, a_link, a_sound_link, below_a_link)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("folder", [False, True], ids=["a file", "a folder"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_on_the_remote_is_named_and_stops_nothing_else(
    team: Team, tmp_path: Path, damage: Callable[[Path, Path], None], *, folder: bool
) -> None:
    """Attack: a stranger's branch wants bytes that the shared remote has otherwise."""
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET)
    team.a.git("switch", "--quiet", "--create", "exp/evil", "main")
    team.a.write({"junk/x": "x\n", "junk/y": "y\n"} if folder else {"junk": "x\n"})
    dvc(team.a.path, "add", "--quiet", "junk")
    dvc(team.a.path, "push", "--quiet", "junk")
    team.a.git("add", "--all")
    team.a.commit(at=9, message="data")
    team.a.git("push", "--quiet", "origin", "exp/evil")
    md5 = md5_of(b"x\n")
    place = team.store / "files" / "md5" / md5[:2] / md5[2:]
    place.unlink()
    damage(place, secret)
    team.b.git("fetch", "--quiet")
    team.b.git("branch", "--quiet", "exp/evil", "origin/exp/evil")
    kept = {path.name for path in team.store.rglob("*")}
    for _ in range(2):
        done = gitexp(team.b, "pull", "--data")
        assert done.returncode == 3
        assert "damaged  junk of exp/evil (an object " in done.stdout
        assert (team.b.path / "model.txt").exists()
        for held in (md5_of(SECRET), md5_of(b"bad"), md5_of(b"x\n")):
            assert not list((team.b.path / ".dvc" / "cache").rglob(held[2:]))
            assert held == place.parent.name + place.name or held not in done.stdout + done.stderr
    assert {path.name for path in team.store.rglob("*")} == kept
    assert gitexp(team.b, "pull", "--data", "idea").returncode == 0
    step = re.search(r"next: (rm .*), then gitexp push from", done.stdout)
    assert step is not None
    subprocess.run(shlex.split(step[1]), check=True)
    assert secret.exists()
    assert damage is not below_a_link or (tmp_path / "there" / place.name).exists()
    assert gitexp(team.a, "push").returncode == 0
    done = gitexp(team.b, "pull", "--data")
    assert (done.returncode, "damaged" in done.stdout) == (0, False)


@pytest.mark.slow
def test_data_that_dvc_2_added_go_and_come_by_dvc(team: Team) -> None:
    team.a.write({"old.csv": "1,2\n"})
    dvc(team.a.path, "add", "--quiet", "old.csv")
    pointer = team.a.path / "old.csv.dvc"
    pointer.write_text(pointer.read_text().replace("  hash: md5\n", ""))
    name = hashlib.md5(b"1,2\n", usedforsecurity=False).hexdigest()
    cache = team.a.path / ".dvc" / "cache"
    (cache / name[:2]).mkdir()
    (cache / "files/md5" / name[:2] / name[2:]).rename(cache / name[:2] / name[2:])
    team.a.git("add", "--all")
    team.a.commit(at=9, message="old data")
    done = gitexp(team.a, "push")
    assert done.returncode == 0, done.stderr
    assert list(team.store.rglob(name[2:]))
    pull(team.b.workspace, data=True)
    assert (team.b.path / ".dvc" / "cache" / name[:2] / name[2:]).read_bytes() == b"1,2\n"


@pytest.mark.slow
def test_an_import_is_brought_by_the_step_that_is_named(team: Team, tmp_path: Path) -> None:
    """DVC's remote never has it: `dvc push` leaves it where it came from."""
    source = repository(tmp_path / "registry")
    dvc(source.path, "init", "--quiet")
    source.write({"data/a b.csv": "1,2\n"})
    dvc(source.path, "add", "--quiet", "data/a b.csv")
    source.git("add", "--all")
    source.commit(message="data")
    dvc(team.a.path, "import", "--quiet", str(source.path), "data/a b.csv", "-o", "in put.csv")
    team.a.git("add", "--all")
    team.a.commit(at=9, message="an import")
    done = gitexp(team.a, "push")
    assert done.returncode == 0, done.stderr
    report = pull(team.b.workspace, data=True)
    assert report.data.lacking == report.data.imported == ("in put.csv",)
    assert report.next_step == "dvc pull 'in put.csv'"
    dvc(team.b.path, *shlex.split(report.next_step)[1:])
    assert (team.b.path / "in put.csv").read_text() == "1,2\n"
    clean(team.b)
    again = pull(team.b.workspace, data=True)
    assert (again.data.lacking, again.next_step) == ((), "gitexp list")
    team.b.switch("main")
    shutil.rmtree(team.b.path / ".dvc" / "cache")
    (team.b.path / "deep").mkdir()
    away = gitexp(BuiltRepo(team.b.path / "deep"), "pull", "--data")
    assert f"next: git switch {BRANCH}, then dvc --cd .. pull 'in put.csv'" in away.stdout
    assert "an import" in away.stdout


def test_data_without_a_data_remote_are_told(team: Team) -> None:
    for name in ("config", "config.local"):
        (team.b.path / ".dvc" / name).write_text("")
    with pytest.raises(PreconditionError, match="no DVC remote"):
        pull(team.b.workspace, data=True)


@pytest.mark.slow
def test_any_other_data_remote_is_left_to_dvc(team: Team) -> None:
    config = team.b.path / ".dvc" / "config.local"
    config.write_text(f"['remote \"store\"']\n    url = {team.store}\n    verify = true\n")
    report = pull(team.b.workspace, data=True)
    assert (report.data.by, report.data.objects) == ("dvc", 1)
    assert (team.b.path / "model.txt").exists()
    clean(team.b)


PREDICT = """\
import json
good = "lr: 0.9" in open("params.yaml").read()
rows = [(i, i % 2, i % 2 if good or i % 4 else 1 - i % 2) for i in range(80)]
lines = ["id,y_true,y_pred", *(f"{i},{y},{guess}" for i, y, guess in rows)]
open("pred.csv", "w").write("\\n".join(lines) + "\\n")
json.dump({"accuracy": sum(y == guess for _, y, guess in rows) / 80}, open("metrics.json", "w"))
"""


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment about two models that was run and pushed, each with its own way to end."""
    folder = tmp_path_factory.mktemp("judged")
    repo = repository(folder / "a")
    repo.commit({"train.py": PREDICT, "params.yaml": "lr: 0.1\n"})
    asked = InitRequest(
        command="python train.py", metrics=("metrics.json",), predictions="pred.csv", dvc_init=True
    )
    init(repo.workspace, asked)
    store = folder / "store"
    with (repo.path / ".dvc" / "config").open("a") as config:
        config.write(f"[core]\n    remote = store\n['remote \"store\"']\n    url = {store}\n")
    repo.git("add", "--all")
    repo.commit(at=2, message="a project")
    repo.git("remote", "add", "origin", repository(folder / "o.git", bare=True).path.as_uri())
    repo.git("push", "--quiet", "origin", "main")
    plan = ("--metric", "accuracy:max", "--effect", ">0", "--repeats", "1", "--claim", "model")
    done = gitexp(repo, "new", "idea", *plan, "--hypothesis", "the faster rate guesses better")
    assert done.returncode == 0, done.stderr
    repo.commit({"params.yaml": "lr: 0.9\n"}, at=3)
    for command in (("run", "--with-baseline"), ("push",)):
        done = gitexp(repo, *command)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
@pytest.mark.sweep(2)
@pytest.mark.parametrize("end", ["open", "archived", "abandoned", "merged"])
def test_predictions_that_a_fresh_clone_lacks_come_by_the_step_that_is_named(
    judged: Path, tmp_path: Path, end: str
) -> None:
    folder = tmp_path / "team"
    shutil.copytree(judged, folder, symlinks=True)
    repo, origin = BuiltRepo(folder / "a"), BuiltRepo(folder / "o.git")
    repo.git("remote", "set-url", "origin", origin.path.as_uri())
    repo.switch("main")
    if end in {"archived", "merged"}:
        repo.git("merge", "--quiet", "--no-ff", "-m", "merged", BRANCH)
        repo.git("push", "--quiet", "origin", "main")
    if end == "merged":
        repo.git("push", "--quiet", "origin", f":{BRANCH}")
    elif end != "open":
        more = () if end == "archived" else ("--abandon",)
        done = gitexp(repo, "archive", "idea", "--push", *more)
        assert done.returncode == 0, done.stderr
    fresh = clone(origin, folder / "fresh")
    answer = gitexp(fresh, "compare", "idea")
    assert answer.returncode == 3, answer.stdout
    (step,) = re.findall("next +gitexp (pull .*)", answer.stderr)
    done = gitexp(fresh, *shlex.split(step))
    assert (done.returncode, "no experiment" in done.stdout) == (0, False), done.stderr
    answer = gitexp(fresh, "compare", "idea")
    assert answer.returncode == 0, (step, answer.stderr)


@pytest.mark.slow
@pytest.mark.parametrize("known", [True, False], ids=["another remote has it", "none has it"])
def test_by_products_that_no_branch_of_the_remote_names_are_not_garbage(
    judged: Path, tmp_path: Path, *, known: bool
) -> None:
    """Records come with main, pulled or merged; gitexp/data is where they were run."""
    folder = tmp_path / "team"
    shutil.copytree(judged, folder, symlinks=True)
    repo = BuiltRepo(folder / "a")
    repo.switch("main")
    repo.git("merge", "--quiet", "--no-ff", "-m", "merged", BRANCH)
    upstream = repository(folder / "upstream.git", bare=True)
    repo.git("push", "--quiet", upstream.path.as_uri(), "main")
    fresh = clone(upstream, folder / "fresh")
    fresh.git("remote", "rename", "origin", "upstream")
    if known:
        fresh.git("remote", "add", "origin", (folder / "o.git").as_uri())
    done = gitexp(fresh, "pull", "--data")
    assert done.returncode == 0, done.stderr
    assert "pulled from upstream" in done.stdout
    said = dvc(fresh.path, "gc", "-A", "--dry", "-f")
    assert ("Removing" in said) == (not known)
    assert ("dvc gc -A deletes them" in done.stdout + done.stderr) == (not known)
