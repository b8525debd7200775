"""Worktrees: what each has checked out, Git's own lock on its index; and those of repeats.

Every argument vector is fixed, a path goes behind ``--``, a revision is a full hash. A worker
imports this file, so nothing here may load GitPython or pygit2. Submodules are plain files, taken
from the user's own clones: there is no ``.git`` in them, so git neither resets nor cleans them,
and `refill` does.
"""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from gitexp.errors import ExistsError, LockedError
from gitexp.git import command
from gitexp.git.discovery import plain_bytes
from gitexp.model import dataclass
from gitexp.model.ids import ABSENT, Absent, CommitHash

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitexp.model.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Checkout:
    """One worktree of the repository, the main one included."""

    top: Path
    git_dir: Path
    branch: str | None  # short name; None: detached
    head: CommitHash | Absent  # ABSENT: unborn
    missing: bool  # its folder is gone, or is not of this repository

    @property
    def index(self) -> Path:
        """The worktree's index file."""
        return self.git_dir / "index"


def listing(workspace: Workspace) -> tuple[Checkout, ...]:
    """Return every worktree with a work tree; the main one first unless it is bare."""
    out = command.run(workspace, ["worktree", "list", "--porcelain", "-z"])
    dirs = _git_dirs(workspace)
    found: list[Checkout] = []
    for number, block in enumerate(out.decode("utf-8", "surrogateescape").split("\0\0")):
        fields = {key: value for key, _, value in (x.partition(" ") for x in block.split("\0"))}
        if "worktree" not in fields or "bare" in fields:
            continue
        top = Path(fields["worktree"])
        top = top if number else _main_top(workspace, top)
        git_dir = dirs.get(top) if number else workspace.common_dir
        ref = fields.get("branch")
        hash_ = fields.get("HEAD", "")
        found.append(
            Checkout(
                top=top,
                git_dir=git_dir or workspace.common_dir,
                branch=None if ref is None else ref.removeprefix("refs/heads/"),
                head=CommitHash(hash_) if hash_.strip("0") else ABSENT,
                missing=git_dir is None or not _is_there(top, git_dir, workspace.common_dir),
            )
        )
    return tuple(found)


def _main_top(workspace: Workspace, named: Path) -> Path:
    """Return where the main work tree is: git supposes it around the Git directory.

    In a submodule, or where the Git directory lies apart, its own configuration alone says it.
    """
    if workspace.git_dir == workspace.common_dir and workspace.top is not None:
        return workspace.top
    if _is_there(named, workspace.common_dir, workspace.common_dir):
        return named
    asked = ["config", "--file", str(workspace.common_dir / "config"), "core.worktree"]
    code, out, _ = command.attempt(workspace, asked)
    told = out.decode("utf-8", "surrogateescape").rstrip("\n")
    return Path(os.path.normpath(workspace.common_dir / told)) if code == 0 and told else named


def on_branch(workspace: Workspace, branch: str) -> tuple[Checkout, ...]:
    """Return the worktrees, present on the disk, that have `branch` checked out."""
    return tuple(at for at in listing(workspace) if at.branch == branch and not at.missing)


def heads(workspace: Workspace) -> tuple[bytes, ...]:
    """Return the raw HEADs of all worktrees, to see a switch; with reftable they say nothing."""
    found = []
    for git_dir in _all_git_dirs(workspace):
        try:
            found.append((git_dir / "HEAD").read_bytes())
        except OSError:
            found.append(b"")
    return tuple(found)


def rebasing(workspace: Workspace, branch: str) -> Path | None:
    """Return the Git directory of a worktree in which a rebase of `branch` is under way."""
    for git_dir in _all_git_dirs(workspace):
        for folder in ("rebase-merge", "rebase-apply"):
            try:
                name = (git_dir / folder / "head-name").read_text(errors="surrogateescape")
            except OSError:
                continue
            if name.strip() == f"refs/heads/{branch}":
                return git_dir
    return None


def _is_there(top: Path, git_dir: Path, common: Path) -> bool:
    """Whether a worktree is there, and its ``.git`` leads back: any path can be noted."""
    dot_git = top / ".git"
    if git_dir == common and dot_git.is_dir():
        return dot_git.resolve() == git_dir.resolve()
    if not dot_git.is_file() or dot_git.is_symlink() or not git_dir.is_dir():
        return False
    with dot_git.open("rb") as file:
        text = file.read(1 << 14).decode("utf-8", "surrogateescape")
    return (top / text.removeprefix("gitdir: ").rstrip("\n")).resolve() == git_dir.resolve()


