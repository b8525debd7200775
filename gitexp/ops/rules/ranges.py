"""The rules over all commits that a branch gained: for `check`, `review`, pre-push, the server."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError
from gitexp.model.rules import NOBODY, Policy, Violation, Where
from gitexp.ops.rules import check, policies
from gitexp.ops.rules.branches import is_protected
from gitexp.ops.rules.facts import of_commit, settings, settings_in, unread_settings
from gitexp.ops.rules.trees import Tree
from gitexp.store.layout import CONFIG, FOLDER

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from gitexp.model.config import ProjectConfig
    from gitexp.model.ids import CommitHash
    from gitexp.model.rules import Objects, Outside

UNSEEN: Final = "R0"  # stands where no rule could be asked; nobody switches it off


def check_range(  # noqa: PLR0913  what was gained, by whom, and who may be asked
    objects: Objects,
    commits: Sequence[CommitHash],
    *,
    branch: str,
    base: CommitHash | None = None,
    others: Collection[CommitHash] = (),
    config: ProjectConfig | None = None,
    outside: Outside = NOBODY,
) -> tuple[tuple[Violation, ...], tuple[str, ...]]:
    """Return what is broken in the commits that a branch gained, and what could not be told.

    A commit that cannot be looked at is broken, and so are settings at the tip that cannot be read:
    nobody knows what goes by with them.

    Parameters
    ----------
    objects : Objects
    commits : sequence of CommitHash
        Parents before children; the last is what the branch holds now.
    branch : str
        Its short name; "" for none.
    base : CommitHash, optional
        What it held before.
    others : collection of CommitHash
        Those of `commits` that another branch brought: no rule about branches speaks of them.
    config : ProjectConfig, optional
        The settings to go by; else those of `base`, else those of the last commit.
    outside : Outside, optional

    Returns
    -------
    violations : tuple of Violation
    notes : tuple of str
        That no remote answered, for one.
    """
    if not commits:
        return (), ()
    tip = commits[-1]
    before = None if base is None else Tree(objects, objects.commit(base).tree)
    governing = config or _governing(objects, before, tip)
    weights = policies(governing)
    own = _first_parents(objects, commits) if is_protected(governing, branch) else None
    found: list[Violation] = []
    arrived: frozenset[str] = frozenset()
    brought: set[str] = set()
    for commit in commits:
        stranger = commit in others if own is None else commit not in own
        try:
            facts = of_commit(
                objects,
                commit,
                branch="" if stranger else branch,
                tip=commit == tip,
                config=governing,
                outside=outside,
            )
            arrived |= frozenset() if stranger else facts.arrived
            if facts.tip:
                facts = replace(facts, base=before, arrived=arrived)
            facts = replace(facts, brought=frozenset(brought), settled=stranger)
            brought.update(change.path for change in facts.below(FOLDER) if change.old is None)
            found.extend(check(facts, weights))
        except GitexpError as error:
            found.append(_unseen(error, Where(commit, branch=branch)))
    found += unread(Tree(objects, objects.commit(tip).tree), Where(tip, CONFIG, branch))
    return _once(found), outside.unanswered()


def unread(tree: Tree, where: Where) -> tuple[Violation, ...]:
    """Return that the settings in a tree cannot be read, where they cannot."""
    why = unread_settings(tree)
    if not why:
        return ()
    said = f"{CONFIG} cannot be read, so the defaults count: {why}"
    return (Violation(UNSEEN, Policy.ERROR, said, where, f"mend {CONFIG}, and commit it"),)


def _governing(objects: Objects, before: Tree | None, tip: CommitHash) -> ProjectConfig:
    """Return the settings that the commits themselves cannot change, where there are any."""
    found = None if before is None else settings_in(before)
    return found or settings(Tree(objects, objects.commit(tip).tree))


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


def _once(found: Sequence[Violation]) -> tuple[Violation, ...]:
    """Drop what a later commit repeats of the same path; the first is the one to mend."""
    kept: dict[tuple[str, str, str], Violation] = {}
    for violation in found:
        key = (violation.rule, violation.message, violation.where.path)
        if key not in kept:
            kept[key] = violation
    return tuple(kept.values())
