"""What every engine keeps to; a new engine is one more key in ENGINES."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitexp.execution.engines import ENGINES
from gitexp.execution.engines.local import LocalEngine
from gitexp.model.job import JobRef, JobRequest, JobState
from gitexp.model.run import RepeatState
from tests.lab.jobs import Bench, bench, stage
from tests.lab.waiting import until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitexp.execution.engines import Engine
    from gitexp.model.job import Job
    from tests.lab.build import BuiltRepo

GOOD = "echo '{\"f1\": 0.5}' > metrics.json"
DONE = {JobState.ENDED, JobState.LOST}
MAKERS = dict(ENGINES)  # before the suite lets calls share what forks their workers


@pytest.fixture
def place(repo: BuiltRepo, tmp_path: Path) -> Bench:
    repo.commit({"params.yaml": "seed: 1\n"})
    return bench(repo, tmp_path)


@pytest.fixture(params=sorted(MAKERS))
def engine(request: pytest.FixtureRequest) -> Engine:
    return MAKERS[request.param](2)


def request_for(place: Bench, job: Job, attempt: str = "attempt-1") -> JobRequest:
    return JobRequest(str(place.write(job, attempt)), str(place.out(attempt)))


def finish(engine: Engine, refs: Sequence[JobRef]) -> dict[str, JobState]:
    def ended() -> dict[str, JobState]:
        states = dict(engine.poll(refs))
        return states if set(states.values()) <= DONE else {}

    return until(ended, "the end of all jobs")


def asleep(pid: Path) -> str:
    """A command that writes down its process, and sleeps."""
    return f"echo $$ > {pid}.x; mv {pid}.x {pid}; exec sleep 60"


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_job_that_works_ends_with_its_outcome(engine: Engine, place: Bench) -> None:
    refs = engine.submit([request_for(place, place.job())])
    assert finish(engine, refs) == {refs[0].id: JobState.ENDED}
    assert place.outcome().state is RepeatState.FINISHED


def test_a_command_that_fails_is_an_outcome_not_a_lost_job(engine: Engine, place: Bench) -> None:
    refs = engine.submit([request_for(place, place.job(stage("exit 5")))])
    assert finish(engine, refs) == {refs[0].id: JobState.ENDED}
    assert place.outcome().exit_code == 5


def test_a_killed_worker_is_lost_and_its_commands_are_ended(engine: Engine, place: Bench) -> None:
    pid = place.root / "command"
    command = f"setsid -w sh -c 'echo $PPID $$ > {pid}.x; mv {pid}.x {pid}; exec sleep 60'"
    refs = engine.submit([request_for(place, place.job(stage(command)))])
    until(pid.exists)
    worker = int((place.out() / "pid").read_text().split()[0])
    os.kill(worker, signal.SIGKILL)
    assert finish(engine, refs) == {refs[0].id: JobState.LOST}
    assert all(is_gone(int(word)) for word in pid.read_text().split())


def test_with_the_process_that_forks_its_workers_are_lost_and_others_begin(
    engine: Engine, place: Bench
) -> None:
    pid = place.root / "command"
    refs = engine.submit([request_for(place, place.job(stage(asleep(pid))))])
    until(pid.exists)
    worker = Path(f"/proc/{(place.out() / 'pid').read_text().split()[0]}/stat").read_text()
    os.kill(int(worker.rpartition(")")[2].split()[1]), signal.SIGKILL)
    finish(engine, refs)
    until(lambda: is_gone(int(pid.read_text())))
    more = engine.submit([request_for(place, place.job(), "attempt-2")])
    assert finish(engine, more) == {more[0].id: JobState.ENDED}


def test_a_worker_ignores_no_signal_that_the_process_ignores_which_forked_it(
    engine: Engine, place: Bench
) -> None:
    said = place.root / "said"
    job = place.job(stage(f"grep SigIgn /proc/$PPID/status > {said}; {GOOD}"))
    refs = engine.submit([request_for(place, job)])
    assert finish(engine, refs) == {refs[0].id: JobState.ENDED}
    assert int(said.read_text().split()[1], 16) & (1 << signal.SIGINT - 1) == 0


def test_a_cancelled_job_says_so_and_takes_its_grandchildren_along(
    engine: Engine, place: Bench
) -> None:
    pid = place.root / "command"
    command = f"setsid sh -c 'echo $$ > {pid}.x; mv {pid}.x {pid}; exec sleep 60' & sleep 60"
    refs = engine.submit([request_for(place, place.job(stage(command)))])
    until(pid.exists)
    engine.cancel(refs, 10.0)
    engine.cancel(refs, 10.0)  # idempotent
    assert finish(engine, refs) == {refs[0].id: JobState.ENDED}
    assert place.outcome().state is RepeatState.CANCELLED
    assert is_gone(int(pid.read_text()))
    engine.cancel(refs, 0.0)


def test_a_job_that_does_not_listen_is_killed_when_its_time_is_up(
    engine: Engine, place: Bench
) -> None:
    pid = place.root / "command"
    command = (
        f"trap '' TERM; echo $$ > {pid}.x; mv {pid}.x {pid}; sleep 60 & wait; sleep 60; sleep 60"
    )
    refs = engine.submit([request_for(place, place.job(stage(command)))])
    until(pid.exists)
    engine.cancel(refs, 0.05)
    assert finish(engine, refs) == {refs[0].id: JobState.LOST}
    assert is_gone(int(pid.read_text()))


def test_a_job_that_had_not_begun_is_withdrawn(engine: Engine, place: Bench) -> None:
    fifo = place.root / "fifo"
    os.mkfifo(fifo)
    jobs = [
        request_for(place, place.job(stage(f"cat {fifo}; " + GOOD)), f"attempt-{number}")
        for number in range(4)
    ]
    refs = engine.submit(jobs)
    engine.cancel(refs[2:], 10.0)
    engine.cancel(refs[:2], 0.0)
    states = finish(engine, refs)
    assert states[refs[3].id] is JobState.LOST
    assert not place.out("attempt-3").exists()


def test_each_attempt_has_an_outcome_of_its_own(engine: Engine, place: Bench) -> None:
    refs = engine.submit(
        [
            request_for(place, place.job(stage("exit 1"), attempt=1), "attempt-1"),
            request_for(place, place.job(attempt=2), "attempt-2"),
        ]
    )
    assert set(finish(engine, refs).values()) == {JobState.ENDED}
    outcomes = [place.outcome("attempt-1"), place.outcome("attempt-2")]
    assert [outcome.state for outcome in outcomes] == [RepeatState.FAILED, RepeatState.FINISHED]
    assert [outcome.attempt for outcome in outcomes] == [1, 2]


def test_another_coordinator_finds_what_an_earlier_one_left(engine: Engine, place: Bench) -> None:
    name = engine.name
    refs = engine.submit([request_for(place, place.job())])
    finish(engine, refs)
    later = MAKERS[name](1)
    gone = JobRef(name, str(place.out("attempt-9")), str(place.out("attempt-9")))
    states = later.poll([*refs, gone])
    assert states == {refs[0].id: JobState.ENDED, gone.id: JobState.LOST}


def test_a_dead_coordinator_takes_its_jobs_along(place: Bench) -> None:
    pid = place.root / "command"
    request = request_for(place, place.job(stage(asleep(pid))))
    coordinator = os.fork()
    if coordinator == 0:
        MAKERS["local"](1).submit([request])
        signal.pause()
    until(pid.exists)
    os.kill(coordinator, signal.SIGKILL)
    os.waitpid(coordinator, 0)
    until((place.out() / "outcome.json").exists)
    assert place.outcome().state is RepeatState.CANCELLED
    assert is_gone(int(pid.read_text()))


def test_the_local_engine_uses_its_slots_at_the_same_time(repo: BuiltRepo, tmp_path: Path) -> None:
    repo.commit({"params.yaml": "seed: 1\n"})
    place = bench(repo, tmp_path)
    second = place.slot.with_name(f"{place.slot.name}-b")
    repo.git("worktree", "add", "--quiet", "--detach", str(second), "HEAD")
    slots = (str(place.slot), str(second))
    fifo = tmp_path / "meet"
    os.mkfifo(fifo)
    # One writes what the other reads: each needs the other to run.
    jobs = [
        place.job(stage(f"echo x > {fifo}; {GOOD}"), slots=slots),
        place.job(stage(f"cat {fifo}; {GOOD}"), slots=slots),
    ]
    engine = MAKERS["local"](2)
    refs = engine.submit([request_for(place, job, f"attempt-{i}") for i, job in enumerate(jobs)])
    assert set(finish(engine, refs).values()) == {JobState.ENDED}
    states = {place.outcome(f"attempt-{i}").state for i in range(2)}
    assert states == {RepeatState.FINISHED}


def test_the_inline_engine_can_be_cancelled_while_it_waits(place: Bench) -> None:
    pid = place.root / "command"
    engine = MAKERS["inline"](1)
    refs = engine.submit([request_for(place, place.job(stage(asleep(pid))))])
    canceller = threading.Thread(target=lambda: (until(pid.exists), engine.cancel(refs, 10.0)))
    canceller.start()
    states = engine.poll(refs)  # waits for the job
    canceller.join()
    assert states == {refs[0].id: JobState.ENDED}


def test_what_a_server_says_that_cannot_start_is_in_the_log_of_the_job(place: Bench) -> None:
    engine = LocalEngine(1, ("sh", "-c", "echo no such interpreter >&2; exit 1"))
    engine.submit(())
    refs = engine.submit([request_for(place, place.job())])
    assert finish(engine, refs) == {refs[0].id: JobState.LOST}
    assert (place.out() / "log").read_text() == "no such interpreter\n"
