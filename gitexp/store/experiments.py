"""One line about an experiment, a pure function of its branch's name and the commit at its tip.

So it can be remembered by these two, and a list of two thousand branches is one query. What counts
may depend on what else was run, and is for `comparison.tally` to say; most experiments are *plain*:
their own tree shows that counting by the whole rule leaves nothing out, unless `seen` of another
branch has the same inputs.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import zlib
from datetime import UTC, datetime
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError
from gitexp.git import objects
from gitexp.git.refs import branches, local
from gitexp.git.transaction import layout
from gitexp.git.transaction.cache import Index, Kind, with_a_child
from gitexp.git.upstream import by_name
from gitexp.model import dataclass, field, replace
from gitexp.model.comparison import qualifier
from gitexp.model.ids import ABSENT, Absent, BlobId, CommitHash, InputsDigest, RunId, TreeId
from gitexp.model.metrics import pooled
from gitexp.records.plan import CONCLUSION_BYTES, load_verdict
from gitexp.store import plans
from gitexp.store.ancestry import listings
from gitexp.store.conclusions import is_changed, rewritten
from gitexp.store.list_lines import ExperimentLine, cut, decoded_experiments, encode_experiment
from gitexp.store.plan_files import parse_settings
from gitexp.store.plans import Tip, plan_named, plan_of_branch, renamed
from gitexp.store.records import is_lasting, run_line, run_lines
from gitexp.store.tried import at_tips

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from gitexp.git.repository import Repo
    from gitexp.git.upstream import RefsByName
    from gitexp.model.plan import Person, Plan
    from gitexp.store.list_lines import RunLine

_PIPELINE: Final = "dvc.yaml"
_NO_INPUTS: Final = frozenset((os.fsencode(layout.FOLDER), b".gitignore"))
_LISTED: Final = (layout.RUNS, layout.PLANS, layout.CONCLUSIONS)
_MOST_FILES, _MOST_BYTES = 4_000, 32 << 20  # read of one branch of others: a second or two
_FEW: Final = 8  # runs of a branch that are read for its line alone, and not remembered


@dataclass(frozen=True, slots=True)
class _Common:
    """What branches have in common, read once."""

    repo: Repo
    index: Index
    _held: dict[CommitHash, frozenset[TreeId]] = field(default_factory=dict)
    _made: dict[CommitHash, datetime | None] = field(default_factory=dict)
    _written: dict[tuple[BlobId, BlobId | Absent], frozenset[bytes]] = field(default_factory=dict)

    def held(self, commit: CommitHash) -> frozenset[TreeId]:
        """Return the runs in a baseline's tree: other branches are asked for them."""
        if commit not in self._held:
            there = objects.exists(self.repo, commit)
            held = listings(self.repo, self.index, [commit])[commit] if there else {}
            self._held[commit] = frozenset(held.values())
        return self._held[commit]

    def made(self, commit: CommitHash) -> datetime | None:
        """Return when a baseline was committed: no plan that names it is older."""
        if commit not in self._made:
            there = objects.exists(self.repo, commit)
            time = objects.commit_info(self.repo, commit).time if there else None
            self._made[commit] = time and time.astimezone(UTC)
        return self._made[commit]

    def is_changed(self, plan: Plan, concluded: str, commit: CommitHash) -> bool:
        """Return whether a tip has other inputs than its conclusion; nobody is asked for files."""
        repo, found = self.repo, InputsDigest(concluded)
        stone = objects.blob_id(repo, commit, layout.tombstone_path(plan.name))  # of one removed
        there = not repo.partial and stone is ABSENT
        return there and is_changed(repo, self.index, commit, found)

    def inputs(self, commit: CommitHash) -> str:
        """Return a tip's inputs; each is worked out, so only where nothing else tells them."""
        from gitexp.dvc import inputs

        config, _ = plans.config_of(self.repo, commit)
        tree = objects.commit_info(self.repo, commit).tree
        return inputs.compute(self.repo, tree, config, index=self.index)

    def written(self, settings: BlobId, pipeline: BlobId | Absent) -> frozenset[bytes]:
        """Return the names at the top that a run may change and no input covers.

        Nothing where outputs lie deeper; dvc.lock only where it surely does not count: it does of
        a frozen stage, and where it decides what the outputs are.
        """
        if (settings, pipeline) not in self._written:
            config = parse_settings(self.repo.read(settings), layout.CONFIG)
            made = {*config.outputs, *config.metrics}
            text = b"${" if pipeline is ABSENT else self.repo.read(pipeline)
            if config.pipeline == _PIPELINE and b"frozen" not in text and b"${" not in text:
                made.add("dvc.lock")
            alone = not config.project and not any("/" in path for path in made)
            found = frozenset(map(os.fsencode, made if alone else ()))
            self._written[settings, pipeline] = found
        return self._written[settings, pipeline]


