"""DVC's configuration, read without DVC: its four levels, and whose settings count.

Only what gitexp itself needs is looked at; remotes and credentials are left to DVC. The format is
that of ConfigObj, of which DVC writes sections, ``key = value``, quotes and comments.

The user's settings count, and those of the branch that his upstream protects: ``.dvc/config`` of
a work tree is that of the branch, so of whoever wrote it. It could send data, and the password of
``config.local``, to an address of his, and name any folder as the cache. That it differs from what
is committed proves no author either: attributes, also such as are hidden or deleted since, make Git
write another text than it holds.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gitexp.dvc import hashing
from gitexp.errors import DataMissingError, ForeignRemoteError, PreconditionError, UnsafeInputError
from gitexp.git import command
from gitexp.git.upstream import USUAL, own

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Items = dict[tuple[str, str], str]

Sections = dict[str, dict[str, str]]

YES = frozenset({"true", "yes", "on", "1"})
LIMIT_BYTES = 1 << 20
PARSING: Final = "parsing"  # how a value in a command of a template is spelt


def has_dvc(folder: Path) -> bool:
    """Tell whether DVC would find a repository of its own in `folder`."""
    return _nearest(folder) is not None


def find_dvc_dir(folder: Path) -> Path:
    """Return the ``.dvc`` folder that DVC would use in `folder`."""
    found = _nearest(folder)
    if found is not None:
        return found
    # A sparse checkout may leave one out that Git knows of: `dvc init` would make a second one.
    asked = ["ls-files", "--", ".dvc/config"]
    if any(command.attempt(place, asked)[1] for place in _above(folder)):
        raise PreconditionError(
            "DVC's folder is not in this work tree",
            found=".dvc is committed, and not checked out",
            where=str(folder),
            next_step="git sparse-checkout add .dvc, or git checkout -- .dvc",
        )
    raise PreconditionError(
        "DVC is not set up here",
        found="no .dvc folder",
        where=str(folder),
        next_step="dvc init",
    )


def _nearest(folder: Path) -> Path | None:
    command.refuse_planted(folder)
    return next((place / ".dvc" for place in _above(folder) if (place / ".dvc").is_dir()), None)


def _above(folder: Path) -> Iterator[Path]:
    """Yield a folder and those above it, up to the top of the Git work tree."""
    for place in (folder, *folder.parents):
        if place.is_dir():
            yield place
        if (place / ".git").exists():
            break


def read_settings(dvc_dir: Path, environ: Mapping[str, str]) -> Sections:
    """Return section -> key -> value, the nearest wins; folders in it are absolute."""
    merged: Sections = {}
    for file in (*outside(environ), dvc_dir / "config", dvc_dir / "config.local"):
        for section, values in parse(content(file)).items():
            merged.setdefault(section, {}).update(values)
            if section == "cache" and "dir" in values:
                merged[section]["dir"] = _absolute(values["dir"], file.parent, environ)
            if section.startswith("remote ") and "://" not in values.get("url", "://"):
                merged[section]["url"] = _absolute(values["url"], file.parent, environ)
    return merged


def content(file: Path) -> str:
    """Return the text of one file; "" where it is not there."""
    try:
        return decoded(hashing.read_regular(file, LIMIT_BYTES))
    except (DataMissingError, PermissionError):
        return ""


def decoded(data: bytes) -> str:
    """Return the bytes of a file as text, whatever ends its lines."""
    return data[:LIMIT_BYTES].decode("utf-8", "replace").replace("\r\n", "\n")


def parse(text: str) -> Sections:
    r"""Return the sections of one file, names in lower case.

    Examples
    --------
    >>> parse("[cache]\n    type = reflink,copy  # why\n")
    {'cache': {'type': 'reflink,copy'}}
    """
    sections: Sections = {}
    current: dict[str, str] = {}
    for raw in text.lstrip("\ufeff").splitlines():
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            name = line.partition("#")[0].strip().strip("[]").strip()
            current = sections.setdefault(_unquoted(name).lower(), {})
            continue
        key, sign, value = line.partition("=")
        if sign:
            current[_unquoted(key.strip()).lower()] = _value(value.strip())
    return sections


def outside(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the files of the system's and of the user's own settings; a repository's go before."""
    system = environ.get("DVC_SYSTEM_CONFIG_DIR")
    if not system:
        first = environ.get("XDG_CONFIG_DIRS", "").split(os.pathsep)[0] or "/etc/xdg"
        system = f"{first}/dvc"
    mine = environ.get("DVC_GLOBAL_CONFIG_DIR")
    if not mine:
        base = environ.get("XDG_CONFIG_HOME") or f"{environ.get('HOME', '')}/.config"
        mine = f"{base}/dvc"
    return Path(system, "config"), Path(mine, "config")


