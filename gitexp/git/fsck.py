"""Git's own rules for the entries of a tree: what `git fsck` says of one, said of its bytes.

libgit2 reads what Git refuses: a folder ``.git``, a name twice, ``..``. Who writes files by such a
tree, or judges it, does something else than Git would; so every tree is asked here first.
"""

from __future__ import annotations

import re
import stat
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from gitexp.errors import RefusedTreeError, UnsafeInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.ids import TreeId

# Git reads and writes such trees as any other, and old histories are full of them: the folders of a
# commit may have these, and are read. `git fsck --strict` names the first; a server's does as well.
HARMLESS: Final = frozenset(
    {"zeroPaddedFilemode", "gitattributesSymlink", "gitignoreSymlink", "mailmapSymlink"}
)

_ENTRY: Final = {
    size: re.compile(rb"([0-7]+) ([^\0]+)\0(.{%d})" % size, re.DOTALL) for size in (20, 32)
}
_MODES: Final = frozenset({0o100644, 0o100755, 0o120000, 0o040000, 0o160000})
_FOLDER: Final = b"40000"
_AS_WRITTEN: Final = {b"%o" % mode: mode for mode in _MODES}
# An entry in which no rule can find anything; names that every second folder has are among them.
_USUAL: Final = {
    size: re.compile(
        rb"((?:100644|100755|40000|160000)(?= (?!\.)| \.(?!\.?\0|(?i:mailmap|git))"
        rb"| \.git(?:exp|ignore|attributes|modules|hub|keep)\0)|120000(?= [^.]))"
        rb" ([^\0\x80-\xff~\\/:]{1,4096})\0(.{%d})" % size,
        re.DOTALL,
    )
    for size in (20, 32)
}
_LONGEST_MODE: Final = 6  # digits; Git reads the last 16 bits of more, libgit2 refuses them
_LONGEST_NAME: Final = 4096
MOST_ENTRIES: Final = 500_000  # of all folders: ten that hold each other ten times make 10^10
COMMIT_LIMIT: Final = 1 << 20  # bytes of a commit, with its message
TREE_LIMIT: Final = 32 << 20  # bytes of one folder: of as many entries with usual names
TAG_LIMIT: Final = 1 << 16  # bytes of an annotated tag: all of them are opened to list branches
MOST_RECORDS: Final = 10_000  # of one folder of ours
# All that any of the rules for names can be about, in one search over all names of a folder.
_ODD: Final = re.compile(
    rb"[^\0-\x7f]|[~\\/:]|\.git|\.mailmap|^\.{1,2}$", re.IGNORECASE | re.MULTILINE
)
# What HFS+ leaves out of names, as Git lists it.
_IGNORED: Final = dict.fromkeys(
    (*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF)
)
_SPECIAL: Final = {
    "gitmodulesSymlink": ("gitmodules", "gi7eba"),
    "gitattributesSymlink": ("gitattributes", "gi7d29"),
    "gitignoreSymlink": ("gitignore", "gi250a"),
    "mailmapSymlink": ("mailmap", "maba30"),
}
_NTFS_DOTGIT: Final = re.compile(rb"(?:\.git|git~1)[. ]*(?:[\\/:]|\Z)", re.IGNORECASE)
_HFS_DOTGIT: Final = re.compile(r"\.git(?:[\0/]|\Z)", re.IGNORECASE | re.ASCII)


class SoundTree(NamedTuple):
    """A tree that Git would not refuse."""

    id: TreeId
    entries: dict[bytes, tuple[int, str]]  # of each name the mode, as Git writes it today, and id


def read(tree: TreeId, data: bytes) -> SoundTree:
    """Return what the bytes of a tree say, if it may be written and judged."""
    size = len(tree) // 2
    usual = _usual(data, size)
    if usual is not None:
        return SoundTree(tree, {name: (_AS_WRITTEN[mode], id_.hex()) for mode, name, id_ in usual})
    wrong = refused(data, size)
    if wrong:
        raise RefusedTreeError(
            "a folder in Git is one that Git itself refuses",
            found=", ".join(wrong),
            where=f"tree {tree}",
            expected="one that git fsck --strict has nothing to say of",
            next_step="ask whoever made the commit; git fsck says more",
        )
    found = _entries(data, size)[0]
    return SoundTree(tree, {name: (canonical_mode(int(m, 8)), id_.hex()) for m, name, id_ in found})


def bound(count: int, tree: str, depth: int = 0) -> None:
    """Refuse a tree of more entries, or of a longer path in bytes, than any project has."""
    if count > MOST_ENTRIES or depth > _LONGEST_NAME:
        raise UnsafeInputError(
            "a tree is larger or deeper than any project",
            found=f"{count} entries, {depth} bytes of a path",
            where=tree,
            expected=f"at most {MOST_ENTRIES} entries, {_LONGEST_NAME} bytes",
        )


def refuse_more(count: int, most: int, what: str, where: str) -> None:
    """Refuse what has more of something than any project: all of it would be read."""
    if count > most:
        raise UnsafeInputError(
            f"more {what} than any project has",
            found=f"{count} {what}",
            where=where,
            expected=f"at most {most}",
            next_step="ask whoever made it, or delete the branch",
        )


def canonical_mode(mode: int) -> int:
    """Return a mode as Git writes it today: old repositories have 0o100664."""
    if not stat.S_ISREG(mode):
        return mode
    return 0o100755 if mode & 0o100 else 0o100644


