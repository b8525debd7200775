"""What acts on files of a state without being them: attributes, and what Python takes instead.

Paths are relative to the project folder. What a command, or code, names or imports is found by the
names alone, nothing is resolved.
"""

from __future__ import annotations

import contextlib
import posixpath
import re
from collections import defaultdict
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError
from gitexp.git.tree import join
from gitexp.model.ids import ABSENT
from gitexp.text.foreign import with_parents

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from gitexp.dvc.state import ProjectState

_AT_START = ("sitecustomize", "usercustomize")
_FROM = re.compile(
    r"^[ \t]*from\s+([\w.]+)\s+import\s*(\((?:[^()#]|#[^\n]*)*+\)|(?:[^\n#\\]|\\\n)*)",
    re.MULTILINE,
)
_IMPORT = re.compile(r"^[ \t]*import\s+([^\n#;]*)", re.MULTILINE)
_BY_NAME = re.compile(r"import_module\(\s*[\"']\.*([\w.]+)|\s-m\s+([\w.]+)")
_COMMENT = re.compile(r"#[^\n]*")
_WORDS = re.compile(r"[\w.-]+")


def attributes(state: ProjectState, paths: Iterable[str]) -> set[str]:
    """Return the files by which Git may write other bytes of some files than it holds."""
    project = state.config.project
    full = {posixpath.normpath(state.at(path)) for path in paths}
    folders = {"", *(folder for path in full for folder in with_parents(path)[1:])} if full else ()
    named = {".lfsconfig", *(join(each, ".gitattributes") for each in folders)} if full else set()
    return {posixpath.relpath(f"/{path}", f"/{project}") for path in named}


def module(path: str) -> str:
    """Return by what path Python knows a file: without its suffix; "" where it is not a module.

    >>> module("src/a.py"), module("src/a/__init__.py"), module("src/__pycache__/a.cpython-311.pyc")
    ('src/a', 'src/a', 'src/a')
    """
    folder, name = posixpath.split(path)
    if not name.endswith((".py", ".pyc", ".so", ".pyd")):
        return ""
    folder, stem = folder.removesuffix("__pycache__").rstrip("/"), name.partition(".")[0]
    return folder if stem == "__init__" else join(folder, stem)


def imported(state: ProjectState, files: Iterable[str], every: Iterable[str]) -> Iterator[str]:
    """Yield the modules that files are, and those that they import and no file of all is."""
    own = {each for path in every for each in (module(path), *with_parents(path)[1:])}
    yield from _AT_START
    for file in files:
        if file.endswith(".py"):
            yield module(file)
            with contextlib.suppress(GitexpError):  # no code is so large
                data = state.read(file)
                text = "" if data is ABSENT else data.decode("utf-8", "replace")
                names = {name.partition(".")[0] for name in modules(text)}
                folders = {"", posixpath.dirname(file)}  # the two that Python looks in first
                yield from {join(folder, name) for folder in folders for name in names} - own


def instead(state: ProjectState, names: Collection[str]) -> Iterator[str]:
    """Yield the files that Python may take for some modules."""
    tree, laid = state.repo.tree(state.tree), [posixpath.basename(path) for path in state.over]
    top = {name for m in names for name in (m, posixpath.dirname(m))}
    for folder in sorted(top | {join(each, "__pycache__") for each in top}):
        for name in (*tree.folder(state.at(folder).strip("/")), *laid):
            if module(path := join(folder, name)) in names:
                yield path


class NamedFiles:
    """Some files, found by their names."""

    def __init__(self, files: Iterable[str]) -> None:
        self._by_name: defaultdict[str, list[str]] = defaultdict(list)
        self._by_module: defaultdict[str, list[tuple[list[str], str]]] = defaultdict(list)
        for path in files:
            self._by_name[posixpath.basename(path)].append(path)
            parts = path.removesuffix(".py").split("/")
            parts = parts[:-1] if parts[-1] in {"__init__", "__main__"} else parts
            if path.endswith(".py") and parts:
                self._by_module[parts[-1]].append((parts, path))

    def named(self, text: str) -> Iterator[str]:
        """Yield the files that a command or a shell script names."""
        yield from self.called(_WORDS.findall(text))
        yield from self.imported(name for _, name in _BY_NAME.findall(f" {text}") if name)

    def called(self, names: Iterable[str]) -> Iterator[str]:
        """Yield the files of some names, in whatever folder."""
        for name in names:
            yield from self._by_name.get(name, ())

    def imported(self, modules: Iterable[str]) -> Iterator[str]:
        """Yield the files that some modules may be, and the packages above them."""
        for module in modules:
            parts = module.split(".")
            for n in range(1, len(parts) + 1):  # packages above it are executed, too
                for own, path in self._by_module.get(parts[n - 1], ()):
                    if own[-n:] == parts[:n]:
                        yield path


def modules(text: str) -> Iterator[str]:
    """Yield the dotted names that a text imports; what it imports from a module may be one, too."""
    for package, names in _FROM.findall(text):
        for name in _COMMENT.sub("", names).strip("() \n\\").split(","):
            yield ".".join(filter(None, (package.strip("."), *name.split()[:1])))
    for names in _IMPORT.findall(text):
        yield from (name.split()[0] for name in names.split(",") if name.strip())
    yield from (name for name, _ in _BY_NAME.findall(text) if name)
