"""What each word of the output means, in three lines; ``gitexp help WORD`` and docs/glossary.md."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from importlib import resources

from gitexp.cli.commands import COMMANDS
from gitexp.errors import UsageError

_FILE = "glossary.txt"
_SHOWN = 60  # characters of an unknown word


@dataclass(frozen=True, slots=True)
class Term:
    """A word with its explanation.

    Attributes
    ----------
    words : tuple of str
        The name that is used, then what else it is called.
    lines : tuple of str
        Three: what it is, what it means for a reader, where its limits are.
    chapter : str
    basic : bool
        One of the few that README and default output get by with.
    """

    words: tuple[str, ...]
    lines: tuple[str, ...]
    chapter: str
    basic: bool


def terms() -> tuple[Term, ...]:
    """Read all terms, in their order."""
    text = resources.files("gitexp.cli").joinpath(_FILE).read_text("utf-8")
    found: list[Term] = []
    chapter = ""
    for block in text.strip().split("\n\n"):
        head, *lines = block.split("\n")
        if not lines:
            chapter = head.removeprefix("# ")
            continue
        words = tuple(word.strip() for word in head.removeprefix("*").split(";"))
        found.append(Term(words, tuple(lines), chapter, head.startswith("*")))
    return tuple(found)


def find(word: str) -> Term | None:
    """Return the term of that word, however it is written; None if there is none."""
    wanted = _plain(word)
    return next((term for term in terms() if wanted in map(_plain, term.words)), None)


def help_of(word: str) -> str:
    """Return what ``gitexp help WORD`` prints.

    Raises
    ------
    UsageError
        If it is neither a command nor a word of the glossary.
    """
    term = find(word)
    if term is None:
        meant = _near(word)
        raise UsageError(
            "there is no such command or word",
            found=word if len(word) <= _SHOWN else f"{word[:_SHOWN]}...",
            expected=" or ".join(meant),
            next_step=f'gitexp help "{meant[0]}"' if meant else "gitexp --help",
        )
    return "\n".join([", ".join(term.words), *(f"  {line}" for line in term.lines)])


def _near(word: str) -> list[str]:
    """Return commands and words that an unknown one may have meant."""
    known = {_plain(each): each for term in terms() for each in term.words}
    known |= {_plain(command.name): command.name for command in COMMANDS if not command.hidden}
    return [known[key] for key in difflib.get_close_matches(_plain(word[:_SHOWN]), known, n=2)]


def _plain(word: str) -> str:
    """Return a word without what people write it with or without."""
    return "".join(char for char in word.casefold() if char.isalnum())
