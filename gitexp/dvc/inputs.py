"""``inputs@1``: the digest of everything in a state that acts on results.

Runs belong to inputs, not to commits. Two commits that differ only in what cannot act on a result
(prose, CI files, gitexp's own records, what a run itself writes) have the same inputs and share
samples; the commit that a run makes has the inputs that it ran.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING

from gitexp.dvc.covered.declared import UNDECLARED
from gitexp.dvc.declared_data import pointed
from gitexp.dvc.input_parts import (
    SETTINGS,
    InputPart,
    PartKind,
    collect,
    ignore_rules,
    params_values,
)
from gitexp.dvc.state import ProjectState
from gitexp.git import command
from gitexp.git.objects import entry_at
from gitexp.git.transaction.cache import Index, Kind
from gitexp.model import dataclass
from gitexp.model.config import InputsMode
from gitexp.model.ids import ABSENT, InputsDigest, ParamValue, TreeId
from gitexp.records.codec import maybe_json
from gitexp.records.config import seed_json
from gitexp.system.secrets import to_show

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitexp.git.repository import Repo
    from gitexp.model.config import ProjectConfig

RULES = b"inputs@1\0"
# Of which files these are taken; see `ignore_rules`.
RULES_KNOWN = ((1, InputsMode.TREE), (2, InputsMode.TREE), (2, InputsMode.DECLARED))
_BYTES = ("utf-8", "surrogateescape")
STAGE = "stage "


@dataclass(frozen=True, slots=True)
class InputsDifference:
    """One reason why two states do not share samples; an empty text is "not there"."""

    kind: PartKind
    what: str  # path, parameter or setting
    a: str
    b: str


def compute(
    repo: Repo, tree: TreeId, config: ProjectConfig, index: Index | None = None
) -> InputsDigest:
    """Digest the inputs of a tree, by its own settings or those that serve it; see `digest`."""
    return digest(ProjectState(repo, tree, config), index=index)


def digest(
    state: ProjectState,
    overrides: Mapping[str, ParamValue] | None = None,
    index: Index | None = None,
) -> InputsDigest:
    r"""Digest the inputs of a state.

    `overrides`: parameter values laid over the tree's, by the text of their `ParamKey`.

    Raises `UnknownParamError` if an override names a parameter that is not there.

    ``sha256("inputs@1\0" + sorted lines)``; a line is ``kind NUL mode NUL path NUL id NUL``.
    """
    overrides = overrides or {}
    key = _cache_key(state, overrides)
    if index is not None and key in (rows := index.get(Kind.INPUTS, [key])):
        return InputsDigest(rows[key].decode())
    found = digest_of(collect(state, overrides))
    if index is not None:
        index.put(Kind.INPUTS, {key: found.encode()})
    return found


def is_of(
    state: ProjectState,
    found: InputsDigest,
    overrides: Mapping[str, ParamValue] | None = None,
    index: Index | None = None,
) -> bool:
    """Tell whether inputs are those of a state, by whichever rules they were taken."""
    every = dict.fromkeys((state.config.inputs_by, *RULES_KNOWN))
    return any(digest(state.by_rules(each), overrides, index) == found for each in every)


def digest_of(parts: Iterable[InputPart]) -> InputsDigest:
    """Digest parts, in whatever order they come."""
    found = hashlib.sha256(RULES)
    for line in sorted(part.line() for part in parts):
        found.update(line)
    return InputsDigest(found.hexdigest())


def explain(
    repo: Repo, tree_a: TreeId, config_a: ProjectConfig, tree_b: TreeId, config_b: ProjectConfig
) -> tuple[InputsDifference, ...]:
    """Say why two trees do not share samples; empty if, and only if, they do."""
    return differences(ProjectState(repo, tree_a, config_a), ProjectState(repo, tree_b, config_b))


def differences(a: ProjectState, b: ProjectState) -> tuple[InputsDifference, ...]:
    """Say it of two states."""
    mine, theirs = _by_name(collect(a, {})), _by_name(collect(b, {}))
    stages = _stage_differences(a, b)
    # What dvc.lock still has of a stage that is gone is not a change of data.
    locks = {each.lock_path for each in (a, b)}
    lone = {f"{lock}:{item.what.removeprefix(STAGE)}" for item in stages for lock in locks}
    found: list[InputsDifference] = []
    for name in sorted(mine.keys() | theirs.keys()):
        left, right = mine.get(name, ()), theirs.get(name, ())
        if left != right:
            kind, path = name
            what = path.decode("utf-8", "backslashreplace")
            if kind == "params":
                found += _params_differences(a, b, what)
            elif (kind, path) == ("config", SETTINGS):
                names = _ACTING if a.config.inputs_rules == 1 else _ACTING[:-1]
                found += settings_differences(a.config, b.config, names)
            elif kind != "data" or what.partition("@")[0] not in lone:
                found.append(InputsDifference(kind, what, _shown(left), _shown(right)))
    order = ("config", "params", "data", "code")
    found += stages
    return tuple(sorted(found, key=lambda item: (order.index(item.kind), item.what)))


def told_of_declared(state: ProjectState, found: Iterable[InputsDifference]) -> str:
    """Return what takes files away that are new in a state, where nothing declares them.

    What ran before ran without them: no other code that changed can need them.
    """
    found = [*found]
    names, by = [item.what for item in found], RULES_KNOWN[-1]
    if not names or state.config.inputs_by != RULES_KNOWN[-2]:
        return ""
    if any(item.a or item.kind != "code" or item.what.startswith(STAGE) for item in found):
        return ""
    rules = ignore_rules(state.by_rules(by), {})
    if any(rules.why(name) != UNDECLARED for name in names):
        return ""
    return "gitexp init --inputs declared would leave " + ("them out" if names[1:] else "it out")


def counted_files(repo: Repo, tree: TreeId, config: ProjectConfig) -> frozenset[str]:
    """Return the files and submodules whose content the digest covers, from the repository's top.

    Params files and pointers to data, which count by what they say, are not among them.
    """
    return frozenset(
        posixpath.normpath(posixpath.join(config.project, part.path.decode(*_BYTES)))
        for part in collect(ProjectState(repo, tree, config), {})
        if part.kind == "code"
    )


def undeclared_tracked_outputs(
    repo: Repo, tree: TreeId, config: ProjectConfig, outputs: Iterable[str]
) -> tuple[str, ...]:
    """Return those of some outputs that Git tracks and the digest would count."""
    state = ProjectState(repo, tree, config)
    known = state.outputs
    below = tuple(f"{path}/" for path in known)
    return tuple(
        path
        for path in sorted(set(outputs))
        if path not in known
        and not path.startswith(below)
        and any(
            entry_at(repo, tree, state.at(name)) is not ABSENT for name in (path, f"{path}.dvc")
        )
    )


def unreadable_files(state: ProjectState, index: Index) -> tuple[str, ...]:
    """Return which of a state's pointers and locks cannot be read, remembered by its tree."""
    key = f"{state.tree}:{state.config.project}:{state.config.pipeline}"
    if key in (rows := index.get(Kind.POINTERS, [key])):
        return tuple(command.lines(rows[key]))
    # A name may hold what ends a line, and a line is only shown.
    found = tuple(line.replace("\n", " ") for line in pointed(state).unreadable)
    index.put(Kind.POINTERS, {key: "\n".join(found).encode("utf-8", "surrogateescape")})
    return found


