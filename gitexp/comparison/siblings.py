"""Other experiments on the same data: each that showed a result was one more chance of a yes.

Six candidates of no effect, each compared with one baseline under a plan of its own, give a yes in
every fourth case. So the p that decides is Holm's over all of them. See docs/decisions/0047.
"""

from __future__ import annotations

import contextlib
import json
from collections import defaultdict
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from gitexp.comparison import selection, sides, tally
from gitexp.comparison.gather import RunPool
from gitexp.comparison.sides import Named, ResolvedSide
from gitexp.dvc import declared_data
from gitexp.dvc.input_parts import collect
from gitexp.errors import DataMissingError, GitexpError, NoSamplesError, UsageError
from gitexp.git import objects
from gitexp.git.transaction.cache import Kind, open_index
from gitexp.model import dataclass, replace
from gitexp.model.comparison import Conclusion, Selection, Sibling, Siblings, SignificanceResult
from gitexp.model.ids import ABSENT, Absent, CommitHash
from gitexp.model.plan import Claim, Plan
from gitexp.report import numbers
from gitexp.stats.design import pairs_needed
from gitexp.stats.hypotheses import family
from gitexp.store import plans
from gitexp.store.conclusions import conclusion_named
from gitexp.store.experiments import experiment_lines
from gitexp.store.merged_experiments import merged_lines
from gitexp.store.tried import Tried, at_tips, parted, tried

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from gitexp.comparison.counting import Count
    from gitexp.comparison.judged import Draft
    from gitexp.comparison.tally import Settled
    from gitexp.git.repository import Repo
    from gitexp.store.list_lines import ExperimentLine

    Test = Callable[[RunPool, tuple[Named, Named]], Draft]

_MOST = 50  # that are tested again; of the rest p is taken for 1, which makes no other p smaller
_FEW = 5  # experiments that are named
_HOLM = "holm"


def found(
    world: RunPool,
    item: Draft,
    holder: CommitHash,
    test: Test,
    asked: Collection[str] = (),
) -> tuple[Siblings | None, int]:
    """Return the siblings of a comparison, and among how many a next plan shares alpha.

    None where it has none. What was concluded keeps those that it had, and names the newer ones;
    a next plan has all of them, and those of the call.

    `holder`: whose history has the records; `test`: how each of them is tested; `asked`:
    experiments that have their place in a family of the same call already.
    """
    plan = item.sides.plan
    if plan is None or plan.rules < 2 or not item.sides.count.candidate.repeats:  # noqa: PLR2004  decision 0041
        return None, 1
    kept = _concluded(world.repo, plan, holder)
    both, commit = (item.sides.baseline, item.sides.candidate), plan.baseline.commit
    raw = frozenset(_raw(world.repo, plan, commit, holder))
    data = _Data(_identities(item.sides.count), raw)
    about = _Asked(plan, both[0].inputs, both[1].inputs, commit, data, test, asked)
    every = tuple(_others(world, about))
    there, shares = [each for each in every if each[0].name not in asked], 1 + len(every)
    # One of fewer repeats, as of a candidate that only failed, says nothing of these.
    if kept and item.sides.count.candidate.repeats.keys() <= {*kept.comparison.candidate.seeds}:
        mine = () if kept.comparison.siblings is None else kept.comparison.siblings.experiments
        names = {each.name for each in mine}
        rest = [(one.name, began < kept.concluded_at) for one, began in there]
        newer, missed = (
            tuple(name for name, early in rest if early is was and name not in names)
            for was in (False, True)
        )
        return (Siblings(mine, newer, missed) if mine or newer or missed else None), shares
    return (Siblings(tuple(one for one, _ in there)) if there else None), shares


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
    """Return the siblings of what is planned, before there is a comparison, by the rule of one."""
    at = sides.settled(world.repo, mine)
    candidate = sides.source(world.repo, mine, at, world.index)
    return _planned(world, mine.plan, baseline, replace(candidate, records=mine.holder))


