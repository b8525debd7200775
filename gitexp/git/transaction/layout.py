"""Where things lie: paths in a tree (POSIX, from the repository's top) and in the Git directory.

Changing a path here is a change of format: `docs/formats/` says so too.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from gitexp.errors import UnsafeInputError

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.model.ids import EnvironmentDigest, PlanDigest, RunId
    from gitexp.model.workspace import Workspace

FOLDER: Final = ".gitexp"
CONFIG: Final = ".gitexp/config.yaml"
PLANS: Final = ".gitexp/experiments"
CONCLUSIONS: Final = ".gitexp/conclusions"
TOMBSTONES: Final = ".gitexp/tombstones"
RUNS: Final = ".gitexp/runs"
ENVIRONMENTS: Final = ".gitexp/environments"
WITNESSES: Final = ".gitexp/witness"
FOLDERS: Final = (PLANS, CONCLUSIONS, TOMBSTONES, RUNS)  # by which an experiment is known
TMP: Final = ".gitexp/tmp"
ATTRIBUTES: Final = ".gitexp/.gitattributes"

DATA_BRANCH: Final = "gitexp/data"
TEMPORARY_REFS: Final = "refs/gitexp/tmp/"
ARCHIVE_TAGS: Final = "refs/tags/exp-archive/"


def plan_path(name: str) -> str:
    """Return the path of an experiment's plan."""
    return f"{PLANS}/{name}.yaml"


def conclusion_path(name: str) -> str:
    """Return the path of an experiment's conclusion."""
    return f"{CONCLUSIONS}/{name}.yaml"


def tombstone_path(name: str) -> str:
    """Return the path of what tells that an experiment was removed."""
    return f"{TOMBSTONES}/{name}.yaml"


def archive_tag(name: str) -> str:
    """Return the full ref of an experiment's archive tag."""
    return f"{ARCHIVE_TAGS}{name}"


def run_dir(run: RunId) -> str:
    """Return the folder of a run.

    >>> run_dir("abcdefghijklmnop")
    '.gitexp/runs/ab/abcdefghijklmnop'
    """
    return f"{RUNS}/{run[:2]}/{run}"


def run_json(run: RunId) -> str:
    """Return the path of a run's record."""
    return f"{run_dir(run)}/run.json"


def samples_csv(run: RunId) -> str:
    """Return the path of a run's samples."""
    return f"{run_dir(run)}/samples.csv"


def environment_dir(digest: EnvironmentDigest) -> str:
    """Return the folder of a recorded environment."""
    return f"{ENVIRONMENTS}/{digest}"


def witness_dir(plan: PlanDigest) -> str:
    """Return the folder of what witnesses say of a plan."""
    return f"{WITNESSES}/{plan}"


def data_pointer(run: RunId, folder: str = "") -> str:
    """Return the path of a run's by-products on gitexp/data; `folder`: that of ``.dvc/``."""
    return f"{folder}/{run}.dvc" if folder else f"{run}.dvc"


def work(git_dir: Path) -> Path:
    """Return where the calls of a work tree keep their things: no branch can track a file there."""
    return state(git_dir, "work")


def locks_dir(workspace: Workspace) -> Path:
    """Return the folder of gitexp's own locks; linked worktrees share it."""
    return state(workspace.common_dir, "locks")


def index_file(workspace: Workspace) -> Path:
    """Return the deletable index cache."""
    return state(workspace.common_dir, "index.sqlite")


def put(path: Path, data: bytes, half: str) -> None:
    """Replace a file at once, by way of one named `half` beside it that is made here.

    Nothing is written through a link that a branch or a given folder has under that name.
    """
    made = path.with_name(half)
    made.unlink(missing_ok=True)
    with made.open("xb") as file:
        file.write(data)
    made.replace(path)


def state(git_dir: Path, *parts: str) -> Path:
    """Return a place of ours in a Git directory, which somebody else may have made."""
    path = git_dir
    for part in ("gitexp", *parts):
        path /= part
        if path.is_symlink():
            raise UnsafeInputError(
                "a link stands in place of what gitexp keeps in the Git directory",
                where=str(path),
                next_step=f"rm {shlex.quote(str(path))}",
            )
    return path
