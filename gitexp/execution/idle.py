"""Notices while repeats go on that the seed does not act, so that no more copies are made."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from gitexp.comparison import eligible
from gitexp.comparison.randomness import seeding
from gitexp.comparison.randomness.seeding import BASELINE, CANDIDATE, Code
from gitexp.comparison.randomness.syntax import CopiesReason
from gitexp.comparison.randomness.variation import (
    CHANCE,
    Acts,
    acts,
    agree,
    are_seen_to_act,
    recorded,
    trace,
)
from gitexp.dvc.cache import object_path
from gitexp.errors import GitexpError, IdleSeedError
from gitexp.execution import record, run_sources
from gitexp.git import objects
from gitexp.git.transaction.cache import open_index
from gitexp.model import dataclass, field
from gitexp.model.clocked import is_clocked
from gitexp.model.metrics import in_folds
from gitexp.model.plan import Claim, Plan
from gitexp.report import numbers
from gitexp.store import lookup
from gitexp.text.predictions import load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gitexp.comparison.randomness.variation import Conditions, Trace
    from gitexp.execution.prepare import Prepared
    from gitexp.execution.run_sources import RunSource
    from gitexp.execution.situation import Situation
    from gitexp.model.job import Outcome
    from gitexp.stats.design import Splits
    from gitexp.store.lookup import FoundRun

_FEWEST = 2


@dataclass(slots=True)
class Watch:
    """What all repeats say of each side's seed; texts and records are read when they agree."""

    seen: Situation
    prepared: Sequence[Prepared]
    _codes: dict[str, Code] = field(default_factory=dict)
    _found: list[FoundRun] | None = None
    _elsewhere: bool | None = None
    _lacks_test: bool | None = None
    _varying: set[str] = field(default_factory=set)  # sides; what differs does not agree later

    def acts(self, side: str, finished: Sequence[Outcome]) -> Acts:
        """Tell from the repeats of one side that have finished so far."""
        if side not in self._varying and (said := self._acts(side, finished)) is not Acts.YES:
            return said
        self._varying.add(side)
        return Acts.YES

    def _acts(self, side: str, finished: Sequence[Outcome]) -> Acts:
        mine, source = self._left(side, finished), self._source(side)
        if len(mine) > 1 and not agree(mine):
            return Acts.YES
        every, counting = [*mine, *self._recorded(source)], source.choice.together
        # Of a snapshot's repeat `compare` knows nothing, and it has to say the same.
        if sum(each.seed in counting for each in every) < _FEWEST:
            return Acts.UNTOLD
        return self._told(every, source)

    def _left(self, side: str, finished: Sequence[Outcome]) -> list[Trace]:
        """Return what the repeats of one side left in this call."""
        each = next(each for each in self.prepared if each.side == side)
        metrics = each.template.source.config.metrics
        return [
            trace(o.seed, o.samples, record.made(o, each.state.once, metrics)) for o in finished
        ]

    def check(self) -> None:
        """Refuse sides that no test can compare: all is one number, or one draw is held."""
        if (plan := self.seen.plan) is not None and (apart := self._apart(plan)):
            raise IdleSeedError(
                "a draw stands fixed on one side alone: no verdict can come of these repeats",
                found="; ".join(each.why for each in apart.values()),
                expected="the same fixed draw on both sides, or the seed of the repeat on both; "
                "--keep-going runs all as they are",
                next_step=seeding.step(apart, plan),
            )
        dead = []
        for each in self.prepared:
            source = each.template.source
            if source.choice.for_snapshot is None and (found := list(self._recorded(source))):
                dead += [source.side] * (self._told(found, source) is Acts.NO)
        draws = [side for side in dead if self.is_draw(side)]
        idle = dead and dead == [each.side for each in self.prepared]
        if draws or (idle and not self.acts_elsewhere(dead[0])):
            raise self.error(dict.fromkeys(dead if idle else draws, ()))

    def _apart(self, plan: Plan) -> dict[str, CopiesReason]:
        """Return the sides that `compare` will find apart, by the text of both."""
        there = {each.side: each.template.source for each in self.prepared}
        repo, base = self.seen.repo, plan.baseline.commit
        if plan.claim is Claim.MODEL or plan.repeats < _FEWEST or CANDIDATE not in there:
            return {}
        if BASELINE not in there and objects.exists(repo, base):
            at = there[CANDIDATE].commit
            there[BASELINE] = run_sources.look(repo, BASELINE, base, overrides={}, fallback=at)
        if BASELINE not in there:
            return {}
        both = {side: self._code(there[side]) for side in (BASELINE, CANDIDATE)}
        found = seeding.unlike(both)[0]  # where nothing takes the seed, two repeats show it
        return {side: held for side, held in found.items() if both[side].takes()}

    def foretold(self) -> Iterator[str]:
        """Yield what the text alone says of sides that will always report the same."""
        for each in self.prepared:
            if (
                len(each.seeds) > 1
                and (held := self._code(each.template.source).fast()) is not None
                and not self._is_seen_to_act(each.template.source)
            ):
                yield f"{each.side}: {held.why}; {self._step(each.side, held)}"

    def lacks_test(self, finished: Mapping[str, Sequence[Outcome]]) -> bool:
        """Whether the plan has no test for what two pairs of this call show.

        A stopping rule has none for folds and re-splits, and none has one where ids of predictions
        do not say what two seeds share.
        """
        plan = self.seen.plan
        if self._lacks_test is not None or plan is None or plan.claim is Claim.MODEL:
            return bool(self._lacks_test)
        shown = []
        for each in self.prepared:
            counting = each.template.source.choice.together
            shown.append([o for o in finished.get(each.side, ()) if o.seed in counting])
        if min(map(len, shown)) < _FEWEST or not {*finished} <= {BASELINE, CANDIDATE}:
            return False
        samples = (sample for outcomes in shown for o in outcomes for sample in o.samples)
        rule = plan.stopping is not None
        by_folds = rule and plan.drawn is not None and plan.metric in in_folds(samples)
        tested = plan.rules == 1 or is_clocked(plan.metric)
        sides = () if tested else zip(self.prepared, shown, strict=True)
        found = [each for each in (self._divided(*side) for side in sides) if each is not None]
        unknown = any(isinstance(each, str) for each in found)
        self._lacks_test = by_folds or unknown or (rule and bool(found))
        return self._lacks_test

    def _divided(self, side: Prepared, outcomes: Sequence[Outcome]) -> Splits | str | None:
        """Return how seeds divided one table, by predictions in their caches; see `divided`."""
        from gitexp.comparison.designs.resplits import divided  # noqa: PLC0415  loads numerics

        spec, found = side.template.source.config.predictions, []
        if spec is None or len({o.evaluation for o in outcomes}) < _FEWEST:
            return None
        for o in outcomes:
            for out in (out for out in o.outputs if out.path == spec.path):
                with contextlib.suppress(GitexpError, OSError):  # what is recorded tells it
                    file = object_path(self.seen.workdir.cache(side.run, o.seed), out.md5)
                    table = load(file.read_bytes(), spec, spec.path)
                    found.append((o.seed, dict(zip(table.ids, table.y_true, strict=True))))
        return divided(found) if len(found) >= _FEWEST else None

    def is_draw(self, side: str) -> bool:
        """Whether a side that always reports the same is one draw of its chance, by its text."""
        return self._held(side) is not None

    def _held(self, side: str) -> CopiesReason | None:
        plan = self.seen.plan
        if plan is None or plan.claim is Claim.MODEL or side not in {CANDIDATE, BASELINE}:
            return None
        mine, other = self._source(side), self.prepared[-1].template.source
        other = self.prepared[0].template.source if other is mine else other
        return self._code(mine).held(self._code(other))

    def _step(self, side: str, held: CopiesReason) -> str:
        plan = self.seen.plan
        alone = side != BASELINE and not held.shared
        return held.how if plan is None or alone else seeding.step({side: held}, plan)

    def _source(self, side: str) -> RunSource:
        return next(each.template.source for each in self.prepared if each.side == side)

    def _code(self, source: RunSource) -> Code:
        if source.side not in self._codes:
            self._codes[source.side] = seeding.read(self.seen.repo, source.commit, source.config)
        return self._codes[source.side]

    def acts_elsewhere(self, side: str) -> bool:
        """Whether the side that this one will be compared with, and is not run now, varies."""
        if len(self.prepared) > 1 or side not in {CANDIDATE, BASELINE}:
            return False
        if self._elsewhere is None:
            groups: dict[tuple[str, Conditions], list[Trace]] = {}
            for run, (conditions, item) in self._other(self.prepared[0].template.source):
                groups.setdefault((run, conditions), []).append(item)
            self._elsewhere = any(acts(g, able=True) is Acts.YES for g in groups.values())
        return self._elsewhere

    def error(self, started: Mapping[str, Sequence[int]]) -> IdleSeedError:
        """Return what to say once sides were stopped, with the seeds that were begun."""
        side = next(iter(started))
        error = self._code(self._source(side)).remedy()
        held = self._held(side)
        if len(started) == 1 and side == BASELINE:
            error.summary = error.summary.replace("act:", "act on the baseline:")
            error.next_step = self._step(side, held or CopiesReason("", error.next_step))
        if len(started) == 1 and held is not None:
            error.where, error.found = "", held.why
            error.expected = "another seed in each repeat; --keep-going runs all as they are"
        said = []
        for each in self.prepared:
            name = each.side
            if name in started:
                left = sorted(set(each.seeds) - set(started[name]))
                rest = f"; {numbers.seeds(left)} not begun" if left else ""
                equal = {*started[name], *(t.seed for t in self._recorded(each.template.source))}
                said.append(f"{name}: {numbers.seeds(equal)} report the same{rest}")
        error.found = "; ".join([*said, *filter(None, (error.found,))])
        return error

    def said(
        self, finished: Mapping[str, Sequence[Outcome]], stopped: Sequence[str]
    ) -> Iterator[str]:
        """Yield what to say of sides that say the same again and again, which may be chance."""
        acting = {
            side
            for side, outcomes in finished.items()
            if self._is_seen_to_act(self._source(side), outcomes)
        }
        for side, outcomes in finished.items():
            traces = [trace(outcome.seed, outcome.samples) for outcome in outcomes]
            if side not in stopped and len(traces) > 1 and traces[0].numbers and agree(traces):
                every = f"all {len(traces)} repeats of the {side} reported the same numbers"
                if side in acting:  # which no place in the text explains
                    yield f"{every}, though what they made, or another repeat, differs: {CHANCE}"
                    continue
                held, code = self._held(side), self._code(self._source(side))
                why = "unless it has no chance in it, its seed may not act (gitexp help idle seed)"
                # of data, alike on both sides
                if held is None and not acting and (places := code.fixed()):
                    first, unless = places[0], "unless it has no chance in it, "
                    what = f"{unless}{first.where} holds its seed fast: {first.line}"
                    held = CopiesReason(what, code.how(places), shared=True)
                if held is not None:
                    why = f"{held.why}; {self._step(side, held)}"
                yield f"{every}: {why}"

    def _told(self, traces: Sequence[Trace], source: RunSource) -> Acts:
        found = acts(traces, able=False)
        if found is not Acts.NO:
            return found
        if self._is_seen_to_act(source):
            return Acts.UNTOLD
        return acts(traces, able=self._code(source).able())

    def _is_seen_to_act(self, source: RunSource, finished: Sequence[Outcome] = ()) -> bool:
        """Whether any repeats of the same inputs differ, of this call and others."""
        mine = zip(finished, self._left(source.side, finished), strict=True)
        more = [((self.seen.environment, outcome.links), left) for outcome, left in mine]
        return are_seen_to_act(self._runs(), source.inputs, more)

    def _recorded(self, source: RunSource) -> Iterator[Trace]:
        """Yield what counts already: of the same inputs, in the same environment."""
        counting = source.choice.counting
        for found in self._runs() if counting else ():
            if found.run.inputs == source.inputs and (
                source.side == BASELINE or eligible.is_under(found, self.seen.plan)
            ):
                for (environment, _), item in recorded(found):
                    if environment == self.seen.environment and item.seed in counting:
                        yield item

    def _other(self, source: RunSource) -> Iterator[tuple[str, tuple[Conditions, Trace]]]:
        """Yield the recorded repeats of the side that is not run, with their inputs."""
        plan = self.seen.plan
        if plan is None:
            return
        base = None
        here = objects.exists(self.seen.repo, plan.baseline.commit)
        if source.side == CANDIDATE and here:
            base = run_sources.baseline(self.seen.repo, plan, source.commit, source.commit).inputs
        for found in self._runs():
            inputs = found.run.inputs
            if inputs == base or (
                base is None and inputs != source.inputs and eligible.is_under(found, plan)
            ):
                for item in recorded(found):
                    yield inputs, item

    def _runs(self) -> list[FoundRun]:
        if self._found is None:
            plan = self.seen.plan
            repo, tips = self.seen.repo, [self.seen.place.tip]
            # A shallow clone may lack the baseline, whose records the tip's history holds.
            if plan is not None and objects.exists(repo, plan.baseline.commit):
                tips.append(plan.baseline.commit)
            with open_index(repo.workspace) as index:
                runs = [r for tip in tips for r in lookup.runs_at(repo, tip, index).runs]
            self._found = list({found.run.id: found for found in runs}.values())
        return self._found
