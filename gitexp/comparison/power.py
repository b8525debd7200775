"""`gitexp power`: the repeats that a promise needs, before anybody has run them.

The spread comes from the baseline's recorded repeats or from the user, the size to be found from
the promise; a measured effect is not an argument. Where the user says it all, nothing is looked up
that is not there: arithmetic needs neither a plan nor a repository.
"""

from __future__ import annotations

import math
import shlex
from typing import TYPE_CHECKING

from gitexp.comparison import exclusions, siblings, sides
from gitexp.comparison.designs import predictions, resplits
from gitexp.comparison.detectable import FEWEST_KNOWN, Spread, is_of_one_set, of_baseline
from gitexp.comparison.gather import RunPool
from gitexp.comparison.known_metrics import (
    Duration,
    direction_of,
    duration_of,
    known_metrics,
    last_duration,
)
from gitexp.comparison.sides import Named
from gitexp.errors import NoRepositoryError, NotInitialisedError, UnbornBranchError, UsageError
from gitexp.git import repository
from gitexp.git.transaction.cache import Index, open_index
from gitexp.model import dataclass, replace
from gitexp.model.design import PowerDesign, PowerReport, PowerRequest, Price, Splits
from gitexp.model.metrics import NO_RULE, ONE_TABLE
from gitexp.model.plan import (
    ALPHA,
    REPEATS,
    Claim,
    Direction,
    Effect,
    HypothesisKind,
    Plan,
    Stopping,
)
from gitexp.records.terms import check_alpha, format_effect, parse_effect
from gitexp.stats.planned import detectable
from gitexp.stats.planned.foreseen import Outlook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.git.repository import Repo
    from gitexp.model.config import ProjectConfig
    from gitexp.model.ids import CommitHash
    from gitexp.model.workspace import Workspace

_EXAMPLES = 1_000  # judged where nobody says a number
_OF_EXAMPLES = {PowerDesign.ACCURACY: "the accuracy", PowerDesign.AREA: "the area"}


@dataclass(frozen=True, slots=True)
class _Terms:
    """What is asked, with every default filled in."""

    metric: str
    direction: Direction
    effect: Effect
    gain: Effect | None
    alpha: float
    power: float
    design: PowerDesign
    units: int
    stopping: Stopping | None = None
    plan: Plan | None = None  # of this metric
    factor: int = 1  # what p is multiplied by at worst: by Holm's place, and the price of a try

    @property
    def level(self) -> float:
        """Of each one-sided test."""
        return self.effect.level(self.alpha / self.factor)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the repository says; nothing where there is none, or no project in it."""

    plan: Plan | None = None
    config: ProjectConfig | None = None
    found: Spread = Spread(0, None, None)
    duration: Duration | None = None
    shared: tuple[str, ...] = ()  # experiments with results on the same data


def power(workspace: Workspace | None, request: PowerRequest | None = None) -> PowerReport:
    """Say how many repeats, or examples, a promise needs, and what the planned ones find.

    Parameters
    ----------
    workspace : Workspace or None
        None: nothing is recorded anywhere, and the request says all that is needed.
    request : PowerRequest, optional
        By default the plan of the current branch is asked about.

    Raises
    ------
    UsageError
        If something is asked that has no answer without a further option; it names the option.
    UnknownExperimentError, BadEffectError
    NoRepositoryError, NotInitialisedError, UnbornBranchError
        If something has to be looked up, and there is nowhere to look.
    """
    request = request or PowerRequest()
    try:
        known = _looked_up(workspace, request)
    except (NoRepositoryError, NotInitialisedError, UnbornBranchError):
        if not request.is_complete:
            raise
        known = _Known()
    terms = _terms(request, known)
    if terms.design in _OF_EXAMPLES:
        return _of_examples(request, terms, known)
    return _of_repeats(request, terms, known)


def _looked_up(workspace: Workspace | None, request: PowerRequest) -> _Known:
    """Return the plan that is asked about, and what the baseline's repeats say."""
    if workspace is None:
        raise NoRepositoryError("there is no Git repository here")
    repo = repository.open_repository(workspace)
    with open_index(workspace) as index:
        name = request.name
        named = sides.find(repo, index, name) if name else sides.current(repo, index)
        base = named
        if named.plan is not None:
            base = sides.planned_baseline(repo, named.plan, named, index)
        return _known(repo, index, base, named, request.metric)


