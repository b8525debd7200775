"""Which repeats of another environment there are, and which a baseline lacks beside a candidate's.

By the first rules what ran in another environment than now is run again. By the second the first
repeat of a seed counts for ever: its partner is run where the environment equals that one, and
where it does not, nothing is run that could not count.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING
from urllib.parse import quote

from gitexp.comparison import exclusions, frozen
from gitexp.comparison.eligible import seeding
from gitexp.comparison.environments import Environments, differing, restoring, seen, versions
from gitexp.comparison.randomness.seeding import BASELINE, CANDIDATE
from gitexp.dvc import pointers, surroundings
from gitexp.dvc.acting import paths
from gitexp.dvc.cache_objects import CacheConfig
from gitexp.dvc.filled import FilledPipeline
from gitexp.dvc.input_parts import ignored
from gitexp.dvc.pipeline import Resolved
from gitexp.errors import EvaluatorError, OtherEnvironmentError, PreflightError
from gitexp.execution.jobs import lies_in, plain_stages
from gitexp.execution.preflight import checks
from gitexp.git import merging as git_diff
from gitexp.model import dataclass, replace
from gitexp.model.ids import ABSENT
from gitexp.model.plan import Claim
from gitexp.report import numbers
from gitexp.report.numbers import listed
from gitexp.system import observed, params
from gitexp.text.foreign import Lines

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from gitexp.comparison.eligible import Earlier, Eligible
    from gitexp.comparison.tally import Settled
    from gitexp.execution.run_sources import RunSource, SeedChoice
    from gitexp.model.ids import CommitHash, EnvironmentDigest
    from gitexp.model.plan import Plan
    from gitexp.model.run import Key, Repeat
    from gitexp.store.lookup import FoundRun
    from gitexp.system.environment import Captured

_FEW = 3


@dataclass(frozen=True, slots=True)
class Again:
    """Repeats that would count, were they not of another environment, or other linked data."""

    side: str  # of what was run
    found: FoundRun  # the newest with one
    environment: EnvironmentDigest | None
    n: int
    how: str  # they differ
    complete: bool = False  # all that the plan judges: what is run now replaces none of them
    waiting: tuple[int, ...] = ()  # seeds: nothing that runs here now could be the partner
    restore: str = ""  # what lets them go on here


@dataclass(frozen=True, slots=True)
class Here:
    """The environment in which a call runs."""

    read: Environments
    tip: CommitHash  # which records it, where it was not looked at
    environment: EnvironmentDigest | None
    captured: Captured | None  # None: it was not looked at
    links: str  # fingerprint of linked data
    python: str

    def differs(self, item: FoundRun, repeat: Repeat) -> tuple[str, ...]:
        """Return what of it could act on a repeat like that one, and is otherwise, with versions.

        Where it was not looked at it is taken to be that of the last recorded repeat.
        """
        return self._compared(item, repeat)[0]

    def restore(self, item: FoundRun, repeat: Repeat) -> str:
        """Return what makes it equal to that of a repeat; pip cannot bring all back."""
        differ, pip = self._compared(item, repeat)
        return pip or f"bring back {numbers.listed(differ, _FEW)}"

    def _compared(self, item: FoundRun, repeat: Repeat) -> tuple[tuple[str, ...], str]:
        other = ("linked data",) if repeat.links != self.links else ()
        asked, there = seen(item, repeat), self.read.of(item, repeat)
        if self.captured is None:
            where, here, like = "last", self.read.read(self.tip, self.environment), asked
        else:
            where, here = "here", self.captured.environment
            like = observed.again(asked, self.captured.parts)
        if there is None or here is None:
            same = repeat.environment == self.environment
            return other if same else (*other, "the environment"), ""
        found = differing(there, asked, here, like)
        pip = "" if other else restoring(there, here, found, self.python)
        return (*other, *versions(there, here, found, where)), pip


def here(
    source: RunSource,
    tip: CommitHash,
    environment: EnvironmentDigest | None,
    captured: Captured | None,
    python: str,
) -> Here:
    """Return the environment of now, for a source."""
    return Here(Environments(source.repo), tip, environment, captured, links(source), python)


def where(
    plan: Plan | None, environment: EnvironmentDigest | None, source: RunSource
) -> tuple[EnvironmentDigest | None, str] | None:
    """Return the one environment, and the linked data, in which repeats count; None for any."""
    return None if plan is not None and plan.rules > 1 else (environment, links(source))


def paired(
    source: RunSource,
    side: Eligible,
    place: tuple[EnvironmentDigest | None, str] | None,
    partners: Mapping[int, frozenset[Key]],
) -> frozenset[int]:
    """Return the seeds of which a baseline has a repeat that pairs with the candidate's."""
    return frozenset(
        seed
        for seed, keys in side.keys(place, source.seeding).items()
        if keys & partners.get(seed, {source.key(seed)})
    )


