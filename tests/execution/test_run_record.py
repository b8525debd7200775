"""The record of a run holds what can be read again, whatever its repeats reported."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gitexp.execution import record
from gitexp.model.ids import Md5, RunId
from gitexp.model.job import Outcome, StageRecord
from gitexp.model.run import FileHash, RepeatState, Resources, Sample
from gitexp.text import samples as samples_format
from tests.lab.recorded import a_run

START = datetime(2026, 1, 1, tzinfo=UTC)
AN_OUTCOME = Outcome(
    run=RunId("a" * 16),
    attempt=1,
    seed=0,
    state=RepeatState.FINISHED,
    reason="",
    stage="",
    exit_code=0,
    log_tail="",
    started_at=START,
    ended_at=START,
    environment=None,
    resources=Resources(),
    links="",
    evaluation=None,
    evaluation_basis="",
    samples=(),
    outputs=(),
    stages=(),
    kept=(),
)


@pytest.mark.slow
def test_a_repeat_whose_numbers_do_not_fit_any_more_has_failed_and_the_others_stay() -> None:
    draft, _ = a_run(1, [])
    many = samples_format.MOST_ROWS // 2
    outcomes: dict[int, Outcome | None] = {
        seed: replace(
            AN_OUTCOME,
            seed=seed,
            samples=tuple(Sample("f1", seed, 0.5, fold=fold) for fold in range(many)),
        )
        for seed in range(3)
    }
    outcomes = record.that_fit(outcomes)
    left = [seed for seed, each in outcomes.items() if each and each.state is RepeatState.FINISHED]
    assert left == [0, 1], "the third cannot be the snapshot either"
    made = record.build(draft, outcomes, kept=lambda _: (), made={}, ended_at=draft.ended_at)
    assert [repeat.state for repeat in made.run.repeats] == [
        RepeatState.FINISHED,
        RepeatState.FINISHED,
        RepeatState.FAILED,
    ]
    assert "more than 250000 numbers" in made.run.repeats[2].reason
    assert made.run.sample_rows == 2 * many


def test_what_a_repeat_made_is_told_from_what_ran_once_and_from_its_metrics() -> None:
    def repeat(**files: str) -> Outcome:
        outs = tuple(FileHash(path, Md5(letter * 32), 1) for path, letter in files.items())
        stages = (
            StageRecord("prepare", (), (), {}, outs[:1]),
            StageRecord("train", (), (), {}, outs[1:]),
        )
        return replace(AN_OUTCOME, stages=stages)

    def made(outcome: Outcome) -> str:
        return record.made(outcome, ("prepare",), ("metrics", "eval/live/metrics.json"))

    assert made(repeat(data="a", metrics="b")) == ""
    one = made(repeat(data="a", metrics="b", model="c"))
    assert len(one) == 64
    assert one == made(repeat(data="d", metrics="e", model="c"))
    assert one == made(repeat(data="a", metrics="b", model="c", eval="f")), "metrics lie in it"
    assert one != made(repeat(data="a", metrics="b", model="f"))


def test_a_clock_that_is_set_back_during_a_run_makes_no_record_that_ended_before_it_began() -> None:
    draft, _ = a_run(1, [])
    before = draft.started_at - timedelta(seconds=3)
    made = record.build(draft, {}, kept=lambda _: (), made={}, ended_at=before)
    assert made.run.ended_at == draft.started_at
