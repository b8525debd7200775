"""What lies between a blob and its file in a work tree, without starting a foreign program.

Line endings and ``$Id$`` are converted by libgit2. Filters (LFS among them) and encodings are
git's to convert, when a person calls git; `unfilled` says where only LFS pointers are.
"""

from __future__ import annotations

import enum
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import pygit2
from pygit2.enums import ObjectType

from gitexp.git import command
from gitexp.git.objects import MODE_EXECUTABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitexp.git.repository import Repo


class Conversion(enum.Enum):
    """What lies between a blob and the file in a work tree."""

    NONE = "none"
    BUILT_IN = "built in"  # line endings, $Id$: libgit2 does it
    FOREIGN = "foreign"  # a program of the user's, or an encoding: left to git


_FOREIGN: Final = ("filter", "working-tree-encoding")
_BUILT_IN: Final = ("text", "eol", "crlf", "ident")


def conversions(repo: Repo, top: Path, paths: Sequence[str]) -> dict[str, Conversion]:
    """Return what lies between a blob and its file, path by path, as .gitattributes says."""
    names = (*_FOREIGN, *_BUILT_IN)
    asked = ["check-attr", "-z", "--stdin", *names]
    out = command.run(top, asked, data=command.joined(paths))
    fields = out.decode("utf-8", "surrogateescape").split("\0")  # a value may be empty
    common = Conversion.NONE
    if repo.settings.get("core.autocrlf", "false").lower() not in {"false", "no", "off", "0"}:
        common = Conversion.BUILT_IN
    found = dict.fromkeys(paths, common)
    for path, name, value in zip(fields[0::3], fields[1::3], fields[2::3], strict=False):
        if value in {"unspecified", "unset"}:
            continue
        if name in _FOREIGN:
            found[path] = Conversion.FOREIGN
        elif found[path] is Conversion.NONE:
            found[path] = Conversion.BUILT_IN
    return found


def holds(repo: Repo, path: str, version: tuple[int, str], conversion: Conversion) -> bool:
    """Return whether the work tree's file is this version, line endings converted as Git does."""
    mode, id_ = version
    full = Path(repo.git.workdir) / path
    status = full.lstat()
    if not stat.S_ISREG(status.st_mode):
        return False
    if repo.setting_is_true("core.filemode") and (mode == MODE_EXECUTABLE) != bool(
        status.st_mode & stat.S_IXUSR
    ):
        return False
    if str(pygit2.hashfile(str(full))) == id_:
        return True
    return (
        conversion is Conversion.BUILT_IN
        and str(repo.git.hashfile(str(full), ObjectType.BLOB, path)) == id_
    )


def write(repo: Repo, file: BinaryIO, id_: str, path: str, conversion: Conversion) -> None:
    """Write a blob as git checks it out, and wait for no disk: the commit holds it."""
    blob = repo.load(id_, pygit2.Blob)
    if conversion is Conversion.NONE:
        file.write(blob.data)
    else:
        with pygit2.BlobIO(blob, as_path=path) as converted:
            shutil.copyfileobj(converted, file)


# https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md: a pointer is less than 1,024 bytes
# long and begins with its version, in one of three spellings.
_LIMIT_BYTES: Final = 1024
_VERSIONS: Final = (
    b"version https://git-lfs.github.com/spec/",
    b"version http://git-media.io/v/",
    b"version https://hawser.github.com/spec/",
)


def unfilled(top: Path) -> tuple[str, ...]:
    """Return tracked files that are pointers still, as LFS is not there: git is silent."""
    asked = ["ls-files", "-z", "--", ":(attr:filter=lfs)"]
    out = command.run(top, asked, env={"GIT_LITERAL_PATHSPECS": "0"})
    return tuple(sorted(name for name in command.records(out) if _is_pointer(top / name)))


def _is_pointer(path: Path) -> bool:
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size >= _LIMIT_BYTES:
            return False
        return path.read_bytes().startswith(_VERSIONS)
    except OSError:  # left out of this work tree
        return False
