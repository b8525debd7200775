"""Large files that Git LFS keeps elsewhere: which of them a work tree has no more than pointers to.

Only looks; to fill them is the work of the user's LFS filter while git checks out.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Final

from gitexp.git import command

if TYPE_CHECKING:
    from pathlib import Path

# https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md: a pointer is less than 1,024 bytes
# long and begins with its version, in one of three spellings.
_LIMIT_BYTES: Final = 1024
_VERSIONS: Final = (
    b"version https://git-lfs.github.com/spec/",
    b"version http://git-media.io/v/",
    b"version https://hawser.github.com/spec/",
)


def unfilled(top: Path) -> tuple[str, ...]:
    """Return the files of a work tree that LFS should have filled, and that are pointers still.

    Without LFS on the machine, or without the bytes, git checks out the pointer and says nothing.

    The result: from the top, sorted; undecodable bytes as surrogates.
    """
    out = command.run(
        top,
        ["ls-files", "-z", "--", ":(attr:filter=lfs)"],
        env={"GIT_LITERAL_PATHSPECS": "0"},
    )
    names = [name for name in out.decode("utf-8", "surrogateescape").split("\0") if name]
    return tuple(sorted(name for name in names if _is_pointer(top / name)))


def _is_pointer(path: Path) -> bool:
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size >= _LIMIT_BYTES:
            return False
        return path.read_bytes().startswith(_VERSIONS)
    except OSError:  # left out of this work tree
        return False
