"""DVC's configuration, read without DVC: its four levels, and whose settings count.

Only what gitexp itself needs is looked at; remotes and credentials are left to DVC. The format is
that of ConfigObj, of which DVC writes sections, ``key = value``, quotes and comments. Whose word it
is rests on what DVC's own reader takes from a text, and on that ours takes the same from it.

The user's settings count, and those of the branch that his upstream protects: ``.dvc/config`` of
a work tree is that of the branch, so of whoever wrote it. It could send data, and the password of
``config.local``, to an address of his, and name any folder as the cache. That it differs from what
is committed proves no author either: attributes, also such as are hidden or deleted since, make Git
write another text than it holds.
"""

from __future__ import annotations

import contextlib
import os
import re
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gitexp.dvc import hashing
from gitexp.errors import DataMissingError, ForeignRemoteError, PreconditionError, UnsafeInputError
from gitexp.git import command
from gitexp.git.discovery import discover, user_key
from gitexp.git.transaction.layout import state
from gitexp.git.upstream import USUAL, own
from gitexp.system.secrets import MASK, is_secret_name
from gitexp.text.dvcini import as_dvc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

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
        "DVC is not set up here", found="no .dvc folder", where=str(folder), next_step="dvc init"
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
_SHOWN: Final = 20
_LINK: Final = "a link"  # in place of a file
_NOWHERE: Final = "0" * 40  # a commit that has nothing
_FILES: Final = re.compile(r"(?<!pro)file|path|cert|key|dir|url|ssl|json|ticket|config")


def refuse_foreign(dvc_dir: Path, environ: Mapping[str, str], *, cache_alone: bool = False) -> None:
    """Refuse settings that only the checked-out branch gives, where they say where data go.

    The user's own are config.local's, his global and the system's settings, and those that he said
    yes to (`agree`). The text that DVC will read has to say what these say, or the protected
    branch of his upstream; so has a file of the work tree that they name, as keys and profiles.
    That a commit was made here proves nothing: `git merge --squash` makes one of a stranger's.

    `cache_alone`: whether nobody but the cache is going to be used.

    Raises `ForeignRemoteError`: says what differs.
    """
    differs = _unsaid(dvc_dir, environ, _CACHE if cache_alone else _PLACES)
    if differs:
        raise _refusal(dvc_dir, differs)


def agree(dvc_dir: Path, environ: Mapping[str, str]) -> None:
    """Keep the user's yes to what would be refused, as it is now, if all of it was shown.

    No branch writes in the Git directory, and nobody else has the key that names an answer.
    """
    differs = _unsaid(dvc_dir, environ, _PLACES)
    if not differs or sum(map(len, differs.values())) > _SHOWN:
        return
    answer = _answers(dvc_dir)
    for part in differs.items():
        if file := answer(*part):
            with contextlib.suppress(OSError):  # it is asked again
                file.parent.mkdir(parents=True, exist_ok=True)
                file.touch()


def _answers(dvc_dir: Path) -> Callable[[str, Mapping[str, str]], Path | None]:
    """Return what gives the file that stands for a yes; None where none can be kept."""
    common_dir = discover(dvc_dir.parent).common_dir
    user = user_key(common_dir)
    place = str(dvc_dir.relative_to(top_of(dvc_dir.parent)))  # an address may be relative to it

    def answer(section: str, values: Mapping[str, str]) -> Path | None:
        if user is None or _LINK in values.values():
            return None
        data = repr((place, section, sorted(values.items()))).encode("utf-8", "surrogateescape")
        return state(common_dir, "agreed", blake2b(data, key=user, digest_size=20).hexdigest())

    return answer


def _unsaid(dvc_dir: Path, environ: Mapping[str, str], wanted: frozenset[str]) -> Sections:
    """Return what only the branch says: all of a section that it changes, and contents of files."""
    _check_files(dvc_dir)
    folder = dvc_dir.parent
    here = content(dvc_dir / "config")
    now, ours = _readings(here, wanted)
    odd = now != ours
    now = ours if now is None else now
    local = _agreed(dvc_dir / "config.local", wanted)  # goes before all others
    mine: Items = {}
    for file in outside(environ):
        mine |= _agreed(file, wanted)
    theirs: Sections = {}
    for (section, key), value in now.items():
        if (section, key) not in local and mine.get((section, key)) != value:
            theirs.setdefault(section, {})[key] = value
    items = mine | now | local
    named = _tracked(dvc_dir, items)
    if not (theirs or named or odd or any(map(_is_remote, items))):
        return {}
    inner = command.attempt(folder, ["rev-parse", "--show-superproject-working-tree"])[1].strip()
    known = [] if inner else list(protected(folder))  # who names a submodule names its main, too
    if not (known or inner or is_shared(folder)):
        return {}  # nothing here came from anybody else
    answer = _answers(dvc_dir)

    def besides(commit: str) -> Sections:
        committed = decoded(blob_of(folder, commit, ".dvc/config"))
        differs = {} if committed == here else _differing(committed, theirs, items, wanted)
        if odd and committed != here:
            differs["text"] = {"config": f"{_hash(here.encode())}, which DVC reads otherwise"}
        for label, paths in named.items():
            if not all(_is_of(commit, path) for path in paths):
                differs[label] = {str(path): _digest(path) for path in paths}
        return {
            part: values
            for part, values in differs.items()
            if (file := answer(part, values)) is None or not file.is_file()
        }

    return min(map(besides, known or [_NOWHERE]), key=len)