def of_plan(repo: Repo, index: Index, plan: Plan, start: CommitHash) -> PowerReport | None:
    """Return what a plan's repeats find; None for a claim about models, or without a spread."""
    if plan.claim is Claim.MODEL:
        return None
    base = sides.planned_baseline(repo, plan, Named(plan.branch, start), index)
    known = _known(repo, index, base, Named(plan.name, start, plan=plan), None)
    request = PowerRequest()
    return _of_repeats(request, _terms(request, known), known) if known.found.sd else None


def splits_of(repo: Repo, index: Index, plan: Plan, start: CommitHash) -> str:
    """Say that a baseline's seeds divide one table anew; "" where no recorded prediction does."""
    base = sides.planned_baseline(repo, plan, Named(plan.branch, start), index)
    splits = _known(repo, index, base, Named(plan.name, start, plan=plan), None).found.splits
    shown = f"{ONE_TABLE}, as recorded predictions of the baseline show"
    return shown if isinstance(splits, Splits) else splits or ""


def _known(repo: Repo, index: Index, base: Named, named: Named, metric: str | None) -> _Known:
    """Return what the repeats of a baseline say of a metric, by default that of the plan."""
    side = sides.source(repo, base, sides.settled(repo, named), index)
    if metric:
        known_metrics(repo, base.commit, side.config).refuse_unclear(metric)
    elif named.plan is not None:
        metric = named.plan.metric
    world = RunPool(repo, index)
    found = of_baseline(world, side, metric or "", named)
    seconds = last_duration(repo, side.config, base.holder, named.holder) or duration_of(found.runs)
    shared = siblings.sharing(world, side, named)
    return _Known(named.plan, side.config, found, seconds, shared)


def _terms(request: PowerRequest, known: _Known) -> _Terms:
    plan = known.plan
    metric = request.metric or (plan.metric if plan is not None else None)
    if metric is None and request.is_complete:
        metric = _OF_EXAMPLES.get(request.design or PowerDesign.PAIRED, "the metric")
    if metric is None:
        raise UsageError(
            "there is no plan here, so a metric has to be named",
            next_step='gitexp power --metric f1:max --effect ">=5%"',
        )
    mine = plan if plan is not None and plan.metric == metric else None
    by_name = None if known.config is None else direction_of(metric, known.config)
    usual = by_name or Direction.MAX
    direction = request.direction or (usual if mine is None else mine.direction)
    effect = Effect(HypothesisKind.SUPERIORITY, 0.0, relative=False, strict=True)
    if request.effect is not None:
        effect = parse_effect(request.effect, direction)
    elif mine is not None:
        effect = mine.effect
    gain = None
    if request.gain is not None:
        gain = parse_effect(f">={request.gain.lstrip('+')}", Direction.MAX)
    models = mine is not None and mine.claim is Claim.MODEL
    design = request.design or (PowerDesign.ACCURACY if models else PowerDesign.PAIRED)
    planned, alpha = (REPEATS, ALPHA) if mine is None else (mine.repeats, mine.alpha)
    if request.alpha is not None:
        alpha = check_alpha(request.alpha)
    return _Terms(
        metric,
        direction,
        effect,
        gain,
        alpha,
        request.power,
        design,
        request.n or (_EXAMPLES if design in _OF_EXAMPLES else planned),
        mine.stopping if mine is not None and request.n is None else None,
        mine,
        (len(known.shared) + 1) * known.found.price,
    )


