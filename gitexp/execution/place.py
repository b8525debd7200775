"""The place of a call of `run`: branch, worktree, interpreter, and whose commits it may run."""

from __future__ import annotations

import os
import posixpath
import shlex
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.comparison.sides import plan_back
from gitexp.errors import (
    BareRepositoryError,
    DetachedHeadError,
    DirtyTreeError,
    GitexpError,
    NoPlanError,
    PreflightError,
    UnknownRevisionError,
    UntrustedSourceError,
    UsageError,
)
from gitexp.execution.run_sources import assigned, undeclared
from gitexp.git import command, objects, refs, repository
from gitexp.git.discovery import project_folder
from gitexp.git.transaction import layout
from gitexp.git.transaction.layout import DATA_BRANCH
from gitexp.git.worktree import restore, status
from gitexp.git.writing import build_tree, write_bare_commit
from gitexp.model import dataclass, replace
from gitexp.model.ids import ABSENT, Absent, CommitHash
from gitexp.rules.ranges import way_out
from gitexp.store import plans
from gitexp.system import environment as environment_staging
from gitexp.system import imports, params

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gitexp.git.repository import Repo
    from gitexp.model.plan import Plan
    from gitexp.model.request import RunRequest
    from gitexp.model.workspace import Workspace
    from gitexp.system.environment import Captured


_SHOWN = 10
_FEW = 5


@dataclass(frozen=True, slots=True)
class RunPlace:
    """The repository and the branch that will record, before anything is known of the source."""

    workspace: Workspace
    repo: Repo
    top: Path
    branch: str
    tip: CommitHash
    head: CommitHash


def find_place(workspace: Workspace, request: RunRequest) -> RunPlace:
    """Find out where the call records."""
    if workspace.top is None:
        raise BareRepositoryError("a run needs a work tree", where=str(workspace.git_dir))
    repo = repository.open_repository(workspace)
    head = refs.head(repo)
    branch = request.on or head.branch
    if branch == layout.DATA_BRANCH:
        raise UsageError(
            "this branch holds by-products only, and no run is recorded on it", found=branch
        )
    if branch is None:
        raise DetachedHeadError(
            "HEAD is on no branch, so there is nothing to record on",
            next_step=way_out(repo, experiment=False),
        )
    if head.commit is ABSENT:
        raise refs.unborn(repo, head)
    tip = refs.read_ref(repo, f"refs/heads/{branch}")
    if tip is ABSENT:
        raise UnknownRevisionError(
            f"there is no branch {branch}", next_step=f"git branch {shlex.quote(branch)}"
        )
    return RunPlace(workspace, repo, workspace.top, branch, tip, head.commit)


def check_clean(place: RunPlace, *, dry: bool = False) -> None:
    """Refuse tracked changes that no commit holds; `dry`, no program of theirs is started."""
    dirty = status.dirty_tracked(place.workspace, looking=dry)
    if dirty:
        _check_merged(place)
        dirty = plans.acting(place.repo, place.head, dirty)
    if dirty:
        raise DirtyTreeError(
            "there are uncommitted changes, and a run executes a commit",
            found=", ".join(dirty[:_SHOWN]) + (" ..." if len(dirty) > _SHOWN else ""),
            where=str(place.top),
            next_step=plans.committing(place.repo, place.head, dirty),
        )


def _check_merged(place: RunPlace) -> None:
    """Refuse conflicts: to commit all that is changed would take their marks for the solution."""
    found = status.unmerged(place.workspace)
    if found:
        plan = plans.plan_of_branch(place.repo, place.branch, place.head)
        raise DirtyTreeError(
            "a merge has conflicts that nobody has settled",
            found=", ".join(list(found)[:_SHOWN]) + (" ..." if len(found) > _SHOWN else ""),
            where=str(place.top),
            next_step=way_out(place.repo, experiment=plan is not ABSENT),
        )


# A program installed by these lives in an environment of its own, which is not the project's.
_TOOL_FOLDERS = (f"{os.sep}pipx{os.sep}", f"{os.sep}uv{os.sep}tools{os.sep}")


def chosen_python(configured: str | None, environ: Mapping[str, str], top: Path) -> str:
    """Return the interpreter of jobs, by ``VIRTUAL_ENV`` and ``PATH`` of `environ`.

    The configured one (relative to the repository's top where it has a slash), else that of the
    active virtual environment, else that of ``.venv`` in the repository, else ours, unless we were
    installed as a tool of our own.
    """
    if configured is not None:
        found = _existing(top / configured) if os.sep in configured else None
        found = found or shutil.which(configured, path=environ.get("PATH"))
        if found is None:
            raise PreflightError(
                "the project's interpreter is not there",
                found=configured,
                where="python: in .gitexp/config.yaml",
                expected="the path of a Python interpreter",
            )
        return found
    active = environ.get("VIRTUAL_ENV") or environ.get("CONDA_PREFIX")
    for folder in filter(None, (active, str(top / ".venv"))):
        found = _existing(Path(folder, "bin", "python")) or _existing(
            Path(folder, "Scripts", "python.exe")
        )
        if found is not None:
            return found
    if not any(part in sys.prefix for part in _TOOL_FOLDERS):
        return sys.executable
    found = shutil.which("python3", path=environ.get("PATH"))
    if found is None:
        raise PreflightError(
            "no Python is on PATH to run the project with",
            expected="an active virtual environment, or python: in .gitexp/config.yaml",
        )
    return found


def installed_in(
    python: str, top: Path, cache: Path, environ: Mapping[str, str]
) -> tuple[Captured, tuple[str, ...]]:
    """Return the environment as it is now, seen from the user's work tree, and what is its own.

    That is, the folders of the repository from which the interpreter imports: jobs import from the
    same ones of their worktrees.
    """
    facts = environment_staging.interpreter(_of_coordinator(python, top, cache), environ)
    plan = imports.plan_imports(facts, top)
    place = _of_coordinator(python, top, cache, plan.paths)
    return environment_staging.capture(place, environ), plan.paths


