"""What a hook sees, by git commands alone: the staged content, and objects in a quarantine.

A hook inherits variables that say where the index and the objects are - that of ``git commit -a``
is not the repository's, and what was pushed lies in a quarantine until the server's hook agrees -
and only git itself follows them. So nothing here opens pygit2, which costs more than all of it.
"""

from __future__ import annotations

import re
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Self

from gitexp.errors import DamagedDataError, GitFailedError, NoRepositoryError, UnsafeInputError
from gitexp.git import command
from gitexp.model.ids import CommitHash, TreeId
from gitexp.model.rules import CommitObject, TreeEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType

    from gitexp.model.ids import BlobId

EMPTY_TREE: Final = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
HEADER_LIMIT: Final = 64 << 20  # bytes of a commit or a tree
_HASH = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REBASES: Final = ("rebase-merge/head-name", "rebase-apply/head-name")

Staged = tuple[str, TreeEntry | None, TreeEntry | None]  # path, in HEAD, in the index


@dataclass(frozen=True, slots=True)
class HookPlace:
    """Where a hook runs, as Git told it.

    Attributes
    ----------
    folder : Path
        In which git commands have to run: the top of the work tree.
    env : mapping of str to str
        The variables of Git's that the hook inherited.
    git_dir : Path
    head : CommitHash or None
        None on an unborn branch.
    branch : str
        Short name of the branch that moves, during a rebase that of the rebased one; "" for none.
    merged : tuple of CommitHash
        The other parents of the commit that is about to be made.
    """

    folder: Path
    env: Mapping[str, str]
    git_dir: Path
    head: CommitHash | None
    branch: str
    merged: tuple[CommitHash, ...]

    @property
    def rebasing(self) -> bool:
        """Whether a rebase is under way."""
        return any((self.git_dir / name).exists() for name in _REBASES)

    @property
    def parents(self) -> tuple[CommitHash, ...]:
        """The parents of the commit that is about to be made."""
        return self.merged if self.head is None else (self.head, *self.merged)


def place(folder: Path, environ: Mapping[str, str], *, merging: bool = False) -> HookPlace:
    """Return where a hook runs.

    Parameters
    ----------
    folder : Path
        The current folder of the hook.
    environ : mapping of str to str
        Its environment.
    merging : bool
        Whether it is pre-merge-commit: what is merged is then told by variables alone.

    Raises
    ------
    NoRepositoryError
        If it is no hook's.
    """
    env = {
        key: environ[key]
        for key in command.LOCAL_VARIABLES
        if key in environ and not key.endswith("_PATHSPECS")  # how a program likes to be asked
    }
    arguments = ["rev-parse", "--path-format=absolute", "--git-dir", "HEAD^{commit}",
                 "--symbolic-full-name", "HEAD"]  # fmt: skip
    code, out, err = command.attempt(folder, arguments, env=env)
    lines = _text(out).split("\n")
    if not lines[0].startswith("/") and not Path(lines[0]).is_absolute():
        raise NoRepositoryError(
            "this is not a Git repository",
            found=err.decode("utf-8", "backslashreplace").strip(),
            where=str(folder),
        )
    git_dir = Path(lines[0])
    head = None if code else CommitHash(lines[1])
    ref = _unborn(folder, env) if head is None else lines[2]
    return HookPlace(
        folder=folder,
        env=env,
        git_dir=git_dir,
        head=head,
        branch=_branch(ref, git_dir),
        merged=_merged(git_dir, environ if merging else {}),
    )


def staged(place: HookPlace) -> tuple[Staged, ...]:
    """Return what the index has otherwise than HEAD, by path; nothing of the work tree.

    What is only intended to be added is not committed either, and so not there.

    Raises
    ------
    GitFailedError
    """
    # Without -r a folder of a sparse index that is gone is told as one.
    arguments = ["diff-index", "-r", "--cached", "--raw", "-z", "--no-abbrev", "--no-renames",
                 "--ignore-submodules=dirty", "--ita-invisible-in-index",
                 place.head or EMPTY_TREE, "--"]  # fmt: skip
    words = _text(_run(place, arguments)).split("\0")
    found: list[Staged] = []
    for said, path in zip(words[::2], words[1::2], strict=False):
        old_mode, new_mode, old, new, _ = said.lstrip(":").split(" ")
        found.append((path, _entry(old_mode, old), _entry(new_mode, new)))
    return tuple(sorted(found, key=lambda item: item[0]))


def write_tree(place: HookPlace) -> TreeId | None:
    """Write what is staged as a tree and return it; None where Git cannot."""
    code, out, _ = command.attempt(place.folder, ["write-tree"], env=place.env)
    return None if code else TreeId(_text(out).strip())


