"""Lines that keep outputs out of Git, written as DVC writes them."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from gitexp.data.dvcignore import moved
from gitexp.formats import ignore

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NAME = ".gitignore"
SPECIAL = frozenset("[]!*#?")


def ignore_line(name: str) -> str:
    r"""Return the line for a name in the folder of the ``.gitignore``.

    Examples
    --------
    >>> print(ignore_line("a[1]*?!# b.txt"))
    /a\[1\]\*\?\!\# b.txt
    """
    return "/" + "".join(f"\\{one}" if one in SPECIAL else one for one in name)


def ignore_lines(existing: bytes, names: Iterable[str]) -> bytes:
    r"""Return a ``.gitignore`` with a line for each name that has none; a missing newline first.

    Examples
    --------
    >>> ignore_lines(b"*.pyc", ["model", "model"])
    b'*.pyc\n/model\n'
    """
    lines = set(existing.decode("utf-8", "surrogateescape").splitlines())
    content = existing
    for name in names:
        line = ignore_line(name)
        if line in lines:
            continue
        lines.add(line)
        if content and not content.endswith(b"\n"):
            content += b"\n"
        content += line.encode("utf-8", "surrogateescape") + b"\n"
    return content


def ignore_files(existing: Mapping[str, bytes], paths: Iterable[str]) -> dict[str, bytes]:
    """Return the ``.gitignore`` files that have to change so that no path is tracked.

    Parameters
    ----------
    existing : mapping of str to bytes
        The ``.gitignore`` files that there are, by path from the repository's top.
    paths : iterable of str
        Outputs, relative to the same top.

    Returns
    -------
    dict
        Path -> new content, of the files that change. A path that a pattern anywhere above it
        ignores already needs no line, as with DVC.
    """
    patterns = [
        moved(line, posixpath.dirname(file))
        for file in sorted(existing, key=lambda one: one.count("/"))
        for line in existing[file].decode("utf-8", "surrogateescape").splitlines()
        if line.strip() and not line.startswith("#")
    ]
    ignored = ignore.compile(patterns)
    names: dict[str, list[str]] = {}
    for path in paths:
        folder, name = posixpath.split(path)
        if not (ignored(path) or ignored(f"{path}/")):
            names.setdefault(posixpath.join(folder, NAME), []).append(name)
    changed = {file: ignore_lines(existing.get(file, b""), new) for file, new in names.items()}
    return {file: new for file, new in changed.items() if new != existing.get(file, b"")}
