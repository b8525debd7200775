"""What the commands that write say of what they wrote."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from gitexp.model.ids import CommitHash
from gitexp.model.report import PlannedRun, RecordedRun, RunReport
from gitexp.model.run import RepeatState, Sample
from gitexp.report import views
from tests.lab.recorded import a_run


def reported(*samples: Sample) -> RunReport:
    run, _ = a_run(1, (0.5, 0.7))
    return RunReport(
        branch="exp/a",
        commit=CommitHash("1" * 40),
        planned=(),
        recorded=(RecordedRun("candidate", run, samples),),
        snapshot="",
        not_updated=(),
        exploratory=False,
        interrupted=False,
        dry_run=False,
        warnings=(),
        next_step="gitexp compare",
    )


@pytest.mark.parametrize("state", [RepeatState.LOST, RepeatState.FAILED])
def test_what_a_killed_call_left_fails_a_call_that_had_to_run_it(state: RepeatState) -> None:
    """A colleague's repeat of it may count: then nothing was left to run, and nothing failed."""
    report = reported()
    (run,) = report.recorded
    lost, good = run.run.repeats
    killed = replace(run, run=replace(run.run, repeats=(replace(lost, state=state), good)))
    after = replace(report, recorded=(killed,))
    assert after.failed is (state is RepeatState.FAILED)
    side = PlannedRun(
        "candidate", CommitHash("1" * 40), run.run.inputs, (lost.seed,), (), (), (), ()
    )
    assert replace(after, planned=(side,)).failed
    assert not replace(after, planned=(side,), recorded=(killed, run)).failed


def test_a_metric_of_two_data_sets_is_two_metrics_and_folds_are_averaged_by_seed() -> None:
    report = reported(
        Sample("auc", 0, 0.9, dataset="val"),
        Sample("auc", 0, 0.5, dataset="test"),
        Sample("auc", 1, 0.8, dataset="val"),
        Sample("auc", 1, 0.6, dataset="test"),
        *(Sample("f1", seed, 0.1 * fold + seed, fold=fold) for seed in (0, 1) for fold in (1, 3)),
    )
    header, row = views.render(report, "text").splitlines()[:2]
    assert re.split("  +", header) == ["side", "finished", "auc[test]", "auc[val]", "f1"]
    assert re.split("  +", row)[2:] == ["0.550 +- 0.071", "0.850 +- 0.071", "0.70 +- 0.71"]
    (run,) = json.loads(views.json(report))["runs"]
    assert run["metrics"].keys() == {"auc[test]", "auc[val]", "f1"}
    assert abs(run["metrics"]["f1"] - 0.7) < 1e-12
