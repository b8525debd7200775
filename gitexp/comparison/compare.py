"""`gitexp compare`: from names to verdicts, by a test that the design alone has chosen.

Which samples count is decided by `counting` without looking at a value; the design follows from
what counts; only then are values handed to the planned test. Several candidates are tested
each against the first revision, and alpha is held over them (by Holm's procedure, if not asked
otherwise).
"""

from __future__ import annotations

import contextlib
import math
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from gitexp.comparison import advice, collapse, environments, exclusions, selection, siblings, sides
from gitexp.comparison.detectable import (
    detectable,
    fragile,
    missing_repeats,
    obstacle_of,
    of_counted,
)
from gitexp.comparison.draft import CompareOptions, draft, measurements
from gitexp.comparison.gather import RunPool
from gitexp.comparison.judged import Draft, Judged
from gitexp.comparison.omnibus import across
from gitexp.errors import GitexpError, UsageError
from gitexp.git import refs, repository
from gitexp.git.transaction.cache import Index, open_index
from gitexp.model import dataclass, replace
from gitexp.model.comparison import NOBODY, PYTHON, Comparison, Siblings, Side, SignificanceResult
from gitexp.model.ids import ABSENT
from gitexp.model.plan import RULES, Claim, Plan, Verdict
from gitexp.provenance import order_evidence
from gitexp.report import words
from gitexp.report.comparisons import Comparisons
from gitexp.stats.decide import decide
from gitexp.stats.hypotheses import ADJUSTMENTS, family
from gitexp.store.conclusions import conclusion_named, is_of_others, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitexp.comparison.counting import SideCount
    from gitexp.comparison.sides import Named, ResolvedSide
    from gitexp.git.repository import Repo
    from gitexp.model.witness import OrderGrade
    from gitexp.model.workspace import Workspace

__all__ = ["CompareOptions", "compare", "exit_code"]

PROGRAM = "gitexp"


def compare(
    workspace: Workspace,
    names: Sequence[str] = (),
    options: CompareOptions | None = None,
    *,
    now: datetime | None = None,
    program: str = PROGRAM,
) -> Comparisons:
    """Test recorded hypotheses.

    Parameters
    ----------
    workspace : Workspace
    names : sequence of str
        None: the experiment of the current branch against its plan's baseline. One: that
        experiment. More: the first is the baseline of each of the others.
    options : CompareOptions, optional
    now : datetime, optional
        When this comparison is made, in UTC.
    program : str
        Name and version, for the record.

    Returns
    -------
    Comparisons
        A tuple: one `Comparison` for each candidate, in the order of the names.

    Raises
    ------
    NoPlanError
        If a single name has no plan that would say what to compare it with.
    UnknownExperimentError, UnknownRevisionError, NotInitialisedError
        If a side cannot be found, or has no settings.
    NoSamplesError
        If a side has no sample that counts.
    DataMissingError
        If predictions are needed and not in the local cache.
    """
    options = options or CompareOptions()
    if options.adjust not in ADJUSTMENTS:
        raise UsageError(
            "unknown adjustment of p-values", found=options.adjust, expected=", ".join(ADJUSTMENTS)
        )
    repo = repository.open_repository(workspace)
    with open_index(workspace) as index:
        pairs = _pairs(repo, index, names)
        world = RunPool(repo, index)
        found = judge(world, pairs, options, now=now, program=program)
        return Comparisons(
            replace(
                item,
                words=_concluded(repo, index, item, pair),
                warnings=(*item.warnings, *filter(None, [_overtaken(repo, index, item, pair)])),
                newer_rules=_by_newer_rules(world, item, pair, options),
            )
            for item, pair in zip(found, pairs, strict=True)
        )


def decided(workspace: Workspace, plan: Plan, branch: str) -> Comparison | None:
    """Return what a plan's stopping rule has decided of a branch; None where it is open."""
    if plan.stopping is None:
        return None
    try:
        (found,) = compare(workspace, [branch])
    except GitexpError:  # `compare` says it
        return None
    return found if found.verdict in advice.DECIDED else None


