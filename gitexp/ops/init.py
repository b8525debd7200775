"""Makes a repository a gitexp project: one file with the settings, in one commit."""

from __future__ import annotations

import os
import posixpath
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from gitexp.data import gitignore
from gitexp.errors import (
    BareRepositoryError,
    ConfirmationError,
    DetachedHeadError,
    DvcFailedError,
    UnbornBranchError,
    UnsafeInputError,
    UsageError,
)
from gitexp.formats import config as config_format
from gitexp.formats.text import yaml_dumps
from gitexp.git import command, identity, objects, refs, repository
from gitexp.git.faults import translated
from gitexp.git.newest import newest
from gitexp.git.refs import ABSENT
from gitexp.model.setup import InitReport, InitRequest
from gitexp.ops import detect, merge_driver
from gitexp.store import layout, plans, transaction

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from gitexp.formats.text import Json
    from gitexp.git.repository import Repo
    from gitexp.model.config import ProjectConfig
    from gitexp.model.ids import CommitHash
    from gitexp.model.workspace import Workspace
    from gitexp.ops.detect import Proposal
    from gitexp.store.transaction import TipView

_CHANGED = "the settings have changes that are not committed"
MESSAGE = "gitexp init: settings of the project\n"
_PLAIN = re.compile(r"[A-Za-z0-9._/-]{1,200}")  # a name that is a pattern of itself
# Reviewers read plans and conclusions; thousands of lines of records are folded away.
_ATTRIBUTES = "".join(
    f"{path.removeprefix(layout.FOLDER)}/** linguist-generated\n"
    for path in (layout.RUNS, layout.ENVIRONMENTS)
).encode()
_DVC_FILES = (".dvc/config", ".dvc/.gitignore", ".dvcignore")


def init(
    workspace: Workspace, request: InitRequest | None = None, *, now: datetime | None = None
) -> InitReport:
    """Write and commit ``.gitexp/config.yaml``; a second call changes nothing.

    Parameters
    ----------
    workspace : Workspace
    request : InitRequest, optional
    now : datetime, optional
        Time of the commit, UTC.

    Raises
    ------
    BareRepositoryError, UnbornBranchError, DetachedHeadError
    NoPipelineError
        If there is neither a pipeline nor a command.
    PreflightError
        If Git holds what a run makes.
    ConfirmationError
        If a DVC repository is needed and it was not said whether to make one.
    """
    request = request or InitRequest()
    if workspace.top is None:
        raise BareRepositoryError("a project needs a work tree", where=str(workspace.git_dir))
    report = _init(workspace, workspace.top, request, now)
    if not request.merge_driver:
        return report
    if request.dry_run:
        return replace(report, found=(*report.found, ("driver", "would be set up in this clone")))
    changed = merge_driver.set_up(workspace)
    said = "set up in this clone" if changed else "was set up in this clone before"
    return replace(report, found=(*report.found, ("driver", f"{said}; nothing of it is committed")))


def _init(
    workspace: Workspace, top: Path, request: InitRequest, now: datetime | None
) -> InitReport:
    repo = repository.open_repository(workspace)
    head = _head(repo, request)
    present = top / layout.CONFIG
    if present.exists():
        return _existing(repo, top, present, request)
    _check(request, top)
    proposal = _with_protected(repo, head, detect.propose(workspace, top, request))
    files: dict[str, bytes] = {
        layout.CONFIG: config_format.dump_template(proposal.config),
        layout.ATTRIBUTES: _ATTRIBUTES,
    }
    _refuse_unreadable(files[layout.CONFIG])
    if request.write_pipeline:
        path = "/".join(filter(None, (proposal.config.project, detect.PIPELINE)))
        files[path] = _pipeline(request, proposal.config)
    needs_dvc = _needs_dvc(top, proposal.config)
    if needs_dvc and request.dvc_init is None:
        raise ConfirmationError(
            "outputs are kept in DVC's cache, and there is no DVC repository here",
            where=str(top),
            next_step="the same with --dvc-init, or run dvc init yourself first",
        )
    ignoring = gitignore.missing(top, (path for path in proposal.ignored if _inside(path)))
    made = _DVC_FILES if needs_dvc and request.dvc_init else ()
    _refuse_links(top, [*files, *ignoring, *made])
    if request.dry_run:
        return _report(proposal, (*files, *ignoring), request, commit=None)
    author = identity.author(repo) if request.commit else None  # before anything is written
    notes = (*proposal.notes, *_elsewhere(repo))
    if needs_dvc and request.dvc_init:
        files.update(_dvc_init(top))
    elif needs_dvc:
        notes = (*notes, "without a DVC repository no output can be kept: dvc init")
    edited = [file for file in ignoring if _is_edited(repo, head, top, file)]
    if edited:
        notes = (
            *notes,
            f"{', '.join(edited)} has changes of yours beside the new lines: commit it",
        )
    _write(top, files)
    _ignore(top, ignoring)
    files.update((file, data) for file, data in ignoring.items() if file not in edited)
    proposal = replace(proposal, notes=notes)
    if author is None or head.branch is None:
        return _report(proposal, tuple(files), request, commit=None)
    published = transaction.publish(
        workspace,
        head.branch,
        lambda view: _additions(view, files),
        message=MESSAGE,
        author=author,
        now=now or datetime.now(UTC),
        expected=head.commit,
        retry=False,
    )
    return _report(proposal, tuple(files), request, commit=published.commit)


