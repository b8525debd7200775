"""Other experiments on the same data: each that showed a result was one more chance of a yes.

Six candidates of no effect, each compared with one baseline under a plan of its own, give a yes in
every fourth case. So the p that decides is Holm's over all of them. See docs/decisions/0047.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from functools import partial
from typing import TYPE_CHECKING

from gitexp.comparison import selection, sides
from gitexp.comparison.draft import CompareOptions, draft
from gitexp.dvc.input_parts import collect
from gitexp.errors import DataMissingError, GitexpError, NoSamplesError, UsageError
from gitexp.git import objects
from gitexp.git.transaction.cache import Kind
from gitexp.git.transaction.layout import CONCLUSIONS, run_json
from gitexp.model import replace
from gitexp.model.comparison import Sibling, Siblings, SignificanceResult
from gitexp.model.ids import ABSENT, RunId
from gitexp.model.plan import Claim, Verdict
from gitexp.report import numbers
from gitexp.stats.design import pairs_needed
from gitexp.stats.hypotheses import family
from gitexp.store import plans
from gitexp.store.conclusions import conclusion_named
from gitexp.store.experiments import experiment_lines
from gitexp.store.merged_experiments import merged_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from gitexp.comparison.gather import RunPool
    from gitexp.comparison.judged import Draft
    from gitexp.comparison.sides import Named, ResolvedSide
    from gitexp.git.repository import Repo
    from gitexp.model.comparison import Comparison, Selection
    from gitexp.model.ids import CommitHash
    from gitexp.model.plan import Plan
    from gitexp.store.list_lines import ExperimentLine

_MOST = 50  # that are tested again; of the rest p is taken for 1, which makes no other p smaller
_FEW = 5  # experiments that are named
_HOLM = "holm"


def found(
    world: RunPool, item: Draft, holder: CommitHash, asked: Collection[str] = ()
) -> Siblings | None:
    """Return the siblings of a comparison; None where it has none.

    What was concluded keeps those that it had, and names the newer ones.

    `holder`: whose history has the records; `asked`: experiments that have their place in a family
    of the same call already.
    """
    plan = item.sides.plan
    if plan is None or plan.rules < 2 or not item.sides.count.candidate.repeats:  # noqa: PLR2004  decision 0041
        return None
    kept = _concluded(world.repo, plan, holder)
    there = tuple(_others(world, item, plan, asked))
    if kept is not None:
        mine = () if kept.siblings is None else kept.siblings.experiments
        newer = {each.name for each in there} - {each.name for each in mine}
        return Siblings(mine, tuple(sorted(newer))) if mine or newer else None
    return Siblings(there) if there else None


def together(
    result: SignificanceResult | None,
    known: Siblings | None,
    call: Sequence[SignificanceResult | None],
    number: int,
) -> SignificanceResult | None:
    """Return a result with p-values that hold over its siblings and those of its call (Holm).

    `result`: as the call adjusted it, which is no less than it was; `call`: each result alone, the
    one asked about at `number`.
    """
    own = call[number]
    if result is None or own is None or known is None or not known.experiments:
        return result

    def held(side: str) -> float | None:
        here = [_one(getattr(own, side))]
        others = (each for at, each in enumerate(call) if at != number and each is not None)
        here += [_one(getattr(each, side)) for each in (*others, *known.experiments)]
        p: float | None = getattr(result, side)
        return None if p is None else max(p, family(here, _HOLM)[0])

    return replace(result, p_support=held("p_support"), p_refute=held("p_refute"))


def factor(alone: SignificanceResult | None, shared: SignificanceResult | None) -> float:
    """Return what the smaller p is multiplied by where alpha is shared: the interval pays it, too.

    It is the deciding side's, so the interval leaves the promise out where the verdict is a yes.
    """
    if alone is None or shared is None or alone.p_support is None or alone.p_refute is None:
        return 1.0
    side = "p_support" if alone.p_support <= alone.p_refute else "p_refute"
    before, after = getattr(alone, side), getattr(shared, side)
    return max(1.0, after / before) if before and after else 1.0


def _one(p: float | None) -> float:
    return 1.0 if p is None else p


def sharing(world: RunPool, baseline: ResolvedSide, mine: Named) -> tuple[str, ...]:
    """Return the experiments with results on a baseline's data, before there is a comparison.

    `mine`: what is planned, which is none of them, nor is another try of it.
    """
    plan = mine.plan
    if plan is not None and plan.rules < 2:  # noqa: PLR2004  decision 0041
        return ()
    own = () if plan is None else (plan.name, *plan.formerly)
    commit = baseline.commit if plan is None else plan.baseline.commit
    at = sides.settled(world.repo, mine)
    candidate = sides.source(world.repo, mine, at, world.index).inputs
    data: set[str] | None = None
    found, looked = [], 0
    for name, (line, look) in sorted(_lines(world).items()):
        tried = candidate != baseline.inputs and line.inputs[1] == candidate
        if tried or not line.finished or not {name, *line.formerly}.isdisjoint(own):
            continue
        if line.inputs[0] == baseline.inputs:
            found.append(name)
        elif looked < _MOST:
            looked += 1
            data = {*_data(world.repo, commit, baseline.records)} if data is None else data
            with contextlib.suppress(GitexpError):  # `list` says what is wrong with it
                named = sides.planned(world.repo, world.index, look())
                other = commit if named.plan is None else named.plan.baseline.commit
                theirs = () if other == commit else _data(world.repo, other, named.holder)
                if not (data.isdisjoint(theirs) or _parted(world.repo, plan, commit, other)):
                    found.append(name)
    return tuple(found)


def shared(plan: Plan, names: Sequence[str], price: int) -> str:
    """Say with which experiments a new plan shares alpha; "" with none.

    Raises
    ------
    UsageError
        The plan has as many repeats as would decide alone, and too few among so many.
    """
    number = len(names) + 1
    if number * price == 1:
        return ""
    said = (
        f"{with_results(names)}: until one of them is supported and merged, the p that decides is "
        f"Holm's over {number}"
    )
    said = said if names else f"p will be multiplied by {price}"
    by_signs = not plan.evaluation and plan.claim is Claim.METHOD
    least, needed = (
        pairs_needed(plan.alpha / by, one_sided=plan.effect.one_sided) for by in (1, number * price)
    )
    if by_signs and least <= plan.repeats < needed:
        raise UsageError(
            f"{numbers.amount(plan.repeats, 'pair')} cannot show anything here, whatever comes out",
            found=f"{said}{f', and multiplied by {price}' if names and price > 1 else ''}",
            expected=f"at least {needed} repeats",
            next_step=f"the same with --repeats {needed}",
        )
    return said if names else ""


def with_results(names: Sequence[str]) -> str:
    """Say who has results on the data of a baseline."""
    have = "has" if len(names) == 1 else "have"
    return f"{numbers.listed(names, _FEW)} {have} results on this baseline's data"


def _others(world: RunPool, item: Draft, plan: Plan, asked: Collection[str]) -> Iterator[Sibling]:
    """Yield the siblings with what each one's own test says, in the order of their names."""
    baseline = item.sides.baseline
    commit = plan.baseline.commit
    data = {*_evaluation(item), *_data(world.repo, commit, baseline.records)}
    lines = _lines(world)
    tested = 0
    for name in sorted(lines.keys() - {plan.name, *plan.formerly, *asked}):
        line, look = lines[name]
        if plan.name in line.formerly or not (line.finished or not line.plain):
            continue
        if line.inputs[1] == item.sides.candidate.inputs:  # another try of it, which has its price
            continue
        like = line.inputs[0] == baseline.inputs
        try:
            named = sides.planned(world.repo, world.index, look())
            if named.plan is None or _parted(world.repo, plan, commit, named.plan.baseline.commit):
                continue
            one, same, new = _judged(world, named, named.plan, again=tested < _MOST)
        except GitexpError:  # `list` says what is wrong with it
            continue
        tested += new
        if like or not same.isdisjoint(data):
            yield one


