"""The record of a run holds what can be read again, whatever its repeats reported."""

from __future__ import annotations

import pytest

from gitexp.formats import samples as samples_format
from gitexp.model.ids import RunId
from gitexp.model.job import Outcome
from gitexp.model.run import RepeatState, Resources, Sample
from gitexp.ops.run import record
from tests.store.recorded import a_run


@pytest.mark.slow
def test_a_repeat_whose_numbers_do_not_fit_any_more_has_failed_and_the_others_stay() -> None:
    draft, _ = a_run(1, [])
    many = samples_format.MOST_ROWS // 2
    outcomes: dict[int, Outcome | None] = {
        seed: Outcome(
            run=RunId(draft.id),
            attempt=1,
            seed=seed,
            state=RepeatState.FINISHED,
            reason="",
            stage="",
            exit_code=0,
            log_tail="",
            started_at=draft.started_at,
            ended_at=draft.ended_at,
            environment=None,
            resources=Resources(),
            links="",
            evaluation=None,
            evaluation_basis="",
            samples=tuple(Sample("f1", seed, 0.5, fold=fold) for fold in range(many)),
            outputs=(),
            stages=(),
            kept=(),
        )
        for seed in range(3)
    }
    outcomes = record.that_fit(outcomes)
    left = [seed for seed, each in outcomes.items() if each and each.state is RepeatState.FINISHED]
    assert left == [0, 1], "the third cannot be the snapshot either"
    made = record.build(
        draft,
        outcomes,
        by_products=frozenset(),
        whole_seed=None,
        made={},
        ended_at=draft.ended_at,
    )
    assert [repeat.state for repeat in made.run.repeats] == [
        RepeatState.FINISHED,
        RepeatState.FINISHED,
        RepeatState.FAILED,
    ]
    assert "more than 250000 numbers" in made.run.repeats[2].reason
    assert made.run.sample_rows == 2 * many
