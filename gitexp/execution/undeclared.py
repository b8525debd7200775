"""Code that a stage uses and does not declare: what its command names or imports, and so on.

Many a pipeline lists the data and forgets the script, or a helper of it. DVC takes such a stage for
unchanged when that code has changed; who takes over what it made may not.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from typing import TYPE_CHECKING

from gitexp.comparison.randomness import seeding
from gitexp.comparison.randomness.project_text import CODE
from gitexp.dvc.dvcpipeline import touches
from gitexp.errors import GitexpError
from gitexp.git.objects import MODE_COMMIT
from gitexp.model.ids import BlobId

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gitexp.execution.run_sources import RunSource
    from gitexp.model.job import Stage

_LARGEST = 1 << 20  # bytes of a file of code
_FROM = re.compile(
    r"^[ \t]*from\s+\.*([\w.]*)\s+import\s*(\([^)]*\)|(?:[^\n#\\]|\\\n)*)", re.MULTILINE
)
_IMPORT = re.compile(r"^[ \t]*import\s+([^\n#;]*)", re.MULTILINE)
_BY_NAME = re.compile(r"import_module\(\s*[\"']\.*([\w.]+)|\s-m\s+([\w.]+)")
_QUOTED = re.compile(r"[\"']([\w./-]+\.\w+)[\"']|^[ \t]*%run\s+(\S+)", re.MULTILINE)
_COMMENT = re.compile(r"#[^\n]*")
_WORDS = re.compile(r"[\w.-]+")


class UndeclaredCode:
    """The code of a source, as far as stages may use it."""

    def __init__(self, source: RunSource) -> None:
        settings = {posixpath.join(source.config.project, file) for file in source.config.params}
        self._source = source
        self._ids = {each.text: each.id for each in source.entries}
        self._submodules = {each.text for each in source.entries if each.mode == MODE_COMMIT}
        self._files = [path for path in self._ids if CODE.search(path) and path not in settings]
        self._by_name: defaultdict[str, list[str]] = defaultdict(list)
        self._by_module: defaultdict[str, list[tuple[list[str], str]]] = defaultdict(list)
        for path in self._files:
            self._by_name[posixpath.basename(path)].append(path)
            parts = path.removesuffix(".py").split("/")
            parts = parts[:-1] if parts[-1] in {"__init__", "__main__"} else parts
            if path.endswith(".py") and parts:
                self._by_module[parts[-1]].append((parts, path))

    def of(self, stage: Stage) -> dict[str, str]:
        """Return such files of a stage with their hashes; submodules are code of every stage."""
        project = self._source.config.project
        deps = [posixpath.normpath(posixpath.join(project, path)) for path in stage.deps]
        declared = {path for path in self._files if any(touches(path, dep) for dep in deps)}
        found: set[str] = set()
        rest = [*declared, *self._named("\n".join(stage.commands))]
        while rest:
            path = rest.pop()
            if path not in found:
                found.add(path)
                rest += self._used(path)
        return {path: self._ids[path] for path in sorted(found - declared | self._submodules)}

    def _used(self, path: str) -> Iterator[str]:
        """Yield the files that a file names or imports."""
        try:
            data = self._source.repo.read(BlobId(self._ids[path]), _LARGEST, where=path)
            text = data.decode("utf-8", "replace")
            if path.endswith(".ipynb"):
                text = "\n".join(seeding.code_cells(text, path))
        except GitexpError:  # no code is so large
            return
        if path.endswith((".py", ".ipynb")):
            quoted = (name for pair in _QUOTED.findall(text) for name in pair if name)
            yield from self._called(posixpath.basename(name) for name in quoted)
            yield from self._imported(_modules(text))
        else:
            yield from self._named(text)

    def _named(self, text: str) -> Iterator[str]:
        """Yield the files that a command or a shell script names."""
        yield from self._called(_WORDS.findall(text))
        yield from self._imported(name for _, name in _BY_NAME.findall(f" {text}") if name)

    def _called(self, names: Iterable[str]) -> Iterator[str]:
        for name in names:
            yield from self._by_name.get(name, ())

    def _imported(self, modules: Iterable[str]) -> Iterator[str]:
        for module in modules:
            parts = module.split(".")
            for n in range(1, len(parts) + 1):  # packages above it are executed, too
                for own, path in self._by_module.get(parts[n - 1], ()):
                    if own[-n:] == parts[:n]:
                        yield path


def _modules(text: str) -> Iterator[str]:
    """Yield the dotted names that a text imports; what it imports from a module may be one, too."""
    for package, names in _FROM.findall(text):
        for name in _COMMENT.sub("", names).strip("() \n\\").split(","):
            yield ".".join(filter(None, (package.strip("."), *name.split()[:1])))
    for names in _IMPORT.findall(text):
        yield from (name.split()[0] for name in names.split(",") if name.strip())
    yield from (name for name, _ in _BY_NAME.findall(text) if name)
