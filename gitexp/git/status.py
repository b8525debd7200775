"""What the work tree holds beside the commit: changed, untracked and ignored paths."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.errors import BareRepositoryError, GitFailedError
from gitexp.git import command

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitexp.model.workspace import Workspace


def dirty_tracked(workspace: Workspace) -> tuple[str, ...]:
    """Return tracked paths that are staged, modified, deleted or in conflict, sorted.

    A submodule counts when its commit or its tracked files differ. This runs the user's clean
    filters where Git needs them to tell (LFS), as ``git status`` does.
    """
    out = command.run(
        _top(workspace),
        ["status", "--porcelain=v1", "-z", "--untracked-files=no", "--no-renames",
         "--ignore-submodules=untracked"],
    )  # fmt: skip
    return tuple(sorted({record[3:] for record in _records(out)}))


def untracked(workspace: Workspace) -> tuple[str, ...]:
    """Return paths that Git neither tracks nor ignores, sorted."""
    out = command.run(_top(workspace), ["ls-files", "--others", "--exclude-standard", "-z"])
    return tuple(sorted(_records(out)))


def left_in(top: Path, folder: str = "") -> tuple[str, ...]:
    """Return what Git neither tracks nor ignores in a worktree, sorted.

    Parameters
    ----------
    top : Path
        Of a worktree of ours.
    folder : str
        Only below this, every file; by default a folder of nothing else stands for its files and
        ends in a slash.
    """
    options = ["--", folder] if folder else ["--directory", "--no-empty-directory"]
    out = command.run(top, ["ls-files", "--others", "--exclude-standard", "-z", *options])
    return tuple(sorted(_records(out)))


def is_ignored(where: Workspace | Path, paths: Iterable[str]) -> frozenset[str]:
    """Return those of `paths` (relative to the top) that Git ignores; a tracked one is not.

    Parameters
    ----------
    where : Workspace or Path
        The user's work tree, or the top of another one.
    paths : iterable of str

    Raises
    ------
    GitFailedError
        If git refuses a path.
    """
    data = b"".join(path.encode("utf-8", "surrogateescape") + b"\0" for path in paths)
    if not data:
        return frozenset()
    # check-ignore takes paths, never patterns, and dies where literal pathspecs are asked for.
    code, out, err = command.attempt(
        where if isinstance(where, Path) else _top(where),
        ["check-ignore", "-z", "--stdin"],
        data=data,
        env={"GIT_LITERAL_PATHSPECS": "0"},
    )
    if code > 1:  # 1: none of them
        raise GitFailedError("git check-ignore failed", found=err.decode("utf-8", "replace"))
    return frozenset(_records(out))


def tracked(workspace: Workspace, paths: Iterable[str]) -> frozenset[str]:
    """Return the paths in the index that are, or lie below, one of `paths`."""
    wanted = tuple(paths)
    if not wanted:
        return frozenset()
    return frozenset(_records(command.run(_top(workspace), ["ls-files", "-z", "--", *wanted])))


def _top(workspace: Workspace) -> Path:
    if workspace.top is None:
        raise BareRepositoryError(
            "the repository has no work tree",
            where=str(workspace.git_dir),
            next_step="git worktree add DIR BRANCH, then run the command there",
        )
    return workspace.top


def _records(out: bytes) -> list[str]:
    return [item for item in out.decode("utf-8", "surrogateescape").split("\0") if item]


def listed(workspace: Workspace, name: str) -> tuple[str, ...]:
    """Return all files of that name that Git tracks or would add, from the top, sorted."""
    out = command.run(_top(workspace), ["ls-files", "-z", "--cached", "--others",
                                        "--exclude-standard"])  # fmt: skip
    return tuple(sorted({path for path in _records(out) if path.rsplit("/", 1)[-1] == name}))