def shares(repo: Repo, settled: Settled) -> int:
    """Return among how many experiments a plan shares alpha, itself one of them."""
    with open_index(repo.workspace) as index:
        return 1 + len(_planned(RunPool(repo, index), settled.plan, *settled.sides))


def _planned(
    world: RunPool, plan: Plan | None, baseline: ResolvedSide, candidate: ResolvedSide
) -> tuple[str, ...]:
    """Return the siblings; what tells the data is what repeats of the baseline have been on.

    Else files that Git or DVC holds; where neither tells, nothing sets data apart.
    """
    if plan is not None and plan.rules < 2:  # noqa: PLR2004  decision 0041
        return ()
    commit = baseline.commit if plan is None else plan.baseline.commit
    raw = frozenset(_raw(world.repo, plan, commit, candidate.records))
    data = _Data(_foreseen(world, baseline, candidate.records), raw)
    changed = "" if candidate.inputs == baseline.inputs else candidate.inputs
    asked = _Asked(plan, baseline.inputs, changed, commit, data)
    return tuple(one.name for one, _ in _others(world, asked))


def _foreseen(world: RunPool, baseline: ResolvedSide, holder: CommitHash) -> frozenset[str]:
    """Return what identifies the data that a baseline is measured on; nothing if none tells."""
    world = world.at(baseline.records, holder)
    world.read([baseline.inputs], ())
    runs, _ = world.of([baseline.inputs], None, [baseline.records, holder])
    repeats = [each for item in runs.values() for each in item.run.repeats if each.evaluation]
    if len({each.seed for each in repeats}) > 1:  # a single one may be of its seed's own part
        return _fixed(each.evaluation for each in repeats if each.evaluation)
    with contextlib.suppress(GitexpError):
        known = declared_data.foreseen(baseline.state(world.repo))
        return frozenset() if known is None else frozenset({known})
    return frozenset()


def shared(plan: Plan, names: Sequence[str], price: int, *, by_signs: bool) -> str:
    """Say with which experiments a new plan shares alpha; "" with none.

    `by_signs`: whether its test flips the signs of pairs, as far as anybody knows.

    Raises
    ------
    UsageError
        The plan has as many repeats as would decide alone, and too few among so many.
    """
    number = len(names) + 1
    if number * price == 1:
        return ""
    said = (
        f"{with_results(names)}: until one is supported on {plan.metric} and merged, the p that "
        f"decides is Holm's over {number}"
    )
    said = said if names else f"p will be multiplied by {price}"
    by_signs = by_signs and plan.claim is Claim.METHOD
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


@dataclass(frozen=True, slots=True)
class _Data:
    """What tells the data of experiments apart, as far as anything does."""

    evaluated: frozenset[str] = frozenset()  # identities of what repeats were measured on
    raw: frozenset[str] = frozenset()  # data of DVC

    def is_apart(self, other: _Data) -> bool:
        """Whether two surely have others; where nothing tells, they may be the same."""
        told = (self.evaluated and other.evaluated) or (self.raw and other.raw)
        apart = self.evaluated.isdisjoint(other.evaluated) and self.raw.isdisjoint(other.raw)
        return bool(told) and apart


@dataclass(frozen=True, slots=True)
class _Other:
    """An experiment as its runs show it, whatever became of its branch, plan file or settings."""

    name: str
    names: frozenset[str]  # that it ever had
    baseline: str  # its inputs; "" where no run tells
    look: Callable[[], Named]
    tried: frozenset[str] = frozenset()  # inputs of its candidates of which a score was seen
    began: datetime = datetime.max.replace(tzinfo=UTC)  # the first of these
    amended: bool = False  # its plan, once there were any


@dataclass(frozen=True, slots=True)
class _Asked:
    """An experiment whose siblings are asked for."""

    plan: Plan | None
    baseline: str  # its inputs
    candidate: str  # likewise; "" where it is the baseline as yet
    commit: CommitHash  # of the baseline
    data: _Data
    test: Test | None = None  # None: their p-values are not asked for
    named: Collection[str] = ()  # others that have their place in a family of the call already