def problems(data: bytes, hash_bytes: int = 20) -> frozenset[str]:
    r"""Return what ``git fsck --strict`` finds in the bytes of a tree, by Git's own names for it.

    >>> problems(b"100644 a\0" + bytes(range(20)))
    frozenset()
    >>> problems(b"40000 .GIT \0" + bytes(range(20)))
    frozenset({'hasDotgit'})
    """
    return (
        frozenset(_problems(data, hash_bytes)) if _usual(data, hash_bytes) is None else frozenset()
    )


def refused(data: bytes, hash_bytes: int = 20) -> tuple[str, ...]:
    """Return for what a tree is neither written nor judged; empty for a sound one.

    That is all that ``git fsck --strict`` takes for an error but what is `HARMLESS`, and modes that
    are not a regular file's: one reader takes them for a folder, another for a submodule.
    """
    found = problems(data, hash_bytes) - HARMLESS
    if "badFilemode" in found:
        modes = (int(digits, 8) for digits, _, _ in _entries(data, hash_bytes)[0])
        if all(mode in _MODES or stat.S_ISREG(mode) for mode in modes):
            found -= {"badFilemode"}
    return tuple(sorted(found))


def refused_name(name: bytes) -> tuple[str, ...]:
    """Return for what one name of a path is not written; empty for a sound one."""
    found = set(_of_name(name, link=False)) - HARMLESS
    return tuple(sorted(found if name else {"emptyName"}))


_Entry = tuple[bytes, bytes, bytes]  # mode as it is written, name, id


def _usual(data: bytes, hash_bytes: int) -> list[_Entry] | None:
    """Return the entries of a tree that is seen at a glance to be sound, as nearly all are."""
    found = _USUAL[hash_bytes].findall(data)
    if sum(map(len, map(b"".join, found))) + 2 * len(found) != len(data):
        return None
    if len(found) > 1:
        ordered = [name + (b"/" if mode == _FOLDER else b"\0") for mode, name, _ in found]
        if ordered != sorted(ordered) or len({name for _, name, _ in found}) < len(found):
            return None
    return None if bytes(hash_bytes) in data else found


def _problems(data: bytes, hash_bytes: int) -> set[str]:
    entries, whole = _entries(data, hash_bytes)
    found = set() if whole else {"badTree"}
    null = bytes(hash_bytes)
    for digits, name, id_ in entries:
        mode = int(digits, 8)
        if digits.startswith(b"0"):
            found.add("zeroPaddedFilemode")
        if mode not in _MODES:
            found.add("badFilemode")
        if id_ == null:
            found.add("nullSha1")
        if len(name) > _LONGEST_NAME:
            found.add("largePathname")
    names = [name for _, name, _ in entries]
    if len(set(names)) != len(names):
        found.add("duplicateEntries")
    if not all(map(_is_ordered, entries, entries[1:])):
        found.add("treeNotSorted")
    if _ODD.search(b"\n".join(names)):
        for digits, name, _ in entries:
            found.update(_of_name(name, link=stat.S_ISLNK(int(digits, 8))))
    return found


def _entries(data: bytes, hash_bytes: int) -> tuple[list[_Entry], bool]:
    """Return the entries as far as they can be read, and whether that is all."""
    pattern = _ENTRY[hash_bytes]
    found: list[_Entry] = []
    at = 0
    while (match := pattern.match(data, at)) and len(match[1].lstrip(b"0")) <= _LONGEST_MODE:
        found.append((match[1], match[2], match[3]))
        at = match.end()
    return found, at == len(data)


def _is_ordered(one: _Entry, other: _Entry) -> bool:
    """Whether two neighbours stand as Git sorts them: a folder as if it ended in a slash."""
    if one[1] == other[1]:
        return True
    size = min(len(one[1]), len(other[1]))
    before, after = (
        name[: size + 1]
        if len(name) > size
        else name + (b"/" if stat.S_ISDIR(int(digits, 8)) else b"\0")
        for digits, name, _ in (one, other)
    )
    return before < after


def _of_name(name: bytes, *, link: bool) -> Iterator[str]:
    if b"/" in name:
        yield "fullPathname"
    if name == b".":
        yield "hasDot"
    if name == b"..":
        yield "hasDotdot"
    plain = _hfs(name)
    # On NTFS a backslash parts folders, whatever the system is that wrote it.
    parts = [name[at:] for at in (0, *(m.end() for m in re.finditer(rb"\\", name)))]
    if _HFS_DOTGIT.match(plain) or any(_NTFS_DOTGIT.match(part) for part in parts):
        yield "hasDotgit"
    for said, (hfs, ntfs) in _forms().items() if link else ():
        places = parts if said == "gitmodulesSymlink" else parts[:1]
        if hfs.match(plain) or any(ntfs.match(part) for part in places):
            yield said


def _hfs(name: bytes) -> str:
    """Return a name as HFS+ compares it; it ends for Git where it is no UTF-8."""
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError as error:
        text = name[: error.start].decode("utf-8") + "\0"
    return text.translate(_IGNORED).replace("\ufffe", "\0").replace("\uffff", "\0")


def _ntfs(name: str, short: str) -> re.Pattern[bytes]:
    """Return how NTFS may call a file: itself, its first short names, and the hashed ones."""
    hashed = "|".join(f"{short[:size]}~[1-9][0-9]{{{6 - size}}}" for size in range(7))
    return re.compile(
        rf"(?:\.{name}|{name[:6]}~[1-4]|{hashed})[. ]*(?::|\Z)".encode("ascii"), re.IGNORECASE
    )


@cache  # few trees have a name that these are about
def _forms() -> dict[str, tuple[re.Pattern[str], re.Pattern[bytes]]]:
    return {
        said: (re.compile(rf"\.{name}(?:[\0/]|\Z)", re.IGNORECASE | re.ASCII), _ntfs(name, short))
        for said, (name, short) in _SPECIAL.items()
    }
