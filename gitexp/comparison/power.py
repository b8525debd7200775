"""`gitexp power`: the repeats that a promise needs, before anybody has run them.

The spread comes from the baseline's recorded repeats or from the user, the size to be found from
the promise; a measured effect is not an argument. Where the user says it all, nothing is looked up
that is not there: arithmetic needs neither a plan nor a repository.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from gitexp.comparison import exclusions, known_metrics, siblings, sides
from gitexp.comparison.designs.foretold import FEWEST_KNOWN, Foretold, PowerTerms, Spread
from gitexp.comparison.detectable import of_baseline
from gitexp.comparison.gather import RunPool
from gitexp.comparison.sides import Named
from gitexp.errors import NoRepositoryError, NotInitialisedError, UnbornBranchError, UsageError
from gitexp.git import repository
from gitexp.git.transaction.cache import Index, open_index
from gitexp.model import dataclass, replace
from gitexp.model.design import PowerDesign, PowerReport, PowerRequest, Price, Splits, Support
from gitexp.model.metrics import ONE_TABLE
from gitexp.model.plan import (
    ALPHA,
    REPEATS,
    Claim,
    Direction,
    Effect,
    HypothesisKind,
    Plan,
    Verdict,
)
from gitexp.records.terms import (
    check_alpha,
    format_effect,
    parse_effect,
    parse_expected,
    truth_text,
)
from gitexp.stats.planned.foreseen import OfExamples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.git.repository import Repo
    from gitexp.model.config import ProjectConfig
    from gitexp.model.ids import CommitHash
    from gitexp.model.workspace import Workspace

_CORRELATION = 0.5  # of two areas, where nobody says it
_EXAMPLES = 1_000  # judged where nobody says a number
_NO_CHANGE = Effect(HypothesisKind.SUPERIORITY, 0.0, relative=False)
_EXPECTED = "the same with --expect SIZE, the true effect that you expect"
_OF_EXAMPLES = {PowerDesign.ACCURACY: "the accuracy", PowerDesign.AREA: "the area"}


@dataclass(frozen=True, slots=True)
class _Known:
    """What the repository says; nothing where there is none, or no project in it."""

    plan: Plan | None = None
    config: ProjectConfig | None = None
    found: Spread = Spread(0, None, None)
    duration: known_metrics.Duration | None = None
    shared: tuple[str, ...] = ()  # experiments with results on the same data
    repo: Repo | None = None

    def price(self, repeats: int) -> Price:
        """Return what so many repeats on both sides cost."""
        return known_metrics.priced(self.repo, repeats, self.duration)


def power(workspace: Workspace | None, request: PowerRequest | None = None) -> PowerReport:
    """Say how likely a promise is supported, and how many repeats, or examples, it needs.

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
    Foretold(terms, request, known.found).refuse_idle()
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


def of_plan(
    repo: Repo, index: Index, plan: Plan, start: CommitHash, expect: str | None = None
) -> PowerReport | None:
    """Return what a plan's repeats find; None for a claim about models, or without a spread."""
    if plan.claim is Claim.MODEL:
        return None
    base = sides.planned_baseline(repo, plan, Named(plan.branch, start), index)
    known = _known(repo, index, base, Named(plan.name, start, plan=plan), None)
    request = PowerRequest(expect=expect)
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
        known_metrics.known_metrics(repo, base.commit, side.config).refuse_unclear(metric)
    elif named.plan is not None:
        metric = named.plan.metric
    world = RunPool(repo, index)
    found = of_baseline(world, side, metric or "", named)
    seconds = known_metrics.last_duration(
        repo, side.config, base.holder, named.holder
    ) or known_metrics.duration_of(found.runs)
    shared = siblings.sharing(world, side, named)
    return _Known(named.plan, side.config, found, seconds, shared, repo)


def _terms(request: PowerRequest, known: _Known) -> PowerTerms:
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
    by_name = None if known.config is None else known_metrics.direction_of(metric, known.config)
    usual = by_name or Direction.MAX
    direction = request.direction or (usual if mine is None else mine.direction)
    effect = Effect(HypothesisKind.SUPERIORITY, 0.0, relative=False, strict=True)
    if request.effect is not None:
        effect = parse_effect(request.effect, direction)
    elif mine is not None:
        effect = mine.effect
    expect = None if request.expect is None else parse_expected(request.expect, direction)
    models = mine is not None and mine.claim is Claim.MODEL
    usual_design = PowerDesign.INDEPENDENT if mine and known.found.apart else PowerDesign.PAIRED
    design = request.design or (PowerDesign.ACCURACY if models else usual_design)
    planned, alpha = (REPEATS, ALPHA) if mine is None else (mine.repeats, mine.alpha)
    if request.alpha is not None:
        alpha = check_alpha(request.alpha)
    terms = PowerTerms(
        metric,
        direction,
        effect,
        expect,
        alpha,
        request.power,
        design,
        request.n or (_EXAMPLES if design in _OF_EXAMPLES else planned),
        mine.stopping if mine is not None and request.n is None else None,
        mine,
        known.shared,
    )
    return replace(
        terms, price=known.found.price if terms.own else known.found.again or known.found.price
    )


