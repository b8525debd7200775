"""Answers of `gitexp status`, remembered by a digest of the question and the repository's state.

The state is HEAD, every ref, what differs in the work tree, the calls of `run`; nothing is looked
up by age. It lies beside the index, and may be deleted whenever one likes. This file imports
little: it runs before the command's own module is loaded, which takes most of the time of an
answer.
"""

from __future__ import annotations

import os
import sys
from hashlib import blake2b, sha256
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp import __version__
from gitexp.errors import GitexpError
from gitexp.git import command, discovery
from gitexp.git.discovery import plain_bytes, user_key
from gitexp.git.transaction import layout
from gitexp.git.worktree import status as git_status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitexp.model.workspace import Workspace

REMEMBERED = frozenset({"status", "show"})
KEPT = 64  # answers of a repository
LIMIT_BYTES = 1 << 20
_PUBLISHED = b'"published": true'
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._/-")
_REFS = ("for-each-ref", "--format=%(objectname) %(refname)")


class RememberedQuestion:
    """A command line in a state of a repository; the key proves that an answer is this user's."""

    __slots__ = ("_argv", "_key", "_path", "_state", "workspace")

    def __init__(self, argv: Sequence[str], workspace: Workspace, state: bytes, key: bytes) -> None:
        self._key = key
        self._argv = tuple(argv)
        self.workspace = workspace
        self._state = state
        name = sha256(state + repr((_program(), self._argv)).encode()).hexdigest()
        self._path = layout.state(workspace.common_dir, "answers", name)

    def recall(self) -> str | None:
        """Return the answer that was given before, or None."""
        try:
            with self._path.open("rb") as stream:
                data = stream.read(LIMIT_BYTES)
        except OSError:
            return None
        check, _, text = data.partition(b"\n")
        if check != self._seal(text):
            return None
        answer = text.decode("utf-8", "replace")
        # The folder may be somebody else's: nothing in it may speak to the terminal.
        return answer if all(line.isprintable() for line in answer.split("\n")) else None

    def remember(self, answer: str) -> None:
        """Keep an answer, unless the repository changed while it was worked out."""
        text = answer.encode("utf-8", "replace")
        if len(text) > LIMIT_BYTES // 2 or _state(self.workspace) != self._state:
            return
        folder = self._path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            layout.put(self._path, self._seal(text) + b"\n" + text, f"{os.getpid()}.tmp")
            kept = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
            for path in kept[:-KEPT]:
                path.unlink(missing_ok=True)
        except OSError:
            return  # a full or read-only disk: the next call works it out again

    def _seal(self, text: bytes) -> bytes:
        """Return what an answer begins with: the folder may have come from somebody else."""
        return blake2b(self._path.name.encode() + text, key=self._key).hexdigest().encode()


def ask(argv: Sequence[str]) -> RememberedQuestion | None:
    """Return the question that a command line is, or None for one that is not remembered.

    Coloured answers are not: what goes to a terminal is worked out. Nor are words that may mean
    another commit while no ref moves: ``FETCH_HEAD``, ``@{-1}``, ``main@{yesterday}``.
    """
    start, rest = (argv[1], argv[2:]) if argv[:1] == ["-C"] and len(argv) > 1 else (".", argv)
    if not rest or rest[0] not in REMEMBERED or "-C" in rest or "--color" in rest:
        return None
    if any(not _PLAIN.issuperset(word) for word in rest):
        return None
    if sys.stdout is None or sys.stdout.isatty() or command.LOCAL_VARIABLES & os.environ.keys():
        return None
    try:
        workspace = discovery.discover(start)
        state, key = _state(workspace), user_key(workspace.common_dir)
    except (GitexpError, FileNotFoundError):  # the folder that this was started in is gone
        return None  # the command itself says it better
    if state is None or key is None:
        return None
    return RememberedQuestion(rest, workspace, state, key)


def _program() -> tuple[object, ...]:
    """Return what tells programs apart, also of one version: where they lie and when they came."""
    package = Path(__file__).parent.parent
    rooms = sorted(
        (entry.name, entry.stat().st_mtime_ns) for entry in os.scandir(package) if entry.is_dir()
    )
    return (__version__, str(package), *rooms)


def _state(workspace: Workspace) -> bytes | None:
    """Return a digest of all that an answer depends on; None while a run goes on."""
    parts = sha256()
    try:
        for part in _parts(workspace):
            parts.update(b"%d:" % len(part) + part)
    except (OSError, GitexpError):
        return None
    if any(not _is_published(path) for path in _runs(workspace)):
        return None
    return parts.digest()


def _parts(workspace: Workspace) -> Iterator[bytes]:
    yield os.fsencode(workspace.git_dir)
    yield (workspace.git_dir / "HEAD").read_bytes()
    yield command.run(workspace, _REFS)
    if workspace.top is not None:
        yield git_status.porcelain(workspace, looking=True)
    for path in (
        workspace.common_dir / "config",
        workspace.common_dir / "shallow",
        workspace.common_dir / "gitexp" / "agreed",
        workspace.git_dir / "config.worktree",
        *_runs(workspace),
    ):
        yield os.fsencode(path)
        try:
            seen = path.lstat()
        except FileNotFoundError:
            continue
        yield b"%d %d %d" % (seen.st_mtime_ns, seen.st_size, seen.st_ino)


def _runs(workspace: Workspace) -> list[Path]:
    folder = layout.work(workspace.git_dir) / "runs"
    try:
        return sorted(folder / entry.name / "state.json" for entry in os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _is_published(path: Path) -> bool:
    try:
        return _PUBLISHED in plain_bytes(path, LIMIT_BYTES)
    except OSError:
        return False
