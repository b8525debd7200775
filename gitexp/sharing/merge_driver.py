"""The merge driver that ``gitexp init --merge-driver`` sets up in one clone, and what it does."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Final

from gitexp.errors import UnsafeInputError
from gitexp.git import command
from gitexp.git.faults import translated
from gitexp.git.transaction import layout
from gitexp.sharing.threeway import Joined, join_lock, join_plan

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.model.workspace import Workspace

NAME: Final = "gitexp"
LIMIT_BYTES: Final = 16 << 20
PATTERNS: Final = (
    "dvc.lock",
    f"/{layout.PLANS}/*.yaml",
    f"/{layout.CONCLUSIONS}/*.yaml",
    f"/{layout.RUNS}/**",
    f"/{layout.ENVIRONMENTS}/**",
)


def set_up(workspace: Workspace) -> tuple[str, ...]:
    """Name the driver in this clone's configuration and attributes; nothing is committed.

    The attributes go into ``info/attributes``: a tracked .gitattributes is code, and would change
    the inputs of every state. Setting it up twice changes nothing.

    The result: what was changed, by where; empty if it was there.

    Raises `ReadOnlyError, NoSpaceError, GitFailedError`.
    """
    path = workspace.common_dir / "info" / "attributes"
    lines = [f"{pattern} merge={NAME}" for pattern in PATTERNS]
    changed = []
    try:
        before = path.read_bytes() if path.exists() else b""
        lacking = [line for line in lines if line.encode() not in before.splitlines()]
        if lacking:
            path.parent.mkdir(exist_ok=True)
            gap = b"\n" if before and not before.endswith(b"\n") else b""
            path.write_bytes(before + gap + "".join(f"{line}\n" for line in lacking).encode())
            changed.append(str(path))
    except OSError as error:
        raise translated(error, "the attributes cannot be written", str(path)) from error
    driver = f"{shlex.quote(sys.executable)} -m gitexp merge-driver %O %A %B %P"
    for key, value in (("name", "gitexp: whole stages, whole plans"), ("driver", driver)):
        code, out, _ = command.attempt(workspace, ["config", "--get", f"merge.{NAME}.{key}"])
        if code or out.decode("utf-8", "surrogateescape").rstrip("\n") != value:
            command.run(workspace, ["config", "--local", f"merge.{NAME}.{key}", value])
            changed.append(f"git config merge.{NAME}.{key}")
    return tuple(changed)


def merge_driver(base: Path, ours: Path, theirs: Path, path: str) -> str:
    """Join two versions of a file as Git asks its drivers to: the result replaces `ours`.

    `base`, `ours`, `theirs`: files that Git made; `base` is empty where both sides added it. The
    result: "", or why it is a conflict; then `ours` stays as it is, whole.

    Raises `UnsafeInputError` if a version is larger than 16 MiB.
    """
    old, left, right = (_read(file, path) for file in (base, ours, theirs))
    joined = _join(path, old, left, right)
    if joined.data is None:
        return joined.why
    if joined.data != left:
        ours.write_bytes(joined.data)
    return ""


def _join(path: str, base: bytes, ours: bytes, theirs: bytes) -> Joined:
    if theirs in {ours, base}:
        return Joined(ours)
    if ours == base:
        return Joined(theirs)
    if path == "dvc.lock" or path.endswith("/dvc.lock"):
        return join_lock(base, ours, theirs)
    if path.startswith(f"{layout.PLANS}/"):
        return join_plan(base, ours, theirs)
    if path.startswith(f"{layout.CONCLUSIONS}/"):
        return Joined(None, "each side concluded in its own words")
    return Joined(None, "records are never changed, and the two sides differ")


def _read(file: Path, path: str) -> bytes:
    with file.open("rb") as stream:
        data = stream.read(LIMIT_BYTES + 1)
    if len(data) > LIMIT_BYTES:
        raise UnsafeInputError(
            "a file is too large to be joined", where=path, expected=f"{LIMIT_BYTES} bytes"
        )
    return data
