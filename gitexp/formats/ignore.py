"""Patterns as in .gitignore, for ``inputs.ignore``: no foreign regular expression, no blow-up.

A pattern comes from a branch. So what stands between two stars is looked for leftmost, once, which
takes at most pattern times text steps, whatever the pattern. As in a shell, and unlike Git, ``?``
and a class stand for a character, not for a byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from gitexp.errors import BadFormatError

MAX_PATTERN = 1_000  # characters
MAX_PATTERNS = 1_000

Matcher = Callable[[str], bool]
_Token = str | tuple[bool, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class _Pattern:
    segments: tuple[Matcher | None, ...]  # None: "**", any number of folders
    negated: bool
    folders_only: bool


def compile(patterns: Iterable[str]) -> Matcher:  # noqa: A001 - read as ignore.compile
    r"""Return a function that tells whether a path is matched.

    Parameters
    ----------
    patterns : iterable of str
        Lines as in .gitignore: blank lines and comments are skipped; ``/`` at the start or in the
        middle ties a pattern to the top, ``/`` at the end to folders; ``*``, ``?``, ``[a-z]``,
        ``**``, ``\`` as usual; ``!`` takes back, but not below a folder that is matched.

    Returns
    -------
    callable
        Of a POSIX path relative to the top; a folder's path ends in ``/``.

    Raises
    ------
    BadFormatError
        If there are more than `MAX_PATTERNS`, or one has more than `MAX_PATTERN` characters.

    Examples
    --------
    >>> ignored = compile(["/docs/", "README*", "!README.keep"])
    >>> [ignored(path) for path in ("docs/a/b.md", "src/docs/a", "src/README.md", "README.keep")]
    [True, False, True, False]
    """
    rules = tuple(
        rule for rule in (_parse(line) for line in _limited(patterns)) if rule is not None
    )
    folders: dict[str, bool] = {}

    def is_matched(path: str) -> bool:
        folder = path.endswith("/")
        parts = tuple(part for part in path.split("/") if part)
        return bool(parts) and _matched(parts, rules, folders, folder=folder)

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


def _matched(
    parts: tuple[str, ...],
    rules: tuple[_Pattern, ...],
    folders: dict[str, bool],
    *,
    folder: bool,
) -> bool:
    for end in range(1, len(parts)):
        above = "/".join(parts[:end])
        if above not in folders:
            folders[above] = _last_word(parts[:end], rules, folder=True)
        if folders[above]:
            return True
    return _last_word(parts, rules, folder=folder)


def _last_word(parts: tuple[str, ...], rules: tuple[_Pattern, ...], *, folder: bool) -> bool:
    for rule in reversed(rules):
        if (folder or not rule.folders_only) and _match_segments(rule.segments, parts):
            return not rule.negated
    return False


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
    segments.extend(None if name == "**" else _segment(name) for name in names)
    if segments[-1] is None:  # "a/**": all that is below a, not a itself
        segments.append(_anything)
    return _Pattern(tuple(segments), negated, folders_only)


def _strip(line: str) -> str:
    r"""Drop blanks at the end, unless the last is escaped (``a\ ``)."""
    line = line.rstrip("\r\n")
    bare = line.rstrip(" ")
    slashes = len(bare) - len(bare.rstrip("\\"))
    return f"{bare} " if slashes % 2 and len(bare) < len(line) else bare


def _match_segments(segments: tuple[Matcher | None, ...], parts: tuple[str, ...]) -> bool:
    """Match with two pointers that remember the last star: ``**`` is the star of folders."""
    if len(segments) == 2 and segments[0] is None:  # noqa: PLR2004 - a pattern without a slash
        return segments[1] is not None and segments[1](parts[-1])
    at = seg = 0
    star, mark = -1, 0
    while at < len(parts):
        matcher = segments[seg] if seg < len(segments) else _nothing
        if matcher is None:
            star, mark, seg = seg, at, seg + 1
        elif matcher(parts[at]):
            at, seg = at + 1, seg + 1
        elif star >= 0:
            mark += 1
            at, seg = mark, star + 1
        else:
            return False
    return all(segment is None for segment in segments[seg:])


def _segment(pattern: str) -> Matcher:
    """Choose the cheapest matcher for one part of a path."""
    if not any(char in pattern for char in "*?[\\"):
        return pattern.__eq__
    stem = pattern[:-1]
    if pattern.endswith("*") and stem and not any(char in stem for char in "*?[\\"):
        return partial(_starts, stem)
    chunks: list[list[_Token]] = [[]]
    for part in _tokens(pattern):
        if part == "*":
            chunks.append([])
        else:
            chunks[-1].append(part)
    return partial(_match_chunks, tuple(tuple(chunk) for chunk in chunks))


def _starts(stem: str, name: str) -> bool:
    return name.startswith(stem)


def _anything(_name: str) -> bool:
    return True


def _nothing(_name: str) -> bool:
    return False


def _match_chunks(chunks: tuple[tuple[_Token, ...], ...], name: str) -> bool:
    """Match what stands between the stars: first and last tied, the others leftmost."""
    first, last = chunks[0], chunks[-1]
    if len(chunks) == 1:
        return len(name) == len(first) and _fit(first, name, 0)
    end = len(name) - len(last)
    if len(first) > end or not _fit(first, name, 0) or not _fit(last, name, end):
        return False
    at = len(first)
    for chunk in chunks[1:-1]:
        at = next((i for i in range(at, end - len(chunk) + 1) if _fit(chunk, name, i)), -1)
        if at < 0:
            return False
        at += len(chunk)
    return True


def _fit(chunk: tuple[_Token, ...], name: str, at: int) -> bool:
    return all(_fits(token, name[at + i]) for i, token in enumerate(chunk))


def _fits(token: _Token, char: str) -> bool:
    if isinstance(token, str):
        return token in ("?", f"\\{char}")
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
        ranges.append((low, high))
    if at >= len(pattern):  # never closed: Git matches nothing with it; we take it literally
        return "\\[", start
    return (negated, tuple(ranges)), at + 1


def _member(pattern: str, at: int) -> tuple[str, int]:
    if pattern[at] == "\\" and at + 1 < len(pattern):
        at += 1
    return pattern[at], at + 1
