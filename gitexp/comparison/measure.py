"""What is asked of each metric, and how the parts of its answer are put together.

How a metric is tested is the matter of `comparison.designs`; here is what all designs share.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gitexp.model import dataclass, field, replace
from gitexp.model.clocked import RESOURCE, RESOURCES
from gitexp.model.comparison import EffectSize, Interval, MetricComparison, Role
from gitexp.model.design import Design, Unit
from gitexp.model.metrics import bare, mean, spread
from gitexp.model.plan import Claim, Direction, Effect, Guard, HypothesisKind, Plan
from gitexp.model.result import Part, Posterior, VarianceShare
from gitexp.model.run import Sample
from gitexp.report import numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from gitexp.comparison.counting import Count, Evaluation
    from gitexp.comparison.eligible import Counted
    from gitexp.comparison.sides import ResolvedSide
    from gitexp.stats.ttests import Regions
    from gitexp.stats.values import Values as Table

    Cell = tuple[int | None, int | None, str]  # rep, fold, dataset

WHOLE: Cell = (None, None, "")
MOST_KEPT = 500  # parts of a metric that a comparison repeats; the records have all of them
ROPE_SHARE = 0.01  # of the baseline's mean, where no margin is promised
LARGEST = 1e150  # squares and sums of larger values leave the range of a float


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of one metric."""

    metric: str
    role: Role
    direction: Direction | None
    effect: Effect | None  # None: two-sided, no verdict
    alpha: float
    guard: Guard | None = None
    proven: bool = False  # whether a yes needs the guard-rail shown to be kept
    inverts: bool = False  # whether its interval has the level of its test, as plans of rules 2 ask
    price: float = 1  # by which p-values are multiplied for a choice among several
    row_key: str = ""  # as of `Design`
    test: str = ""  # likewise

    @property
    def confidence(self) -> float:
        """Of its intervals: of a one-sided test at 5 % the interval that inverts it has 90 %."""
        if self.effect is None or not self.inverts:
            return 1 - self.alpha
        return 1 - 2 * self.effect.level(self.alpha) / self.price

    def design(
        self, unit: Unit, n_baseline: int, n_candidate: int | None = None, *, paired: bool = True
    ) -> Design:
        """Return the design of so many units, of each side where no second number is given."""
        return Design(
            unit,
            paired,
            n_baseline,
            n_baseline if n_candidate is None else n_candidate,
            self.alpha,
            effect=self.effect,
            direction=self.direction,
            row_key=self.row_key,
            test=self.test,
        )

    def judged(self, comparison: MetricComparison) -> MetricComparison:
        """Return a comparison that says whether a guard-rail is shown to be broken.

        By its test alone: means would call every second guard-rail broken that holds exactly. A
        design that is too small to show it is too small for a yes, too.
        """
        result = comparison.result
        if self.guard is None or result is None or result.p_refute is None:
            return comparison
        broken = max(result.p_refute, result.plan.smallest_p) <= result.plan.alpha
        return replace(comparison, broken=broken)


def share_of(effect: Effect, direction: Direction | None) -> float:
    """Return from which share of the baseline's value a candidate's is told apart by the test."""
    sign = -1.0 if direction is Direction.MIN else 1.0
    return 1 + sign * effect.margin if effect.relative else 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A metric's comparison, or why there is none."""

    comparison: MetricComparison | None
    refused: str = ""  # the test's own refusal
    warnings: tuple[str, ...] = ()  # about the design, said once for all metrics that have it
    still: str = ""  # why there is no test: nothing varies, or no hardware is the same
    lacks: str = ""  # which pairs it leaves out: what needs all of them is not shown
    # what each example adds to the metric of both sides, in a crossed design
    added: tuple[Table, Table] | None = None
    # where the noise of what it gains beyond the promise comes from, likewise
    gains: VarianceShare | None = None


@dataclass(frozen=True, slots=True)
class Values:
    """One value a repeat; in the order of the same seeds where paired."""

    baseline: tuple[tuple[int, float], ...]
    candidate: tuple[tuple[int, float], ...]
    notes: tuple[str, ...] = ()

    @property
    def left(self) -> list[float]:
        """The baseline's values alone."""
        return [value for _, value in self.baseline]

    @property
    def right(self) -> list[float]:
        """The candidate's values alone."""
        return [value for _, value in self.candidate]


