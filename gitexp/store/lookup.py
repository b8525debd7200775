"""Recorded runs: those that a commit reaches, those of the same inputs anywhere.

A record is foreign until it has been read: one that cannot be read is reported beside the others,
never dropped and never in their way. In a shallow clone the history ends early; the answer says so,
since "no samples" and "unknown" are not the same.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gitexp.errors import DamagedDataError, GitexpError, UnknownRunError
from gitexp.git.objects import read_blob
from gitexp.git.transaction.cache import Index, open_index
from gitexp.git.transaction.layout import environment_dir
from gitexp.model import dataclass
from gitexp.model.ids import ABSENT, CommitHash, EnvironmentDigest, InputsDigest, RunId, TreeId
from gitexp.model.run import Environment, Run, Sample
from gitexp.records import codec
from gitexp.store.ancestry import Addition, Graph, listings, runs_in
from gitexp.store.plans import Tip, own_tips, tips
from gitexp.store.records import lines_naming, read_run, run_lines
from gitexp.text.fields import near

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from gitexp.git.repository import Repo
    from gitexp.model.plan import Plan
    from gitexp.store.list_lines import RunLine

ENVIRONMENT_LIMIT_BYTES = 8 << 20
_SHORTEST = 4  # characters of an id by which a run may be named
_SHOWN = 7


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A record with its place in history."""

    run: Run
    samples: tuple[Sample, ...]
    commit: CommitHash  # the commit that added it
    order: int  # its place among all runs of the same answer: ancestry first, then the smaller id
    # Branches and tags whose tip holds it, where the question was about all of them.
    refs: tuple[str, ...] = ()
    deleted: bool = False  # a later commit took it out of the tree; it was seen all the same
    # The tree holds another version than the one that was added. Records are append-only, so
    # somebody edited it.
    altered: bool = False


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that is there and cannot be read."""

    id: RunId
    why: str
    commit: CommitHash


@dataclass(frozen=True, slots=True)
class Lookup:
    """The answer to a question about runs; iterating gives the readable ones."""

    runs: tuple[FoundRun, ...]
    unreadable: tuple[Unreadable, ...] = ()
    shallow: bool = False  # older history is not in this clone: there may be more

    def __iter__(self) -> Iterator[FoundRun]:
        """Go over the readable runs in their order."""
        return iter(self.runs)

    def __len__(self) -> int:
        """Return the number of readable runs."""
        return len(self.runs)


def runs_at(
    repo: Repo,
    commit: CommitHash,
    index: Index | None = None,
    *,
    inputs: Collection[InputsDigest] | None = None,
) -> Lookup:
    """Return all runs that a commit reaches, in the order in which they were added.

    Runs that were deleted from the tree later are among them, and flagged. `inputs`: only runs of
    these inputs, and unreadable ones.
    """
    with _using(repo, index) as cache:
        graph = Graph(repo, cache, [commit])
        additions, present = graph.additions(), runs_in(repo, commit)
        if inputs is not None:
            trees = {item: present.get(item.run, item.tree) for item in additions}
            runs_of = {tree: item.run for item, tree in trees.items()}
            lines = lines_naming(repo, cache, runs_of, inputs)
            additions = tuple(
                item
                for item, tree in trees.items()
                if tree in lines and (lines[tree].inputs in inputs or lines[tree].bad)
            )
        return _load(repo, graph, additions, present, lambda _: ())


def lines_by_addition(repo: Repo, graph: Graph, index: Index) -> list[tuple[Addition, RunLine]]:
    """Return each run in the history of a graph's one tip, with its line as the tip has it."""
    (commit,) = graph.tips
    present = runs_in(repo, commit)
    trees = {item: present.get(item.run, item.tree) for item in graph.additions()}
    lines = run_lines(repo, index, {tree: item.run for item, tree in trees.items()})
    return [(item, lines[tree]) for item, tree in trees.items()]


def runs_by_inputs(
    repo: Repo, *inputs: InputsDigest, index: Index | None = None, also: Collection[CommitHash] = ()
) -> Lookup:
    """Return the runs of these inputs that the user's own branches and archives hold.

    Their whole history is searched. What a fetch brought is other people's word, and no part of
    the answer; see docs/decisions/0028.

    `also`: what is asked about, whoever's it is.
    """
    return _among(repo, index, lambda line: line.inputs in inputs, {*filter(None, inputs)}, also)


