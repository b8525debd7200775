"""R6: what DVC's files say is whole, and what they say of Git's files is true of this commit.

Only what a commit changes in ``dvc.lock`` is held against its tree: code that is committed before
it is run makes a lock older, which is the usual way to work and no fault.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import shlex
from typing import TYPE_CHECKING, Final

from gitexp.dvc import dvcpipeline
from gitexp.dvc.dvcfiles import DvcFiles, HashedPath, LockedStage, bound, load_pointer
from gitexp.dvc.dvcpipeline import declares
from gitexp.errors import GitexpError
from gitexp.git.tree import FILE_MODES, Tree
from gitexp.model.ids import BlobId, ParamTree
from gitexp.model.rules import Policy
from gitexp.rules.data import LOCK, PIPELINE
from gitexp.rules.facts import Facts, Finding, Rule, TreeChange, dropping, restoring
from gitexp.text.paramkeys import lookup
from gitexp.text.params import parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gitexp.model.job import Stage
    from gitexp.text.jsontext import Json

DEPENDENCY_LIMIT: Final = 16 << 20  # bytes; a larger dependency in Git is not hashed here
_MARKERS = re.compile(rb"^(?:<{7}|={7}|>{7}|\|{7})(?: |\r?$)", re.MULTILINE)


def find(facts: Facts) -> Iterator[Finding]:
    """Look at every file of DVC's that a commit changes."""
    held = [each for each in facts.changes if each.is_file and declares(each.path)]
    try:
        bound(sum(facts.objects.size(BlobId(each.new.id)) for each in held if each.new), "")
    except GitexpError as error:
        yield Finding(str(error), "keep data in folders, each with one pointer", held[0].path)
        return
    for change in facts.changes:
        name = posixpath.basename(change.path)
        pointer = name.endswith(".dvc") and name != ".dvc"
        if change.is_file and (pointer or name in {LOCK, PIPELINE}):
            yield from _file(facts, change, name, pointer=pointer)


def _file(facts: Facts, change: TreeChange, name: str, *, pointer: bool) -> Iterator[Finding]:
    path = change.path
    named = shlex.quote(path)
    again = f"dvc add, or dvc commit; then git add {named}" if pointer else f"dvc commit {named}"
    folder = posixpath.dirname(path)
    try:
        data = facts.read(change.new, dvcpipeline.LIMIT) if change.new is not None else b""
        if _MARKERS.search(data):
            if facts.parents and facts.parents[0].entry(path) is not None:
                step = restoring(facts.before[0], path, commit=facts.made)
            else:
                step = dropping(facts, path)
            yield Finding(f"{path} has two sides of a merge in it", step, path)
            return
        if pointer:
            outs = load_pointer(data, path, folder).outs
            if not outs:
                yield Finding(f"{path} names no output: its end may be missing", again, path)
            yield from _whole(path, outs, again)
        elif name == LOCK:
            yield from _lock(facts, path, data)
        else:
            dvcpipeline.load_pipeline(data, path, folder)
    except GitexpError as error:
        yield Finding(f"{path} cannot be read: {error}", again, path)


def _whole(path: str, items: tuple[HashedPath, ...], again: str) -> Iterator[Finding]:
    """Find entries that were cut short; what DVC alone understands is left to it."""
    for item in items:
        if item.md5 is None and not item.needs_dvc:
            yield Finding(f"{path} says no hash of {item.written}", again, path)
        elif item.md5 is None and item.hash in {"md5", "md5-dos2unix"} and item.size is not None:
            yield Finding(f"{path} has a hash of {item.written} that is none", again, path)


def _lock(facts: Facts, path: str, data: bytes) -> Iterator[Finding]:
    files = DvcFiles(
        lambda name: data if name == path else facts.tree.read(name, dvcpipeline.LIMIT)
    )
    lock = files.lock(path)
    if lock is None:
        return
    known = [_stages(parent, path) for parent in facts.parents]
    again = f"dvc repro, or dvc commit; then git add {shlex.quote(path)}"
    for name, stage in lock.items():
        if any(stage == before.get(name) for before in known):
            continue
        yield from _whole(path, (*stage.deps, *stage.outs), again)
        for what in _untrue(facts, stage):
            yield Finding(f"{path} says of stage {name} {what}", again, path)
    plain = files.pipeline(posixpath.join(posixpath.dirname(path), PIPELINE))
    if plain is not None and not plain.needs_dvc:
        yield from _commands(plain.stages, lock, known, path)


def _stages(tree: Tree, path: str) -> Mapping[str, LockedStage]:
    """Return the stages of a parent's lock; none of one that cannot be read."""
    try:
        return DvcFiles(lambda name: tree.read(name, dvcpipeline.LIMIT)).lock(path) or {}
    except GitexpError:
        return {}


def _untrue(facts: Facts, stage: LockedStage) -> Iterator[str]:
    """Say which dependencies in Git, and which parameters, are otherwise in this tree."""
    for item in stage.deps:
        entry = None if item.needs_dvc or item.hash != "md5" else facts.tree.entry(item.path)
        if entry is None or entry.mode not in FILE_MODES:
            continue
        if facts.objects.size(BlobId(entry.id)) > DEPENDENCY_LIMIT:
            continue
        content = facts.read(entry, DEPENDENCY_LIMIT)
        # also as a checkout with eol=crlf has it
        if item.md5 not in {_md5(content), _md5(content.replace(b"\n", b"\r\n"))}:
            yield f"that {item.path} was otherwise than it is in this commit"
    for file, values in stage.params.items():
        written = facts.tree.read(file)
        if written is None:
            continue
        tree = parse(written, file)
        for key, value in values.items():
            if not _has(tree, key, value):
                yield f"that {key} of {file} was otherwise than it is in this commit"


def _has(content: Json, key: str, value: ParamTree) -> bool:
    """Return whether a parameter has a value; one that only DVC knows how to find counts as so."""
    try:
        return lookup(content, key) == value
    except GitexpError:
        return "[" in key


def _commands(
    declared: Sequence[Stage],
    stages: Mapping[str, LockedStage],
    known: list[Mapping[str, LockedStage]],
    path: str,
) -> Iterator[Finding]:
    for stage in declared:
        locked = stages.get(stage.name)
        if locked is None or any(locked == before.get(stage.name) for before in known):
            continue
        if locked.commands != stage.commands:
            what = f"{path} has another command of stage {stage.name} than dvc.yaml"
            yield Finding(what, "dvc repro", path)
        if lacking := sorted({out.path for out in stage.outs} - {out.path for out in locked.outs}):
            what = f"{path} lacks {lacking[0]} of stage {stage.name}: its end may be missing"
            yield Finding(what, "dvc repro", path)


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


RULE: Final = Rule(
    "R6",
    "dvc.lock and .dvc files are whole, and agree with the commit that changes them",
    Policy.WARN,
    find,
)
