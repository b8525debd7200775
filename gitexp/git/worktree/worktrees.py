"""The worktrees in which repeats run, added and removed, and the submodules in them.

Every argument vector is fixed, a path goes behind ``--``, a revision is a full hash. A worker
imports this file, so nothing here may load GitPython or pygit2. Submodules are plain files, taken
from the user's own clones: there is no ``.git`` in them, so git neither resets nor cleans them,
and `refill` does.
"""

from __future__ import annotations

import os
import shutil
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from gitexp.errors import ExistsError
from gitexp.git import command
from gitexp.git.worktree.checkouts import listing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gitexp.model.ids import CommitHash
    from gitexp.model.workspace import Workspace


_DEPTH = 3


def refill(slot: Path, commit: str) -> None:
    """Bring the submodules of a cleaned job's worktree back to `commit`."""
    if not (slot / ".gitmodules").is_file():
        return
    modules = _submodules(_entries(slot))
    for raw, _ in modules:
        target = slot / raw.decode("utf-8", "surrogateescape")
        if target.is_symlink() or target.is_file():
            target.unlink()
        elif target.is_dir():
            shutil.rmtree(target)
    fill(slot, command.common_dir_of(slot), modules, commit)


def fill(
    top: Path,
    git_dir: Path,
    modules: Sequence[tuple[bytes, bytes]],
    commit: str,
    *,
    depth: int = 0,
) -> tuple[str, ...]:
    """Write each submodule's files from its clone; return those without any here."""
    if not modules:
        return ()
    names = _module_names(git_dir, commit)
    empty: list[str] = []
    for raw, sha in modules:
        path = raw.decode("utf-8", "surrogateescape")
        clone = git_dir / "modules" / names[path] if path in names else None
        target = top / path
        target.mkdir(parents=True, exist_ok=True)  # as git leaves one that is not initialised
        there = clone is not None and clone.is_dir() and depth < _DEPTH
        if clone is None or not there or not _has(clone, sha):
            empty.append(path)
            continue
        index = clone / f"gitexp-index-{os.getpid()}-{top.name}"
        env = {"GIT_DIR": str(clone), "GIT_WORK_TREE": str(target), "GIT_INDEX_FILE": str(index)}
        try:
            command.run(target, ["read-tree", sha.decode()], env=env)
            command.run(target, ["checkout-index", "--all", "--force", "--quiet"], env=env)
            inner = _submodules(_entries(target, env))
        finally:
            index.unlink(missing_ok=True)
        below = fill(target, clone, inner, sha.decode(), depth=depth + 1)
        empty += [f"{path}/{name}" for name in below]
    return tuple(empty)


def _has(clone: Path, sha: bytes) -> bool:
    env = {"GIT_DIR": str(clone)}
    return command.attempt(clone, ["cat-file", "-e", sha.decode() + "^{commit}"], env=env)[0] == 0


def _module_names(git_dir: Path, commit: str) -> dict[str, str]:
    """Map submodule paths to names as .gitmodules of `commit` says; unsafe names are left out."""
    code, out, _ = command.attempt(
        git_dir,
        [
            "config",
            "--blob",
            f"{commit}:.gitmodules",
            "-z",
            "--get-regexp",
            r"^submodule\..*\.path$",
        ],
        env={"GIT_DIR": str(git_dir)},
    )
    found: dict[str, str] = {}
    if code:
        return found
    for record in out.decode("utf-8", "surrogateescape").split("\0"):
        key, _, path = record.partition("\n")
        name = key.removeprefix("submodule.").removesuffix(".path")
        parts = PurePosixPath(name).parts
        if name and not name.startswith(("/", "-")) and ".." not in parts and "\\" not in name:
            found[path] = name
    return found


_WORKERS = 4  # that write files at once, where there are a hundred or more: waiting is most of it
_LEFT_OUT = b".gitexp/"


def add(workspace: Workspace, path: Path, commit: CommitHash) -> tuple[str, ...]:
    """Make a detached worktree without gitexp's own folder; return submodules that stay empty.

    What is left out stands in the worktree's index as skip-worktree, so ``git status`` there is
    clean and the user's settings are not touched. LFS and other filters of the user run, hooks do
    not.
    """
    if path.exists():
        raise ExistsError("the worktree's folder is there already", where=str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        command.run(workspace, ["worktree", "add", "--no-checkout", "--detach", "--force",
                                "--quiet", "--", str(path), commit])  # fmt: skip
        command.run(path, ["read-tree", commit])
        entries = _entries(path)
        skipped = [name for mode, _, name in entries if name.startswith(_LEFT_OUT)]
        if skipped:
            command.run(path, ["update-index", "--skip-worktree", "-z", "--stdin"],
                        data=_joined(skipped))  # fmt: skip
        wanted = [
            name
            for mode, _, name in entries
            if mode != b"160000" and not name.startswith(_LEFT_OUT)
        ]
        command.run(path, ["-c", f"checkout.workers={_WORKERS}", "checkout-index", "--force",
                           "--index", "--quiet", "-z", "--stdin"],
                    data=_joined(wanted))  # fmt: skip
        return fill(path, workspace.common_dir, _submodules(entries), commit)
    except BaseException:
        remove(workspace, path)
        raise


def remove(workspace: Workspace, path: Path) -> None:
    """Remove a worktree with everything in it, also one that is half made or half removed."""
    if path.is_symlink():
        path.unlink()
    shutil.rmtree(path, ignore_errors=True)
    forget(workspace, path)


def forget(workspace: Workspace, path: Path) -> None:
    """Let Git forget a worktree; whatever is at its path stays."""
    entries = workspace.common_dir / "worktrees"
    for checkout in listing(workspace):
        if checkout.top == path and checkout.git_dir.parent == entries and not entries.is_symlink():
            shutil.rmtree(checkout.git_dir, ignore_errors=True)


def _entries(top: Path, env: Mapping[str, str] | None = None) -> list[tuple[bytes, bytes, bytes]]:
    """Return mode, hash and path of everything in an index."""
    found = []
    for record in command.run(top, ["ls-files", "--stage", "-z"], env=env).split(b"\0"):
        if record:
            head, _, name = record.partition(b"\t")
            mode, sha, _ = head.split(b" ")
            found.append((mode, sha, name))
    return found


def _submodules(entries: Sequence[tuple[bytes, bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name, sha) for mode, sha, name in entries if mode == b"160000"]


def _joined(names: Sequence[bytes]) -> bytes:
    return b"".join(name + b"\0" for name in names)
