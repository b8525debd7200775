"""Makes a repository a gitexp project: one file with the settings, in one commit."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gitexp.dvc import gitignore
from gitexp.dvc.inputs import RULES_KNOWN
from gitexp.errors import (
    BareRepositoryError,
    ConfirmationError,
    DetachedHeadError,
    DvcFailedError,
    GitexpError,
    UnsafeInputError,
    UsageError,
)
from gitexp.execution import usage
from gitexp.execution.jobs import lies_in
from gitexp.experiments import detect, settings
from gitexp.git import identity, objects, refs, repository
from gitexp.git.command import translating
from gitexp.git.transaction import layout, transaction
from gitexp.git.writing import Message
from gitexp.model import dataclass, replace
from gitexp.model.config import InputsMode
from gitexp.model.ids import ABSENT
from gitexp.model.request import InitReport, InitRequest
from gitexp.records import config as config_format
from gitexp.records import configedit
from gitexp.rules.ranges import way_out
from gitexp.sharing import merge_driver
from gitexp.store import plans
from gitexp.text.foreign import Lines
from gitexp.text.yamlwrite import yaml_dumps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from gitexp.experiments.detect import Proposal
    from gitexp.git.repository import Repo
    from gitexp.model.config import ProjectConfig
    from gitexp.model.ids import Absent, CommitHash
    from gitexp.model.workspace import Workspace
    from gitexp.text.jsontext import Json

_CHANGED = "the settings have changes that are not committed"
MESSAGE = "gitexp init: settings of the project\n"
_REVISED = "gitexp init: settings changed\n"
# Reviewers read plans and conclusions; thousands of lines of records are folded away.
_ATTRIBUTES = "".join(
    f"{path.removeprefix(layout.FOLDER)}/** linguist-generated\n"
    for path in (layout.RUNS, layout.ENVIRONMENTS)
).encode()
_DVC_FILES = (".dvc/config", ".dvc/.gitignore", ".dvcignore")


def init(
    workspace: Workspace, request: InitRequest | None = None, *, now: datetime | None = None
) -> InitReport:
    """Write and commit ``.gitexp/config.yaml``; another call changes what it asks for.

    Parameters
    ----------
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
    if _has_plan(workspace):
        report = replace(report, next_step="gitexp status")
    if not request.merge_driver and not merge_driver.is_outdated(workspace):
        return report
    if request.dry_run:
        return replace(report, found=(*report.found, ("driver", "would be set up in this clone")))
    changed = merge_driver.set_up(workspace)
    said = "set up in this clone" if changed else "was set up in this clone before"
    return replace(report, found=(*report.found, ("driver", f"{said}; nothing of it is committed")))


@dataclass(frozen=True, slots=True)
class _Draft:
    """What would be written, and what is there."""

    proposal: Proposal
    files: dict[str, bytes]
    old: bytes | Absent  # the settings in the work tree
    held: bytes | Absent  # and those of the tip
    needs_dvc: bool  # and has none

    @property
    def existed(self) -> bool:
        return self.old is not ABSENT

    @property
    def is_edited(self) -> bool:
        """Somebody's own changes are in the settings; they are not ours to commit."""
        return self.existed and self.old != self.held


def _init(
    workspace: Workspace, top: Path, request: InitRequest, now: datetime | None
) -> InitReport:
    repo = repository.open_repository(workspace)
    head = _head(repo, request)
    _check(request, top)
    request = detect.placed(workspace, top, request, settled=(top / layout.CONFIG).exists())
    draft = _draft(repo, top, head, request)
    proposal, files = draft.proposal, draft.files
    if files.get(layout.CONFIG) == draft.old:
        return _existing(repo, top, draft, request)
    if draft.needs_dvc and request.dvc_init is None:
        raise ConfirmationError(
            "outputs are kept in DVC's cache, and there is no DVC repository here",
            where=str(top),
            next_step="the same with --dvc-init, or run dvc init yourself first",
        )
    # What lies outside the repository is not Git's to ignore.
    inside = (path for path in proposal.ignored if not path.startswith(("/", "../")))
    ignoring = gitignore.missing(top, inside)
    made = _DVC_FILES if draft.needs_dvc and request.dvc_init else ()
    _refuse_links(top, [*files, *ignoring, *made])
    if request.dry_run:
        return _report(draft, (*files, *ignoring), request)
    commits = request.commit and not draft.is_edited
    author = identity.author(repo) if commits else None  # before anything is written
    notes = [*proposal.notes, *(() if draft.existed else _elsewhere(repo))]
    if draft.is_edited:
        notes.append(_CHANGED)
    if draft.needs_dvc and request.dvc_init:
        files.update(_dvc_init(top))
    elif draft.needs_dvc:
        notes.append("without a DVC repository no output can be kept: dvc init")
    edited = [file for file in ignoring if _is_edited(repo, head, top, file)]
    if edited:
        notes.append(f"{', '.join(edited)} has changes of yours beside the new lines: commit it")
    if draft.existed and author is None:
        config = top / layout.CONFIG
        with translating("the settings cannot be written", str(config)):
            layout.put(config, files[layout.CONFIG], f"config-{os.urandom(8).hex()}.tmp")
    _write(top, files)
    _ignore(top, ignoring)
    files.update((file, data) for file, data in ignoring.items() if file not in edited)
    draft = replace(draft, proposal=replace(proposal, notes=tuple(notes)))
    if author is None or head.branch is None:
        return _report(draft, tuple(files), request)
    published = transaction.publish(
        workspace,
        head.branch,
        lambda _: files,
        Message(_REVISED if draft.existed else MESSAGE, author, now or datetime.now(UTC)),
        expected=None if head.commit is ABSENT else head.commit,
    )
    return _report(draft, tuple(files), request, commit=published.commit)