def _lines(world: RunPool) -> dict[str, tuple[ExperimentLine, Callable[[], Named]]]:
    """Return the experiments of own branches and archives, and those merged into one."""
    repo, index = world.repo, world.index
    lines = experiment_lines(repo, index, world.tips)
    found: dict[str, tuple[ExperimentLine, Callable[[], Named]]] = {}
    for tip, line in lines.items():
        if line.name:
            found.setdefault(line.name, (line, partial(sides.of_tip, repo, tip)))
    claimed = dict.fromkeys(found, True)
    for item in merged_lines(repo, index, world.tips, claimed, plans.branch_prefix(repo)):
        name = item.line.name
        found.setdefault(name, (item.line, partial(sides.find, repo, index, name)))
    return found


def _judged(
    world: RunPool, named: Named, plan: Plan, *, again: bool
) -> tuple[Sibling, frozenset[str], bool]:
    """Return an experiment's p-values before any sibling's, and what tells its evaluation data.

    Then whether it was tested for that, which is remembered until an own branch or archive moves.
    Where it cannot be tested it had its chance.
    """
    kept = _concluded(world.repo, plan, named.holder)
    data = frozenset(_data(world.repo, plan.baseline.commit, named.holder))
    if kept is not None:
        ledger = () if kept.ledger is None else kept.ledger.evaluation
        result = kept.metrics[0].result if kept.metrics else None
        return _sibling(plan.name, result, kept.selection), data | {*ledger}, False
    own = "\n".join(sorted(f"{tip.ref} {tip.commit}" for tip in world.tips))
    where = hashlib.sha256(own.encode("utf-8", "surrogateescape")).hexdigest()
    key = f"{where}:{plan.digest}:{plan.name}"
    row = world.index.get(Kind.SIBLING, [key]).get(key)
    if row is not None:
        yes, no, of = json.loads(row)
        return Sibling(plan.name, yes, no), data | {*of}, False
    open_ = Sibling(plan.name, 1.0, 1.0)
    if not again:
        return open_, data, False
    try:
        base = sides.planned_baseline(world.repo, plan, named, world.index)
        item = draft(world, (base, named), CompareOptions())
    except (NoSamplesError, DataMissingError):
        return open_, data, True
    primary = item.measured.primary
    result = None if primary is None else primary.result
    one = _sibling(plan.name, result, item.selection)
    of = sorted(set(_evaluation(item)))
    world.index.put(Kind.SIBLING, {key: json.dumps([one.p_support, one.p_refute, of]).encode()})
    return one, data | {*of}, True


