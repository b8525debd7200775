"""A remembered answer is the answer: whatever it depends on makes the command work it out anew."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import gitexp
from gitexp.experiments.new import new
from gitexp.model.plan import SeedOrigin
from gitexp.model.request import NewRequest
from tests.execution.test_run import plain

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo


def said(repo: BuiltRepo, *args: str) -> str:
    done = subprocess.run(
        [sys.executable, "-I", "-m", "gitexp", *args],
        cwd=repo.path,
        capture_output=True,
        check=True,
    )
    return done.stdout.decode()


def kept(repo: BuiltRepo) -> list[Path]:
    return sorted((repo.path / ".git" / "gitexp" / "answers").glob("*"))


def test_the_same_question_is_answered_alike_and_each_change_is_seen(tmp_path: Path) -> None:
    repo = plain(tmp_path / "r")
    first = said(repo, "status")
    assert len(kept(repo)) == 1
    assert said(repo, "status") == first
    repo.write({"params.yaml": "lr: 0.2\nseed: 7\n"})
    assert "params.yaml" in said(repo, "status")
    repo.git("checkout", "--", "params.yaml")
    assert said(repo, "status") == first
    repo.switch("elsewhere", create=True)
    assert "elsewhere" in said(repo, "status")
    assert said(repo, "status", "--json") != said(repo, "status")


def test_another_program_of_the_same_version_gives_its_own_answer(tmp_path: Path) -> None:
    repo = plain(tmp_path / "r")
    package = Path(gitexp.__file__).parent
    said(repo, "status")
    copy = tmp_path / "installed" / "gitexp"
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
    code = f"import sys; sys.path.insert(0, {str(copy.parent)!r}); from gitexp.cli import main; "
    subprocess.run(
        [sys.executable, "-c", f"{code}main.main(['status'])"],
        cwd=repo.path,
        capture_output=True,
        check=True,
    )
    assert len(kept(repo)) == 2


def test_a_ref_that_moves_elsewhere_is_seen(tmp_path: Path) -> None:
    repo = plain(tmp_path / "r")
    before = said(repo, "show")
    tip = repo.git("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "moved")
    repo.git("update-ref", "refs/heads/main", tip)
    assert tip[:7] in said(repo, "show")
    assert tip[:7] not in before


def test_a_name_that_no_ref_holds_is_looked_up_anew(tmp_path: Path) -> None:
    repo = plain(tmp_path / "r")
    repo.switch("one", create=True)
    tip = repo.commit({"a.txt": "a"})
    repo.switch("main")
    repo.git("fetch", "--quiet", ".", "one")
    assert tip[:7] in said(repo, "show", "FETCH_HEAD")
    assert tip[:7] in said(repo, "show", "@{-1}")
    repo.git("fetch", "--quiet", ".", "main")
    repo.git("switch", "--quiet", "--detach", "main")
    repo.switch("main")
    assert tip[:7] not in said(repo, "show", "FETCH_HEAD")
    assert tip[:7] not in said(repo, "show", "@{-1}")


def test_what_could_not_be_read_is_looked_for_again(tmp_path: Path) -> None:
    repo = plain(tmp_path / "r")
    words = "a higher learning rate raises accuracy"
    new(
        repo.workspace,
        NewRequest(
            name="a", hypothesis=words, metric="accuracy", effect=">0", seeds=SeedOrigin.COMMITTED
        ),
    )
    repo.switch("exp/a")
    path = f".gitexp/runs/ab/{'ab' * 8}/run.json"
    repo.commit({path: "no record"})
    blob = repo.hash(f"HEAD:{path}")
    place = repo.path / ".git" / "objects" / blob[:2] / blob[2:]
    data = place.read_bytes()
    place.unlink()
    assert "missing" in said(repo, "show")
    place.write_bytes(data)
    assert "missing" not in said(repo, "show")


def test_deleted_damaged_or_forged_answers_change_nothing(tmp_path: Path) -> None:
    repo = plain(tmp_path / "r")
    right = said(repo, "status")
    (path,) = kept(repo)
    whole = path.read_bytes()
    for damaged in (b"", whole[:-3], whole.replace(b"main", b"mein"), b"00000000\n\x1b]52;c;x\x07"):
        path.write_bytes(damaged)
        assert said(repo, "status") == right
        assert path.read_bytes() == whole, "the damaged answer is replaced"
    path.unlink()
    assert said(repo, "status") == right


def test_while_a_run_goes_on_nothing_is_remembered(tmp_path: Path) -> None:
    repo = plain(tmp_path / "r")
    said(repo, "status")
    assert len(kept(repo)) == 1
    folder = repo.path / ".git/gitexp/work/runs/aaaaaaaaaaaaaaaa"
    folder.mkdir(parents=True)
    (folder / "state.json").write_bytes(b'{"published": false}')
    assert "aaaaaaa" in said(repo, "status")
    assert len(kept(repo)) == 1, "while it goes on nothing is remembered"
    (folder / "state.json").write_bytes(b'{"owner": {"pid": 1},\n "published": true\n}')
    said(repo, "status")
    assert len(kept(repo)) == 2
    (folder / "state.json").unlink()
    os.mkfifo(folder / "state.json")
    said(repo, "status")
    assert len(kept(repo)) == 2, "what is no file is waited for by nobody"


def test_in_a_hook_of_another_repository_git_is_asked_as_the_hook_would(tmp_path: Path) -> None:
    repo, other = plain(tmp_path / "r"), plain(tmp_path / "other")
    said(repo, "status")
    done = subprocess.run(
        [sys.executable, "-I", "-m", "gitexp", "status"],
        cwd=repo.path,
        env={**os.environ, "GIT_DIR": str(other.path / ".git")},
        capture_output=True,
        check=True,
    )
    assert done.stdout
    assert len(kept(repo)) == 1
