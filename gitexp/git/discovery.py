"""The repository around a folder, by asking git once, and the key of whoever works in it.

No pygit2 is loaded, so hooks can afford it. The key lies outside every repository, and by it a user
knows again what gitexp remembered: what is in a Git directory may have come with somebody else's
folder.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

from gitexp.errors import NoRepositoryError, PreconditionError, UnsafeInputError
from gitexp.git import command
from gitexp.model.workspace import Workspace

_KEY_BYTES: Final = 32
_PLAIN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def discover(start: Path | str) -> Workspace:
    """Return the workspace around an existing folder; without a `top` where it is bare.

    Git itself decides whether the repository may be used (``safe.directory``).
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


def project_folder(top: Path, project: str) -> Path:
    """Return the folder of a work tree that settings, or the path of a pointer, name.

    Who wrote a branch names it, so it is reached by no link, and lies in no other repository:
    settings of DVC there would go by another's word. "" is the top itself.
    """
    folder = top
    for part in PurePosixPath(project).parts:
        folder /= part
        if part == ".." or folder.is_symlink() or os.path.lexists(folder / ".git"):
            raise UnsafeInputError(
                "the project's folder is not one of this repository",
                found=ascii(f"{project}: {part} leads, or belongs, to another place")[1:-1],
                where=str(top),
                expected="a folder that Git tracks, without a link on the way",
                next_step="git switch main, if a branch says so (project: in .gitexp/config.yaml)",
            )
    command.refuse_planted(folder)
    return folder


def _refusal(start: Path, err: bytes) -> PreconditionError:
    text = err.decode("utf-8", "backslashreplace").strip()
    first = text.partition("\n")[0]
    if "dubious ownership" in text:
        owned = first.partition("'")[2].rpartition("'")[0] or str(start)
        return NoRepositoryError(
            "Git refuses this repository: it belongs to another user",
            found=first.removeprefix("fatal: "),
            where=str(start),
            expected="a repository of your own, or one that you trust",
            next_step=f"git config --global --add safe.directory {shlex.quote(owned)}",
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


def user_key(git_dir: Path) -> bytes | None:
    """Return this user's key, made when first needed, in the Git directory; else None."""
    home = os.environ.get("HOME") or os.environ.get("USERPROFILE") or "."
    folder = Path(os.environ.get("XDG_STATE_HOME") or f"{home}/.local/state", "gitexp")
    inside = git_dir.name == ".git" and git_dir.parent in folder.parents
    if inside or not folder.is_absolute():
        return None
    file = folder / "index-key"
    try:
        known = file.read_bytes()
        if len(known) == _KEY_BYTES:
            return known
    except FileNotFoundError:
        pass
    except OSError:
        return None
    made = os.urandom(_KEY_BYTES)
    half = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(made)
        half.replace(file)  # of two at once the later one counts
    except OSError:
        return None
    return made


def bytes_inside(top: Path, path: str, limit: int) -> bytes | None:
    """Return the first bytes of a file of the work tree; None where it is none, or lies outside.

    A branch may track a link there, and what it leads to would be shown as a part of the project.
    """
    real = Path(os.path.realpath(top / path))
    if not real.is_relative_to(os.path.realpath(top)) or not real.is_file():  # a pipe would wait
        return None
    with contextlib.suppress(OSError):
        return plain_bytes(real, limit)
    return None


def plain_bytes(path: Path, limit: int = -1) -> bytes:
    """Return the bytes of a file, or as many of its first: through no link, waiting for no pipe."""
    with open_plain(path) as file:
        return file.read(limit)


def open_plain(path: Path) -> BinaryIO:
    """Open a file to be read: through no link, waiting for no pipe."""
    return os.fdopen(os.open(path, _PLAIN), "rb")