def _draft(repo: Repo, top: Path, head: refs.Head, request: InitRequest) -> _Draft:
    """Look at the project; or, where there are settings, at what was asked for."""
    present = top / layout.CONFIG
    old = present.read_bytes() if present.exists() else ABSENT
    held = ABSENT if head.commit is ABSENT else objects.read_blob(repo, head.commit, layout.CONFIG)
    if old is ABSENT:
        if request.inputs is InputsMode.DECLARED:
            raise usage.unobserved("there are no settings yet", "gitexp init, then gitexp run")
        proposal = detect.propose(repo.workspace, top, request)
        newest = replace(  # the rules of a project that is there are its own to change
            proposal.config,
            inputs_rules=RULES_KNOWN[-1][0],
            inputs_ignore=(),
            inputs_include=request.add_inputs,
        )
        proposal = detect.with_protected(repo, head, replace(proposal, config=newest))
        proposal = detect.with_advice(repo, head, proposal)
        data = config_format.dump_template(proposal.config)
        needs_dvc = _needs_dvc(top, proposal.config, asked=bool(request.dvc_init))
    else:
        config = config_format.load(old, layout.CONFIG)
        proposal = settings.revise(repo.workspace, top, request, config)
        if request.seed_arg is not None:
            proposal = detect.with_advice(repo, head, proposal)
        data = configedit.update(old, layout.CONFIG, proposal.config)
        needs_dvc = _needs_dvc(top, proposal.config) and not _needs_dvc(top, config)
    _refuse_unreadable(data)
    files = {layout.CONFIG: data}
    if not (top / layout.ATTRIBUTES).exists():
        files[layout.ATTRIBUTES] = _ATTRIBUTES
    if request.write_pipeline:
        path = "/".join(filter(None, (proposal.config.project, detect.PIPELINE)))
        files[path] = _pipeline(request, proposal.config)
        _refuse_other(top, path, files[path])
    return _Draft(proposal, files, old, held, needs_dvc)


def _head(repo: Repo, request: InitRequest) -> refs.Head:
    head = refs.head(repo)
    if head.commit is ABSENT:
        raise refs.unborn(repo, head)
    if head.branch is None and request.commit:
        raise DetachedHeadError(
            "HEAD is on no branch, so there is nothing to commit on",
            next_step=way_out(repo, experiment=False) or "git switch BRANCH",
        )
    return head


def _refuse_unreadable(data: bytes) -> None:
    """Refuse settings that the next command would refuse, for a path outside the project, say."""
    try:
        config_format.load(data, layout.CONFIG)
    except UnsafeInputError as error:
        error.next_step = "the same with paths below the project's folder"
        raise


def _refuse_links(top: Path, paths: Iterable[str]) -> None:
    """Refuse links that a branch put where we write: the bytes would go wherever they point."""
    for path in map(top.joinpath, paths):
        for place in (*reversed(path.parents), path):
            if top in place.parents and place.is_symlink():
                where = place.relative_to(top).as_posix()
                raise UnsafeInputError(
                    f"a {'file' if place == path else 'folder'} is needed where there is a link",
                    where=where,
                    next_step=f"git rm -- {shlex.quote(where)}",
                )


def _write(top: Path, files: Mapping[str, bytes]) -> None:
    for path, data in files.items():
        place = top / path
        with translating("the settings cannot be written", str(place)):
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.exists():
                place.write_bytes(data)


