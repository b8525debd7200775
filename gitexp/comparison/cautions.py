"""Cautions: confounders, looks, changed plans, and what else a reader has to be told."""

from __future__ import annotations

import contextlib
import posixpath
from typing import TYPE_CHECKING, Final

from gitexp.comparison import measure, selection
from gitexp.comparison.advice import p_words
from gitexp.comparison.designs import choose
from gitexp.comparison.eligible import finished_seeds, is_tried, is_under
from gitexp.comparison.exclusions import recorded
from gitexp.dvc import surroundings
from gitexp.errors import GitexpError
from gitexp.git import objects
from gitexp.git.upstream import own
from gitexp.model.clocked import is_resource
from gitexp.model.comparison import LATE, Change
from gitexp.model.config import ProjectConfig
from gitexp.model.ids import ABSENT, CommitHash, ParamValue
from gitexp.model.run import RepeatState
from gitexp.records.terms import binding
from gitexp.report import numbers
from gitexp.rules.branches import governing, is_protected
from gitexp.stats.stopping import inflated_alpha
from gitexp.store import plans
from gitexp.store.plan_files import plan_history
from gitexp.store.plans import plan_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gitexp.comparison.counting import Count, Evaluation, FoundRuns
    from gitexp.comparison.measure import CountedSides
    from gitexp.comparison.sides import ResolvedSide
    from gitexp.git.repository import Repo
    from gitexp.model.plan import Plan
    from gitexp.store.lookup import FoundRun


def aside(repo: Repo, plan: Plan | None) -> str:
    """Say if a planned baseline is not on main: who chose it may have made it weak."""
    if plan is None or not objects.exists(repo, plan.baseline.commit):
        return ""
    try:
        found = governing(repo, repo, plan.branch, None)
    except GitexpError:  # `check` and `review` stop at a main that cannot be looked at
        return ""
    config = found.config or ProjectConfig()
    main = [each for each in own(repo, config.protected) if is_protected(config, each.name)]
    if not main or any(plans.stood_on(repo, at, plan.baseline.commit) for _, at, _ in main):
        return ""
    return f"the baseline is not of {main[0].name}: "


def back_to_first(repo: Repo, plan: Plan | None, tip: CommitHash) -> str:
    """Say if the plan had newer rules at some time of a tip's history, or had to have them.

    Whatever writes newer settings, or another plan by newer rules, writes these into each new plan:
    one without them had the line taken out.
    """
    if plan is None or plan.rules > 1:
        return ""
    history = plan_history(repo, plan, tip)
    if any(was.rules > 1 for was in history.values()):
        return "judged by the first rules, which the plan went back to: "
    for first in [*history][:1]:
        with contextlib.suppress(GitexpError):  # of old settings nothing follows
            if plans.config_of(repo, first)[0].inputs_rules > 1:
                return "judged by the first rules, though the project had newer ones before: "
        if any(each.rules > 1 for each in plans.plans(repo, first)):
            return "judged by the first rules, though a plan had newer ones before: "
    return ""


def two_modes(baseline: ResolvedSide, candidate: ResolvedSide) -> Iterator[str]:
    """Say if one side alone is read in declared mode, as its own settings and its plan's say."""
    if baseline.config.is_declared is not candidate.config.is_declared:
        one, other = ("candidate", "baseline")[:: -1 if baseline.config.is_declared else 1]
        yield (
            f"of the {one} what its settings declare counts, of the {other} every file, as its own "
            f"settings say: what nothing declares was in jobs of the {other} alone"
        )


def prefix(counted: Count, evaluation: Evaluation, *, allowed: bool) -> str:
    """Return what the first line has to say before all else."""
    parts = []
    if counted.confounded:
        parts.append(f"confounded: {counted.confounded}; ")
    if not evaluation.same and allowed:
        parts.append("on different evaluation data, as you allowed; ")
    return "".join(parts)


