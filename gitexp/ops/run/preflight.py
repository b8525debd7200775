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
from typing import TYPE_CHECKING

from gitexp.data.pointers import listed
from gitexp.errors import BadMetricError, DataMissingError, NoSpaceError, PreflightError
from gitexp.git import lfs, objects, status
from gitexp.git.refs import ABSENT
from gitexp.model.ids import BlobId
from gitexp.model.job import LinkedPath
from gitexp.store import inputs as inputs_rules

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from gitexp.data.pointers import DataState
    from gitexp.git.objects import Entry
    from gitexp.git.repository import Repo
    from gitexp.model.ids import TreeId
    from gitexp.model.job import Outcome, Stage
    from gitexp.model.workspace import Workspace
    from gitexp.ops.run.cells import Cell

SPACE_RESERVE_BYTES = 64 * 1024 * 1024
_WORDS = re.compile(r"[\w./+@~-]+")  # linear; a path in a command is one word
# Options, parameters and folders with such a word in their name are there to be written to.
_WRITTEN = frozenset(
    (
        *("artifact", "artifacts", "cache", "checkpoint", "checkpoints", "ckpt", "dest", "export"),
        *("exports", "log", "logs", "mlruns", "o", "out", "output", "outputs", "report", "reports"),
        *(
            "result",
            "results",
            "run",
            "runs",
            "save",
            "saved",
            "temp",
            "tensorboard",
            "tmp",
            "wandb",
        ),
        "tracking",
    )
)
# What such an option or parameter names is read, wherever it lies.
_READ = frozenset(
    (
        *("corpus", "data", "dataset", "datasets", "features", "from", "init", "input", "inputs"),
        *("load", "pretrained", "read", "source", "src", "vocab", "vocabulary"),
    )
)
_WRITERS = frozenset(("mkdir", "rm", "tee", "touch"))
_LETTERS = re.compile(r"[a-z]+")
_SHOWN = 10


def check_outputs(repo: Repo, cell: Cell, stages: Sequence[Stage]) -> None:
    """Stop at an output of the pipeline that the settings do not name and Git holds.

    Such a file would count as an input and be changed by every run.

    Raises
    ------
    PreflightError
    """
    made = [out.path for stage in stages for out in stage.outs]
    missed = inputs_rules.undeclared_tracked_outputs(repo, cell.tree, cell.config, made)
    if missed:
        raise PreflightError(
            "outputs of the pipeline are committed to Git, and the settings do not name them",
            found=", ".join(missed[:_SHOWN]),
            where=f"{cell.side} at {cell.commit[:9]}",
            expected="every output under `outputs:` or `metrics:` in .gitexp/config.yaml",
            next_step="add them there, or `git rm --cached` them, and commit",
        )


def check_filled(repo: Repo, top: Path, cell: Cell, modules: Sequence[str]) -> None:
    """Refuse a worktree that lacks files which count: empty submodules, pointers of Git LFS.

    The run would be recorded as one of the whole state.

    Parameters
    ----------
    repo : Repo
    top : Path
        Of the job's worktree.
    cell : Cell
    modules : sequence of str
        Submodules that stayed empty.

    Raises
    ------
    DataMissingError
    """
    large = lfs.unfilled(top)
    if not (modules or large):
        return
    counted = inputs_rules.counted_files(repo, cell.tree, cell.config)
    for missing, what, remedy in (
        (large, "files of Git LFS are not here, only pointers to them", "git lfs pull"),
        (modules, "submodules are not here", "git submodule update --init --recursive"),
    ):
        if names := [name for name in missing if name in counted]:
            raise DataMissingError(
                what,
                found=", ".join(names[:_SHOWN]) + (" ..." if len(names) > _SHOWN else ""),
                where=f"{cell.side} at {cell.commit[:9]}",
                expected="all that the inputs count; `inputs.ignore` in .gitexp/config.yaml leaves"
                " out what no result depends on",
                next_step=remedy,
            )


def links(top: Path, cell: Cell) -> tuple[LinkedPath, ...]:
    """Return the links that jobs get, after a look that their targets are there.

    Parameters
    ----------
    top : Path
        Top of the user's work tree.
    cell : Cell

    Raises
    ------
    PreflightError
        If a path of `run.link` does not exist.
    """
    found = []
    for path in cell.config.link:
        target = top / cell.config.project / path
        if not target.exists():
            raise PreflightError(
                f"{path} is to be linked into every job, and is not there",
                where=str(target),
                expected="a file or folder, as run.link in .gitexp/config.yaml says",
            )
        found.append(LinkedPath(path.rstrip("/"), str(target)))
    return tuple(found)