def _others(world: RunPool, asked: _Asked) -> Iterator[tuple[Sibling, datetime]]:
    """Yield the siblings, with what each one's own test says and when the first run began."""
    plan, data, tested = asked.plan, asked.data, 0
    for other in _tried(world, plan):
        # What has this candidate alone is another try of it, which has its price.
        if other.tried <= {asked.candidate}:
            continue
        same = other.baseline == asked.baseline
        test = None if other.name in asked.named else asked.test
        one, theirs, new = Sibling(other.name, 1.0, 1.0), _Data(), False
        with contextlib.suppress(GitexpError):  # `list` says what is wrong; it had its chance
            named = None if same and test is None else other.look()
            named = named and sides.planned(world.repo, world.index, named)
            if named is not None and named.plan is not None:
                there = named.plan.baseline.commit
                if not same and parted(world.repo, plan, asked.commit, there):
                    continue
                again = tested < _MOST and (test is not None or bool(data.evaluated))
                one, theirs, new = _judged(world, named, named.plan, test, again=again)
        tested += new
        if other.amended:  # to what is true anyway, for all that anybody knows
            one = Sibling(other.name, 1.0, 1.0)
        if same or not other.baseline or not data.is_apart(theirs):
            yield replace(one, name=other.name), other.began


def _tried(world: RunPool, plan: Plan | None) -> Iterator[_Other]:
    """Yield the experiments but this one of which anybody saw a score, in the order of their names.

    By their runs: branches, plan files and names can be changed once a result is known.
    """
    repo, lines = world.repo, _lines(world)
    under: defaultdict[tuple[str, str], list[Tried]] = defaultdict(list)
    for ran in tried(repo, world.index, world.tips, world.own.values()):
        under[ran.plan, ran.digest].append(ran)
    found: dict[str, list[_Other]] = {}
    for (called, digest), runs in under.items():
        if plan is not None and plan.covered(called, digest):
            continue
        at = _placed(repo, lines, called, digest, runs)
        if plan is not None and plan.name in at.names and _is_same(plan, at.look):
            continue
        if seen := [each for each in runs if each.seen and each.inputs != at.baseline]:
            inputs, began = {each.inputs for each in seen}, min(each.began for each in seen)
            at = replace(at, tried=frozenset(inputs), began=began)
            found.setdefault(at.name, []).append(at)
    for _, parts in sorted(found.items()):
        yield replace(
            parts[-1],
            baseline=next((each.baseline for each in parts if each.baseline), ""),
            tried=frozenset().union(*(each.tried for each in parts)),
            amended=any(each.amended for each in parts) or len(parts) > 1,
            began=min(each.began for each in parts),
        )


def _is_same(plan: Plan, look: Callable[[], Named]) -> bool:
    """Whether an experiment is another version of this plan: what amendments and names leave."""
    with contextlib.suppress(GitexpError):
        own = look().plan
        return own is not None and (own.created_at, own.seeds) == (plan.created_at, plan.seeds)
    return False


