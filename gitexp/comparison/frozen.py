"""What a plan freezes of the evaluation, and where its candidate keeps to it.

The reference is the plan's baseline: both sides have to be measured by one evaluator. Names that
the plan unfroze are taken from the candidate, on both sides.
"""

from __future__ import annotations

import contextlib
import hashlib
import posixpath
import shlex
from typing import TYPE_CHECKING

from gitexp.comparison.eligible import is_under
from gitexp.comparison.known_metrics import cached_files, logged_metrics
from gitexp.dvc import evaluator, inputs
from gitexp.dvc.acting import paths
from gitexp.dvc.composed import differing_entries, laid_over
from gitexp.dvc.dvcpipeline import touches
from gitexp.dvc.evaluator import Evaluator, examples_read, recipes
from gitexp.dvc.filled import FilledPipeline
from gitexp.errors import EvaluatorError, GitexpError, UsageError
from gitexp.git import objects
from gitexp.git.transaction.layout import CONFIG
from gitexp.model import dataclass, replace
from gitexp.model.clocked import is_resource
from gitexp.model.comparison import SharedEvaluator
from gitexp.model.ids import ABSENT, Absent, CommitHash, ParamValue
from gitexp.report import numbers
from gitexp.store import plans
from gitexp.system import curves, observed
from gitexp.text import params
from gitexp.text.foreign import Lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gitexp.comparison.counting import Count, SideCount
    from gitexp.comparison.measure import CountedSides
    from gitexp.comparison.sides import ResolvedSide
    from gitexp.dvc.state import ProjectState
    from gitexp.git.repository import Repo
    from gitexp.model.job import Stage
    from gitexp.model.plan import Plan, PlanTerms
    from gitexp.model.run import Parts

_MANY = 8  # names
SETTLED = (
    "name the test examples under evaluation: in .gitexp/config.yaml before a plan, or record "
    "predictions with ids"
)


@dataclass(frozen=True, slots=True)
class Frozen:
    """The evaluator of a plan, as its reference has it."""

    plan: PlanTerms
    at: CommitHash
    state: ProjectState
    evaluator: Evaluator
    content: Mapping[str, str]
    recorded: frozenset[str] = frozenset()  # digests that runs have: of older ones the rule counts

    @property
    def files(self) -> tuple[str, ...]:
        """The files that only the evaluator reads, and those of its parameters; none is made."""
        params_files = (each.file for each in self.evaluator.params)
        read = FilledPipeline(self.state)
        every = dict.fromkeys((*self.evaluator.files, *params_files))
        return tuple(path for path in every if not read.makers(path))

    @property
    def names(self) -> list[str]:
        """What is frozen; what a stage of the reference makes is not."""
        return sorted(name for name, there in self.content.items() if there != evaluator.MADE)

    def makers(self, stages: Iterable[Stage]) -> tuple[str, ...]:
        """Return which stages of a pipeline make what is frozen."""
        files = {file for _, file in self.evaluator.makers}
        files.update(file for _, outs in self.evaluator.scores for file in outs)
        made = ((stage.name, out.path) for stage in stages for out in stage.outs)
        return tuple({name: 0 for name, out in made if any(touches(out, file) for file in files)})

    def differing(
        self,
        state: ProjectState,
        overrides: Mapping[str, ParamValue] | None = None,
        parts: Parts | None = None,
    ) -> tuple[str, ...]:
        """Return the frozen names at which a candidate differs, without those unfrozen.

        `parts`: of the environment, where it is known: what the evaluator imports in turn.
        """
        asked = self.evaluator.imports.asked
        inner = () if parts is None else observed.names_behind(asked, parts)
        there = evaluator.content(self.evaluator, state, overrides, inner)
        every = evaluator.differing(self.content, there)
        names = tuple(each for each in every if not _covers(self.plan.unfrozen, each))
        if names and self.recorded:
            for older in self.older():
                if self.recorded == {older.digest(state)}:
                    known = older.differing(state, overrides, parts)
                    return tuple(each for each in names if each in known)
        return names

    def older(self) -> Iterator[Frozen]:
        """Yield the evaluator as others found it: with another cache, then as older versions."""
        giving, sure = _givers(self.state, self.plan.metric, self.at, cached=False)
        alone = [] if sure else [(giving, False), *(((file,), True) for file in giving)]
        asked = [(*each, evaluator.RULE) for each in alone]
        asked += [(giving, sure, rule) for rule in range(evaluator.RULE - 1, 0, -1)]
        for files, known, rule in asked:
            found = evaluator.evaluator(self.state, files, self.plan.frozen, rule=rule, sure=known)
            yield Frozen(
                self.plan, self.at, self.state, found, evaluator.content(found, self.state)
            )

    def digest(self, state: ProjectState) -> str:
        """Return the digest of a state's evaluator; "" where nothing is frozen."""
        there = evaluator.content(self.evaluator, state)
        text = "\0".join(f"{name}\0{id_}" for name, id_ in sorted(there.items()))
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest() if there else ""

    def restoring(self, state: ProjectState, names: Sequence[str]) -> str:
        """Return what to type to have again what the reference has at some names."""
        whole, parts = list[str](), list[str]()
        for name in names:
            stage = name.removeprefix(f"{self.evaluator.pipeline}:")
            file = name
            if name.startswith(f"{evaluator.SETTINGS}:"):
                parts.append(f":/{evaluator.SETTINGS}")
                continue
            if stage != name:
                file = self.evaluator.pipeline
            elif self.content.get(name, " ").count(" ") != 1:  # no file: a parameter
                file = name.rpartition(":")[0] or "params.yaml"
            there = paths(self.state, file) or paths(state, file) or (file,)
            only = file == name or self._only(state, file, names)
            (whole if only else parts).extend(
                f":/{posixpath.normpath(self.state.at(path))}" for path in there
            )
        said = [
            f"git restore {option} --source={self.at[:12]} -- {shlex.join(dict.fromkeys(some))}"
            for option, some in (("-SW", whole), ("-p", parts))
            if some
        ]
        commit = "git commit -am" if parts else "git commit -m"
        return " && ".join([*said, f"{commit} 'the evaluator as planned'"])

    def _only(self, state: ProjectState, file: str, names: Sequence[str]) -> bool:
        """Tell whether a file differs from the reference's in nothing but some names."""
        own, other = self.state.read(file), state.read(file)
        if own is ABSENT or other is ABSENT:
            return True
        try:
            if file == self.evaluator.pipeline:
                stages = {n.partition(":")[2] for n in names if n.startswith(f"{file}:")}
                return differing_entries(own, other, file) <= stages
            flat = [params.flat(data, file) for data in (own, other)]
        except GitexpError:
            return False
        prefix = "" if file == "params.yaml" else f"{file}:"
        changed = {
            key for key in flat[0].keys() | flat[1].keys() if flat[0].get(key) != flat[1].get(key)
        }
        return {prefix + key for key in changed} <= {*names}