def check_mentions(
    repo: Repo, at: Workspace, cell: Cell, stages: Sequence[Stage], provided: Collection[str]
) -> tuple[str, ...]:
    """Refuse files that the run mentions, that lie in the work tree, and that a job would lack.

    A job sees a commit, data pointers and links; an ignored ``.env`` or an untracked ``extra.csv``
    is in none of them, and a run that fails after hours, or silently does without, is worse.
    What the mention says to be written (``--log-dir logs``, ``> train.log``) is no such file. What
    lies in a folder named like an output (``results/features.csv``) may be either.

    Parameters
    ----------
    repo : Repo
    at : Workspace
    cell : Cell
    stages : sequence of Stage
    provided : collection of str
        Paths, relative to the project folder, that data pointers and links will fill.

    Returns
    -------
    tuple of str
        Files that a job would lack and that the run may read, or write.

    Raises
    ------
    PreflightError
    """
    if at.top is None:  # no work tree in which a file could lie
        return ()
    project = at.top / cell.config.project
    outputs = {out.path for stage in stages for out in stage.outs} | set(cell.config.outputs)
    covered = outputs | set(cell.config.metrics) | set(provided)
    mentioned = _mentioned(cell, stages)
    lacking: list[str] = []
    doubtful: list[str] = []
    for word in sorted(mentioned):
        path = word.strip("/")
        if not path or path.startswith(("..", "-")) or word.startswith("/"):
            continue
        path = os.path.normpath(path)
        if any(path == other or path.startswith(f"{other}/") for other in covered):
            continue
        if any(other.startswith(f"{path}/") for other in covered):
            continue
        if path == "." or path.startswith("../") or not (project / path).exists():
            continue
        full = f"{cell.config.project}/{path}" if cell.config.project else path
        if not _in_commit(repo, cell.tree, full):
            (lacking if mentioned[word] else doubtful).append(path)
    if lacking:
        raise PreflightError(
            "the run mentions files that are in no commit, so its jobs would not see them",
            found=", ".join(lacking[:_SHOWN]),
            where=str(project),
            expected="committed, tracked by DVC, or named under run.link",
            next_step=f"{_ways_in(at, cell, lacking[0])}; delete it where the run itself makes it",
        )
    return tuple(path for path in doubtful if (project / path).is_file())


def _ways_in(at: Workspace, cell: Cell, path: str) -> str:
    """Return how a job gets to see a file; what Git ignores neither Git nor DVC takes as it is."""
    name = shlex.quote(path)
    link = f"add {name} to run.link in .gitexp/config.yaml"
    if status.is_ignored(at, [posixpath.join(cell.config.project, path)]):
        return f"{link}, or git add -f {name}"
    return f"git add {name}, dvc add {name}, or {link}"


def _in_commit(repo: Repo, tree: TreeId, path: str) -> bool:
    """Tell whether a commit has a path; what lies behind a link or in a submodule is believed."""
    parts = path.split("/")
    for depth in range(1, len(parts) + 1):
        entry = objects.entry_at(repo, tree, "/".join(parts[:depth]))
        if entry is ABSENT:
            return False
        if entry.mode in {objects.MODE_COMMIT, objects.MODE_LINK}:
            return True
    return True


def _mentioned(cell: Cell, stages: Sequence[Stage]) -> dict[str, bool]:
    """Return the words that may be paths, and whether the run surely reads them."""
    found: dict[str, bool] = {}

    def add(word: str, *, read: bool) -> None:
        found[word] = read or found.get(word, False)

    for stage in stages:
        for text in stage.commands:
            for word, read in _words(text, stage):
                add(word, read=read)
    for key, value in cell.params.items():
        name = key.rpartition(".")[2]
        if isinstance(value, str) and not _is_written(name):
            for word in _WORDS.findall(value):
                add(word, read=_is_read(name) or not _is_written(_folder(word)))
    for path in (*(dep for stage in stages for dep in stage.deps), *cell.config.evaluation):
        add(path, read=True)
    evaluation = cell.config.evaluation
    return {w: read for w, read in found.items() if "." in w or "/" in w or w in evaluation}