def remembered_in(
    python: str, top: Path, cache: Path, environ: Mapping[str, str]
) -> tuple[Captured | None, tuple[str, ...]]:
    """Return the environment that a call found here last, if it is so still, as `installed_in`."""
    return environment_staging.remembered(_of_coordinator(python, top, cache), environ), ()


def _of_coordinator(
    python: str, top: Path, cache: Path, paths: tuple[str, ...] = ()
) -> environment_staging.EnvironmentSource:
    return environment_staging.EnvironmentSource(
        python=python,
        repository=top,
        worktree=top,
        import_paths=paths,
        token="coordinator",  # noqa: S106  a word, no secret
        cache=cache,
    )


def _existing(path: Path) -> str | None:
    return str(path) if path.exists() else None


def check_trust(place: RunPlace, source: CommitHash) -> None:
    """Refuse to execute a commit that no local branch holds."""
    if objects.is_ancestor(place.repo, source, place.head):
        return
    asked = ["for-each-ref", "--count=2", "--format=%(refname)", "--contains", source, "refs/heads"]
    held = command.lines(command.run(place.workspace, asked))
    if {*held} - {f"refs/heads/{DATA_BRANCH}"} or _was_committed_here(place, source):
        return
    info = objects.commit_info(place.repo, source)
    raise UntrustedSourceError(
        "this would execute a commit that none of your branches holds",
        found=f"{info.subject[:120]!r} by {info.author.name} <{info.author.email}>",
        where=source,
        expected="a commit of your own, or a look at it first",
        next_step=f"gitexp diff HEAD {source[:12]}, then the same with --trust",
    )


def _was_committed_here(place: RunPlace, source: CommitHash) -> bool:
    """Whether it was committed here and amended or reset since, by Git's own log of HEAD."""
    asked = ["log", "--walk-reflogs", "--format=%H %gs", f"refs/heads/{place.branch}", "--"]
    lines = command.lines(command.run(place.workspace, asked))
    return any(line.startswith(f"{source} commit") for line in lines)


def commit(
    place: RunPlace, request: RunRequest, refuse: Callable[[RunPlace, RunRequest], None]
) -> tuple[RunPlace, RunRequest]:
    """Write the overrides into the params files and commit; return the request without them.

    `refuse` takes the commit that would be made, which no ref leads to, before anything is written.
    """
    if request.at is not None:
        raise UsageError(
            "--commit commits the work tree, and --at names another state",
            next_step="the same without --at, or without --commit -m",
        )
    message = request.commit_message or ""
    if not message.strip():
        raise UsageError("the commit message is empty", next_step='gitexp run --commit -m "why"')
    config, _ = plans.config_of(place.repo, place.head)
    project = project_folder(place.top, config.project)
    _check_merged(place)

    def read(file: str) -> bytes | Absent:
        return params.content(project, file) if (project / file).is_file() else ABSENT

    step = partial(undeclared, place.repo, place.head, config)
    edits = assigned(request.params, config, read, "the work tree", step)
    emptied = replace(request, params=(), commit_message=None)
    paths = {posixpath.join(config.project, file): data for file, data in edits.items()}
    there = status.tracked(place.workspace, paths)
    tree = build_tree(
        place.repo,
        restore.tree_ahead(place.workspace, place.top),
        {path: data for path, data in paths.items() if path in there},
    )
    new = status.untracked(place.workspace)
    if tree != objects.commit_info(place.repo, place.head).tree:
        ahead = write_bare_commit(place.repo, tree, place.head, message)
        here = place.tip == place.head
        refuse(replace(place, head=ahead, tip=ahead if here else place.tip), emptied)
    elif new:
        raise UsageError(
            "there is nothing to commit but files that Git does not track",
            found=", ".join(new[:_FEW]),
            expected="changes of tracked files, or of files that were added",
            next_step=f"git add -- {shlex.quote(new[0])}, then the same; or without --commit",
        )
    before = {file: params.content(project, file) for file in edits}
    for file, data in edits.items():
        params.put(project, file, data)
    if status.dirty_tracked(place.workspace):
        try:
            status.commit_tracked(place.workspace, message)
        except GitexpError:  # a hook's word, or Git's
            for file, data in before.items():
                params.put(project, file, data)
            raise
    return find_place(place.workspace, emptied), emptied


def announced(place: RunPlace) -> str:
    """Return what a dry run says of the commit that it does not make; "" where there is none."""
    dirty = status.dirty_tracked(place.workspace, looking=True)
    if not dirty:
        return ""
    names = ", ".join(dirty[:_FEW]) + (" ..." if len(dirty) > _FEW else "")
    return (
        f"{names} would be committed first; what is said here is of the commit before, and a "
        "new state starts with none of the repeats that count"
    )


def plan_of(place: RunPlace, request: RunRequest) -> Plan | None:
    """Return the plan that a run is under; None for an exploratory one."""
    repo, branch, tip = place.repo, place.branch, place.tip
    plan = plans.whole(repo, plans.plan_of_branch(repo, branch, tip), tip)
    if plan is not ABSENT:
        return plan
    old = plans.renamed(repo, branch, tip)
    if old is not ABSENT:
        what = f"Git renamed {old.branch} to {branch}, and its plan is to follow"
        raise NoPlanError(what, next_step=plans.renaming(old, branch))
    if request.with_baseline:
        what = f"{branch} has no plan, so there is no baseline to run"
        raise NoPlanError(what, next_step=plan_back(repo, branch, tip))
    return None
