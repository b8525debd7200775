"""What ``.dvcignore`` files hide inside a data folder; reads them once, writes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.errors import BadFormatError
from gitexp.text import ignore

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.dvc.hashing import Ignored

NAME = ".dvcignore"
LIMIT_BYTES = 1 << 20


def load(folder: Path) -> Ignored | None:
    """Return what decides about a path below `folder`; None where nothing is hidden.

    The files above `folder` count, up to the top of the DVC repository; DVC allows none inside
    data. Patterns of a nearer file come later, so that they win.

    Raises `BadFormatError` if such a file is not text, or too large.
    """
    above: list[Path] = []
    for place in folder.absolute().parents:
        above.append(place)
        if (place / ".dvc").is_dir() or (place / ".git").exists():
            break
    top = above[-1]
    patterns: list[str] = []
    for place in reversed(above):
        lines = _lines(place / NAME)
        prefix = place.relative_to(top).as_posix()
        patterns += [moved(line, "" if prefix == "." else prefix) for line in lines]
    if not patterns:
        return None
    hides = ignore.compile(patterns)
    start = len(str(top).rstrip("/")) + 1

    def ignored(path: str, is_folder: bool) -> bool:  # noqa: FBT001 - the walk's callback
        return hides(path[start:] + ("/" if is_folder else ""))

    return ignored


def moved(pattern: str, folder: str) -> str:
    """Return a pattern that means at the top what `pattern` means in `folder`.

    Examples
    --------
    >>> moved("*.tmp", "data"), moved("!raw/x", "data"), moved("/a", "")
    ('/data/**/*.tmp', '!/data/raw/x', '/a')
    """
    if not folder:
        return pattern
    sign = "!" if pattern.startswith("!") else ""
    body = pattern[len(sign) :]
    anchored = "/" in body.rstrip("/")
    return f"{sign}/{folder}/{'' if anchored else '**/'}{body.lstrip('/')}"


def _lines(file: Path) -> list[str]:
    try:
        with file.open("rb") as stream:
            data = stream.read(LIMIT_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return []
    if len(data) > LIMIT_BYTES:
        raise BadFormatError("a .dvcignore is too large", where=str(file))
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise BadFormatError("a .dvcignore is not UTF-8", where=str(file)) from error
    stripped = (line.strip() for line in text.splitlines())
    return [line for line in stripped if line and not line.startswith("#")]