def runs_for(
    repo: Repo, plan: Plan, index: Index | None = None, also: Collection[CommitHash] = ()
) -> Lookup:
    """Return the runs under a plan as it is, or was before an amendment, as `runs_by_inputs`."""
    words = set(map(json.dumps, (plan.name, *plan.formerly)))
    return _among(
        repo, index, lambda line: plan.covered(line.plan_name, line.plan_digest), words, also
    )


def runs_in_groups(
    repo: Repo,
    groups: Collection[str],
    index: Index | None = None,
    also: Collection[CommitHash] = (),
) -> Lookup:
    """Return the runs of these sweeps, as `runs_by_inputs`."""
    words = set(map(json.dumps, groups))
    return _among(repo, index, lambda line: line.group in groups, words, also)


def versions(
    repo: Repo,
    index: Index,
    graph: Graph,
    inputs: Collection[InputsDigest],
    plans: Collection[Plan] = (),
) -> dict[tuple[RunId, TreeId], FoundRun | Unreadable]:
    """Return the runs of these inputs, or under one of these plans, in every version of a history.

    `plans`: runs under them, as they are or were, or of seeds that were drawn with them, may be of
    whatever inputs. Those that are spent push a sequence on: it is looked at as far as any has run.
    """
    by_digest: defaultdict[str, list[Plan]] = defaultdict(list)
    for plan in plans:
        for digest in (plan.digest, *(each.digest for each in plan.amended)):
            by_digest[digest].append(plan)

    drawn = frozenset[int]().union(*(plan.likely_seeds() for plan in plans))

    def wanted(line: RunLine) -> bool:
        mine = by_digest.get(line.plan_digest, ()) if line.plan_digest else ()
        return (
            line.inputs in inputs
            or any(plan.covered(line.plan_name, line.plan_digest) for plan in mine)
            or not drawn.isdisjoint(line.begun)
        )

    # By its names: thousands of experiments may promise the same, and so have the same digest.
    names = [name for plan in plans for name in (plan.name, *plan.formerly)]
    every = {(item.run, item.tree): item for item in reversed(graph.every())}
    while True:
        words = {*filter(None, inputs), *map(json.dumps, names), *map(str, drawn)}
        chosen = _wanted(repo, index, every.values(), wanted, words)
        found = {(item.run, item.tree): _read(repo, item, {item.run: item.tree}) for item in chosen}
        seen = seeds_of(found.values())
        more = frozenset[int]().union(*(plan.likely_seeds(seen) for plan in plans))
        if more <= drawn:
            return found
        drawn = more


def seeds_of(found: Iterable[FoundRun | Unreadable]) -> frozenset[int]:
    """Return the seeds of which any repeat was begun."""
    runs = (item.run for item in found if isinstance(item, FoundRun))
    return frozenset(each.seed for run in runs for each in run.repeats)


def holders(
    repo: Repo, index: Index, every: Iterable[Tip], runs: Collection[RunId]
) -> dict[RunId, dict[str, TreeId]]:
    """Return, for each of these runs, the tips whose tree holds it with the tree of its folder."""
    found: defaultdict[RunId, dict[str, TreeId]] = defaultdict(dict)
    tips_ = tuple(every)
    listed = listings(repo, index, {tip.commit for tip in tips_})
    for tip in tips_:
        held = listed[tip.commit]
        for run in held.keys() & runs:
            found[run][tip.name] = held[run]
    return dict(found)


def near_runs(repo: Repo, index: Index, prefix: str) -> tuple[str, ...]:
    """Return the beginnings of ids for which a mistyped one may stand."""
    graph = Graph(repo, index, [tip.commit for tip in tips(repo)])
    known = {item.run[: len(prefix)]: item.run for item in graph.additions()}
    close = near(prefix, known) if len(prefix) >= _SHORTEST else ()
    return tuple(known[each][: max(_SHOWN, len(prefix))] for each in close)