def _all_git_dirs(workspace: Workspace) -> list[Path]:
    folder = workspace.common_dir / "worktrees"
    linked = sorted(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else []
    # A given folder may have a link there, to what belongs to another repository of the user's.
    return [workspace.common_dir, *(each for each in linked if not each.is_symlink())]


def _git_dirs(workspace: Workspace) -> dict[Path, Path]:
    """Map the top of each linked worktree to its Git directory."""
    found: dict[Path, Path] = {}
    for git_dir in _all_git_dirs(workspace)[1:]:
        try:
            text = (git_dir / "gitdir").read_text(errors="surrogateescape").rstrip("\n")
        except OSError:
            continue
        dot_git = Path(text)
        if not dot_git.is_absolute():  # worktree.useRelativePaths
            dot_git = (git_dir / dot_git).resolve()
        found[dot_git.parent] = git_dir
    return found


def take(checkout: Checkout, owner: str) -> Path:
    """Take a worktree's ``index.lock``, with a line that says whose it is; return its path."""
    path = path_of(checkout)
    with command.translating("cannot lock the index", str(path)):
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError as error:
            raise LockedError(
                "the index of a worktree is locked by another process",
                where=str(path),
                expected="no git command under way in that worktree",
                next_step=f"finish it; if there is none, rm {shlex.quote(str(path))}",
            ) from error
        try:
            with os.fdopen(file, "wb") as opened:
                opened.write(owner.encode() + b"\n")
        except OSError:
            path.unlink(missing_ok=True)
            raise
    return path


def path_of(checkout: Checkout) -> Path:
    """Return where git locks the index of a worktree."""
    return checkout.git_dir / "index.lock"


def owner_of(checkout: Checkout) -> str:
    """Return the line in a worktree's ``index.lock``; "" where there is none or it is git's."""
    try:
        return plain_bytes(path_of(checkout), 200).decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


# --- those in which repeats run -----------------------------------------------------------------

_DEPTH = 3


def refill(slot: Path, commit: str) -> None:
    """Bring the submodules of a cleaned job's worktree back to `commit`."""
    if not (slot / ".gitmodules").is_file():
        return
    modules = _submodules(_entries(slot))
    for path, _ in modules:
        target = slot / path
        if target.is_symlink() or target.is_file():
            target.unlink()
        elif target.is_dir():
            shutil.rmtree(target)
    fill(slot, command.common_dir_of(slot), modules, commit)


def fill(
    top: Path, git_dir: Path, modules: Sequence[tuple[str, str]], commit: str, *, depth: int = 0
) -> tuple[str, ...]:
    """Write each submodule's files from its clone; return those without any here."""
    if not modules:
        return ()
    names = _module_names(git_dir, commit)
    empty: list[str] = []
    for path, sha in modules:
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
            command.run(target, ["read-tree", sha], env=env)
            command.run(target, ["checkout-index", "--all", "--force", "--quiet"], env=env)
            inner = _submodules(_entries(target, env))
        finally:
            index.unlink(missing_ok=True)
        below = fill(target, clone, inner, sha, depth=depth + 1)
        empty += [f"{path}/{name}" for name in below]
    return tuple(empty)


def _has(clone: Path, sha: str) -> bool:
    env = {"GIT_DIR": str(clone)}
    return command.attempt(clone, ["cat-file", "-e", f"{sha}^{{commit}}"], env=env)[0] == 0


def _module_names(git_dir: Path, commit: str) -> dict[str, str]:
    """Map submodule paths to names as .gitmodules of `commit` says; unsafe names are left out."""
    asked = ["config", "--blob", f"{commit}:.gitmodules", "-z", "--get-regexp",
             r"^submodule\..*\.path$"]  # fmt: skip
    code, out, _ = command.attempt(git_dir, asked, env={"GIT_DIR": str(git_dir)})
    found: dict[str, str] = {}
    for record in () if code else command.records(out):
        key, _, path = record.partition("\n")
        name = key.removeprefix("submodule.").removesuffix(".path")
        parts = PurePosixPath(name).parts
        if name and not name.startswith(("/", "-")) and ".." not in parts and "\\" not in name:
            found[path] = name
    return found


_WORKERS = 4  # that write files at once, where there are a hundred or more: waiting is most of it
_LEFT_OUT = ".gitexp/"
_SUBMODULE = "160000"


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
                        data=command.joined(skipped))  # fmt: skip
        wanted = [
            name
            for mode, _, name in entries
            if mode != _SUBMODULE and not name.startswith(_LEFT_OUT)
        ]
        command.run(path, ["-c", f"checkout.workers={_WORKERS}", "checkout-index", "--force",
                           "--index", "--quiet", "-z", "--stdin"],
                    data=command.joined(wanted))  # fmt: skip
        return fill(path, workspace.common_dir, _submodules(entries), commit)
    except BaseException:
        remove(workspace, path)
        raise


def remove(workspace: Workspace, *paths: Path) -> None:
    """Remove worktrees with everything in them, also those half made or half removed."""
    for path in paths:
        if path.is_symlink():
            path.unlink()
        shutil.rmtree(path, ignore_errors=True)
    forget(workspace, *paths)


def forget(workspace: Workspace, *paths: Path) -> None:
    """Let Git forget worktrees; whatever is at their paths stays."""
    entries = workspace.common_dir / "worktrees"
    for checkout in listing(workspace) if paths else ():
        if (
            checkout.top in paths
            and checkout.git_dir.parent == entries
            and not entries.is_symlink()
        ):
            shutil.rmtree(checkout.git_dir, ignore_errors=True)


def _entries(top: Path, env: Mapping[str, str] | None = None) -> list[tuple[str, str, str]]:
    """Return mode, hash and path of everything in an index."""
    found = []
    for record in command.records(command.run(top, ["ls-files", "--stage", "-z"], env=env)):
        head, _, name = record.partition("\t")
        mode, sha, _ = head.split(" ")
        found.append((mode, sha, name))
    return found


def _submodules(entries: Sequence[tuple[str, str, str]]) -> list[tuple[str, str]]:
    return [(name, sha) for mode, sha, name in entries if mode == _SUBMODULE]