def beside_project(
    repo: Repo, baseline: ResolvedSide, candidate: ResolvedSide, counted: Count
) -> tuple[tuple[Change, ...], str, tuple[str, ...]]:
    """Return what differs beside the project and its code may reach; for line 1; as a warning."""
    config, both = candidate.config, (counted.baseline, counted.candidate)
    if not config.project:
        return (), "", ()
    sides = [objects.commit_info(repo, side.commit).tree for side in (baseline, candidate)]
    states = [item.found.run.source.tree for side in both for item in side.repeats.values()]
    tips = sides if baseline.exact and candidate.exact else ()

    def packages() -> Iterator[str]:
        for known in filter(None, (recorded(repo, side) for side in both)):
            yield from (each.path for each in known.distributions if each.path)

    paths = surroundings.reached(repo, config, sides, (*states, *tips), packages())
    if not paths:
        return (), "", ()
    ran = surroundings.reached(repo, config, sides, states, packages())
    paths, where = (ran, "the runs") if ran else (paths, "the sides and what was run")
    said, remedy = surroundings.told(config, paths)
    said = f"{said} between {where}"
    warning = f"{said}; no input, and the code may reach it: the effect may be its; {remedy}"
    changed = (posixpath.relpath(path, config.project) for path in paths)
    differ = tuple(Change("code", each, "no input", "no input") for each in changed)
    return differ, f"{said}; ", (f"{warning}, and begin a plan there",)


def warnings(counted: Count, evaluation: Evaluation) -> list[str]:
    """Return what keeps a number from meaning what it seems to."""
    found = list(counted.warnings)
    if counted.confounded:
        found.append(_confounder(counted))
    if evaluation.undeclared:
        found.append(
            "nothing declares the evaluation data, so nobody checks that both sides used the same: "
            "name them under evaluation: in .gitexp/config.yaml"
        )
    grew = any(item.why == LATE for item in counted.unused)  # said by `grown`
    if counted.looks and not grew and not counted.place:  # else other tries, which `_choices` has
        times = "once" if counted.looks == 1 else f"{counted.looks} times"
        found.append(
            f"{counted.looks + 1} looks, alpha is no longer that of one: candidate samples were "
            f"added {times} after the planned number was reached or the inputs were changed"
        )
    found += _choices(counted)
    lone = [seed for seed in counted.candidate.repeats if seed not in counted.pairs]
    if counted.pairs and evaluation.same and lone:
        found.append(
            f"{numbers.amount(len(lone), 'seed')} of the candidate without a partner: which pairs "
            "there are was chosen"
        )
    for name, side in (("baseline", counted.baseline), ("candidate", counted.candidate)):
        failed = [(seed, why) for seed, why in side.failed if seed not in side.interrupted]
        if failed:
            seeds = numbers.seeds(seed for seed, _ in failed)
            found.append(f"{seeds} of the {name} failed: {failed[0][1]}")
        if side.interrupted:
            seeds = numbers.seeds(side.interrupted)
            found.append(f"{seeds} of the {name} did not finish: stopped")
    return found


def _choices(counted: Count) -> Iterator[str]:
    """Say what there was to pick from, and p pays for."""
    tried = counted.variants - counted.environments
    if counted.place:
        if (after := tried - counted.place) > 0:
            more = "1 more try" if after == 1 else f"{after} more tries"
            yield f"{more} under this plan, or at this candidate, came after; this answer stays"
    elif tried > 1:
        yield f"{tried} different candidates were run under this plan"
    if counted.environments:
        yield (
            "the repeats do not pair, so those of one environment count, the first; the candidate "
            f"finished in {counted.environments + 1}, and p is multiplied by that number"
        )


