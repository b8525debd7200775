"""Folders of calls that no commit holds: only what this clone began is its own."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.errors import BadFormatError, GitexpError, UnsafeInputError
from gitexp.git.discovery import plain_bytes
from gitexp.git.transaction import layout, locks
from gitexp.store import calls
from tests.lab.recorded import run_id

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.model.workspace import Workspace
    from tests.lab.build import BuiltRepo

RUN = run_id(3)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def place(repo: BuiltRepo) -> Workspace:
    for name in calls.FOLDERS:
        (layout.work(repo.workspace.git_dir) / name).mkdir(parents=True)
    return repo.workspace


def owner(*, alive: bool = True) -> dict[str, object]:
    here = locks.this_process()
    started = here.started if alive else f"{here.started}0"
    return {"host": here.host, "pid": here.pid, "started": started}


def begin(place: Workspace, run: str = RUN, **value: object) -> Path:
    """Write the state of a call that this clone began."""
    assert place.top is not None
    folder = layout.work(place.git_dir) / "runs" / run
    folder.mkdir(exist_ok=True)
    secret = calls.begun(calls.proofs(place), run)
    state = {"owner": owner(), "branch": "exp/a", "side": "candidate", "secret": secret, **value}
    (folder / "state.json").write_text(json.dumps(state))
    return folder


# --- which folders there are ----------------------------------------------------------------------


def test_without_a_work_tree_or_the_folder_there_are_no_calls(repo: BuiltRepo) -> None:
    assert calls.folder(repo.workspace) is None
    assert calls.folders(repo.workspace) == ()
    assert calls.folder(replace(repo.workspace, top=None)) is None
    assert calls.busy_branches(repo.workspace) == frozenset()


def test_folders_of_calls_are_those_with_a_state_sorted(place: Workspace) -> None:
    one, two = (begin(place, run_id(number)) for number in (9, 4))
    assert place.top is not None
    (layout.work(place.git_dir) / "runs" / "empty").mkdir()
    (layout.work(place.git_dir) / "runs" / "file").write_text("x")
    assert calls.folders(place) == tuple(sorted((one, two)))
    assert calls.within(place.top / "nowhere") == ()


@pytest.mark.parametrize("name", [*calls.FOLDERS, ""])
def test_a_link_in_place_of_what_is_ours_is_not_followed(
    place: Workspace, tmp_path: Path, name: str
) -> None:
    begin(place)
    assert place.top is not None
    root = layout.work(place.git_dir)
    path = root / name if name else root
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere) if path.exists() else elsewhere.write_text("x")
    path.symlink_to(elsewhere)
    assert calls.link_in(root) == path
    assert calls.folder(place) is None
    assert calls.folders(place) == ()


def test_a_file_in_place_of_a_folder_of_ours_is_named(place: Workspace) -> None:
    assert place.top is not None
    root = layout.work(place.git_dir)
    assert calls.link_in(root) is None
    (root / "runs").rmdir()
    (root / "runs").write_text("x")
    assert calls.link_in(root) == root / "runs"


def test_a_call_or_a_state_behind_a_link_is_no_call(place: Workspace, tmp_path: Path) -> None:
    folder = begin(place)
    folder.rename(tmp_path / "moved")
    folder.symlink_to(tmp_path / "moved")
    assert calls.folders(place) == ()
    folder.unlink()
    folder.mkdir()
    (folder / "state.json").symlink_to(tmp_path / "moved" / "state.json")
    assert calls.folders(place) == ()
    with pytest.raises(OSError, match=r"symbolic link|Too many"):
        plain_bytes(folder / "state.json")


# --- whose a call is ------------------------------------------------------------------------------


def test_a_call_that_this_clone_began_is_read(place: Workspace) -> None:
    call = calls.read(place, begin(place))
    assert call is not None
    assert (call.branch, call.side, call.published, call.left) == (
        "exp/a",
        "candidate",
        False,
        False,
    )
    assert call.alive
    assert calls.busy_branches(place) == {"exp/a"}


def test_the_secret_of_a_call_is_made_once_and_is_its_alone(place: Workspace) -> None:
    proofs = calls.proofs(place)
    first = calls.begun(proofs, RUN)
    assert calls.begun(proofs, RUN) == first == calls.secret(proofs, RUN)
    assert calls.begun(proofs, run_id(8)) != first
    assert len(first) == 32
    assert (proofs / RUN).stat().st_mode & 0o777 == 0o600
    calls.ended(proofs, RUN)
    calls.ended(proofs, RUN)  # twice is once
    assert calls.secret(proofs, RUN) == ""


@pytest.mark.parametrize(
    "told", ["", "0" * 32, None, 7, ["x"], {"secret": "x"}, "\u00e9", "\udcff"]
)
def test_what_is_not_the_secret_is_not_believed(place: Workspace, told: object) -> None:
    folder = begin(place, secret=told)
    assert not calls.is_own(calls.proofs(place), RUN, told)  # type: ignore[arg-type]
    with pytest.raises(UnsafeInputError, match="did not begin") as caught:
        calls.check_own(
            calls.Call({"secret": told}, locks.this_process(), folder / "state.json"),  # type: ignore[dict-item]
            calls.proofs(place),
        )
    assert caught.value.where == str(folder / "state.json")
    assert calls.busy_branches(place) == frozenset()


def test_a_call_of_another_folder_proves_nothing_here(place: Workspace) -> None:
    proofs = calls.proofs(place)
    other = run_id(8)
    secret = calls.begun(proofs, other)
    assert calls.is_own(proofs, other, secret)
    assert not calls.is_own(proofs, RUN, secret)
    (proofs / RUN).write_bytes((proofs / other).read_bytes())  # with its seal, in another's place
    assert not calls.is_own(proofs, RUN, secret)


def test_a_proof_that_came_with_the_folder_from_somebody_else_has_no_seal_of_this_user(
    place: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = begin(place)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another"))
    with pytest.raises(UnsafeInputError):
        calls.read(place, folder)
    assert calls.busy_branches(place) == frozenset()


def test_without_a_place_for_a_key_nothing_is_proved(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    proofs = calls.proofs(place)
    assert calls.begun(proofs, RUN)
    assert calls.secret(proofs, RUN) == ""


@pytest.mark.parametrize("kept", [b"", b"x", b"\xff\xfe", b"a b c", b"0" * 500])
def test_a_damaged_proof_is_none(place: Workspace, kept: bytes) -> None:
    folder = begin(place)
    (calls.proofs(place) / RUN).write_bytes(kept)
    with pytest.raises(UnsafeInputError):
        calls.read(place, folder)


# --- how a call stands ----------------------------------------------------------------------------


def test_a_recorded_call_is_none_and_one_that_was_left_says_so(place: Workspace) -> None:
    assert calls.read(place, begin(place, published=True)) is None
    call = calls.read(place, begin(place, left=True))
    assert call is not None
    assert call.left
    assert not calls.noted(
        begin(place, published="yes") / "state.json"
    ).published  # no word is True


def test_a_call_whose_process_is_another_one_by_now_keeps_no_branch_busy(place: Workspace) -> None:
    folder = begin(place, owner=owner(alive=False))
    call = calls.read(place, folder)
    assert call is not None
    assert not call.alive
    assert calls.busy_branches(place) == frozenset()
    away = begin(place, owner={"host": "elsewhere", "pid": 1, "started": "-"})
    call = calls.read(place, away)
    assert call is not None
    assert call.alive  # on another host nobody can say


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"[]", "no state of a run"),
        (b'"x"', "no state of a run"),
        (b"{}", "has no owner"),
        (b'{"owner": []}', "has no owner"),
        (b'{"owner": {"pid": "7"}}', "has no owner"),
        (b'{"owner": {"host": "h"}}', "has no owner"),
        (b'{"owner"', ""),
        (b"", ""),
        (b"\xff\xfe", ""),
    ],
)
def test_a_state_that_is_none_is_an_error_with_its_place(
    place: Workspace, data: bytes, said: str
) -> None:
    path = begin(place) / "state.json"
    path.write_bytes(data)
    with pytest.raises(GitexpError) as caught:
        calls.noted(path)
    assert said in str(caught.value)
    assert caught.value.where.startswith(str(path))
    assert not said or isinstance(caught.value, BadFormatError)
    assert calls.busy_branches(place) == frozenset()  # it is in nobody's way


def test_a_call_without_branch_or_side_has_empty_ones(place: Workspace) -> None:
    path = begin(place) / "state.json"
    path.write_text(json.dumps({"owner": owner()}))
    call = calls.noted(path)
    assert (call.branch, call.side) == ("", "")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_in_place_of_a_state_keeps_nobody_waiting(place: Workspace) -> None:
    path = begin(place) / "state.json"
    path.unlink()
    os.mkfifo(path)
    assert calls.folders(place) == ()
    assert plain_bytes(path) == b""