def again(
    source: RunSource,
    side: Eligible,
    environment: EnvironmentDigest | None,
    plan: Plan | None = None,
) -> tuple[Again, ...]:
    """Return what is to be run again, as it ran in another environment; `plan`: a candidate's."""
    data, run = links(source), source.choice.run
    others = [
        (found, repeat)
        for found, repeat in side.repeats()
        if repeat.place != (environment, data) and repeat.seed in run
    ]
    if not others:
        return ()
    newest, last = max(others, key=lambda pair: pair[0].order)
    seeds = {repeat.seed for _, repeat in others}
    whole = plan is not None and side.is_whole(plan)
    how = ["in another environment"] * (last.environment != environment)
    how += ["with other linked data"] * (last.links != data)
    return (Again(source.side, newest, last.environment, len(seeds), " and ".join(how), whole),)


def links(source: RunSource) -> str:
    """Return the fingerprint of linked data as they are."""
    return params.linked_fingerprint(checks.links(source))


@dataclass(frozen=True, slots=True)
class Partners:
    """What a call finds of a baseline by the second rules."""

    source: RunSource
    side: Eligible  # of the baseline
    tally: Settled  # as `compare` counts now
    plan: Plan
    here: Here
    earlier: Earlier

    def had(self, seed: int, keys: frozenset[Key]) -> list[tuple[FoundRun, Repeat]]:
        """Return the baseline's repeats of a seed."""
        return [
            (found, repeat)
            for found, repeat in self.side.repeats()
            if repeat.seed == seed
            and repeat.key in keys
            and seeding(found, repeat) == self.source.seeding
        ]

    def runnable(
        self, choice: SeedChoice, key: Callable[[int], Key], candidate: Eligible
    ) -> tuple[SeedChoice, tuple[Again, ...]]:
        """Leave what either side had before in another environment: a candidate would not pair.

        The baseline a finished repeat, the candidate one that showed a score and did not finish.
        """
        waiting: list[tuple[str, FoundRun, Repeat, tuple[str, ...]]] = []
        for seed in choice.run if self.plan.drawn is not None else ():
            shown = [
                (item, repeat)
                for item in candidate.runs
                for repeat in item.run.own_repeats
                if repeat.is_unfinished_score and repeat.seed == seed
            ]
            had = self.had(seed, frozenset({key(seed)}))
            first = [min(had, key=lambda pair: pair[0].order)] if had else []
            if seed in self.tally.everything.candidate.repeats:
                first = []
            for side, each in ((CANDIDATE, shown), (BASELINE, first)):
                unlike = [(*one, differ) for one in each if (differ := self.here.differs(*one))]
                if unlike:
                    waiting.append((side, *unlike[0]))
                    break
        late = {repeat.seed for _, _, repeat, _ in waiting}
        left = tuple(seed for seed in choice.run if seed not in late)
        whole = choice.for_snapshot if choice.for_snapshot in left else None
        return replace(choice, run=left, for_snapshot=whole), self._grouped(waiting)

    def settled(
        self, partners: Mapping[int, frozenset[Key]]
    ) -> tuple[frozenset[int], tuple[Again, ...]]:
        """Return the seeds of which nothing is to be run, and those of them that are not done."""
        done = set(self.tally.everything.pairs)
        waiting: list[tuple[str, FoundRun, Repeat, tuple[str, ...]]] = []
        for seed, keys in partners.items():
            there, mine = self.had(seed, keys), self.tally.everything.candidate.repeats.get(seed)
            if seed in done:
                continue
            if mine is None:  # of drawn seeds `runnable` has looked
                like = (not self.here.differs(*each) for each in there)
                if there and (self.plan.drawn or any(like)):
                    done.add(seed)
                continue
            done.add(seed)
            before = any(self.earlier(found, mine.found) for found, _ in there)
            differ = self.here.differs(mine.found, mine.repeat)
            if differ or (before and self.plan.drawn):
                waiting.append((CANDIDATE, mine.found, mine.repeat, differ))
            else:
                done.remove(seed)
        return frozenset(done), self._grouped(waiting)

    def refuse_idle(self, waiting: Sequence[Again], left: Collection[int]) -> None:
        """Refuse a call of which nothing can be run here; `left`: the seeds that are run."""
        if left or not waiting:
            return
        first = waiting[0]
        step = "gitexp run" if self.plan.stopping is None else exclusions.running(self.plan)
        if first.side == CANDIDATE:
            why = "showed a score in another environment, and did not finish"
            expected = "that environment: whoever saw the score could choose between both"
        else:
            why = "ran in another environment"
            expected = "a pair in one environment: another repeat of it would be a second draw"
        raise OtherEnvironmentError(
            f"the {first.side}'s repeat of seed {first.waiting[0]} {why}",
            found="; ".join(f"{numbers.seeds(each.waiting)}: {each.how}" for each in waiting),
            where=f"run {first.found.run.id[:8]}",
            expected=expected,
            next_step=helping(
                step, waiting, exclusions.amending(self.source.state.repo, self.tally, self.plan)
            ),
        )

    def _grouped(
        self, waiting: Iterable[tuple[str, FoundRun, Repeat, tuple[str, ...]]]
    ) -> tuple[Again, ...]:
        """Join the seeds that wait for the same."""
        found: dict[tuple[str, str], Again] = {}
        for side, item, repeat, differ in waiting:
            how = numbers.listed(differ, _FEW)
            held = found.get((side, how))
            late = (*(() if held is None else held.waiting), repeat.seed)
            restore = self.here.restore(item, repeat) if differ else ""
            found[side, how] = Again(
                side, item, repeat.environment, len(late), how, waiting=late, restore=restore
            )
        return tuple(found.values())