def questions(
    count: Count,
    plan: Plan | None,
    directions: Mapping[str, Direction],
    alpha: float,
    price: float = 1,
) -> tuple[Question, ...]:
    """Return what is asked: the primary metric, the guard-rails, then every other metric."""
    asked: list[Question] = []
    if plan is not None:
        primary = Question(plan.metric, Role.PRIMARY, plan.direction, plan.effect, plan.alpha)
        promised = (primary, *(guard_question(guard, plan.alpha) for guard in plan.guards))
        asked += [replace(one, inverts=plan.rules > 1, test=plan.test) for one in promised]
        asked[0] = replace(asked[0], price=price)
        asked[1:] = (replace(one, proven=plan.guards_shown) for one in asked[1:])
    taken = {item.metric for item in asked}
    names = _names(count.baseline.repeats.values()) & _names(count.candidate.repeats.values())
    asked += [
        Question(name, Role.WATCHED, directions.get(name, directions.get(bare(name))), None, alpha)
        for name in sorted(names - taken)
    ]
    return tuple(asked)


def unjoined(count: Count) -> Iterator[str]:
    """Yield what to say of metrics that one side alone calls by their file.

    A side of which one file is left calls them by their plain names; of which file nobody knows.
    """
    sides = {"baseline": count.baseline, "candidate": count.candidate}
    names = {side: _names(each.repeats.values()) for side, each in sides.items()}
    for side, other in (("baseline", "candidate"), ("candidate", "baseline")):
        alone = names[other] - names[side]
        for name in sorted(names[side] - names[other]):
            if called := sorted(each for each in alone if each != name and bare(each) == name):
                yield f"{name} of the {side} is not compared: the {other} has {', '.join(called)}"


def build(
    question: Question,
    values: Values,
    means: tuple[float, float],
    intervals: tuple[Interval | None, Interval | None] = (None, None),
    sizes: tuple[EffectSize, ...] = (),
) -> MetricComparison:
    """Put a metric's numbers together; the test's result is added by the caller."""
    left, right = means
    difference = right - left
    relative = difference / left if left > 0 else None
    return MetricComparison(
        metric=question.metric,
        direction=question.direction,
        role=question.role,
        n_baseline=len(values.baseline),
        n_candidate=len(values.candidate),
        mean_baseline=left,
        mean_candidate=right,
        sd_baseline=spread(values.left),
        sd_candidate=spread(values.right),
        difference=difference,
        relative=relative if relative is not None and math.isfinite(relative) else None,
        interval=_finite(intervals[0]),
        relative_interval=_finite(intervals[1]),
        effects=tuple(size for size in sizes if math.isfinite(size.estimate)),
        result=None,
        beside=(),
        p_adjusted=None,
        baseline_values=values.baseline,
        candidate_values=values.candidate,
        notes=values.notes,
    )


def values_of(count: Count, metric: str, *, paired: bool) -> Values:
    """Return one value a repeat: over its folds and data sets the mean, as they are not repeats."""
    left = samples_of(count.baseline.repeats, metric)
    right = samples_of(count.candidate.repeats, metric)
    if paired:
        both = [seed for seed in count.pairs if seed in left and seed in right]
        kept = [seed for seed in both if left[seed].keys() == right[seed].keys()]
        lacking = [seed for seed in count.pairs if seed not in kept]
        left = {seed: left[seed] for seed in kept}
        right = {seed: right[seed] for seed in kept}
    else:
        shapes = [frozenset(cells) for cells in (*left.values(), *right.values())]
        lacking = [] if len(set(shapes)) <= 1 else sorted(left.keys() | right.keys())
        if lacking:
            left, right = {}, {}
    notes = list(lacking_note(lacking, "folds and data sets"))
    sizes = {len(cells) for cells in (*left.values(), *right.values())}
    if max(sizes, default=1) > 1:
        notes.append(f"each value is the mean of {max(sizes)} folds or data sets of one repeat")
    return Values(means_of(left), means_of(right), tuple(notes))


def lacking_note(lacking: Collection[int], what: str) -> tuple[str, ...]:
    """Say which seeds are left out because their parts differ."""
    seeds = numbers.seeds(lacking)
    return (f"not on both sides with the same {what}: {seeds}",) if lacking else ()


def samples_of(repeats: Mapping[int, Counted], metric: str) -> dict[int, dict[Cell, Sample]]:
    """Return what each repeat measured of a metric: the project's own summary, else its parts."""
    found: dict[int, dict[Cell, Sample]] = {}
    for seed, item in repeats.items():
        cells: dict[Cell, Sample] = {
            (rep, fold, dataset): sample
            for (name, rep, fold, dataset), sample in item.samples.items()
            if name == metric
        }
        if WHOLE in cells:
            cells = {WHOLE: cells[WHOLE]}
        if cells:
            found[seed] = cells
    return found or _resources(repeats, metric)


