"""One candidate against one baseline, up to the p-values; no verdict yet.

The verdict waits for the other candidates of the same call, over which alpha is held.
"""

from __future__ import annotations

import shlex
from functools import partial
from typing import TYPE_CHECKING

from gitexp.comparison import (
    advice,
    cautions,
    collapse,
    exclusions,
    frozen,
    measure,
    selection,
    sides,
)
from gitexp.comparison.designs import choose, predictions, slices, still
from gitexp.comparison.designs.prediction_pairs import recorded_by
from gitexp.comparison.environments import Environments
from gitexp.comparison.failures import Failure, after, standing
from gitexp.comparison.judged import Draft, Measured, adjusted, troubles
from gitexp.comparison.measure import Answer, CountedSides, Question
from gitexp.comparison.randomness import seeding
from gitexp.comparison.randomness.variation import made_outside, traces, unmoved
from gitexp.comparison.tally import settle, with_scores
from gitexp.dvc.inputs import STAGE
from gitexp.errors import NoSamplesError
from gitexp.git import refs
from gitexp.git.refs import unreachable
from gitexp.model import dataclass, replace
from gitexp.model.clocked import is_clocked
from gitexp.model.comparison import Change, Role
from gitexp.model.metrics import NO_RULE
from gitexp.model.plan import ALPHA, Claim, Plan
from gitexp.provenance import private
from gitexp.report import numbers
from gitexp.store.conclusions import is_concluded, is_of_others

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gitexp.comparison.counting import Count, Evaluation
    from gitexp.comparison.gather import RunPool
    from gitexp.comparison.randomness.syntax import CopiesReason
    from gitexp.comparison.sides import Named, ResolvedSide
    from gitexp.git.repository import Repo
    from gitexp.git.transaction.cache import Index
    from gitexp.store.lookup import FoundRun

MOST_METRICS = 100  # watched ones that are tested; a family of thousands tells nobody anything


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """What may be asked beside the names.

    Attributes
    ----------
    allow_different_evaluation : bool
        Compare although the evaluation data differ; the first line says so.
    pool : tuple of str
        Revisions whose runs are taken in although neither side's history has them.
    by : str
        Column of the predictions whose values make subgroups; "" for none.
    cluster : str
        Column of what examples depend on together; "": the one that the settings name, if any.
    categories : str
        ``y_pred``, ``errors`` or a column, whose counts are compared; "" for none.
    adjust : str
        How families of p-values are adjusted - watched metrics, subgroups, several candidates: a
        key of `stats.hypotheses.ADJUSTMENTS`.
    verbose : bool
        Also say what the rules of new plans would give for a plan of older ones.
    """

    allow_different_evaluation: bool = False
    pool: tuple[str, ...] = ()
    by: str = ""
    cluster: str = ""
    categories: str = ""
    adjust: str = "holm"
    verbose: bool = False