def helping(step: str, waiting: Sequence[Again], amend: str) -> str:
    """Return a step with what helps in front of it, where all that it would run here waits."""
    if "gitexp run" not in step:
        return step
    restore = next((each.restore for each in waiting if each.restore), "")
    return f"{restore}, then {step}; or {amend}" if restore else amend


def _unseen(main: RunSource, other: RunSource) -> list[str]:
    """Return what rules 2 leave out of jobs and one side has otherwise."""
    paths = [each.path for each in git_diff.changed_paths(main.repo, main.tree, other.tree)]
    return [*dict.fromkeys(path for each in (main, other) for path in ignored(each.state, paths))]


def refuse_equal(main: RunSource, other: RunSource) -> None:
    """Refuse to run two sides of which `compare` could say nothing."""
    if main.inputs == other.inputs:
        trees = (main.tree, other.tree)
        paths = surroundings.reached(main.repo, main.config, trees, trees)
        said, remedy = surroundings.told(main.config, paths) if paths else ("", "")
        lent = f", which has the candidate's {', '.join(other.swaps)}" if other.swaps else ""
        unseen = _unseen(main, other)
        if unseen and not paths:
            said = f"{listed(unseen, _FEW)} of one side alone is in no job"
            remedy = f"gitexp init --add-inputs {shlex.quote(unseen[0])}, where a job reads it"
        said = said or "nothing was changed that acts on a result"
        raise PreflightError(
            "both sides have the same inputs, so there would be nothing to compare",
            found=f"inputs {main.inputs[:7]} of candidate and baseline{lent}"
            f"; {said}{', and is no input' if paths else ''}",
            where=f"{main.commit[:9]} and {other.commit[:9]}",
            expected="a change of code, parameters or data",
            next_step=f"{remedy}, commit, then gitexp run --with-baseline"
            if remedy
            else 'change it, then gitexp run --commit -m "what changed" --with-baseline',
        )


