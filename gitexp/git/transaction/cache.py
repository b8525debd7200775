"""A cache beside the repository that may be deleted at any time and never decides an answer.

It maps a Git object's id (which names its content for ever) to something that was worked out from
it. SQLite keeps it in the common Git directory, so linked worktrees share it. Whatever goes wrong
with the file - it is damaged, locked, of another version, or cannot be written - costs time only:
the caller gets fewer rows and works them out again. Each row carries a seal by a key that lies
outside the repository: a flipped byte is nothing that SQLite would notice, and the file may have
come with somebody else's folder.

SQLite reads no journal here: one that came with a folder may name any file, which SQLite deletes on
the way to a sound database. Ours is in memory, so what lies beside the file is somebody else's, and
goes unread. A write that is killed may leave a torn file: a mark in it says so to who comes next.
"""

from __future__ import annotations

import contextlib
import enum
import marshal
import os
import sqlite3
import threading
import time
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, Final, Self, TypeVar

from gitexp.git.discovery import user_key
from gitexp.git.transaction.layout import index_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from gitexp.model.workspace import Workspace

SCHEMA = 24  # raise it when the meaning of any stored value, or what can be read, changes
SIZE_LIMIT_BYTES = 256 << 20  # above this the cache starts afresh
_SMALL_BYTES = 1 << 16  # of a row; above half of that size no longer one is kept
BUSY_TIMEOUT_S = 0.5  # for another writer; then we do without
_WRITE_EVERY_S = 2.0
_BATCH = 900  # SQLite's oldest limit on parameters is 999
_SEAL_BYTES = 12
_STEPS = 10_000  # of SQLite's machine, between two looks at how many there were
_STEPS_A_PAGE, _STEPS_A_ROW = 2_000, 500  # several times what any question takes
_FEW = 100  # looks, whatever the size
_TORN = 1  # as the file's application id: a write has not ended
_WORTH_A_CHILD: Final = 300  # things to read; a child costs 20 ms
_STARTED: Final = os.getpid()

_T = TypeVar("_T")
_Read = TypeVar("_Read")


class Kind(enum.Enum):
    """What a row holds, and by which id."""

    GRAPH = 1  # commit -> parents, runs and conclusions that it adds
    EXPERIMENT = 2  # commit and branch name -> the branch's line in `gitexp list`
    LISTING = 3  # tree of .gitexp/runs -> (run id, tree id) of each run
    RUN = 4  # tree of one run's folder -> its line in `gitexp list --runs`
    INPUTS = 5  # tree and settings -> inputs digest
    MERGED = 6  # trees of plans, conclusions and runs -> lines of experiments without a branch
    POINTERS = 7  # tree and pipeline -> data pointers that cannot be read, one a line
    USE = 8  # a conclusion's file and what added it -> its decision, by which data and runs
    TALLY = 9  # tips of all refs, and a plan -> what of its records counts
    UNREADABLE = 10  # tree of one run's folder -> why it cannot be read, whatever is fetched
    WEIGHT = 12  # tree of a folder of records -> files and bytes in it
    OVER = 15  # all tips -> those of others that hold more than a list reads, and what
    USED = 16  # inputs -> why the last run of them was not observed, and the files that it used
    DECLARED = 11  # settings, dvc.yaml and what fills it in -> what it declares
    TRIED = 14  # own tips -> what was tried under which plan
    SIBLING = 13  # own tips, and a plan -> what its test says, and on which evaluation data


class _Connection(sqlite3.Connection):
    """A connection whose questions end: the pages of a file may lead in a circle."""

    _left = _FEW

    def begin(self, size: int, rows: int) -> None:
        """Allow as much as a question takes for a file of this size, and so many rows."""
        steps = (size // 4096 + 1) * _STEPS_A_PAGE + rows * _STEPS_A_ROW
        self._left = _FEW + steps // _STEPS
        self.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, size + _SMALL_BYTES)

    def look(self) -> bool:
        """Count; whether it is enough."""
        self._left -= 1
        return self._left < 0


