"""The submodules of a job's worktree: plain files, taken from the user's own clones of them.

There is no ``.git`` in them, so git neither resets nor cleans them: `refill` does. A worker imports
this file, so nothing here may load GitPython or pygit2.
"""

from __future__ import annotations

import os
import shutil
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from gitexp.git import command

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_DEPTH = 3


def refill(slot: Path, commit: str) -> None:
    """Bring the submodules of a used worktree back to what `commit` says; nothing else is touched.

    `slot`: a job's worktree that `command.clean_slot` has cleaned.
    """
    if not (slot / ".gitmodules").is_file():
        return
    modules = []
    for record in command.run(slot, ["ls-files", "--stage", "-z"]).split(b"\0"):
        if record.startswith(b"160000 "):
            head, _, name = record.partition(b"\t")
            modules.append((name, head.split(b" ")[1]))
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
    """Write the files of each submodule below `top` from the clones in ``git_dir/modules``.

    `git_dir`: of the repository that has the submodules. `commit`: its .gitmodules says how the
    submodules are called. `depth`: how many submodules lie around these. The result: those that
    stay empty, because the user's clone has none of their files either.
    """
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
            listed = command.run(target, ["ls-files", "--stage", "-z"], env=env).split(b"\0")
        finally:
            index.unlink(missing_ok=True)
        inner = [
            (record.partition(b"\t")[2], record.split(b" ")[1])
            for record in listed
            if record.startswith(b"160000 ")
        ]
        if inner:
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