def files(place: HookPlace, patterns: Sequence[str]) -> list[str]:
    """Return the staged files whose names match, by Git's patterns."""
    env = {**place.env, "GIT_LITERAL_PATHSPECS": "0"}
    _, out, _ = command.attempt(place.folder, ["ls-files", "-z", "--", *patterns], env=env)
    return [path for path in _text(out).split("\0") if path]


def refs(place: HookPlace, prefix: str) -> dict[str, CommitHash]:
    """Return the commits to which refs lead, by full name; a tag is followed.

    Parameters
    ----------
    place : HookPlace
    prefix : str
        Of the full names, with a slash at its end.
    """
    pattern = "%(refname)%00%(objecttype)%00%(objectname)%00%(*objecttype)%00%(*objectname)"
    arguments = ["for-each-ref", f"--format={pattern}", "--", prefix]
    found: dict[str, CommitHash] = {}
    for line in _text(_run(place, arguments)).splitlines():
        name, *told = line.split("\0")
        for kind, id_ in (told[:2], told[2:]):
            if kind == "commit":
                found[name] = CommitHash(id_)
    return found


def ref(place: HookPlace, name: str) -> str:
    """Return the hash that a ref of the work tree holds (ORIG_HEAD); "" where there is none."""
    arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", name]
    return _text(command.attempt(place.folder, arguments, env=place.env)[1]).strip()


def commit_of(place: HookPlace, id_: str) -> CommitHash | None:
    """Return the commit to which a full hash leads; None where it is none, or is not here."""
    if not _HASH.fullmatch(id_):
        return None
    arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{id_}^{{commit}}"]
    code, out, _ = command.attempt(place.folder, arguments, env=place.env)
    return None if code else CommitHash(_text(out).strip())


def commits(place: HookPlace, tip: CommitHash, hidden: Iterable[str]) -> tuple[CommitHash, ...]:
    """Return the commits from which `tip` descends, itself included, and none of `hidden` does.

    Parents before children. What is hidden need not be here.
    """
    lines = [tip, *(f"^{id_}" for id_ in hidden if _HASH.fullmatch(id_))]
    arguments = ["rev-list", "--reverse", "--topo-order", "--ignore-missing", "--stdin"]
    data = "".join(f"{line}\n" for line in lines).encode("ascii")
    return tuple(CommitHash(line) for line in _text(_run(place, arguments, data)).splitlines())


def is_ancestor(place: HookPlace, ancestor: str, commit: str) -> bool:
    """Return whether a commit is another, or in its history."""
    if not (_HASH.fullmatch(ancestor) and _HASH.fullmatch(commit)):
        return False
    arguments = ["merge-base", "--is-ancestor", ancestor, commit]
    return command.attempt(place.folder, arguments, env=place.env)[0] == 0