def _placed(
    repo: Repo,
    lines: Mapping[str, tuple[ExperimentLine, Callable[[], Named]]],
    called: str,
    digest: str,
    runs: Sequence[Tried],
) -> _Other:
    """Return the experiment that runs belong to: one on a branch, else as their commit has it."""
    at = lines.get(called)
    near = {} if at is None or at[0].digest != digest else {called: at}
    last = max(runs, key=lambda each: each.order).commit
    plan: Plan | Absent = ABSENT
    if not near:
        with contextlib.suppress(GitexpError):
            plan = plans.plan_named(repo, called, last)
    for name, (line, look) in (near or lines).items():
        names = frozenset((name, *line.formerly))
        if near or (plan and line.created_at == plan.created_at and called in names):
            return _Other(name, names, line.inputs[0], look, amended=line.digest != digest)
    name = called if at is None or at[0].bad else f"{called} at {last[:7]}"
    if plan is ABSENT:
        return _Other(name, frozenset(), "", lambda: Named(called, last))
    made = (each.inputs for each in runs if plan.was_baseline(each.source, digest))
    named = Named(called, last, plan.branch, plan)
    names = frozenset((called, *plan.formerly))
    return _Other(name, names, next(made, ""), lambda: named)


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
    world: RunPool, named: Named, plan: Plan, test: Test | None, *, again: bool
) -> tuple[Sibling, _Data, bool]:
    """Return an experiment's p-values before any sibling's, and what tells its evaluation data.

    Then whether it was tested for that, which is remembered until an own branch or archive moves.
    Where it cannot be tested it had its chance.
    """
    kept = _concluded(world.repo, plan, named.holder)
    raw = frozenset(_raw(world.repo, plan, plan.baseline.commit, named.holder))
    if kept is not None:
        found = kept.comparison
        ledger = () if found.ledger is None else found.ledger.evaluation
        result = found.metrics[0].result if found.metrics else None
        return _sibling(plan.name, result, found.selection), _Data(_fixed(ledger), raw), False
    key = f"{at_tips(world.tips)}:{plan.digest}:{plan.name}:{named.commit}"
    row = world.index.get(Kind.SIBLING, [key]).get(key)
    if row is not None:
        yes, no, of = json.loads(row)
        return Sibling(plan.name, yes, no), _Data(frozenset(of), raw), False
    open_ = Sibling(plan.name, 1.0, 1.0)
    if not again:
        return open_, _Data(raw=raw), False
    base = sides.planned_baseline(world.repo, plan, named, world.index)
    if test is None:
        both = tally.sources(world.repo, world.index, plan, named)[:2]
        return open_, _Data(_identities(tally.settle(world, *both, plan).judged), raw), True
    try:
        item = test(world, (base, named))
    except (NoSamplesError, DataMissingError):
        return open_, _Data(raw=raw), True
    result = None if (primary := item.measured.primary) is None else primary.result
    one, of = _sibling(plan.name, result, item.selection), sorted(_identities(item.sides.count))
    world.index.put(Kind.SIBLING, {key: json.dumps([one.p_support, one.p_refute, of]).encode()})
    return one, _Data(frozenset(of), raw), True


def _sibling(name: str, result: SignificanceResult | None, chosen: Selection | None) -> Sibling:
    if result is None:
        return Sibling(name, 1.0, 1.0)
    paid = selection.corrected(result, selection.factor(chosen))
    return Sibling(name, _one(paid.p_support), _one(paid.p_refute))


def _concluded(repo: Repo, plan: Plan, holder: CommitHash) -> Conclusion | None:
    conclusion = conclusion_named(repo, plan.name, holder)
    stands = conclusion is not ABSENT and conclusion.stands(plan)
    return conclusion if conclusion is not ABSENT and stands else None


def _identities(count: Count) -> frozenset[str]:
    """Return the identities of what repeats were measured on; none where a side has none."""
    sides = count.baseline.repeats.values(), count.candidate.repeats.values()
    every = [each.repeat.evaluation for side in sides for each in side]
    return _fixed(each for each in every if each is not None and all(sides))


def _fixed(identities: Iterable[str]) -> frozenset[str]:
    """Return them, or none where each seed has its own: these are parts of a table nobody names."""
    found = frozenset(identities)
    return found if len(found) == 1 else frozenset()


def _raw(repo: Repo, plan: Plan | None, baseline: CommitHash, holder: CommitHash) -> Iterator[str]:
    """Yield the data of DVC that a plan's baseline points to, by their hashes."""
    if not objects.exists(repo, baseline):
        return
    at = sides.settled(repo, Named("", holder, plan=plan))
    state = plans.state_of(repo, baseline, at)
    yield from (part.id for part in collect(state, {}) if part.kind == "data")
