"""Plan and settings files of a tree: read the same way by hooks, rules and every other verb.

No repository is opened here, so a hook has the time. What cannot be read is an answer too, never
passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError
from gitexp.git.transaction.layout import CONFIG, PLANS, plan_path
from gitexp.model.plan import Plan
from gitexp.records import config as config_format
from gitexp.store.fast_plan import lean_plan

if TYPE_CHECKING:
    from gitexp.git.tree import Tree
    from gitexp.model.config import ProjectConfig

_SUFFIX = ".yaml"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that cannot be read, and why."""

    path: str
    why: str
    error: GitexpError | None = None


def plan_at(tree: Tree, path: str) -> Plan | Unreadable | None:
    """Return the plan in a file; None where there is no such file."""
    try:
        data = tree.read(path)
        return None if data is None else lean_plan(data, tree.where(path))
    except GitexpError as error:
        return Unreadable(path, str(error), error)


def plan_paths(tree: Tree) -> list[str]:
    """Return the plan files in a tree, sorted."""
    return sorted(f"{PLANS}/{name}" for name in tree.folder(PLANS) if name.endswith(_SUFFIX))


def plans_in(tree: Tree) -> list[Plan]:
    """Return the plans in a tree that can be read, by file, whatever branch they belong to."""
    found = (plan_at(tree, path) for path in plan_paths(tree))
    return [plan for plan in found if isinstance(plan, Plan)]


def plan_of(tree: Tree, branch: str) -> Plan | Unreadable | None:
    """Return the plan that lives on a branch: the newest, where several name it.

    After a merge the base does not acquire it. A file that has the branch's name and cannot be read
    is the answer where no other is found.

    `branch`: short name: ``exp/focal-loss``, or ``main`` for a plan made with ``--here``.
    """
    name = branch.partition("/")[2]
    first = plan_at(tree, plan_path(name)) if name and "/" not in name else None
    if isinstance(first, Plan) and first.branch == branch:  # the usual case costs one file
        return first
    mine = [plan for plan in plans_in(tree) if plan.branch == branch]
    if mine:
        return max(mine, key=lambda plan: (plan.created_at, plan.name))
    return first if isinstance(first, Unreadable) else None


def settings(tree: Tree) -> ProjectConfig | None:
    """Return the settings in a tree; None where it has none.

    Raises `BadFormatError, NewerFormatError, UnsafeInputError` if they cannot be read.
    """
    data = tree.read(CONFIG)
    return None if data is None else parse_settings(data, tree.where(CONFIG))


def parse_settings(data: bytes, where: str) -> ProjectConfig:
    """Return the settings in a file, parsed once: commits after commits have the same."""
    try:
        return _parsed(data)
    except GitexpError:
        return config_format.load(data, where)  # the same error, with its place


@lru_cache(maxsize=64)
def _parsed(data: bytes) -> ProjectConfig:
    return config_format.load(data, CONFIG)