def look(repo: Repo, plan: Plan | None, tip: CommitHash) -> Frozen | None:
    """Return what a plan freezes; None where it is of a time before, or cannot be told."""
    if plan is None or not plan.freezes:
        return None
    at = settled = plan.baseline.commit
    here = objects.exists(repo, at)
    if not here or objects.blob_id(repo, at, CONFIG) is ABSENT:
        settled = plans.fixed_at(repo, plan, tip)  # no candidate's own settings are asked
    at = at if here else settled
    state = plans.state_of(repo, at, settled)
    found = Evaluator() if is_resource(plan.metric) else None
    if found is None:
        giving, sure = _givers(state, plan.metric, at)
        found = evaluator.evaluator(state, giving, plan.frozen, sure=sure)
    return Frozen(plan, at, state, found, evaluator.content(found, state))


def summary(repo: Repo, plan: Plan, start: CommitHash) -> str:
    """Say what a new plan freezes, or why not; "" of one that freezes nothing."""
    try:
        known = look(repo, plan, start)
    except GitexpError:
        return ""
    if known is None or not (known.content or known.evaluator.lacking):
        return ""
    names = numbers.listed(known.names, _MANY)
    own = known.differing(plans.state_of(repo, start, start))
    said = (
        f"frozen: {names}" * bool(names),
        f"evaluation not frozen: {known.evaluator.lacking}" * bool(known.evaluator.lacking),
        f"the start has other ones than the baseline: {', '.join(own)}" * bool(own),
    )
    return "; ".join(filter(None, said))


def refuse_unknown(state: ProjectState, names: Iterable[str]) -> None:
    """Refuse names of which a state has no file and no parameter; `UsageError`."""
    makers = FilledPipeline(state).makers
    for name in names:
        known = {*evaluator.content(Evaluator(named=(name,)), state).values()} - {evaluator.MADE}
        if name != evaluator.NOTHING and not known:
            raise UsageError(
                "this cannot be frozen",
                found=name + ", which a stage makes" * bool(makers(name)),
                expected="a tracked file or folder, a parameter such as eval.threshold, or none",
            )


