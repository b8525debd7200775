"""Logs of running, dead and recorded runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from gitexp.errors import UnknownRunError
from gitexp.execution.state import live_runs
from gitexp.git.transaction import locks
from gitexp.model.run import RepeatState
from gitexp.model.views import LogSource
from gitexp.records import codec
from gitexp.store import calls
from gitexp.views.logs import CHUNK_BYTES, follow, logs
from tests.lab.recorded import a_run, config_file, run_files, run_id

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo


def coordinator(repo: BuiltRepo, number: int, *, alive: bool, published: bool = False) -> Path:
    """Leave what a coordinator leaves: its state, and the log of seed 1."""
    run, _ = a_run(number, [0.5, 0.6], seeds=[1, 2])
    folder = repo.path / ".git/gitexp/work/runs" / run.id
    me = locks.this_process()
    owner = {"host": me.host, "pid": me.pid, "started": me.started + "0" * (not alive)}
    state = {
        "$schema": "gitexp/state@1",
        "branch": "exp/x",
        "asked": {"at": None, "jobs": 1, "repeats": None, "seeds": [], "with_baseline": False},
        "draft": json.loads(codec.dump(run)),
        "owner": owner,
        "published": published,
        "secret": calls.begun(calls.proofs(repo.workspace), run.id),
        "side": "candidate",
    }
    attempt = folder / "jobs" / "1" / "attempt-1"
    attempt.mkdir(parents=True)
    (folder / "state.json").write_text(json.dumps(state))
    (attempt / "log").write_bytes(b"step 1\n\xff\n")
    return folder


@pytest.fixture
def project(repo: BuiltRepo) -> BuiltRepo:
    repo.commit(config_file())
    return repo


def test_the_log_of_a_job_is_shown_while_it_runs(project: BuiltRepo) -> None:
    coordinator(project, 1, alive=True)
    found = logs(project.workspace)
    assert (found.run, found.live) == (run_id(1), True)
    (log,) = found.repeats
    assert (log.seed, log.attempt, log.source, log.state) == (1, 1, LogSource.JOB, "running")
    assert log.text == "step 1\n\\xff\n"
    assert [run.id for run in live_runs(project.workspace).running] == [run_id(1)]


def test_a_dead_coordinators_log_is_shown_and_ends(project: BuiltRepo) -> None:
    coordinator(project, 1, alive=False)
    found = logs(project.workspace, run_id(1)[:4])
    assert not found.live
    assert found.repeats[0].reason == "the coordinator has ended"
    pieces = list(follow(project.workspace, run_id(1)[:4], wait=pytest.fail))
    assert [(piece.seed, piece.text) for piece in pieces] == [(1, "step 1\n\\xff\n")]


def test_following_keeps_characters_whole_where_a_chunk_ends_in_one(project: BuiltRepo) -> None:
    folder = coordinator(project, 1, alive=False)
    said = "a" * (CHUNK_BYTES - 1) + "\u00e9\n" * CHUNK_BYTES
    (folder / "jobs/1/attempt-1/log").write_bytes(said.encode() + b"\xc3")
    pieces = list(follow(project.workspace, wait=pytest.fail))
    assert "".join(piece.text for piece in pieces) == said + "\\xc3"


def test_following_gives_what_is_written_meanwhile_and_ends_with_the_run(
    project: BuiltRepo,
) -> None:
    folder = coordinator(project, 1, alive=True)
    log = folder / "jobs/1/attempt-1/log"
    steps = iter(["step 2\n", "step 3\n", None])

    def wait(_: float) -> None:
        text = next(steps)
        if text is not None:
            with log.open("a") as stream:
                stream.write(text)
            return
        state = json.loads((folder / "state.json").read_text())
        (folder / "state.json").write_text(json.dumps({**state, "published": True}))

    pieces = [piece.text for piece in follow(project.workspace, wait=wait)]
    assert pieces == ["step 1\n\\xff\n", "step 2\n", "step 3\n"]


def test_the_tail_of_a_long_log_is_enough(project: BuiltRepo) -> None:
    folder = coordinator(project, 1, alive=False)
    (folder / "jobs/1/attempt-1/log").write_bytes(b"x" * 300_000 + b"end\n")
    log = logs(project.workspace, tail_bytes=10).repeats[0]
    assert (log.text, log.truncated) == ("xxxxxxend\n", True)
    assert len(logs(project.workspace, tail_bytes=0).repeats[0].text) == 300_004


def test_a_recorded_failure_shows_its_tail(project: BuiltRepo) -> None:
    project.commit(run_files(*a_run(1, [0.5], failed=[7])))
    found = logs(project.workspace, run_id(1)[:6])
    (log,) = found.repeats
    assert (log.seed, log.state, log.source) == (7, RepeatState.FAILED, LogSource.RECORD)
    assert (log.text, log.reason) == ("oh\n", "exit code 1")


def test_a_run_that_nobody_knows_is_an_error(project: BuiltRepo) -> None:
    with pytest.raises(UnknownRunError):
        logs(project.workspace)
    with pytest.raises(UnknownRunError):
        logs(project.workspace, "zzzz")
    with pytest.raises(UnknownRunError):
        list(follow(project.workspace, "zzzz"))


@pytest.mark.parametrize("junk", ["", "[]", "{}", '{"draft": {}, "owner": {"pid": 1}}'])
def test_a_state_that_cannot_be_read_is_named_and_stops_nothing(
    project: BuiltRepo, junk: str
) -> None:
    coordinator(project, 1, alive=True)
    (coordinator(project, 2, alive=True) / "state.json").write_text(junk)
    found = live_runs(project.workspace)
    assert [run.id for run in found.running] == [run_id(1)]
    assert [item.what for item in found.unreadable] == [run_id(2)]


def test_a_published_run_is_not_live(project: BuiltRepo) -> None:
    coordinator(project, 1, alive=True, published=True)
    found = live_runs(project.workspace)
    assert not found.running
    assert not found.unpublished
