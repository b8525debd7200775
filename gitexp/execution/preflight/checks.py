"""Looks for what would make a run fail, or mean something else, before hour 0.

Everything here is cheap next to one repeat. What only an execution can show (does the metric
exist, did the first repeat read what it should) is checked once more after the first repeat.
"""

from __future__ import annotations

import os
import posixpath
import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.comparison.randomness import seeding
from gitexp.dvc import inputs as inputs_rules
from gitexp.dvc.dvc_config import has_dvc
from gitexp.dvc.dvcpipeline import declares, touches
from gitexp.dvc.exchange import remote_of
from gitexp.dvc.pointers import listed
from gitexp.errors import (
    BadMetricError,
    DataMissingError,
    GitexpError,
    NoSpaceError,
    PreflightError,
    ReadOnlyError,
    WitnessError,
)
from gitexp.execution.jobs import lies_in
from gitexp.execution.preflight.mentions import words
from gitexp.git import objects, refs
from gitexp.git.transaction import layout
from gitexp.git.worktree import status
from gitexp.model.ids import ABSENT, BlobId
from gitexp.model.job import LinkedPath
from gitexp.model.metrics import recorded
from gitexp.model.witness import Way
from gitexp.provenance.trust_settings import Believing
from gitexp.report import numbers
from gitexp.store import conclusions, plans
from gitexp.system import kernels
from gitexp.text.foreign import Lines

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from gitexp.dvc.pointers import MissingData, PointerState
    from gitexp.execution.jobs import JobTemplate
    from gitexp.execution.run_sources import RunSource
    from gitexp.git.repository import Repo
    from gitexp.model.ids import CommitHash
    from gitexp.model.job import Outcome, Stage
    from gitexp.model.plan import BaselineRef, Plan
    from gitexp.model.run import Environment

SPACE_RESERVE_BYTES = 64 * 1024 * 1024
_SHOWN = 10
_FEW = 5
_NOISE = (
    "__pycache__",
    "dvc.yaml",
    ".gitignore",
    ".pytest_cache",
    ".ipynb_checkpoints",
    ".mypy_cache",
)


def check_outputs(source: RunSource, stages: Sequence[Stage]) -> None:
    """Stop at an output that Git holds unnamed: it would count as an input and be changed."""
    made = [out.path for stage in stages for out in stage.outs]
    missed = inputs_rules.undeclared_tracked_outputs(source.repo, source.tree, source.config, made)
    if missed:
        raise PreflightError(
            "outputs of the pipeline are committed to Git, and the settings do not name them",
            found=", ".join(missed[:_SHOWN]),
            where=source.where,
            expected="every output under `outputs:` or `metrics:` in .gitexp/config.yaml",
            next_step="add them there, or `git rm --cached` them, and commit",
        )


def check_filled(source: RunSource, slot: Path, modules: Sequence[str]) -> None:
    """Refuse a worktree that lacks files which count: empty submodules, pointers of Git LFS."""
    large = status.unfilled(slot)
    if not (modules or large):
        return
    counted = inputs_rules.counted_files(source.repo, source.tree, source.config)
    for missing, what, remedy in (
        (large, "files of Git LFS are not here, only pointers to them", "git lfs pull"),
        (modules, "submodules are not here", "git submodule update --init --recursive"),
    ):
        if names := [name for name in missing if name in counted]:
            raise DataMissingError(
                what,
                found=", ".join(names[:_SHOWN]) + (" ..." if len(names) > _SHOWN else ""),
                where=source.where,
                expected="all that the inputs count; `inputs.ignore` in .gitexp/config.yaml leaves"
                " out what no result depends on",
                next_step=remedy,
            )


def links(source: RunSource) -> tuple[LinkedPath, ...]:
    """Return the links that jobs get, after a look that their targets are there."""
    found = []
    for path in source.config.link:
        target = source.home / path
        if not target.exists():
            raise PreflightError(
                f"{path} is to be linked into every job, and is not there",
                where=str(target),
                expected="a file or folder, as run.link in .gitexp/config.yaml says",
            )
        found.append(LinkedPath(path.rstrip("/"), str(target)))
    return tuple(found)


