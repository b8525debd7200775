"""Objects through ``git cat-file``: also those of a quarantine, which libgit2 does not see."""

from __future__ import annotations

import re
import subprocess
from functools import cache, cached_property, partial
from typing import IO, TYPE_CHECKING, Final, Self

from gitexp.errors import DamagedDataError, GitFailedError
from gitexp.git import command, fsck
from gitexp.git.tree import check_size
from gitexp.git.upstream import main_of
from gitexp.model.ids import BlobId, CommitHash, TreeId
from gitexp.model.plan import Person
from gitexp.model.rules import CommitObject, TreeEntry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gitexp.model.workspace import Workspace

EMPTY_TREE: Final = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_MOST_PARENTS: Final = 1_000
HASH: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class CatFile:
    """Reads objects through ``git cat-file``; see `gitexp.model.rules.Objects`.

    Two processes at most, each started when it is first needed, with the variables of Git's that
    the hook inherited; replacements of objects are not followed, as libgit2 does not follow them.
    """

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._folder = folder
        self._env = env
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._folders: dict[TreeId, dict[str, TreeEntry]] = {}
        self._sizes: dict[str, int] = {}
        # Of two commits all best common ancestors; a merge asks for each of its files.
        self.forks = cache(partial(forks, folder, env))

    @cached_property
    def main(self) -> str:
        """Which branch of the repository counts as main; "" for none. A server says it itself."""
        return main_of(self._folder, self._env)

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_error: object) -> None:
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
        return parsed_commit(self._content(id_, "commit", fsck.COMMIT_LIMIT), id_)

    def entries(self, tree: TreeId) -> dict[str, TreeEntry]:
        """Return the entries of one folder by name, undecodable bytes as surrogates."""
        if tree not in self._folders:
            data = b"" if tree == EMPTY_TREE else self._content(tree, "tree", fsck.TREE_LIMIT)
            self._folders[tree] = {
                name.decode("utf-8", "surrogateescape"): TreeEntry(mode, id_)
                for name, (mode, id_) in fsck.read(tree, data).entries.items()
            }
        return self._folders[tree]

    def entry(self, tree: TreeId, name: str) -> TreeEntry | None:
        """Return one entry of a folder."""
        return self.entries(tree).get(name)

    def size(self, blob: BlobId) -> int:
        """Return the size of a blob in bytes, without its content."""
        if blob not in self._sizes:
            self._sizes[blob] = self._header("--batch-check", blob, "blob")
        return self._sizes[blob]

    def read(self, blob: BlobId, limit: int, *, where: str = "") -> bytes:
        """Return a blob; `UnsafeInputError` above `limit` bytes, without reading it."""
        return self._content(blob, "blob", limit, where)

    def _content(self, id_: str, kind: str, limit: int, where: str = "") -> bytes:
        # The size first: what is refused is not even unpacked by git.
        size = self._header("--batch-check", id_, kind)
        check_size(size, limit, where or id_)
        size = self._header("--batch", id_, kind)
        stream = _stream(self._running["--batch"].stdout)
        data = stream.read(size)
        if len(data) != size or stream.read(1) != b"\n":
            raise _damaged(id_, "git ended while an object was read")
        return data

    def _header(self, mode: str, id_: str, kind: str) -> int:
        """Ask for an object and return its size."""
        if not HASH.fullmatch(id_):  # what is written to git is one line
            raise _damaged(id_, "no name of an object")
        words = self._asked(mode, id_)
        if (
            not words
            and command.attempt(self._folder, ["cat-file", "-e", id_], env=self._env)[0] == 0
        ):
            self.close()  # it lacked here, in a partial clone: git has fetched it
            words = self._asked(mode, id_)
        if not words:
            raise _damaged(id_, "missing")
        size = int(words[2])
        if words[1] != kind:
            if mode == "--batch":
                _stream(self._running[mode].stdout).read(size + 1)
            raise _damaged(id_, f"a {words[1]} instead of a {kind}")
        return size

    def _asked(self, mode: str, id_: str) -> list[str]:
        """Return name, kind and size of an object; nothing where it is not there."""
        process = self._process(mode)
        try:
            requests = _stream(process.stdin)
            requests.write(f"{id_}\n".encode("ascii"))
            requests.flush()
        except OSError as error:
            raise _damaged(id_, str(error)) from error
        words = _stream(process.stdout).readline().decode("ascii", "replace").split()
        return words if len(words) == 3 else []  # noqa: PLR2004  not "missing"

    def _process(self, mode: str) -> subprocess.Popen[bytes]:
        if mode not in self._running:
            try:
                self._running[mode] = subprocess.Popen(
                    ["git", *command.SAFE, "cat-file", mode],
                    cwd=self._folder,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env=command.environment({**self._env, **command.NO_FETCH}),
                )
            except FileNotFoundError as error:
                raise command.no_git(str(error)) from error
        return self._running[mode]


def forks(
    where: Workspace | Path, env: Mapping[str, str], one: CommitHash, other: CommitHash
) -> tuple[CommitHash, ...]:
    """Return all best common ancestors of two commits."""
    arguments = ["merge-base", "--all", one, other]
    out = command.attempt(where, arguments, env={**env, **command.NO_FETCH})[1]
    return tuple(CommitHash(line) for line in command.lines(out))


def parsed_commit(data: bytes, id_: str) -> CommitObject:
    """Return what the bytes of a commit say, with the parents that a shallow clone lacks."""
    head = data.partition(b"\n\n")[0]
    lines = [line.partition(b" ") for line in head.split(b"\n")]
    trees = [value.decode("ascii") for key, _, value in lines if key == b"tree"]
    if not trees:
        raise DamagedDataError("a commit without a tree", where=id_, next_step="git fsck")
    parents = [value.decode("ascii") for key, _, value in lines if key == b"parent"]
    fsck.refuse_more(len(parents), _MOST_PARENTS, "parents of a commit", id_)
    authors = (value.decode("utf-8", "replace") for key, _, value in lines if key == b"author")
    name, _, email = next(authors, "").partition("<")
    return CommitObject(
        tree=TreeId(trees[0]),
        parents=tuple(map(CommitHash, parents)),
        author=Person(name.strip(), email.partition(">")[0]),
    )


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