def _resources(repeats: Mapping[int, Counted], metric: str) -> dict[int, dict[Cell, Sample]]:
    """Return what each repeat used of a resource; those that did not tell are left out."""
    read = RESOURCES.get(metric.removeprefix(RESOURCE))
    if read is None:
        return {}
    used = {seed: read(item.repeat.resources) for seed, item in repeats.items()}
    return {
        seed: {WHOLE: Sample(metric, seed, float(value))}
        for seed, value in used.items()
        if value is not None
    }


def guard_question(guard: Guard, alpha: float) -> Question:
    """Turn a tolerated change into a hypothesis of non-inferiority, whose gain is what is left."""
    direction = Direction.MIN if guard.op == "<=" else Direction.MAX
    margin = -guard.margin if guard.op == "<=" else guard.margin
    effect = Effect(HypothesisKind.SUPERIORITY, margin + 0.0, guard.relative)
    return Question(guard.metric, Role.GUARD, direction, effect, alpha, guard)


def _names(repeats: Iterable[Counted]) -> set[str]:
    return {metric for item in repeats for metric, *_ in item.samples}


def means_of(side: Mapping[int, Mapping[Cell, Sample]]) -> tuple[tuple[int, float], ...]:
    """Return the mean of each repeat, over its folds and data sets."""
    values = {seed: [one.value for one in cells.values()] for seed, cells in sorted(side.items())}
    return tuple((seed, mean(found)) for seed, found in values.items())


def parts_of(count: Count, metric: str) -> tuple[tuple[Part, ...], tuple[int, ...]]:
    """Join the parts of both sides, seed by seed; also return the seeds whose parts differ.

    A part is known by its seed, repetition, fold and data set. Whether it is there decides about
    the design; its value does not.
    """
    left, right = (samples_of(side.repeats, metric) for side in (count.baseline, count.candidate))
    parts: list[Part] = []
    lacking: list[int] = []
    for seed in count.pairs:
        old, new = left.get(seed, {}), right.get(seed, {})
        if old.keys() != new.keys() or not old:
            lacking.append(seed)
            continue
        for key in sorted(old, key=_order):
            one, two = old[key], new[key]
            same = (one.n_train, one.n_test) == (two.n_train, two.n_test)
            parts.append(
                Part(
                    seed,
                    *key[:2],
                    n_train=one.n_train if same else None,
                    n_test=one.n_test if same else None,
                    dataset=key[2],
                    baseline=one.value,
                    candidate=two.value,
                )
            )
    return tuple(parts), tuple(lacking)


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
    baseline, effect = abs(full.mean_baseline), question.effect
    rope = ROPE_SHARE * baseline
    why = f"{ROPE_SHARE:.0%} of the baseline's mean, by default"
    if effect is not None and effect.margin != 0:
        rope = abs(effect.margin) * (baseline if effect.relative else 1.0)
        why = "the margin of the hypothesis"
    found = regions(rope)
    if found is None:
        return full
    low, middle, high = (
        min(1.0, max(0.0, p)) for p in (found.p_less, found.p_rope, found.p_greater)
    )
    return replace(full, posteriors=(Posterior(method, rope, why, low, middle, high),))


def _order(cell: Cell) -> tuple[str, int, int]:
    rep, fold, dataset = cell
    return dataset, -1 if rep is None else rep, -1 if fold is None else fold


def _finite(interval: Interval | None) -> Interval | None:
    if interval is None:
        return None
    limits = (interval.low, interval.high)
    return interval if all(item is None or math.isfinite(item) for item in limits) else None


@dataclass(frozen=True, slots=True)
class CountedSides:
    """Two sides whose samples are counted and not yet tested."""

    top: Path | None  # work tree, below which DVC's cache is found; None in a bare repository
    baseline: ResolvedSide
    candidate: ResolvedSide
    plan: Plan | None
    claim: Claim  # recorded, or what one repeat a side can speak of at most
    count: Count
    evaluation: Evaluation
    cluster: str = ""  # column of the predictions whose examples depend on each other; "" for none
    # how a family of p-values is adjusted: a key of `stats.hypotheses.ADJUSTMENTS`
    adjust: str = "holm"
    candidates: int = 1  # of the call: each look of a stopping rule pays for all of them
    # why a side (baseline, candidate) that always reports the same is one draw of its chance; ""
    # where that is doubtful, as something else of it differs
    held: Mapping[str, str] = field(default_factory=dict)
    # why both vary and yet differ by one draw, which stands fixed on one side; "" if they do not
    apart: str = ""
    coarse: bool = False  # what trains draws on the seed, though all repeats of either side agree
    idle_step: str = ""  # what to do where they agree

    @property
    def paired(self) -> bool:
        """Whether repeats are joined by seed: on other evaluation data they are not."""
        return bool(self.count.pairs) and self.evaluation.same
