"""Which stage needs which: by outputs and dependencies that are equal or contain each other."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from gitexp.errors import BadFormatError, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from gitexp.model.config import ParamKey
    from gitexp.model.job import Stage

Needs = dict[str, set[str]]  # stage -> stages whose outputs it reads


def needs(stages: Sequence[Stage]) -> Needs:
    """Return for each stage the stages that it reads from.

    A params file counts as a dependency, too: a stage may write one.

    Raises `BadFormatError` if two stages write the same file, or one into the other's folder.
    """
    makers: dict[str, str] = {}
    for stage in stages:
        for out in stage.outs:
            if out.path in makers:
                raise _overlap(out.path, makers[out.path], stage.name)
            makers[out.path] = stage.name
    below: dict[str, set[str]] = {}
    for path, name in makers.items():
        for parent in parents(path):
            if parent in makers:
                raise _overlap(parent, makers[parent], name)
            below.setdefault(parent, set()).add(name)
    found: Needs = {}
    for stage in stages:
        mine = found.setdefault(stage.name, set())
        for path in (*stage.deps, *(params.file for params in stage.params)):
            mine |= below.get(path, set())
            mine |= {makers[one] for one in (path, *parents(path)) if one in makers}
        mine.discard(stage.name)
    return found


def ordered(stages: Sequence[Stage], edges: Needs) -> tuple[Stage, ...]:
    """Return `stages` so that each comes after those it needs; else in their own order.

    Raises `BadFormatError` if stages need each other in a circle.
    """
    index = {stage.name: number for number, stage in enumerate(stages)}
    waiting = {name: len(edges[name] & index.keys()) for name in index}
    readers: dict[str, list[str]] = {}
    for name in index:
        for needed in edges[name] & index.keys():
            readers.setdefault(needed, []).append(name)
    ready = [index[name] for name, count in waiting.items() if count == 0]
    heapq.heapify(ready)
    done: list[Stage] = []
    while ready:
        stage = stages[heapq.heappop(ready)]
        done.append(stage)
        for name in readers.get(stage.name, ()):
            waiting[name] -= 1
            if waiting[name] == 0:
                heapq.heappush(ready, index[name])
    if len(done) < len(stages):
        left = sorted(index.keys() - {stage.name for stage in done})
        raise BadFormatError(
            "stages need each other in a circle",
            found=", ".join(left[:10]),
            where="dvc.yaml",
            expected="outputs that come before what depends on them",
        )
    return tuple(done)


def select(
    stages: Sequence[Stage], edges: Needs, targets: Sequence[str], *, pipeline: str
) -> frozenset[str]:
    """Return the names of the targets and of all that they need; all where there is no target.

    A target is a stage, a group of ``foreach`` or ``matrix`` stages, or an output's path. What
    lies behind a frozen stage is not needed.

    Raises `UsageError` if a target is none of these.
    """
    if not targets:
        return frozenset(stage.name for stage in stages)
    found: set[str] = set()
    for target in targets:
        name = target.removeprefix(f"{pipeline}:").removeprefix(":")
        hits = {stage.name for stage in stages if is_called(stage.name, name)} or {
            stage.name for stage in stages if any(out.path == name for out in stage.outs)
        }
        if not hits:
            raise UsageError(
                "a target is no stage of the pipeline",
                found=target,
                where=f"{pipeline}, .gitexp/config.yaml",
                expected=", ".join(stage.name for stage in stages[:20]),
            )
        found |= hits
    frozen = {stage.name for stage in stages if stage.frozen}
    pending = list(found)
    while pending:
        name = pending.pop()
        if name not in frozen:
            new = edges[name] - found
            found |= new
            pending.extend(new)
    return frozenset(found)


def downstream(edges: Mapping[str, Collection[str]], start: Iterable[str]) -> frozenset[str]:
    """Return `start` and everything that reads from it, however indirectly."""
    readers: dict[str, list[str]] = {}
    for name, needed in edges.items():
        for one in needed:
            readers.setdefault(one, []).append(name)
    found = set(start)
    pending = list(found)
    while pending:
        for name in readers.get(pending.pop(), ()):
            if name not in found:
                found.add(name)
                pending.append(name)
    return frozenset(found)


def declares(stage: Stage, seed: ParamKey) -> bool:
    """Tell whether a stage depends on a parameter: by key, parent key, or the whole file."""
    if any(path == seed.file or seed.file.startswith(f"{path}/") for path in stage.deps):
        return True
    return any(
        params.file == seed.file
        and (not params.keys or any(_overlaps(key, seed.key) for key in params.keys))
        for params in stage.params
    )


def is_called(name: str, pattern: str) -> bool:
    """Tell whether a stage has this name or belongs to the group of this name.

    Examples
    --------
    >>> is_called("each@a", "each"), is_called("each@a", "each@b")
    (True, False)
    """
    return name == pattern or name.rpartition("@")[0] == pattern


def parents(path: str) -> Iterator[str]:
    """Yield the folders above a POSIX path, nearest first.

    Examples
    --------
    >>> list(parents("a/b/c"))
    ['a/b', 'a']
    """
    above = path.rpartition("/")[0]
    while above:
        yield above
        above = above.rpartition("/")[0]


def _overlaps(declared: str, key: str) -> bool:
    return (
        declared == key
        or key.startswith((f"{declared}.", f"{declared}["))
        or declared.startswith((f"{key}.", f"{key}["))
    )


def _overlap(path: str, one: str, other: str) -> BadFormatError:
    return BadFormatError(
        "two outputs of the pipeline overlap",
        found=f"{path}, of {one} and {other}",
        where="dvc.yaml",
        expected="outputs that lie beside each other",
    )