def find_run(
    repo: Repo, prefix: str, index: Index | None = None, among: Sequence[Tip] | None = None
) -> FoundRun:
    """Return the run whose id begins with `prefix`, the user's own before those of others.

    Raises `UnknownRunError` if there is none, or several; `BadFormatError, NewerFormatError,
    DamagedDataError, UnsafeInputError` if its record cannot be read.
    """
    with _using(repo, index) as cache:
        for asked in (own_tips(repo), tips(repo)) if among is None else (among,):
            graph = Graph(repo, cache, [tip.commit for tip in asked])
            places = {item.run: item for item in graph.additions() if item.run.startswith(prefix)}
            if places:
                break
        if len(places) != 1 or not prefix:
            close = () if places else near_runs(repo, cache, prefix)
            raise UnknownRunError(
                f"{len(places) or 'no'} runs have an id that begins with this",
                found=ascii(prefix[:40])[1:-1],
                where=f"{len(asked)} branches and tags",
                expected=", ".join(sorted(places)[:10]),
                next_step=f"the same with {' or '.join(close)}" if close else "",
            )
        (place,) = places.values()
        held = holders(repo, cache, asked, {place.run}).get(place.run, {})
        return _found(repo, place, next(iter(held.values()), None), tuple(held))


def environment(repo: Repo, commit: CommitHash, digest: EnvironmentDigest) -> Environment:
    """Return a recorded environment.

    Raises `DamagedDataError` if it is not there, or is not what its digest says.
    """
    path = f"{environment_dir(digest)}/environment.json"
    data = read_blob(repo, commit, path, ENVIRONMENT_LIMIT_BYTES)
    if data is ABSENT:
        raise DamagedDataError("the environment is not recorded here", where=f"{commit[:9]}:{path}")
    found = codec.load(Environment, data, f"{commit[:9]}:{path}")
    if environment_digest(found) != digest:
        raise DamagedDataError(
            "the environment is not the one that its folder names",
            found=environment_digest(found),
            where=f"{commit[:9]}:{path}",
            expected=digest,
        )
    return found


def environment_digest(environment: Environment) -> EnvironmentDigest:
    """Compute the digest by which an environment is recorded."""
    return EnvironmentDigest(hashlib.sha256(codec.dump(environment)).hexdigest())


def _among(
    repo: Repo,
    index: Index | None,
    wanted: Callable[[RunLine], bool],
    words: Collection[str],
    also: Collection[CommitHash],
) -> Lookup:
    with _using(repo, index) as cache:
        own = own_tips(repo)
        graph = Graph(repo, cache, [*(tip.commit for tip in own), *also])
        chosen = _wanted(repo, cache, graph.additions(), wanted, words)
        runs = {item.run for item in chosen}
        held = holders(repo, cache, own, runs)
        present = {run: tree for listed in listings(repo, cache, also).values()
                   for run, tree in listed.items()}  # fmt: skip
        present |= {run: next(iter(trees.values())) for run, trees in held.items()}
        return _load(repo, graph, chosen, present, lambda run: tuple(held.get(run, ())))


def _wanted(
    repo: Repo,
    index: Index,
    additions: Iterable[Addition],
    wanted: Callable[[RunLine], bool],
    words: Collection[str],
) -> list[Addition]:
    every = tuple(additions)
    lines = lines_naming(repo, index, {item.tree: item.run for item in every}, words)
    # A record that even its line cannot be read of might be a wanted one: it is reported.
    return [
        item
        for item in every
        if item.tree in lines and (wanted(lines[item.tree]) or lines[item.tree].bad)
    ]


def _read(
    repo: Repo, item: Addition, present: Mapping[RunId, TreeId], refs: tuple[str, ...] = ()
) -> FoundRun | Unreadable:
    try:
        return _found(repo, item, present.get(item.run), refs)
    except GitexpError as error:
        return Unreadable(item.run, error.brief, item.commit)


def _found(repo: Repo, item: Addition, tree: TreeId | None, refs: tuple[str, ...]) -> FoundRun:
    """Read a record as a tip has it in the `tree` of its folder; None: as it was added."""
    run, samples = read_run(repo, tree or item.tree, item.run)
    altered = tree not in {None, item.tree}
    return FoundRun(run, samples, item.commit, item.order, refs, tree is None, altered)


def _load(
    repo: Repo,
    graph: Graph,
    additions: Sequence[Addition],
    present: Mapping[RunId, TreeId],
    refs: Callable[[RunId], tuple[str, ...]],
) -> Lookup:
    read = [_read(repo, item, present, refs(item.run)) for item in additions]
    return Lookup(
        tuple(item for item in read if isinstance(item, FoundRun)),
        tuple(item for item in read if isinstance(item, Unreadable)),
        graph.is_shallow(repo),
    )


@contextmanager
def _using(repo: Repo, index: Index | None) -> Iterator[Index]:
    """Use the caller's cache, or open the repository's for this one question."""
    if index is not None:
        yield index
        return
    with open_index(repo.workspace) as own:
        yield own