class Index:
    """Rows of bytes by kind and id; use it as a context manager, or `close` it.

    New rows are kept in memory and written in one transaction at the end, and every few seconds,
    so that a long reading that is ended from outside need not begin anew. Without a path, or where
    this user can have no key, everything stays in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._fresh: dict[Kind, dict[str, bytes]] = {}
        self._key = None if path is None else user_key(path.parents[1])
        self._connection: _Connection | None = (
            None if path is None or self._key is None else _open(path)
        )
        self._written_s = time.monotonic()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Write the new rows."""
        self.close()

    def get(self, kind: Kind, keys: Iterable[str]) -> dict[str, bytes]:
        """Return the rows that are there; a missing key is simply not in the answer."""
        fresh = self._fresh.get(kind, {})
        found: dict[str, bytes] = {}
        asked: list[str] = []
        for key in keys:
            if key in fresh:
                found[key] = fresh[key]
            else:
                asked.append(key)
        rest = iter(asked)
        while batch := tuple(islice(rest, _BATCH)):
            marks = ",".join("?" * len(batch))
            query = f"SELECT key, value FROM entry WHERE kind = ? AND key IN ({marks})"  # noqa: S608  question marks only
            found.update(self._rows(query, kind, *map(_stored, batch)))
        return found

    def all(self, kind: Kind) -> dict[str, bytes]:
        """Return every row of one kind."""
        found = dict(self._rows("SELECT key, value FROM entry WHERE kind = ?", kind))
        found.update(self._fresh.get(kind, {}))
        return found

    def put(self, kind: Kind, rows: Mapping[str, bytes]) -> None:
        """Remember rows; they reach the file when the index is closed, or after a while."""
        self._fresh.setdefault(kind, {}).update(rows)
        if self._connection is not None and time.monotonic() - self._written_s > _WRITE_EVERY_S:
            self._write(self._connection)
            self._written_s = time.monotonic()

    def fresh(self) -> Iterable[tuple[Kind, Mapping[str, bytes]]]:
        """Return the rows that are not in the file yet."""
        return self._fresh.items()

    def close(self) -> None:
        """Write the new rows and let go of the file. Failing to write loses nothing but time."""
        if self._connection is not None and any(self._fresh.values()):
            self._write(self._connection)
        self._fresh = {}
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _begin(self, connection: _Connection, rows: int) -> int:
        size = 0 if self._path is None else self._path.stat().st_size
        connection.begin(size, rows)
        return size

    def _write(self, connection: _Connection) -> None:
        """Write the new rows in one transaction; on failure they are kept, and the file is not.

        Nobody else reads from before the mark until after it: who sees it, sees a torn file.
        """
        try:
            size = self._begin(connection, sum(map(len, self._fresh.values())))
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, SIZE_LIMIT_BYTES)
            most = _SMALL_BYTES if size > SIZE_LIMIT_BYTES // 2 else SIZE_LIMIT_BYTES
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute(f"PRAGMA application_id = {_TORN}")
            connection.execute("BEGIN IMMEDIATE")
            for kind, rows in self._fresh.items():
                stored = sorted((_stored(key), value) for key, value in rows.items())
                connection.executemany(  # in the table's own order that is twice as fast
                    "INSERT OR REPLACE INTO entry VALUES (?, ?, ?)",
                    [
                        (kind.value, key, self._sealed(kind, key, value))
                        for key, value in stored
                        if len(value) <= most
                    ],
                )
            connection.execute("COMMIT")
            connection.execute("PRAGMA application_id = 0")
            connection.execute("PRAGMA locking_mode = NORMAL")
            connection.execute("PRAGMA user_version").fetchone()  # which lets go of the lock
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)
        else:
            self._fresh = {}

    def _rows(self, query: str, kind: Kind, *keys: str) -> Iterator[tuple[str, bytes]]:
        if self._connection is None:
            return
        found: list[tuple[str, bytes]] = []
        try:
            left = self._begin(self._connection, len(keys))
            for key, sealed in self._connection.execute(query, (kind.value, *keys)):
                if isinstance(key, str) and isinstance(sealed, bytes):
                    found.append((key, sealed))
                    left -= len(sealed)
                if left < 0:  # pages that several others lead to
                    raise sqlite3.DatabaseError("the cache has more rows than bytes")
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)
        for key, sealed in found:
            value = sealed[_SEAL_BYTES:]
            if self._sealed(kind, key, value) == sealed:
                yield _asked(key), value

    def _sealed(self, kind: Kind, key: str, value: bytes) -> bytes:
        """Return a row with its seal, which is good for this place and this version alone."""
        place = b"%d %d" % (SCHEMA, kind.value)
        data = b"%b\0%b" % (key.encode(), value)  # there is no NUL in a key
        secret = self._key or b""
        return blake2b(data, digest_size=_SEAL_BYTES, key=secret, person=place).digest() + value

    def _give_up(self, error: sqlite3.Error | OSError) -> None:
        """Do without the file from now on; remove it if it is damaged."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()
        if isinstance(error, sqlite3.Error) and _is_damage(error) and self._path is not None:
            _remove(self._path)


def open_index(workspace: Workspace) -> Index:
    """Open the repository's cache, or one in memory where that cannot be done."""
    return Index(index_file(workspace))


def forget(workspace: Workspace) -> None:
    """Remove the repository's cache; the next question fills a new one."""
    _remove(index_file(workspace))


def with_a_child(
    index: Index,
    items: Iterable[_T],
    known: Callable[[Sequence[_T]], dict[_T, _Read]],
    read: Callable[[Index, Sequence[_T]], dict[_T, _Read]],
) -> dict[_T, _Read]:
    """Return what is remembered of things; read the others, half of them by a forked child.

    That is where they are many and it is safe. Whatever goes wrong in the child costs time, never
    an answer: what it could not read is in no row, and is read here.
    """
    asked = tuple(items)
    found = known(asked)
    rest = [item for item in asked if item not in found]
    if len(rest) < _WORTH_A_CHILD or not can_fork():
        return found | read(index, rest)
    half = len(rest) // 2

    def work() -> bytes:
        own = Index(None)
        read(own, rest[half:])
        return marshal.dumps({kind.value: dict(rows) for kind, rows in own.fresh()})

    result = in_child(work)
    found |= read(index, rest[:half])
    data = result()
    if data is not None:
        for number, rows in marshal.loads(data).items():  # noqa: S302  from our own child
            index.put(Kind(number), rows)
    found |= known(rest[half:])
    return found | read(index, [item for item in rest[half:] if item not in found])


