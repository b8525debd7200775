"""The index may be missing, damaged, locked or read-only: it changes no answer."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sqlite3
import stat
import struct
from typing import TYPE_CHECKING

import pytest

from gitexp.git.repository import open_repository
from gitexp.git.transaction.cache import SCHEMA, Index, Kind, open_index
from gitexp.git.transaction.layout import index_file
from gitexp.model.ids import CommitHash, InputsDigest
from gitexp.store import lookup
from gitexp.views.list_runs import list_experiments, list_runs
from tests.lab.recorded import a_plan, a_run, config_file, plan_file, run_files

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo


@pytest.fixture
def full(repo: BuiltRepo) -> BuiltRepo:
    """A repository with two experiments and three runs, its index filled."""
    base = repo.commit(config_file())
    for number, name in enumerate(("one", "two")):
        repo.switch("main")
        repo.switch(f"exp/{name}", create=True)
        plan = a_plan(name, base)
        repo.commit(plan_file(plan), at=2)
        run = a_run(number + 1, [0.5, 0.6], plan=plan, branch=f"exp/{name}", commit=repo.hash())
        repo.commit(run_files(*run), at=3)
    repo.commit(run_files(*a_run(9, params={"lr": 0.1})), at=4)
    answers(repo)
    assert index_file(repo.workspace).exists()
    return repo


def answers(repo: BuiltRepo) -> tuple[object, ...]:
    opened = open_repository(repo.workspace)
    return (
        list_experiments(repo.workspace),
        list_runs(repo.workspace),
        lookup.runs_at(opened, CommitHash(repo.hash("exp/two"))),
        lookup.runs_by_inputs(opened, InputsDigest("1" * 64)),
    )


def test_deleting_the_index_changes_no_answer(full: BuiltRepo) -> None:
    before = answers(full)
    index_file(full.workspace).unlink()
    assert answers(full) == before
    assert answers(full) == before


@pytest.mark.parametrize("junk", [b"", b"x", b"SQLite format 3\0" + b"\xff" * 5000])
def test_replacing_the_index_by_junk_changes_no_answer(full: BuiltRepo, junk: bytes) -> None:
    before = answers(full)
    index_file(full.workspace).write_bytes(junk)
    assert answers(full) == before
    assert answers(full) == before


def test_flipping_bytes_of_the_index_changes_no_answer(full: BuiltRepo) -> None:
    before = answers(full)
    path = index_file(full.workspace)
    sound = path.read_bytes()
    for start in range(0, len(sound), max(1, len(sound) // 60)):
        damaged = bytearray(sound)
        for offset in range(start, min(len(sound), start + 3)):
            damaged[offset] ^= 0x55
        path.write_bytes(damaged)
        assert answers(full) == before, f"byte {start}"


@pytest.mark.parametrize("size", [0, 1, 100, 4096, 5000])
def test_cutting_the_index_short_changes_no_answer(full: BuiltRepo, size: int) -> None:
    before = answers(full)
    os.truncate(index_file(full.workspace), size)
    assert answers(full) == before


def test_an_index_of_another_version_is_made_anew(full: BuiltRepo) -> None:
    before = answers(full)
    with sqlite3.connect(index_file(full.workspace)) as connection:
        connection.execute("PRAGMA user_version = 999")
        connection.execute("UPDATE entry SET value = x'00'")
    connection.close()
    assert answers(full) == before


def test_a_locked_index_changes_no_answer(full: BuiltRepo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitexp.git.transaction.cache.BUSY_TIMEOUT_S", 0.01)
    before = answers(full)
    connection = sqlite3.connect(index_file(full.workspace), isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    assert answers(full) == before
    connection.close()


def test_a_folder_in_place_of_the_index_changes_no_answer(full: BuiltRepo) -> None:
    before = answers(full)
    index_file(full.workspace).unlink()
    index_file(full.workspace).mkdir()
    assert answers(full) == before


def test_where_the_folder_cannot_be_made_the_index_is_done_without(full: BuiltRepo) -> None:
    before = answers(full)
    folder = index_file(full.workspace).parent
    index_file(full.workspace).unlink()
    folder.rmdir()
    folder.write_text("in the way")
    assert answers(full) == before


@pytest.mark.skipif(os.getuid() == 0, reason="permissions do not bind root")
def test_a_read_only_index_is_still_read(full: BuiltRepo) -> None:
    path = index_file(full.workspace)
    path.chmod(stat.S_IRUSR)
    with open_index(full.workspace) as index:
        assert index.all(Kind.GRAPH)


def test_rows_come_back_and_a_missing_one_is_not_there(tmp_path: Path) -> None:
    with Index(tmp_path / "x" / "index.sqlite") as index:
        index.put(Kind.RUN, {str(n): b"%d" % n for n in range(2000)})
        assert index.get(Kind.RUN, ["5"]) == {"5": b"5"}
    with Index(tmp_path / "x" / "index.sqlite") as index:
        found = index.get(Kind.RUN, [str(n) for n in range(3000)])
        assert found == {str(n): b"%d" % n for n in range(2000)}
        assert index.all(Kind.RUN) == found
        assert index.get(Kind.GRAPH, ["5"]) == {}


def _write(path: Path, worker: int) -> None:
    for n in range(20):
        with Index(path) as index:
            index.put(Kind.RUN, {f"{worker}-{n}": b"v"})


def test_a_branch_with_bytes_that_are_no_text_is_listed_and_remembered(full: BuiltRepo) -> None:
    full.git_bytes("update-ref", os.fsdecode(b"refs/heads/exp/\xff\xe2\x80\xae"), "exp/one")
    full.branch("exp/\u00e9", "exp/two")
    before = answers(full)
    assert answers(full) == before
    index_file(full.workspace).unlink()
    assert answers(full) == before


def test_writers_at_the_same_time_do_not_harm_each_other(tmp_path: Path) -> None:
    path = tmp_path / "x" / "index.sqlite"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write, args=(path, n)) for n in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    with Index(path) as index:
        found = index.all(Kind.RUN)
    assert set(found.values()) == {b"v"}
    assert len(found) > 20


ENDLESS = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
    " SELECT 3 AS kind, 'k' || i AS key, x'00' AS value FROM n"
)
TABLE = "CREATE TABLE entry (kind INTEGER, key TEXT, value BLOB, PRIMARY KEY (kind, key))"


def _circle(path: Path) -> None:
    """Let every page of the table lead to one page below, 17 levels deep."""
    data = bytearray(path.read_bytes())
    with contextlib.closing(sqlite3.connect(path)) as made:
        (root,) = made.execute("SELECT rootpage FROM sqlite_master").fetchone()
    page = bytes(data[(root - 1) * 4096 : root * 4096])
    (cells,) = struct.unpack(">H", page[3:5])
    places = [8, *struct.unpack(f">{cells}H", page[12 : 12 + 2 * cells])]

    def leading(to: int) -> bytes:
        copy = bytearray(page)
        for at in places:
            copy[at : at + 4] = struct.pack(">I", to)
        return bytes(copy)

    first = len(data) // 4096 + 1
    for depth in range(17):
        data += leading(first + depth + 1)
    data += page
    data[(root - 1) * 4096 : root * 4096] = leading(first)
    data[28:32] = struct.pack(">I", len(data) // 4096)
    path.write_bytes(data)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("how", ["a view", "a trigger", "pages", "long rows"])
def test_an_index_whose_rows_do_not_end_changes_no_answer(full: BuiltRepo, how: str) -> None:
    before = answers(full)
    path = index_file(full.workspace)
    path.unlink()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as made:
        if how == "a view":
            made.execute(f"CREATE VIEW entry AS {ENDLESS}")
        else:
            made.execute(f"{TABLE} WITHOUT ROWID")
        if how == "a trigger":
            made.execute(
                "CREATE TRIGGER slow BEFORE INSERT ON entry BEGIN SELECT count(*) FROM"  # noqa: S608
                f" ({ENDLESS}); END"
            )
        if how == "pages":
            rows = [(kind.value, f"{n:040x}", b"\0" * 16) for kind in Kind for n in range(90)]
            made.executemany("INSERT INTO entry VALUES (?, ?, ?)", rows)
        if how == "long rows":
            made.execute("INSERT INTO entry VALUES (3, 'k', zeroblob(300000000))")
        made.execute(f"PRAGMA user_version = {SCHEMA}")
    if how == "pages":
        _circle(path)
    assert answers(full) == before
    assert answers(full) == before
