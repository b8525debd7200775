"""The smallest true effect that a comparison's design finds, and the repeats that its plan needs.

Numbers and spread go in, never the measured effect: "observed power" would only say p again. Before
there is a candidate the spread is that of the baseline's recorded repeats.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gitexp.comparison import advice, collapse, exclusions, sides
from gitexp.comparison.counting import Count, FoundRuns, SideCount, count
from gitexp.comparison.designs import crossed, folds, predictions, repeats, resplits
from gitexp.comparison.designs.foretold import (
    FEWEST_KNOWN,
    Foretold,
    PowerTerms,
    Spread,
    is_of_one_set,
)
from gitexp.comparison.designs.prediction_pairs import recorded_by
from gitexp.comparison.measure import Question, Values, means_of, samples_of, share_of
from gitexp.comparison.randomness.variation import equal
from gitexp.comparison.tally import Settled, baseline_seeds, settle
from gitexp.git import refs
from gitexp.model.clocked import is_clocked, is_resource
from gitexp.model.comparison import Detectable, MetricComparison, Missing, Role, SignificanceResult
from gitexp.model.design import PowerDesign, PowerRequest, Unit
from gitexp.model.metrics import is_rounding, mean, recorded
from gitexp.model.metrics import spread as spread_of
from gitexp.model.plan import Claim, Direction, HypothesisKind, OnFailed, Plan, Verdict
from gitexp.model.run import Origin
from gitexp.stats.decide import decide
from gitexp.stats.planned import detectable as distances
from gitexp.stats.stopping import least_p
from gitexp.stats.tests import NOUNS, named

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitexp.comparison.eligible import Counted
    from gitexp.comparison.gather import RunPool
    from gitexp.comparison.measure import CountedSides
    from gitexp.comparison.sides import Named, ResolvedSide
    from gitexp.model.result import VarianceShare

    _BothSides = tuple[list[tuple[Counted, float]], list[tuple[Counted, float]]]

POWER: Final = 0.8
FOLD: Final = NOUNS[Unit.FOLD]


def detectable(
    metric: MetricComparison, plan: Plan, known: Spread, *, paired: bool
) -> Detectable | None:
    """Return what the design of the primary metric finds; None where nothing varies, or too little.

    `known`: noise and prices, by which `gitexp power` would go; `paired`: whether repeats are
    joined by seed. What is needed beyond the planned repeats is needed of a next plan.

    Notes
    -----
    Repeats: simulated or exact power of the planned test under the plan's rule, see
    `foreseen.Outlook`. All else (examples, folds, data sets) by the standard error that the
    interval was made from.
    """
    result = metric.result
    if result is None:
        return None
    units = min(metric.n_baseline, metric.n_candidate)
    part = named(result.plan.test).part
    whole = len(metric.candidate_values) == metric.n_candidate
    # one of a repeat, which divides the table anew
    unit = f"{'split' if part == FOLD and whole else part or 'example'}s"
    enough: int | None = None
    if plan.claim is Claim.METHOD and not part and whole:
        unit = "pairs" if paired else "repeats a side"
        if metric.variance is not None:
            unit = f"{unit} on the same {metric.variance.examples} examples"
        told = _foretold(plan, known, paired=paired)
        promised = _promised(known.mean, plan)
        size = told.unchanged().smallest(units, POWER) if told.spread > 0 else None
        if size is None:
            return None
        sd, distance = told.spread, size * told.spread
        if promised is not None:
            enough = told.needed(promised, known.again)
    else:
        error = _error(metric, units)
        if error is None:
            return None
        alpha, later = (
            plan.effect.level(plan.alpha / by) for by in (known.price, known.again or known.price)
        )
        power = (1 + POWER) / 2 if plan.effect.kind is HypothesisKind.EQUIVALENCE else POWER
        df = units - 1 if part else math.inf
        distance, next_one = (distances.found_at(power, at, df) * error for at in (alpha, later))
        sd = _of_one(metric, part) or error * math.sqrt(units)
        promised = _promised(metric.mean_baseline, plan)
        if named(result.plan.test).unit is Unit.FOLD:
            promised = None  # more folds of the same data share what they were trained on
        if promised is not None and promised > next_one * math.sqrt(units / distances.MOST):
            enough = math.ceil(units * (next_one / promised) ** 2)
    return Detectable(
        distance=distance,
        relative=distance / metric.mean_baseline if metric.mean_baseline > 0 else None,
        power=POWER,
        units=units,
        unit=unit,
        spread=sd,
        promised=promised,
        needed=enough,
    )


def _foretold(plan: Plan, known: Spread, *, paired: bool) -> Foretold:
    """Return the question of `gitexp power` about a plan as it stands."""
    design = PowerDesign.PAIRED if paired else PowerDesign.INDEPENDENT
    terms = PowerTerms(
        plan.metric,
        plan.direction,
        plan.effect,
        None,
        plan.alpha,
        POWER,
        design,
        plan.repeats,
        plan.stopping,
        plan,
        price=known.price,
    )
    return Foretold(terms, PowerRequest(), known)


def _promised(level: float | None, plan: Plan) -> float | None:
    margin = abs(plan.effect.margin)
    if plan.effect.relative:
        margin *= abs(level or 0.0)
    return margin if margin > 0 and math.isfinite(margin) else None


def _of_one(metric: MetricComparison, part: str) -> float | None:
    """Return the standard deviation of what one fold, split or data set gains; None for others."""
    parts = [(one.baseline, one.candidate) for one in metric.parts]
    pairs = zip(metric.baseline_values, metric.candidate_values, strict=True)
    parts = parts or [(old, new) for (_, old), (_, new) in pairs]
    full = part and len(parts) == metric.n_candidate
    return spread_of([new - old for old, new in parts]) if full else None


def _error(metric: MetricComparison, units: int) -> float | None:
    """Return the standard error behind the interval of the difference."""
    interval = metric.interval
    if interval is None or interval.low is None or interval.high is None or units < 2:  # noqa: PLR2004  no spread in one value
        return None
    error = distances.error_behind(
        interval.low, interval.high, confidence=interval.confidence, units=units
    )
    return error if error > 0 else None


def missing_repeats(
    count: Count, metric: MetricComparison | None, plan: Plan | None
) -> Missing | None:
    """Return what failed, with the best and the worst case; None where nothing did.

    Of the candidate every seed that was tried under the plan and never finished; of the baseline
    those that the candidate was run with.

    Notes
    -----
    In the worst case each missing value of the candidate is the worst value that either side
    ever had, and each of the baseline's the best; in the best case the other way round. A metric
    has no bounds on record that would do better. There are such cases for the tests that are
    imputable alone: folds, predictions and looks of a value that never was cannot be made up.
    """
    if plan is None or plan.claim is Claim.MODEL:
        return None
    left, right = count.failed
    if not left and not right:
        return None
    stopped = set(left) <= {*count.baseline.interrupted} and set(right) <= {
        *count.candidate.interrupted
    }
    plain = Missing(plan.on_failed, left, right, interrupted=stopped)
    if metric is None or metric.result is None or not named(metric.result.plan.test).imputable:
        return plain
    # also those without a partner: where the candidate fails is where the baseline may be bad
    values = [value for side in _known(count, metric.metric) for value in side.values()]
    low, high = min(values), max(values)
    if plan.direction is Direction.MIN:
        low, high = high, low
    best = _imputed(count, metric, plan, plain, (low, high))
    worst = _imputed(count, metric, plan, plain, (high, low))
    return replace(
        plain,
        best=_verdict(best, plan, metric, plain),
        worst=_verdict(worst, plan, metric, plain),
        best_p=None if best is None else best.p_support,
        worst_p=None if worst is None else worst.p_support,
    )


def obstacle_of(found: Missing | None) -> str:
    """Return why a yes is left open, "" where failed repeats do not keep it from being said."""
    if found is None or found.policy is OnFailed.DROP:
        return ""
    number = len({*found.baseline, *found.candidate})
    if found.interrupted:
        return (
            f"{number} {'seed has' if number == 1 else 'seeds have'} a repeat that did not finish"
        )
    word = "seed has a repeat" if number == 1 else "seeds have a repeat"
    return (
        f"{number} {word} that failed, and the plan does not say that the comparison goes on "
        "without (on_failed: drop)"
    )


def fragile(found: Missing | None, verdict: Verdict | None, metric: str) -> tuple[str, ...]:
    """Warn of a yes that the failed repeats could turn."""
    yes = verdict in {Verdict.SUPPORTED, Verdict.EQUIVALENT}
    if found is None or not yes or not found.worst or Verdict(found.worst) is verdict:
        return ()
    start = f"the verdict holds only if the failures have nothing to do with {metric}"
    return (f"{start}: were the missing as bad as the worst seen, it would be {found.worst}",)


def _imputed(
    count: Count, metric: MetricComparison, plan: Plan, lost: Missing, stand_in: tuple[float, float]
) -> SignificanceResult | None:
    """Test again with a value for each missing one of the baseline, and of the candidate."""
    paired = metric.result is not None and metric.result.plan.paired
    left, right = dict(metric.baseline_values), dict(metric.candidate_values)
    known_left, known_right = _known(count, metric.metric)
    seeds = {*lost.baseline, *lost.candidate} if paired else set(lost.baseline)
    left |= {seed: known_left.get(seed, stand_in[0]) for seed in seeds}
    seeds = {*lost.baseline, *lost.candidate} if paired else set(lost.candidate)
    right |= {seed: known_right.get(seed, stand_in[1]) for seed in seeds}
    question = Question(plan.metric, Role.PRIMARY, plan.direction, plan.effect, plan.alpha)
    sides = Values(tuple(sorted(left.items())), tuple(sorted(right.items())))
    answer = repeats.compare(question, sides, paired=paired)
    return None if answer.comparison is None else answer.comparison.result


def _known(count: Count, metric: str) -> tuple[dict[int, float], dict[int, float]]:
    """Return what is known of both sides, also of seeds whose partner failed."""
    left, right = (
        dict(means_of(samples_of(side.repeats, metric)))
        for side in (count.baseline, count.candidate)
    )
    return left, right


def _verdict(
    result: SignificanceResult | None, plan: Plan, metric: MetricComparison, found: Missing
) -> str:
    units = min(metric.n_baseline, metric.n_candidate) + len({*found.baseline, *found.candidate})
    return decide(plan.effect.kind, result, planned=plan.fewest, repeats=units).value


def mute_looks(plan: Plan) -> str:
    """Say which looks of a stopping rule can decide nothing, whatever comes; "" where all can."""
    rule, planned = plan.stopping, plan.repeats
    if rule is None:
        return ""
    one_sided = plan.effect.one_sided

    def can(n: int, of: int) -> bool:
        return least_p(rule, of, n, one_sided=one_sided) <= plan.alpha

    looks = rule.at(planned) if rule.looks else (planned,)
    mute = [n for n in looks if not can(n, planned)]
    if not mute:
        return ""
    if len(mute) < len(looks):
        then = f"the look at {looks[len(mute)]} is the first that can"
    else:
        then = f"--repeats {next(n for n in itertools.count(planned) if can(n, n))} would do"
    least = least_p(rule, planned, mute[-1], one_sided=one_sided)
    return advice.cannot_decide(plan, mute[-1], f"{least:.2g} over all looks at best", then)


def of_baseline(world: RunPool, side: ResolvedSide, metric: str, asked: Named) -> Spread:
    """Return mean and spread over the baseline's repeats that count; too few: over all known."""
    files = side.config.metrics
    world = world.at(side.records, asked.holder)
    world.read([side.inputs], ())
    there, _ = world.of([side.inputs], None, [side.records, asked.holder])
    runs = tuple(item for item in there.values() if item.run.origin is Origin.OBSERVED)
    known: list[tuple[Counted, float]] = []
    used: list[Counted] = []
    paired: _BothSides = [], []
    pairs, apart = (0, 0.0), False
    price, again, step = 1, 0, ""
    settled: Settled | None = None
    if asked.plan is not None:
        at = sides.settled(world.repo, asked)
        candidate = sides.source(world.repo, asked, at, world.index)
        settled = settle(world, side, candidate, asked.plan)
        if candidate.inputs != side.inputs:
            price = settled.chances
            other = settled.amended() if settled.count.place else price
            again = other if other > price or settled.everything.candidate.repeats else 0
            on_it = refs.head(world.repo).branch == asked.plan.branch
            step = exclusions.onward(asked.plan, settled.count, paired=settled.paired, on_it=on_it)
            step = exclusions.deciding(world.repo, settled, step)
        used = [settled.judged.baseline.repeats[seed] for seed in settled.baseline]
        known = _values(used, metric, files)
        if metric == asked.plan.metric:
            paired, apart = _paired(settled, asked.plan)
            left, right = ([value for _, value in of] for of in paired)
            pairs = _of_sides(left, right, asked.plan, paired=not apart)
    if len(known) < FEWEST_KNOWN:
        all_known = count(FoundRuns(runs), None, side.inputs, side.inputs, world.earlier)
        used = collapse.kept(all_known.baseline.repeats.values(), asked.plan)
        known = _values(used, metric, files)
    top = world.repo.workspace.top
    splits = None if is_clocked(metric) else resplits.of_side(top, side, used)
    told = replace(
        _told(known, pairs), runs=tuple(each.run for each in runs), splits=splits, price=price
    )
    told = replace(told, again=again, step=step, apart=apart)
    names = {s.metric for item, _ in known for s in item.samples.values()}
    name = recorded(metric, names, files) or metric
    cells = samples_of({item.repeat.seed: item for item, _ in known}, name).values()
    sets = {dataset for each in cells for _, _, dataset in each}
    if len(sets) > 1:
        return replace(told, datasets=len(sets))
    if (by_fold := folds.known((item for item, _ in known), name)) is not None:
        return replace(told, folds=by_fold)
    shown = not is_clocked(metric) and predictions.is_known(metric) and is_of_one_set(told)
    if not (shown and known and all(recorded_by(item, side) for item, _ in known)):
        return told
    told = replace(told, crossed=True, noise=crossed.of_side(top, side, known, metric))
    if settled is None or asked.plan is None or not pairs[1] or apart:
        return told
    share = share_of(asked.plan.effect, asked.plan.direction)
    joined = list(zip(*paired, strict=True))
    return replace(told, gains=crossed.of_gains(top, settled.sides, joined, metric, share))


