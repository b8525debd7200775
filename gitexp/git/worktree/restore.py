"""Bring a worktree's index and files from one commit to the next, and spare what a person changed.

Nothing foreign is executed: file contents go through libgit2's own conversions (line endings,
``$Id$``) only, and a path with a filter of the user's (LFS) or an encoding is left to git.
Everything that may fail for lack of space is prepared before the branch moves; afterwards there are
only renames.
"""

from __future__ import annotations

import contextlib
import enum
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import pygit2
from pygit2.enums import ObjectType

from gitexp.git import command
from gitexp.git.command import translated
from gitexp.git.objects import MODE_BLOB, MODE_EXECUTABLE, compared
from gitexp.git.repository import Repo
from gitexp.model import dataclass, field, replace
from gitexp.model.ids import ABSENT, Absent, CommitHash, TreeId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitexp.git.worktree.checkouts import Checkout
    from gitexp.model.workspace import Workspace

_REGULAR: Final = frozenset({MODE_BLOB, MODE_EXECUTABLE})
_CHUNK: Final = 200  # paths on one command line

Version = tuple[int, str] | Absent  # mode and blob id
_Signature = tuple[int, int, int, int] | Absent  # of a file, to see whether it was touched


@dataclass(frozen=True, slots=True)
class Step:
    """One path that the new commit changes."""

    path: str
    old: Version
    new: Version


@dataclass(frozen=True, slots=True)
class _File:
    """One file to be put into its place, or (no source) to be removed."""

    path: str
    source: Path | None
    seen: _Signature


@dataclass(slots=True)
class PreparedRestore:
    """What a worktree will get once the branch has moved."""

    checkout: Checkout
    index: Path | None = None  # takes the place of the worktree's index
    folder: Path | None = None  # holds the new files
    files: list[_File] = field(default_factory=list)
    left: list[str] = field(default_factory=list)  # paths that stay as the person has them


class Conversion(enum.Enum):
    """What lies between a blob and the file in a work tree."""

    NONE = "none"
    BUILT_IN = "built in"  # line endings, $Id$: libgit2 does it
    FOREIGN = "foreign"  # a program of the user's, or an encoding: left to git


_FOREIGN: Final = ("filter", "working-tree-encoding")
_BUILT_IN: Final = ("text", "eol", "crlf", "ident")


def conversions(repo: Repo, top: Path, paths: Sequence[str]) -> dict[str, Conversion]:
    """Return what lies between a blob and its file, path by path, as .gitattributes says."""
    names = (*_FOREIGN, *_BUILT_IN)
    asked = ["check-attr", "-z", "--stdin", *names]
    out = command.run(top, asked, data=command.joined(paths))
    fields = out.decode("utf-8", "surrogateescape").split("\0")  # a value may be empty
    common = Conversion.NONE
    if repo.settings.get("core.autocrlf", "false").lower() not in {"false", "no", "off", "0"}:
        common = Conversion.BUILT_IN
    found = dict.fromkeys(paths, common)
    for path, name, value in zip(fields[0::3], fields[1::3], fields[2::3], strict=False):
        if value in {"unspecified", "unset"}:
            continue
        if name in _FOREIGN:
            found[path] = Conversion.FOREIGN
        elif found[path] is Conversion.NONE:
            found[path] = Conversion.BUILT_IN
    return found


def holds(repo: Repo, path: str, version: tuple[int, str], conversion: Conversion) -> bool:
    """Return whether the work tree's file is this version, line endings converted as Git does."""
    mode, id_ = version
    full = Path(repo.git.workdir) / path
    status = full.lstat()
    if not stat.S_ISREG(status.st_mode):
        return False
    if repo.setting_is_true("core.filemode") and (mode == MODE_EXECUTABLE) != bool(
        status.st_mode & stat.S_IXUSR
    ):
        return False
    if str(pygit2.hashfile(str(full))) == id_:
        return True
    return (
        conversion is Conversion.BUILT_IN
        and str(repo.git.hashfile(str(full), ObjectType.BLOB, path)) == id_
    )


def steps(repo: Repo, old: CommitHash | Absent, new: CommitHash | TreeId) -> tuple[Step, ...]:
    """Return the paths that differ between two commits; equal folders are not entered."""
    before, after = compared(repo, old, new)
    diff = before.diff_to_tree(after, context_lines=0)
    return tuple(
        Step(
            delta.new_file.raw_path.decode("utf-8", "surrogateescape"),
            _version(delta.old_file),
            _version(delta.new_file),
        )
        for delta in diff.deltas
    )


