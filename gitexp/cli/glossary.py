"""What each word of the output means, in three lines; ``gitexp help WORD`` and docs/glossary.md."""

from __future__ import annotations

from importlib import resources

from gitexp import errors
from gitexp.cli.commands import COMMANDS
from gitexp.errors import GitexpError, UsageError
from gitexp.model import dataclass
from gitexp.rules import RULES
from gitexp.text.fields import near

_FILE = "glossary.txt"
_SHOWN = 60  # characters of an unknown word


@dataclass(frozen=True, slots=True)
class GlossaryEntry:
    """A word with its explanation."""

    words: tuple[str, ...]  # the name that is used, then what else it is called
    lines: tuple[str, ...]  # three: what it is, what it means for a reader, where its limits are
    chapter: str
    basic: bool = False  # one of the few that README and default output get by with


def terms() -> tuple[GlossaryEntry, ...]:
    """Read all terms, in their order."""
    text = resources.files("gitexp.cli").joinpath(_FILE).read_text("utf-8")
    found: list[GlossaryEntry] = []
    chapter = ""
    for block in text.strip().split("\n\n"):
        head, *lines = block.split("\n")
        if not lines:
            chapter = head.removeprefix("# ")
            continue
        words = tuple(word.strip() for word in head.removeprefix("*").split(";"))
        found.append(GlossaryEntry(words, tuple(lines), chapter, head.startswith("*")))
    return tuple(found)


def find(word: str) -> GlossaryEntry | None:
    """Return the term of that word, however it is written; None if there is none."""
    return next(iter(_found(word)), None)


def _found(word: str) -> list[GlossaryEntry]:
    wanted = _plain(word)
    return [term for term in _all() if wanted in map(_plain, term.words)]


def _all() -> tuple[GlossaryEntry, ...]:
    """Return the glossary's terms, then those that the program's own tables give."""
    no = (value for value in vars(errors).values() if isinstance(value, type))
    every = (each for each in no if issubclass(each, GitexpError) and each is not GitexpError)
    return (*terms(), *map(_of_rule, RULES), *map(_of_error, every))


def _of_rule(name: str) -> GlossaryEntry:
    rule = RULES[name]
    lines = (
        f"rule {name}: {rule.title}",
        f"It weighs {rule.default.value}, unless the project's settings say otherwise.",
        "docs/enforcement.md says more; gitexp check asks all rules.",
    )
    return GlossaryEntry((name,), lines, "Rules")


def _of_error(error: type[GitexpError]) -> GlossaryEntry:
    said = " ".join((error.__doc__ or "").split("\n\n", maxsplit=1)[0].split())
    helps = (
        f"What helps most often: {error.hint}." if error.hint else "Its message says what helps."
    )
    lines = (
        f"error {error.id}, exit code {error.exit_code}: {said.rstrip('.')}",
        helps,
        "docs/exit-codes.md has every error.",
    )
    return GlossaryEntry((error.id,), lines, "Errors")


def help_of(word: str) -> str:
    """Return what ``gitexp help WORD`` prints."""
    if _plain(word) == "words":
        return _words()
    found = _found(word) or _found(word.removesuffix("s"))
    if not found:
        known = {_plain(each): each for term in _all() for each in term.words}
        known |= {_plain(each.name): each.name for each in COMMANDS if not each.hidden}
        meant = [known[key] for key in near(_plain(word[:_SHOWN]), known)]
        raise UsageError(
            "there is no such command or word",
            found=word if len(word) <= _SHOWN else f"{word[:_SHOWN]}...",
            expected=" or ".join(meant),
            next_step=f'gitexp help "{meant[0]}"' if meant else "gitexp --help",
        )
    return "\n\n".join(
        "\n".join([", ".join(term.words), *(f"  {line}" for line in term.lines)]) for term in found
    )


def _words() -> str:
    """Return every word with an explanation, by its chapter."""
    found: dict[str, list[str]] = {}
    for term in _all():
        found.setdefault(term.chapter, []).append(term.words[0])
    chapters = (f"{chapter}\n  {', '.join(names)}" for chapter, names in found.items())
    return "\n\n".join((*chapters, "gitexp help WORD explains one."))


def _plain(word: str) -> str:
    """Return a word without what people write it with or without."""
    return "".join(char for char in word.casefold() if char.isalnum())