def passed_over(repo: Repo, index: Index, every: Sequence[Tip]) -> dict[Tip, str]:
    """Return the tips of others that hold more than a list reads of one, and what that is.

    That is of what neither own branches and archives nor main have. It follows from all tips.
    """
    others = [tip for tip in every if not tip.own]
    key = at_tips(every)
    row = index.get(Kind.OVER, [key]).get(key) if others else b"{}"
    said = json.loads(row) if row else _above(repo, index, others)
    if row is None:
        index.put(Kind.OVER, {key: json.dumps(said).encode()})
    return {tip: said[tip.ref] for tip in others if tip.ref in said}


def _above(repo: Repo, index: Index, tips: Iterable[Tip]) -> dict[str, str]:
    """Return what is too much at which refs."""
    trees = {tip: _folders(repo, tip.commit) for tip in tips}
    every = {tree for folders in trees.values() for tree in folders}
    rows = {tree: row.split() for tree, row in index.get(Kind.WEIGHT, every).items()}
    weights = {tree: (int(files), int(size)) for tree, (files, size) in rows.items()}
    fresh = every - weights.keys()
    for tree in fresh:
        objects.weight(repo, tree, weights, ())
    index.put(Kind.WEIGHT, {tree: b"%d %d" % weights[tree] for tree in fresh})
    large = {tip: folders for tip, folders in trees.items() if _too_much(weights, folders)}
    mine = _mine(repo, index) if large else set()
    left: dict[str, tuple[int, int]] = {}
    for tree in {tree for folders in large.values() for tree in folders}:
        objects.weight(repo, tree, left, mine)
    said = {tip.ref: _too_much(left, folders) for tip, folders in large.items()}
    return {ref: what for ref, what in said.items() if what}


def _mine(repo: Repo, index: Index) -> set[str]:
    """Return the runs and files that own branches, own archives and main have."""
    held = listings(repo, index, plans.trusted(repo))
    found = {str(tree) for runs in held.values() for tree in runs.values()}
    for commit, path in itertools.product(held, _LISTED[1:]):
        with contextlib.suppress(GitexpError):
            found.update(entry.id for entry in objects.list_dir(repo, commit, path))
    return found


def _folders(repo: Repo, commit: CommitHash) -> list[str]:
    with contextlib.suppress(GitexpError):  # its own line says why
        trees = (objects.tree_id(repo, commit, path) for path in _LISTED)
        return [tree for tree in trees if tree is not ABSENT]
    return []


def _too_much(weights: Mapping[str, tuple[int, int]], folders: Sequence[str]) -> str:
    files, size = (sum(weights[tree][n] for tree in folders) for n in (0, 1))
    held = f"{files} files" if files > _MOST_FILES else f"{size} bytes" * (size > _MOST_BYTES)
    return f"{held} of records that no branch of yours has: passed over" if held else ""