def _concluded(repo: Repo, index: Index, found: Comparison, pair: tuple[Named, Named]) -> str:
    """Return the author's words, "" where nothing was concluded or it cannot be read."""
    plan = found.plan
    if plan is None:
        return ""
    for named in reversed(pair):
        with contextlib.suppress(GitexpError):
            conclusion = conclusion_named(repo, plan.name, named.holder)
            if conclusion is not ABSENT:
                about = conclusion.comparison.candidate.inputs
                changed = is_of_others(repo, index, found.candidate, about)
                return told(repo, conclusion, plan, named.holder, changed=changed)
    return ""


def _overtaken(repo: Repo, index: Index, found: Comparison, pair: tuple[Named, Named]) -> str:
    repeats = len(found.baseline.seeds) + len(found.candidate.seeds)
    return exclusions.overtaken(repo, index, found.plan, pair[1].holder, repeats)[0]


def _by_newer_rules(
    world: RunPool, item: Comparison, pair: tuple[Named, Named], options: CompareOptions
) -> str:
    """Return what the rules of new plans give for a plan of older ones; "" where nobody asks.

    No number where a rule is about what nobody recorded then: it would be that of another rule.
    """
    plan, (base, named) = item.plan, pair
    if not options.verbose or plan is None or plan.rules == RULES:
        return ""
    asked = replace(named, plan=replace(plan, rules=RULES))
    try:
        (found,) = judge(world, [(base, asked)], replace(options, verbose=False))
    except GitexpError as error:
        return f"not known: {error.brief}"
    lacking = "" if found.evaluator is None else found.evaluator.lacking
    unknown = (
        "its seeds were not drawn with it" * (plan.seeds is None),
        lacking and f"evaluation not frozen: {lacking}",
    )
    if any(unknown):
        return f"not known: {'; '.join(filter(None, unknown))}"
    return f"{found.verdict.value if found.verdict else 'no verdict'}: {found.headline}"


def judge(
    world: RunPool,
    pairs: Sequence[tuple[Named, Named]],
    options: CompareOptions,
    *,
    now: datetime | None = None,
    program: str = PROGRAM,
) -> Comparisons:
    """Test each candidate against its baseline, as `compare` does for names."""
    repo, index = world.repo, world.index
    drafts = [draft(world, pair, options, candidates=len(pairs)) for pair in pairs]
    alone = [_of_selection(item) for item in drafts]
    results = _over_candidates(alone, options.adjust)
    call = _Call(
        family=sum(1 for item in results if _is_judged(item)),
        adjustment=options.adjust,
        branch=refs.head(repo).branch or "",
        at=now or datetime.now(UTC),
        program=program,
    )
    together = across(drafts)
    own = {  # one that has no p yet is a sibling of the others, as in a call of its own
        item.sides.plan.name
        for item, result in zip(drafts, alone, strict=True)
        if item.sides.plan is not None and _is_judged(result)
    }
    known = [
        siblings.found(world, item, named.holder, partial(draft, options=CompareOptions()), own)
        for item, (_, named) in zip(drafts, pairs, strict=True)
    ]
    shared = [
        siblings.together(result, more, alone, number)
        for number, (result, (more, _)) in enumerate(zip(results, known, strict=True))
    ]
    for number, (one, result) in enumerate(zip(alone, shared, strict=True)):
        item, over = drafts[number], siblings.factor(one, result)
        if over > 1 and item.sides.plan is not None and item.sides.plan.rules > 1:
            drafts[number] = replace(item, measured=measurements(item.sides, options, over))
    return Comparisons(
        replace(_finish(*its, call), order=_order(repo, index, its[0]), across=together)
        for its in zip(drafts, shared, alone, known, strict=True)
    )


@dataclass(frozen=True, slots=True)
class _Call:
    """What all comparisons of a call share."""

    family: int  # candidates with a hypothesis, over which alpha is held
    adjustment: str
    branch: str  # the current one
    at: datetime
    program: str


