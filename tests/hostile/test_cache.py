"""The index cache and the owner files of a folder that somebody gave away: believed for nothing."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import shutil
import sqlite3
import stat
import struct
from typing import TYPE_CHECKING, Final

import pytest

from gitexp.cli.dispatch import dispatch
from gitexp.git import repository
from gitexp.git.transaction import layout, owners
from gitexp.git.transaction.cache import Index, Kind, open_index
from gitexp.views.list_runs import list_experiments, list_runs
from tests.hostile.test_given_folder import LOOKS
from tests.lab.recorded import config_file, one_experiment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.lab.build import BuiltRepo

STATEFUL: Final = (
    *(("list",), ("status",), ("status",), ("doctor", "--fix"), ("maintenance",)),
    ("new", "x", "--metric", "f1:max", "--effect", ">0", "--hypothesis", "a is better than b"),
    ("run",),
)
KEY: Final = ".local/state/gitexp/index-key"


def home(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    folder.mkdir(exist_ok=True)
    patch.setenv("HOME", str(folder))
    patch.delenv("XDG_STATE_HOME", raising=False)
    return folder


@pytest.fixture
def full(repo: BuiltRepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BuiltRepo:
    """A repository whose index is filled, by somebody else."""
    home(tmp_path / "mallory", monkeypatch)
    one_experiment(repo)
    answers(repo)
    return repo


def answers(repo: BuiltRepo) -> str:
    return repr((list_experiments(repo.workspace), list_runs(repo.workspace)))


@pytest.mark.parametrize("name", ["", "/locks", "/index.sqlite", "/calls", "/answers"])
def test_nothing_is_kept_behind_a_link_in_the_git_directory(
    repo: BuiltRepo, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home(tmp_path / "victim", monkeypatch)
    repo.commit(config_file())
    outside = tmp_path / "outside"
    for folder in ("locks", "calls", "answers"):
        (outside / folder).mkdir(parents=True)
    (outside / "index.sqlite").touch()
    before = sorted(path for path in outside.rglob("*"))
    place = repo.path / f".git/gitexp{name}"
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(outside / name.strip("/"))
    codes = {dispatch(["-C", str(repo.path), *argv]) for argv in STATEFUL}
    assert codes <= {0, 3}
    assert 3 in codes or name == "/answers"  # the control: it is found
    assert sorted(path for path in outside.rglob("*")) == before
    assert (outside / "index.sqlite").stat().st_size == 0


def rows(repo: BuiltRepo) -> list[tuple[int, str, bytes]]:
    with contextlib.closing(sqlite3.connect(layout.index_file(repo.workspace))) as connection:
        return connection.execute("SELECT kind, key, value FROM entry").fetchall()


def planted(repo: BuiltRepo) -> None:
    """Let the index say, of everything that it has remembered, another number."""
    with open_index(repo.workspace) as index:
        for kind in Kind:
            index.put(kind, {k: v.replace(b"0.5", b"0.9") for k, v in index.all(kind).items()})


def test_who_has_another_key_is_not_believed(
    full: BuiltRepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = answers(full)
    planted(full)
    assert answers(full) != honest  # the control: by whose key it was written, it decides
    home(tmp_path / "victim", monkeypatch)
    assert answers(full) == honest
    assert answers(full) == honest


def test_a_row_counts_only_where_it_was_written(full: BuiltRepo) -> None:
    honest = answers(full)
    known = rows(full)
    assert len({kind for kind, _, _ in known}) > 2
    with contextlib.closing(sqlite3.connect(layout.index_file(full.workspace))) as connection:
        for kind, key, value in known:
            for other in Kind:  # the same key, in another place
                if other.value != kind:
                    row = (other.value, key, value)
                    connection.execute("INSERT OR IGNORE INTO entry VALUES (?, ?, ?)", row)
        connection.commit()
    with open_index(full.workspace) as index:
        assert sum(len(index.all(kind)) for kind in Kind) == len(known)
    with contextlib.closing(sqlite3.connect(layout.index_file(full.workspace))) as connection:
        connection.execute("DELETE FROM entry")
        for (kind, key, _), (_, _, value) in itertools.pairwise(known):
            connection.execute("INSERT INTO entry VALUES (?, ?, ?)", (kind, key, value))
        connection.commit()
    with open_index(full.workspace) as index:
        assert not any(index.all(kind) for kind in Kind)
    assert answers(full) == honest


def test_the_key_is_the_users_alone_and_made_once(
    full: BuiltRepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mallory" / KEY
    made = file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    answers(full)
    assert file.read_bytes() == made
    file.write_bytes(b"short")
    answers(full)
    assert len(file.read_bytes()) == len(made)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    answers(full)
    assert (tmp_path / "state/gitexp/index-key").is_file()


@pytest.mark.parametrize("where", ["", "relative", "FILE", "REPO"])
def test_without_a_place_for_a_key_nothing_is_remembered(
    full: BuiltRepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    honest = answers(full)
    planted(full)
    (tmp_path / "file").write_text("")
    places = {"FILE": str(tmp_path / "file"), "REPO": str(full.path)}
    monkeypatch.setenv("HOME", places.get(where, where))
    if where == "REPO":  # where a branch may have put one
        (full.path / KEY).parent.mkdir(parents=True)
        shutil.copy(tmp_path / "mallory" / KEY, full.path / KEY)
    assert answers(full) == honest
    with open_index(full.workspace) as index:
        assert not any(index.all(kind) for kind in Kind)


def test_two_of_one_user_share_what_they_know(tmp_path: Path) -> None:
    (tmp_path / "a/.git").mkdir(parents=True)
    for number in range(2):
        with Index(tmp_path / "a/.git/gitexp/index.sqlite") as index:
            assert len(index.all(Kind.RUN)) == number
            index.put(Kind.RUN, {"x": b"1"})


# --- what SQLite would find beside the index ------------------------------------------------------

PAGE: Final = 4096


def hot_journal(path: Path, target: Path) -> None:
    """Let SQLite delete `target`, as the journal that several databases of one write share."""
    magic, name = bytes.fromhex("d9d505f920a163d7"), os.fsencode(target)
    pages = path.stat().st_size // PAGE if path.exists() else 0
    head = (magic + struct.pack(">5I", 0, 0, pages, 512, PAGE)).ljust(512, b"\0")
    tail = struct.pack(">I", 0x40000000 // PAGE + 1) + name
    tail += struct.pack(">II", len(name), sum(name)) + magic
    path.with_name(f"{path.name}-journal").write_bytes(head + tail)


OPENING: Final = (
    *(tuple(re.sub(r"\ba$", "one", word) for word in argv) for argv in LOOKS),
    *STATEFUL,
)


@pytest.mark.slow
def test_no_verb_lets_a_journal_that_was_given_delete_a_file(
    full: BuiltRepo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, key = layout.index_file(full.workspace), tmp_path / "id_ed25519"
    key.write_text("a key\n")
    for argv in OPENING:
        hot_journal(path, key)
        dispatch(["-C", str(full.path), *argv])
        assert key.exists(), argv
        capsys.readouterr()
    hot_journal(path, key)
    with contextlib.closing(sqlite3.connect(path)) as plain:
        plain.execute("SELECT count(*) FROM entry")
    assert not key.exists()  # the control


def test_a_journal_that_cannot_be_removed_is_done_without(full: BuiltRepo) -> None:
    honest = answers(full)
    layout.index_file(full.workspace).with_name("index.sqlite-journal").mkdir()
    assert answers(full) == honest


@pytest.mark.slow
def test_an_index_whose_write_was_killed_is_thrown_away(tmp_path: Path) -> None:
    """At each statement of a write that is larger than SQLite's memory, and so half in the file."""
    (tmp_path / "a/.git").mkdir(parents=True)
    path, ended = tmp_path / "a/.git/gitexp/index.sqlite", 0
    old, new = ({f"{n:05}": b"%d" % n * 200 for n in range(at, 2_000, 2)} for at in range(2))

    def killed(after: int) -> bool:
        """Let a child die by its own hand after so many statements of the write."""
        child = os.fork()
        if not child:  # pragma: no cover
            index = Index(path)
            index.put(Kind.RUN, new)
            count = itertools.count()
            connection = index._connection  # noqa: SLF001
            assert connection is not None
            connection.execute("PRAGMA cache_size = 10")
            connection.set_trace_callback(lambda _: next(count) >= after and os._exit(9))
            index.close()
            os._exit(0)
        return os.waitpid(child, 0)[1] != 0

    for after in (0, 1, 2, 3, 1000, len(new), len(new) + 3, len(new) + 4, len(new) + 9):
        path.unlink(missing_ok=True)
        with Index(path) as index:
            index.put(Kind.RUN, old)
        ended += not killed(after)
        with Index(path) as index:
            found = index.all(Kind.RUN)
            assert found in ({}, old, old | new), after
            index.put(Kind.RUN, old | new)
        with Index(path) as index:
            assert index.get(Kind.RUN, old | new) == old | new  # it is whole again
    assert 0 < ended < 4  # the control