def _of_repeats(request: PowerRequest, terms: _Terms, known: _Known) -> PowerReport:
    found, sd = known.found, request.sd
    one_side = sd if sd is not None else found.sd
    if not one_side:
        relative = any(each is not None and each.relative for each in (terms.effect, terms.gain))
        mean_too = " --baseline-value 0.8" if relative and found.mean is None else ""
        raise UsageError(
            "the spread of the baseline is not known",
            found=f"{found.n} repeats that report {terms.metric}",
            expected=f"{FEWEST_KNOWN} repeats with some variation, or --sd",
            next_step=f"gitexp power{_typed(request)} --sd 0.01{mean_too}",
        )
    paired = terms.design is PowerDesign.PAIRED
    spread = one_side * math.sqrt(2) if paired else one_side
    band = terms.effect.kind is HypothesisKind.EQUIVALENCE
    first_rules = terms.plan is not None and terms.plan.rules == 1  # they keep their test
    splits = found.splits if paired and not first_rules else None
    ratio = splits.ratio if isinstance(splits, Splits) else 0.0
    rule = None if ratio else terms.stopping
    outlook = Outlook(rule, terms.units, terms.level, paired, band, ratio)
    mean = found.mean if request.area is None else request.area
    _, distance = question = _question(terms, mean)
    needed = reached = None
    if distance is not None:
        needed = outlook.needed(distance / spread, terms.power)
        reached = outlook.power_at(distance / spread)
    least = outlook.smallest(terms.units, terms.power)
    basis = "the spread as given" if sd is not None else f"the spread of {found.n} baseline repeats"
    assumed = [f"normal values; {basis}, {one_side:.3g}, also for the candidate"]
    if paired:
        assumed.append("as if common seeds had nothing in common; where they do, fewer will do")
    if ratio or not is_of_one_set(found):
        assumed.append(resplits.foretold(splits))
    if paired and predictions.is_known(terms.metric) and is_of_one_set(found):
        assumed.append(
            "over repeats alone: the noise of the one test set that all of them predicted is left "
            "out, which compare adds and more repeats do not lessen"
        )
    if rule is not None:
        assumed.append(f"the price of looking early, by the rule {rule.rule.value}")
    elif terms.stopping is not None:
        assumed.append(f"a single look: {NO_RULE}")
    assumed += _divided(known)
    return replace(
        _report(request, terms, "pairs" if paired else "repeats a side", question, needed),
        spread=spread,
        reached=reached,
        detectable=None if least is None else least * spread,
        price=_price(needed or terms.units, known.duration),
        assumed=tuple(assumed),
    )


def _divided(known: _Known) -> Iterator[str]:
    """Say by what alpha is divided, where it is."""
    if known.shared:
        yield f"alpha / {len(known.shared) + 1}: {siblings.with_results(known.shared)} (Holm)"
    if known.found.price > 1:
        yield f"alpha / {known.found.price}: other tries of this candidate had results"


def _report(
    request: PowerRequest,
    terms: _Terms,
    unit: str,
    question: tuple[str, float | None],
    needed: int | None,
) -> PowerReport:
    told, distance = question
    return PowerReport(
        metric=terms.metric,
        promise=format_effect(terms.effect, terms.metric, terms.direction),
        unit=unit,
        question=told,
        distance=distance,
        alpha=terms.alpha,
        power=terms.power,
        needed=needed,
        units=terms.units,
        next_step=_next_step(terms, needed, distance, request),
    )


