"""The parts of a state's inputs: files, parameters, data pointers, settings.

Everything is read from Git objects, so a commit that is not checked out costs the same. The rules
are ``inputs@1``; changing any of them changes every digest and needs a new name. By rules 2 the
same is taken of what stands in a job's folder, from which more is left out; see `ignore_rules`.
"""

from __future__ import annotations

import contextlib
import hashlib
import posixpath
from typing import TYPE_CHECKING, Literal

from gitexp.dvc import dvc_config
from gitexp.dvc.covered.ignore_rules import IgnoreRules
from gitexp.dvc.dvcfiles import base_name
from gitexp.dvc.dvcpipeline import Pattern, declares
from gitexp.dvc.state import NO_FILES, Patterns, ProjectState, executed
from gitexp.errors import BadFormatError, UnknownParamError, UnsafeInputError
from gitexp.git.objects import MODE_COMMIT, Entry, read_blob, tree_id
from gitexp.model import dataclass, replace
from gitexp.model.config import DEFAULT_INPUTS_IGNORE
from gitexp.model.ids import Absent, ParamValue
from gitexp.records import config as config_format
from gitexp.text import params
from gitexp.text.foreign import with_parents
from gitexp.text.jsontext import Json, json_dumps_compact
from gitexp.text.paramedit import edit
from gitexp.text.paramkeys import param_key, path_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gitexp.dvc.dvcfiles import HashedPath

PartKind = Literal["code", "params", "data", "config"]

SETTINGS = b"config.yaml"
_OF_DVC = frozenset(("config", ".gitignore"))  # what DVC itself reads in its folder
# What Git reads of a commit when it writes its files, in each folder and at the top.
_ATTRIBUTES = ".gitattributes"
_AT_TOP = (".gitmodules", ".lfsconfig")
_SKIPPED_NAMES = frozenset((".gitignore", ".dvcignore", "dvc.lock"))


@dataclass(frozen=True, slots=True)
class InputPart:
    """One thing that acts on results; `id` names its content."""

    path: bytes  # relative to the project folder; for a setting its name
    kind: PartKind
    mode: int  # as in a Git tree; 0 for what is not a file
    id: str

    def line(self) -> bytes:
        """Return what the digest covers; fields end in NUL, which no path and no id contains."""
        if b"\0" in self.path or "\0" in self.id:  # which no tree has, but a name in YAML may
            raise UnsafeInputError("a NUL is in a name or path", found=ascii(self.path)[:80])
        head = f"{self.kind}\0{self.mode:o}\0".encode()
        return head + self.path + b"\0" + self.id.encode() + b"\0"


def collect(state: ProjectState, overrides: Mapping[str, ParamValue]) -> tuple[InputPart, ...]:
    """Return all parts of a state, in no particular order, with overrides by their `ParamKey`."""
    files = (*_files(state, ignore_rules(state, overrides)), *_adjacent(state))
    config = state.config
    # By rules 2 no job sees what is ignored, so it does not matter by which pattern.
    ignore = config.inputs_ignore if config.inputs_rules == 1 else DEFAULT_INPUTS_IGNORE
    acting = {"ignore": [*ignore], "results": config_format.results_part(config)}
    return (
        *files,
        *_above(state, files),
        *_params(state, overrides),
        *_locks(state),
        InputPart(SETTINGS, "config", 0, _sha256(json_dumps_compact(acting))),
        *_parsing(state),
    )


def params_values(
    state: ProjectState, overrides: Mapping[str, ParamValue]
) -> dict[str, ParamValue]:
    """Return all parameters, flat, without seeds; the key is the text of the `ParamKey`."""
    found: dict[str, ParamValue] = {}
    for file, data, changes, seeds in _params_files(state, overrides):
        edited = edit(data, file, changes) if changes else data
        for key, value in params.flat(edited, file).items():
            if key not in seeds:
                found[key if file == "params.yaml" else f"{file}:{key}"] = value
    return found


def with_params(state: ProjectState, overrides: Mapping[str, ParamValue]) -> ProjectState:
    """Return a state with other values in its params files."""
    edited = {
        state.at(file): (edit(data, file, changes), False)
        for file, data, changes, _ in _params_files(state, overrides)
        if changes
    }
    return replace(state, over={**state.over, **edited}) if edited else state


def ignore_rules(state: ProjectState, overrides: Mapping[str, ParamValue]) -> IgnoreRules:
    """Return what leaves out files of a state under some parameters."""
    plain = state.config.inputs_rules == 1
    return IgnoreRules.of(state, () if plain else params_values(state, overrides).values())