def _cache_key(state: ProjectState, overrides: Mapping[str, ParamValue]) -> str:
    text = repr((state.config, sorted(overrides.items())))
    text += repr(sorted(state.over.items())) if state.over else ""
    return f"{state.tree}:{hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()}"


def _by_name(
    parts: Iterable[InputPart],
) -> dict[tuple[PartKind, bytes], tuple[tuple[int, str], ...]]:
    found: dict[tuple[PartKind, bytes], tuple[tuple[int, str], ...]] = {}
    for part in parts:
        name = (part.kind, part.path)
        found[name] = tuple(sorted((*found.get(name, ()), (part.mode, part.id))))
    return found


def _shown(items: tuple[tuple[int, str], ...]) -> str:
    return ", ".join(f"{id_[:9]} ({mode:o})" if mode else id_[:9] for mode, id_ in items)


def _stage_differences(a: ProjectState, b: ProjectState) -> list[InputsDifference]:
    """Name the stages that one side alone declares: one that was renamed is gone, and new."""
    left, right = ({stage.name for stage in state.stages} for state in (a, b))
    return [
        InputsDifference("code", STAGE + name, *("declared" * (name in x) for x in (left, right)))
        for name in sorted(left ^ right)
    ]


def _params_differences(a: ProjectState, b: ProjectState, file: str) -> list[InputsDifference]:
    prefix = "" if file == "params.yaml" else f"{file}:"

    def of_file(state: ProjectState) -> dict[str, ParamValue]:
        values = params_values(state, {})
        if prefix:
            return {key: value for key, value in values.items() if key.startswith(prefix)}
        others = tuple(f"{name}:" for name in state.config.params if name != file)
        return {key: value for key, value in values.items() if not key.startswith(others)}

    left, right = of_file(a), of_file(b)
    fine = frozenset((*a.config.not_secret, *b.config.not_secret))
    changed = [
        InputsDifference("params", key, *(_value(side, key, fine) for side in (left, right)))
        for key in sorted(left.keys() | right.keys())
        if (key in left, repr(left.get(key))) != (key in right, repr(right.get(key)))
    ]
    # Empty where only what is not a leaf differs (an empty section, code in a params.py).
    return changed or [InputsDifference("params", file, "one content", "another")]


def _value(values: Mapping[str, ParamValue], key: str, fine: frozenset[str]) -> str:
    return repr(to_show(key, values[key], fine)) if key in values else ""


_ACTING = (
    "command", "pipeline", "targets", "seed", "metrics", "predictions", "curves",
    "evaluation", "once", "inputs_ignore",
)  # fmt: skip


def settings_differences(
    a: ProjectConfig, b: ProjectConfig, names: Iterable[str] = _ACTING
) -> list[InputsDifference]:
    """Return the settings that differ, by default of those that act on results."""
    return [
        InputsDifference("config", name, _setting(a, name), _setting(b, name))
        for name in names
        if getattr(a, name) != getattr(b, name)
    ]


def _setting(config: ProjectConfig, name: str) -> str:
    """Return a setting with the words that the file has for it."""
    value = seed_json(config.seed) if name == "seed" else getattr(config, name)
    if name == "predictions":
        value = maybe_json(value)
    elif isinstance(value, Mapping):
        value = {key: each.value if isinstance(each, Enum) else each for key, each in value.items()}
    return repr(value.value if isinstance(value, Enum) else value)