class CatFile:
    """Reads objects through ``git cat-file``; see `gitexp.model.rules.Objects`.

    Two processes at most, each started when it is first needed; replacements of objects are not
    followed, as libgit2 does not follow them.

    Parameters
    ----------
    folder : Path
    env : mapping of str to str
        The variables of Git's that the hook inherited.
    """

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._folder = folder
        self._env = {**env, "GIT_NO_REPLACE_OBJECTS": "1"}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._folders: dict[TreeId, dict[str, TreeEntry]] = {}
        self._sizes: dict[str, int] = {}

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the processes."""
        self.close()

    def close(self) -> None:
        """End the processes."""
        for process in self._running.values():
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()
            process.wait()
        self._running.clear()

    def commit(self, id_: CommitHash) -> CommitObject:
        """Return a commit."""
        return parsed_commit(self._content(id_, "commit", HEADER_LIMIT), id_)

    def entries(self, tree: TreeId) -> dict[str, TreeEntry]:
        """Return the entries of one folder by name, undecodable bytes as surrogates."""
        if tree not in self._folders:
            data = b"" if tree == EMPTY_TREE else self._content(tree, "tree", HEADER_LIMIT)
            self._folders[tree] = _parsed(data, len(tree) // 2, tree)
        return self._folders[tree]

    def size(self, blob: BlobId) -> int:
        """Return the size of a blob in bytes, without its content."""
        if blob not in self._sizes:
            self._sizes[blob] = self._header("--batch-check", blob, "blob")
        return self._sizes[blob]

    def read(self, blob: BlobId, limit: int) -> bytes:
        """Return a blob; `UnsafeInputError` above `limit` bytes, without reading it."""
        return self._content(blob, "blob", limit)

    def _content(self, id_: str, kind: str, limit: int) -> bytes:
        # The size first: what is refused is not even unpacked by git.
        size = self._header("--batch-check", id_, kind)
        if size > limit:
            raise UnsafeInputError(
                "a file is too large to be read",
                found=f"{size} bytes",
                where=id_,
                expected=f"at most {limit} bytes",
            )
        size = self._header("--batch", id_, kind)
        stream = _stream(self._running["--batch"].stdout)
        data = stream.read(size)
        if len(data) != size or stream.read(1) != b"\n":
            raise _damaged(id_, "git ended while an object was read")
        return data

    def _header(self, mode: str, id_: str, kind: str) -> int:
        """Ask for an object and return its size."""
        if not _HASH.fullmatch(id_):  # what is written to git is one line
            raise _damaged(id_, "no name of an object")
        process = self._process(mode)
        try:
            requests = _stream(process.stdin)
            requests.write(f"{id_}\n".encode("ascii"))
            requests.flush()
        except OSError as error:
            raise _damaged(id_, str(error)) from error
        words = _stream(process.stdout).readline().decode("ascii", "replace").split()
        if len(words) != 3:  # noqa: PLR2004  name, kind, size; or "missing"
            raise _damaged(id_, "missing")
        size = int(words[2])
        if words[1] != kind:
            if mode == "--batch":
                _stream(process.stdout).read(size + 1)
            raise _damaged(id_, f"a {words[1]} instead of a {kind}")
        return size

    def _process(self, mode: str) -> subprocess.Popen[bytes]:
        if mode not in self._running:
            try:
                self._running[mode] = subprocess.Popen(
                    ["git", *command.SAFE, "cat-file", mode],
                    cwd=self._folder,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env=command.environment(self._env),
                )
            except FileNotFoundError as error:
                raise GitFailedError("cannot start git", found=str(error)) from error
        return self._running[mode]


def parsed_commit(data: bytes, id_: str) -> CommitObject:
    """Return what the bytes of a commit say, with the parents that a shallow clone lacks.

    Raises
    ------
    DamagedDataError
        If they name no tree.
    """
    head, _, message = data.partition(b"\n\n")
    lines = [line.partition(b" ") for line in head.split(b"\n")]
    trees = [value.decode("ascii") for key, _, value in lines if key == b"tree"]
    if not trees:
        raise DamagedDataError("a commit without a tree", where=id_, next_step="git fsck")
    return CommitObject(
        tree=TreeId(trees[0]),
        parents=tuple(
            CommitHash(value.decode("ascii")) for key, _, value in lines if key == b"parent"
        ),
        message=message.decode("utf-8", "backslashreplace"),
    )


# --- inside -------------------------------------------------------------------------------------


def _run(place: HookPlace, arguments: list[str], data: bytes | None = None) -> bytes:
    code, out, err = command.attempt(place.folder, arguments, data=data, env=place.env)
    if code:
        raise command.failure(arguments, code, err)
    return out


def _unborn(folder: Path, env: Mapping[str, str]) -> str:
    _, out, _ = command.attempt(folder, ["symbolic-ref", "--quiet", "HEAD"], env=env)
    return _text(out).rstrip("\n")


def _branch(ref: str, git_dir: Path) -> str:
    """Return the short name of a branch; "HEAD" may be that of a rebase, which says in a file."""
    for name in _REBASES if ref == "HEAD" else ():
        try:
            data = (git_dir / name).read_bytes()
        except OSError:
            continue
        ref = _text(data).rstrip("\n")
    return ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else ""


def _merged(git_dir: Path, environ: Mapping[str, str]) -> tuple[CommitHash, ...]:
    """Return what is merged: MERGE_HEAD, which is not there yet in a hook pre-merge-commit."""
    try:
        lines = (git_dir / "MERGE_HEAD").read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        lines = []
    if not lines:
        lines = sorted(key[8:] for key in environ if key.startswith("GITHEAD_"))
    return tuple(CommitHash(line) for line in lines if _HASH.fullmatch(line))


def _entry(mode: str, id_: str) -> TreeEntry | None:
    return None if mode == "000000" else TreeEntry(_canonical(int(mode, 8)), id_)


def _canonical(mode: int) -> int:
    """Return a mode as Git writes it today: old repositories have 0o100664."""
    if not stat.S_ISREG(mode):
        return mode
    return 0o100755 if mode & 0o100 else 0o100644


def _parsed(data: bytes, hash_bytes: int, tree: str) -> dict[str, TreeEntry]:
    found: dict[str, TreeEntry] = {}
    at = 0
    while at < len(data):
        space = data.find(b" ", at)
        null = data.find(b"\0", space)
        end = null + 1 + hash_bytes
        if space < 0 or null < 0 or end > len(data):
            raise _damaged(tree, "a tree that ends in the middle of an entry")
        mode, name = data[at:space], data[space + 1 : null]
        found[_text(name)] = TreeEntry(_canonical(int(mode, 8)), data[null + 1 : end].hex())
        at = end
    return found


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:  # only of a process that was started without pipes
        raise GitFailedError("git was started without a pipe")
    return stream


def _damaged(id_: str, found: str) -> DamagedDataError:
    return DamagedDataError(
        "an object of the repository cannot be read",
        found=found,
        where=ascii(id_)[1:-1],
        expected="a complete repository",
        next_step="git fsck",
    )
