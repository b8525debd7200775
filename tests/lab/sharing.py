"""Two people with a clone each, a bare repository and a DVC remote between them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.experiments.init import init
from gitexp.model.ids import CommitHash
from gitexp.model.request import InitRequest
from tests.lab import warm
from tests.lab.build import BuiltRepo, clone, dvc, dvc_files, repository
from tests.lab.first_rules import of_one
from tests.lab.recorded import a_run, run_files
from tests.lab.shell import environment

if TYPE_CHECKING:
    from pathlib import Path

TRAIN = """\
text = open("params.yaml").read()
seed = int(text.split("seed:")[1].split()[0])
open("metrics.json", "w").write('{"acc": %r}' % (0.5 + seed / 1000))
open("model.txt", "w").write(text + "model" * 10)
NOISE
"""
# Two executions of the same state that differ, as those of most GPUs do.
NOISE = "import os; open('model.txt', 'a').write(os.urandom(8).hex())"
BRANCH = "exp/idea"


@dataclass(frozen=True)
class Team:
    """A remote and two clones of it, both on the experiment's branch."""

    origin: BuiltRepo
    store: Path  # the DVC remote
    a: BuiltRepo
    b: BuiltRepo

    def records(self, repo: BuiltRepo, ref: str = BRANCH) -> list[str]:
        """Return the paths of all run records."""
        return [path for path in repo.files(ref) if path.endswith("/run.json")]

    def tip(self, repo: BuiltRepo | None = None) -> str:
        return (repo or self.origin).hash(BRANCH)

    def objects(self) -> set[str]:
        """Return the hashes in the DVC remote."""
        found = (self.store / "files" / "md5").glob("*/*")
        return {f"{path.parent.name}{path.name}" for path in found}


def make(folder: Path, *, train: str = "", data_remote: bool = True) -> Team:
    """Build a project, publish it, and clone it once more."""
    a = repository(folder / "a")
    code = TRAIN.replace("NOISE", train)
    a.commit({"train.py": code, "params.yaml": "lr: 0.1\nseed: 7\n", **dvc_files()})
    init(
        a.workspace,
        InitRequest(
            command="python train.py", metrics=("metrics.json",), outputs=("model.txt",),
            dvc_init=True,
        ),
    )  # fmt: skip
    store = folder / "store"
    if data_remote:
        with (a.path / ".dvc" / "config").open("a") as config:
            config.write(f"[core]\n    remote = store\n['remote \"store\"']\n    url = {store}\n")
    a.git("add", "--all")
    a.commit(at=2, message="a project")
    origin = repository(folder / "origin.git", bare=True)
    a.git("remote", "add", "origin", origin.path.as_uri())
    done = gitexp(
        a, "new", "idea", "--seeds", "committed",
        "--metric", "acc:max", "--effect", ">0", "--repeats", "2",
        "--hypothesis", "an idea that two people try",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    of_one(a, "idea")  # one side alone runs, unchanged: what is shared is no comparison
    a.git("push", "--quiet", "origin", "main", BRANCH)
    b = clone(origin, folder / "b")
    b.switch(BRANCH)
    return Team(origin, store, a, b)


def copy(template: Path, folder: Path) -> Team:
    """Copy a team that was built before; every path in it is made the copy's."""
    shutil.copytree(template, folder, symlinks=True)
    team = Team(
        BuiltRepo(folder / "origin.git"), folder / "store", BuiltRepo(folder / "a"),
        BuiltRepo(folder / "b"),
    )  # fmt: skip
    for repo in (team.a, team.b):
        repo.git("remote", "set-url", "origin", team.origin.path.as_uri())
        local = repo.path / ".dvc" / "config.local"
        local.write_text(f"['remote \"store\"']\n    url = {team.store}\n")
    return team


def gitexp(
    repo: BuiltRepo, *args: str, failpoint: str = "", **extra: str
) -> subprocess.CompletedProcess[str]:
    """Run the command line here."""
    done = warm.run("gitexp", *args, cwd=repo.path, env=environment(armed(failpoint) | extra))
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def start(repo: BuiltRepo, *args: str, failpoint: str = "") -> subprocess.Popen[str]:
    """Start the command line here, and leave it alone."""
    return subprocess.Popen(
        [sys.executable, "-m", "gitexp", *args],
        cwd=repo.path,
        env=environment(armed(failpoint)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def armed(failpoint: str) -> dict[str, str]:
    return {"GITEXP_TESTING": "1", "GITEXP_FAILPOINT": failpoint} if failpoint else {}


def clean(repo: BuiltRepo) -> None:
    """Fail unless Git and DVC find nothing to do, and nothing is left behind."""
    assert repo.status() == []
    assert json.loads(dvc(repo.path, "status", "--json")) == {}
    assert repo.locks() == []
    assert not [ref for ref in repo.refs() if ref.startswith("refs/gitexp/")]


def record(repo: BuiltRepo, number: int, *, source: str = "", author: str = "") -> str:
    """Commit a run of some inputs on the current branch, as `gitexp run` would."""
    made = run_files(*a_run(number, (0.5,), commit=source or repo.hash("main")))
    repo.write(made)
    repo.git("add", "--force", "--", *made)
    who = [f"--author={author}"] if author else []
    text = f"gitexp run: candidate {number}\n\nGitexp-Run: {number}"
    repo.git("commit", "--quiet", "-m", text, *who, at=number)
    return repo.hash()


def commit_of(repo: BuiltRepo, revision: str) -> CommitHash:
    return CommitHash(repo.hash(revision))