def _differing(text: str, theirs: Sections, known: Items, wanted: frozenset[str]) -> Sections:
    """Return the sections that are not as another text has them; of a key less, "" is the value."""
    differs: Sections = {}
    read, _ = _readings(text, wanted)
    for section in dict.fromkeys([*theirs, *(part for part, _ in filter(_is_remote, known))]):
        values = theirs.get(section, {})
        there = {key: value for (part, key), value in (read or {}).items() if part == section}
        less = {key: "" for key in there if (section, key) not in known}
        if less or not there.items() >= values.items():
            differs[section] = values | less
    return differs


def _is_remote(item: tuple[str, str]) -> bool:
    return item[0].startswith("remote ")


def _readings(text: str, wanted: frozenset[str]) -> tuple[Items | None, Items]:
    """Return what DVC takes from a text, and what we do; None for a text that stops DVC."""
    read = as_dvc(text)
    return None if read is None else _items(read, wanted), _items(parse(text), wanted)


def _agreed(file: Path, wanted: frozenset[str]) -> Items:
    """Return what a file of the user's own says to DVC and to us alike."""
    read, ours = _readings(content(file), wanted)
    return dict((read or {}).items() & ours.items())


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


def protected(folder: Path) -> Iterator[str]:
    """Yield what the protected branch of the user's upstream is.

    A local branch is none: whatever was merged into it would be believed before anybody took it.
    Nor is an older commit: a pull request may bring one that another of its commits takes back, so
    nobody who merged it has seen it.
    """
    yield from (each for _, each, ref in own(folder, USUAL) if ref.startswith("refs/remotes/"))


def is_shared(folder: Path) -> bool:
    """Whether commits of others may be here: Git knows a remote, or has fetched from any."""
    for asked in (["for-each-ref", "--count=1", "refs/remotes"], ["remote"]):
        if command.run(folder, asked):
            return True
    fetched = command.run(
        folder, ["rev-parse", "--path-format=absolute", "--git-path", "FETCH_HEAD"]
    )
    return os.path.lexists(os.fsdecode(fetched.rstrip(b"\n")))


def blob_of(folder: Path, revision: str, path: str) -> bytes:
    """Return a file of a revision, "" for the index; nothing where there is none."""
    return command.attempt(folder, ["cat-file", "blob", f"{revision}:./{path}"])[1]


def _tracked(dvc_dir: Path, items: Items) -> dict[str, list[Path]]:
    """Return the settings that name what Git tracks in the work tree, by links too."""
    top = top_of(dvc_dir.parent)
    found: dict[str, list[Path]] = {}
    for (section, key), value in items.items():
        if not _FILES.search(key):
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
                paths = found.setdefault(f"{section}: {key} = {value}", [])
                paths += (top / name for name in out.split("\0")[:-1])
    return found


def _is_of(commit: str, path: Path) -> bool:
    """Whether a file has the bytes that a commit has for it."""
    top = top_of(path.parent)
    blob = blob_of(top, commit, path.relative_to(top).as_posix())
    return path.is_file() and not path.is_symlink() and path.read_bytes() == blob


def _digest(path: Path) -> str:
    """Return what tells the bytes of a plain file."""
    if not path.is_file() or path.is_symlink():
        return _LINK
    return f"{_hash(path.read_bytes())}, a file of the branch"


def _hash(data: bytes) -> str:
    return blake2b(data, digest_size=20).hexdigest()


def top_of(folder: Path) -> Path:
    """Return the top of the Git work tree around a folder."""
    above = (folder, *folder.parents)
    return next((at for at in above if os.path.lexists(at / ".git")), folder)


def _items(read: Sections, sections: frozenset[str]) -> Items:
    return {
        (section, key): value
        for section, values in read.items()
        if section in sections or (sections is _PLACES and section.startswith("remote "))
        for key, value in values.items()
        if section not in _KEYS or key in _KEYS[section]
    }


def _refusal(dvc_dir: Path, differs: Sections) -> ForeignRemoteError:
    shown = [
        f"{section}: {key} = {MASK if value and is_secret_name(key) else value or '(taken out)'}"
        for section, values in differs.items()
        for key, value in sorted(values.items(), key=lambda item: item[0] != "url")
    ]
    more = len(shown) - _SHOWN
    text = "; ".join(shown[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
    step = "look at it, then the same with --trust, which is kept for this address"
    if differs.keys() == _CACHE:
        step = "dvc cache dir --local DIR, with the folder that you want"
    return ForeignRemoteError(
        "this branch says where data go, and no branch that your upstream protects says so",
        found=ascii(text)[1:-1],
        where=str(dvc_dir / "config"),
        expected="settings of your own (dvc config --local, --global), or those of main there",
        next_step=step,
    )
