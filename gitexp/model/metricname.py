"""What a metric is called: by its plain name, and as ``file:name`` where several files give it.

A plan may call it ``file:name`` where one file alone gives it; its runs then record it so.

Runs of earlier versions call that of the first file by its plain name, and only the others
``file:name``; whose the plain one is follows where all other files are named, else nobody knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


_ENDINGS = (".json", ".yaml", ".yml", ".toml", ".csv", ".tsv")


def by_file(name: str, file: str) -> str:
    """Return the name of a metric that several files give."""
    return f"{file}:{name}"


def plain(name: str, files: Sequence[str]) -> str:
    """Return a metric's name without its file.

    Examples
    --------
    >>> plain("eval/m.json:acc", ["eval/m.json"]), plain("curve:acc", ["eval/m.json"])
    ('acc', 'curve:acc')
    """
    return next((name[len(file) + 1 :] for file in files if name.startswith(f"{file}:")), name)


def bare(name: str) -> str:
    """Return a metric's name without its file, where the files of its state are not known.

    Examples
    --------
    >>> bare("eval/m.json:acc"), bare("curve:acc")
    ('acc', 'curve:acc')
    """
    file, _, rest = name.rpartition(":")
    return rest if file.lower().endswith(_ENDINGS) else name


def several(name: str, names: Collection[str], files: Sequence[str]) -> tuple[str, ...]:
    """Return the names under which more than one file gives a plain name; empty if only one does.

    Examples
    --------
    >>> several("acc", {"a.json:acc", "b.json:acc"}, ["a.json", "b.json"])
    ('a.json:acc', 'b.json:acc')
    >>> several("acc", {"acc", "b.json:acc"}, ["a.json", "b.json"])  # an older record
    ('a.json:acc', 'b.json:acc')
    >>> several("acc", {"acc"}, ["a.json", "b.json"])
    ()
    """
    named = [by_file(name, file) for file in files if by_file(name, file) in names]
    if name not in names:
        return tuple(named) if len(named) > 1 else ()
    if not named:
        return ()
    owner = _owner(name, names, files)
    return tuple(sorted({*named, by_file(name, owner) if owner else name}))


def recorded(asked: str, names: Collection[str], files: Sequence[str]) -> str | None:
    """Return the name under which a record has what is asked for; None where that is not sure.

    `files`: the metrics files of the state that was measured.

    Examples
    --------
    >>> recorded("a.json:acc", {"acc", "b.json:acc"}, ["a.json", "b.json"])
    'acc'
    >>> recorded("a.json:acc", {"acc"}, ["a.json"]), recorded("a.json:acc", {"acc"}, ["b.json"])
    ('acc', None)
    >>> recorded("acc", {"a.json:acc", "b.json:acc"}, ["a.json", "b.json"])
    >>> recorded("acc", {"b.json:acc"}, ["a.json", "b.json"])  # a plan called it so
    'b.json:acc'
    """
    if asked in names:
        return asked
    bare = plain(asked, files)
    if bare == asked:
        named = [name for name in names if name.endswith(f":{asked}")]
        return named[0] if len(named) == 1 and plain(named[0], files) == asked else None
    owned = bare != asked and bare in names and by_file(bare, _owner(bare, names, files)) == asked
    return bare if owned else None


def _owner(name: str, names: Collection[str], files: Sequence[str]) -> str:
    """Return the one file that a plain name can be of; "" where it may be of several."""
    left = [file for file in files if by_file(name, file) not in names]
    return left[0] if len(left) == 1 else ""