def _of_repeats(request: PowerRequest, terms: PowerTerms, known: _Known) -> PowerReport:
    found, paired = known.found, terms.design is PowerDesign.PAIRED
    told = Foretold(terms, request, found)
    if not (told.by_pairs or told.one_side):
        relative = any(each is not None and each.relative for each in (terms.effect, terms.expect))
        mean_too = " --baseline-value 0.8" if relative and found.mean is None else ""
        raise UsageError(
            "the spread of the baseline is not known",
            found=f"{found.n} repeats that report {terms.metric}",
            expected=f"{FEWEST_KNOWN} repeats with some variation, or --sd",
            next_step=f"gitexp power{_name(request)}{_typed(request)} --sd 0.01{mean_too}",
        )
    mean, spread = found.mean if request.area is None else request.area, told.spread
    margin, truth = _in_units(terms.effect, mean), _truth(terms, mean)
    cautious, best = told.outlooks(margin if truth is None else truth)
    least = (cautious or best).smallest(terms.units, terms.power)
    support = Support(least=None if least is None or told.band else margin + least * spread)
    if truth is not None:
        size = (margin if told.band else truth - margin) / spread
        support = replace(
            support,
            chance=None if cautious is None else cautious.power_at(size),
            up_to=None if cautious == best else best.power_at(size),
            needed=None if cautious is None else cautious.needed(size, terms.power),
            needed_from=None if cautious == best else best.needed(size, terms.power),
        )
    needed = reached = None
    if margin:  # what has to be told from no change at all
        own = terms.plan is not None and terms.own
        needed = told.needed(abs(margin), found.again if own else 0)
        reached = told.unchanged().power_at(abs(margin) / spread)
    report = replace(
        _report(request, terms, margin, (needed, truth, support), mean),
        unit="pairs" if paired else "repeats a side",
        spread=spread * told.of_pair,
        reached=reached,
        detectable=None if least is None else least * spread,
        price=known.price(support.planned(terms.units) or terms.units),
        assumed=(*told.assumed(), *_divided(terms, request, known)),
    )
    return _with_next_try(report, told, known)


def _with_next_try(report: PowerReport, told: Foretold, known: _Known) -> PowerReport:
    """Return a report whose numbers beyond the planned ones are those of a next plan, its try."""
    terms, of, again = told.terms, report.support, known.found.again
    if terms.plan is None or not terms.own or not again:
        return replace(report, next_step=_onward(told, of, known, None))
    later, planned, more = replace(terms, price=again), terms.units, of.planned(terms.units)
    fewest = max(more or 0, planned + 1)
    if report.distance and (report.needed is None or report.needed > planned):
        fewest = fewest if of.truth else max(fewest, report.needed or 0)
    other = _of_repeats(told.request, replace(later, units=fewest), known)
    step = _onward(told, of, known, other)
    report = replace(report, next_step=step, again=again if again > terms.price else 0)
    if not of.truth or (more is not None and more <= planned):
        return report
    beyond = other.support
    of = replace(of, needed=beyond.needed, needed_from=beyond.needed_from)
    return replace(report, support=of, price=known.price(of.planned(planned) or planned))


def _onward(told: Foretold, support: Support, known: _Known, other: PowerReport | None) -> str:
    """Return what brings a question about repeats further: of a plan as it stands its own step.

    `other`: the same about the next try, where a plan cannot grow.
    """
    terms, request, plan = told.terms, told.request, told.terms.plan
    can = max(terms.units, told.can_decide())
    needed = support.planned(terms.units) if support.truth else can
    if plan is None or not terms.own or needed is None:
        return _next_step(terms, support, request, needed)
    first, step = "" if support.truth else f"{_EXPECTED}; or ", known.found.step
    if needed <= plan.repeats and not step.startswith(exclusions.COMPARE):
        return first + step
    if other is None:
        return f"{first}gitexp amend-plan{_name(request)} --repeats {needed} --why TEXT"
    new = other.next_step
    return f"{first}{step}; to go on: {new.removeprefix(first)}" if needed <= plan.repeats else new


def _divided(terms: PowerTerms, request: PowerRequest, known: _Known) -> Iterator[str]:
    """Say by what alpha is divided, where it is, and what it would be of a next try."""
    shared, again = known.shared, known.found.again
    if shared:
        yield f"alpha / {len(shared) + 1}: {siblings.with_results(shared)} (Holm)"
    if terms.price > 1 and terms.own:
        yield f"alpha / {terms.price}: tries before this one had results"
    elif terms.price > 1:
        yield f"alpha / {terms.price}: this would be the next try, and others had results"
    if terms.own and again > terms.price:
        can = Foretold(replace(terms, price=again), request, known.found).can_decide()
        yield (
            f"the plan as it stands; an amendment of it, or another plan of this candidate, is its "
            f"next try: alpha / {again}, {can} repeats at least"
        )


