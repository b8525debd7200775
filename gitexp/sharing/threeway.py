"""Join two versions of a file that Git would join line by line, and spoil.

Half of one stage's hashes with half of another's is a dvc.lock that no run ever had, and half of
two plans is a hypothesis that nobody stated. So what is joined here are whole stages and whole
keys, and where that gives something new that binds, the answer is a conflict.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.dvc.dvcfiles import load_lock
from gitexp.errors import GitexpError
from gitexp.records import plan as plan_format
from gitexp.text.fields import Fields
from gitexp.text.yamltext import yaml_loads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitexp.text.jsontext import Json

_STAGE = re.compile(rb"  (\S.*):\n")
_STAGES = b"stages:\n"


@dataclass(frozen=True, slots=True)
class Joined:
    """The joined file, or None and why there is none."""

    data: bytes | None
    why: str = ""


def join_lock(base: bytes, ours: bytes, theirs: bytes) -> Joined:
    """Join two versions of dvc.lock: each stage as one side has it, in DVC's own bytes.

    `base`, `ours`, `theirs`: `base` is empty where both sides added the file.
    """
    parts = [_split(data) for data in (base or b"schema: '2.0'\n" + _STAGES, ours, theirs)]
    if any(part is None for part in parts):
        return Joined(None, "a side is not laid out as DVC writes it")
    old, left, right = (part for part in parts if part is not None)
    if left.head != right.head:
        return Joined(None, "the two sides are of different versions of the format")
    names = [*left.stages, *(name for name in right.stages if name not in left.stages)]
    chosen: dict[str, bytes] = {}
    for name in names:
        a, b, o = (side.stages.get(name) for side in (left, right, old))
        if b in (a, o):
            found = a
        elif a == o:
            found = b
        else:
            return Joined(None, f"both sides executed the stage {name}")
        if found is not None:
            chosen[name] = found
    data = left.head + b"".join(chosen.values())
    return Joined(data) if (why := _mixture(data)) is None else Joined(None, why)


def join_plan(base: bytes, ours: bytes, theirs: bytes) -> Joined:
    """Join two versions of a plan key by key; what binds is as one side has it, or a conflict."""
    try:
        old, left, right = ({} if not data else _mapping(data) for data in (base, ours, theirs))
        chosen: dict[str, Json] = {}
        for key in dict.fromkeys((*left, *right)):
            a, b, o = left.get(key), right.get(key), old.get(key)
            if b in (a, o):
                value = a
            elif a == o:
                value = b
            else:
                return Joined(None, f"both sides changed {key}")
            if value is not None:
                chosen[key] = value
        joined = plan_format.read(Fields(chosen, "the joined plan"))
        digests = {plan_format.load(data, "a side").digest for data in (ours, theirs)}
    except GitexpError as error:
        return Joined(None, f"{error.summary}, {error.where}".rstrip(", "))
    if joined.digest not in digests:
        return Joined(None, "each side changed a part that binds: that is a third hypothesis")
    return Joined(plan_format.dump(joined))


@dataclass(frozen=True, slots=True)
class _Lock:
    head: bytes
    stages: Mapping[str, bytes]  # in their order, each with its line ends


def _split(data: bytes) -> _Lock | None:
    """Cut a dvc.lock into its stages; None where that is not certain."""
    head, found, rest = data.partition(_STAGES)
    if not found or (head and not head.startswith(b"schema:")) or head.count(b"\n") > 1:
        return None
    if rest and not rest.endswith(b"\n"):
        return None
    stages: dict[str, list[bytes]] = {}
    name = ""
    for line in rest.splitlines(keepends=True):
        start = _STAGE.fullmatch(line)
        if start is not None:
            name = start[1].decode("utf-8", "surrogateescape")
            if name in stages:
                return None
            stages[name] = [line]
        elif name and line.startswith(b"    "):
            stages[name].append(line)
        else:
            return None
    return _Lock(head + found, {name: b"".join(lines) for name, lines in stages.items()})


def _mixture(data: bytes) -> str | None:
    """Say which stage read something else than another one made; None where all fits."""
    try:
        lock = load_lock(data, "dvc.lock")
    except GitexpError as error:
        return error.summary
    made = {out.path: out.md5 for stage in lock.stages.values() for out in stage.outs}
    for name, stage in lock.stages.items():
        for dep in stage.deps:
            if made.get(dep.path, dep.md5) != dep.md5:
                return f"the stage {name} of one side read another {dep.path} than the other made"
    return None


def _mapping(data: bytes) -> dict[str, Json]:
    value = yaml_loads(data, where="a plan")
    plan_format.read(Fields(value, "a plan"))
    return dict(value) if isinstance(value, dict) else {}