def _paired(settled: Settled, plan: Plan) -> tuple[_BothSides, bool]:
    """Return the repeats of both sides that are compared, each with its value.

    In the order of common seeds; also whether they do not pair. Then there are all planned ones:
    before that a partner may come.
    """
    paired, judged = settled.paired, settled.judged

    def values(side: SideCount, at: ResolvedSide) -> dict[int, tuple[Counted, float]]:
        used = [side.repeats[seed] for seed in (judged.pairs if paired else sorted(side.repeats))]
        found = _values(used, plan.metric, at.config.metrics)
        return {item.repeat.seed: (item, value) for item, value in found}

    sides = zip((judged.baseline, judged.candidate), settled.sides, strict=True)
    left, right = (values(*side) for side in sides)
    if not paired and min(len(left), len(right)) >= judged.left_of(plan.repeats):
        return (list(left.values()), list(right.values())), True
    common = sorted(left.keys() & right.keys()) if paired else []
    return ([left[seed] for seed in common], [right[seed] for seed in common]), False


def of_counted(
    situation: CountedSides, metric: MetricComparison, plan: Plan, gains: VarianceShare | None
) -> Spread:
    """Return what the repeats of a comparison tell of noise, as `of_baseline` has it of a plan.

    `gains`: where the noise of what its pairs gain beyond the promise comes from, over one set.
    """
    count, side = situation.count, situation.baseline
    used = [count.baseline.repeats[seed] for seed in baseline_seeds(count, plan)]
    known = _values(used, plan.metric, side.config.metrics)
    both = metric.baseline_values, metric.candidate_values
    left, right = ([value for _, value in of] for of in both)
    pairs = _of_sides(left, right, plan, paired=situation.paired)
    told = replace(_told(known, pairs), crossed=gains is not None, gains=gains)
    return replace(told, apart=not situation.paired)


