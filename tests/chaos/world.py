"""A project on which everything is tried at once, and what must hold of it after each blow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitexp.experiments.init import init
from gitexp.model.request import InitRequest
from tests.lab.build import BuiltRepo, repository
from tests.lab.shell import environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BRANCH = "exp/idea"
TRAIN = """\
import json
text = open("params.yaml").read()
seed = int(text.split("seed:")[1].split()[0])
json.dump({"acc": 0.5 + seed / 1e6}, open("metrics.json", "w"))
open("model.txt", "w").write(text)
open("predictions.csv", "w").write(f"id,y_true,y_pred\\na,1,{seed % 2}\\n")
"""

Repeat = tuple[str, int]  # run id and seed


class Broken(Exception):  # noqa: N818  it is a finding, not an error of the program
    """Something that must hold does not."""


@dataclass
class World:
    """The repository, and what it has promised so far."""

    repo: BuiltRepo
    origin: BuiltRepo  # bare
    finished: set[Repeat] = field(default_factory=set)  # ever seen to be finished
    written: set[str] = field(default_factory=set)  # files of other writers here, acknowledged
    shared: set[str] = field(default_factory=set)  # the same on the remote
    foreign_locks: int = 0  # of git itself, killed; removed as a person would
    _commits: dict[str, str] = field(default_factory=dict)  # source, by blob of run.json
    _known: dict[str, frozenset[Repeat]] = field(default_factory=dict)  # by blob of run.json

    # --- what is there ---------------------------------------------------------------------------

    def recorded(self) -> set[Repeat]:
        """Return the finished repeats in the records of all branches and archive tags."""
        found: set[Repeat] = set()
        for ref in self.repo.refs():
            if ref.startswith(("refs/heads/", "refs/tags/")):
                lines = self.repo.git("ls-tree", "-r", f"{ref}^{{commit}}", ".gitexp/runs")
                for line in lines.splitlines():
                    head, _, path = line.partition("\t")
                    if path.endswith("/run.json"):
                        found |= self._repeats(head.split()[2])
        return found

    def _repeats(self, blob: str) -> frozenset[Repeat]:
        if blob not in self._known:
            run = json.loads(self.repo.git_bytes("cat-file", "blob", blob))
            self._commits[blob] = run["source"]["commit"]
            self._known[blob] = frozenset(
                (run["id"], repeat["seed"])
                for repeat in run["repeats"]
                if repeat["state"] == "finished"
            )
        return self._known[blob]

    def outcomes(self) -> Iterator[tuple[Repeat, bool]]:
        """Yield the finished repeats in job folders, and whether ``--resume`` would find them."""
        for folder in (self.repo.path / ".git/gitexp/work/runs").glob("*"):
            try:
                resumable = json.loads((folder / "state.json").read_bytes())["published"] is False
            except FileNotFoundError:
                resumable = False
            for path in folder.glob("jobs/*/attempt-*/outcome.json"):
                outcome = json.loads(path.read_bytes())
                if outcome["state"] == "finished":
                    yield (folder.name, outcome["seed"]), resumable

    # --- what must hold --------------------------------------------------------------------------

    def check(self) -> None:
        """Fail unless the repository is sound and no finished repeat is lost."""
        for repo in (self.repo, self.origin):
            _fsck(repo)
        there = dict(self.outcomes())
        self.finished |= there.keys()
        recorded = self.recorded()
        lost = {
            repeat
            for repeat in self.finished
            if repeat not in recorded and not there.get(repeat, False)
        }
        if lost:
            raise Broken(f"finished repeats are neither recorded nor resumable: {sorted(lost)}")
        if gone := self.written - set(self.repo.files(BRANCH)):
            raise Broken(f"commits of the other writer are lost: {sorted(gone)}")
        if self.shared and (gone := self.shared - set(self.origin.files(BRANCH))):
            raise Broken(f"commits on the remote are lost: {sorted(gone)}")

    def recover(self, *, doctor_first: bool) -> None:
        """Do what a person does after a crash, and fail unless everything is well then."""
        self._remove_foreign_locks()
        if doctor_first:
            self._doctor()
        resumed = self.gitexp("run", "--resume", "--seeds", "0")
        if resumed.returncode:
            raise Broken(f"run --resume: {said(resumed)}")
        self.check()
        waiting = {repeat for repeat, _ in self.outcomes()} - self.recorded()
        if waiting:
            raise Broken(f"still not recorded: {sorted(waiting)}")
        if not doctor_first:
            self._doctor()
        self._share()
        after = self.gitexp("doctor", "--json")
        if after.returncode:
            raise Broken(f"doctor finds: {said(after)}")
        self._quiet()

    def _share(self) -> None:
        """Fail unless both sides have the same afterwards, and every record a source."""
        synced = self.gitexp("sync")
        if synced.returncode:
            raise Broken(f"sync: {said(synced)}")
        if self.repo.hash(BRANCH) != self.origin.hash(BRANCH):
            raise Broken("sync left the sides apart")
        self.written |= self.shared
        self.shared |= self.written
        self.check()
        reachable = set(self.repo.git("rev-list", "--all").split())
        lines = self.repo.git("ls-tree", "-r", BRANCH, ".gitexp/runs").splitlines()
        blobs = [line.split()[2] for line in lines if line.endswith("/run.json")]
        if lost := {self._commits[blob] for blob in blobs} - reachable:
            raise Broken(f"sources that no clone has: {sorted(lost)}")

    def _doctor(self) -> None:
        fixed = self.gitexp("doctor", "--fix")
        if fixed.returncode not in {0, 1}:
            raise Broken(f"doctor --fix: {said(fixed)}")

    def _quiet(self) -> None:
        """Fail unless Git and DVC see nothing to do."""
        if status := self.repo.status():
            raise Broken(f"git status: {status}")
        if locks := self.repo.locks():
            raise Broken(f"locks: {locks}")
        if (count := self.repo.git("worktree", "list").count("\n")) > 0:
            raise Broken(f"{count} worktrees of jobs are left")
        if left := [ref for ref in self.repo.refs() if ref.startswith("refs/gitexp/")]:
            raise Broken(f"temporary refs: {left}")
        for command in (["checkout", "--force", "--quiet"], ["status", "--json"]):
            done = subprocess.run(
                [sys.executable, "-m", "dvc", *command],
                cwd=self.repo.path, env=environment(), capture_output=True, check=False,
            )  # fmt: skip
            if done.returncode:
                raise Broken(f"dvc {command[0]}: {done.stderr.decode()}")
        if done.stdout.strip() != b"{}":
            raise Broken(f"dvc status: {done.stdout.decode()}")

    def _remove_foreign_locks(self) -> None:
        """Remove locks of git's own, which say nothing of their owner: all gits are dead now."""
        owned = {path.name.split("-")[1].split(".")[0] for path in self._owner_files()}
        afters = {json.loads(path.read_bytes())["after"] for path in self._owner_files()}
        for name in self.repo.locks():
            path = self.repo.path / ".git" / name
            text = path.read_text().strip()
            if name.startswith(("gitexp/", "index.gitexp-", "refs/gitexp/")):
                continue  # what doctor knows to be redundant
            if text not in owned | afters and not (name == "HEAD.lock" and owned):
                self.foreign_locks += 1
                path.unlink()
        for path in self.origin.path.rglob("*.lock"):  # as whoever looks after the server
            self.foreign_locks += 1
            path.unlink()

    def _owner_files(self) -> list[Path]:
        return list((self.repo.path / ".git/gitexp/locks").glob("publish-*.json"))

    # --- commands --------------------------------------------------------------------------------

    def gitexp(self, *argv: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "gitexp", *argv],
            cwd=self.repo.path, env=environment(), stdin=subprocess.DEVNULL,
            capture_output=True, check=False, timeout=120,
        )  # fmt: skip

    def start(self, *argv: str, failpoint: str = "") -> subprocess.Popen[bytes]:
        """Start a python module in a process group of its own; its output goes to a file."""
        armed = {"GITEXP_TESTING": "1", "GITEXP_FAILPOINT": failpoint} if failpoint else {}
        with (self.repo.path.parent / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *argv],
                cwd=self.repo.path, env=environment(armed), stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, process_group=0,
            )  # fmt: skip