def _order(repo: Repo, index: Index, draft: Draft) -> OrderGrade | None:
    """Return how sure it is that the plan came before its runs, by the side that has it."""
    if draft.sides.plan is None:
        return None
    side = draft.sides.baseline if draft.swapped else draft.sides.candidate
    return order_evidence.grade(repo, index, draft.sides.plan, side.records)[0]


def exit_code(comparisons: Sequence[Comparison]) -> int:
    """Return 1 if any answer is no, else 6 if any is open, else 0."""
    codes = {item.exit_code for item in comparisons}
    return 1 if 1 in codes else max(codes, default=0)


def _pairs(repo: Repo, index: Index, names: Sequence[str]) -> list[tuple[Named, Named]]:
    if len(names) <= 1:
        named = sides.find(repo, index, names[0]) if names else sides.current(repo, index)
        if named.plan is None:
            raise sides.no_plan(repo, named)
        return [(sides.planned_baseline(repo, named.plan, named, index), named)]
    if len(set(names)) < len(names):
        raise UsageError("a name is given twice", found=" ".join(names))
    baseline, *candidates = [sides.find(repo, index, name) for name in names]
    return [(baseline, candidate) for candidate in candidates]


def _over_candidates(
    results: Sequence[SignificanceResult | None], method: str
) -> Sequence[SignificanceResult | None]:
    """Hold alpha over all candidates of a call that have a hypothesis and can be compared."""
    judged = [item for item in results if item is not None and _is_judged(item)]
    if len(judged) <= 1:
        return results
    support = family([1.0 if each.p_support is None else each.p_support for each in judged], method)
    refute = family([1.0 if each.p_refute is None else each.p_refute for each in judged], method)
    least = family([each.plan.smallest_p for each in judged], method)
    adjusted = (
        replace(item, plan=replace(item.plan, smallest_p=lowest), p_support=yes, p_refute=no)
        for item, lowest, yes, no in zip(judged, least, support, refute, strict=True)
    )
    return [next(adjusted) if _is_judged(item) else item for item in results]


def _of_selection(item: Draft) -> SignificanceResult | None:
    """Return the planned test's numbers, as of the best of all configurations to pick from."""
    primary = item.measured.primary
    if primary is None or primary.result is None:
        return None
    return selection.corrected(primary.result, selection.factor(item.selection))


def _is_judged(result: SignificanceResult | None) -> bool:
    return result is not None and result.p_support is not None


