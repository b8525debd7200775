"""The merge driver that ``gitexp init --merge-driver`` sets up in one clone, and what it does.

Git would join a dvc.lock or a plan line by line, and spoil it: half of one stage's hashes with half
of another's is a lock that no run ever had, half of two plans a hypothesis that nobody stated. So
whole stages and whole keys are joined, and where that gives something new that binds, the answer
is a conflict.
"""

from __future__ import annotations

import re
import shlex
import sys
from typing import TYPE_CHECKING, Final, TypeVar

from gitexp.dvc.dvcfiles import load_lock
from gitexp.errors import GitexpError, UnsafeInputError
from gitexp.git import command
from gitexp.git.command import translating
from gitexp.git.transaction import layout
from gitexp.model import dataclass
from gitexp.model.plan import Plan
from gitexp.records import codec
from gitexp.records import plan as plan_format
from gitexp.text.fields import Fields
from gitexp.text.yamltext import yaml_loads

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gitexp.model.workspace import Workspace
    from gitexp.text.jsontext import Json


PartT = TypeVar("PartT")
_STAGE = re.compile(rb"  (\S.*):\n")
_STAGES = b"stages:\n"


def join_lock(base: bytes, ours: bytes, theirs: bytes) -> bytes | str:
    """Join two versions of dvc.lock, each stage as one side has it; or say why that cannot be."""
    parts = [_split(data) for data in (base or b"schema: '2.0'\n" + _STAGES, ours, theirs)]
    if any(part is None for part in parts):
        return "a side is not laid out as DVC writes it"
    old, left, right = (part for part in parts if part is not None)
    if left.head != right.head:
        return "the two sides are of different versions of the format"
    chosen, both = _three_way(old.stages, left.stages, right.stages)
    if both is not None:
        return f"both sides executed the stage {both}"
    data = left.head + b"".join(chosen.values())
    return _mixture(data) or data


def join_plan(base: bytes, ours: bytes, theirs: bytes) -> bytes | str:
    """Join two versions of a plan key by key; what binds is as one side has it, or say why not."""
    try:
        old, left, right = ({} if not data else _mapping(data) for data in (base, ours, theirs))
        chosen, both = _three_way(old, left, right)
        if both is not None:
            return f"both sides changed {both}"
        joined = codec.read(Plan, Fields(chosen, "the joined plan"))
        digests = {plan_format.load(data, "a side").digest for data in (ours, theirs)}
    except GitexpError as error:
        return f"{error.summary}, {error.where}".rstrip(", ")
    if joined.digest not in digests:
        return "each side changed a part that binds: that is a third hypothesis"
    return codec.dump(joined)


def _three_way(
    old: Mapping[str, PartT], left: Mapping[str, PartT], right: Mapping[str, PartT]
) -> tuple[dict[str, PartT], str | None]:
    """Take each part as the side has it that changed it; also name the first that both changed."""
    chosen: dict[str, PartT] = {}
    for name in dict.fromkeys((*left, *right)):
        a, b, o = left.get(name), right.get(name), old.get(name)
        if b not in (a, o) and a != o:
            return {}, name
        found = a if b in (a, o) else b
        if found is not None:
            chosen[name] = found
    return chosen, None


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


def _mixture(data: bytes) -> str:
    """Say which stage read something else than another one made; "" where all fits."""
    try:
        lock = load_lock(data, "dvc.lock")
    except GitexpError as error:
        return error.summary
    made = {out.path: out.md5 for stage in lock.values() for out in stage.outs}
    for name, stage in lock.items():
        for dep in stage.deps:
            if made.get(dep.path, dep.md5) != dep.md5:
                return f"the stage {name} of one side read another {dep.path} than the other made"
    return ""


def _mapping(data: bytes) -> dict[str, Json]:
    value = yaml_loads(data, where="a plan")
    codec.read(Plan, Fields(value, "a plan"))
    return dict(value) if isinstance(value, dict) else {}


NAME: Final = "gitexp"
LIMIT_BYTES: Final = 16 << 20
PATTERNS: Final = (
    "dvc.lock",
    f"/{layout.PLANS}/*.yaml",
    f"/{layout.CONCLUSIONS}/*.yaml",
    f"/{layout.RUNS}/**",
    f"/{layout.ENVIRONMENTS}/**",
)


def set_up(workspace: Workspace) -> tuple[str, ...]:
    """Name the driver in this clone's configuration and ``info/attributes``."""
    path = workspace.common_dir / "info" / "attributes"
    lines = [f"{pattern} merge={NAME}" for pattern in PATTERNS]
    changed = []
    with translating("the attributes cannot be written", str(path)):
        before = path.read_bytes() if path.exists() else b""
        lacking = [line for line in lines if line.encode() not in before.split(b"\n")]
        if lacking:
            path.parent.mkdir(exist_ok=True)
            gap = b"\n" if before and not before.endswith(b"\n") else b""
            path.write_bytes(before + gap + "".join(f"{line}\n" for line in lacking).encode())
            changed.append(str(path))
    # -I: Python would import what the branch in the work tree calls gitexp, or argparse
    driver = f"{shlex.quote(sys.executable)} -I -m gitexp merge-driver %O %A %B %P"
    for key, value in (("name", "gitexp: whole stages, whole plans"), ("driver", driver)):
        code, out, _ = command.attempt(workspace, ["config", "--get", f"merge.{NAME}.{key}"])
        if code or out.decode("utf-8", "surrogateescape").rstrip("\n") != value:
            command.run(workspace, ["config", "--local", f"merge.{NAME}.{key}", value])
            changed.append(f"git config merge.{NAME}.{key}")
    return tuple(changed)


def is_outdated(workspace: Workspace) -> bool:
    """Whether this clone has a driver of an earlier version, which imports what a branch holds."""
    _, out, _ = command.attempt(workspace, ["config", "--local", "--get", f"merge.{NAME}.driver"])
    return b" -m gitexp merge-driver " in out and b" -I -m gitexp " not in out


def merge_driver(base: Path, ours: Path, theirs: Path, path: str) -> str:
    """Join two versions into `ours` whole, or leave it and return why not."""
    old, left, right = (_read(file, path) for file in (base, ours, theirs))
    joined = _join(path, old, left, right)
    if isinstance(joined, str):
        return joined
    if joined != left:
        ours.write_bytes(joined)
    return ""


def _join(path: str, base: bytes, ours: bytes, theirs: bytes) -> bytes | str:
    if theirs in {ours, base}:
        return ours
    if ours == base:
        return theirs
    if path == "dvc.lock" or path.endswith("/dvc.lock"):
        return join_lock(base, ours, theirs)
    if path.startswith(f"{layout.PLANS}/"):
        return join_plan(base, ours, theirs)
    if path.startswith(f"{layout.CONCLUSIONS}/"):
        return "each side concluded in its own words"
    return "records are never changed, and the two sides differ"


def _read(file: Path, path: str) -> bytes:
    with file.open("rb") as stream:
        data = stream.read(LIMIT_BYTES + 1)
    if len(data) > LIMIT_BYTES:
        raise UnsafeInputError(
            "a file is too large to be joined", where=path, expected=f"{LIMIT_BYTES} bytes"
        )
    return data