def _fsck(repo: BuiltRepo) -> None:
    done = subprocess.run(
        ["git", "fsck", "--full", "--strict", "--no-dangling", "--no-progress"],
        cwd=repo.path, capture_output=True, check=False,
    )  # fmt: skip
    text = (done.stdout + done.stderr).decode("utf-8", "replace")
    if done.returncode or "missing" in text or "corrupt" in text:
        raise Broken(f"fsck of {repo.path.name}: {text}")


def said(done: subprocess.CompletedProcess[bytes]) -> str:
    """Return code and output of a command."""
    return f"{done.returncode}\n{done.stdout.decode()}\n{done.stderr.decode()}"


def make(folder: Path) -> World:
    """Build a project with DVC, predictions, a plan on a branch, and a remote."""
    origin = repository(folder / "origin.git", bare=True)
    repo = repository(folder / "project")
    repo.commit({"train.py": TRAIN, "params.yaml": "lr: 0.1\nseed: 7\n"})
    init(
        repo.workspace,
        InitRequest(
            command="python train.py",
            metrics=("metrics.json",),
            outputs=("model.txt", "predictions.csv"),
            dvc_init=True,
        ),
    )
    repo.git("remote", "add", "origin", os.fspath(origin.path))
    store = folder / "store"
    subprocess.run(
        [sys.executable, "-m", "dvc", "remote", "add", "--default", "store", os.fspath(store)],
        cwd=repo.path, env=environment(), check=True, capture_output=True,
    )  # fmt: skip
    repo.git("commit", "--quiet", "--all", "-m", "a place for data")
    repo.git("push", "--quiet", "origin", "main")  # else it would be asked about
    world = World(repo, origin)
    made = world.gitexp(
        "new", "idea", "--seeds", "committed", "--metric", "acc:max", "--effect", ">0",
        "--repeats", "50",
        "--hypothesis", "nothing is ever lost, whatever is killed",
    )  # fmt: skip
    if made.returncode:
        raise Broken(f"gitexp new: {said(made)}")
    return world
