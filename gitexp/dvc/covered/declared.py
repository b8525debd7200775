"""Declared mode of inputs: the files of a state that something declares, and no others.

Where it is not exact it errs to the side that counts more; see docs/decisions/0048.
"""

from __future__ import annotations

import contextlib
import posixpath
import re
from typing import TYPE_CHECKING, Final

from gitexp.dvc.dvcpipeline import Pattern
from gitexp.dvc.state import Patterns, ProjectState, join, words
from gitexp.errors import GitexpError
from gitexp.git.objects import MODE_COMMIT, MODE_LINK
from gitexp.model import dataclass
from gitexp.model.ids import BlobId
from gitexp.text.foreign import MAX_PATH, with_parents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Self

    from gitexp.git.objects import Entry

UNDECLARED: Final = "nothing declares it"
# What Python and its tools read unasked, and what keeps an empty folder.
_UNASKED: Final = re.compile(
    r"pyproject\.toml|setup\.(?:cfg|py)|(?:site|user)customize\.py|.+\.pth|\.python-version|\.env"
    r"|\.(?:git)?keep"
)
_LINKS: Final = 5  # behind each other
_OPEN: Final = re.compile(r"[*?\[{$]")


@dataclass(frozen=True, slots=True)
class DeclaredFiles:
    """Which files of a state count in declared mode."""

    named: frozenset[str]  # as they are, so that no kind of them is left out
    kept: frozenset[str]  # and those that count unless their kind is left out

    @classmethod
    def of(
        cls,
        state: ProjectState,
        names: Callable[[str], bool],
        serves: Callable[[str], bool | None],
    ) -> Self:
        """Look at each file; `names`: whether one is named as it is.

        `serves`: whether a tool that a command calls looks for it.
        """
        config, wdirs = state.config, {stage.wdir for stage in state.stages}
        commands = words(config.command or "", "").union(*(s.words for s in state.stages))
        holes = (each for each in map(Pattern.of, commands) if not each.literal)
        templates = Patterns.of(each for each in holes if each.says_something)
        said = {*config.params, *(each.rpartition(":")[0] or each for each in config.targets)}
        said |= {*commands, *(each for word in commands for each in _meant(word, wdirs))}
        said.update(dep.text for stage in state.stages for dep in stage.deps)
        whole = any(not word.strip("./") for word in said)  # the project's folder
        inside = {entry.text: entry for entry in state.files()}
        named, kept = frozenset(filter(names, inside)), set[str]()
        fresh = {
            each
            for each in inside
            if whole or each in named or templates.touch(each) or serves(each)
        }
        for _ in range(_LINKS):  # what a link that counts leads to does, too
            links = (inside[each] for each in fresh if inside[each].mode == MODE_LINK)
            said |= {_target(state, each) for each in links}
            kept |= fresh
            fresh = {p for p in inside.keys() - kept if not said.isdisjoint(with_parents(p))}
        code = {folder for each in kept if each.endswith(".py") for folder in _above(each)}
        around = {"", *(folder for each in (*kept, *state.outputs) for folder in _above(each))}
        for path, entry in inside.items():
            folder, name = posixpath.split(path)
            unasked = folder in around and _UNASKED.fullmatch(name)
            if unasked or entry.mode == MODE_COMMIT or (name == "__init__.py" and folder in code):
                kept.add(path)
        return cls(named, frozenset(kept))


def _above(path: str) -> Sequence[str]:
    return (*with_parents(path)[1:], "")


def _target(state: ProjectState, link: Entry) -> str:
    """Return where a link leads; one that is too long to be one, to itself."""
    with contextlib.suppress(GitexpError):
        data = state.repo.read(BlobId(link.id), MAX_PATH, where=link.text)
        return join(posixpath.dirname(link.text), data.decode("utf-8", "surrogateescape"))
    return link.text


def _meant(word: str, wdirs: set[str]) -> Iterator[str]:
    """Yield what a word of a command may mean, as paths: modules, and folders that a shell opens.

    ``data/*.csv`` and ``data/$FOLD.csv`` are files of data/, ``*.csv`` of the stage's folder; what
    ``$FOLD`` alone is, nobody knows.
    """
    folder, name = posixpath.split(word)
    if found := _OPEN.search(word):
        above = posixpath.dirname(word[: found.start()])
        if above not in wdirs | {""} or found[0] in "*?":
            yield above or "."
    elif name.isidentifier():
        yield from (join(folder, each) for each in (f"{name}.py", f"src/{name}", f"src/{name}.py"))
