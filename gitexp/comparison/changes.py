"""What differs between two sides beside the metric: code, parameters, data, environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.dvc import inputs
from gitexp.errors import GitexpError
from gitexp.git import objects
from gitexp.model.comparison import Change
from gitexp.store import lookup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.comparison.counting import Count, SideCount
    from gitexp.comparison.sides import Source
    from gitexp.git.repository import Repo
    from gitexp.model.run import Environment

_SYSTEM = ("implementation", "python", "abi", "platform", "libc")


def changes(
    repo: Repo, baseline: Source, candidate: Source, count: Count
) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """Return what differs, and warnings about what could not be compared."""
    warnings: list[str] = []
    found: list[Change] = []
    if not (baseline.exact and candidate.exact):
        lost = any(side.lost and not side.exact for side in (baseline, candidate))
        why = "lost (squashed)" if lost else "not in this shallow clone"
        warnings.append(f"the source commit of a side is {why}: code is not compared")
    else:
        warnings += [
            f"source of {side.name} lost (squashed): the code compared is that of "
            f"{side.commit[:9]}, which has the same inputs"
            for side in (baseline, candidate)
            if side.lost
        ]
        trees = [objects.commit_info(repo, side.commit).tree for side in (baseline, candidate)]
        found += [
            Change(item.kind, item.what, item.a, item.b)
            for item in inputs.explain(repo, trees[0], baseline.config, trees[1], candidate.config)
        ]
    left, right = count.baseline.environment, count.candidate.environment
    if left is not None and right is not None and left != right:
        one, two = _read(repo, count.baseline), _read(repo, count.candidate)
        if one is None or two is None:
            found.append(Change("environment", "digest", left[:9], right[:9]))
            warnings.append("an environment is not recorded: its distributions are not compared")
        else:
            found += environment_changes(one, two)
    return tuple(found), tuple(warnings)


def _read(repo: Repo, side: SideCount) -> Environment | None:
    if side.environment is None:
        return None
    for item in side.repeats.values():
        try:
            return lookup.environment(repo, item.found.commit, side.environment)
        except GitexpError:
            continue
    return None


def environment_changes(one: Environment, two: Environment) -> Iterator[Change]:
    """Yield what of the system and which distributions differ."""
    for name in _SYSTEM:
        if getattr(one, name) != getattr(two, name):
            yield Change("environment", name, getattr(one, name), getattr(two, name))
    left = {item.name: item for item in one.distributions}
    right = {item.name: item for item in two.distributions}
    for name in sorted(left.keys() | right.keys()):
        a, b = left.get(name), right.get(name)
        if a == b:
            continue
        shown = ["" if item is None else item.version for item in (a, b)]
        if a is not None and b is not None and a.version == b.version:
            shown = [f"{item.version} ({item.fingerprint[:7] or item.path})" for item in (a, b)]
        yield Change("environment", name, shown[0], shown[1])
