"""What a ``dvc.yaml`` says about its stages, read as text: no DVC, no templates filled in.

The digest of inputs must be the same before and after a run and must not need DVC. So a template
(``data/${item}.csv``) is taken for a pattern in which each ``${...}`` stands for any characters,
and a group of stages (``foreach``, ``matrix``) for one stage. Where that is not exact it errs to
the side that counts more paths as named by a stage and more stages as executed by a run.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from gitexp.dvc.dvcpaths import touches
from gitexp.errors import UnsafeInputError
from gitexp.text.yamltext import yaml_loads

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitexp.text.jsontext import Json

_HOLE = re.compile(r"\$\{[^}]*\}")  # linear: no nested repetition
_WORDS = re.compile(r"""[\s"'=,;|&<>()`]+""")
MOST_STEPS = 5_000_000  # seconds
MOST_MEETINGS = 20_000_000  # likewise
_OUT_SECTIONS = ("outs", "metrics", "plots")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A path of which some parts may be unknown; relative to the project folder.

    Examples
    --------
    >>> Pattern.of("data/${item}.csv").matches("data/a.csv")
    True
    >>> Pattern.of("data").touches("data/raw/a.csv"), Pattern.of("data/raw").touches("data")
    (True, True)
    """

    text: str
    parts: tuple[str, ...]  # literal parts around the holes; one part: no hole

    @classmethod
    def of(cls, text: str) -> Pattern:
        """Split a declared path at its holes."""
        return cls(text, tuple(_HOLE.split(text)))

    @property
    def literal(self) -> bool:
        """Whether there is no hole."""
        return len(self.parts) == 1

    @property
    def says_something(self) -> bool:
        """Whether it has any fixed text; a bare ``${dir}`` would match the whole tree."""
        return any(part.strip("./") for part in self.parts)

    def matches(self, path: str) -> bool:
        """Whether the path can be meant; linear in its length."""
        if self.literal:
            return path == self.text
        first, *middle, last = self.parts
        if not path.startswith(first):
            return False
        at = len(first)
        for part in middle:
            found = path.find(part, at)
            if found < 0:
                return False
            at = found + len(part)
        return len(path) - len(last) >= at and path.endswith(last)

    def touches(self, path: str) -> bool:
        """Whether the path, a folder above it, or something below it can be meant."""
        return touches(self.text, path) if self.literal else self.touches_any(with_parents(path))

    def touches_any(self, paths: Sequence[str]) -> bool:
        """Whether a path, given with the folders above it, can be meant by a template."""
        leads = self.parts[0].startswith(f"{paths[0]}/")
        return leads or any(self.matches(each) for each in paths)

    def meets(self, other: Pattern) -> bool:
        """Whether one path can lie in both."""
        if self.literal:
            return other.touches(self.text)
        if other.literal:
            return self.touches(other.text)
        mine, theirs = self.parts[0], other.parts[0]
        return mine.startswith(theirs) or theirs.startswith(mine)


@dataclass(slots=True)
class Patterns:
    """Many patterns at once: a path is looked up, since a branch may declare 100,000 of them."""

    exact: frozenset[str]
    above: frozenset[str]  # folders that lead to those
    holes: tuple[Pattern, ...]
    steps: int = 0

    @classmethod
    def of(cls, patterns: Iterable[Pattern]) -> Patterns:
        """Keep each pattern once."""
        found = dict.fromkeys(patterns)
        exact = frozenset(each.text for each in found if each.literal)
        above = frozenset(part for text in exact for part in with_parents(text)[1:])
        return cls(exact, above, tuple(each for each in found if not each.literal))

    def touch(self, path: str) -> bool:
        """Whether one of them touches the path.

        Raises `UnsafeInputError` if templates and paths are so many that nobody would wait for it.
        """
        parts = with_parents(path)
        if path in self.above or not self.exact.isdisjoint(parts):
            return True
        self.steps += len(self.holes) * len(parts)
        if self.steps > MOST_STEPS:
            raise UnsafeInputError(
                "the templates of dvc.yaml take too long over these paths",
                found=f"{len(self.holes)} templated paths",
                where="dvc.yaml",
            )
        return any(each.touches_any(parts) for each in self.holes)


@dataclass(frozen=True, slots=True)
class DeclaredStage:
    """A stage or a group of stages, as written."""

    name: str  # without "@item"
    wdir: str  # relative to the project folder
    deps: tuple[Pattern, ...]
    outs: tuple[Pattern, ...]
    words: frozenset[str]  # of its commands, as paths relative to the project folder
    frozen: bool


@lru_cache(maxsize=64)  # commits after commits have the same file
def stages(data: bytes, where: str, folder: str) -> tuple[DeclaredStage, ...]:
    """Read the stages of a dvc.yaml.

    `folder`: its folder, relative to the project folder; "" for the project folder itself.

    Raises `BadFormatError` if it is not YAML. Entries of unexpected shape are passed over: DVC
    complains about them when they are to be executed.
    """
    document = yaml_loads(data, where=where, allow_aliases=True)
    found = _mapping(_mapping(document).get("stages"))
    return tuple(_stage(name, _mapping(body), folder) for name, body in found.items())


def executed(declared: Sequence[DeclaredStage], targets: Sequence[str]) -> frozenset[str]:
    """Return the names of the stages that a run executes: the targets and all they stand on."""
    if not targets:
        return frozenset(stage.name for stage in declared)
    outs = sum(len(stage.outs) for stage in declared)
    if outs * sum(len(stage.deps) for stage in declared) > MOST_MEETINGS:
        return frozenset(stage.name for stage in declared)
    wanted = {base_name(target) for target in targets}
    waiting = [stage for stage in declared if stage.name in wanted]
    while waiting:
        stage = waiting.pop()
        if stage.frozen:  # DVC does not look beyond it
            continue
        for other in declared:
            if other.name not in wanted and any(
                out.meets(dep) for out in other.outs for dep in stage.deps
            ):
                wanted.add(other.name)
                waiting.append(other)
    return frozenset(wanted)


def base_name(name: str) -> str:
    """Return the declared name of a stage of dvc.lock or of a target (``dvc.yaml:each@a``)."""
    return name.partition("@")[0].rpartition(":")[2]


def words(command: str, folder: str) -> frozenset[str]:
    """Return what could be paths in a command, relative to the project folder."""
    found = (word for word in _WORDS.split(command) if word and not word.startswith("-"))
    return frozenset(join(folder, word) for word in found)


def join(folder: str, path: str) -> str:
    """Put a declared path below a folder, without ``.`` and, where possible, ``..``."""
    return posixpath.normpath(posixpath.join(folder, path))


def _stage(name: str, body: Mapping[str, Json], folder: str) -> DeclaredStage:
    inner = _mapping(body.get("do")) or body
    wdir_text = inner.get("wdir")
    wdir = join(folder, wdir_text) if isinstance(wdir_text, str) else folder
    wdir = "" if wdir == "." else wdir
    commands = [text for text in _list(inner.get("cmd")) if isinstance(text, str)]
    return DeclaredStage(
        name=name,
        wdir=wdir,
        deps=_patterns(inner.get("deps"), wdir),
        outs=tuple(pattern for key in _OUT_SECTIONS for pattern in _patterns(inner.get(key), wdir)),
        words=frozenset().union(*(words(text, wdir) for text in commands)),
        frozen=inner.get("frozen") is True,
    )


def _patterns(section: Json, wdir: str) -> tuple[Pattern, ...]:
    names: list[str] = []
    for entry in _list(section):
        if isinstance(entry, str):
            names.append(entry)
        else:
            names.extend(_mapping(entry))
    return tuple(Pattern.of(join(wdir, name)) for name in names if "://" not in name)


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Json) -> Sequence[Json]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        return () if value is None else (value,)
    return value


def with_parents(path: str) -> list[str]:
    """Return a path and the folders that lead to it, the innermost first."""
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(len(parts), 0, -1)]