def _head(repo: Repo, request: InitRequest) -> refs.Head:
    head = refs.head(repo)
    if head.commit is ABSENT:
        raise UnbornBranchError("this branch has no commit yet", where=head.branch or "HEAD")
    if head.branch is None and request.commit:
        raise DetachedHeadError("HEAD is on no branch, so there is nothing to commit on")
    return head


def _with_protected(repo: Repo, head: refs.Head, proposal: Proposal) -> Proposal:
    """Protect the main branch also where it has another name: rules count as it has them."""
    usual = proposal.config.protected
    tips = newest(repo.workspace, usual)
    if any(name in usual for name, _ in tips):
        return proposal
    told = command.attempt(repo.workspace, ["symbolic-ref", "--quiet", "refs/remotes/origin/HEAD"])[
        1
    ].decode("utf-8", "replace")
    name = told.strip().removeprefix("refs/remotes/origin/") or head.branch or ""
    if not _PLAIN.fullmatch(name):
        return proposal
    note = f"{name} is taken for the branch to merge into: rules.protected in the settings"
    return replace(
        proposal,
        config=replace(proposal.config, protected=(name,)),
        notes=(*proposal.notes, note),
    )


def _elsewhere(repo: Repo) -> tuple[str, ...]:
    """Warn of a second set of settings: it would part this branch from the one with the first."""
    branch = plans.settled_on(repo)
    if not branch:
        return ()
    step = plans.settings_step(branch)
    return (f"{branch} has settings already, which conflict with these; to take them: {step}",)


def _additions(view: TipView, files: Mapping[str, bytes]) -> Mapping[str, bytes]:
    del view  # new files only: nothing of the tip decides about them
    return files


def _refuse_unreadable(data: bytes) -> None:
    """Refuse settings that the next command would refuse, for a path outside the project, say.

    Raises
    ------
    UnsafeInputError
    """
    try:
        config_format.load(data, layout.CONFIG)
    except UnsafeInputError as error:
        error.next_step = "the same with paths below the project's folder"
        raise


def _refuse_links(top: Path, paths: Iterable[str]) -> None:
    """Refuse links that a branch put where we write: the bytes would go wherever they point.

    Raises
    ------
    UnsafeInputError
    """
    for path in paths:
        parts = PurePosixPath(path).parts
        for depth in range(1, len(parts) + 1):
            place = top.joinpath(*parts[:depth])
            if place.is_symlink():
                kind = "folder" if depth < len(parts) else "file"
                raise UnsafeInputError(
                    f"a {kind} is needed where there is a link",
                    where=place.relative_to(top).as_posix(),
                    next_step=f"git rm -- {shlex.quote(place.relative_to(top).as_posix())}",
                )


def _write(top: Path, files: Mapping[str, bytes]) -> None:
    """Put new files into the work tree; one that is there stays."""
    for path, data in files.items():
        place = top / path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.exists():
                place.write_bytes(data)
        except OSError as error:
            raise translated(error, "the settings cannot be written", str(place)) from error


def _inside(path: str) -> bool:
    """Tell whether an output lies in the repository; another one is not Git's to ignore."""
    return not path.startswith(("/", "../"))


def _is_edited(repo: Repo, head: refs.Head, top: Path, file: str) -> bool:
    """Tell whether a file has changes that are not committed; they are not ours to commit."""
    place = top / file
    here = place.read_bytes() if place.exists() else ABSENT
    return head.commit is ABSENT or here != objects.read_blob(repo, head.commit, file)


def _ignore(top: Path, ignoring: Mapping[str, bytes]) -> None:
    """Let Git ignore the outputs: a run writes the lines too, but on an experiment's branch only.

    On the others the bytes that lie in the work tree would show as untracked.
    """
    for file, data in ignoring.items():
        try:
            (top / file).parent.mkdir(parents=True, exist_ok=True)
            gitignore.write(top, file, data)
        except OSError as error:
            raise translated(error, "the outputs cannot be ignored", str(top / file)) from error


def _check(request: InitRequest, top: Path) -> None:
    if request.command is not None and not request.command.strip():
        raise UsageError(
            "the command is empty",
            expected="what a run executes in the project's folder",
            next_step='gitexp init --command "python train.py"',
        )
    if request.write_pipeline and request.command is None:
        raise UsageError(
            "--write-pipeline turns a command into dvc.yaml; give --command",
            next_step='gitexp init --write-pipeline --command "python train.py"',
        )
    if request.seed_arg is not None and "{seed}" not in request.seed_arg:
        raise UsageError(
            "--seed-arg needs a place for the seed",
            found=request.seed_arg,
            expected='a text such as "--seed {seed}"',
            next_step=f'the same with --seed-arg "{request.seed_arg.rstrip()} {{seed}}"',
        )
    if request.seed_arg is not None and request.seed_params:
        raise UsageError(
            "give --seed-param or --seed-arg, not both", next_step="the same with one of the two"
        )
    if request.python is not None and "/" in request.python and not (top / request.python).exists():
        raise UsageError(
            "the interpreter is not there",
            found=request.python,
            where=str(top),
            expected="the path of a Python, from the repository's top where it is relative",
            next_step="the same with --python .venv/bin/python, or without: then that of the "
            "active environment is used",
        )