def draft(
    world: RunPool, pair: tuple[Named, Named], options: CompareOptions, *, candidates: int = 1
) -> Draft:
    """Find, count and test; see `comparison.compare.compare` for what is raised.

    `pair`: baseline and candidate.
    """
    (base, named), repo, index = pair, world.repo, world.index
    at = sides.settled(repo, named, base)
    candidate, baseline = (sides.source(repo, each, at, index) for each in (named, base))
    plan, swapped, warnings = _roles(world, (base, baseline), (named, candidate))
    if plan is not None and plan.lent:
        base = sides.planned_baseline(repo, plan, named, index)
        baseline = replace(sides.source(repo, base, at, index), name=baseline.name)
    candidate, kept = _private(repo, candidate, options)
    settled = settle(world, baseline, candidate, plan, options.pool)
    gathered, everything, evaluation = settled.gathered, settled.everything, settled.evaluation
    counted, collapsed = with_scores(repo.workspace, settled), settled.collapsed
    same = baseline.inputs == candidate.inputs
    failed = standing(repo, settled)
    shared, choice = frozen.standing(repo, plan, candidate, counted)
    claim = _claim(plan, counted, candidate)
    cluster = slices.cluster_of(candidate.config.predictions, options.cluster)
    situation = CountedSides(
        repo.workspace.top,
        baseline,
        candidate,
        plan,
        claim,
        counted,
        evaluation,
        cluster=cluster,
        adjust=options.adjust,
        candidates=candidates,
    )
    if not same:
        lacks = not (counted.candidate.repeats and counted.baseline.repeats)
        lines = exclusions.uncounted(repo, settled) if lacks else ()
        lines = (*filter(None, [frozen.told(shared)]), *lines)
        try:
            _check_samples(situation, swapped, lines, failed, refs.head(repo).branch or "")
        except NoSamplesError as error:
            if plan is not None:
                held = seeding.copying(repo, settled.sides, counted, gathered.found, plan)[1]
                error.next_step = seeding.step(held, plan) if held else error.next_step
            error.next_step = exclusions.deciding(repo, settled, error.next_step or "")
            error.next_step = choice or sides.run_there(repo, settled.sides, error.next_step)
            raise
    differ, more = exclusions.changes(repo, baseline, candidate, counted)
    around, apart, told = cautions.beside_project(repo, baseline, candidate, counted)
    outside, conditional = made_outside(counted, gathered.found, plan)
    examples, on_examples = frozen.on_raw_data(repo, plan, situation)
    problem = _problem(evaluation, options, differ, same=same, claim=claim)
    problem += ", as the baseline has the candidate's evaluator" if same and baseline.over else ""
    problem = problem or frozen.told(shared)
    if baseline.config.project != candidate.config.project:
        problem = "the project's folder is another one, and what lies outside it is no input"
    copies: Mapping[str, CopiesReason] = {}
    conditions: list[str] = []
    measured = Measured()
    if not same:
        situation, copies, conditions = _with_chance(repo, situation, gathered.found)
        measured = measurements(situation, options)
    if plan is not None and len(everything.candidate.repeats) > len(
        settled.count.candidate.repeats
    ):
        warnings.append(cautions.grown(replace(situation, count=everything), plan))
    measured = _withheld(measured, problem, counted.unjudged)
    used = selection.ledger_of(repo, index, candidate, counted, plan)
    return Draft(
        situation,
        measured,
        prefix=frozen.prefix(shared)
        + cautions.back_to_first(repo, plan, named.holder)
        + cautions.aside(repo, plan)
        + cautions.prefix(counted, evaluation, allowed=not problem)
        + outside
        + examples
        + apart
        + collapse.prefix(collapsed),
        changes=(*differ, *around),
        warnings=(
            *warnings,
            *kept,
            *gathered.warnings,
            *told,
            *conditional,
            *cautions.warnings(counted, evaluation),
            *on_examples,
            *cautions.tries(gathered.found, counted, plan),
            *filter(None, [Environments(repo).of_pairs(counted)]),
            *cautions.two_modes(baseline, candidate),
            *(
                ()
                if same
                else unmoved(*map(traces, (counted.baseline.repeats, counted.candidate.repeats)))
            ),
            *cautions.on_other_machines(counted, plan),
            *cautions.plan_changed(repo, plan, gathered.found, candidate.config),
            *measured.warnings,
            *(() if measured.still else conditions),
            *selection.ledger_warnings(used),
            *more,
        ),
        lost=_are_lost(repo, (baseline, candidate), counted),
        swapped=swapped,
        same=same,
        concluded=plan is not None
        and is_concluded(repo, plan, named.commit, partial(is_of_others, repo, index, candidate)),
        remedy=_remedy(repo, situation, copies, measured),
        selection=selection.of_variants(counted, plan)
        or selection.of_sweep(repo, index, candidate, plan, gathered.found),
        ledger=used,
        failed=failed,
        collapsed=collapsed,
        evaluator=shared,
        choice=choice.replace("\n", "; "),  # of an answer it is one line
    )


def _private(
    repo: Repo, side: ResolvedSide, options: CompareOptions
) -> tuple[ResolvedSide, list[str]]:
    """Return a side that shows no smaller group than main allows, and what holds instead."""
    if not (options.by or options.categories):
        return side, []
    config, kept = private.held(repo, side.config)
    return replace(side, config=config), [text for text in kept if "min_slice" in text]


def _roles(
    world: RunPool, base: tuple[Named, ResolvedSide], named: tuple[Named, ResolvedSide]
) -> tuple[Plan | None, str, list[str]]:
    """Return the plan whose two sides these are, the one that has them swapped, and what to say."""
    repo, index = world.repo, world.index
    (base_name, baseline), (own_name, candidate) = base, named
    plan, other = own_name.plan, base_name.plan
    if plan is None and other is not None and _is_planned(repo, index, other, base_name, candidate):
        text = (
            f"the sides are swapped: {candidate.name} is the baseline of {other.name}; "
            f"gitexp compare {shlex.quote(other.name)} gives its verdict"
        )
        return None, other.name, [text]
    if plan is not None and not _is_planned(repo, index, plan, own_name, baseline):
        text = (
            f"{baseline.name} is not the baseline of the plan {plan.name}, which is "
            f"{plan.baseline.name} at {plan.baseline.commit[:9]}: no verdict"
        )
        return None, "", [text]
    return plan, "", []