def tries(found: FoundRuns, counted: Count, plan: Plan | None) -> Iterator[str]:
    """Say what was seen, or may have been, of the seeds that count before their repeats finished.

    And which seeds of the plan come before these and did not run under it, as far as is known here.
    """
    if plan is None:
        return
    every, right = (*found, *found.past), counted.candidate.repeats
    for name, side in (("baseline", counted.baseline), ("candidate", counted.candidate)):
        if resumed := [seed for seed, item in side.repeats.items() if item.repeat.resumed]:
            yield (
                f"{numbers.seeds(resumed)} of the {name} went on from a checkpoint: behind it "
                "chance was drawn anew, and what it had drawn before may have been seen"
            )
        again = {
            repeat.seed
            for item in every
            for repeat in item.run.own_repeats
            if repeat.state is not RepeatState.FINISHED
            and (there := side.repeats.get(repeat.seed)) is not None
            and item.run.inputs == there.found.run.inputs
            and item.order < there.found.order
            and not (repeat.interrupted and there.repeat.resumed)
        }
        if again:
            yield (
                f"{numbers.seeds(again)} of the {name} failed or stopped at first, and ran again: "
                "where numbers vary by more than the seed, that is a choice"
            )
    base = {item.found.run.inputs for item in counted.baseline.repeats.values()}
    tried = [item for item in every if all(is_tried(item, each) for each in base)]
    mine = {item.found.run.inputs for item in right.values()}
    paid = {item.run.inputs for item in tried if is_under(item, plan) and finished_seeds(item)}
    failed = {
        item.run.inputs
        for item in tried
        for each in item.run.own_repeats
        if each.state is not RepeatState.FINISHED and each.seed in right
        if not (plan.drawn and each.shown)  # p pays for it
    }
    if other := failed - paid - mine:
        yield (
            f"{numbers.amount(len(other), 'other candidate')} began seeds that count and finished "
            "none: what they printed may have been a score, and p is not corrected for that"
        )
    yield from _passed(tried, counted, plan)


def _passed(tried: Iterable[FoundRun], counted: Count, plan: Plan) -> Iterator[str]:
    """Say which seeds of a plan, before the last one that counts, did not run under it, and why."""
    began = set[int]()
    first = {*plan.drawn.until(counted.candidate.repeats)} if plan.drawn else set[int]()
    where: dict[str, None] = {}
    spent = counted.spent.intersection(first)
    for item in tried:
        if is_under(item, plan):
            began.update(each.seed for each in item.run.repeats)
        elif spent.intersection(each.seed for each in item.run.repeats):
            where[f"run {item.run.id[:8]} ({', '.join(item.refs) or item.commit[:_SHORT]})"] = None
    if spent:
        told = numbers.listed(tuple(where), _FEW)
        were, they = ("was", "it") if len(spent) == 1 else ("were", "they")
        yield (
            f"{numbers.seeds(spent)} of the plan {were} passed over, and the next of it count: "
            f"{they}, or one behind, began before this candidate's repeat, in {told}"
        )
    if lacking := first - spent - began:
        yield (
            f"{numbers.seeds(lacking)} of the plan did not run, and later ones did: if a run that "
            "is not in this clone is the reason, push it"
        )


def _confounder(counted: Count) -> str:
    if counted.confounded == "environment":
        return (
            "what counts of the two sides ran in different environments: the effect may be theirs"
        )
    if counted.confounded == "data":
        return "what counts of the two sides ran on different linked data: the effect may be theirs"
    one, two = (", ".join(side.seeding) for side in (counted.baseline, counted.candidate))
    return (
        f"the two sides never ran with the same seeds ({one or 'one seed'} at the baseline, "
        f"{two or 'one seed'} at the candidate), so no repeats pair: the effect may be theirs"
    )


def on_other_machines(counted: Count, plan: Plan | None) -> list[str]:
    """Say where a resource that the plan is about was measured on machines that differ."""
    if plan is None or not any(map(is_resource, (plan.metric, *(g.metric for g in plan.guards)))):
        return []
    left, right = (
        {(r.repeat.resources.host, r.repeat.resources.cpu_model) for r in side.repeats.values()}
        for side in (counted.baseline, counted.candidate)
    )
    if left == right:
        return []
    return ["time and memory of the two sides were measured on different machines"]