def prepare(repo: Repo, checkout: Checkout, changes: Sequence[Step], owner: str) -> PreparedRestore:
    """Work out and write down what a worktree gets, touching neither its index nor its files.

    A path whose index entry and file are those of the old tip gets both of the new one. Where the
    person edited the file only, the index entry goes to the new tip and the edit stays: with the
    old entry, the next ``git commit`` would silently take the new commit's change back. Where the
    index entry is not the old tip's, nothing of the path is touched.
    """
    prepared = PreparedRestore(checkout)
    here = Repo(replace(repo.workspace, git_dir=checkout.git_dir, top=checkout.top))
    here.settings = repo.settings
    try:
        paths = [step.path for step in changes]
        entries = _index_entries(checkout.top, paths)
        kinds = conversions(repo, checkout.top, paths)
        lines: list[bytes] = []
        hidden: list[str] = []
        for step in changes:
            version, skipped = entries.get(step.path, (ABSENT, False))
            if step.path in entries and version == step.new:
                continue  # the person was faster
            if version != step.old:
                prepared.left.append(step.path)
                continue
            lines.append(_index_line(step))
            if skipped and step.new is not ABSENT:
                hidden.append(step.path)
            else:
                _prepare_file(here, prepared, step, kinds[step.path], owner)
        if lines:
            prepared.index = _new_index(checkout, lines, hidden, owner)
    except BaseException as error:
        discard(prepared)
        if isinstance(error, OSError | pygit2.GitError):
            raise translated(error, "cannot prepare the work tree", str(checkout.top)) from error
        raise
    return prepared


def apply(prepared: PreparedRestore) -> tuple[str, ...]:
    """Put all into place, files first: a crash is mended by repeating; return what stays."""
    top = prepared.checkout.top
    for item in prepared.files:
        target = top / item.path
        try:
            # Looked at again in the last moment: an editor may have saved meanwhile.
            if _signature(target) != item.seen or not _is_plain(top, item.path):
                prepared.left.append(item.path)
            elif item.source is None:
                target.unlink(missing_ok=True)
                _remove_empty(top, target.parent)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                item.source.replace(target)
        except OSError:
            prepared.left.append(item.path)
    if prepared.index is not None:
        prepared.index.replace(prepared.checkout.index)
        prepared.index = None
    return tuple(sorted(set(prepared.left)))


def refresh(prepared: PreparedRestore) -> None:
    """Let git note size and times of new files, so ``git diff-files`` is quiet; may fail."""
    paths = [item.path for item in prepared.files if item.source is not None]
    for start in range(0, len(paths), _CHUNK):
        command.attempt(
            prepared.checkout.top, ["add", "--refresh", "--", *paths[start : start + _CHUNK]]
        )


def discard(prepared: PreparedRestore) -> None:
    """Remove the temporary files of a preparation."""
    if prepared.index is not None:
        prepared.index.unlink(missing_ok=True)
    if prepared.folder is not None:
        shutil.rmtree(prepared.folder, ignore_errors=True)


def sweep(checkout: Checkout, owner: str) -> None:
    """Remove what `prepare` left when its process was killed."""
    _temporary_index(checkout, owner).unlink(missing_ok=True)
    folder = _temporary_folder(checkout, owner)
    if _is_plain(checkout.top, str(folder.relative_to(checkout.top))):
        shutil.rmtree(folder, ignore_errors=True)


def _version(side: pygit2.DiffFile) -> Version:
    return (int(side.mode), str(side.id)) if int(side.mode) else ABSENT


def _index_entries(top: Path, paths: Sequence[str]) -> dict[str, tuple[Version, bool]]:
    """Return what the index has, a conflict as equal to nothing, and whether the file is not."""
    found: dict[str, tuple[Version, bool]] = {}
    for start in range(0, len(paths), _CHUNK):
        asked = ["ls-files", "--stage", "-t", "-z", "--", *paths[start : start + _CHUNK]]
        for record in command.records(command.run(top, asked)):
            head, _, path = record.partition("\t")
            tag, mode, id_, number = head.split(" ")
            version = (int(mode, 8), id_) if number == "0" else (0, "")
            found[path] = version, tag == "S"
    return found


def _index_line(step: Step) -> bytes:
    path = step.path.encode("utf-8", "surrogateescape")
    if step.new is ABSENT:
        return b"0 " + b"0" * 40 + b"\t" + path + b"\0"
    mode, id_ = step.new
    return f"{mode:06o} {id_}\t".encode() + path + b"\0"


