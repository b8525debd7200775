"""Rows of the index give back the lines of which they were made; a broken one gives none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

from hypothesis import given, settings
from hypothesis import strategies as st

from gitexp.model.metrics import MetricSummary, summarise
from gitexp.model.run import Sample
from gitexp.store.list_lines import (
    ExperimentLine,
    RunLine,
    decoded_experiments,
    decoded_runs,
    encode_experiment,
    encode_run,
)
from gitexp.store.records import _measured
from gitexp.text import samples as samples_format

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
TIMES = st.datetimes(timezones=st.just(UTC))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=2).map(tuple),
    max_leaves=3,
)
SUMMARIES = st.builds(MetricSummary, TEXTS, st.integers(1, 99), NUMBERS, st.none() | NUMBERS)
RUNS = st.builds(
    RunLine,
    started_at=TIMES,
    id=TEXTS,
    plan_name=TEXTS,
    reported=st.booleans(),
    seeds=st.lists(st.integers(), max_size=3).map(tuple),
    params=st.lists(st.tuples(TEXTS, VALUES), max_size=3).map(tuple),
    metrics=st.lists(SUMMARIES, max_size=3).map(tuple),
    plain=st.booleans(),
)
EXPERIMENTS = st.builds(
    ExperimentLine,
    primary=st.none() | SUMMARIES,
    created_at=st.none() | TIMES,
    name=TEXTS,
    formerly=st.lists(TEXTS, max_size=2).map(tuple),
    inputs=st.tuples(TEXTS, TEXTS),
    unread=st.lists(st.tuples(TEXTS, TEXTS), max_size=2).map(tuple),
    bad=TEXTS,
)


@settings(max_examples=50)
@given(st.lists(RUNS, max_size=3), st.lists(EXPERIMENTS, max_size=3))
def test_a_row_gives_back_its_line(runs: list[RunLine], lines: list[ExperimentLine]) -> None:
    rows = {str(number): encode_run(line) for number, line in enumerate(runs)}
    assert list(decoded_runs(rows).values()) == runs
    others = {str(number): encode_experiment(line) for number, line in enumerate(lines)}
    assert list(decoded_experiments(others).values()) == lines


@given(RUNS, st.binary(max_size=4), st.integers(0, 400))
def test_a_broken_row_gives_no_line_of_another_shape(line: RunLine, noise: bytes, at: int) -> None:
    row = encode_run(line)
    for found in decoded_runs({"a": row[:at] + noise + row[at + 1 :]}).values():
        assert isinstance(found, RunLine)


def test_rows_of_runs_sort_by_time_and_id() -> None:
    first = RunLine(id="b")
    later = replace(first, started_at=first.started_at.replace(year=2026), id="a")
    assert sorted([encode_run(later), encode_run(replace(first, id="c")), encode_run(first)]) == [
        encode_run(first), encode_run(replace(first, id="c")), encode_run(later)
    ]  # fmt: skip


SAMPLES = st.lists(
    st.builds(
        Sample,
        metric=st.sampled_from(["f1", "loss", "a b"]),
        seed=st.integers(-2, 3),
        value=NUMBERS,
        rep=st.none() | st.integers(0, 1),
        fold=st.none() | st.integers(0, 2),
        dataset=st.sampled_from(["", "", "test"]),
        n_train=st.none() | st.integers(0, 9),
    ),
    max_size=12,
    unique_by=lambda each: (each.metric, each.seed, each.rep, each.fold, each.dataset),
)


@settings(max_examples=80)
@given(SAMPLES, st.none() | st.integers(0, 3))
def test_a_table_read_by_columns_says_what_its_samples_say(
    samples: list[Sample], without: int | None
) -> None:
    found = _measured(samples_format.dump(samples), without)
    left = [each for each in samples if each.seed != without]
    assert (found.rows, found.metrics) == (len(samples), summarise(left))