@pytest.mark.parametrize(
    "name",
    ["gitexp/index.sqlite", "gitexp/locks/publish-aa.json", "gitexp/locks/publish", "index.lock"],
)
def test_a_pipe_in_place_of_a_file_of_the_git_directory_is_not_waited_for(
    full: BuiltRepo, name: str
) -> None:
    honest = answers(full)
    place = full.path / ".git" / name
    place.parent.mkdir(exist_ok=True)
    place.unlink(missing_ok=True)
    os.mkfifo(place)
    assert answers(full) == honest
    assert {dispatch(["-C", str(full.path), verb]) for verb in ("status", "doctor")} <= {0, 1}


# --- what a dead process says of its locks --------------------------------------------------------


def owned(repo: BuiltRepo, ref: str) -> None:
    """Plant what a process of this host that is dead would have left."""
    me = owners.this_process()
    said = {
        "id": "0" * 16,
        "host": me.host,
        "pid": 4_194_000,
        "started": "0-0",
        "ref": ref,
        "before": "",
        "after": repo.hash(),
    }
    folder = layout.locks_dir(repo.workspace)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"publish-{said['id']}.json").write_text(json.dumps(said))


def by_link(repo: BuiltRepo, outside: Path) -> str:
    (repo.path / ".git/refs/heads/out").symlink_to(outside)
    return "refs/heads/out/x"


REFS: Final[dict[str, Callable[[BuiltRepo, Path], str]]] = {
    "up": lambda repo, outside: os.path.relpath(outside / "x", repo.path / ".git"),
    "below": lambda _, outside: f"refs/heads/../../../../{outside.name}/x",
    "absolute": lambda _, outside: str(outside / "x"),
    "link": by_link,
    "own": lambda *_: "refs/heads/x",
}


@pytest.mark.parametrize("kind", REFS)
def test_no_lock_is_removed_outside_the_git_directory(
    repo: BuiltRepo, tmp_path: Path, kind: str
) -> None:
    repo.commit({"a": "1\n"})
    outside = tmp_path / "outside"
    outside.mkdir()
    ref = REFS[kind](repo, outside)
    inside = repo.path / ".git/refs/heads/x.lock"
    for lock in (outside / "x.lock", inside):
        lock.write_text("")
    owned(repo, ref)
    owners.clear_stale(repository.open_repository(repo.workspace))
    dispatch(["-C", str(repo.path), "doctor", "--fix"])
    assert (outside / "x.lock").exists()
    assert inside.exists() is (kind != "own")  # the control
