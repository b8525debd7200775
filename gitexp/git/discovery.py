"""Find the repository around a folder by asking git once; no pygit2, so hooks can afford it."""

from __future__ import annotations

from pathlib import Path

from gitexp.errors import NoRepositoryError, PreconditionError
from gitexp.git import command
from gitexp.model.workspace import Workspace


def discover(start: Path | str) -> Workspace:
    """Return the workspace around `start`, an existing folder.

    Git itself decides whether the repository may be used (``safe.directory``). A bare repository
    is returned with ``top=None``; so is a folder inside a Git directory.

    Raises `NoRepositoryError` if there is none, or Git refuses it because it belongs to somebody
    else.
    """
    start = Path(start)
    if not start.is_dir():
        raise NoRepositoryError(
            "the folder does not exist", where=str(start), next_step="name a folder that is there"
        )
    arguments = ["rev-parse", "--path-format=absolute", "--git-dir", "--git-common-dir"]
    code, out, err = command.attempt(
        start, [*arguments, "--is-inside-work-tree", "--show-toplevel"]
    )
    if code and b"must be run in a work tree" in err:
        code, out, err = command.attempt(start, [*arguments, "--is-inside-work-tree"])
    if code:
        raise _refusal(start, err)
    lines = out.decode("utf-8", "surrogateescape").split("\n")
    # A newline in a path would shift the lines; no tool around Git survives such a path.
    git_dir, common_dir, inside = Path(lines[0]), Path(lines[1]), lines[2] == "true"
    return Workspace(
        git_dir=git_dir, common_dir=common_dir, top=Path(lines[3]) if inside else None, start=start
    )


def _refusal(start: Path, err: bytes) -> PreconditionError:
    text = err.decode("utf-8", "backslashreplace").strip()
    first = text.splitlines()[0] if text else ""
    if "dubious ownership" in text:
        owned = first.partition("'")[2].rpartition("'")[0] or str(start)
        return NoRepositoryError(
            "Git refuses this repository: it belongs to another user",
            found=first.removeprefix("fatal: "),
            where=str(start),
            expected="a repository of your own, or one that you trust",
            next_step=f"git config --global --add safe.directory '{owned}'",
        )
    if "not a git repository" in text:
        return NoRepositoryError(
            "this is not a Git repository",
            where=str(start),
            expected="a folder inside a Git work tree",
        )
    return NoRepositoryError(
        "Git cannot read this repository", found=first.removeprefix("fatal: "), where=str(start)
    )