def _told(known: list[tuple[Counted, float]], pairs: tuple[int, float]) -> Spread:
    """Return mean and spread of a side's repeats, and those of pairs."""
    values = [value for _, value in known]
    # what only rounding sets apart are copies, whose spread would promise an answer from two
    sd = spread_of(values) if len(values) >= FEWEST_KNOWN and not equal(values) else None
    mid = mean(values) if values else None
    return Spread(len(values), mid, sd, pairs=pairs)


def _of_sides(
    left: list[float], right: list[float], plan: Plan, *, paired: bool
) -> tuple[int, float]:
    """Return how many repeats count on each side, and the spread of what they gain.

    Beyond the promise, of a pair; of one side where they do not pair.
    """
    n, share = min(len(left), len(right)), share_of(plan.effect, plan.direction)
    if not all(map(math.isfinite, (*left, *right))):
        return n, 0.0
    if paired:
        found = spread_of([new - share * old for old, new in zip(left, right, strict=True)])
    else:
        one, two = spread_of(left), spread_of(right)
        found = None if one is None or two is None else math.hypot(share * one, two) / math.sqrt(2)
    return n, 0.0 if found is None or is_rounding(found, (*left, *right)) else found


def _values(
    repeats: Iterable[Counted], metric: str, files: tuple[str, ...]
) -> list[tuple[Counted, float]]:
    """Return the value of each repeat that has one; folds count as their mean."""
    found: list[tuple[Counted, float]] = []
    for item in repeats:
        name = recorded(metric, {s.metric for s in item.samples.values()}, files)
        name = metric if name is None and is_resource(metric) else name or ""
        found += (
            (item, value) for _, value in means_of(samples_of({item.repeat.seed: item}, name))
        )
    return found
