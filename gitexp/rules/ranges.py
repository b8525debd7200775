"""The rules over all commits that a branch gained, and over the one that it is to gain.

The former are asked by `check`, `review`, pre-push and the server; the latter by the hooks of
`git commit` and `git merge`, and by whoever says how to go on with what is staged.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError
from gitexp.git.transaction.layout import CONFIG, ENVIRONMENTS, FOLDER, RUNS, plan_path
from gitexp.git.tree import Tree, tree_of
from gitexp.git.upstream import own
from gitexp.git.worktree import staged, status
from gitexp.model import dataclass, replace
from gitexp.model.rules import NOBODY, Objects, Outside, Policy, TreeEntry, Violation, Where
from gitexp.rules import found, policies, unchanged
from gitexp.rules.branches import Governing, governing, is_experiment, is_protected
from gitexp.rules.facts import (
    Finding,
    TreeChange,
    of_commit,
    of_staged,
    settings,
    settings_in,
    unread_settings,
)
from gitexp.rules.order import changed_plans
from gitexp.store.plan_files import plan_history, plan_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from gitexp.git.repository import Repo
    from gitexp.git.worktree.staged import HookPlace
    from gitexp.model.config import ProjectConfig
    from gitexp.model.ids import CommitHash
    from gitexp.model.plan import Plan
    from gitexp.rules.facts import Facts

UNSEEN: Final = "R0"  # stands where no rule could be asked; nobody switches it off


@dataclass(frozen=True, slots=True)
class Gained:
    """Commits that a branch gained."""

    commits: tuple[CommitHash, ...]  # parents before children
    tip: CommitHash  # what the branch holds now, the last of them if there are any
    branch: str  # short name; "" where none is known
    base: CommitHash | None = None  # what it had before; None for all of its history
    # those that another branch brought: no rule about branches speaks of them
    others: frozenset[CommitHash] = frozenset()
    # the settings to go by; else those of `base`, else those of the tip
    config: ProjectConfig | None = None
    # what it weighs that the branch changes what `base` has of its own experiment; ERROR where a
    # stranger may have called it so
    later: Policy = Policy.OFF
    # what the user's own branches of a name hold: asked where a record is another's
    tips: Callable[[str], Collection[CommitHash]] = lambda _: ()


class _Lines:
    """Which commits of a range are on the branches that the user knows by their names."""

    def __init__(self, objects: Objects, gained: Gained) -> None:
        self._objects, self._gained = objects, gained
        self._known: dict[str, set[CommitHash] | None] = {}

    def have(self, commit: CommitHash, branch: str) -> bool | None:
        """Return whether a branch has a commit; None where there is no such branch."""
        if branch not in self._known:
            tips = self._gained.tips(branch)
            self._known[branch] = self._inside(tips) if tips else None
        known = self._known[branch]
        return None if known is None else commit in known

    def _inside(self, tips: Collection[CommitHash]) -> set[CommitHash]:
        common = (self._objects.forks(self._gained.tip, tip) for tip in tips)
        waiting = [commit for commits in common for commit in commits]
        inside = {*self._gained.commits}
        found: set[CommitHash] = set()
        while waiting:
            commit = waiting.pop()
            if commit in inside and commit not in found:
                found.add(commit)
                waiting += self._objects.commit(commit).parents
        return found


def check_range(
    objects: Objects, gained: Gained, outside: Outside = NOBODY
) -> tuple[tuple[Violation, ...], tuple[str, ...]]:
    """Return what is broken in the commits that a branch gained, and what is not known."""
    commits, branch, tip, base = gained.commits, gained.branch, gained.tip, gained.base
    if not commits:
        return (), ()
    before = None if base is None else tree_of(objects, base)
    # Those that the commits themselves cannot change, where there are any.
    held = None if before is None else settings_in(before)
    governing = gained.config or held or settings(tree_of(objects, tip))
    weights = policies(governing)
    if gained.later is Policy.ERROR and is_protected(governing, branch):
        branch = ""  # a stranger's branch has but the name
    own = _first_parents(objects, commits) if is_protected(governing, branch) else None
    said: list[tuple[Violation, Finding, Facts | None]] = []
    seen: list[Facts] = []  # the commits since the first that was broken
    arrived: frozenset[str] = frozenset()
    brought: set[str] = set()
    inside = set(commits)
    made = inside - gained.others if own is None else own
    last = tree_of(objects, tip)
    lines = _Lines(objects, gained)
    for commit in commits:
        stranger = commit in gained.others if own is None else commit not in own
        try:
            where = "" if stranger else branch
            facts = of_commit(objects, commit, branch=where, tip=commit == tip, outside=outside)
            facts = facts.governed(governing)
            for parent, tree in zip(facts.before, facts.parents, strict=True):
                if parent not in inside:  # what is there as well is not of this range alone
                    brought = {path for path in brought if tree.entry(path) is None}
            arrived |= frozenset() if stranger else facts.arrived
            if facts.tip:
                facts = replace(facts, base=before, arrived=arrived, later=gained.later)
            facts = replace(
                facts, brought=frozenset(brought), settled=stranger, onto=base, last=last,
                end=tip, own=made,
                on=partial(lines.have, commit), tips=gained.tips,
            )  # fmt: skip
            brought.update(change.path for change in facts.below(FOLDER) if change.old is None)
            said.extend((*each, facts) for each in found(facts, weights))
            if seen or any(finding.back for _, finding, _ in said):
                seen.append(facts)
        except GitexpError as error:
            unseen = _unseen(error, Where(commit, branch=branch))
            said.append((unseen, Finding(unseen.message, unseen.next_step), None))
    healed = [_healed(finding, facts, seen) for _, finding, facts in said]
    cures = {
        (cure, path)
        for (_, finding, _), cures in zip(said, healed, strict=True)
        for cure in cures
        for path in finding.back
    }
    open_ = [
        violation
        for (violation, _, _), cured in zip(said, healed, strict=True)
        if not cured and not _is_cure(violation.where, cures)
    ]
    open_ += unread(tree_of(objects, tip), Where(tip, CONFIG, branch))
    return _once(open_), outside.unanswered()


def rewritten(objects: Objects, plan: Plan, tip: CommitHash) -> Finding | None:
    """Return what R2 says of the plan that a tip has, as far as its history goes."""
    last, held = tree_of(objects, tip), plan_history(objects, plan, tip)
    files = {plan_path(name) for name in (plan.name, *plan.formerly)}
    said: list[tuple[Finding, Facts]] = []
    seen: list[Facts] = []  # as in `check_range`
    for commit, now in held.items():
        parents = objects.commit(commit).parents
        changed = any(held.get(each, now) != now for each in parents)
        if not (changed or said) or (said and not held.keys() >= {*parents}):
            continue
        facts = replace(of_commit(objects, commit, branch=plan.branch), last=last)
        if changed:
            said += [(each, facts) for each in changed_plans(facts) if each.path in files]
        if said:
            seen.append(facts)
    errors = ((each, facts) for each, facts in said if each.at_most is Policy.ERROR)
    return next((each for each, facts in errors if not _healed(each, facts, seen)), None)


def unread(tree: Tree, where: Where) -> tuple[Violation, ...]:
    """Return that the settings in a tree cannot be read, where they cannot."""
    why = unread_settings(tree)
    if not why:
        return ()
    said = f"{CONFIG} cannot be read, so the defaults count: {why}"
    then = "commit it" if where.commit else "stage it"
    return (Violation(UNSEEN, Policy.ERROR, said, where, f"mend {CONFIG}, and {then}"),)


# --- the commit to be ---------------------------------------------------------------------------


def to_be(place: HookPlace, objects: Objects) -> tuple[Governing, Facts, list[TreeChange]]:
    """Return the settings that count, what they are asked about, and what the index changes."""
    changes = [TreeChange(*each) for each in staged.staged(place)]
    rules = governing(objects, place.folder, place.branch, place.head, place.env)
    facts = of_staged(objects, place.parents, changes, branch=place.branch, config=rules.config)
    return rules, replace(facts, stopped=place.stopped), changes


def judged(place: HookPlace, facts: Facts) -> tuple[Violation, ...] | None:
    """Return what is broken in an experiment's commit, or in a merge into a protected branch.

    None of another one, which nobody asks about.
    """
    merging = bool(place.merged) and is_protected(facts.config, place.branch)
    if not merging and not is_experiment(facts.config, place.branch):
        return None
    # What its upstream, or origin, has of it: a pull merges the branch with itself.
    tips = own(place.folder, [place.branch], place.env) if merging else ()
    if merging and {*place.merged} <= {at for name, at, _ in tips if name == place.branch}:
        facts = replace(facts, arrived=frozenset())

    def said(facts: Facts) -> tuple[Violation, ...]:
        each = found(facts, policies(facts.config))
        open_ = (violation for violation, finding in each if not _mends(place, facts, finding))
        return (*open_, *unread(facts.tree, Where("", CONFIG, place.branch)))

    broken = said(facts)
    refused = any(each.policy is Policy.ERROR for each in broken)
    return broken if refused or not broken else said(replace(facts, stopped=None))


def _mends(place: HookPlace, facts: Facts, finding: Finding) -> bool:
    """Return whether what is found only brings back what a commit took away, or wrote over."""
    last = staged.changed(place, finding.back) if finding.back else None
    if last is None:
        return False

    def state(tree: Tree, path: str) -> object:
        return dict(tree.files(path)) or tree.entry(path)  # a folder that is staged has no id

    broken = of_commit(facts.objects, last, branch=facts.branch).governed(facts.config)
    return any(
        all(state(facts.tree, p) == state(broken.parents[each.parent], p) for p in each.back)
        for _, each in found(broken, policies(facts.config))
        if {*each.back} >= {*finding.back}
    )


def way_out(repo: Repo, *, experiment: bool) -> str:
    """Return what finishes that which stopped, or has a commit of what is staged be let through.

    "" where nothing stopped, and nothing that is staged is refused; see `replay.way_out`.
    """
    from gitexp.store import replay  # noqa: PLC0415  a hook, which loads this file, has no time

    found, top = replay.way_out(repo, experiment=experiment), repo.workspace.top
    if top is None:
        return found
    place = staged.place(top, {})
    conflicts = status.unmerged(repo.workspace)
    if conflicts and place.stopped in {"", "merge"}:  # a merge is judged once it is settled
        return found
    with contextlib.suppress(GitexpError):
        _, facts, changes = to_be(place, repo)
        for each in judged(place, facts) or () if changes else ():
            if each.policy is Policy.ERROR and each.where.path not in conflicts:
                return each.next_step
        had = bool(facts.parents) and plan_of(facts.parents[0], place.branch)
        if not (found or had) and place.branch and plan_of(facts.tree, place.branch):
            return "git commit"
    return found


def _is_cure(where: Where, cures: Collection[tuple[str, str]]) -> bool:
    """Return whether a commit only brings back what is found in it: it was judged when it came."""
    above = where.path
    while above and (where.commit, above) not in cures:
        above = above.rpartition("/")[0]
    return bool(above)


def _healed(finding: Finding, broken: Facts | None, seen: Sequence[Facts]) -> set[str]:
    """Return the commits that brought back what one took away, or wrote over; none if it is open.

    Runs, and in what order they came, count from all of the history, whatever was taken away since;
    so it is enough that nobody built on what was there meanwhile: a plan or conclusion that was
    written while a record was missing, or any record while a plan was otherwise.
    """
    if broken is None or not finding.back:
        return set()
    before = broken.parents[finding.parent]
    immutable = all(path.startswith((f"{RUNS}/", f"{ENVIRONMENTS}/")) for path in finding.back)
    watched = unchanged.RECORDS if immutable else (*unchanged.RECORDS, RUNS)

    def state(tree: Tree) -> list[TreeEntry | None]:
        return [tree.entry(path) for path in finding.back]

    whole = state(before)
    ill, cures = {broken.commit}, set[str]()
    well: dict[str, list[TreeEntry | None]] = {}
    for facts in seen:
        now = state(facts.tree)
        parents = [well[each] for each in facts.before if each in well]
        if ill.isdisjoint(facts.before):
            if parents:
                well[facts.commit] = now
            continue
        if any(
            change.new is not None and change.new != before.entry(change.path)
            for folder in watched
            for change in facts.below(folder)
        ):
            return set()
        if any(
            there not in {None, was}
            for parent, tree in zip(facts.before, facts.parents, strict=True)
            if parent not in ill and parent not in well
            for there, was in zip(state(tree), whole, strict=True)
        ):
            return set()  # another line has it otherwise: what was is not what is to be
        if now == whole or now in parents:
            well[facts.commit] = now
            cures.add(facts.commit)
        else:
            ill.add(facts.commit)
    # Where no later commit could be looked at, nothing shows that it is back.
    return set() if not seen or seen[-1].commit in ill else cures


def _first_parents(objects: Objects, commits: Sequence[CommitHash]) -> set[CommitHash]:
    """Return the commits of a range that were made on the branch itself, not merged into it."""
    inside = set(commits)
    found: set[CommitHash] = set()
    commit: CommitHash | None = commits[-1]
    while commit is not None and commit in inside and commit not in found:
        found.add(commit)
        parents = objects.commit(commit).parents
        commit = parents[0] if parents else None
    return found


def _unseen(error: GitexpError, where: Where) -> Violation:
    said = f"this commit cannot be looked at: {error.brief}"
    if error.where:
        said = f"{said} ({error.where})"
    return Violation(UNSEEN, Policy.ERROR, said, where, error.next_step or "git fsck")


def _once(said: Sequence[Violation]) -> tuple[Violation, ...]:
    """Drop what a later commit repeats of the same path; the first is the one to mend."""
    kept: dict[tuple[str, str, str], Violation] = {}
    for violation in said:
        kept.setdefault((violation.rule, violation.message, violation.where.path), violation)
    return tuple(kept.values())
