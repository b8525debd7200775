"""What lies at a path of a state, and what acts on it: attributes, what Python takes instead.

Paths are relative to the project folder. What a command, or code, names or imports is found by the
names alone, nothing is resolved.
"""

from __future__ import annotations

import contextlib
import posixpath
import re
import sys
from collections import defaultdict
from typing import TYPE_CHECKING

from gitexp.dvc.dvcpipeline import Pattern
from gitexp.errors import BadFormatError, GitexpError, UnsafeInputError
from gitexp.git.objects import MODE_COMMIT, MODE_LINK
from gitexp.git.tree import FILE_MODES, MODE_TREE, join
from gitexp.model import dataclass
from gitexp.model.ids import ABSENT, BlobId
from gitexp.text.foreign import Steps, with_parents

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
# Of a dotted name: Python's own have a tenth as many, and each may be the end of one.
_MOST_PARTS = 100
_LONGEST = 500  # letters
_MOST_STEPS = 20_000_000  # seconds


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


@dataclass(frozen=True, slots=True)
class Imports:
    """What files import, however indirectly, where Python looks first: beside them, at the top."""

    own: frozenset[str] = frozenset()  # modules that some files are
    packages: frozenset[str] = frozenset()  # above those that they import
    asked: frozenset[str] = frozenset()  # top-level names that they ask for
    folders: tuple[str, ...] = ()
    known: frozenset[str] = frozenset()  # all modules, and folders, that are there

    def watched(self, more: Iterable[str] = ()) -> frozenset[str]:
        """Return modules, of which any is taken instead of what there is, with `more` names."""
        names = {*_AT_START, *sys.stdlib_module_names, *self.asked, *more}
        there = {join(folder, name) for folder in self.folders for name in names}
        return self.own | self.packages | (there - self.known)


def imported(
    state: ProjectState, files: Iterable[str], every: Collection[str], outs: Collection[str]
) -> Imports:
    """Follow what some files import over all files of a state, and what stages make."""
    real = {module(path) for path in every}
    known = real | {folder for path in every for folder in with_parents(path)[1:]}
    known |= {module(out) or out.rstrip("/") for out in outs}
    code = [path for path in files if path.endswith(".py")]
    reached, pending, named = {*code}, [*code], NamedFiles(every)
    names, tops = set[str](), set[str]()
    while pending:
        path = pending.pop()
        with contextlib.suppress(GitexpError):  # no code is so large
            data = state.read(path)
            told = {*modules("" if data is ABSENT else data.decode("utf-8", "replace"))}
            names |= told
            own = {name.partition(".")[0] for name in told}  # of shared code what is elsewhere
            tops |= {top for top in own if path in code or not any(named.imported([top]))}
            new = {*named.imported(told)} - reached
            reached |= new
            pending += new
    parts = {each for name in names for each in _prefixes(name)}
    above = {folder for path in reached for folder in with_parents(module(path))[1:]}
    packages = {each for each in above - real if _ends_in(each, parts)}
    folders = dict.fromkeys(("", *map(posixpath.dirname, code)))
    mine = frozenset((*_AT_START, *map(module, code)))
    return Imports(mine, frozenset(packages), frozenset(tops), tuple(folders), frozenset(known))


def _ends_in(path: str, dotted: Collection[str]) -> bool:
    parts = path.split("/")[-_MOST_PARTS:]
    return any(".".join(parts[n:]) in dotted for n in range(len(parts)))