def _words(text: str, stage: Stage) -> Iterator[tuple[str, bool]]:
    """Yield the words of a command from its project, but for those that it surely writes to."""
    before, verb = "", ""
    for match in _WORDS.finditer(text):
        word = match.group()
        behind = text[: match.start()].rstrip()
        option = before if before.startswith("-") else ""
        written = behind.endswith(">") or _is_written(option) or verb in _WRITERS
        if not written:
            read = behind.endswith("<") or _is_read(option) or not _is_written(_folder(word))
            yield (word if word.startswith(("/", "~")) else os.path.join(stage.wdir, word)), read  # noqa: PTH118
        if not word.startswith("-"):
            verb = word
        before = word


def _folder(word: str) -> str:
    """Return a word's first part where it can be a folder, "" where it looks like a file."""
    path = os.path.normpath(word)
    name = os.path.basename(path)  # noqa: PTH119 - a word, no place
    return path.split("/")[0] if "/" in path or "." not in name.lstrip(".") else ""


def _is_written(name: str) -> bool:
    """Tell whether a name is one of what is made, not of what is read."""
    return not _WRITTEN.isdisjoint(_LETTERS.findall(name.lower()))


def _is_read(name: str) -> bool:
    """Tell whether a name is one of what is read."""
    return not _READ.isdisjoint(_LETTERS.findall(name.lower())) and not _is_written(name)


def doubt(paths: Sequence[str]) -> str:
    """Return what to say of files that the run may have missed, once it has failed."""
    return (
        f"the run mentions {', '.join(paths[:_SHOWN])}, which no commit holds, so its jobs did not "
        f"see it; if it is read: git add -f {paths[0]}, dvc add {paths[0]}, or run.link in "
        ".gitexp/config.yaml"
    )


def check_data(data: DataState, *, bring: str = "") -> None:
    """Stop where bytes of tracked data are not in the cache.

    Parameters
    ----------
    data : DataState
    bring : str
        What to type, where that is not `dvc pull`.

    Raises
    ------
    DataMissingError
        Names all of them.
    """
    if data.delegated:
        shown = [f"{one.path} ({one.declared}): {one.why}" for one in data.delegated[:_SHOWN]]
        raise DataMissingError(
            "data that only DVC can bring",
            found="\n".join(shown),
            next_step="dvc pull, then dvc commit",
        )
    if data.missing:
        lines = listed(data.missing)
        more = f"\nand {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
        raise DataMissingError(
            "data that the run needs are not here",
            found="\n".join(lines[:_SHOWN]) + more,
            next_step=bring,
        )


def check_space(folder: Path, cache: Path, *, tree_bytes: int, data_bytes: int, slots: int) -> None:
    """Stop where the disk will not hold the worktrees and their data.

    Parameters
    ----------
    folder : Path
        Where the worktrees will lie.
    cache : Path
        The DVC cache.
    tree_bytes, data_bytes : int
        Size of one worktree's files, and of the data put into it.
    slots : int
        Number of worktrees.

    Raises
    ------
    NoSpaceError
    """
    needed = slots * (tree_bytes + data_bytes) + SPACE_RESERVE_BYTES
    free = min(shutil.disk_usage(existing(path)).free for path in (folder, cache))
    if free < needed:
        raise NoSpaceError(
            "there is not enough space for this run",
            found=f"{free / 1e6:.0f} MB free",
            where=str(folder),
            expected=f"{needed / 1e6:.0f} MB for {slots} worktrees with their data",
            next_step="free some space, or lower --jobs",
        )


def tree_bytes(repo: Repo, entries: Iterable[Entry]) -> int:
    """Return the size of all files of a tree, in bytes.

    Submodules are not counted, nor what a partial clone has still to fetch.
    """
    return sum(
        objects.blob_size(repo, BlobId(entry.id), fetch=False)
        for entry in entries
        if entry.mode != objects.MODE_COMMIT and not entry.path.startswith(b".gitexp/")
    )


def existing(path: Path) -> Path:
    """Return the nearest folder above that exists."""
    while not path.exists():
        path = path.parent
    return path


def check_first(outcome: Outcome, expected: Collection[str]) -> None:
    """Look at a first repeat before the others start.

    Parameters
    ----------
    outcome : Outcome
        Of a finished repeat.
    expected : collection of str
        Metrics that the plan speaks of.

    Raises
    ------
    BadMetricError
    """
    names = {sample.metric for sample in outcome.samples}
    lacking = sorted(set(expected) - names)
    if lacking:
        raise BadMetricError(
            f"the first repeat did not report {', '.join(lacking)}",
            found=", ".join(sorted(names)) or "no metric at all",
            expected=", ".join(sorted(expected)),
            next_step="gitexp logs",
        )
