"""pre-commit and pre-merge-commit: what is staged, held against the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.git import staged
from gitexp.git.catfile import CatFile
from gitexp.model.hooks import HookAnswer
from gitexp.ops.hooks import memory
from gitexp.ops.rules import check, policies
from gitexp.ops.rules.branches import is_experiment, is_protected
from gitexp.ops.rules.facts import Change, of_staged

if TYPE_CHECKING:
    from gitexp.model.hooks import HookCall


def answer(call: HookCall) -> HookAnswer:
    """Judge the commit that is about to be made.

    That of an experiment's branch, and a merge into a protected one; other commits are nobody's
    business here. An amended commit is judged by what it changes.

    Raises
    ------
    GitexpError
        If Git cannot be asked.
    """
    place = staged.place(call.folder, call.environ, merging=call.name == "pre-merge-commit")
    changes = [Change(*each) for each in staged.staged(place)]
    with CatFile(place.folder, place.env) as objects:
        facts = of_staged(objects, place.parents, changes, branch=place.branch)
        experiment = is_experiment(facts.config, place.branch)
        merging = bool(place.merged) and is_protected(facts.config, place.branch)
        if not merging and not experiment:
            return HookAnswer()
        violations = check(facts, policies(facts.config))
        if experiment and not violations and not place.merged:
            memory.remember(place, facts)
        return HookAnswer(violations)