def refuse(
    frozen: Frozen | None,
    state: ProjectState,
    tip: CommitHash,
    overrides: Mapping[str, ParamValue],
    parts: Parts | None = None,
) -> None:
    """Refuse to run a candidate with another evaluator than its plan's; `EvaluatorError`."""
    names = () if frozen is None else frozen.differing(state, overrides, parts)
    if frozen is None or not names:
        return
    given = [name for name in names if name in overrides]
    raise EvaluatorError(
        "the candidate has another evaluator than its plan",
        found=", ".join(names),
        where=f"against the baseline {frozen.at[:9]}",
        expected="the change under test, measured as the baseline is",
        next_step=f"the same without --param {given[0]}"
        if given
        else choice(frozen, state, names, tip),
    )


def standing(
    repo: Repo, plan: Plan | None, candidate: ResolvedSide, count: Count
) -> tuple[SharedEvaluator | None, str]:
    """Return how a candidate stands to its plan's evaluator, and what to do where it differs."""
    known = look(repo, plan, candidate.records)
    if plan is None or known is None:
        return None, ""
    sides = (count.baseline, count.candidate)
    runs = [each.found for side in sides for each in side.repeats.values()]
    recorded = recorded_in(count, plan)
    names: tuple[str, ...] = ()
    step, lacking = "", known.evaluator.lacking
    if candidate.exact:
        state = candidate.state(repo)
        every = known.differing(state)
        names = replace(known, recorded=recorded).differing(state) if every else ()
        step = choice(known, state, names, candidate.commit) if names else ""
        if later := [each for each in every if each not in names]:
            free = f"the version that ran it left {', '.join(later)} free"
            lacking = lacking or free
        now, older = known.digest(state), known.older()
        while recorded - {now} and (before := next(older, None)):
            digest = before.digest(state)
            recorded = frozenset(now if each == digest else each for each in recorded)
        recorded |= {now}
    elif not recorded - {""}:
        lacking = lacking or "the source of the candidate is gone"
    if len(recorded - {""}) > 1 and not names:
        names = ("what the runs recorded of it",)
    lent = sorted({name for each in runs for name in each.run.source.swaps if name in plan.lent})
    found = SharedEvaluator(names, tuple(lent), lacking)
    return (None if found == SharedEvaluator() else found), step


def recorded_in(count: Count, plan: Plan) -> frozenset[str]:
    """Return the digests of evaluators that the runs under a plan have; "" of one without."""
    repeats = [*count.baseline.repeats.values(), *count.candidate.repeats.values()]
    runs = (each.found for each in repeats)
    return frozenset(each.run.evaluator for each in runs if is_under(each, plan))


def told(shared: SharedEvaluator | None) -> str:
    """Say that the sides are measured by different evaluators; "" where they are not."""
    differing = () if shared is None else shared.differing
    return f"the evaluator differs: {', '.join(differing)}" if differing else ""


def prefix(shared: SharedEvaluator | None) -> str:
    """Return what the first line says of an evaluator that is the candidate's own."""
    lent = () if shared is None else shared.lent
    return f"both sides with the candidate's evaluator ({', '.join(lent)}): " if lent else ""


def on_raw_data(repo: Repo, plan: Plan | None, sides: CountedSides) -> tuple[str, tuple[str, ...]]:
    """Say, where raw data alone are known to be the same, what was made of them; for line 1, too.

    By bytes, of the seeds whose outputs are recorded on both sides; else by what makes them.
    """
    found = sides.evaluation
    if plan is None or plan.drawn is None or found.bases != ("data",) or not found.same:
        return "", ()
    said = (
        "of the evaluation data the raw data alone are known to be the same: what a changed stage "
        f"or parameter makes of them to test on nobody checks; {SETTLED}"
    )
    unknown = (said,)
    pair = sides.baseline, sides.candidate
    if not all(each.exact for each in pair):
        return "", unknown
    one, two = (each.state(repo) for each in pair)
    read = examples_read(one, _givers(one, plan.metric, pair[0].commit)[0])

    def same(path: str) -> bool:
        left, right = (
            _recorded(side, path) for side in (sides.count.baseline, sides.count.candidate)
        )
        if both := left.keys() & right.keys():
            return all(left[seed] == right[seed] for seed in both)
        return recipes(one, [path], upstream=True) == recipes(two, [path], upstream=True)

    if other := [path for path in read.made if not same(path)]:
        names = numbers.listed(other, _MANY)
        said = (
            f"{names}, which the evaluation reads, {'is' if len(other) == 1 else 'are'} not the "
            "same on both sides: other features of the same examples, or other examples; "
            f"{SETTLED}"
        )
        return f"conditional on the same test examples in {names}; ", (said,)
    if not (read.made or read.raw):
        return "", unknown
    alike = recipes(one, read.read_by, upstream=False) == recipes(two, read.read_by, upstream=False)
    return "", () if alike else unknown