def _absolute(path: str, folder: Path, environ: Mapping[str, str]) -> str:
    """Return a path as DVC reads it: from the folder of the file that names it."""
    if path == "~" or path.startswith("~/"):
        path = environ.get("HOME", "~") + path[1:]
    return os.path.normpath(folder / path)


def _value(text: str) -> str:
    if text[:1] in {"'", '"'}:
        end = text.find(text[0], 1)
        return text[1:end] if end > 0 else text
    return text.partition(" #")[0].strip()


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] and text[0] in {"'", '"'}:
        return text[1:-1]
    return text


_CACHE: Final = frozenset({"cache"})
_PLACES: Final = frozenset({"cache", "core", "index", "state"})  # and every remote
_KEYS: Final = {"core": ("remote", "site_cache_dir"), "cache": ("dir", "local", "shared")}
_SHOWN: Final = 5
_LONG: Final = 200  # of a value, where it is looked for, and
_MANY: Final = 50  # of these at once: what a commit brought, it brought as a whole
_BEGINS: Final = b"storing head"  # how `git fetch` says that it has not known a branch before
_COPIED: Final = b"gitexp data: "  # how `run` says that it named outputs, beside a copy of .dvc/
_NOWHERE: Final = "0" * 40  # a commit that has nothing
_FILES: Final = re.compile(r"(?<!pro)file|path|cert|key|dir|url|ssl|json|ticket|config")
# A line that DVC's reader takes as ours does; not a text over several lines, or with %(x)s in it.
_PLAIN: Final = re.compile(
    r"\s*(\#.*)?|\s*\[[^][\#]*\]\s*(\#.*)?|\s*[\w.-]+\s*=(?!.*(\'\'\'|\"\"\"|%\()).*", re.ASCII
)


def refuse_foreign(dvc_dir: Path, environ: Mapping[str, str], *, cache_alone: bool = False) -> None:
    """Refuse settings that only the checked-out branch gives, where they say where data go.

    What a person has changed in commits that he made here is his own; so is what config.local, his
    global or the system's settings say. The text that DVC will read has to say what those say, or
    the protected branch; so has a file of the work tree that they name, as keys and profiles.

    `cache_alone`: whether nobody but the cache is going to be used.

    Raises `ForeignRemoteError`: says what differs.
    """
    _check_files(dvc_dir)
    folder, sections = dvc_dir.parent, _CACHE if cache_alone else _PLACES
    here = content(dvc_dir / "config")
    now = _items(here, sections)
    local = _items(content(dvc_dir / "config.local"), sections)  # goes before all others
    mine: Items = {}
    for file in outside(environ):
        mine |= _items(content(file), sections)
    theirs = {
        key: value for key, value in now.items() if key not in local and mine.get(key) != value
    }
    named = _tracked(dvc_dir, mine | now | local)
    odd = not _is_plain(here)
    if not theirs and not named and not odd:
        return
    inner = command.attempt(folder, ["rev-parse", "--show-superproject-working-tree"])[1].strip()
    known = [] if inner else list(_protected(folder))  # who names a submodule names its main, too
    if not (known or inner or command.run(folder, ["for-each-ref", "--count=1", "refs/remotes"])):
        return  # nothing here came from anybody else
    head, before = _committed(folder, "HEAD"), _committed(folder, _before_mine(folder, known))
    made = _items(head, sections).items() - _items(before, sections).items()
    theirs = dict(theirs.items() - made)
    least: Items | None = None
    for commit in known or [_NOWHERE]:
        text = _committed(folder, commit)
        differs = {
            key: f"{(mine | now | local)[key]} (a file of the branch)"
            for key, paths in named.items()
            if not all(_is_of(commit, path) for path in paths)
        }
        if text != here and (here, text) != (head, before):
            wanted = _items(text, sections)
            differs |= {key: value for key, value in theirs.items() if wanted.get(key) != value}
            inside = {section for section, _ in theirs}
            gone = wanted.keys() - now.keys() - local.keys() - mine.keys()
            differs |= {key: "" for key in gone if key[0] in inside}
            if odd:
                differs |= {("file", "config"): "nothing that is read alike by all"}
        if not differs:
            return
        least = differs if least is None else min(least, differs, key=len)
    if least:
        raise _refusal(dvc_dir, least, typed=here != head)


