"""Where a running call keeps its things: ``gitexp/work`` in the Git directory of its work tree.

runs/RUN/owner                     who runs it, from before its first worktree
runs/RUN/state.json                who runs it, where it will be recorded, the draft of run.json
runs/RUN/jobs/SEED/JOB.json        what the worker was told
runs/RUN/jobs/SEED/attempt-N/      log, outcome.json, files/, checkpoint/, cache/ of its outputs
worktrees/RUN-N/                   a slot: a worktree of the run's commit
environments/                      what the probe of an interpreter said, by stat key
"""

from __future__ import annotations

import errno
import re
import shlex
import shutil
from typing import TYPE_CHECKING, TypeVar

from gitexp.dvc.cache import has, open_cache
from gitexp.dvc.cache_objects import DVC_2, CacheConfig
from gitexp.dvc.dvc_config import has_dvc
from gitexp.dvc.exchange import send
from gitexp.errors import BareRepositoryError, GitexpError, UnsafeInputError
from gitexp.execution import slots
from gitexp.git.discovery import plain_bytes, project_folder
from gitexp.git.transaction import layout
from gitexp.git.worktree import checkouts
from gitexp.model import dataclass, replace
from gitexp.model.job import BEGUN, CACHE, OUTCOME, PID, Job, Outcome
from gitexp.records import codec
from gitexp.store import calls

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from gitexp.model.config import ProjectConfig
    from gitexp.model.ids import Md5, RunId
    from gitexp.model.workspace import Workspace


T = TypeVar("T")

_SLOT = re.compile(r"([a-z0-9]+)-[0-9]+")
_MARKS = frozenset({".lock", ".used"})  # beside a slot
ATTEMPT = 1  # the engine never tries twice; a second attempt is a second call


@dataclass(frozen=True, slots=True)
class WorkDir:
    """Paths of the calls of one work tree."""

    root: Path
    proofs: Path  # of the calls that this clone began; see `store.calls`

    @classmethod
    def of(cls, workspace: Workspace, *, make: bool = True) -> WorkDir:
        """Return the folder of a work tree; `make`: it shall be there."""
        if workspace.top is None:
            raise BareRepositoryError("there is no work tree", where=str(workspace.common_dir))
        root = layout.work(workspace.git_dir)
        # A given folder may have a link there, and what a run writes would go where it points.
        odd = calls.link_in(root)
        if odd is not None:
            raise UnsafeInputError(
                "a folder is needed where there is a file or a link",
                where=str(odd),
                next_step=f"rm {shlex.quote(str(odd))}",
            )
        if make:
            root.mkdir(parents=True, exist_ok=True)
        return cls(root, calls.proofs(workspace))

    @classmethod
    def seen(cls, workspace: Workspace) -> WorkDir | None:
        """Return the folder of a work tree for who only looks, or clears away; None without one."""
        root = calls.folder(workspace)
        return None if root is None else cls(root, calls.proofs(workspace))

    @classmethod
    def everywhere(cls, workspace: Workspace) -> Iterator[WorkDir]:
        """Yield those of all work trees of a repository that have one."""
        for place in checkouts.listing(workspace):
            there = replace(workspace, git_dir=place.git_dir, top=place.top)
            found = None if place.missing else cls.seen(there)
            if found is not None:
                yield found

    @property
    def runs(self) -> Path:
        """Folder of all calls."""
        return self.root / "runs"

    @property
    def environments(self) -> Path:
        """Folder of the interpreter probes."""
        return self.root / "environments"

    def run(self, run: RunId) -> Path:
        """Folder of one run."""
        return self.runs / run

    def state(self, run: RunId) -> Path:
        """Return the path of the coordinator's own notes about a run."""
        return self.run(run) / "state.json"

    def job_file(self, run: RunId, seed: int) -> Path:
        """Return the path of JOB.json of one repeat."""
        return self.run(run) / "jobs" / str(seed) / "JOB.json"

    def put_job(self, job: Job) -> None:
        """Write JOB.json, and make the folder of its attempt."""
        self.attempt(job.run, job.seed).mkdir(parents=True, exist_ok=True)
        self.job_file(job.run, job.seed).write_bytes(codec.dump(job))

    def attempt(self, run: RunId, seed: int) -> Path:
        """Folder in which the worker leaves what it made."""
        return self.run(run) / "jobs" / str(seed) / f"attempt-{ATTEMPT}"

    def cache(self, run: RunId, seed: int) -> Path:
        """Folder of the repeat's outputs, laid out as DVC's cache is, until its run is recorded."""
        return self.attempt(run, seed) / CACHE

    def drop_caches(self, run: RunId) -> None:
        """Remove what is left of a run's outputs: DVC's cache has what its record names."""
        for folder in self.caches(run):
            shutil.rmtree(folder, ignore_errors=True)

    def caches(self, run: RunId) -> tuple[Path, ...]:
        """Return the folders of outputs that a run has left."""
        found = self.run(run).glob(f"jobs/*/attempt-*/{CACHE}")
        inside = self.root.resolve() / "runs" / run
        return tuple(path for path in found if path.resolve().is_relative_to(inside))

    def linked(self, run: str) -> Path:
        """Folder of what a run keeps of linked files."""
        return slots.linked(self.proofs.parents[1], run)

    def slot(self, run: RunId, number: int) -> Path:
        """Folder of one worktree."""
        return self.root / "worktrees" / f"{run}-{number}"

    def slots(self, run: str = "") -> list[Path]:
        """Return the worktrees of a run, or of all runs; one that a job removed has left marks."""
        found = (self.root / "worktrees").glob(f"{run or '*'}-*")
        slots = {path.with_suffix("") if path.suffix in _MARKS else path for path in found}
        # Only what a call of this clone made: a branch may track a folder there.
        return sorted(path for path in slots if is_own_slot(path.name, self.proofs))

    def outcome(self, run: RunId, seed: int) -> Outcome | None:
        """Return what a repeat came to; None while, or if, it left no outcome."""
        path = self.attempt(run, seed) / OUTCOME
        try:
            return loaded(Outcome, path)
        except (FileNotFoundError, IsADirectoryError):
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:  # a link, which no worker writes
                return None
            raise

    def lost(self, run: RunId, seed: int) -> Outcome | None:
        """Return what is known of a repeat that left no outcome; None where no command began."""
        path = self.attempt(run, seed) / BEGUN
        try:
            return loaded(Outcome, path)
        except (GitexpError, OSError):  # a power cut left half of it
            return None

    def holds_outcome(self, run: RunId, seed: int) -> bool:
        """Whether a repeat came to anything, be it read or not."""
        return (self.attempt(run, seed) / OUTCOME).exists()

    def began(self, run: RunId, seed: int) -> bool:
        """Whether a worker ever took this repeat on."""
        return (self.attempt(run, seed) / PID).exists()


