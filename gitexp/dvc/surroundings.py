"""Files beside the project's folder: no input, though the project's code may reach them.

What is said of them decides nothing, so names are enough: of imports, paths and commands.
"""

from __future__ import annotations

import contextlib
import posixpath
import re
import sys
from typing import TYPE_CHECKING

from gitexp.dvc.inputs import counted_files
from gitexp.errors import GitexpError
from gitexp.git import objects
from gitexp.git.tree import MODE_TREE
from gitexp.model.ids import ABSENT, BlobId, TreeId

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from gitexp.git.repository import Repo
    from gitexp.model.config import ProjectConfig

_MOST = 2_000  # files that differ, and files of the project that are read
_LARGEST = 1 << 20  # bytes of one
_TEXT = re.compile(r"\.(py|ipynb|sh|ya?ml|toml|cfg|ini|r|rmd|jl|m|pl|rb)$|file$", re.IGNORECASE)
_MUTE = re.compile(r"\.(md|rst|dvc|lock)$|(^|/)LICENSE")
_IMPORTS = re.compile(
    r"(?m)^[ \t\r\"]*(?:from|import)\s[^\n#;]*|\bimport_module\([^\n)]*|-m\s+[\w.]+"
)
_LITERAL = re.compile(r"[\"']([^\"'\s-][^\"'\s]*)[\"']")
_TOKEN = re.compile(r"(?<![\w./-])[\w-]*[./][\w./-]*")
_ABOVE = re.compile(r"(?<!\.\./)(?:\.\./)+([\w-]+)")
_LEAVES = re.compile(r"\.\.|\bparents?\b|\bdirname\b|\bgetcwd\b|\benviron\b|\bchdir\b")


def reached(
    repo: Repo,
    config: ProjectConfig,
    sides: Collection[TreeId],
    states: Iterable[TreeId],
    editable: Iterable[str] = (),
) -> tuple[str, ...]:
    """Return files beside the project in which `states` differ and that code of `sides` may reach.

    `editable`: folders of packages that are installed as they lie there.
    """
    changed = _changed(repo, states, config.project) if config.project else ()
    if not changed:
        return ()
    imports, said, above = set[str](), set[str](), set[str]()
    own = {*sys.stdlib_module_names, "__init__", "__main__"}
    for path, text in _texts(repo, config, sides):
        own.update(_names(path))
        above.update(_ABOVE.findall(text))
        imports.update(w for line in _IMPORTS.findall(text) for w in re.findall(r"\w+", line))
        tokens = _LITERAL if path.endswith((".py", ".ipynb")) else _TOKEN
        leaves = _LEAVES.search(text)
        for token in tokens.findall(re.sub(r"\b\w+://\S*", "", text)):
            if leaves or "/" in token or "." in token:
                said.update(re.split(r"[/.\\]", token))
    home = config.project
    folders = [each for each in editable if not _is_in(home, each)]
    known: set[str] = set()  # inputs: what a stage names out there
    for side in sides:
        with contextlib.suppress(GitexpError):  # under these settings it has no stages
            known |= counted_files(repo, side, config)
    said = said - own | above
    for path in sorted(changed):
        names = _names(path.removeprefix(f"{posixpath.dirname(home)}/"))
        named = {names[0], names[-1]} & said or {*names} & (imports - own)
        if not (named or any(_is_in(path, each) for each in folders)):
            changed.discard(path)
    return tuple(sorted(path for path in changed if not any(_is_in(path, e) for e in known)))


def told(config: ProjectConfig, paths: tuple[str, ...]) -> tuple[str, str]:
    """Return these files as a subject, with its verb, and how they become inputs."""
    more = f" and {len(paths) - 1} more" if paths[1:] else ""
    said = f"{paths[0]}{more}, beside the project, {'differ' if more else 'differs'}"
    if config.pipeline:
        return said, f"list {posixpath.relpath(paths[0], config.project)} under deps: of its stage"
    return (
        said,
        f"move {paths[0]} into {config.project}/, or init --project a folder that holds both",
    )


def _is_in(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder}/")


def _changed(repo: Repo, states: Iterable[TreeId], project: str) -> set[str]:
    """Return what differs between the first state and any other; equal folders are not entered."""
    roots = []
    for state in dict.fromkeys(states):
        with contextlib.suppress(GitexpError):  # it is gone
            roots.append(repo.load_tree(state).entries)
    found: set[str] = set()
    pending = [("", roots[0], each) for each in roots[1:]]
    while pending and len(found) < _MOST:
        above, *both = pending.pop()
        for name in {name for name, _ in both[0].items() ^ both[1].items()}:
            path = above + name.decode("utf-8", "backslashreplace")
            if path == project or name.startswith(b"."):
                continue
            entries = [each.get(name, (0, "")) for each in both]
            below = [repo.load_folder(i).entries if m == MODE_TREE else {} for m, i in entries]
            pending += [(f"{path}/", below[0], below[1])] if any(below) else []
            if any(mode not in {0, MODE_TREE} for mode, _ in entries) and not _MUTE.search(path):
                found.add(path)
    return found


def _texts(repo: Repo, config: ProjectConfig, sides: Iterable[TreeId]) -> Iterator[tuple[str, str]]:
    """Yield path and text of all that the project holds, "" of what has none."""
    yield "", config.command or ""
    yield from ((name, "") for name in (*config.outputs, *config.metrics))
    for top in {objects.tree_id(repo, side, config.project) for side in sides}:
        every = () if top is ABSENT else objects.walk_tree(repo, top)
        for _, (mode, raw, id_) in zip(range(_MOST), every, strict=False):
            path, text = raw.decode("utf-8", "backslashreplace"), ""
            if _TEXT.search(path) and mode != objects.MODE_COMMIT and "/." not in f"/{path}":
                with contextlib.suppress(GitexpError):  # too large
                    text = repo.read(BlobId(id_), _LARGEST, where=path).decode("utf-8", "replace")
            yield path, text


def _names(path: str) -> list[str]:
    """Return the folders and the stem of a path."""
    return re.sub(r"\.[^/]*$", "", path).split("/")