def written(state: ProjectState, overrides: Mapping[str, ParamValue]) -> dict[str, str]:
    """Return the text of files that stand otherwise in a job's folder, by path from the top."""
    rules = ignore_rules(state, overrides)
    there = ((path, text) for path, text in rules.written.items() if not rules.ignores(path))
    return {state.at(path): text.decode() for path, text in there}


def ignored(state: ProjectState, paths: Iterable[str]) -> list[str]:
    """Return which files rules 2 alone leave out of jobs: no outputs, and nothing of DVC's or ours.

    `paths`: from the tree's top; what is returned is below the project folder, as settings have it.
    """
    project = f"{state.config.project}/" if state.config.project else ""
    rules, outputs = ignore_rules(state, {}), state.outputs
    within = (path.removeprefix(project) for path in paths if path.startswith(project))
    plain = (path for path in within if not path.endswith((".dvc", *_SKIPPED_NAMES)))
    if state.config.inputs_rules == 1:
        return []
    return [path for path in plain if not _within(path, outputs) and rules.ignores(path)]


def left_out(
    state: ProjectState, made: Iterable[str], overrides: Mapping[str, ParamValue] | None = None
) -> tuple[str, ...]:
    """Return what a job must not see, since the digest does not either: no helper hides in it.

    `made`: what the stages make, templates filled in: an item that left its list makes nothing.

    What the rules ignore, what is beside DVC's settings, and outputs that no
    stage makes; gitexp's own folder is in no worktree of a job. Paths start at the tree's top; a
    folder of which nothing is left stands for all below it, but that of an output, into which a
    script writes, as in a clone. What DVC and Git themselves read stays (``.gitignore``, dvc.lock).
    """
    outputs = state.outputs
    outs = Patterns.of(Pattern.of(path) for path in made)
    rules = ignore_rules(state, overrides or {})

    def hidden(inner: str, mode: int) -> bool:
        folders, name = inner.split("/")[:-1], posixpath.basename(inner)
        if ".dvc" in folders:
            return name not in _OF_DVC
        if not inner or name in _SKIPPED_NAMES:
            return False
        if inner in state.config.params and mode not in NO_FILES:
            return False
        if _is_gits(inner, state.config.project, outputs):
            return False
        if _within(inner, outputs):
            return not outs.touch(inner)
        return not name.endswith(".dvc") and rules.ignores(inner)

    gone: list[str] = []
    kept: set[str] = set()
    project = f"{state.config.project}/" if state.config.project else ""
    for entry in state.entries():
        path = entry.text
        inner = path.removeprefix(project) if path.startswith(project) else ""
        if hidden(inner, entry.mode):
            gone.append(path)
            within = (each for each in with_parents(inner) if each in outputs)
            kept.update(project + each for out in within for each in with_parents(out)[1:])
        else:
            kept.update(with_parents(path))
    whole = (
        next(each for each in reversed(with_parents(path)) if each not in kept) for path in gone
    )
    return tuple(dict.fromkeys(whole))


def _within(path: str, folders: frozenset[str]) -> bool:
    """Tell whether a path is one of so many, or lies in one."""
    return not folders.isdisjoint(with_parents(path))


def _files(state: ProjectState, rules: IgnoreRules) -> Iterator[InputPart]:
    """Yield the files of the project folder, pointers among them."""
    outputs = state.outputs
    apart = frozenset(state.config.params)
    for entry in state.files():
        path = entry.text
        name = posixpath.basename(path)
        if _is_gits(path, state.config.project, outputs):
            yield InputPart(entry.path, "code", entry.mode, entry.id)
            continue
        if name in _SKIPPED_NAMES or _is_internal(path, state.config.project):
            continue
        if path in apart and entry.mode not in NO_FILES:  # a link has no values: it is code
            continue
        if _within(path, outputs):
            continue
        if name.endswith(".dvc") and entry.mode not in NO_FILES:
            if path.removesuffix(".dvc") not in outputs:
                yield from _pointer(state, path, entry)
        elif not rules.ignores(path):
            yield InputPart(entry.path, "code", entry.mode, rules.id(entry))


def _is_gits(path: str, project: str, outputs: frozenset[str]) -> bool:
    """Whether Git goes by a file when it writes others: no pattern can make us overlook it."""
    if not project and (path in _AT_TOP or path.startswith(".gitexp/")):
        return path in _AT_TOP
    folder, name = posixpath.split(path)
    return name == _ATTRIBUTES and not _within(folder, outputs)


