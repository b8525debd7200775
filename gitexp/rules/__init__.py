"""The rules of the house; hooks, the server's gate, `check` and `review` share them.

A rule is a pure function of `Facts`. Nothing here opens a repository, and nothing imports what a
hook has no time to load.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gitexp.model.rules import Policy, Violation
from gitexp.rules import data, identities, merging, order, plan, pointers, secrets, unchanged
from gitexp.rules.facts import Facts, Finding, Rule, place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gitexp.model.config import ProjectConfig


RULES: Final[dict[str, Rule]] = {
    rule.id: rule
    for rule in (
        plan.RULE,
        order.RULE,
        unchanged.RULE,
        identities.RULE,
        data.R5,
        pointers.RULE,
        merging.RULE,
        secrets.RULE,
        data.R10,
    )
}


def policies(config: ProjectConfig) -> dict[str, Policy]:
    """Return what each rule weighs: the project's word, else the rule's own."""
    return {name: config.rules.get(name, rule.default) for name, rule in RULES.items()}


def check(facts: Facts, weights: Mapping[str, Policy]) -> tuple[Violation, ...]:
    """Return what is broken, in the order of the rules.

    `weights`: from `policies`; a rule that is not named has its default.
    """
    return tuple(violation for violation, _ in found(facts, weights))


def found(facts: Facts, weights: Mapping[str, Policy]) -> Iterator[tuple[Violation, Finding]]:
    """Yield the same, each with what its rule said."""
    for name, rule in RULES.items():
        policy = weights.get(name, rule.default)
        if policy is Policy.OFF:
            continue
        for said in rule.find(facts):
            where = place(facts, said.path)
            weight = said.at_most if policy is Policy.ERROR else policy
            yield Violation(name, weight, said.message, where, said.next_step), said
