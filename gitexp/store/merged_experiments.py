"""Experiments whose branch is gone and whose records are on another one: merged, squashed, rebased.

A code host has three merge buttons, and each may delete the branch. After a merge the commits are
still there; after a squash or a rebase they are not, but the records say what ran: the plan by its
name and digest, the tree, the inputs. Nothing here asks whether `git gc` has run.

A line about one follows from a plan, a conclusion and the runs of that name, so it is remembered by
these, and all lines of a branch by the three trees that hold them: a commit on main that touches no
record costs nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError
from gitexp.git import objects, refs
from gitexp.git.transaction.cache import Index, Kind
from gitexp.git.transaction.layout import CONCLUSIONS, FOLDERS, PLANS, RUNS, conclusion_path
from gitexp.model import dataclass, replace
from gitexp.model.ids import ABSENT, CommitHash, InputsDigest, TreeId
from gitexp.store.ancestry import Addition, Graph, listings
from gitexp.store.conclusions import conclusion_named, has_inputs
from gitexp.store.experiments import line_of_plan, newest_of
from gitexp.store.list_lines import ExperimentLine, RunLine, decoded_experiments, encode_experiment
from gitexp.store.lookup import lines_by_addition
from gitexp.store.plan_files import plan_paths
from gitexp.store.plans import Tip, is_experiments, own_tips, places, plan_named
from gitexp.store.records import is_lasting, run_lines

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from gitexp.git.repository import Repo
    from gitexp.model.comparison import Side
    from gitexp.model.plan import Plan


@dataclass(frozen=True, slots=True)
class Merged:
    """What is known of an experiment without a branch of its own."""

    plan: Plan
    where: str  # short name of the branch (or HEAD) that has its records
    records: CommitHash  # its tip
    # Of the candidate: the concluded one, else the newest that was run; None: nothing was run.
    inputs: InputsDigest | None
    source: CommitHash | None  # the commit that was concluded, else the one that ran
    lost: bool  # no ref leads to `source` any more
    state: CommitHash  # the commit whose tree shows the candidate best
    exact: bool  # whether that tree has just these inputs


def find(repo: Repo, index: Index, name: str, own: str | None = None) -> Merged | None:
    """Look for the plan of an experiment where HEAD is, then on all branches; None: nowhere.

    `own`: what the names of experiments' branches begin with, to look at own branches that are
    none.
    """
    for where, commit in places(repo, None if own is None else own_tips(repo)):
        if own is not None and is_experiments(where, own):
            continue
        try:
            plan = plan_named(repo, name, commit)
        except GitexpError:  # somewhere else it may be readable
            continue
        if plan is not ABSENT:
            return held(repo, index, plan, where, commit)
    return None


def held(repo: Repo, index: Index, plan: Plan, where: str, commit: CommitHash) -> Merged:
    """Return what the records of a commit say of an experiment."""
    concluded = _concluded(repo, plan, commit)
    asked = None if concluded is None else concluded.inputs
    lines = lines_by_addition(repo, Graph(repo, index, [commit]), index)
    found = candidate(plan, lines, asked)
    if found is None:
        return Merged(plan, where, commit, None, None, lost=False, state=commit, exact=True)
    addition, line = found
    source, wanted = CommitHash(line.commit), InputsDigest(line.inputs)
    if concluded is not None and wanted == asked:
        source = concluded.commit
    lost = bool(refs.unreachable(repo, [source]))
    for state in (addition.commit, *(() if lost else (source,))):
        if _has(repo, index, state, commit, wanted):
            return Merged(plan, where, commit, wanted, source, lost, state, exact=True)
    return Merged(plan, where, commit, wanted, source, lost, addition.commit, exact=False)


def candidate(
    plan: Plan, found: list[tuple[Addition, RunLine]], concluded: InputsDigest | None
) -> tuple[Addition, RunLine] | None:
    """Return the run of the candidate: the newest by ancestry, of what was concluded."""
    mine = [
        pair
        for pair in found
        if plan.covers(pair[1].plan_name, pair[1].plan_digest)
        and not pair[1].reported
        and pair[1].seeds
        and pair[1].commit != plan.baseline.commit
    ]
    of_it = [pair for pair in mine if pair[1].inputs == concluded]
    chosen = of_it or mine
    return chosen[-1] if chosen else None


def _concluded(repo: Repo, plan: Plan, commit: CommitHash) -> Side | None:
    try:
        found = conclusion_named(repo, plan.name, commit)
    except GitexpError:  # `show` says what is wrong with it
        return None
    return None if found is ABSENT else found.comparison.candidate


def _has(
    repo: Repo, index: Index, commit: CommitHash, fallback: CommitHash, wanted: InputsDigest
) -> bool:
    try:
        return has_inputs(repo, index, commit, fallback, wanted)
    except GitexpError:  # then it is not a state that could stand for the candidate
        return False


_SUFFIX = ".yaml"


@dataclass(frozen=True, slots=True)
class MergedLine:
    """A line with the branch that has the records now."""

    line: ExperimentLine
    where: str  # short name
    commit: CommitHash  # its tip
    source: CommitHash | None  # of the newest run of the candidate
    lost: bool = False  # no ref leads to `source`
    own: bool = True  # a branch of this repository has them


def merged_lines(
    repo: Repo, index: Index, every: Sequence[Tip], claimed: Mapping[str, bool], prefix: str
) -> tuple[MergedLine, ...]:
    """Return the experiments that HEAD or a branch without the prefix holds, and no tip is.

    `claimed`: names of the experiments that have a branch or an archive tag, and whether that is
    the user's own: a stranger's takes no name from what was merged here.
    """
    taken = {name for name, own in claimed.items() if own}
    local = {tip.name for tip in every if tip.local}
    found: list[MergedLine] = []
    for number, (where, commit) in enumerate(places(repo, every)):
        stacked = is_experiments(where, prefix)
        if number and stacked:
            continue
        try:
            objects.look_at(repo, commit, FOLDERS)
        except GitexpError:  # its own line says why
            continue
        own = not number or where in local
        blobs = _plans(repo, commit, taken if own and not stacked else taken | claimed.keys())
        if blobs:
            lines = _lines(repo, index, where, commit, blobs)
            found += (replace(line, own=own) for line in lines)
            taken |= blobs.keys()
    gone = refs.unreachable(repo, [item.source for item in found if item.source is not None])
    return tuple(replace(item, lost=item.source in gone) for item in found)


def _plans(repo: Repo, commit: CommitHash, taken: Collection[str]) -> dict[str, str]:
    """Return the blobs of plans by name, but those that are taken."""
    if objects.tree_id(repo, commit, PLANS) is ABSENT:
        return {}
    names = ((entry.text, entry.id) for entry in objects.list_dir(repo, commit, PLANS))
    return {
        name.removesuffix(_SUFFIX): blob
        for name, blob in names
        if name.endswith(_SUFFIX) and name.removesuffix(_SUFFIX) not in taken
    }


def _lines(
    repo: Repo, index: Index, where: str, commit: CommitHash, blobs: Mapping[str, str]
) -> Iterator[MergedLine]:
    whole = _digest(
        *(f"{name} {blob}" for name, blob in sorted(blobs.items())),
        *(str(objects.tree_id(repo, commit, path)) for path in (CONCLUSIONS, RUNS)),
    )
    row = index.get(Kind.MERGED, [whole]).get(whole)
    found: tuple[_Rows, dict[str, str]] | None = None
    with contextlib.suppress(ValueError):
        found = None if row is None else json.loads(row)
    if found is None:
        rows, bad, lasting = _work_out(repo, index, commit, blobs)
        found = rows, bad
        if lasting:
            index.put(Kind.MERGED, {whole: json.dumps(found).encode("ascii")})
    rows, bad = found
    for name, why in bad.items():
        yield MergedLine(ExperimentLine(name=name, bad=why), where, commit, None)
    lines = decoded_experiments({name: line.encode() for name, (_, line) in rows.items()})
    for name, line in lines.items():
        source = rows[name][0]
        yield MergedLine(line, where, commit, CommitHash(source) if source else None)


_BAD: Final = "unreadable"  # in the place of a source
_Rows = dict[str, tuple[str, str]]  # name -> (source commit or "", the line as a row)


def _work_out(
    repo: Repo, index: Index, commit: CommitHash, blobs: Mapping[str, str]
) -> tuple[_Rows, dict[str, str], bool]:
    """Return rows by name, why other plans, and runs, cannot be read, and whether that stays so."""
    try:
        plan_paths(repo.tree(commit))
    except GitexpError as error:
        return {}, {PLANS: error.brief}, is_lasting(error)
    held = listings(repo, index, [commit])[commit]
    lines = run_lines(repo, index, {tree: run for run, tree in held.items()})
    groups: defaultdict[str, dict[TreeId, RunLine]] = defaultdict(dict)
    for tree, line in lines.items():
        groups[line.plan_name if line.plan_name in blobs else ""][tree] = line
    # Runs of names that are not plan here may be those of a plan that was renamed.
    others = _digest(*sorted(groups[""]))
    keys = {
        name: _digest(
            blob,
            str(objects.blob_id(repo, commit, conclusion_path(name))),
            others,
            *sorted(groups[name]),
        )
        for name, blob in blobs.items()
    }
    known = index.get(Kind.MERGED, keys.values())
    rows: _Rows = {}
    bad: dict[str, str] = {line.id: line.bad for line in lines.values() if line.bad}
    whole = all(line.lasting for line in lines.values())  # a row that may lack a run is not kept
    lasting = whole
    for name, key in keys.items():
        row = known.get(key)
        if row is None:
            row, stays = _row(repo, commit, name, {**groups[""], **groups[name]})
            lasting = lasting and stays
            if whole and stays:
                index.put(Kind.MERGED, {key: row})
        source, _, line_row = row.decode("utf-8", "backslashreplace").partition(" ")
        if source == _BAD:
            bad[name] = line_row
        else:
            rows[name] = source, line_row
    return rows, bad, lasting


def _row(
    repo: Repo, commit: CommitHash, name: str, lines: Mapping[TreeId, RunLine]
) -> tuple[bytes, bool]:
    """Return a plan's row, or why it has none, and whether that stays so."""
    try:
        plan = plan_named(repo, name, commit)
    except GitexpError as error:
        return _unreadable(error.brief), is_lasting(error)
    if plan is ABSENT or plan.name != name:
        return _unreadable("the file's name is not the plan's"), True
    line = line_of_plan(repo, plan, commit, lines)
    if line.bad:
        return _unreadable(line.bad), line.lasting
    under = [item for item in lines.values() if plan.covers(item.plan_name, item.plan_digest)]
    newest = newest_of(plan, lines.values())
    # Which of several variants stands for the candidate is for `merged` to say.
    several = {item.inputs for item in under if item.seeds} - {*line.inputs}
    line = replace(line, plain=line.plain and not several)
    source = "" if newest is None else newest.commit
    return b"%s %s" % (source.encode(), encode_experiment(line)), True


def _unreadable(why: str) -> bytes:
    return f"{_BAD} {why}".encode("utf-8", "backslashreplace")


def _digest(*parts: str) -> str:
    joined = "\n".join(parts).encode("utf-8", "surrogateescape")
    return hashlib.sha256(joined).hexdigest()