def _above(state: ProjectState, parts: Sequence[InputPart]) -> Iterator[InputPart]:
    """Yield what Git goes by in the folders above those that count, outside the project folder."""
    project = state.config.project
    if not project:
        return
    folders = {"", *with_parents(project)[1:]}
    for part in parts:
        if part.path.startswith(b"../"):
            path = posixpath.normpath(state.at(part.path.decode("utf-8", "surrogateescape")))
            folders.update(with_parents(path)[1:])
    names = {posixpath.join(folder, _ATTRIBUTES) for folder in folders} | {".lfsconfig"}
    if any(part.mode == MODE_COMMIT for part in parts):
        names.add(".gitmodules")
    known = {part.path for part in parts}
    for name in sorted(names):
        entry = state.entry(name)
        inner = posixpath.relpath(f"/{name}", f"/{project}").encode("utf-8", "surrogateescape")
        if not isinstance(entry, Absent) and inner not in known:
            yield InputPart(inner, "code", entry.mode, entry.id)


def _is_internal(path: str, project: str) -> bool:
    """Whether a path belongs to gitexp (at the top of the repository) or to DVC (anywhere)."""
    return (not project and path.startswith(".gitexp/")) or ".dvc" in path.split("/")[:-1]


def _pointer(state: ProjectState, path: str, entry: Entry) -> Iterator[InputPart]:
    """Yield what a ``.dvc`` file points to; the file itself where that cannot be told."""
    if state.dvc.data(path) is None:
        return
    itself = InputPart(entry.path, "data", entry.mode, entry.id)
    try:
        every = state.dvc.outs(path)
    except (BadFormatError, UnsafeInputError):
        yield itself
        return
    outs = [out for _, out in every if out.path not in state.outputs]
    if every and not outs:
        return
    if not every or any(out.md5 is None for out in outs):
        yield itself  # DVC keeps such a hash in its own way
        return
    for out in outs:
        yield replace(itself, id=_hash_text(out))


def _adjacent(state: ProjectState) -> Iterator[InputPart]:
    """Yield what stages name outside the project's folder: it acts on results as well."""
    if not state.config.project:
        return
    found = (dep for stage in state.stages for dep in (*stage.deps, *stage.read))
    deps = {dep.text: dep for dep in found if dep.text.startswith("../")}
    if not deps:
        return
    for text in sorted(deps):
        if deps[text].literal:
            yield from _adjacent_file(state, text)
    yield from _adjacent_data(state, Patterns.of(deps.values()))


def _adjacent_file(state: ProjectState, path: str) -> Iterator[InputPart]:
    """Yield what Git has at a path; of one inside a submodule the submodule."""
    full = posixpath.normpath(state.at(path))
    if full.startswith(("../", ".gitexp/")):
        return
    parts = full.split("/")
    for depth in range(1, len(parts) + 1):
        entry = state.entry("/".join(parts[:depth]))
        if isinstance(entry, Absent):
            return
        if depth == len(parts) or entry.mode in NO_FILES:
            yield InputPart(path.encode("utf-8", "surrogateescape"), "code", entry.mode, entry.id)
            return


def _adjacent_data(state: ProjectState, deps: Patterns) -> Iterator[InputPart]:
    """Yield the data that a dependency touches, whatever file of the repository declares them."""
    project = f"/{state.config.project}"
    files = state.dvc_files()
    for entry in state.entries():
        path = entry.text
        if entry.mode in NO_FILES or not declares(path):
            continue
        if f"/{path}".startswith(f"{project}/"):
            continue
        name = posixpath.relpath(f"/{path}", project)
        itself = InputPart(name.encode("utf-8", "surrogateescape"), "data", entry.mode, entry.id)
        try:
            outs = files.outs(path)
        except (BadFormatError, UnsafeInputError):  # it cannot be told, so it counts
            yield itself
            continue
        for stage, out in outs:
            if deps.touch(posixpath.relpath(f"/{out.path}", project)):
                label = f"{name}:{stage}" if stage else name
                raw = label.encode("utf-8", "surrogateescape")
                known = entry.id if out.md5 is None else _hash_text(out)
                yield InputPart(raw, "data", entry.mode, known)


