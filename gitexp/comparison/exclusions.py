"""Why recorded repeats do not count, and what runs those that lack: looked up only then.

Each line ends in what to type to see more. Values are never read.
"""

from __future__ import annotations

import contextlib
import shlex
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Final

from gitexp.comparison import collapse, counting, eligible, failures, selection
from gitexp.comparison.environments import Environments, environment_changes
from gitexp.comparison.pairs import OTHER_ENVIRONMENT
from gitexp.dvc import inputs
from gitexp.dvc.state import ProjectState
from gitexp.errors import GitexpError
from gitexp.git import objects, refs, upstream
from gitexp.git.transaction import layout
from gitexp.model import replace
from gitexp.model.comparison import LATE, Change
from gitexp.model.ids import ABSENT
from gitexp.model.metrics import OWN_METRIC
from gitexp.model.plan import ALPHA, Claim, Direction, OnFailed, Plan, PlanTerms
from gitexp.records.terms import effect_text, guard_text
from gitexp.report.numbers import amount, listed
from gitexp.stats.design import counted, pairs_needed
from gitexp.store import plans

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.comparison.counting import Count, FoundRuns, SideCount
    from gitexp.comparison.sides import ResolvedSide
    from gitexp.comparison.tally import Settled
    from gitexp.git.repository import Repo
    from gitexp.git.transaction.cache import Index
    from gitexp.model.ids import CommitHash, EnvironmentDigest, InputsDigest
    from gitexp.model.run import Environment
    from gitexp.store.lookup import FoundRun

CHANGE: Final = "change code or parameters, commit, then "
COMPARE: Final = "gitexp compare"
_WITHOUT_RULE: Final = 'gitexp amend-plan {} --stopping none --why "the metric is by folds"'
_FEW: Final = 3  # changes that are named
_SHORT: Final = 7
_SAID: Final = {
    counting.CONTRADICTED: "in records that contradict themselves; gitexp compare names them",
    counting.ELSEWHERE: "found on other branches only; gitexp compare --pool REF takes them in",
    counting.OTHER_DATA: "ran with other linked data",
    counting.OTHER_SEEDS: "ran with other fixed seeds",
    eligible.REPORTED: "reported from outside",
    eligible.SPENT: "of seeds that were seen before they were run under the plan",
    eligible.LATER: "of the plan's seeds, but none of its first",
    eligible.ENDED: eligible.ENDED,
    eligible.NOT_DRAWN: "of other seeds than those that were drawn with the plan",
    LATE: "came after the planned number was there",
}


def uncounted(repo: Repo, settled: Settled) -> tuple[str, ...]:
    """Return why finished repeats of an experiment do not count; most telling first."""
    plan, found, (baseline, candidate) = settled.plan, settled.gathered.found, settled.sides
    if plan is None:
        return ()
    lines: list[str] = []
    lines += filter(None, [collapse.told(settled.collapsed)])
    if len(settled.candidate) < settled.judged.left_of(plan.repeats):
        lines += _of_other_inputs(repo, found, plan, baseline, candidate)
    if settled.count.in_pairs:
        lines += Environments(repo).without_partner(found, settled.count, baseline.inputs)
    else:
        lines += _in_another_environment(repo, settled)
    mine: dict[str, FoundRun] = {
        item.run.id: item for item in found if item.run.inputs == candidate.inputs
    }
    by_why: defaultdict[str, int] = defaultdict(int)
    for item in settled.count.unused:
        if item.run in mine:
            why = _reason(item.why, mine[item.run], plan)
            if plan.drawn and item.why == counting.ELSEWHERE:
                why = "found on other branches only, where none of them counts"
            by_why[why] += len(item.seeds)
    lines += [f"{counted(n, 'repeat')} {text}" for text, n in by_why.items() if text]
    seen = sum(len(item.seeds) for item in settled.count.unused if item.why == eligible.SEEN)
    lines += [f"{counted(seen, 'repeat')} of the baseline: {eligible.SEEN}"] if seen else []
    return tuple(lines)