def _sibling(name: str, result: SignificanceResult | None, chosen: Selection | None) -> Sibling:
    if result is None:
        return Sibling(name, 1.0, 1.0)
    paid = selection.corrected(result, selection.factor(chosen))
    return Sibling(name, _one(paid.p_support), _one(paid.p_refute))


def _concluded(repo: Repo, plan: Plan, holder: CommitHash) -> Comparison | None:
    conclusion = conclusion_named(repo, plan.name, holder)
    stands = conclusion is not ABSENT and conclusion.stands(plan)
    return conclusion.comparison if conclusion is not ABSENT and stands else None


def _evaluation(item: Draft) -> Iterator[str]:
    """Yield the identities of what repeats were measured on."""
    for side in (item.sides.count.baseline, item.sides.count.candidate):
        for each in side.repeats.values():
            if each.repeat.evaluation is not None:
                yield each.repeat.evaluation


def _data(repo: Repo, baseline: CommitHash, holder: CommitHash) -> Iterator[str]:
    """Yield the data of DVC that a plan's baseline points to, by their hashes."""
    if not objects.exists(repo, baseline):
        return
    state = plans.state_of(repo, baseline, holder)
    yield from (part.id for part in collect(state, {}) if part.kind == "data")


def _parted(repo: Repo, plan: Plan | None, one: CommitHash, other: CommitHash) -> bool:
    """Whether a new family began between two baselines: an experiment like these was supported.

    It promised something of the same metric, and its plan and the runs that it counted are there:
    else whoever merges what is true of anything else, or a copy of a conclusion, tries for nothing.
    """
    commits = {one, other}
    if len(commits) == 1 or not all(objects.exists(repo, each) for each in commits):
        return False
    first, second = (
        {entry.text: commit for entry in objects.list_dir(repo, commit, CONCLUSIONS)}
        for commit in commits
    )
    return any(
        _is_progress(repo, plan, path.removesuffix(".yaml"), first.get(path) or second[path])
        for path in first.keys() ^ second.keys()
    )


def _is_progress(repo: Repo, plan: Plan | None, name: str, commit: CommitHash) -> bool:
    try:
        conclusion = conclusion_named(repo, name, commit)
        own = plans.plan_named(repo, name, commit)
    except GitexpError:  # what is wrong with it ends no family
        return False
    if conclusion is ABSENT or conclusion.verdict is not Verdict.SUPPORTED:
        return False
    if own is ABSENT or not conclusion.stands(own):
        return False
    runs = conclusion.comparison.candidate.runs
    there = (objects.entry_at(repo, commit, run_json(RunId(run))) for run in runs)
    like = plan is None or (own.metric, own.direction) == (plan.metric, plan.direction)
    return like and bool(runs) and all(each is not ABSENT for each in there)