def _with_chance(
    repo: Repo, situation: CountedSides, runs: Iterable[FoundRun]
) -> tuple[CountedSides, Mapping[str, CopiesReason], list[str]]:
    """Add what the text of both sides says of their chance; also return why, and conditions."""
    both, plan, count = (situation.baseline, situation.candidate), situation.plan, situation.count
    asked = measure.questions(count, plan, situation.candidate.config.directions, ALPHA)
    names = still.doubtful(situation, [item.metric for item in asked])
    held = seeding.held(repo, *both, count, names)  # one draw of their chance
    apart: dict[str, CopiesReason] = {}  # with a draw that the other makes otherwise
    conditions: list[str] = []
    several = min(len(count.baseline.repeats), len(count.candidate.repeats)) > 1
    if plan is not None and situation.claim is not Claim.MODEL and several and not held:
        apart, conditions = seeding.unlike(seeding.texts_of(repo, *both, count))
    idle = situation.claim is not Claim.MODEL and still.is_idle(situation)
    acting = still.seen_to_act(situation, runs) if held or idle else frozenset()
    situation = replace(
        situation,
        held={side: "" if side in acting else each.why for side, each in held.items()},
        idle_step=still.FINER if acting else "",
        apart="; ".join(each.why for each in apart.values()),
    )
    best = {} if plan is None else still.at_best(situation, plan.metric, plan.direction)
    held = {e: why for e, why in held.items() if not (e in acting or best.get(e))}
    if (idle and best and all(best.values())) or any(map(best.get, situation.held)):
        situation = replace(situation, idle_step=still.FINER)
    elif idle:
        candidate = situation.candidate
        text = seeding.read(repo, candidate.commit, candidate.config)
        coarse = bool(acting) or text.is_live()
        step = still.FINER if coarse else text.remedy().next_step
        situation = replace(situation, coarse=coarse, idle_step=step)
    return situation, held or apart, conditions


def _remedy(
    repo: Repo, situation: CountedSides, held: Mapping[str, CopiesReason], measured: Measured
) -> str:
    """Return what to change where a seed does not act, and how to go on from there."""
    plan = situation.plan
    if situation.count.unjudged and plan is not None:
        return exclusions.fresh(situation.count, plan)
    untested = plan is not None and (plan.metric in measured.still or measured.obstacle)
    if held and plan is not None and untested:
        return seeding.step(held, plan)
    if plan is not None and measured.still.get(plan.metric) == NO_RULE:
        return exclusions.without_rule(plan)
    if not measured.idle or situation.idle_step:
        return situation.idle_step if measured.idle or untested else ""
    candidate = situation.candidate
    return seeding.read(repo, candidate.commit, candidate.config).remedy().next_step


def _are_lost(
    repo: Repo, sides: tuple[ResolvedSide, ResolvedSide], counted: Count
) -> tuple[bool, bool]:
    """Whether a run that counts was made from a commit that is gone (rebased, squashed)."""
    sources = [
        {each.found.run.source.commit for each in side.repeats.values()}
        for side in (counted.baseline, counted.candidate)
    ]
    gone = unreachable(repo, set().union(*sources))
    baseline, candidate = (
        side.lost or not gone.isdisjoint(of) for side, of in zip(sides, sources, strict=True)
    )
    return baseline, candidate


def _is_planned(repo: Repo, index: Index, plan: Plan, named: Named, baseline: ResolvedSide) -> bool:
    """Whether a side is what the plan names as its baseline, at whatever commit."""
    if baseline.commit == plan.baseline.commit:
        return True
    planned, at = sides.planned_baseline(repo, plan, named, index), sides.settled(repo, named)
    return sides.source(repo, planned, at, index).inputs == baseline.inputs


def _claim(plan: Plan | None, counted: Count, candidate: ResolvedSide) -> Claim:
    """Return what is claimed; without a plan one repeat a side can only speak of two models."""
    if plan is not None:
        return plan.claim
    single = len(counted.baseline.repeats) == 1 and len(counted.candidate.repeats) == 1
    pair = predictions.chosen(counted) if single else None
    told = pair is not None and all(recorded_by(item, candidate) for item in pair)
    return Claim.MODEL if told else Claim.METHOD