def of_settled(repo: Repo, settled: Settled, plan: Plan, branch: str | None) -> str:
    """Return what to type next on a `branch`: what failed first, then what is lacking."""
    baseline, candidate = settled.sides
    step = CHANGE + running(plan)
    if baseline.inputs != candidate.inputs:
        on_it = branch == plan.branch
        enough = _deciding(settled, plan)
        step = onward(plan, settled.judged, paired=settled.paired, on_it=on_it, enough=enough)
    if plan.stopping is not None:
        from gitexp.comparison.designs import lacks_rule  # noqa: PLC0415  loads numerics

        sides = (settled.count.baseline, settled.count.candidate)
        shown = ((s, [*c.repeats.values()]) for s, c in zip(settled.sides, sides, strict=True))
        with contextlib.suppress(GitexpError):  # predictions that are not here: `compare` says it
            step = without_rule(plan) if lacks_rule(repo.workspace.top, plan, shown) else step
    elif failures.are_renumbered(repo.workspace.top, settled, plan):
        step = failures.row_ids(plan)
    step, shared = deciding(repo, settled, step), partial(sharing, repo, settled)
    return failures.after(failures.standing(repo, settled), step, plan, shared)


def sharing(repo: Repo, settled: Settled) -> int:
    """Return among how many experiments a plan shares alpha, before `compare` says it."""
    plan = settled.plan
    if plan is None or plan.claim is Claim.MODEL or plan.rules < 2:  # noqa: PLR2004  decision 0041
        return 1
    with contextlib.suppress(GitexpError):  # `compare` says what is wrong
        from gitexp.comparison.siblings import shares  # noqa: PLC0415  loads numerics

        return shares(repo, settled)
    return 1


def amending(repo: Repo, settled: Settled, plan: Plan, *, ran: bool = False) -> str:
    """Return what goes on with other seeds, before `compare` says it."""
    return failures.amending(settled, plan, sharing(repo, settled), ran=ran)


def deciding(repo: Repo, settled: Settled, step: str) -> str:
    """Return a step; where no outcome of what it runs could decide, what is amended before.

    By the price of the coming try alone, as far as that is the first: `run` says the rest.
    """
    plan, price = settled.plan, settled.chances
    if plan is None or "gitexp run" not in step:
        return step
    if step.startswith(CHANGE):
        price = settled.amended()
    shares = sharing(repo, settled) if price > 1 else 1
    amend = failures.unable(settled, plan, shares, price)
    if not amend:
        return step
    first, run, rest = step.partition("gitexp run")
    return f"{first}{amend}{or_again(settled.count, f'{run}{rest}')}"


def or_again(count: Count, step: str) -> str:
    """Return a step as the other way for a candidate that may be no further try; "" elsewhere."""
    same = selection.unless(count).removeprefix(", unless ")
    return f"; or, where {same}, {step}" if same else ""


def overtaken(
    repo: Repo, index: Index, plan: Plan | None, holder: CommitHash, repeats: int
) -> tuple[str, str]:
    """Say that main has other inputs by now than the baseline, and return what asks it of main.

    Nothing of an experiment that main has, or whose branch is not here. `repeats`: those that
    count.
    """
    if plan is None or refs.read_ref(repo, refs.local(plan.branch)) is ABSENT:
        return "", ""
    mains = upstream.own(repo, upstream.USUAL)
    path = layout.plan_path(plan.name)
    if any(objects.blob_id(repo, each.commit, path) is not ABSENT for each in mains):
        return "", ""
    for each in reversed(mains):  # the local one is what merging brings soonest
        if each.commit == plan.baseline.commit:
            continue
        found = plans.behind(repo, index, plan, each.commit, holder)
        if found is not None and found.other_inputs:
            name = each.ref.removeprefix("refs/heads/").removeprefix("refs/remotes/")
            ahead = f"{name} is {amount(found.commits, 'commit')} ahead of the baseline"
            quoted = shlex.quote(name)
            step = f"git merge {quoted} && gitexp amend-plan --baseline {quoted} --why TEXT"
            lost = f"{amount(repeats, 'finished repeat')} will not count"
            costs = f" ({lost}, and p pays for another try)" if repeats else ""
            said = f"{ahead} and has other inputs: nothing is said of main as it is"
            return f"{said}; {step} asks it{costs}", step
    return "", ""