def check_data(
    source: RunSource, data: PointerState, baseline: BaselineRef | None, *, bring: str = ""
) -> None:
    """Stop where bytes of tracked data are not in the cache, also of the plan's `baseline`."""
    if data.delegated:
        where, repo = source.where, source.repo
        step, file = data.delegated[0].step, data.delegated[0].declared.partition(": ")[0]
        mine = objects.blob_id(repo, source.commit, file)
        if baseline is not None and objects.blob_id(repo, baseline.commit, file) == mine:
            if source.commit != baseline.commit:
                where += f", baseline at {baseline.commit[:9]}"
            name = shlex.quote(baseline.name)
            # On one alone, what it makes of the branch's dvc.lock would pass for an execution.
            step = (
                f"on {name}: {step}; then on the branch git merge {name} && "
                f'gitexp amend-plan --baseline {name} --why "its data"'
            )
        shown = [f"{one.path} ({one.declared}): {one.why}" for one in data.delegated[:_SHOWN]]
        raise DataMissingError(
            "data that only DVC can bring",
            found=Lines.of(shown),
            where=where,
            next_step=step,
        )
    if data.missing:
        lines = listed(data.missing)
        more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
        raise DataMissingError(
            "data that the run needs are not here",
            found=Lines.of([*lines[:_SHOWN], *more]),
            where=source.where,
            next_step=bring or _way_to(source, data.missing) + _without(source, data.missing),
        )


def _way_to(source: RunSource, missing: Sequence[MissingData]) -> str:
    """Say how missing data come into the cache, whichever commit they are of.

    DVC fetches what the work tree names. Another commit's pointers are put there for the moment:
    ``dvc fetch -A`` goes by the settings of each commit, which may be older than the remote.
    """
    repo, project = source.repo, source.home
    remote = has_dvc(project) and remote_of(project, trust=True) is not None
    begin = "" if remote else "no remote is set: dvc remote add -d NAME URL, then "
    head = refs.head(repo).commit
    if head != source.commit:
        files = sorted({one.declared.partition(": ")[0] for one in missing})
        if (
            head is ABSENT
            or len(files) > _SHOWN
            or not all(objects.entry_at(repo, head, file) is not ABSENT for file in files)
        ):
            return f"{begin}dvc fetch -A"
        paths = shlex.join(f":/{file}" for file in files)
        short = source.commit[:9]
        return (
            f"{begin}git restore --source={short} -- {paths} && dvc fetch; git restore -- {paths}"
        )
    few = missing if len(missing) <= _SHOWN else ()
    # Named, as DVC fails over the outputs that no dvc.lock has yet.
    pull = shlex.join(["dvc", "pull", *(one.path for one in few)])
    # What lies there in another version `dvc pull` would only replace by force.
    here = [one.path for one in missing if (project / one.path).exists()]
    if not here:
        return begin + pull
    return (
        f"{begin}dvc fetch; or, to take what lies here for it, dvc commit -f "
        f"{shlex.join(here[:_SHOWN])}, then git commit -a"
    )


def _without(source: RunSource, missing: Sequence[MissingData]) -> str:
    """Say how a plan goes on whose baseline has data that nobody has any more; "" of others.

    Its commit stays as it is: the data of the branch, with the rest of it, are another baseline.
    """
    repo, head = source.repo, refs.head(source.repo)
    files = sorted({one.declared.partition(": ")[0] for one in missing})
    tip = source.commit if head.commit is ABSENT else head.commit
    there = [objects.blob_id(repo, tip, file) for file in files]
    own = [objects.blob_id(repo, source.commit, file) for file in files]
    if (
        source.side != seeding.BASELINE
        or not head.branch
        or len(files) > _SHOWN
        or any(new in {ABSENT, old} for new, old in zip(there, own, strict=True))
    ):
        return ""
    short, back = source.commit[:9], shlex.quote(head.branch)
    name, paths = f"baseline-{short}", shlex.join(f":/{file}" for file in files)
    return (
        f"; or, where nobody has them any more, git switch -c {name} {short} && "
        f"git restore --source={back} -SW -- {paths} && git commit -m 'data that are there' && "
        f"git switch {back} && gitexp amend-plan --baseline {name} --why 'its data are gone'"
    )


def check_space(folder: Path, cache: Path, *, tree_bytes: int, slots: int) -> None:
    """Stop where the disk will not hold the worktrees and the new objects."""
    for place, used, whose in (
        (folder, slots * tree_bytes, f"{slots} worktrees with their data"),
        (cache, 0, "what is kept of the outputs"),
    ):
        free, needed = shutil.disk_usage(existing(place)).free, used + SPACE_RESERVE_BYTES
        if free < needed:
            raise NoSpaceError(
                "there is not enough space for this run",
                found=f"{free / 1e6:.0f} MB free",
                where=str(place),
                expected=f"{needed / 1e6:.0f} MB for {whose}",
                next_step="free some space, or lower --jobs" if used else "free some space",
            )