def _check_files(dvc_dir: Path) -> None:
    if dvc_dir.is_symlink() or (dvc_dir / "config").is_symlink():
        raise UnsafeInputError(
            "DVC's settings are a link, so nobody can tell whose they are",
            where=str(dvc_dir if dvc_dir.is_symlink() else dvc_dir / "config"),
            expected="a folder .dvc with a file config",
        )
    if os.path.lexists(dvc_dir / ".git"):
        raise UnsafeInputError(
            "DVC's settings lie in another Git repository than the project",
            where=str(dvc_dir),
            expected="a folder .dvc that the project itself commits",
            next_step="git switch main; or git rm --cached .dvc, if the branch is yours",
        )
    size = (dvc_dir / "config").stat().st_size if (dvc_dir / "config").exists() else 0
    if size > LIMIT_BYTES:
        raise UnsafeInputError("DVC's settings are too large", where=str(dvc_dir / "config"))
    private = ("config.local", "cache", "tmp")
    asked = [f".dvc/{name}" for name in private if os.path.lexists(dvc_dir / name)]
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
    for _, commit, _ in own(folder, USUAL):
        yield commit
        code, out, _ = command.attempt(folder, ["merge-base", "HEAD", commit])
        if code == 0:
            yield out.decode("ascii").split("\n")[0]


def _before_mine(folder: Path, main: Sequence[str]) -> str:
    """Return HEAD, or the commit before the last changes of the settings that were made here.

    Git notes a commit that is made in the reflog by that word, see `check_trust`. A merge or a
    cherry-pick that is committed holds another's changes, and an amended commit what it was before.
    After ``git merge --squash`` the word is the same: so what another's commit changed alike that
    was here by then is his.

    `main`: commits of the protected branch.
    """
    walk = ["log", "--walk-reflogs", "--all", "--date=unix", "--format=%H%x00%gD%x00%gs", "--"]
    mine: dict[bytes, tuple[bytes, int]] = {}  # with what was before, and since when it is there
    newer: dict[bytes, tuple[bytes, int]] = {}
    copies: set[bytes] = set()
    here: list[tuple[int, bytes]] = []  # what refs led to, and since when
    oldest: dict[bytes, tuple[bytes, bytes]] = {}
    for line in command.attempt(folder, walk)[1].splitlines():
        commit, place, said = line.split(b"\0", 2)
        ref, _, at = place.rpartition(b"@{")
        time = int(at.rstrip(b"}"))
        here.append((time, commit))
        if said.startswith(_COPIED):
            copies.add(commit)
        oldest[ref] = commit, said
        if ref in newer:
            amended, since = newer.pop(ref)
            mine[amended] = commit, since
        if said.startswith((b"commit: ", b"commit (initial): ")):
            mine[commit] = commit + b"^", time
        elif said.startswith(b"commit (amend): "):
            newer[ref] = commit, time
    every = ["for-each-ref", "--format=%(objectname) %(refname)"]
    for line in command.run(folder, every).splitlines():
        commit, _, ref = line.partition(b" ")
        first, said = oldest.get(ref, (commit, b""))
        if ref not in oldest or (ref.startswith(b"refs/remotes/") and not said.endswith(_BEGINS)):
            here.append((0, first))  # from the time of the clone
    here.append((0, b"FETCH_HEAD"))
    revision = "HEAD"
    for _ in range(_SHOWN):
        last = ["log", "-1", "--format=%H", revision, "--", "./.dvc/config"]
        commit = command.attempt(folder, last)[1].strip()
        before, since = mine.get(commit, (b"", 0))
        tips = [tip for time, tip in here if time <= since]
        if not before or _others(folder, commit, before, tips, main) - copies - mine.keys():
            break
        revision = before.decode("ascii")
    return revision