def _existing(repo: Repo, top: Path, path: Path, request: InitRequest) -> InitReport:
    data = path.read_bytes()
    config = config_format.load(data, layout.CONFIG)
    head = refs.head(repo).commit
    held = ABSENT if head is ABSENT else objects.read_blob(repo, head, layout.CONFIG)
    # A project of an earlier version.
    files = {} if (top / layout.ATTRIBUTES).exists() else {layout.ATTRIBUTES: _ATTRIBUTES}
    _refuse_links(top, files)
    if not request.dry_run:
        _write(top, files)
    note = "" if held == data else "the settings are not committed" if held is ABSENT else _CHANGED
    unmarked = head is ABSENT or objects.blob_id(repo, head, layout.ATTRIBUTES) is ABSENT
    left = [*([layout.CONFIG] if note else []), *([layout.ATTRIBUTES] if unmarked else [])]
    return InitReport(
        config=config,
        existed=True,
        files=tuple(files),
        found=tuple(detect.describe(config)),
        notes=tuple(filter(None, (note, _unused(request, config)))),
        commit=None,
        command=_commit_command(left) if left else "",
        dry_run=request.dry_run,
        next_step="gitexp new NAME",
    )


def _unused(request: InitRequest, config: ProjectConfig) -> str:
    """Return a note on the options that ask for something else than the settings say."""
    project = None if request.project is None else posixpath.normpath(request.project)
    predictions = None if config.predictions is None else config.predictions.path
    asked: tuple[tuple[str, object, object], ...] = (
        ("--project", project and project.strip("/"), posixpath.normpath(config.project)),
        ("--command", request.command, config.command),
        ("--write-pipeline", request.write_pipeline, config.pipeline is not None),
        ("--metrics", request.metrics, config.metrics),
        ("--params", request.params, config.params),
        ("--outs", request.outputs, config.outputs),
        ("--predictions", request.predictions, predictions),
        ("--seed-param", request.seed_params, config.seed.params),
        ("--seed-arg", request.seed_arg, config.seed.arg),
        ("--python", request.python, config.python),
    )
    other = [option for option, wanted, there in asked if wanted and wanted != there]
    if config.pipeline is not None and request.write_pipeline and "--command" in other:
        other.remove("--command")  # it stands in the pipeline, which is the user's to edit
    if not other:
        return ""
    return f"{', '.join(other)} not used: the settings say otherwise; edit {layout.CONFIG}"


def _needs_dvc(top: Path, config: ProjectConfig) -> bool:
    keeps = bool(config.outputs or config.predictions or config.curves)
    folders = [top / config.project, *(top / config.project).parents]
    inside = [folder for folder in folders if folder == top or top in folder.parents]
    return keeps and not any((folder / ".dvc").is_dir() for folder in inside)


def _dvc_init(top: Path) -> dict[str, bytes]:
    """Let DVC make its repository and return the files to be committed."""
    environ = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "init", "--quiet"],
        cwd=top,
        capture_output=True,
        env=environ,
        check=False,
    )
    if done.returncode:
        raise DvcFailedError(
            "dvc init failed",
            found=done.stderr.decode("utf-8", "backslashreplace").strip()[-500:],
            where=str(top),
            next_step="run dvc init yourself, then gitexp init",
        )
    return {path: (top / path).read_bytes() for path in _DVC_FILES if (top / path).exists()}


def _pipeline(request: InitRequest, config: ProjectConfig) -> bytes:
    """Return a dvc.yaml with one stage for the command."""
    stage: dict[str, Json] = {"cmd": request.command or ""}
    scripts = [word for word in shlex.split(request.command or "") if word.endswith((".py", ".sh"))]
    if scripts:
        stage["deps"] = list(scripts)
    if config.params:
        stage["params"] = [{file: None} for file in config.params]
    if config.outputs:
        stage["outs"] = list(config.outputs)
    if config.metrics:
        stage["metrics"] = [{path: {"cache": False}} for path in config.metrics]
    return yaml_dumps({"stages": {"train": stage}})


def _commit_command(files: Sequence[str]) -> str:
    quoted = " ".join(shlex.quote(path) for path in files)
    return f"git add -- {quoted} && git commit -m 'gitexp init'"


def _report(
    proposal: Proposal, files: tuple[str, ...], request: InitRequest, *, commit: CommitHash | None
) -> InitReport:
    left = not request.dry_run and commit is None
    return InitReport(
        config=proposal.config,
        existed=False,
        files=files,
        found=proposal.found,
        notes=proposal.notes,
        commit=commit,
        command=_commit_command(files) if left else "",
        dry_run=request.dry_run,
        next_step="gitexp new NAME --hypothesis ... --metric ... --effect ...",
    )