def check_cache(cache: Path, source: RunSource, stages: Sequence[Stage]) -> None:
    """Stop where DVC's cache would not take, in the end, what the records name."""
    made = any(out.cache for stage in stages if not stage.frozen for out in stage.outs)
    place = existing(cache / "files" / "md5")
    if (made or source.config.predictions or source.config.curves) and not os.access(
        place, os.W_OK
    ):
        raise ReadOnlyError(
            "outputs cannot be kept: DVC's cache cannot be written to",
            where=str(place),
            next_step="make it writable; or dvc cache dir --local DIR, then dvc fetch",
        )


def tree_bytes(source: RunSource) -> int:
    """Return the size of a tree, in bytes, without submodules and what is still to be fetched."""
    return sum(
        source.repo.size(BlobId(entry.id), fetch=False)
        for entry in source.entries
        if entry.mode != objects.MODE_COMMIT and not entry.path.startswith(b".gitexp/")
    )


def existing(path: Path) -> Path:
    """Return the nearest folder above that exists."""
    while not path.exists():
        path = path.parent
    return path


def check_first(outcome: Outcome, expected: Collection[str], files: Sequence[str]) -> None:
    """Look at a first repeat before the others start."""
    names = {sample.metric for sample in outcome.samples}
    lacking = sorted(name for name in expected if recorded(name, names, files) is None)
    if lacking:
        raise BadMetricError(
            f"the first repeat did not report {', '.join(lacking)}",
            found=", ".join(sorted(names)) or "no metric at all",
            expected=", ".join(sorted(expected)),
            next_step="gitexp logs",
        )


def check_files(template: JobTemplate) -> tuple[str, ...]:
    """Warn of files that the first repeat left or rewrote, and of what Git holds beside DVC."""
    job, config = template.job, template.source.config
    known = {
        *(out.path for stage in job.stages for out in stage.outs),
        *(each.path for each in job.given),
        *(each.path for each in job.links),
        *config.outputs,
        *config.metrics,
        *config.curves,
    }
    if config.predictions is not None:
        known.add(config.predictions.path)
    said = _held(template)
    slots = [slot for slot in map(Path, job.slots) if Path(f"{slot}.used").exists()]
    edited = {key.file for key in (*job.edits, *config.seed.every)}
    edited |= {
        posixpath.relpath(path, config.project or ".") for path in (*job.left_out, *job.written)
    }
    changed = [path for slot in slots for path in _rewritten(slot, config.project, known | edited)]
    if changed:
        lost = "the change is in no record, and goes with the worktree"
        said += (f"the command rewrote {numbers.listed(changed, _FEW)}, which Git holds: {lost}",)
    paths = list(dict.fromkeys(p for slot in slots for p in _left(slot, config.project, known)))
    if not paths:
        return said
    shown = numbers.listed(paths, _FEW)
    how = "name them under outs: of their stage in dvc.yaml"
    if config.pipeline is None:
        names = [*config.outputs, *(path.rstrip("/") for path in paths[:_FEW])]
        how = f"write `outputs: [{', '.join(names)}]` into .gitexp/config.yaml and commit it"
    lost = f"the command left {shown} in its worktree, which is thrown away; to keep them {how}"
    return (*said, lost)


def _held(template: JobTemplate) -> tuple[str, ...]:
    """Return a warning on what Git holds of DVC's outputs: earlier versions committed metrics."""
    project = template.source.config.project
    outs = [out.path for stage in template.job.stages for out in stage.outs if out.cache]
    full = [posixpath.normpath(posixpath.join(project, path)) for path in outs]
    paths = [entry.text for entry in template.source.entries]
    held = [path for path in paths if lies_in(path, full)]
    if not held:
        return ()
    names = " ".join(shlex.quote(path) for path in held[:_FEW])
    why = f"{', '.join(held[:_FEW])}: in Git, and in an output of DVC, so that `dvc repro` fails"
    return (f"{why}; git rm --cached {names}, then commit: repeats go on counting",)


def _rewritten(slot: Path, project: str, known: Collection[str]) -> list[str]:
    """Return what a repeat changed of the commit, beside what it was to change."""
    paths = status.rewritten_in(slot)
    own = [posixpath.relpath(path, project) if project else path for path in paths]
    return [p for p in own if not (_is_noise(p) or any(touches(p, other) for other in known))]


