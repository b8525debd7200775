"""Paths, lines and patterns of what somebody else wrote.

A path that a file of a branch names is relative, POSIX and inside its place: it is checked here
before anything is written, whatever engine copies later. `str.splitlines` also ends a line at form
feeds, U+0085 and U+2028, where Git, Python and an editor go on: one line would be two.

A pattern is one of .gitignore, with no foreign regular expression and no blow-up: a name is read
once, from left to right, with all places of the pattern where it may stand as the bits of one
integer, and there is a limit to the steps that all patterns may take together. As in a shell, and
unlike Git, ``?`` and a class stand for a character, not for a byte.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable

from gitexp.errors import BadFormatError, UnsafeInputError
from gitexp.model import dataclass, field

_DRIVE = re.compile(r"[^/]:")  # whatever the letter: Windows joins nothing to what begins so
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_RESERVED = frozenset((".git", ".dvc", ".gitexp"))
MAX_PATH = 4_096  # characters, as systems have it
MAX_PARTS = 255  # of a path: each is looked up with all folders that lead to it


def relative_path(
    path: str, *, where: str, folder: str = "", up: bool = False, whole: bool = False
) -> str:
    """Return a normal path, refusing one that leaves its place.

    `path`: as a file names it: relative to `folder`. `folder`: folder below the place that `path`
    starts from, "" for the place itself. `up`: whether leaving by leading ``..`` is allowed (a
    dependency beside the project folder). `whole`: whether the place itself (``.``) is allowed.

    >>> relative_path("../raw/a.csv", where="x.dvc", folder="data/prepared")
    'data/raw/a.csv'
    """
    if not path or path.startswith("/") or _DRIVE.match(path) or "\\" in path or "\0" in path:
        raise _unsafe(path, where)
    normal = joined(path, where, folder)
    parts = normal.split("/")
    if _DRIVE.match(normal) or (normal == "." and not whole) or (not up and parts[0] == ".."):
        raise _unsafe(path, where)
    if any(part.casefold() in _RESERVED for part in parts):
        raise _unsafe(path, where)
    return normal


def joined(path: str, where: str, folder: str) -> str:
    """Return a normal path below a folder, whether it leaves that or not."""
    return posixpath.normpath(posixpath.join(folder, check_path(path, where, folder)))


def check_path(path: str, where: str, folder: str = "") -> str:
    """Return a path, refusing one that is longer, below its folder, than that of any file."""
    parts = path.count("/") + folder.count("/") + 1
    if len(path) + len(folder) <= MAX_PATH and parts <= MAX_PARTS:
        return path
    raise UnsafeInputError(
        "a path is longer than any file's",
        found=f"{len(path) + len(folder)} characters, {parts} parts: {path[:80]!a}",
        where=where,
        expected=f"at most {MAX_PATH} characters and at most {MAX_PARTS} parts",
    )


def folder_path(path: str, *, where: str, folder: str = "", up: bool = False) -> str:
    """Return a normal folder, "" for the place itself; otherwise as `relative_path`."""
    if path in ("", ".", "./"):
        return folder
    normal = relative_path(path, where=where, folder=folder, up=up, whole=True)
    return "" if normal == "." else normal


def with_parents(path: str) -> list[str]:
    """Return a path and the folders that lead to it, the innermost first."""
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(len(parts), 0, -1)]


def is_url(path: str) -> bool:
    """Tell whether a path is a URL (``s3://...``, ``remote://...``), which only DVC reads."""
    return _URL.match(path) is not None


def _unsafe(path: str, where: str) -> UnsafeInputError:
    return UnsafeInputError(
        "a path leaves its place",
        found=ascii(path[:120]),
        where=where,
        expected="a relative path with / inside the project, not in .git, .dvc or .gitexp",
    )


def lines(text: str) -> list[str]:
    r"""Return the lines of a text, which end at newlines, carriage returns, or both.

    >>> lines("a\x0cb\r\n\u2028c\n"), lines("")
    (['a\x0cb', '\u2028c'], [])
    """
    plain = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
    return plain.split("\n") if text else []


class Lines(str):
    """Text of several lines, which are meant: any other newline came with somebody's name."""

    __slots__ = ()

    @classmethod
    def of(cls, texts: Iterable[str]) -> Lines:
        r"""Return texts as a line each; a newline within one is written out.

        >>> Lines.of(["a\nb", "c"])
        'a\\x0ab\nc'
        """
        return cls("\n".join(map(one_line, texts)))


def one_line(text: str) -> str:
    """Return a text with its newlines written out."""
    return text.replace("\n", "\\x0a")


MAX_PATTERN = 1_000  # characters
MAX_PATTERNS = 1_000
MAX_STEPS = 20_000_000  # of all patterns over all paths: seconds

_STARS = re.compile(r"\*{2,}")
_SPECIAL = re.compile(r"[*?\[\\]")

Matcher = Callable[[str], bool]
_Class = tuple[bool, tuple[tuple[str, str], ...]]
_Token = str | _Class


@dataclass(frozen=True, slots=True)
class _Pattern:
    segments: tuple[Matcher | None, ...]  # None: "**", any number of folders
    negated: bool
    folders_only: bool
    weight: int  # of a step; a new letter is asked of each class


@dataclass(slots=True)
class Steps:
    """What was done for all that somebody wrote of one kind: as many times as there are paths."""

    what: str = "the patterns"
    where: str = "inputs.ignore"
    most: int = field(default_factory=lambda: MAX_STEPS)
    taken: int = 0

    def take(self, count: int, many: int) -> None:
        """Count steps for so many; `UnsafeInputError` where all are too many."""
        self.taken += count
        if self.taken > self.most:
            raise UnsafeInputError(
                f"{self.what} take too long over these paths",
                found=f"{many} of them",
                where=self.where,
                expected=f"at most {self.most} steps",
            )


def matcher(patterns: Iterable[str], steps: Steps | None = None) -> Matcher:
    r"""Return a function that tells whether a path is matched.

    `patterns`: lines as in .gitignore: blank lines and comments are skipped; ``/`` at the start or
    in the middle ties a pattern to the top, ``/`` at the end to folders; ``*``, ``?``, ``[a-z]``,
    ``**``, ``\`` as usual; ``!`` takes back, but not below a folder that is matched. The result:
    of a POSIX path relative to the top; a folder's path ends in ``/``.

    >>> ignored = matcher(["/docs/", "README*", "!README.keep"])
    >>> [ignored(path) for path in ("docs/a/b.md", "src/docs/a", "src/README.md", "README.keep")]
    [True, False, True, False]
    """
    rules = tuple(
        rule for rule in (_parse(line) for line in _limited(patterns)) if rule is not None
    )
    folders: dict[str, bool] = {}
    counted = steps or Steps()

    def word(parts: tuple[str, ...], *, folder: bool) -> bool:
        """Return the last word that is said of a path alone, not of what it lies in."""
        for rule in reversed(rules):
            if folder or not rule.folders_only:
                matched, taken = _match_segments(rule.segments, parts)
                counted.take(taken * rule.weight, len(rules))
                if matched:
                    return not rule.negated
        return False

    def is_matched(path: str) -> bool:
        folder = path.endswith("/")
        parts = tuple(part for part in path.split("/") if part)
        known = len(parts) - 1  # from here upwards nobody has asked yet
        while known > 0 and "/".join(parts[:known]) not in folders:
            known -= 1
        matched = known > 0 and folders["/".join(parts[:known])]
        for end in range(known + 1, len(parts)):
            matched = matched or word(parts[:end], folder=True)
            folders["/".join(parts[:end])] = matched
        return matched or (bool(parts) and word(parts, folder=folder))

    return is_matched


def _limited(patterns: Iterable[str]) -> tuple[str, ...]:
    listed = tuple(patterns)
    if len(listed) > MAX_PATTERNS:
        raise BadFormatError(
            "too many patterns", found=str(len(listed)), expected=f"at most {MAX_PATTERNS}"
        )
    for line in listed:
        if len(line) > MAX_PATTERN:
            raise BadFormatError(
                "a pattern is too long",
                found=f"{line[:40]}... ({len(line)} characters)",
                expected=f"at most {MAX_PATTERN} characters",
            )
    return listed


def _parse(line: str) -> _Pattern | None:
    text = _strip(line)
    if not text or text.startswith("#"):
        return None
    negated = text.startswith("!")
    text = text.removeprefix("!")
    folders_only = text.endswith("/")
    text = text.rstrip("/") if folders_only else text
    tied = "/" in text
    names = [name for name in text.split("/") if name]
    if not names:
        return None
    segments: list[Matcher | None] = [] if tied else [None]
    # As for Git, more than two stars are two.
    segments.extend(None if _STARS.fullmatch(name) else _segment(name) for name in names)
    if segments[-1] is None:  # "a/**": all that is below a, not a itself
        segments.append(lambda _: True)
    weight = 1 + text.count("[") // 8
    return _Pattern(tuple(segments), negated, folders_only, weight)


def _strip(line: str) -> str:
    r"""Drop blanks at the end, unless the last is escaped (``a\ ``)."""
    line = line.rstrip("\r\n")
    bare = line.rstrip(" ")
    slashes = len(bare) - len(bare.rstrip("\\"))
    return f"{bare} " if slashes % 2 and len(bare) < len(line) else bare


def _match_segments(
    segments: tuple[Matcher | None, ...], parts: tuple[str, ...]
) -> tuple[bool, int]:
    """Return whether it matched, and the steps; of folders ``**`` is the star."""
    if len(segments) == 2 and segments[0] is None:  # noqa: PLR2004 - a pattern without a slash
        return segments[1] is not None and segments[1](parts[-1]), len(parts[-1])
    at = seg = steps = 0
    star, mark = -1, 0
    while at < len(parts):
        steps += len(parts[at])
        fits = segments[seg] if seg < len(segments) else None
        if fits is None and seg < len(segments):
            star, mark, seg = seg, at, seg + 1
        elif fits is not None and fits(parts[at]):
            at, seg = at + 1, seg + 1
        elif star >= 0:
            mark += 1
            at, seg = mark, star + 1
        else:
            return False, steps
    return all(segment is None for segment in segments[seg:]), steps


def _segment(pattern: str) -> Matcher:
    """Choose the cheapest matcher for one part of a path."""
    if not _SPECIAL.search(pattern):
        return pattern.__eq__
    head, tail = pattern[:-1], pattern[1:]
    if pattern.endswith("*") and head and not _SPECIAL.search(head):
        return lambda name: name.startswith(head)
    if pattern.startswith("*") and tail and not _SPECIAL.search(tail):
        return lambda name: name.endswith(tail)
    return _places(_tokens(pattern))


def _places(tokens: Iterable[_Token]) -> Matcher:
    """Return a matcher that holds the places of a pattern as bits, in linear time."""
    stars = anyone = length = 0  # the places before a token, like the masks below
    masks: dict[str, int] = {}
    classes: list[tuple[int, _Class]] = []
    for each in tokens:
        if each == "*":
            stars |= 1 << length
            continue
        if each == "?":
            anyone |= 1 << length
        elif isinstance(each, str):
            masks[each[1]] = masks.get(each[1], 0) | 1 << length
        else:
            classes.append((1 << length, each))
        length += 1
    known: dict[str, int] = {}

    def is_matched(name: str) -> bool:
        """Step through the name: bit k stands for "the first k tokens are met"."""
        places = 1
        for char in name:
            if char not in known:
                fits = (bit for bit, each in classes if _fits(each, char))
                known[char] = masks.get(char, 0) | anyone | sum(fits)
            places = (places & known[char]) << 1 | places & stars
            if not places:
                return False
        return bool(places >> length & 1)

    return is_matched


def _fits(token: _Class, char: str) -> bool:
    negated, ranges = token
    return any(low <= char <= high for low, high in ranges) is not negated


def _tokens(pattern: str) -> tuple[_Token, ...]:
    r"""Split a segment: ``*`` and ``?`` as themselves, a literal as ``\x``, a class as ranges."""
    tokens: list[_Token] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "\\" and at < len(pattern):
            tokens.append(f"\\{pattern[at]}")
            at += 1
        elif char == "[":
            token, at = _class(pattern, at)
            tokens.append(token)
        elif char == "*" and tokens and tokens[-1] == "*":
            continue
        else:
            tokens.append(char if char in "*?" else f"\\{char}")
    return tuple(tokens)


def _class(pattern: str, at: int) -> tuple[_Token, int]:
    start = at
    negated = pattern[at : at + 1] in ("!", "^")
    at += negated
    ranges: list[tuple[str, str]] = []
    while at < len(pattern) and (pattern[at] != "]" or not ranges):
        low, at = _member(pattern, at)
        high = low
        if pattern[at : at + 1] == "-" and pattern[at + 1 : at + 2] not in ("", "]"):
            high, at = _member(pattern, at + 1)
        ranges.append((low, max(low, high)))  # the first matches itself, whatever follows
    if at >= len(pattern):  # never closed: Git matches nothing with it; we take it literally
        return "\\[", start
    return (negated, tuple(ranges)), at + 1


def _member(pattern: str, at: int) -> tuple[str, int]:
    if pattern[at] == "\\" and at + 1 < len(pattern):
        at += 1
    return pattern[at], at + 1