def _recorded(side: SideCount, path: str) -> dict[int, str]:
    """Return the hash of an output by seed, where a side's records have it."""
    found: dict[int, str] = {}
    for seed, item in side.repeats.items():
        hashes = {out.path: out.md5 for out in item.repeat.outputs} | dict(item.repeat.examples)
        for once in item.found.run.once:
            hashes |= once.hashes
        if path in hashes:
            found[seed] = hashes[path]
    return found


def choice(frozen: Frozen, state: ProjectState, names: Sequence[str], candidate: CommitHash) -> str:
    """Return the ways to go on with another evaluator, a line each."""
    options = " ".join(f"--unfreeze {shlex.quote(name)}" for name in names)
    lines = [
        f"restore it: {frozen.restoring(state, names)}",
        f"or run both sides with it: gitexp amend-plan {options} --why TEXT",
    ]
    if frozen.evaluator.seeded:
        lines.append("or, where that stage trains: gitexp amend-plan --frozen none --why TEXT")
    if _is_of_newer(frozen, state, names, candidate):
        newer = shlex.quote(frozen.plan.baseline.name)
        lines.append(f"or, as {newer} has it, too: gitexp amend-plan --baseline {newer} --why TEXT")
    if _is_all(frozen, state, names):
        lines.append("then change what is under test: nothing else differs from the baseline")
    return Lines.of(lines)


def _is_all(frozen: Frozen, state: ProjectState, names: Sequence[str]) -> bool:
    """Tell whether a candidate differs from the baseline in these parts of its evaluator alone."""
    try:
        lent = replace(frozen.state, over=laid_over(frozen.state, state, names))
        return inputs.digest(lent) == inputs.digest(state)
    except GitexpError:
        return False


def _is_of_newer(
    frozen: Frozen, state: ProjectState, names: Sequence[str], candidate: CommitHash
) -> bool:
    """Tell whether a candidate has the evaluator of the baseline's branch, by a merge."""
    repo = state.repo
    try:
        newer = objects.resolve(repo, frozen.plan.baseline.name)
        if newer == frozen.at or not objects.is_ancestor(repo, newer, candidate):
            return False
        there, own = (
            evaluator.content(frozen.evaluator, each)
            for each in (plans.state_of(repo, newer, candidate), state)
        )
    except GitexpError:
        return False
    return all(there.get(name) == own.get(name) for name in names)


def _covers(names: Iterable[str], name: str) -> bool:
    return any(name == each or name.startswith(f"{each.rstrip('/')}/") for each in names)


def _givers(
    state: ProjectState, metric: str, at: CommitHash, *, cached: bool = True
) -> tuple[tuple[str, ...], bool]:
    """Return the files that give a metric, by what Git and DVC's cache hold; none of a logged one.

    And whether that is sure: where nothing tells, each may. `cached`: whether the cache is asked.
    """
    config = state.config
    if curves.is_curve(metric):
        return config.curves, True
    if own := tuple(file for file in config.metrics if metric.startswith(f"{file}:")):
        return own, True
    known = {file: _names(_read(state, file), file) for file in config.metrics}
    telling = tuple(file for file, names in known.items() if names and metric in names)
    if not telling and cached:
        asked = {
            posixpath.normpath(state.at(file)): file
            for file, names in known.items()
            if names is None
        }
        for path, data in cached_files(state.repo, at, [*asked]).items():
            known[asked[path]] = _names(data, path)
        telling = tuple(file for file, names in known.items() if names and metric in names)
    if telling or metric.rpartition(":")[2] in logged_metrics(state.repo, at)[0]:
        return telling, True
    unknown = tuple(file for file, names in known.items() if names is None)
    return unknown or config.metrics, False


def _read(state: ProjectState, file: str) -> bytes | Absent:
    with contextlib.suppress(GitexpError):
        return state.read(file)
    return ABSENT


def _names(data: bytes | Absent, file: str) -> frozenset[str] | None:
    """Return the names that a metrics file gives, with and without folds; None: nobody knows."""
    try:
        keys = () if data is ABSENT else params.flat(data, file)
    except GitexpError:
        return None
    parts = [[part for part in key.split(".") if not part.isdigit()] for key in keys]
    names = frozenset(".".join(each[n:]) for each in parts for n in range(len(each)))
    return names or None