def without_rule(plan: Plan) -> str:
    """Return the way out where a plan's stopping rule has no test for what was recorded."""
    return f"{_WITHOUT_RULE.format(shlex.quote(plan.name))}; or {OWN_METRIC}"


def onward(plan: Plan, count: Count, *, paired: bool, on_it: bool, enough: int = 0) -> str:
    """Return what runs the repeats that a plan still lacks, or judges those that are there.

    The one answer of `status`, `run` and `compare`. `on_it`: the experiment's branch is checked
    out. `enough`: repeats that can decide, where that is known.
    """
    if count.unjudged:
        return fresh(count, plan)
    right = count.candidate.repeats.keys() - count.given_up
    left = count.baseline.repeats.keys() - count.given_up
    pairs = {*count.pairs} - count.given_up if paired else left
    planned = count.left_of(plan.repeats)
    if min(len(pairs), len(right)) >= planned:
        return COMPARE
    switch = switching(plan, on_it=on_it)
    if plan.stopping is not None:
        return f"{switch}{running(plan)}"
    wanted = max(planned, enough)
    more = f" --repeats {wanted}" if wanted > plan.repeats else ""
    # The candidate's next seeds are those that the baseline is ahead, never of anybody's choice:
    # whoever picks seeds by what the baseline scored on them has picked the result.
    lacks = len(right - left) + max(0, wanted - len(right) - len(left - right))
    if count.pairs and not paired:
        lacks = max(0, wanted - len(left))
    # Not `--at NAME`: the branch of that name may have moved since the plan.
    return f"{switch}gitexp run{more}{' --with-baseline' if lacks else ''}"


def planning(plan: Plan, needed: int) -> str:
    """Return the call that begins another experiment which asks the same, to be filled in."""
    terms = {
        "baseline": plan.baseline.name,
        "metric": f"{plan.metric}:{plan.direction.value}",
        "effect": effect_text(plan.effect, Direction.MAX),  # a gain, as people type it
        **({} if plan.alpha == ALPHA else {"alpha": f"{plan.alpha:g}"}),
    }
    terms |= {} if plan.claim is Claim.METHOD else {"claim": plan.claim.value}
    terms |= {"failure": plan.failure} if plan.failure else {}
    terms |= {} if plan.on_failed is OnFailed.REFUSE else {"on-failed": plan.on_failed.value}
    said = [f"--{name} {shlex.quote(text)}" for name, text in terms.items()]
    said += [f"--guard {shlex.quote(guard_text(guard))}" for guard in plan.guards]
    said += ["--guards-shown"] if plan.guards_shown else []
    said += [f"--frozen {shlex.quote(path)}" for path in plan.frozen]
    return f"gitexp new NAME {' '.join(said)} --repeats {needed} --hypothesis ..."


def fresh(count: Count, plan: Plan) -> str:
    """Return what leads out where no values of the seeds that were drawn can decide."""
    if plan.failure and plan.failure in count.unjudged:  # the rule itself is what is wrong
        plan = replace(plan, failure="")
    anew = f"{planning(plan, plan.repeats)}; fresh seeds are drawn with it"
    if count.confounded != "data":
        return anew
    first = next(iter(count.candidate.repeats.values())).found.run.id[:8]
    return f"gitexp run --with-baseline, with the linked data as run {first} had them; or {anew}"


def running(plan: PlanTerms) -> str:
    """Return what runs both sides of a plan; under a stopping rule it looks first."""
    if plan.stopping is not None:
        return "gitexp run --until-decided"
    return "gitexp run --with-baseline"


def switching(plan: Plan, *, on_it: bool) -> str:
    """Return what to type before a call that is of the experiment's branch."""
    return "" if on_it else f"git switch {shlex.quote(plan.branch)} && "