def experiment_lines(
    repo: Repo,
    index: Index,
    tips: Sequence[Tip],
    known: Mapping[TreeId, RunLine] = MappingProxyType({}),
) -> dict[Tip, ExperimentLine]:
    """Return the line of each branch; `known`: those of runs that were read before."""
    keys = {tip: f"{tip.commit}:{tip.branch}" for tip in tips}

    def remembered(tips: Sequence[Tip]) -> dict[Tip, ExperimentLine]:
        rows = decoded_experiments(index.get(Kind.EXPERIMENT, [keys[tip] for tip in tips]))
        return {tip: rows[keys[tip]] for tip in tips if keys[tip] in rows}

    def read(index: Index, tips: Sequence[Tip]) -> dict[Tip, ExperimentLine]:
        return _read(repo, index, tips, keys, known)

    found = with_a_child(index, keys, remembered, read)
    refs = cache(lambda: by_name(branches(repo)))
    named = {tip: found[tip] if found[tip].name else _renamed(repo, tip, refs) for tip in keys}
    other = [each for each in named.values() if isinstance(each, Tip)]
    own = experiment_lines(repo, index, other, known) if other else {}
    return {tip: own[each] if isinstance(each, Tip) else found[tip] for tip, each in named.items()}


def _renamed(repo: Repo, tip: Tip, refs: Callable[[], RefsByName]) -> Tip | None:
    """Return a branch under the name that its plan has, where Git renamed it."""
    with contextlib.suppress(GitexpError):
        plan = renamed(repo, tip.branch, tip.commit, refs) if tip.local else ABSENT
        return None if plan is ABSENT else Tip(local(plan.branch), tip.commit)
    return None


def _read(
    repo: Repo,
    index: Index,
    unknown: Sequence[Tip],
    keys: Mapping[Tip, str],
    known: Mapping[TreeId, RunLine],
) -> dict[Tip, ExperimentLine]:
    """Work out the lines of branches and remember the good ones."""
    found: dict[Tip, ExperimentLine] = {}
    held = listings(repo, index, dict.fromkeys(tip.commit for tip in unknown))
    # All at once: one question to the index instead of one for each branch.
    many = {
        tree: run
        for runs in held.values()
        if len(runs) > _FEW
        for run, tree in runs.items()
        if tree not in known
    }
    lines = {**known, **run_lines(repo, index, many)}
    common = _Common(repo, index)
    for tip in unknown:  # one by one: what was read is kept, whatever comes after it
        line = found[tip] = _work_out(common, tip, held[tip.commit], lines)
        if line.lasting:
            index.put(Kind.EXPERIMENT, {keys[tip]: encode_experiment(line)})
    return found


def _work_out(
    common: _Common, tip: Tip, held: Mapping[RunId, TreeId], known: Mapping[TreeId, RunLine]
) -> ExperimentLine:
    """Return the line of a branch, with the runs in its tree and the lines of those of many."""
    repo = common.repo

    try:
        objects.look_at(repo, tip.commit, layout.FOLDERS)
        plan = (
            plan_named(repo, tip.name.partition("/")[2], tip.commit)
            if tip.archived
            else plan_of_branch(repo, tip.branch, tip.commit)
        )
    except GitexpError as error:
        return _without_plan(repo, tip, 0, error.brief, lasting=is_lasting(error))
    runs = {
        tree: known[tree] if tree in known else run_line(repo, tree, run)
        for run, tree in held.items()
    }
    if plan is ABSENT:
        mine = sum(1 for line in runs.values() if line.branch == tip.branch)
        return replace(
            _without_plan(repo, tip, mine, ""),
            seen=_seen(runs.values()),
            unread=_unread(runs.values()),
            lasting=all(run.lasting for run in runs.values()),
        )
    line = line_of_plan(repo, plan, tip.commit, runs, near=True)
    before = common.held(plan.baseline.commit)
    newest = newest_of(plan, runs.values())
    current = (line.plain or line.about) and _is_current(common, newest, tip.commit)
    seen = current and newest is not None and newest.inputs == line.about
    changed = bool(line.about) and not seen and common.is_changed(plan, line.about, tip.commit)
    return replace(
        line,
        concluded="changed" if changed else line.concluded,
        verdict="" if changed else line.verdict,
        qualifier="" if changed else line.qualifier,
        created_at=max(plan.created_at, common.made(plan.baseline.commit) or plan.created_at),
        plain=line.plain and bool(current),
        seen=_seen(run for tree, run in runs.items() if tree not in before),
        unread=_unread(runs.values()),
        lasting=line.lasting and all(run.lasting for run in runs.values()),
    )