def _finish(
    draft: Draft,
    result: SignificanceResult | None,
    alone: SignificanceResult | None,
    family: tuple[Siblings | None, int],
    call: _Call,
) -> Comparison:
    """Give the verdict by a result over all that share alpha; `alone`: before they did.

    `family`: siblings, and among how many a next plan shares alpha.
    """
    plan, (known, shares) = draft.sides.plan, family
    lost = missing_repeats(draft.sides.count, draft.measured.primary, plan)
    without, _ = _verdict(draft, alone, "")
    left_open = collapse.obstacle(draft.collapsed) or obstacle_of(lost)
    first = draft.measured.obstacle
    if left_open and first.endswith(words.BROKEN):  # what was promised is open itself
        first = left_open
    verdict, obstacle = _verdict(draft, result, first or left_open)
    configurations = selection.factor(draft.selection)
    judged = Judged(
        draft,
        verdict,
        result,
        family=call.family,
        problem=draft.measured.problem or draft.still or obstacle,
        adjustment=call.adjustment,
        current_branch=call.branch,
        siblings=known,
        shares=max(shares, call.family + (0 if known is None else len(known.experiments))),
        refuted=without is Verdict.REFUTED,
        alone=alone,
    )
    metrics = draft.measured.metrics
    several = known is not None or max(call.family, configurations) > 1
    if several and result is not None and _is_judged(result):
        metrics = tuple(
            replace(item, p_adjusted=result.p_support) if item is draft.measured.primary else item
            for item in metrics
        )
    broken = [item.metric for item in metrics if item.broken]
    power = None
    if plan is not None and draft.measured.primary is not None:
        noise = of_counted(draft.sides, draft.measured.primary, plan, draft.measured.gains)
        price, again = configurations * judged.shares, advice.next_price(judged) * judged.shares
        noise = replace(noise, price=price, again=again)
        power = detectable(draft.measured.primary, plan, noise, paired=draft.sides.paired)
    return Comparison(
        baseline=side_of(draft.sides.baseline, draft.sides.count.baseline, lost=draft.lost[0]),
        candidate=side_of(draft.sides.candidate, draft.sides.count.candidate, lost=draft.lost[1]),
        plan=plan,
        claim=draft.sides.claim,
        effect=None if plan is None else plan.effect,
        verdict=verdict,
        headline=advice.headline(judged) + (f"; BROKEN: {', '.join(broken)}" if broken else ""),
        reasons=(*advice.reasons(judged), *advice.repeats_needed(judged, power)),
        metrics=metrics,
        changes=draft.changes,
        unused=draft.sides.count.unused,
        warnings=(
            *draft.warnings,
            *((draft.measured.obstacle,) if draft.measured.obstacle != obstacle else ()),
            *fragile(lost, verdict, "" if plan is None else plan.metric),
        ),
        looks=draft.sides.count.looks,
        planned_repeats=plan.repeats if plan is not None and plan.claim is Claim.METHOD else None,
        pairs=len(draft.sides.count.pairs) if draft.sides.paired else 0,
        next_step=advice.next_step(judged, power),
        compared_at=call.at,
        program=call.program,
        adjustment=call.adjustment,
        detectable=power,
        missing=lost,
        collapsed=draft.collapsed,
        selection=draft.selection,
        ledger=draft.ledger,
        siblings=known,
        slices=draft.measured.subgroups.slices,
        categories=draft.measured.subgroups.categories,
        evaluator=draft.evaluator,
        scope=draft.measured.scope,
        isolation=_isolation(draft),
    )


def _verdict(
    draft: Draft, result: SignificanceResult | None, obstacle: str
) -> tuple[Verdict | None, str]:
    """Return the verdict, and what turned a yes into an open question."""
    plan = draft.sides.plan
    if plan is None:
        return (Verdict.NOT_COMPARABLE if draft.measured.problem else None), ""
    primary = draft.measured.primary
    verdict = decide(
        plan.effect.kind,
        result,
        comparable=not draft.measured.problem,
        planned=draft.sides.count.left_of(plan.fewest) if plan.claim is Claim.METHOD else None,
        repeats=None if primary is None else advice.repeats_of(primary),
    )
    if obstacle and verdict in {Verdict.SUPPORTED, Verdict.EQUIVALENT}:
        return Verdict.INCONCLUSIVE, obstacle
    return verdict, ""


def _isolation(draft: Draft) -> str:
    """Return whether every repeat that counts was observed."""
    sides = draft.sides.count.baseline, draft.sides.count.candidate
    every = [item for side in sides for item in side.repeats.values()]
    seen = (not environments.seen(item.found, item.repeat).why for item in every)
    return (PYTHON if all(seen) else NOBODY) if every else ""


def side_of(source: ResolvedSide, counted: SideCount, *, lost: bool = False) -> Side:
    """Return what is said of a side."""
    repeats = counted.repeats.values()
    # Equal raw data do not say that a seed draws the same test set from them.
    identities = {
        None if item.repeat.evaluation_basis == "data" else item.repeat.evaluation
        for item in repeats
    }
    return Side(
        name=source.name,
        commit=source.recorded,
        inputs=source.inputs,
        environment=counted.environment,
        evaluation=identities.pop() if len(identities) == 1 else None,
        runs=tuple(dict.fromkeys(item.found.run.id for item in repeats)),
        seeds=tuple(counted.repeats),
        failed=len(counted.failed),
        wall_s=math.fsum(item.repeat.resources.wall_s or 0.0 for item in repeats),
        source_lost=lost,
        interrupted=len(counted.interrupted),
    )