def _deciding(settled: Settled, plan: Plan) -> int:
    """Return how many repeats can decide; 0 where that is not known, or parts of them do."""
    count, paired = settled.count, settled.paired
    there = [next(iter(s.repeats.values()), None) for s in (count.baseline, count.candidate)]
    if plan.claim is Claim.MODEL or plan.drawn or None in there:  # of drawn seeds no more count
        return 0
    if paired and len(count.pairs) >= plan.repeats:
        return 0
    parts = any(
        metric == plan.metric and (fold is not None or dataset)
        for one in there
        for metric, _, fold, dataset in ([] if one is None else one.samples)
    )
    if parts:
        return 0
    if paired:
        return settled.deciding(plan, max(1, count.variants))
    alpha = plan.alpha / max(1, count.variants)
    return pairs_needed(alpha, paired=False, one_sided=plan.effect.one_sided)


def environments(before: Environment | None, after: Environment | None) -> str:
    """Say what changed from one environment to a later one; "" where nobody knows."""
    if before is None or after is None:
        return ""
    return listed([_environment_words(item) for item in environment_changes(before, after)], _FEW)


def _of_other_inputs(
    repo: Repo, found: FoundRuns, plan: Plan, baseline: ResolvedSide, candidate: ResolvedSide
) -> Iterator[str]:
    """Say which file, parameter or setting keeps the newest repeats of other inputs apart."""
    others = [
        item
        for item in found.candidate
        if eligible.is_under(item, plan)
        and eligible.finished_seeds(item)
        and item.run.inputs not in {baseline.inputs, candidate.inputs}
    ]
    if not others:
        return
    newest, source = others[-1], others[-1].run.source
    seeds: dict[InputsDigest, set[int]] = {}
    variants: dict[InputsDigest, str] = {}  # the newest first
    for item in reversed(others):
        seeds.setdefault(item.run.inputs, set()).update(eligible.finished_seeds(item))
        if changed := item.run.source.overrides:
            text = ", ".join(f"{key} = {value}" for key, value in changed.items())
            variants.setdefault(item.run.inputs, text)
    if source.overrides:
        for inputs_, text in [*variants.items()][:_FEW]:
            some = counted(len(seeds[inputs_]), "repeat")
            yield f"{some} ran with {text}, which is not committed"
        if len(variants) > _FEW:
            yield f"and {len(variants) - _FEW} more; gitexp list --runs shows all"
        return
    changes = _changes(repo, source.commit, candidate)
    told = f": {changes}" if changes else ""
    number = len(seeds[newest.run.inputs])
    yield (
        f"{counted(number, 'repeat')} {'is' if number == 1 else 'are'} of other inputs{told}; "
        f"gitexp inputs {source.commit[:_SHORT]} {candidate.commit[:_SHORT]}"
    )


def _changes(repo: Repo, commit: CommitHash, candidate: ResolvedSide) -> str:
    try:
        config, _ = plans.config_of(repo, commit, candidate.commit)
        trees = [objects.commit_info(repo, each).tree for each in (commit, candidate.commit)]
        config = config.by_rules(candidate.config.inputs_by)
        found = inputs.explain(repo, trees[0], config, trees[1], candidate.config)
        way = inputs.told_of_declared(ProjectState(repo, trees[1], candidate.config), found)
    except GitexpError:  # squashed away, or it cannot be read: `gitexp inputs` says so
        return ""
    words = []
    for item in found:
        if item.kind == "params":
            words.append(f"{item.what} {item.a or '(none)'} -> {item.b or '(none)'}")
        else:
            how = "is new" if not item.a else "is gone" if not item.b else "changed"
            name = f"the setting {item.what}" if item.kind == "config" else item.what
            words.append(f"{name} {how}")
    return "; ".join(filter(None, [listed(words, _FEW), way]))


