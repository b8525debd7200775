"""Blobs, trees, commits and tags, written so that nobody sees them until a ref leads to them.

A tree is edited along the paths that change: in a repository of 10,000 files only the folders
above them are read and written.
"""

from __future__ import annotations

import os
import shlex
import tempfile
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pygit2
from pygit2.enums import ObjectType

from gitexp.errors import GitexpError, UnsafeInputError
from gitexp.git import command
from gitexp.git.command import translated
from gitexp.git.fsck import SoundTree, refused_name
from gitexp.git.objects import MODE_BLOB, MODE_EXECUTABLE
from gitexp.git.repository import Repo
from gitexp.git.tree import MODE_TREE
from gitexp.model import dataclass, replace
from gitexp.model.ids import ABSENT, Absent, CommitHash, TreeId
from gitexp.model.plan import Person

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path


DELETE: Final = None  # in a mapping of changes: the path goes


@dataclass(frozen=True, slots=True)
class Subtree:
    """In a mapping of changes: the folder becomes this existing tree."""

    id: TreeId


@dataclass(frozen=True, slots=True)
class Message:
    """What a commit, a tag or a line of a reflog says: a text, who and when."""

    text: str
    author: Person
    time: datetime  # with an offset; it is both dates of a commit, to the second
    committer: Person | None = None  # by default the author

    @property
    def by(self) -> Person:
        """Who commits, tags or moves a ref."""
        return self.committer or self.author

    @property
    def date(self) -> str:
        """The time as Git reads it."""
        return f"{int(self.time.timestamp())} {(self.time.strftime('%z') or '+0000')[:5]}"


_OVERHEAD: Final = 64 * 1024  # bytes; headers, trees and the commit, generously

Content = bytes | tuple[bytes, bool] | Subtree | None  # (bytes, executable); `DELETE`
_Change = Content | dict[str, "_Change"]


def build_tree(
    repo: Repo,
    base: TreeId | CommitHash | Absent,
    changes: Mapping[str, Content],
    *,
    written: list[str] | None = None,
) -> TreeId:
    """Write the tree that `changes` make of `base`; only the folders on their paths are read.

    Plain bytes keep the mode of a file that is there; the pair says whether the file is executable.
    Deleting what is not there is no error. `written`: receives the ids of all new objects.
    """
    nested: dict[str, _Change] = {}
    for path, content in changes.items():
        _put(nested, path, content)
    tree = None if base is ABSENT else repo.load_tree(base)
    log = written if written is not None else []
    try:
        made = _edit(repo, tree, nested, "", log)
        if made is None:
            made = str(repo.git.TreeBuilder().write())
            log.append(made)
    except (pygit2.GitError, OSError) as error:
        size = max(map(_size, changes.values()), default=0)
        raise _writing(repo, error, size) from error
    return TreeId(made)


def write_commit(
    repo: Repo,
    tree: TreeId,
    parents: Sequence[CommitHash],
    message: Message,
    *,
    signed: bool = True,
) -> CommitHash:
    """Write a commit object, `signed` where ``commit.gpgsign`` asks for it; no hook runs."""
    message = replace(message, text=message.text.rstrip("\n") + "\n")
    if signed and repo.setting_is_true("commit.gpgsign"):
        return _signed(repo, tree, parents, message)
    try:
        made = _whole(
            repo,
            lambda: repo.git.create_commit(
                None,
                signature(message.author, message.time),
                signature(message.by, message.time),
                message.text.encode("utf-8", "surrogateescape"),
                tree,
                list(parents),
            ),
        )
    except (pygit2.GitError, OSError, ValueError) as error:
        raise _writing(repo, error) from error
    return CommitHash(made)


def write_bare_commit(repo: Repo, tree: TreeId, parent: CommitHash, text: str) -> CommitHash:
    """Write a commit for a worktree alone: unsigned, by nobody, the same for the same tree."""
    message = Message(text, Person("gitexp", "gitexp"), datetime.fromtimestamp(0, UTC))
    return write_commit(repo, tree, [parent], message, signed=False)


def exist(repo: Repo, ids: Iterable[str]) -> bool:
    """Return whether every object is on the disk, asking no cache."""
    odb = Repo(repo.workspace).git.odb  # a handle without any cache
    return all(id_ in odb for id_ in ids)