def loaded(kind: type[T], path: Path) -> T:
    """Return a record of a run's folder: through no link, and no more of it than one may have."""
    return codec.load(kind, plain_bytes(path, codec.limit(kind) + 1), str(path))


def root_of(out_dir: Path) -> Path | None:
    """Return the folder of all calls that the attempt is below; None away from one's own machine.

    >>> from pathlib import Path
    >>> root_of(Path("/p/.git/gitexp/work/runs/abcd/jobs/7/attempt-1")).as_posix()
    '/p/.git/gitexp/work'
    """
    return out_dir.parents[4] if out_dir.match("work/runs/*/jobs/*/attempt-*") else None


def is_own_slot(name: str, proofs: Path) -> bool:
    """Whether a worktree has the name of one that a call of this clone made."""
    found = _SLOT.fullmatch(name)
    return found is not None and bool(calls.secret(proofs, found[1]))


def cache_of(workspace: Workspace, top: Path, config: ProjectConfig) -> CacheConfig:
    """Return the DVC cache of a project, or a place of our own where no output needs one."""
    keeps = config.outputs or config.predictions or config.curves
    project = project_folder(top, config.project)
    if not keeps and not has_dvc(project):
        return CacheConfig(layout.work(workspace.git_dir) / CACHE, ("copy",))
    return open_cache(project)


def cache_beside(
    workspace: Workspace, config: ProjectConfig, objects: Sequence[Md5]
) -> Path | None:
    """Return another worktree's cache that holds all these: DVC gives each its own."""
    own = None if workspace.top is None else cache_of(workspace, workspace.top, config).dir
    for place in checkouts.listing(workspace):
        if place.missing or not has_dvc(project := project_folder(place.top, config.project)):
            continue
        cache = open_cache(project)
        places = (cache, replace(cache, layout=DVC_2))
        if cache.dir != own and all(any(has(at, each) for at in places) for each in objects):
            return cache.dir
    return None


def bring_enclosing(
    top: Path, config: ProjectConfig, cache: CacheConfig, objects: Sequence[Md5]
) -> bool:
    """Copy objects from the caches of enclosing DVC projects; tell whether all came."""
    for folder in project_folder(top, config.project).parents:
        if not objects or not folder.is_relative_to(top):
            break
        if (folder / ".dvc").is_dir() and (around := open_cache(folder)).dir != cache.dir:
            objects = send(around, cache, objects).lacking
    return not objects


def share(cache: Path) -> str:
    """Return what to type in a worktree to let it use another one's cache."""
    return f"dvc cache dir --local {shlex.quote(str(cache))}, then dvc checkout"


def remove_slots(workspace: Workspace, paths: Sequence[Path]) -> None:
    """Remove worktrees with the marks that lie beside them."""
    checkouts.remove(workspace, *paths)
    for path in paths:
        for mark in _MARKS:
            path.with_name(path.name + mark).unlink(missing_ok=True)