def _new_index(checkout: Checkout, lines: list[bytes], hidden: list[str], owner: str) -> Path:
    path = _temporary_index(checkout, owner)
    env = _copied(checkout.index, path)
    try:
        asked = ["update-index", "-z", "--index-info"]
        command.run(checkout.top, asked, data=b"".join(lines), env=env)
        if hidden:
            asked = ["update-index", "--skip-worktree", "-z", "--stdin"]
            command.run(checkout.top, asked, data=command.joined(hidden), env=env)
    except BaseException:
        path.unlink(missing_ok=True)
        path.with_name(path.name + ".lock").unlink(missing_ok=True)
        raise
    return path


def _copied(index: Path, path: Path) -> dict[str, str]:
    """Copy an index, and return what lets git use the copy."""
    if index.exists():
        shutil.copy2(index, path)  # its time, too: git doubts entries no older than that
    return {"GIT_INDEX_FILE": str(path)}


def tree_ahead(workspace: Workspace, top: Path) -> TreeId:
    """Return what `status.commit_tracked` would commit; work tree and index stay as they are."""
    with tempfile.TemporaryDirectory(prefix="gitexp-index-", dir=workspace.git_dir) as folder:
        env = _copied(workspace.git_dir / "index", Path(folder, "index"))
        command.run(top, ["add", "--update"], env=env)
        return TreeId(command.run(top, ["write-tree"], env=env).decode("ascii").strip())


def _prepare_file(
    repo: Repo, prepared: PreparedRestore, step: Step, kind: Conversion, owner: str
) -> None:
    """Write the new content beside, where the file is still the old tip's."""
    top = prepared.checkout.top
    path = step.path
    seen = _signature(top / path)
    if kind is Conversion.FOREIGN or not _may_write(prepared.checkout, step, owner):
        prepared.left.append(path)
        return
    if seen is not ABSENT and step.new is not ABSENT and holds(repo, path, step.new, kind):
        return  # the file has the new content already
    if seen is ABSENT and step.new is ABSENT:
        return
    if (seen is ABSENT) != (step.old is ABSENT) or (
        step.old is not ABSENT and not holds(repo, path, step.old, kind)
    ):
        prepared.left.append(path)
        return
    source = None
    if step.new is not ABSENT:
        if prepared.folder is None:
            prepared.folder = _make_folder(prepared.checkout, owner)
        source = prepared.folder / str(len(prepared.files))
        mode, id_ = step.new
        with _create(source, executable=mode == MODE_EXECUTABLE) as file:
            _write(repo, file, id_, path, kind)
    prepared.files.append(_File(path, source, seen))


def _write(repo: Repo, file: BinaryIO, id_: str, path: str, conversion: Conversion) -> None:
    """Write a blob as git checks it out, and wait for no disk: the commit holds it."""
    blob = repo.load(id_, pygit2.Blob)
    if conversion is Conversion.NONE:
        file.write(blob.data)
    else:
        with pygit2.BlobIO(blob, as_path=path) as converted:
            shutil.copyfileobj(converted, file)


def _may_write(checkout: Checkout, step: Step, owner: str) -> bool:
    modes = {version[0] for version in (step.old, step.new) if version is not ABSENT}
    folder = _temporary_folder(checkout, owner).relative_to(checkout.top)
    return (
        modes <= _REGULAR
        and _is_plain(checkout.top, step.path)
        and _is_plain(checkout.top, str(folder))
    )


def _create(path: Path, *, executable: bool) -> BinaryIO:
    mode = 0o777 if executable else 0o666  # less the umask, as git does
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb")


def _temporary_index(checkout: Checkout, owner: str) -> Path:
    return checkout.git_dir / f"index.gitexp-{owner}"


def _temporary_folder(checkout: Checkout, owner: str) -> Path:
    # In the work tree, so that a rename puts a file into its place.
    return checkout.top / ".gitexp" / "tmp" / f"publish-{owner}"


def _make_folder(checkout: Checkout, owner: str) -> Path:
    folder = _temporary_folder(checkout, owner)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError), (folder.parent / ".gitignore").open("x") as ignore:
        ignore.write("*\n")
    folder.mkdir(mode=0o700)
    return folder


def _signature(path: Path) -> _Signature:
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return ABSENT
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _is_plain(top: Path, path: str) -> bool:
    """Return whether no folder on the way to `path` is a link or a file."""
    here = top
    for part in Path(path).parts[:-1]:
        here = here / part
        try:
            if not stat.S_ISDIR(here.lstat().st_mode):
                return False
        except FileNotFoundError:
            return True
    return True


def _remove_empty(top: Path, folder: Path) -> None:
    with contextlib.suppress(OSError):
        while folder != top:
            folder.rmdir()
            folder = folder.parent
