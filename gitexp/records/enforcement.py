"""The settings by which rules are enforced: a part of ``.gitexp/config.yaml``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypedDict

from gitexp.model.config import Identity, ProjectConfig
from gitexp.model.rules import Policy
from gitexp.text.yamlwrite import inline

if TYPE_CHECKING:
    from gitexp.text.fields import Fields

RULE_IDS: Final = ("R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8", "R10")
_PATTERN = re.compile(r"[A-Za-z0-9._/*-]{1,200}")
_WITNESS = {"optional": False, "required": True}


class Enforcement(TypedDict):
    """The fields of `ProjectConfig` that are read here."""

    rules: dict[str, Policy]
    rule_branches: str
    protected: tuple[str, ...]
    not_secret: tuple[str, ...]
    auto_checkout: bool
    witness_required: bool
    identity: Identity


def read(top: Fields) -> Enforcement:
    """Read them."""
    defaults = ProjectConfig()
    rules, branches, protected, not_secret = _rules(top, defaults)
    hooks, plan, record = (top.maybe_child(key) for key in ("hooks", "plan", "record"))
    found = Enforcement(
        rules=rules,
        rule_branches=branches,
        protected=protected,
        not_secret=not_secret,
        auto_checkout=hooks.flag("auto_checkout", default=False) if hooks else False,
        witness_required=_witness(plan) if plan else False,
        identity=record.word("identity", Identity, Identity.FULL) if record else Identity.FULL,
    )
    for part in (hooks, plan, record):
        if part is not None:
            part.only_known()
    return found


def template(config: ProjectConfig) -> str:
    """Write them, with a comment that explains every key."""
    return _TEMPLATE.format(
        rules="".join(
            f"  {name}: {config.rules[name].value}\n" for name in RULE_IDS if name in config.rules
        ),
        branches=inline(config.rule_branches or None),
        protected=inline(list(config.protected)),
        not_secret=inline(list(config.not_secret)),
        auto_checkout=inline(config.auto_checkout),
        witness="required" if config.witness_required else "optional",
        identity=config.identity.value,
    )


def _rules(
    top: Fields, defaults: ProjectConfig
) -> tuple[dict[str, Policy], str, tuple[str, ...], tuple[str, ...]]:
    fields = top.maybe_child("rules")
    if fields is None:
        return {}, "", defaults.protected, ()
    given = {name: fields.maybe_word(name, Policy) for name in RULE_IDS}
    rules = {name: policy for name, policy in given.items() if policy is not None}
    branches = fields.maybe_text("branches") or ""
    protected = fields.texts("protected", defaults.protected)
    not_secret = fields.texts("not_secret", ())
    fields.only_known()
    if branches and not _PATTERN.fullmatch(branches):
        raise fields.bad("branches", "a pattern of branch names, like exp/*")
    if not all(_PATTERN.fullmatch(pattern) for pattern in protected):
        raise fields.bad("protected", "patterns of branch names, like main or release/*")
    return rules, branches, protected, not_secret


def _witness(fields: Fields) -> bool:
    word = fields.text("witness", "optional")
    if word not in _WITNESS:
        raise fields.bad("witness", "optional or required")
    return _WITNESS[word]


_TEMPLATE = """\

# What is checked before results are believed: docs/enforcement.md has the rules. Each may be
# error, warn or off, e.g. R5: error.
rules:
  # On which branches experiments live, like exp/*; null: those with the prefix above.
  branches: {branches}
  # Branches into which only concluded experiments are merged.
  protected: {protected}
  # Parameters whose values only look like secrets.
  not_secret: {not_secret}
{rules}
hooks:
  # Whether a checkout or merge brings the outputs of DVC along.
  auto_checkout: {auto_checkout}

plan:
  # Whether a run waits until somebody else saw the plan (gitexp new --witness): optional, required.
  witness: {witness}

record:
  # How records name user, host and paths: full, hash, drop.
  identity: {identity}
"""