def _report(
    request: PowerRequest,
    terms: PowerTerms,
    margin: float,
    found: tuple[int | None, float | None, Support],
    mean: float | None,
) -> PowerReport:
    """Return what is the same for repeats and examples."""
    needed, truth, support = found
    promise = format_effect(terms.effect, terms.metric, terms.direction)
    shown = terms.effect.kind is HypothesisKind.EQUIVALENCE or margin <= 0
    question = f"show that {promise}" if shown else f"refute the promise that {promise}"
    if truth is not None:
        gain = terms.expect or _NO_CHANGE
        support = replace(support, truth=truth_text(gain, terms.metric, terms.direction))
    if terms.effect.kind is HypothesisKind.EQUIVALENCE:
        support = replace(support, verdict=Verdict.EQUIVALENT)
    elif support.least is not None and mean is not None and mean > 0:
        support = replace(support, least_share=support.least / mean)
    return PowerReport(
        metric=terms.metric,
        promise=promise,
        unit="examples",
        question=f"{question}, if in truth nothing changes" if margin else question,
        distance=abs(margin) or None,
        alpha=terms.alpha,
        power=terms.power,
        needed=needed,
        units=terms.units,
        support=support,
        next_step=_next_step(terms, support, request),
    )


def _of_examples(request: PowerRequest, terms: PowerTerms, known: _Known) -> PowerReport:
    level = request.area if request.area is not None else known.found.mean
    if level is None or not 0 < level < 1:
        raise UsageError(
            f"the baseline's {terms.metric} is not known as a share",
            found="nothing" if level is None else f"{level:g}",
            expected="a number between 0 and 1",
            next_step="the same with --baseline-value 0.8",
        )
    margin, truth = _in_units(terms.effect, level), _truth(terms, level)
    if terms.design is PowerDesign.AREA:
        if request.share is None:
            raise UsageError(
                "an area under a curve needs the share of positive examples",
                next_step="the same with --positives 0.3",
            )
        correlation = _CORRELATION if request.correlation is None else request.correlation
        told = OfExamples(level, terms.level, positives=request.share, correlation=correlation)
        assumed: tuple[str, ...] = (
            f"Hanley and McNeil's error of an area of {level:g}, {request.share:.0%} positive",
            f"a correlation of {correlation:g} between the two areas",
        )
    else:
        told = OfExamples(level, terms.level, request.discordant)
        said = "as if the two models' errors had nothing in common; where they do, fewer will do"
        said = said if request.discordant is None else "as given"
        share = told.apart(margin if truth is None else truth)
        assumed = (f"{share:.1%} of the examples right in one model only, {said}",)
    band = terms.effect.kind is HypothesisKind.EQUIVALENCE
    least = None if band else told.least(terms.units, margin, terms.power)
    support = Support(least=least)
    if truth is not None:
        both = (truth, margin) if not band else (margin, abs(truth))  # the nearer limit alone
        chance, number = told.chance(terms.units, *both), told.needed(*both, terms.power)
        support = replace(support, chance=chance, needed=number)
    tell = (0.0, -abs(margin))  # by as much as promised from no change
    needed = told.needed(*tell, terms.power) if margin else None
    reached = told.chance(terms.units, *tell) if margin else None
    assumed += tuple(_divided(terms, request, known))
    return replace(
        _report(request, terms, margin, (needed, truth, support), level),
        reached=reached,
        assumed=assumed,
    )


def _truth(terms: PowerTerms, mean: float | None) -> float | None:
    """Return the true gain, in units of the metric; None where nobody says one.

    What promises no gain is asked about no change.
    """
    if terms.expect is not None:
        return _in_units(terms.expect, mean)
    band = terms.effect.kind is HypothesisKind.EQUIVALENCE
    return 0.0 if band or terms.effect.margin < 0 else None


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


def _next_step(
    terms: PowerTerms, support: Support, request: PowerRequest, needed: int | None = None
) -> str:
    """Return the call that begins an experiment with so many repeats."""
    first = "" if support.truth else f"{_EXPECTED}; or "
    asked = _typed(request, "metric", "effect", "hypothesis")
    if terms.design in _OF_EXAMPLES:
        return f"{first}gitexp new NAME --claim model{asked}"
    if needed is None:
        return (
            "a smaller promise, less noise or more data: examples, no number of repeats is enough"
        )
    if terms.plan is not None and not _typed(replace(request, expect=None)):
        return first + exclusions.planning(terms.plan, needed)
    return f"{first}gitexp new NAME --repeats {needed}{asked}"


def _name(request: PowerRequest) -> str:
    """Return the experiment as it was named, for the next command line."""
    return "" if request.name is None else f" {shlex.quote(request.name)}"


def _typed(request: PowerRequest, *more: str) -> str:
    """Return the promise as it was typed, for the next command line; of `more` what it lacks."""
    way = "" if request.direction is None else f":{request.direction.value}"
    terms = {
        "metric": request.metric and request.metric + way,
        "effect": request.effect,
        "expect": request.expect,
        "alpha": request.alpha and f"{request.alpha:g}",
    }
    said = "".join(f" --{name} {shlex.quote(text)}" for name, text in terms.items() if text)
    return said + "".join(f" --{name} ..." for name in more if not terms.get(name))