def _in_another_environment(repo: Repo, settled: Settled) -> Iterator[str]:
    """Say what was installed between repeats of one side, or of the two."""
    runs: dict[str, FoundRun] = {item.run.id: item for item in settled.gathered.found}
    count = settled.count
    for name, side in (("candidate", count.candidate), ("baseline", count.baseline)):
        kept = next(iter(side.repeats.values()), None)
        if kept is None:
            continue
        aside: dict[EnvironmentDigest | None, tuple[FoundRun, set[int]]] = {}
        for item in count.unused:
            run = runs.get(item.run) if item.why == OTHER_ENVIRONMENT else None
            if run is None or run.run.inputs != kept.found.run.inputs:
                continue
            for repeat in run.run.repeats:
                if repeat.seed in item.seeds:
                    aside.setdefault(repeat.environment, (run, set()))[1].add(repeat.seed)
        for digest, (run, seeds) in aside.items():
            told = _between(repo, (run, digest), (kept.found, side.environment))
            yield f"{counted(len(seeds), 'repeat')} of the {name} ran in another environment{told}"
    if count.confounded == "environment":
        old, new = (
            (next(iter(side.repeats.values())).found, side.environment)
            for side in (count.baseline, count.candidate)
        )
        yield f"the two sides ran in different environments{_between(repo, old, new)}"


def _between(
    repo: Repo,
    one: tuple[FoundRun, EnvironmentDigest | None],
    other: tuple[FoundRun, EnvironmentDigest | None],
) -> str:
    first, then = sorted((one, other), key=lambda pair: pair[0].order)
    read = Environments(repo).read
    told = environments(*(read(run.commit, digest) for run, digest in (first, then)))
    return f": {told}" if told else ""


def _environment_words(item: Change) -> str:
    if not item.baseline:
        return f"{item.what} {item.candidate} added"
    return f"{item.what} {item.baseline} {f'-> {item.candidate}' if item.candidate else 'removed'}"


def _reason(why: str, item: FoundRun, plan: Plan) -> str:
    if why != eligible.EXPLORATORY:
        return _SAID.get(why, "")
    under = item.run.plan
    if under is None:
        return "run before the plan, or beside it: exploratory"
    older = under.name in {plan.name, *plan.formerly}
    return "ran under the plan as it was before" if older else f"ran under the plan {under.name}"


def changes(
    repo: Repo, baseline: ResolvedSide, candidate: ResolvedSide, count: Count
) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """Return what differs, and warnings about what could not be compared."""
    warnings: list[str] = []
    found: list[Change] = []
    if not (baseline.exact and candidate.exact):
        lost = any(side.lost and not side.exact for side in (baseline, candidate))
        why = "lost (squashed)" if lost else "not in this shallow clone"
        warnings.append(f"the source commit of a side is {why}: code is not compared")
    else:
        warnings += [
            f"source of {side.name} lost (squashed): the code compared is that of "
            f"{side.commit[:9]}, which has the same inputs"
            for side in (baseline, candidate)
            if side.lost
        ]
        found += [
            Change(item.kind, item.what, item.a, item.b)
            for item in inputs.differences(baseline.state(repo), candidate.state(repo))
        ]
    if count.confounded == "data":
        first = (next(iter(side.repeats.values())) for side in (count.baseline, count.candidate))
        runs = (f"as run {item.found.run.id[:8]} had them" for item in first)
        found.append(Change("data", "linked", *runs))
    left, right = count.baseline.environment, count.candidate.environment
    if count.in_pairs:  # nothing that differs acts on either
        return tuple(found), tuple(warnings)
    if left is not None and right is not None and left != right:
        one, two = recorded(repo, count.baseline), recorded(repo, count.candidate)
        if one is None or two is None:
            found.append(Change("environment", "digest", left[:9], right[:9]))
            warnings.append("an environment is not recorded: its distributions are not compared")
        else:
            found += environment_changes(one, two)
    return tuple(found), tuple(warnings)


def recorded(repo: Repo, side: SideCount) -> Environment | None:
    """Return the environment of what counts on a side; None where it cannot be read."""
    every = (  # where one commit has lost it another one may have it: each is asked by itself
        Environments(repo).read(item.found.commit, side.environment or item.repeat.environment)
        for item in side.repeats.values()
    )
    return next(filter(None, every), None)