def _left(slot: Path, project: str, known: Collection[str]) -> list[str]:
    prefix = f"{project}/" if project else ""
    paths = [path for path in status.left_in(slot) if path.startswith(prefix)]
    found: list[str] = []
    for path in (path.removeprefix(prefix) for path in paths):
        if _is_noise(path):
            continue
        if not any(touches(path.rstrip("/"), other) for other in known):
            found.append(path)
        elif path.endswith("/"):  # a folder in which something is known
            inside = (each.removeprefix(prefix) for each in status.left_in(slot, f"{prefix}{path}"))
            found += [
                each
                for each in inside
                if not _is_noise(each) and not any(touches(each, other) for other in known)
            ]
    return found


def _is_noise(path: str) -> bool:
    return declares(path) or any(part in _NOISE for part in path.split("/"))


_EXECUTES = re.compile(r"\bpapermill\b|--execute\b|\bjupyter[ -](?:execute|run)\b|--Execute\w+\.")
_OPTION = re.compile(r"(?<!\S)-(?:k|-[\w.-]*kernel(?:[._-]name)?)[ =]\s*[\"']?([\w.-]+)")


def notebook_kernels(
    source: RunSource,
    stages: Sequence[Stage],
    python: str,
    installed: Environment | None,
    env: Mapping[str, str],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the kernels that shall be the run's interpreter, and what is to be said of others.

    Each Python kernel that is installed is one, since a script may start it, too; so is what
    notebooks and commands name and nobody has here.
    """
    languages = kernels.installed(python, env)
    languages.setdefault(kernels.DEFAULT, kernels.PYTHON)
    users: dict[str, str] = {}
    for stage, text in ((each, text) for each in stages for text in each.commands):
        named = [name.lower() for name in _OPTION.findall(text)]
        for book, read in (pair for part in words(text, stage) for pair in part):
            if read is not None and book.endswith(".ipynb"):
                kernel, language = _kernel_of(source, posixpath.normpath(book))
                for name in named or [kernel]:
                    languages.setdefault(name, language if name == kernel else kernels.PYTHON)
                    if _EXECUTES.search(text):
                        users.setdefault(name, book)
    said = []
    for name, book in users.items():
        if languages[name].lower() != kernels.PYTHON:
            how = f"the kernel {name} ({languages[name]}), whose environment is not recorded"
            said.append(f"{book} is executed by {how}")
        elif installed and "ipykernel" not in {d.name for d in installed.distributions}:
            raise PreflightError(
                "the run's interpreter cannot execute a notebook",
                found=f"no ipykernel there; {book} asks for the kernel {name}",
                where=python,
                expected="that interpreter as the notebook's kernel: its environment is recorded",
                next_step=f"{shlex.quote(python)} -m pip install ipykernel; or let `python:` "
                "in .gitexp/config.yaml name the interpreter that has what the notebook needs",
            )
    ours = sorted(
        name for name, language in languages.items() if language.lower() == kernels.PYTHON
    )
    return tuple(ours), tuple(said)


def _kernel_of(source: RunSource, book: str) -> tuple[str, str]:
    """Return kernel and language of a notebook; the default's where it cannot be read."""
    path = posixpath.normpath(posixpath.join(source.config.project, book))
    try:
        data = objects.read_blob(source.repo, source.tree, path)
    except GitexpError:
        data = ABSENT
    return kernels.asked(b"" if data is ABSENT else data, path)


def require_witness(repo: Repo, plan: Plan, tip: CommitHash) -> None:
    """Refuse to run before somebody else saw the plan, where the project asks for that."""
    seen, known = Believing(lambda: repo.workspace, here=True), 0
    for item in conclusions.receipts(repo, tip, plan.digest):
        receipt = item.receipt
        if receipt is None or receipt.way is Way.APPROVAL:
            continue
        if plans.holds(repo, plan, receipt.commit) and seen.witnessed(receipt, item.token):
            return
        known += 1
    what = f"{known} receipts, of which none verifies here," if known else "no receipt"
    raise WitnessError(
        "nobody else has seen the plan yet",
        found=f"{what} for plan {plan.digest[:9]}",
        where=f"{layout.witness_dir(plan.digest)} at {tip[:9]}",
        expected="plan.witness: required, says .gitexp/config.yaml",
    )
