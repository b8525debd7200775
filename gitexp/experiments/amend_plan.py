"""Changes what binds in a plan, and keeps in it what bound before, who changed it and why.

The candidate's runs that were made under the old terms are those of another plan: they are shown
and do not count, and the seeds that finished are spent. So nobody gains by moving a promise to
where the results are.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gitexp.comparison import collapse, exclusions, failures, frozen, selection, sides, tally
from gitexp.comparison.advice import cannot_decide
from gitexp.comparison.detectable import mute_looks
from gitexp.comparison.eligible import finished_seeds, is_under
from gitexp.comparison.gather import RunPool
from gitexp.comparison.known_metrics import duration_of, known_metrics, metric_named, recorded_runs
from gitexp.comparison.sides import Named
from gitexp.dvc.acting import paths
from gitexp.dvc.composed import laid_over
from gitexp.errors import GitexpError, UsageError
from gitexp.experiments import lifecycle
from gitexp.experiments.conclude import experiment_of
from gitexp.experiments.new import refuse_rule
from gitexp.git import identity, objects, repository
from gitexp.git.transaction import layout, transaction
from gitexp.git.transaction.cache import open_index
from gitexp.git.writing import Message
from gitexp.model.metrics import recorded
from gitexp.model.plan import MOST_AMENDMENTS, Amendment, BaselineRef, Claim, with_terms
from gitexp.model.report import AmendReport, Term
from gitexp.provenance import order_evidence, private
from gitexp.records import codec
from gitexp.records.terms import binding, parse_effect, sealed, with_test
from gitexp.report import numbers
from gitexp.report.escape import visible
from gitexp.stats.design import smallest_p
from gitexp.store import lookup, plans

if TYPE_CHECKING:
    from gitexp.git.repository import Repo
    from gitexp.git.transaction.cache import Index
    from gitexp.model.ids import CommitHash
    from gitexp.model.plan import Plan, Terms
    from gitexp.model.workspace import Workspace


def amend_plan(  # noqa: PLR0913  what is changed, why and when
    workspace: Workspace,
    name: str | None,
    terms: Terms,
    *,
    why: str,
    dry_run: bool = False,
    now: datetime | None = None,
) -> AmendReport:
    """Change what binds in a plan as a commit on its branch.

    Parameters
    ----------
    name : str or None
        The experiment; None: that of the current branch.
    why : str
        The reason; it stays in the plan's file, and reports show it.

    Raises
    ------
    NoPlanError, UnknownExperimentError, DetachedHeadError
        If there is no such plan here.
    UsageError, UnknownMetricError, BadEffectError, BadFormatError
        If there is no reason or no change, or the terms make no sense.
    MovedRefError
        If the branch moved meanwhile; nothing was written.
    PreconditionError
        If a run goes on there, or what a killed one had finished is not recorded.
    """
    if not why.strip():
        raise UsageError("an amendment needs its reason", next_step="gitexp amend-plan --why TEXT")
    repo = repository.open_repository(workspace)
    branch, tip, plan = experiment_of(repo, name, "amend-plan")
    if not dry_run:  # what has finished was run under the plan as it is
        lifecycle.check_published(workspace, branch)
    changed = _changed(repo, tip, plan, terms)
    written = plans.plan_of_branch(repo, branch, tip)
    if changed.digest == plan.digest and written == plan:
        raise UsageError(
            "nothing that binds would change",
            found=f"plan {plan.digest[:9]}",
            expected="another effect, alpha, number of repeats, ...",
            next_step="gitexp amend-plan --help; prose is mended in the plan's file",
        )
    when = (now or datetime.now(UTC)).replace(microsecond=0)
    before, after = binding(plan), binding(changed)
    differing = [key for key in before if before[key] != after[key]]
    kept = Amendment(
        digest=plan.digest,
        why=" ".join(why.split()),
        by=private.author(repo, tip),
        at=when,
        old={key: before[key] for key in differing},
        fresh=True,
    )
    # Without a change the file is told what its history alone had: a merge lost it.
    amended = replace(changed, amended=(*plan.amended, *([kept] if differing else ())))
    if len(amended.amended) > MOST_AMENDMENTS:
        raise UsageError(
            "the plan was amended as often as one may be",
            found=f"{len(plan.amended)} amendments",
            expected=f"at most {MOST_AMENDMENTS}",
            next_step="a new plan: gitexp new NAME",
        )
    with open_index(workspace) as index:
        order = order_evidence.order_at(repo, index, plan, tip)
        spent = _spent(repo, index, amended, branch, tip)
        costs, enough = _costs(repo, index, Named(branch, tip, branch), (plan, amended))
    report = AmendReport(
        plan=amended,
        before=plan.digest,
        terms=tuple(Term(key, before[key], after[key]) for key in differing),
        runs=0 if order is None else len(order.runs) + len(order.early),
        spent=spent,
        commit=None,
        dry_run=dry_run,
        not_updated=(),
        warnings=(
            *_unreported(repo, branch, tip, (plan, amended)),
            *filter(None, [mute_looks(amended)]),
            *costs,
        ),
        enough=enough,
    )
    if dry_run:
        return report

    text = f"gitexp amend-plan: {visible(plan.name)}\n\n{kept.why}\n"
    said = Message(text, identity.author(repo), when)
    files = {layout.plan_path(plan.name): codec.dump(amended)}
    published = transaction.publish(workspace, branch, lambda _: files, said, expected=tip)
    return replace(report, commit=published.commit, not_updated=published.not_updated)


def _spent(repo: Repo, index: Index, plan: Plan, branch: str, tip: CommitHash) -> tuple[int, ...]:
    """Return the seeds of the candidate as it is that were seen under the older terms."""
    try:
        named = Named(branch, tip, branch, plan)
        inputs = sides.source(repo, named, sides.settled(repo, named), index).inputs
    except GitexpError:  # then nothing can be run either, and `run` says why
        return ()
    everywhere = lookup.runs_by_inputs(repo, inputs, index=index, also=[tip])
    others = (item for item in everywhere if item.run.inputs == inputs and not is_under(item, plan))
    return tuple(sorted({seed for item in others for seed in finished_seeds(item)}))


def _costs(
    repo: Repo, index: Index, named: Named, terms: tuple[Plan, Plan]
) -> tuple[list[str], int]:
    """Say what counts no more, what p pays, and which repeats could decide where these cannot.

    `terms`: the plan as it is, and as it will be.
    """
    amended, said = terms[1], list[str]()
    if amended.claim is Claim.MODEL:
        return said, 0
    try:
        added = plans.plan_commit(repo, terms[0], named.commit)
        read = (tally.sources(repo, index, t, replace(named, plan=t), added)[:2] for t in terms)
        world = RunPool(repo, index)
        old, new = (
            tally.settle(world, *both, each) for both, each in zip(read, terms, strict=True)
        )
    except GitexpError:  # then nothing can be run either, and `run` says why
        return said, 0
    lost = len(old.count.baseline.repeats.keys() - new.count.baseline.repeats.keys())
    lost += len(old.count.candidate.repeats.keys() - new.count.candidate.repeats.keys())
    if lost:
        repeats = numbers.amount(lost, "finished repeat")
        said.append(f"{repeats} that counted {'counts' if lost == 1 else 'count'} no more")
    if price := selection.next_try(new.count, amended):
        said.append(price)
    if amended.stopping is not None:
        return said, 0
    n, chances = amended.repeats, new.chances * exclusions.sharing(repo, new)
    enough = new.deciding(amended, chances)
    needed = failures.with_failures(amended, old.count, enough)
    if n < enough:
        alone = smallest_p(n, n, paired=True, one_sided=amended.effect.one_sided)
        least = 1.0 if new.fewest else min(1.0, chances * alone)
        then = f"--repeats {needed} would do"
        said.append(cannot_decide(amended, n, f"{least:.2g} at best", then))
        return said, needed
    if n < needed:
        said.append(
            f"if seeds fail as often as they did, {n} repeats may leave too few pairs to decide: "
            f"{enough} are needed, which --repeats {needed} leave in four of five cases"
        )
    return said, 0


def _unreported(
    repo: Repo, branch: str, tip: CommitHash, terms: tuple[Plan, Plan]
) -> tuple[str, ...]:
    """Say what a new name costs that the recorded repeats of the baseline do not have."""
    before, plan = terms
    if plan.metric == before.metric:
        return ()
    baseline = plan.baseline.commit
    at = sides.settled(repo, Named(branch, tip, plan=before))
    try:
        config, _ = plans.config_of(repo, baseline, at)
        runs = recorded_runs(repo, baseline, config)
    except GitexpError:  # a baseline that is not here: `run` says it
        return ()
    finished = {item.run.id: finished_seeds(item) for item in runs}
    lacking = [
        item
        for item in runs
        if finished[item.run.id]
        and recorded(plan.metric, {each.metric for each in item.samples}, config.metrics) is None
    ]
    repeats = sum(len(finished[item.run.id]) for item in lacking)
    if not repeats or len(lacking) < sum(map(bool, finished.values())):
        return ()
    took = duration_of(item.run for item in lacking)
    price = "" if took is None else f", about {numbers.duration(plan.repeats * took.seconds)}"
    said = (
        f"none of {numbers.amount(repeats, 'recorded repeat')} of the baseline has {plan.metric}: "
        "they count for nothing under this plan, and gitexp run --with-baseline makes "
        f"{plan.repeats} anew{price}; a name that stays the same costs nothing"
    )
    return (said,)


def _changed(repo: Repo, tip: CommitHash, plan: Plan, terms: Terms) -> Plan:
    """Return the plan with its new terms, checked as a new one is, and its new digest."""
    given = terms.given()
    metric, direction = plan.metric, terms.direction
    if terms.metric is not None:
        metric, direction = metric_named(terms.metric, terms.direction)
    if terms.metric is not None or terms.guards is not None:
        known = known_metrics(repo, tip, plans.config_of(repo, tip)[0])
        known.refuse_unclear(metric, *(guard.metric for guard in terms.guards or ()))
    direction = direction or plan.direction
    given |= _evaluator(repo, tip, plan, terms)
    given |= {"metric": metric, "direction": direction}
    if terms.stopping is not None and terms.stopping.looks == 1:
        given["stopping"] = None
    if terms.effect is not None:
        given["effect"] = parse_effect(terms.effect, direction)
    if terms.baseline is not None:
        given["baseline"] = BaselineRef(terms.baseline, objects.resolve(repo, terms.baseline))
    changed = sealed(with_test(with_terms(plan, given)))
    if terms.failure:
        at = sides.settled(repo, Named(plan.branch, tip, plan=plan))
        config, _ = plans.config_of(repo, changed.baseline.commit, at)
        collapse.refuse_usual(repo, changed, config, "the same with --failure none")
    if changed.stopping is not None and changed.drawn:
        known = known_metrics(repo, tip, plans.config_of(repo, tip)[0])
        refuse_rule(repo, changed, tip, known, "the same with --stopping none")
    return changed


def _evaluator(repo: Repo, tip: CommitHash, plan: Plan, terms: Terms) -> dict[str, object]:
    """Return what is frozen and what is not: what is frozen again is unfrozen no longer."""
    kept = [name for name in plan.unfrozen if name not in (terms.frozen or ())]
    asked = [name for name in terms.unfrozen or () if name not in kept]
    there = plans.state_of(repo, tip, tip)
    frozen.refuse_unknown(there, terms.frozen or ())
    known = frozen.look(repo, plan, tip) if asked else None
    if (asked and known is None) or (terms.frozen and plan.rules == 1):
        raise UsageError(
            "the plan freezes nothing",
            found=f"rules: {plan.rules}",
            expected="a plan that has rules: 2, as each that new makes now",
        )
    if known is not None:
        for name in asked:
            if name not in known.content and not paths(there, name):
                raise UsageError(
                    "the plan does not freeze this",
                    found=name,
                    expected=", ".join(known.names) or known.evaluator.lacking,
                )
        laid_over(known.state, there, asked)  # or it says why that cannot be done
    return {"unfrozen": (*kept, *asked)}
