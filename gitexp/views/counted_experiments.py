"""The experiments of all branches with what of their records counts, for lists of thousands.

Most lines tell it themselves (`store.experiments`); records are read where a line says that it
cannot, and where another branch has the same inputs under another plan or none: whoever saw those
seeds first may have chosen by them. What reads records is imported only then.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from gitexp.git.transaction.layout import DATA_BRANCH
from gitexp.model.ids import ABSENT
from gitexp.store.ancestry import listings
from gitexp.store.experiments import experiment_lines, sight
from gitexp.store.plans import plan_named

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from gitexp.comparison.sides import Named
    from gitexp.comparison.tally import Tally
    from gitexp.git.repository import Repo
    from gitexp.git.transaction.cache import Index
    from gitexp.model.ids import CommitHash, RunId, TreeId
    from gitexp.store.list_lines import ExperimentLine, RunLine
    from gitexp.store.merged_experiments import MergedLine
    from gitexp.store.plans import Tip

    Who = Tip | MergedLine

_W = TypeVar("_W", bound="Tip | MergedLine")


def nearest_tips(every: Iterable[Tip]) -> tuple[Tip, ...]:
    """Keep one tip for each branch name: the local one, what was archived here, else others'."""
    found: dict[str, Tip] = {}
    for tip in sorted(every, key=lambda tip: not tip.own):  # else in just this order
        if tip.branch == DATA_BRANCH:
            continue
        found.setdefault(tip.branch, tip)
    return tuple(found.values())


class CountedExperiments:
    """The lines of tips, and of experiments without one, with nothing in them that never counts.

    Of `there`, all tips, those are told that are `chosen`, by default the nearest of each branch.
    `known`: lines of runs that were read before.
    """

    def __init__(
        self,
        repo: Repo,
        index: Index,
        there: Sequence[Tip],
        chosen: Sequence[Tip] | None = None,
        known: Mapping[TreeId, RunLine] | None = None,
    ) -> None:
        nearest = nearest_tips(there)  # what was run there may have spent a seed elsewhere
        chosen = nearest if chosen is None else chosen
        self._repo, self._index, self._there = repo, index, there
        every = experiment_lines(
            repo, index, tuple(dict.fromkeys((*nearest, *chosen))), known or {}
        )
        self._seen: defaultdict[str, set[str]] = defaultdict(set)
        for tip in (tip for tip in nearest if tip.own):
            for mark in every[tip].seen.split():
                self._seen[mark[:-8]].add(mark)
        self._tallies: dict[Who, Tally] = {}
        self._told: list[tuple[Who, ExperimentLine]] = []
        self.lines = self._settled(
            {tip: every[tip] for tip in chosen}, lambda tip: f"{tip.ref}:{tip.commit}", self._of_tip
        )

    def merged(self, items: Iterable[MergedLine]) -> tuple[MergedLine, ...]:
        """Settle the lines of experiments whose branch is gone."""
        every = tuple(items)
        lines = self._settled(
            {item: item.line for item in every},
            lambda item: f"{item.where}:{item.commit}:{item.line.name}",
            self._of_records,
        )
        return tuple(replace(item, line=lines[item]) for item in every)

    def by_run(
        self,
        runs: Collection[RunLine],
        held: Mapping[CommitHash, Mapping[RunId, TreeId]],
        own: Collection[str],
    ) -> dict[str, tuple[int, ...]]:
        """Return the seeds that count of each run, for any of the experiments.

        What tips hold, the caller has listed; for what experiments of others an own run counts is
        their word.
        """
        found: defaultdict[str, set[int]] = defaultdict(set)
        for who, tally in self._tallies.items():
            for run, seeds in tally.by_run.items():
                if who.own or run not in own:
                    found[run].update(seeds)
        asked: defaultdict[str, list[tuple[Who, ExperimentLine]]] = defaultdict(list)
        for who, line in self._told:
            for inputs in filter(None, line.inputs):
                asked[inputs].append((who, line))
        detached = {who.commit for who, _ in self._told} - held.keys()
        held = {**held, **listings(self._repo, self._index, detached)}
        for one in runs:
            for who, line in asked.get(one.inputs, ()):
                usable = one.inputs == line.inputs[0] or _is_under(one, line)
                usable = usable and (who.own or one.id not in own)
                if one.id in held[who.commit] and usable and not one.reported:
                    found[one.id].update(one.seeds)
        return {run: tuple(sorted(seeds)) for run, seeds in found.items()}

    def _settled(
        self,
        lines: Mapping[_W, ExperimentLine],
        key: Callable[[_W], str],
        named: Callable[[_W], Named],
    ) -> dict[_W, ExperimentLine]:
        """Count where a line cannot tell; what cannot be read counts nothing."""
        settled = dict(lines)
        asked: dict[str, _W] = {}
        for who, line in lines.items():
            if not line.name or line.bad:
                continue
            if line.plain and not self._is_seen(line):
                self._told.append((who, line))
                continue
            asked[key(who)] = who
        if not asked:
            return settled
        from gitexp.comparison.tally import tallies

        looks = {name: partial(named, who) for name, who in asked.items()}
        for name, tally in tallies(self._repo, self._index, self._there, looks).items():
            who = asked[name]
            self._tallies[who] = tally
            settled[who] = replace(
                lines[who],
                finished=len(tally.seeds),
                partners=tally.partners,
                primary=tally.primary,
                collapsed=tally.collapsed,
            )
        return settled

    def _is_seen(self, line: ExperimentLine) -> bool:
        """Whether some branch has the candidate's inputs under another plan, or under none."""
        inputs = line.inputs[1]
        own = {sight(inputs, name, line.digest) for name in (line.name, *line.formerly)}
        return bool(inputs and self._seen.get(inputs[:16], set()) - own)

    def _of_tip(self, tip: Tip) -> Named:
        from gitexp.comparison import sides

        return sides.of_tip(self._repo, tip)

    def _of_records(self, item: MergedLine) -> Named:
        from gitexp.comparison import sides
        from gitexp.store import merged_experiments as merged

        plan = plan_named(self._repo, item.line.name, item.commit)
        if plan is ABSENT:
            return sides.find(self._repo, self._index, item.line.name)
        held = merged.held(self._repo, self._index, plan, item.where, item.commit)
        return sides.of_records(item.line.name, held)


def _is_under(run: RunLine, line: ExperimentLine) -> bool:
    names = (line.name, *line.formerly)
    return (
        run.inputs == line.inputs[1] and run.plan_digest == line.digest and run.plan_name in names
    )
