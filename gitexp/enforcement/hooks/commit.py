"""pre-commit and pre-merge-commit: what is staged, held against the rules."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from gitexp.enforcement.hooks import memory
from gitexp.enforcement.hooks.pushed import governed
from gitexp.git.catfile import CatFile
from gitexp.git.discovery import discover
from gitexp.git.transaction.layout import CONFIG
from gitexp.git.upstream import own
from gitexp.git.worktree import staged
from gitexp.model.hooks import HookAnswer
from gitexp.model.rules import Where
from gitexp.provenance.trust_settings import Believing
from gitexp.rules import check, policies
from gitexp.rules.branches import is_experiment, is_protected
from gitexp.rules.facts import Change, of_staged, settings, with_rules_of
from gitexp.rules.ranges import unread

if TYPE_CHECKING:
    from gitexp.git.worktree.staged import HookPlace
    from gitexp.model.hooks import HookCall
    from gitexp.model.ids import CommitHash
    from gitexp.rules.facts import Facts

_LATER: Final = f"gitexp: what {CONFIG} says of rules is changed here; it counts once main has it"


def answer(call: HookCall) -> HookAnswer:
    """Judge the commit that is about to be made.

    That of an experiment's branch, and a merge into a protected one; other commits are nobody's
    business here. An amended commit is judged by what it changes.

    Raises `GitexpError` if Git cannot be asked.
    """
    place = staged.place(call.folder, call.environ, merging=call.name == "pre-merge-commit")
    changes = [Change(*each) for each in staged.staged(place)]
    with CatFile(place.folder, place.env) as objects:
        rules = governed(place, objects, place.branch, place.head)
        facts = of_staged(objects, place.parents, changes, branch=place.branch, config=rules.config)
        seen = Believing(partial(discover, place.folder), here=True)
        facts = replace(facts, outside=seen)
        experiment = is_experiment(facts.config, place.branch)
        merging = bool(place.merged) and is_protected(facts.config, place.branch)
        if not merging and not experiment:
            return HookAnswer()
        if merging and set(place.merged) <= _same_branch(place):
            facts = replace(facts, arrived=frozenset())
        violations = check(facts, policies(facts.config))
        violations += unread(facts.tree, Where("", CONFIG, place.branch))
        unsettled = any(change.path == CONFIG for change in changes)
        if experiment and not (violations or place.merged or unsettled) and rules.plain:
            memory.remember(place, facts, rules.source)
        return HookAnswer(violations, (_LATER,) if unsettled and _says_other(facts) else ())


def _same_branch(place: HookPlace) -> set[CommitHash]:
    """Return what its upstream, or origin, has of it: a pull merges the branch with itself."""
    tips = own(place.folder, [place.branch], place.env)
    return {commit for name, commit, _ in tips if name == place.branch}


def _says_other(facts: Facts) -> bool:
    """Return whether staged settings say of rules what those that count do not."""
    own = settings(facts.tree)
    return with_rules_of(own, facts.config) != own
