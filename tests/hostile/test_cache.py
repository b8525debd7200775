"""The index cache and the owner files of a folder that somebody gave away: believed for nothing."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import sqlite3
import stat
from typing import TYPE_CHECKING, Final

import pytest

from gitexp.cli.dispatch import dispatch
from gitexp.git import repository
from gitexp.git.transaction import layout, owners
from gitexp.git.transaction.cache import Index, Kind, open_index
from gitexp.views.list_runs import list_experiments, list_runs
from tests.lab.recorded import a_plan, a_run, config_file, plan_file, run_files

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
    base = repo.commit(config_file())
    repo.switch("exp/one", create=True)
    plan = a_plan("one", base)
    repo.commit(plan_file(plan), at=2)
    run = a_run(1, [0.5, 0.6], plan=plan, branch="exp/one", commit=repo.hash())
    repo.commit(run_files(*run), at=3)
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
