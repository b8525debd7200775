"""Whether the seed acts: dead and live scripts, by what their repeats leave."""

from __future__ import annotations

import math
import random
import struct
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.randomness.variation import (
    Acts,
    acts,
    distinct,
    equal,
    follow_seeds,
    is_fine,
    trace,
)
from gitexp.model.clocked import is_clocked
from gitexp.model.run import Sample

if TYPE_CHECKING:
    from gitexp.comparison.randomness.variation import Trace

COUNT = 1_000
REPEATS = 10


def drawn(key: str) -> random.Random:
    """Return a source of chance that is the same in each call of the suite."""
    return random.Random(key)  # noqa: S311  nothing is kept secret


def live_coarse(number: int) -> list[Trace]:
    """Return repeats of a script that takes up its seed, whose metrics seldom show it."""
    kinds = [drawn(f"{number} {metric}").randrange(5) for metric in range(3)]
    n = drawn(str(number)).choice((3, 7, 10, 20, 30, 100, 600))
    found = []
    for seed in range(REPEATS):
        chance = drawn(f"{number} {seed}")
        right = min(n, max(0, round(chance.gauss(0.97, 0.01) * n)))
        positive = max(1, right // 2)
        values = (
            right / n,
            1.0,
            round(chance.gauss(0.9, 0.001), 2),
            math.sqrt((n - right) / n),  # rmse of hits
            2 * positive / (2 * positive + n - right),  # f1
        )
        samples = [Sample(f"m{i}", seed, values[kind]) for i, kind in enumerate(kinds)]
        samples.append(Sample("fit_seconds", seed, chance.random()))
        # features.csv is the same in each repeat, and says nothing
        found.append(trace(seed, samples, made="f" * 64 if number % 2 else ""))
    return found


def dead(number: int) -> list[Trace]:
    """Return repeats of a script whose seed does nothing."""
    chance = drawn(f"dead {number}")
    values = [chance.choice((chance.random(), round(chance.random(), 2), 1.0)) for _ in range(3)]
    return [
        trace(
            seed,
            [
                *(
                    Sample(f"m{i}", seed, value * (1 + chance.choice((0, 1e-15))))
                    for i, value in enumerate(values)
                ),
                Sample("train_time", seed, chance.random()),
                Sample("seed", seed, float(seed)),
            ],
        )
        for seed in range(REPEATS)
    ]


def stopped_after(traces: list[Trace], *, able: bool) -> int | None:
    """Return after how many repeats a run would be stopped."""
    for n in range(1, len(traces)):
        if acts(traces[:n], able=able) is Acts.NO:
            return n
    return None


def test_no_live_script_with_coarse_metrics_is_stopped() -> None:
    wrong = [n for n in range(COUNT) if stopped_after(live_coarse(n), able=True) is not None]
    assert wrong == []


def test_each_dead_script_whose_code_takes_no_seed_is_stopped_after_three_repeats() -> None:
    found = {stopped_after(dead(n), able=False) for n in range(COUNT)}
    assert found == {3}


def test_a_dead_script_that_names_the_seed_is_stopped_where_a_fine_number_agrees() -> None:
    for n in range(COUNT):
        traces = dead(n)
        fine = any(is_fine(value) for value in traces[0].numbers.values())
        assert (stopped_after(traces, able=True) == 3) == fine


def test_two_repeats_are_enough_where_what_they_made_agrees_and_differs_where_it_does_not() -> None:
    samples = [[Sample("acc", seed, 0.9)] for seed in range(2)]
    same = [trace(seed, rows, "a" * 64) for seed, rows in enumerate(samples)]
    other = [trace(seed, rows, str(seed) * 64) for seed, rows in enumerate(samples)]
    assert acts(same, able=False) is Acts.NO
    assert acts(same, able=True) is Acts.UNTOLD
    assert acts(other, able=False) is Acts.YES


def test_one_repeat_and_repeats_of_one_seed_say_nothing() -> None:
    one = trace(4, [Sample("acc", 4, 1 / math.pi)])
    assert acts([one], able=False) is Acts.UNTOLD
    assert acts([one, one, one], able=False) is Acts.UNTOLD


@pytest.mark.parametrize(
    "name",
    [
        *("seconds", "train_seconds", "elapsed", "fit_time_mean", "eval_runtime", "wall_s"),
        *("eval_samples_per_second", "latency.p99", "peak_memory_mb", "gpu.rss", "timestamp"),
        *("throughput", "trainRuntime", "epoch_time_s", "time/val", "resource:peak_memory_bytes"),
        *("inference_ms", "ms_per_batch", "started_at", "date_unix", "run_finished_at"),
    ],
)
def test_times_speeds_and_memory_are_left_aside(name: str) -> None:
    assert is_clocked(name)


@pytest.mark.parametrize(
    "name",
    [
        *("sentiment_f1", "time_series_mae", "time_to_event_auc", "lifetime_value", "step_loss"),
        *("response_time_rmse", "ramp", "membership", "speed_error", "memory_accuracy", "s"),
        *("ms_score", "up_to_date", "started_ok", "ms_auc", "test_ms_mean"),
        *("latency_mae", "fps_mae", "secondary_f1", "timeliness", "test.acc", "p", "score"),
    ],
)
def test_a_metric_that_only_contains_such_letters_is_a_metric(name: str) -> None:
    assert not is_clocked(name)


def test_repeats_in_groups_are_counted_once_a_group_if_chance_does_not_explain_it() -> None:
    fine = [trace(s, [Sample("loss", s, math.exp(-1 - s % 2))]) for s in range(10)]
    rough = [trace(s, [Sample("acc", s, 0.9 + 0.01 * (s % 2))]) for s in range(10)]
    assert distinct(fine) == 2
    assert distinct(rough) == 10


def test_single_precision_shows_too_little_of_a_count() -> None:
    assert not is_fine(0.8999999761581421)  # 18 of 20 as torch reports it


def grouped(labels: str, start: int = 0) -> list[Trace]:
    """Return repeats of a fine metric; those of one letter agree."""
    return [
        trace(start + i, [Sample("loss", start + i, math.log(ord(each)))])
        for i, each in enumerate(labels)
    ]


@pytest.mark.parametrize("start", [0, 1, 42])
@pytest.mark.parametrize(
    "labels", ["ababababab", "abcabcabca", "abbabbabba", "aaaaabbbbb", "abbbbbbbbb", "abcdefabcd"]
)
def test_copies_that_a_rule_of_the_seed_makes_are_known(labels: str, start: int) -> None:
    assert follow_seeds(grouped(labels, start))


def test_a_method_with_few_outcomes_is_no_seed_that_acts_in_part() -> None:
    """As k-means, or a choice among the points of a small grid: drawn anew with each seed."""
    wrong = 0
    for number in range(COUNT):
        chance = drawn(f"few {number}")
        several = chance.choice((2, 3, 4, 6))
        weights = [chance.random() + 0.2 for _ in range(several)]
        wrong += follow_seeds(grouped("".join(chance.choices("abcdef"[:several], weights, k=10))))
    assert wrong < COUNT / 10
    assert not follow_seeds(grouped("aaaabaaaaa"))
    assert not follow_seeds(grouped("abcdefghij"))


def test_the_last_places_of_single_precision_are_rounding() -> None:
    one, two = (float(struct.unpack("f", struct.pack("f", v))[0]) for v in (0.3121, 0.31210005))
    assert one != two
    assert equal([one, two])
    assert not equal([one, one + 1e-8 + 1e-12])