def signature(person: Person, time: datetime) -> pygit2.Signature:
    """Return a pygit2 signature; Git allows no angle bracket, newline or NUL in a name."""
    offset = time.utcoffset() or timedelta()
    return pygit2.Signature(
        plain_name(person.name) or "unknown",
        plain_name(person.email) or "unknown",
        int(time.timestamp()),
        int(offset.total_seconds() // 60),
    )


def write_tag(repo: Repo, commit: CommitHash, name: str, message: Message) -> str:
    """Write an annotated tag of a commit and return its id; it is never signed."""
    who = (
        f"{plain_name(message.by.name) or 'unknown'} <{plain_name(message.by.email) or 'unknown'}>"
    )
    text = (
        f"object {commit}\ntype commit\ntag {name}\n"
        f"tagger {who} {message.date}\n\n{message.text.rstrip()}\n"
    )
    out = command.run(repo.workspace, ["mktag"], data=text.encode("utf-8", "surrogateescape"))
    return out.decode("ascii").strip()


def object_of(repo: Repo, ref: str) -> str | Absent:
    """Return the object that a tag's ref names: the tag's own id, or the commit of a light one."""
    code, out, _ = command.attempt(
        repo.workspace, ["rev-parse", "--verify", "--quiet", "--end-of-options", ref]
    )
    return out.decode("ascii").strip() if code == 0 else ABSENT


def _whole(repo: Repo, write: Callable[[], pygit2.Oid]) -> str:
    """Write an object, over one that a power cut left empty: libgit2 takes that for written."""
    made = str(write())
    path = repo.workspace.common_dir / "objects" / made[:2] / made[2:]
    try:
        if path.stat().st_size:
            return made
        path.unlink()
    except OSError:  # it is in a pack
        return made
    return str(write())


def _put(nested: dict[str, _Change], path: str, content: Content) -> None:
    parts = path.split("/")
    if any(refused_name(part.encode("utf-8", "surrogateescape")) or "\0" in part for part in parts):
        raise UnsafeInputError(
            "a path would leave its place", found=ascii(path), expected="a plain relative path"
        )
    here = nested
    for part in parts[:-1]:
        below = here.setdefault(part, {})
        if not isinstance(below, dict):
            raise UnsafeInputError("a path is file and folder at once", found=ascii(path))
        here = below
    if isinstance(here.get(parts[-1]), dict):
        raise UnsafeInputError("a path is file and folder at once", found=ascii(path))
    here[parts[-1]] = content


def _edit(
    repo: Repo,
    tree: SoundTree | None,
    changes: Mapping[str, _Change],
    where: str,
    written: list[str],
) -> str | None:
    """Return the edited tree's id; None where nothing would be left in it."""
    entries = {} if tree is None else dict(tree.entries)
    for name, change in changes.items():
        raw = name.encode("utf-8", "surrogateescape")
        old = entries.pop(raw, None)
        path = f"{where}{name}"
        if isinstance(change, dict):
            made = _folder(repo, old, change, path, written)
            mode = MODE_TREE
        elif change is DELETE:
            made = None
        elif isinstance(change, Subtree):
            made, mode = change.id, MODE_TREE
        else:
            made, mode = _file(repo, old, change, path)
            written.append(made)
        if made is not None:
            entries[raw] = (mode, made)
    if not entries:
        return None
    # Its bytes, by us: libgit2 takes no name that is no UTF-8.
    data = b"".join(
        b"%o %b\0%b" % (mode, raw, bytes.fromhex(id_))
        for raw, (mode, id_) in sorted(entries.items(), key=_order)
    )
    made_tree = _whole(repo, lambda: repo.git.write(ObjectType.TREE, data))
    written.append(made_tree)
    return made_tree


def _order(entry: tuple[bytes, tuple[int, str]]) -> bytes:
    """Sort as Git does: a folder as if its name ended in a slash."""
    return entry[0] + (b"/" if entry[1][0] == MODE_TREE else b"")


def _folder(
    repo: Repo,
    old: tuple[int, str] | None,
    changes: Mapping[str, _Change],
    path: str,
    written: list[str],
) -> str | None:
    if old is not None and old[0] != MODE_TREE:
        raise UnsafeInputError(
            "a folder is needed where there is a file or a link",
            where=path,
            next_step=f"git rm -- {shlex.quote(path)}",
        )
    tree = None if old is None else repo.load_tree(old[1])
    return _edit(repo, tree, changes, f"{path}/", written)


def _file(
    repo: Repo, old: tuple[int, str] | None, change: bytes | tuple[bytes, bool], path: str
) -> tuple[str, int]:
    before = None if old is None else old[0]
    if before not in {None, MODE_BLOB, MODE_EXECUTABLE}:
        raise UnsafeInputError(
            "a file is to be written where there is a folder, a link or a submodule",
            where=path,
            next_step=f"git rm -- {shlex.quote(path)}",
        )
    data, executable = change if isinstance(change, tuple) else (change, before == MODE_EXECUTABLE)
    mode = MODE_EXECUTABLE if executable else MODE_BLOB
    return _whole(repo, lambda: repo.git.create_blob(data)), mode


def _signed(
    repo: Repo, tree: TreeId, parents: Sequence[CommitHash], message: Message
) -> CommitHash:
    arguments = ["commit-tree", "-S", tree]
    for parent in parents:
        arguments += ["-p", parent]
    env = {}
    for role, person in (("AUTHOR", message.author), ("COMMITTER", message.by)):
        env[f"GIT_{role}_NAME"] = plain_name(person.name)
        env[f"GIT_{role}_EMAIL"] = plain_name(person.email)
        env[f"GIT_{role}_DATE"] = f"@{message.date}"
    out = command.run(
        repo.workspace,
        [*arguments, "-F", "-"],
        data=message.text.encode("utf-8", "surrogateescape"),
        env=env,
    )
    return CommitHash(out.decode("ascii").strip())


def plain_name(text: str) -> str:
    """Return a name without what Git allows in no identity: brackets, newlines, controls."""
    return "".join(char for char in text if char.isprintable() and char not in "<>").strip()


def _writing(repo: Repo, error: Exception, size: int = 0) -> GitexpError:
    folder = repo.workspace.common_dir / "objects"
    reason = _reason(folder, size + _OVERHEAD, error)
    return translated(reason, "cannot write objects", str(folder))


def _size(content: Content) -> int:
    if isinstance(content, tuple):
        content = content[0]
    return len(content) if isinstance(content, bytes) else 0


def _reason(folder: Path, size: int, error: Exception) -> Exception:
    """Return why a file cannot be written, by trying: libgit2 reports another error."""
    try:
        with tempfile.TemporaryFile(dir=folder, prefix="gitexp-") as trial:
            for start in range(0, size, 1 << 20):
                trial.write(os.urandom(min(1 << 20, size - start)))
            trial.flush()
    except OSError as found:
        return found
    return error