def _of_examples(request: PowerRequest, terms: _Terms, known: _Known) -> PowerReport:
    level = request.area if request.area is not None else known.found.mean
    if level is None or not 0 < level < 1:
        raise UsageError(
            f"the baseline's {terms.metric} is not known as a share",
            found="nothing" if level is None else f"{level:g}",
            expected="a number between 0 and 1",
            next_step="the same with --baseline-value 0.8",
        )
    _, distance = question = _question(terms, level)
    needed: int | None = None
    assumed: tuple[str, ...]
    if terms.design is PowerDesign.AREA:
        if request.share is None:
            raise UsageError(
                "an area under a curve needs the share of positive examples",
                next_step="the same with --positives 0.3",
            )
        assumed = (
            f"Hanley and McNeil's error of an area of {level:g}, {request.share:.0%} positive",
            f"a correlation of {request.correlation:g} between the two areas",
        )
        if distance is not None:
            needed = detectable.examples_needed_for_area(
                level,
                distance,
                share=request.share,
                correlation=request.correlation,
                reach=detectable.found_at(terms.power, terms.level),
            )
    else:
        discordant, said = request.discordant, "as given"
        if discordant is None:
            other = min(1.0, level + (distance or 0.0))
            discordant = level * (1 - other) + other * (1 - level)
            said = (
                "as if the two models' errors had nothing in common; where they do, fewer will do"
            )
        assumed = (f"{discordant:.1%} of the examples right in one model only, {said}",)
        if distance is not None:
            needed = detectable.examples_needed_for_share(
                distance, discordant=discordant, power=terms.power, alpha=terms.level
            )
    assumed += tuple(_divided(known))
    return replace(_report(request, terms, "examples", question, needed), assumed=assumed)


def _question(terms: _Terms, mean: float | None) -> tuple[str, float | None]:
    """Return what is told from what, and how far apart the two are in the metric's unit."""
    promise = format_effect(terms.effect, terms.metric, terms.direction)
    margin = _in_units(terms.effect, mean)
    if terms.effect.kind is HypothesisKind.EQUIVALENCE:
        return f"show that {promise}, if in truth nothing changes", margin
    if terms.gain is None:
        if margin == 0:
            return f"show that {promise}", None
        if margin < 0:
            return f"show that {promise}, if in truth nothing changes", -margin
        return f"refute the promise that {promise}, if in truth nothing changes", margin
    gain = _in_units(terms.gain, mean)
    true = format_effect(terms.gain, terms.metric, terms.direction)
    if gain <= margin:
        return f"tell from the promise that {promise}, if in truth {true}", (margin - gain) or None
    return f"show that {promise}, if in truth {true}", gain - margin


def _in_units(effect: Effect, mean: float | None) -> float:
    if not effect.relative or effect.margin == 0:
        return effect.margin
    if mean is None or mean <= 0:
        raise UsageError(
            "a share of the baseline needs the baseline's mean",
            found="no recorded value" if mean is None else f"a mean of {mean:g}",
            next_step="the same with --baseline-value, its mean; or gitexp run first",
        )
    return effect.margin * mean


def _price(repeats: int, one: Duration | None) -> Price:
    if one is None:
        return Price(2 * repeats, None, "no run of the baseline is recorded yet")
    return Price(2 * repeats, 2 * repeats * one.seconds, f"run {one.run[:8]}")


def _next_step(
    terms: _Terms, needed: int | None, distance: float | None, request: PowerRequest
) -> str:
    if distance is None:
        return "the same with --gain SIZE, the true gain that should be found"
    asked = _typed(request, "metric", "effect", "hypothesis")
    if terms.design in _OF_EXAMPLES:
        return f"gitexp new NAME --claim model{asked}"
    if needed is None:
        return "a larger margin, less noise or more data: no number of repeats is enough"
    if terms.plan is not None and not _typed(request):
        return exclusions.planning(terms.plan, needed)
    return f"gitexp new NAME --repeats {needed}{asked}"


def _typed(request: PowerRequest, *more: str) -> str:
    """Return the promise as it was typed, for the next command line; of `more` what it lacks."""
    way = "" if request.direction is None else f":{request.direction.value}"
    terms = {
        "metric": request.metric and request.metric + way,
        "effect": request.effect,
        "alpha": request.alpha and f"{request.alpha:g}",
    }
    said = "".join(f" --{name} {shlex.quote(text)}" for name, text in terms.items() if text)
    return said + "".join(f" --{name} ..." for name in more if not terms.get(name))