def _check_samples(
    situation: CountedSides,
    swapped: str,
    lines: tuple[str, ...],
    failed: tuple[Failure, ...],
    branch: str,
) -> None:
    """Refuse to compare with nothing, and say what was seen instead."""
    baseline, candidate = situation.baseline, situation.candidate
    counted, plan = situation.count, situation.plan
    sides_of = ((candidate, counted.candidate), (baseline, counted.baseline))
    for source, side in sides_of:
        if side.repeats:
            continue
        seen = dict.fromkeys(item.why for item in counted.unused)
        beside = f"; seen and not counted: {', '.join(seen)}" if seen else ""
        beside += "".join(f"; {text}" for text in (*lines, *(item.text for item in failed)))
        other = counted.baseline if source is candidate else counted.candidate
        expected, seeds = "finished repeats", advice.seed_ranges(other.repeats)
        command = f"gitexp run --at {source.commit[:12]}{f' --seeds {seeds}' if seeds else ''}"
        if source is candidate:
            expected += "" if plan is None else f" of the plan {plan.name}"
            command = "gitexp run"
        elif seeds:
            expected = f"{numbers.seeds(other.repeats)}, as {candidate.name} has"
        if plan is not None:
            on_it = branch == plan.branch
            command = exclusions.onward(plan, counted, paired=situation.paired, on_it=on_it)
        if swapped:
            expected = f"{candidate.name} is the baseline of {swapped}: the sides are swapped"
            command = f"gitexp compare {shlex.quote(swapped)}"
        raise NoSamplesError(
            "nothing to compare with",
            found=f"0 samples that count for inputs {source.inputs[:7]}{beside}",
            where=f"{source.name} at {source.commit[:7]}",
            expected=expected,
            next_step=command if swapped else after(failed, command, plan),
        )


def _problem(
    evaluation: Evaluation,
    options: CompareOptions,
    differ: Sequence[Change],
    *,
    same: bool,
    claim: Claim,
) -> str:
    if same:
        return "both sides have the same inputs: there is nothing to compare"
    if evaluation.same or (options.allow_different_evaluation and claim is Claim.METHOD):
        return ""
    where = numbers.seeds(evaluation.differing)
    if "data" in evaluation.bases:  # what a stage reads that one side alone has
        stages = [item for item in differ if item.what.startswith(STAGE)]
        where += "".join(
            f"; {each.what} is {'gone' if each.baseline else 'new'}" for each in stages
        )
    return f"the evaluation data differ ({where}), so the numbers are not of the same thing"


def _withheld(measured: Measured, problem: str, unjudged: str) -> Measured:
    """Return what was measured without the tests of numbers that are shown alone."""
    if not (problem or unjudged):
        return measured
    untested = tuple(
        replace(item, result=None, beside=(), p_adjusted=None, broken=False)
        for item in measured.metrics
    )
    if problem:
        return replace(measured, metrics=untested, problem=problem)
    still_why = dict.fromkeys((item.metric for item in untested), unjudged)
    return replace(measured, metrics=untested, still=still_why)


def measurements(situation: CountedSides, options: CompareOptions, over: float = 1) -> Measured:
    """Test each metric of two sides; `over`: by what intervals pay for others that share alpha."""
    plan = situation.plan
    alpha = ALPHA if plan is None else plan.alpha
    directions = situation.candidate.config.directions
    price = over * selection.factor(selection.of_variants(situation.count, plan))
    asked = measure.questions(situation.count, plan, directions, alpha, price)
    warnings = [*measure.unjoined(situation.count)]
    watched = [item for item in asked if item.role is Role.WATCHED]
    if len(watched) > MOST_METRICS:
        warnings.append(f"{len(watched) - MOST_METRICS} further metrics are not shown")
        left_out = set(watched[MOST_METRICS:])
        asked = tuple(item for item in asked if item not in left_out)
    chosen = choose(situation)
    warnings += (*chosen.warnings, *slices.told_of_cluster(chosen, options.cluster))
    if chosen.problem:
        return Measured(problem=chosen.problem, warnings=tuple(warnings))
    idle = still.why(situation)
    answered: list[tuple[Question, Answer]] = []
    for item in asked:
        answer = chosen.measure(item)
        copies = idle and not is_clocked(item.metric)
        answered.append((item, still.untested(answer, idle) if copies else answer))
    warnings += still.few(situation)
    metrics = adjusted(
        [answer.comparison for _, answer in answered if answer.comparison is not None],
        options.adjust,
    )
    problem, obstacle = troubles(answered)
    said = (text for _, answer in answered for text in answer.warnings if text not in obstacle)
    warnings += dict.fromkeys(said)
    varying = [item for item, answer in answered if not answer.still]
    found = slices.compare_subgroups(chosen, varying, by=options.by, column=options.categories)
    primary = next((answer for item, answer in answered if item.role is Role.PRIMARY), None)
    if idle and (primary is None or not primary.still):
        warnings.append(idle)
    return Measured(
        metrics,
        problem,
        obstacle,
        {item.metric: answer.still for item, answer in answered if answer.still},
        bool(idle),
        tuple(dict.fromkeys(warnings)),
        found,
        chosen.pair,
        {i.metric: a.added for i, a in answered if a.added and situation.candidates > 1},
        chosen.scope(metrics),
        None if primary is None else primary.gains,
    )