def grown(situation: CountedSides, plan: Plan) -> str:
    """Say what repeats that were added after a look would do to p, and to alpha."""
    if plan.stopping is not None:
        first, *_, last = selection.sizes(situation.count, plan, paired=situation.paired)
        return f"{last - first} repeats came after the last planned look and do not count"
    question = measure.questions(situation.count, plan, {}, plan.alpha)[0]
    answer = choose(situation).measure(question)
    sizes = selection.sizes(situation.count, plan, paired=situation.paired)
    result = None if answer.comparison is None else answer.comparison.result
    p = None if result is None else result.p_support
    met = set(selection.late_seeds(situation.count, plan, paired=situation.paired))
    met &= set(situation.count.pairs) if situation.paired else met  # others change no number
    with_them = "" if p is None or not met else f"; with them p = {p_words(p, plan.alpha)}"
    return (
        f"{len(sizes)} looks, alpha is no longer {plan.alpha * 100:g} % but up to "
        f"{inflated_alpha(plan.alpha, sizes) * 100:.0f} %: {sizes[-1] - sizes[0]} repeats came "
        f"after the planned {plan.repeats} were there and do not count{with_them}"
    )


_SHORT: Final = 9  # of a commit's hash
_FEW: Final = 3  # runs that are named
_LONG: Final = 300


def plan_changed(
    repo: Repo, plan: Plan | None, runs: Iterable[FoundRun], config: ProjectConfig
) -> list[str]:
    """Say which terms were changed after the first run, and where the settings contradict them."""
    if plan is None:
        return []
    said = list(filter(None, [plan.older_rules]))
    names = {plan.name, *plan.formerly}
    older: dict[str, FoundRun] = {}
    runs = tuple(runs)
    for item in runs:
        under = item.run.plan
        edited = under is not None and under.name in names and under.digest != plan.digest
        if under is not None and edited and finished_seeds(item):
            older.setdefault(under.digest, item)
    said += _reworded(repo, plan, runs)
    for item in older.values():
        terms = _differences(repo, plan, item)
        changed = f": {', '.join(terms)}" if terms else ""
        said.append(
            f"the plan was changed after run {item.run.id[:8]}{changed}; "
            "what was run under the older one does not count for the candidate"
        )
    direction = config.directions.get(plan.metric)
    if direction is not None and direction is not plan.direction:
        said.append(
            f"the plan says that {plan.metric} is better when {_word(plan.direction.value)}, "
            f"and the settings now say {_word(direction.value)}"
        )
    return said


def _reworded(repo: Repo, plan: Plan, runs: Iterable[FoundRun]) -> Iterator[str]:
    """Say what the hypothesis was at the first run: it does not bind, and is what people read."""
    mine = [item for item in runs if is_under(item, plan) and finished_seeds(item)]
    first = min(mine, key=lambda item: item.order, default=None)
    if first is None:
        return
    old = _plan_at(repo, plan, first)
    if old is not None and old.hypothesis != plan.hypothesis:
        yield f"the hypothesis was reworded after the first run; it was: {old.hypothesis[:_LONG]}"


def _differences(repo: Repo, plan: Plan, item: FoundRun) -> list[str]:
    """Return the binding terms that differ from the plan as a run's commit has it."""
    old = _plan_at(repo, plan, item)
    if old is None:
        return []
    before, after = (
        {name: _text(name, value) for name, value in binding(each).items()} for each in (old, plan)
    )
    return [
        f"{key} {before[key]} -> {value}" for key, value in after.items() if before[key] != value
    ]


def _plan_at(repo: Repo, plan: Plan, item: FoundRun) -> Plan | None:
    """Return a plan as a run's commit has it, under its name then; None if it is not there."""
    name = plan.name if item.run.plan is None else item.run.plan.name
    try:
        old = plan_named(repo, name, item.commit)
    except GitexpError:
        return None
    return None if old is ABSENT else old


def _text(name: str, value: ParamValue) -> str:
    if isinstance(value, tuple):
        return " ".join(sorted(map(str, value))) or "none"
    if isinstance(value, float):
        return f"{value:g}"
    text = "none" if value is None else str(value)
    return text[:_SHORT] if name == "baseline" else text


def _word(direction: str) -> str:
    return "larger" if direction == "max" else "smaller"