def refuse_unpaired(main: RunSource, other: RunSource) -> None:
    """Refuse to run a candidate whose repeats have no partner, whatever their number."""
    mine, theirs = main.seeding, other.seeding
    apart = [text for text in theirs if text not in mine and "=" in text]
    step = f"set {', '.join(apart)} here and commit it" if apart else ""
    raise PreflightError(
        "the sides have different seeds, so none of their repeats would pair",
        found=f"{', '.join(theirs) or 'one'} at the baseline, {', '.join(mine) or 'one'} here",
        where=f"{other.commit[:9]} and {main.commit[:9]}",
        expected="the same seed parameters, and of those that are fixed the same values",
        next_step=step or "gitexp init --seed-param KEY on the baseline's branch, then gitexp new",
    )


def other_tests(
    plan: Plan | None, sides: Sequence[RunSource], *, declared: bool
) -> EvaluatorError | None:
    """Return why `compare` would give no verdict on sides whose test data are seen to differ.

    `declared`: by what the settings name, else by raw data where they name none.
    """
    pair = {each.side: each for each in sides if declared == bool(each.config.evaluation)}
    if plan is None or not {BASELINE, CANDIDATE} <= {*pair}:
        return None
    main, other = pair[CANDIDATE], pair[BASELINE]
    known = frozen.look(main.repo, plan, main.commit)
    mine, theirs = map(_tested_on, (main, other))
    if known is None or mine is None or theirs is None:
        return None
    names = sorted(name for name in mine.keys() | theirs.keys() if _differ(name, mine, theirs))
    if not declared:  # of these the bytes are not asked, but what is written
        names = sorted({name for name, _ in mine.items() ^ theirs.items()})
    if not names:
        return None
    on = shlex.quote(plan.baseline.name)
    lines = (
        f"restore them: {known.restoring(main.state, names)}",
        f"or commit them on {on}, too, then gitexp amend-plan --baseline {on} --why TEXT",
        "or run them as they are: gitexp run --keep-going, then "
        "gitexp compare --allow-different-evaluation" * (plan.claim is Claim.METHOD),
    )
    return EvaluatorError(
        "the candidate has other test data than its baseline: no verdict could come of it",
        found=listed(names, _FEW),
        where=f"{main.commit[:9]} and {other.commit[:9]}",
        expected="the same test data on both sides",
        next_step=Lines.of(filter(None, lines)),
    )


def _differ(name: str, *sides: Mapping[str, str]) -> bool:
    """Tell whether a file is seen to be another one: a hash of DVC's tells nothing of Git's.

    One that a single side has is, where both have others of its folder in the same way.
    """
    here = [each[name].split(" ") for each in sides if name in each]
    if len(here) == len(sides):
        return here[0][0] == here[1][0] and here[0] != here[1]
    kind, folder = here[0][0], here[0][1]
    return bool(folder) and all(
        any(text.startswith(f"{kind} {folder} ") for text in each.values()) for each in sides
    )


def _tested_on(source: RunSource) -> Mapping[str, str] | None:
    """Return what is seen of a side's test data by path: of those declared what no stage makes.

    Each with who holds it and, of a file in a declared folder, that. None where predictions
    identify them, or only DVC can tell the data that are read.
    """
    state, config = source.state, source.config
    read, resolved = FilledPipeline(state), plain_stages(state)
    known = resolved or Resolved(tuple(each for each in read.stages if not each.frozen))
    deps = {dep for each in known.executed for dep in each.deps}
    sure = resolved is not None or not (config.targets or any("${" in dep for dep in deps))
    if config.predictions is not None or not (config.evaluation or sure):
        return None
    files = pointers.files_in_tree(source.repo, source.tree, source.entries)
    data = pointers.data_state(files, known, config, CacheConfig(source.top / ".dvc" / "cache"))
    if not config.evaluation:
        return dict(each.rsplit(":", 1) for each in data.raw)
    found = dict[str, str]()
    for path in (each.rstrip("/") for each in config.evaluation):
        for name in () if read.makers(path) else paths(state, path):
            entry, folder = state.entry(state.at(name)), path if name != path else ""
            if entry is not ABSENT and not name.endswith((".dvc", ".gitignore", ".dvcignore")):
                found[name] = f"git {quote(folder)} {entry.id}"
    old = {each.path for each in data.missing if each.by_dvc_2}
    return found | {
        each.path: f"dvc{2 if each.path in old else 3}  {each.md5}"
        for each in data.given
        if lies_in(each.path, config.evaluation)
    }