def line_of_plan(
    repo: Repo,
    plan: Plan,
    commit: CommitHash,
    lines: Mapping[TreeId, RunLine],
    *,
    near: bool = False,
) -> ExperimentLine:
    """Return the line of a plan, by the runs and the conclusion in a commit's tree.

    `near`: whether the commit is that of its own branch, so that it is not far to its records.
    """
    runs = [line for line in lines.values() if line.seeds and not line.reported]
    under = [line for line in runs if plan.covers(line.plan_name, line.plan_digest)]
    newest = newest_of(plan, under)
    tried = newest or newest_of(plan, lines.values(), finished=False)
    mine = [] if newest is None else [line for line in under if line.inputs == newest.inputs]
    base = {line.inputs for line in runs if line.commit == plan.baseline.commit and line.plain}
    seeds = {seed for line in mine for seed in line.seeds}
    parts = [part for line in mine for part in line.metrics if part.metric == plan.metric]
    # Else it is called otherwise than the plan calls it; see `model.metricname`.
    told = not mine or sum(part.n for part in parts) == len(seeds)
    told = told and not any(line.bad for line in lines.values())
    concluded, verdict, beside, bad, lasting, who, about = _conclusion(repo, commit, plan)
    return ExperimentLine(
        name=plan.name,
        hypothesis=cut(plan.hypothesis),
        metric=cut(plan.metric),
        planned=plan.repeats,
        runs=sum(plan.covers(line.plan_name, line.plan_digest) for line in lines.values()),
        finished=len(seeds),
        partners=len({seed for line in runs if line.inputs in base for seed in line.seeds}),
        primary=pooled(parts) if parts else None,
        concluded=concluded,
        verdict=verdict,
        qualifier=beside,
        author=cut(plan.author.name),
        about=about,
        rewritten="" if who is None or not near else cut(rewritten(repo, plan.name, who, commit)),
        created_at=plan.created_at,
        baseline=cut(plan.baseline.name),
        formerly=plan.formerly,
        digest=plan.digest,
        inputs=(min(base, default=""), "" if tried is None else tried.inputs),
        plain=told and not plan.failure and _is_plain(plan, runs, mine, base),
        bad=bad,
        lasting=lasting,
    )


def newest_of(plan: Plan, lines: Iterable[RunLine], *, finished: bool = True) -> RunLine | None:
    """Return the newest run of the candidate under a plan; `finished`: with such a repeat."""
    mine = [
        line
        for line in lines
        if plan.covers(line.plan_name, line.plan_digest)
        and line.commit != plan.baseline.commit
        and (line.seeds or not finished)
    ]
    return max(mine, key=lambda line: (line.started_at, line.id), default=None)


def sight(inputs: str, plan: str, digest: str) -> str:
    """Return how `seen` names inputs that were run under a plan, or under none."""
    mark = zlib.crc32(f"{plan}:{digest}".encode("utf-8", "surrogateescape")) if digest else 0
    return f"{inputs[:16]}{mark:08x}"


def _seen(lines: Iterable[RunLine]) -> str:
    every = {
        sight(line.inputs, line.plan_name, "" if line.reported else line.plan_digest)
        for line in lines
        if line.seeds
    }
    return " ".join(sorted(every))


def _unread(lines: Iterable[RunLine]) -> tuple[tuple[str, str], ...]:
    return tuple((line.id, line.bad) for line in lines if line.bad)


