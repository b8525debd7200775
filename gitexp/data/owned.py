"""Whose DVC settings count: the user's own, and those of the branch that his upstream protects.

``.dvc/config`` of a work tree is that of the branch, so of whoever wrote it: it could send data,
and the password of ``config.local``, to an address of his, and name any folder as the cache.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gitexp.data import settings
from gitexp.errors import ForeignRemoteError, UnsafeInputError
from gitexp.git import command
from gitexp.git.upstream import own

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    Items = dict[tuple[str, str], str]

_CACHE: Final = frozenset({"cache"})
_PLACES: Final = frozenset({"cache", "core", "index", "state"})  # and every remote
_KEYS: Final = {"core": ("remote", "site_cache_dir"), "cache": ("dir", "local", "shared")}
_SHOWN: Final = 5
_CONVERSIONS: Final = ("filter", "ident", "working-tree-encoding")
# A line that DVC's reader takes as ours does; not a text over several lines, or with %(x)s in it.
_PLAIN: Final = re.compile(
    r"\s*(\#.*)?|\s*\[[^][\#]*\]\s*(\#.*)?|\s*[\w.-]+\s*=(?!.*(\'\'\'|\"\"\"|%\()).*", re.ASCII
)


def refuse_foreign(dvc_dir: Path, environ: Mapping[str, str], *, cache_alone: bool = False) -> None:
    """Refuse settings that only the checked-out branch gives, where they say where data go.

    What a person has changed in the work tree, or in commits that he made here, is his own; so is
    what config.local, his global or the system's settings say.

    Parameters
    ----------
    dvc_dir : Path
        From `settings.find_dvc_dir`.
    environ : Mapping
    cache_alone : bool
        Whether nobody but the cache is going to be used.

    Raises
    ------
    ForeignRemoteError
        Says what differs.
    UnsafeInputError
        If a link stands in place of the settings, or Git tracks what is for one's own.
    """
    _check_files(dvc_dir)
    folder, sections = dvc_dir.parent, _CACHE if cache_alone else _PLACES
    here = settings.content(dvc_dir / "config")
    head = _committed(folder, _before_mine(folder))
    now = _items(here, sections)
    theirs = now
    if here != head and not _converted(folder):
        theirs = dict(now.items() & _items(head, sections).items())
    local = _items(settings.content(dvc_dir / "config.local"), sections)  # goes before all others
    mine: Items = {}
    for file in settings.outside(environ):
        mine |= _items(settings.content(file), sections)
    theirs = {
        key: value for key, value in theirs.items() if key not in local and mine.get(key) != value
    }
    odd = head and not all(_PLAIN.fullmatch(line) for line in head.splitlines())
    if not theirs and not odd:
        return
    known = list(_protected(folder))
    if not known and not command.run(folder, ["for-each-ref", "--count=1", "refs/remotes"]):
        return  # nothing here came from anybody else
    least = theirs
    for commit in known:
        text = _committed(folder, commit)
        if text in {head, here}:
            return
        wanted = _items(text, sections)
        differs = {key: value for key, value in theirs.items() if wanted.get(key) != value}
        inside = {section for section, _ in theirs}
        gone = wanted.keys() - now.keys() - local.keys() - mine.keys()
        differs |= {key: "" for key in gone if key[0] in inside}
        if not differs and not odd:
            return
        least = min(least, differs, key=len)
    raise _refusal(dvc_dir, least or {("file", "config"): "nothing that is read alike by all"})


def _check_files(dvc_dir: Path) -> None:
    if dvc_dir.is_symlink() or (dvc_dir / "config").is_symlink():
        raise UnsafeInputError(
            "DVC's settings are a link, so nobody can tell whose they are",
            where=str(dvc_dir if dvc_dir.is_symlink() else dvc_dir / "config"),
            expected="a folder .dvc with a file config",
        )
    private = ("config.local", "cache", "tmp")
    asked = [f".dvc/{name}" for name in private if (dvc_dir / name).exists()]
    out = command.attempt(dvc_dir.parent, ["ls-files", "-z", "--", *asked])[1] if asked else b""
    if out:
        raise UnsafeInputError(
            "Git tracks what is for your own settings and data alone",
            found=ascii(out.split(b"\0")[0].decode("utf-8", "replace"))[1:-1],
            where=str(dvc_dir),
            next_step="git switch main; or git rm -r --cached, if the branch is yours",
        )


def _protected(folder: Path) -> Iterator[str]:
    """Yield what the protected branch of the user's upstream is, and was where HEAD left it."""
    names = ["main", "master"]
    code, out, _ = command.attempt(folder, ["symbolic-ref", "--quiet", "refs/remotes/origin/HEAD"])
    if code == 0:
        target = out.decode("utf-8", "surrogateescape").strip()
        names.append(target.removeprefix("refs/remotes/origin/"))
    for _, commit, _ in own(folder, names):
        yield commit
        code, out, _ = command.attempt(folder, ["merge-base", "HEAD", commit])
        if code == 0:
            yield out.decode("ascii").split("\n")[0]


def _before_mine(folder: Path) -> str:
    """Return HEAD, or the commit before the last changes of the settings that were made here.

    Git notes a commit that is made in the reflog by that word; see `ops.run.trust`.
    """
    walk = ["log", "--walk-reflogs", "--all", "--format=%H %gs", "--"]
    lines = command.attempt(folder, walk)[1].splitlines()
    mine = {line[:40] for line in lines if line[40:47] == b" commit"}
    revision = "HEAD"
    for _ in range(_SHOWN):
        last = ["log", "-1", "--format=%H", revision, "--", "./.dvc/config"]
        commit = command.attempt(folder, last)[1].strip()
        if not commit or commit not in mine:
            break
        revision = f"{commit.decode('ascii')}^"
    return revision


def _committed(folder: Path, revision: str) -> str:
    out = command.attempt(folder, ["cat-file", "blob", f"{revision}:./.dvc/config"])[1]
    return settings.decoded(out)


def _converted(folder: Path) -> bool:
    """Whether Git writes another text than it holds: then the change is nobody's own."""
    question = ["check-attr", "-z", *_CONVERSIONS, "--", "./.dvc/config"]
    values = command.attempt(folder, question)[1].split(b"\0")[2::3]
    return not {*values} <= {b"unspecified", b"unset"}


def _items(text: str, sections: frozenset[str]) -> Items:
    return {
        (section, key): value
        for section, values in settings.parse(text).items()
        if section in sections or (sections is _PLACES and section.startswith("remote "))
        for key, value in values.items()
        if section not in _KEYS or key in _KEYS[section]
    }


def _refusal(dvc_dir: Path, differs: Items) -> ForeignRemoteError:
    shown = [f"{section}: {key} = {value or '(taken out)'}" for (section, key), value in
             sorted(differs.items(), key=lambda item: item[0][1] != "url")]  # fmt: skip
    more = len(shown) - _SHOWN
    text = "; ".join(shown[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
    ((section, _), *_) = differs
    step = "look at it, then the same with --trust"
    if section == "cache":
        step = "dvc cache dir --local DIR, with the folder that you want"
    return ForeignRemoteError(
        "this branch says where data go, and no branch that your upstream protects says so",
        found=ascii(text)[1:-1],
        where=str(dvc_dir / "config"),
        expected="settings of your own (dvc config --local, --global), or those of main",
        next_step=step,
    )
