"""A project with a worktree as the coordinator makes one, and jobs to run in it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Unpack

from gitexp.model.ids import CommitHash, RunId, TreeId
from gitexp.model.job import Job, Outcome, OutKind, Stage, StageOut
from gitexp.records import codec
from tests.lab.build import BuiltRepo, git_environment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# In a job: the processes above it, upwards from its parent.
ABOVE = """\
import os, pathlib
def parent(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
def works(pid):  # one forks the workers, and is one by its command
    return b"\\0worker\\0" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
above = [parent(os.getpid())]
while not works(above[-1]):
    above.append(parent(above[-1]))
worker = above[-1]
while works(above[-1]):
    above.append(parent(above[-1]))
coordinator = above[-1]
"""

RUN = RunId("abcdefghijklmnop")
METRICS = StageOut("metrics.json", OutKind.METRIC, cache=False)


def stage(command: str, *, name: str = "train", **fields: Unpack[dict]) -> Stage:
    """A stage of one command that writes metrics.json, if nothing else is said."""
    return replace(Stage(name, (command,), outs=(METRICS,)), **fields)


@dataclass(frozen=True)
class Bench:
    """A repository, one worktree of a commit and a place for attempts."""

    repo: BuiltRepo
    slot: Path
    root: Path
    commit: str

    def job(self, *stages: Stage, **fields: Unpack[dict]) -> Job:
        """A job of the commit that the worktree stands on."""
        job = Job(
            run=RUN,
            label="candidate 1/1",
            attempt=1,
            seed=7,
            commit=CommitHash(self.commit),
            tree=TreeId(self.repo.tree(self.commit)),
            project="",
            slots=(str(self.slot),),
            stages=stages or (stage("echo '{\"f1\": 0.5}' > metrics.json"),),
            python=f"{os.environ['VIRTUAL_ENV']}/bin/python",
            import_paths=(),
            edits={},
            seed_arg=None,
            given=(),
            links=(),
            metrics=("metrics.json",),
            predictions=None,
            curves=(),
            evaluation=(),
            data_pointers=(),
            keep=("metrics.json",),
            cache_dir=str(self.root / "cache"),
            cache_types=("copy",),
            repository=str(self.repo.path),
        )
        return replace(job, **fields)

    def out(self, attempt: str = "attempt-1") -> Path:
        """Folder of an attempt."""
        return self.root / "jobs" / attempt

    def write(self, job: Job, attempt: str = "attempt-1") -> Path:
        """Write JOB.json and return its path."""
        path = self.root / f"{attempt}.JOB.json"
        path.write_bytes(codec.dump(job))
        return path

    def start(
        self, job: Job, attempt: str = "attempt-1", env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a worker as an engine does."""
        self.out(attempt).mkdir(parents=True, exist_ok=True)
        with (self.out(attempt) / "log").open("ab") as log:
            return subprocess.Popen(
                [
                    *(sys.executable, "-I", "-m", "gitexp", "worker"),
                    *(str(self.write(job, attempt)), str(self.out(attempt))),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=git_environment() | dict(env or {}),
                start_new_session=True,
            )

    def run(
        self, job: Job, attempt: str = "attempt-1", env: Mapping[str, str] | None = None
    ) -> Outcome:
        """Run a worker to its end and return what it left."""
        self.start(job, attempt, env).wait()
        return self.outcome(attempt)

    def outcome(self, attempt: str = "attempt-1") -> Outcome:
        """Read an outcome."""
        file = self.out(attempt) / "outcome.json"
        if not file.exists():
            raise AssertionError((self.out(attempt) / "log").read_text("utf-8", "replace"))
        return codec.load(Outcome, file.read_bytes(), "outcome.json")


def bench(repo: BuiltRepo, root: Path, revision: str = "HEAD") -> Bench:
    """Add a worktree where the coordinator puts it."""
    slot = repo.path / ".git/gitexp/work/worktrees" / f"{RUN}-0"
    slot.parent.mkdir(parents=True, exist_ok=True)
    repo.git("worktree", "add", "--quiet", "--detach", str(slot), revision)
    return Bench(repo, slot, root, repo.hash(revision))