def _is_plain(plan: Plan, runs: Sequence[RunLine], mine: Sequence[RunLine], base: set[str]) -> bool:
    """Return whether all of the candidate's repeats count, by what its own tree shows.

    That is where each seed was run once, in one environment, by runs of commits as they are, no
    more often than planned, by nobody before the plan, and with a partner if anything has one.
    """
    theirs = [line for line in runs if line.inputs in base]
    if plan.drawn:
        theirs = [line for line in theirs if plan.covers(line.plan_name, line.plan_digest)]
    wanted = {line.inputs for line in mine}
    for side in (mine, theirs):
        every = [seed for line in side for seed in line.seeds]
        if len(every) > len(set(every)) or not all(line.plain for line in side):
            return False
    ran = {seed for line in mine for seed in line.seeds}
    met = {seed for line in theirs for seed in line.seeds}
    others = [line for line in runs if not plan.covers(line.plan_name, line.plan_digest)]
    made = plan.amended[-1].at if plan.amended else plan.created_at
    first = set(itertools.islice(plan.drawn.sequence(), len(ran))) if plan.drawn else ran
    return (
        ran == first
        and len(ran) <= plan.repeats
        and len(base) <= 1
        and (bool(base) or not others)  # else an older run may be the baseline's
        and not (plan.drawn and any(plan.likely_seeds().intersection(x.begun) for x in others))
        and not base & wanted
        and (not met or (ran == met if len(ran) == plan.repeats else ran <= met))
        and len({line.environment for line in (*mine, *theirs)}) <= 1
        and not any(line.inputs in wanted for line in others)
        and all(line.plain for line in runs if line not in others)
        and all(line.started_at >= made for line in mine)
    )


def _is_current(common: _Common, newest: RunLine | None, commit: CommitHash) -> bool:
    """Return whether a tip is seen to have the inputs of the newest run, where there is one.

    A quick look for lists of thousands, by the top folders: False says nothing. Where the run's
    source is gone (rebased, squashed, beyond the edge of a shallow clone), its inputs are known
    all the same.
    """
    if newest is None:
        return True
    repo, ran = common.repo, CommitHash(newest.commit)
    try:
        if not objects.exists(repo, ran):  # in a partial clone git would ask a remote for each file
            return not repo.partial and newest.inputs == common.inputs(commit)
        settings = objects.blob_id(repo, commit, layout.CONFIG)
        if settings is ABSENT or settings != objects.blob_id(repo, ran, layout.CONFIG):
            return False
        changed = objects.changed_names(repo, ran, commit) - _NO_INPUTS
        return not changed or changed <= common.written(
            settings, objects.blob_id(repo, commit, _PIPELINE)
        )
    except GitexpError:
        return False


def _conclusion(
    repo: Repo, commit: CommitHash, plan: Plan
) -> tuple[str, str, str, str, bool, Person | None, str]:
    """Return how far it is concluded, the verdict, its qualifier, and why that cannot be read.

    Then whether that, if anything, stays so; whom the conclusion names, and of which inputs it is.
    """
    if objects.tree_id(repo, commit, layout.CONCLUSIONS) is ABSENT:
        return "", "", "", "", True, None, ""
    try:
        path = layout.conclusion_path(plan.name)
        data = objects.read_blob(repo, commit, path, CONCLUSION_BYTES)
        if data is ABSENT:
            return "", "", "", "", True, None, ""
        found, digest, who, about, line = load_verdict(data, f"{commit[:9]}:{path}")
    except GitexpError as error:
        return "concluded", "", "", error.brief, is_lasting(error), None, ""
    if digest != plan.digest:
        return "amended", "", "", "", True, who, ""
    verdict = "" if found is None else str(found.value)
    return "concluded", verdict, qualifier(*line), "", True, who, about


def _without_plan(
    repo: Repo, tip: Tip, runs: int, bad: str, *, lasting: bool = True
) -> ExperimentLine:
    try:
        info = objects.commit_info(repo, tip.commit)
        author, at = info.author.name, info.time
    except GitexpError as error:  # what anybody may push stops no list of others
        author, at, bad, lasting = "", None, error.brief, False
    return ExperimentLine(runs=runs, author=author, created_at=at, bad=bad, lasting=lasting)