def can_fork() -> bool:
    """Tell whether a second processor is free to be used in this process."""
    alone = threading.active_count() == 1 and os.getpid() == _STARTED
    if not alone or not hasattr(os, "fork"):
        return False
    asked = getattr(os, "sched_getaffinity", None)
    return (len(asked(0)) if asked else os.cpu_count() or 1) > 1


def in_child(work: Callable[[], bytes]) -> Callable[[], bytes | None]:
    """Start a piece of work in a child.

    `work`: returns its result as bytes; must not write anything that the parent has open. The
    result: waits for the result; None where the child failed.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            with os.fdopen(writing, "wb") as stream:
                stream.write(work())
            code = 0
        finally:
            os._exit(code)  # no handler of the parent's runs twice
    os.close(writing)

    def result() -> bytes | None:
        with os.fdopen(reading, "rb") as stream:
            data = stream.read()
        _, status = os.waitpid(child, 0)
        return data if status == 0 else None

    return result


def _open(path: Path) -> _Connection | None:
    """Open for writing, else for reading, else not at all; start afresh where that is needed."""
    for attempt in range(2):
        try:
            return _connect(path)
        except sqlite3.Error as error:
            if attempt or not _is_damage(error):
                break
            _remove(path)
        except OSError:
            break
    try:
        return _connect_for_reading(path)
    except (sqlite3.Error, OSError):
        return None


def _connect(path: Path) -> _Connection:
    path.parent.mkdir(exist_ok=True)
    for each in _beside(path):
        each.unlink(missing_ok=True)
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > SIZE_LIMIT_BYTES:
            _remove(path)
    if path.exists() and not (path.is_file() and os.access(path, os.W_OK)):
        raise PermissionError("the cache cannot be written to")
    fresh = not path.exists() or path.stat().st_size == 0
    connection = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_S, isolation_level=None, factory=_Connection
    )
    try:
        _harden(connection)
        connection.execute("PRAGMA synchronous = OFF")  # a cache: losing it is not a loss
        if connection.execute("PRAGMA journal_mode = MEMORY").fetchone() != ("memory",):
            raise sqlite3.OperationalError("the cache has another journal")
        if not _is_sound(connection):
            if not fresh:
                raise sqlite3.DatabaseError("the cache is torn, or of another version")
            _create(connection)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _connect_for_reading(path: Path) -> _Connection | None:
    if not path.is_file():
        return None
    # `immutable`: where the folder is read-only, SQLite could not even make its lock file; nor is
    # a journal read that could not be removed.
    address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    connection = sqlite3.connect(
        address, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, factory=_Connection
    )
    try:
        _harden(connection)
        if _is_sound(connection):
            return connection
    except sqlite3.Error:
        connection.close()
        raise
    connection.close()
    return None


def _harden(connection: _Connection) -> None:
    """Trust nothing in a file that may have come with somebody else's folder."""
    connection.set_progress_handler(connection.look, _STEPS)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")


def _is_sound(connection: sqlite3.Connection) -> bool:
    """Return whether a file is of this version, and its last write was ended."""
    version = connection.execute("PRAGMA user_version").fetchone()
    return (version, connection.execute("PRAGMA application_id").fetchone()) == ((SCHEMA,), (0,))


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    if not _is_sound(connection):
        connection.execute(
            "CREATE TABLE entry (kind INTEGER, key TEXT, value BLOB, PRIMARY KEY (kind, key))"
            " WITHOUT ROWID"
        )
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
    connection.execute("COMMIT")


def _is_damage(error: sqlite3.Error) -> bool:
    """Tell a broken file from one that is merely busy, full or not writable."""
    return not isinstance(error, sqlite3.OperationalError) or any(
        sign in str(error) for sign in ("no such", "decode", "interrupted", "malformed", "modify")
    )


def _remove(path: Path) -> None:
    for each in (path, *_beside(path)):
        with contextlib.suppress(OSError):
            each.unlink()


def _beside(path: Path) -> tuple[Path, ...]:
    """Return where SQLite looks for what an unfinished write left."""
    return tuple(path.with_name(f"{path.name}-{word}") for word in ("journal", "wal", "shm"))


def _stored(key: str) -> str:
    """Return a key as SQLite takes it: a branch's name may hold bytes that are no UTF-8."""
    return key if key.isascii() else key.encode("utf-8", "surrogateescape").decode("latin-1")


def _asked(key: str) -> str:
    if key.isascii():
        return key
    return key.encode("latin-1", "replace").decode("utf-8", "surrogateescape")