def _others(
    folder: Path, commit: bytes, before: bytes, tips: Sequence[bytes], main: Sequence[str]
) -> set[bytes]:
    """Return the commits behind some tips, but not of main, that changed a setting alike."""
    new, old = (
        _items(_committed(folder, each.decode("ascii")), _PLACES) for each in (commit, before)
    )
    gone = {item for item in old.items() if item[0] not in new}
    lines = [
        f"{_pattern(key)}[\"']?[[:space:]]*=[[:space:]]*[\"']?{_pattern(value[:_LONG])}"
        for (_, key), value in [*(new.items() - old.items()), *gone][:_MANY]
    ]
    if not lines:
        return set()
    asked = ["log", "--format=%H", "-i", f"-G{'|'.join(lines)}", "--text", "--no-textconv", "-m"]
    asked += ["--full-history", "--ignore-missing", "--stdin", "--", "./.dvc/config"]
    data = b"\n".join([*dict.fromkeys(tips), *(f"^{each}".encode() for each in main), b""])
    return set(command.run(folder, asked, data=data).split())


def _pattern(text: str) -> str:
    """Return an extended regular expression for a text, which may not have been UTF-8."""
    return re.sub(r"[\0\ufffd]+", ".*", re.sub(r"[][\\.^$*+?(){}|]", r"\\\g<0>", text))


def _committed(folder: Path, revision: str, path: str = ".dvc/config") -> str:
    return decoded(_blob(folder, revision, path))


def _blob(folder: Path, revision: str, path: str) -> bytes:
    return command.attempt(folder, ["cat-file", "blob", f"{revision}:./{path}"])[1]


def _is_plain(text: str) -> bool:
    """Whether DVC reads the text as we do: it takes the last of two sections of one name."""
    lines = text.splitlines()
    sections = sum(line.lstrip().startswith("[") for line in lines)
    return sections == len(parse(text)) and all(map(_PLAIN.fullmatch, lines))


def _tracked(dvc_dir: Path, items: Items) -> dict[tuple[str, str], list[Path]]:
    """Return the keys that name what Git tracks in the work tree, by links too."""
    top = top_of(dvc_dir.parent)
    found: dict[tuple[str, str], list[Path]] = {}
    for key, value in items.items():
        if not _FILES.search(key[1]):
            continue
        for base in (dvc_dir, dvc_dir.parent):
            path = Path(os.path.normpath(base / os.path.expanduser(value)))  # noqa: PTH111 - as DVC
            if top not in path.parents or not os.path.lexists(path):
                continue
            between = [at for at in path.parents if top in at.parents]
            links = [at for at in between if at.is_symlink() or os.path.lexists(at / ".git")]
            names = [at.relative_to(top).as_posix() for at in (path, *links)]
            out = os.fsdecode(command.attempt(top, ["ls-files", "-z", "--", *names])[1])
            if out:
                found.setdefault(key, []).extend(top / name for name in out.split("\0")[:-1])
    return found


def _is_of(commit: str, path: Path) -> bool:
    """Whether a file has the bytes that a commit has for it."""
    top = top_of(path.parent)
    blob = _blob(top, commit, path.relative_to(top).as_posix())
    return path.is_file() and not path.is_symlink() and path.read_bytes() == blob


def top_of(folder: Path) -> Path:
    """Return the top of the Git work tree around a folder."""
    above = (folder, *folder.parents)
    return next((at for at in above if os.path.lexists(at / ".git")), folder)


def _items(text: str, sections: frozenset[str]) -> Items:
    return {
        (section, key): value
        for section, values in parse(text).items()
        if section in sections or (sections is _PLACES and section.startswith("remote "))
        for key, value in values.items()
        if section not in _KEYS or key in _KEYS[section]
    }


def _refusal(dvc_dir: Path, differs: Items, *, typed: bool) -> ForeignRemoteError:
    shown = [f"{section}: {key} = {value or '(taken out)'}" for (section, key), value in
             sorted(differs.items(), key=lambda item: item[0][1] != "url")]  # fmt: skip
    more = len(shown) - _SHOWN
    text = "; ".join(shown[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
    ((section, _), *_) = differs
    step = "look at it, then the same with --trust"
    if section == "cache":
        step = "dvc cache dir --local DIR, with the folder that you want"
    if typed:
        step += "; if you changed it yourself: commit it"
    return ForeignRemoteError(
        "a change that no commit holds says where data go"
        if typed
        else "this branch says where data go, and no branch that your upstream protects says so",
        found=ascii(text)[1:-1],
        where=str(dvc_dir / "config"),
        expected="settings of your own (dvc config --local, --global), or those of main",
        next_step=step,
    )