def _refuse_other(top: Path, path: str, data: bytes) -> None:
    if (top / path).exists() and (top / path).read_bytes() != data:
        raise UsageError(
            "there is a pipeline already, with other stages",
            where=path,
            expected="none that --write-pipeline would write over",
            next_step=f"the same without --write-pipeline and --command, and {path} edited by hand",
        )


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
        with translating("the outputs cannot be ignored", str(top / file)):
            (top / file).parent.mkdir(parents=True, exist_ok=True)
            gitignore.write(top, file, data)


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


def _has_plan(workspace: Workspace) -> bool:
    repo = repository.open_repository(workspace)
    head = refs.head(repo)
    if head.branch is None or head.commit is ABSENT:
        return False
    with contextlib.suppress(GitexpError):  # who reads plans says what is wrong with one
        return plans.plan_of_branch(repo, head.branch, head.commit) is not ABSENT
    return True


def _existing(repo: Repo, top: Path, draft: _Draft, request: InitRequest) -> InitReport:
    """Say what is there, where nothing else was asked for."""
    head = refs.head(repo).commit
    # A project of an earlier version.
    files = {path: data for path, data in draft.files.items() if path == layout.ATTRIBUTES}
    _refuse_links(top, files)
    if not request.dry_run:
        _write(top, files)
    note = "the settings are not committed" if draft.held is ABSENT else _CHANGED
    unmarked = head is ABSENT or objects.blob_id(repo, head, layout.ATTRIBUTES) is ABSENT
    left = [layout.CONFIG] * draft.is_edited + [layout.ATTRIBUTES] * unmarked
    return replace(
        _report(draft, tuple(files), request),
        notes=(*draft.proposal.notes, *([note] if draft.is_edited else [])),
        command=_commit_command(left) if left else "",
        next_step="gitexp new NAME",
    )


def _needs_dvc(top: Path, config: ProjectConfig, *, asked: bool = False) -> bool:
    keeps = bool(asked or config.outputs or config.predictions or config.curves)
    folders = [top / config.project, *(top / config.project).parents]
    inside = [folder for folder in folders if folder == top or top in folder.parents]
    return keeps and not any((folder / ".dvc").is_dir() for folder in inside)


def _dvc_init(top: Path) -> dict[str, bytes]:
    environ = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    call = [sys.executable, "-I", "-m", "dvc", "init", "--quiet"]
    done = subprocess.run(call, cwd=top, capture_output=True, env=environ, check=False)
    if done.returncode:
        raise DvcFailedError(
            "dvc init failed",
            found=Lines(done.stderr.decode("utf-8", "backslashreplace").strip()[-500:]),
            where=str(top),
            next_step="run dvc init yourself, then gitexp init",
        )
    return {path: (top / path).read_bytes() for path in _DVC_FILES if (top / path).exists()}


def _pipeline(request: InitRequest, config: ProjectConfig) -> bytes:
    stage: dict[str, Json] = {"cmd": request.command or ""}
    scripts = [word for word in shlex.split(request.command or "") if word.endswith((".py", ".sh"))]
    if scripts:
        stage["deps"] = list(scripts)
    if config.params:
        stage["params"] = [{file: None} for file in config.params]
    if config.outputs:
        stage["outs"] = list(config.outputs)
    if beside := [path for path in config.metrics if not lies_in(path, config.outputs)]:
        stage["metrics"] = [{path: {"cache": False}} for path in beside]
    inside = [path for path in config.metrics if path not in beside]
    found: dict[str, Json] = {"stages": {"train": stage}}
    return yaml_dumps(found | ({"metrics": list(inside)} if inside else {}))


def _commit_command(files: Sequence[str]) -> str:
    quoted = " ".join(shlex.quote(path) for path in files)
    return f"git add -- {quoted} && git commit -m 'gitexp init'"


def _report(
    draft: _Draft,
    files: tuple[str, ...],
    request: InitRequest,
    *,
    commit: CommitHash | None = None,
) -> InitReport:
    left = not request.dry_run and commit is None
    return InitReport(
        config=draft.proposal.config,
        existed=draft.existed,
        files=files,
        found=draft.proposal.found,
        notes=draft.proposal.notes,
        commit=commit,
        command=_commit_command(files) if left else "",
        dry_run=request.dry_run,
        next_step="gitexp new NAME --hypothesis ... --metric ... --effect ...",
    )


def _elsewhere(repo: Repo) -> tuple[str, ...]:
    """Warn of a second set of settings: it would part this branch from the one with the first."""
    branch = plans.settled_on(repo)
    if not branch:
        return ()
    step = plans.settings_step(branch)
    return (f"{branch} has settings already, which conflict with these; to take them: {step}",)
