"""Files that a command, or code, names or imports: by their names alone, nothing is resolved."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_FROM = re.compile(
    r"^[ \t]*from\s+\.*([\w.]*)\s+import\s*(\([^)]*\)|(?:[^\n#\\]|\\\n)*)", re.MULTILINE
)
_IMPORT = re.compile(r"^[ \t]*import\s+([^\n#;]*)", re.MULTILINE)
_BY_NAME = re.compile(r"import_module\(\s*[\"']\.*([\w.]+)|\s-m\s+([\w.]+)")
_COMMENT = re.compile(r"#[^\n]*")
_WORDS = re.compile(r"[\w.-]+")


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
