"""The parts that both sides measured alike: splits of the data, data sets; and what is equal there.

A part is known by its seed, repetition, fold and data set. Whether a part is there decides about
the design; its value does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.comparison.measure import Question, Values, build, samples_of
from gitexp.model import dataclass, replace
from gitexp.model.metrics import mean
from gitexp.model.result import Part, Posterior
from gitexp.report import numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gitexp.comparison.counting import Count
    from gitexp.model.comparison import EffectSize, Interval, MetricComparison
    from gitexp.stats.ttests import Regions

MOST_KEPT = 500  # parts of a metric that a comparison repeats; the records have all of them
ROPE_SHARE = 0.01  # of the baseline's mean, where no margin is promised


@dataclass(frozen=True, slots=True)
class Common:
    """What paired repeats measured of one metric."""

    parts: tuple[Part, ...]  # of the seeds that have the same parts on both sides
    lacking: tuple[int, ...]  # seeds whose parts differ


def common(count: Count, metric: str) -> Common:
    """Join the parts of both sides, seed by seed."""
    left, right = (samples_of(side.repeats, metric) for side in (count.baseline, count.candidate))
    parts: list[Part] = []
    lacking: list[int] = []
    for seed in count.pairs:
        old, new = left.get(seed, {}), right.get(seed, {})
        if old.keys() != new.keys() or not old:
            lacking.append(seed)
            continue
        for key in sorted(old, key=lambda cell: (cell[2], _order(cell[0]), _order(cell[1]))):
            one, two = old[key], new[key]
            rep, fold, dataset = key
            same = (one.n_train, one.n_test) == (two.n_train, two.n_test)
            parts.append(
                Part(
                    seed=seed,
                    rep=rep,
                    fold=fold,
                    dataset=dataset,
                    n_train=one.n_train if same else None,
                    n_test=one.n_test if same else None,
                    baseline=one.value,
                    candidate=two.value,
                )
            )
    return Common(tuple(parts), tuple(lacking))


def lacking_note(lacking: Iterable[int], what: str) -> tuple[str, ...]:
    """Say which seeds are left out because their parts differ."""
    left = tuple(lacking)
    return (f"not on both sides with the same {what}: {numbers.seeds(left)}",) if left else ()


def rope_of(question: Question, baseline: float) -> tuple[float, str]:
    """Return the half-width of the region of practical equivalence, and where it comes from."""
    effect = question.effect
    if effect is not None and effect.margin != 0:
        scale = abs(baseline) if effect.relative else 1.0
        return abs(effect.margin) * scale, "the margin of the hypothesis"
    return ROPE_SHARE * abs(baseline), f"{ROPE_SHARE:.0%} of the baseline's mean, by default"


def over_parts(
    question: Question,
    parts: tuple[Part, ...],
    values: Values,
    intervals: tuple[Interval | None, Interval | None],
    sizes: tuple[EffectSize, ...],
) -> MetricComparison:
    """Put numbers together whose units are parts; the values of repeats stay beside."""
    left, right = [part.baseline for part in parts], [part.candidate for part in parts]
    kept, more = parts, list[str]()
    if len(parts) > MOST_KEPT:
        kept, more = (), [f"the {len(parts)} single values stand in samples.csv of the runs"]
    units = replace(
        values,
        baseline=tuple(enumerate(left)),
        candidate=tuple(enumerate(right)),
        notes=(*values.notes, *more),
    )
    full = build(question, units, (mean(left), mean(right)), intervals, sizes)
    return replace(
        full, baseline_values=values.baseline, candidate_values=values.candidate, parts=kept
    )


def with_posterior(
    question: Question,
    full: MetricComparison,
    method: str,
    regions: Callable[[float], Regions | None],
) -> MetricComparison:
    """Return a comparison with its Bayesian companion, where there is one for a region's width."""
    rope, why = rope_of(question, full.mean_baseline)
    found = regions(rope)
    if found is None:
        return full
    low, middle, high = (
        min(1.0, max(0.0, p)) for p in (found.p_less, found.p_rope, found.p_greater)
    )
    return replace(full, posteriors=(Posterior(method, rope, why, low, middle, high),))


def _order(number: int | None) -> int:
    return -1 if number is None else number