def instead(state: ProjectState, names: Collection[str]) -> Iterator[str]:
    """Yield the files that Python may take for some modules."""
    tree, project = state.repo.tree(state.tree), f"/{state.config.project}"
    laid = {posixpath.relpath(f"/{path}", project) for path in state.over}
    for top in sorted({posixpath.dirname(name) for name in names}):
        there = {join(top, name) for name in tree.folder(state.at(top).strip("/"))} | laid
        within = {join(top, "__pycache__"), *(there & {*names})}
        for folder in sorted(within):
            there |= {join(folder, name) for name in tree.folder(state.at(folder).strip("/"))}
        yield from sorted(path for path in there if module(path) in names)


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
        self._found: dict[str, list[str]] = {}
        self._steps = Steps("the names of modules", "what is imported", _MOST_STEPS)

    def named(self, text: str) -> Iterator[str]:
        """Yield the files that a command or a shell script names."""
        yield from self.called(_WORDS.findall(text))
        yield from self.imported(name for _, name in _BY_NAME.findall(f" {text}") if name)

    def called(self, names: Iterable[str]) -> Iterator[str]:
        """Yield the files of some names, in whatever folder."""
        for name in dict.fromkeys(names):
            yield from self._by_name.get(name, ())

    def imported(self, modules: Iterable[str]) -> Iterator[str]:
        """Yield the files that some modules may be, and the packages above them.

        Raises `UnsafeInputError` where many names may each be many files.
        """
        told = (each for module in modules for each in _prefixes(short(module)))
        for module in dict.fromkeys(told):  # packages above it are executed, too
            there = self._by_module.get(module.rpartition(".")[2], ())
            if there and module not in self._found:
                parts = module.split(".")
                self._steps.take(len(there), len(there))
                self._found[module] = [path for own, path in there if own[-len(parts) :] == parts]
            found = self._found.get(module, ())
            self._steps.take(len(found), len(found))
            yield from found


def short(module: str) -> str:
    """Return a dotted name without what no module has: parts above a number, or so many letters."""
    return ".".join(module[:_LONGEST].split(".", _MOST_PARTS)[:_MOST_PARTS])


def _prefixes(module: str) -> Iterator[str]:
    """Yield the packages above a module, the outermost first, and itself."""
    at = module.find(".")
    while at >= 0:
        yield module[:at]
        at = module.find(".", at + 1)
    yield module


def modules(text: str) -> Iterator[str]:
    """Yield the dotted names that a text imports; what it imports from a module may be one, too."""
    for above, names in _FROM.findall(text):
        package = short(above.strip("."))
        for name in _COMMENT.sub("", names).strip("() \n\\").split(","):
            yield ".".join(filter(None, (package, *map(short, name.split()[:1]))))
    for names in _IMPORT.findall(text):
        yield from (short(name.split()[0]) for name in names.split(",") if name.strip())
    yield from (short(name) for name, _ in _BY_NAME.findall(text) if name)


def single_files(state: ProjectState, deps: Iterable[str]) -> Iterator[str]:
    """Yield those dependencies that are single files, and what a link leads to."""
    for dep in deps:
        pattern = Pattern.of(dep)
        if not pattern.literal:
            files = (entry.text for entry in state.files())
            yield from (path for path in files if pattern.says_something and pattern.matches(path))
            continue
        entry = state.entry(state.at(dep))
        if entry is ABSENT:
            yield from content_at(state, dep)
        elif entry.mode not in {MODE_TREE, MODE_COMMIT}:
            yield dep
            if entry.mode == MODE_LINK:
                target = state.repo.read(BlobId(entry.id)).decode("utf-8", "surrogateescape")
                path = posixpath.normpath(posixpath.join(posixpath.dirname(dep), target))
                yield from (each for each in content_at(state, path) if each == path)


def content_at(state: ProjectState, path: str) -> dict[str, str]:
    """Return what lies at a path, or below it; of data what their pointer says."""
    found: dict[str, str] = {}
    for name in paths(state, path):
        entry = state.entry(state.at(name))
        if entry is not ABSENT and name != f"{path}.dvc":
            found[name] = f"{entry.mode:o} {entry.id}"
        if entry is not ABSENT and name == f"{path}.dvc":
            try:
                outs = [out for _, out in state.dvc.outs(name) if out.path == path]
                ids = [f"{each.hash} {each.md5}" for each in outs]
            except (BadFormatError, UnsafeInputError):
                ids = [f"pointer {entry.id}"]
            found.update((path, text) for text in ids if not text.endswith(".dir"))
    return found


def paths(state: ProjectState, path: str) -> tuple[str, ...]:
    """Return the tracked files that a path stands for: itself, those below it, or a pointer."""
    full = state.at(path)
    if not path or full.startswith(("../", "/")) or "\0" in path:
        return ()
    entry = state.entry(full)
    if entry is not ABSENT and entry.mode != MODE_TREE:
        return (path,)
    if entry is not ABSENT:
        every = (each.text for each in state.files())
        return tuple(each for each in every if each.startswith(f"{path.rstrip('/')}/"))
    pointer = state.entry(f"{full}.dvc")
    return () if pointer is ABSENT or pointer.mode not in FILE_MODES else (f"{path}.dvc",)