def _params(state: ProjectState, overrides: Mapping[str, ParamValue]) -> Iterator[InputPart]:
    """Yield the params files by value: comments, layout and seeds say nothing."""
    for file, data, changes, seeds in _params_files(state, overrides):
        if file.endswith(".py"):
            # Code beside the constants counts too, so the text is taken with the seeds levelled.
            there = params.flat(data, file) if seeds else {}
            changes |= {key: 0 for key in seeds if key in there}
            digest = _sha256(edit(data, file, changes) if changes else data)
        else:
            edited = edit(data, file, changes) if changes else data
            value = params.parse(edited, file)
            shown = json_dumps_compact(_without(value, seeds))
            apart = _places(value, seeds)
            odd = [
                [*path, said]
                for path, said in params.unlike(edited, file)
                if not any(path[: len(seed)] == seed for seed in apart)
            ]
            digest = _sha256(shown + b"\0" + json_dumps_compact(odd) if odd else shown)
        yield InputPart(file.encode("utf-8", "surrogateescape"), "params", 0, digest)


def _locks(state: ProjectState) -> Iterator[InputPart]:
    """Yield outputs of stages that are frozen, not needed, or of another pipeline: data."""
    own = state.lock_path
    inside = executed(state.stages, state.config.targets)
    frozen = {stage.name for stage in state.stages if stage.frozen}
    for entry in state.files():
        path = entry.text
        is_lock = entry.path.rpartition(b"/")[2] == b"dvc.lock" and entry.mode not in NO_FILES
        if not is_lock or path == own or _is_internal(path, state.config.project):
            continue
        try:
            theirs = state.dvc.outs(path)
        except (BadFormatError, UnsafeInputError):  # of another pipeline: none of our business
            yield InputPart(entry.path, "data", entry.mode, entry.id)
            continue
        for name, out in theirs:
            if out.path not in state.outputs:
                yield _locked_part(path, name, out)
    if own is not None:
        for name, out in state.dvc.outs(own):
            base = base_name(name)
            if base in frozen or base not in inside:
                yield _locked_part(own, name, out)


def _locked_part(path: str, stage: str, out: HashedPath) -> InputPart:
    return InputPart(
        f"{path}:{stage}".encode("utf-8", "surrogateescape"), "data", 0, _hash_text(out)
    )


def _parsing(state: ProjectState) -> Iterator[InputPart]:
    """Yield what DVC's settings say of how a value in a command is spelt, where they say it."""
    if state.config.pipeline is None:
        return
    folder = posixpath.dirname(state.at(state.config.pipeline))
    for place in (*(with_parents(folder) if folder else ()), ""):
        settings = posixpath.join(place, ".dvc")
        if isinstance(tree_id(state.repo, state.tree, settings), Absent):
            continue
        data = read_blob(state.repo, state.tree, f"{settings}/config", dvc_config.LIMIT_BYTES)
        text = "" if isinstance(data, Absent) else dvc_config.decoded(data)
        said = dvc_config.parse(text).get(dvc_config.PARSING)
        if said:
            yield InputPart(b".dvc/config", "config", 0, _sha256(json_dumps_compact(dict(said))))
        return


def _params_files(
    state: ProjectState, overrides: Mapping[str, ParamValue]
) -> Iterator[tuple[str, bytes, dict[str, ParamValue], tuple[str, ...]]]:
    """Yield each params file that is there, with what changes in it, and its seeds."""
    keys = {param_key(text): value for text, value in overrides.items()}
    for file in state.config.params:
        data = state.read(file)
        if isinstance(data, Absent):
            continue
        changes = {key.key: value for key, value in keys.items() if key.file == file}
        seeds = tuple(each.key for each in state.config.seed.every if each.file == file)
        yield file, data, changes, seeds


def _without(value: Json, keys: Iterable[str]) -> Json:
    """Return a parsed params file without some dotted keys; one that is not there is no matter."""
    for key in keys:
        with contextlib.suppress(UnknownParamError):
            value = _cut(value, path_of(value, key))
    return value


def _places(value: Json, keys: Iterable[str]) -> set[tuple[str | int, ...]]:
    """Return the places of seeds in a parsed params file."""
    found = set()
    for key in keys:
        with contextlib.suppress(UnknownParamError):
            found.add(tuple(path_of(value, key)))
    return found


def _cut(value: Json, path: Sequence[str | int]) -> Json:
    head, *rest = path
    if isinstance(value, dict):
        inner = {name: item for name, item in value.items() if name != head or rest}
        if rest and isinstance(head, str):
            inner[head] = _cut(value[head], rest)
        return inner
    if isinstance(value, list) and isinstance(head, int):
        kept = [_cut(value[head], rest)] if rest else [None]
        return [*value[:head], *kept, *value[head + 1 :]]
    return value


def _hash_text(out: HashedPath) -> str:
    return _sha256(json_dumps_compact([out.path, out.hash, out.md5]))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
