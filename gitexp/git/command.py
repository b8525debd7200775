"""Git started with fixed arguments, and with nothing of a hook's or a stranger's settings.

The worker and the hooks import this file, so it imports neither pygit2 nor GitPython. No caller
passes text of a user where git could read an option: revisions are resolved to hashes first and
paths go behind ``--`` or over standard input. What git, libgit2 or the system say of a failure
becomes one of gitexp's errors.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shlex
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gitexp.errors import (
    ForeignProgramError,
    GitexpError,
    GitFailedError,
    NoRepositoryError,
    NoSpaceError,
    ReadOnlyError,
    UnsafeInputError,
)
from gitexp.model.workspace import Workspace
from gitexp.text.foreign import Lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


# fsmonitor, hooks and gpg are programs that a repository folder may name: none of them is started.
SAFE = (
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "log.showSignature=false"),
    *("-c", "submodule.recurse=false"),  # a submodule has settings of its own, in .git/modules
)

# Settings of a folder, by whoever wrote it, with which git may bring what a partial clone lacks:
# those of every clone, those that no fetch reads, a header (CI). Any other could start a program
# (gc.recentObjectsHook) or write a file (http.cookieFile). What an include names is asked as well.
_HARMLESS: Final = (
    r"core\.(repositoryformatversion|filemode|bare|logallrefupdates|ignorecase|precomposeunicode"
    r"|symlinks|autocrlf|eol|safecrlf|longpaths|protecthfs|protectntfs|quotepath|abbrev|commitgraph"
    r"|sharedrepository|sparsecheckout|sparsecheckoutcone|untrackedcache|excludesfile|editor|pager"
    r"|hookspath|fsmonitor|multipackindex)"  # the first two of these are overruled by SAFE
    r"|extensions\.(partialclone|objectformat|refstorage|worktreeconfig|relativeworktrees)"
    r"|remote\.(pushdefault|.*\.(url|pushurl|fetch|push|promisor|partialclonefilter|tagopt|prune"
    r"|prunetags|gh-resolved))|submodule\..*\.(url|active)|index\.sparse|fetch\.prune|gc\.auto"
    r"|maintenance\.(auto|strategy)|http\.(.*\.)?extraheader|include(if\..*)?\.path"
    r"|(branch|user|color|commit|pull|push|rebase|merge|diff|filter|lfs|log|status|advice)\..*"
)
FETCHING: Final = re.compile(rf"(?!(?:{_HARMLESS})\Z).*", re.DOTALL)
_FETCH_ALONE: Final = ("-c", "gc.auto=0", "-c", "maintenance.auto=false")
_TRANSPORTS: Final = "file:git:http:https:ssh"  # no ext::, no helper that an address names
_PROTOCOLS: Final = "GIT_ALLOW_PROTOCOL"
NO_FETCH: Final = {_PROTOCOLS: "none"}
_OWN_FOLDER: Final = frozenset({"local", "worktree"})

# A process that a limit on the size of files ended; systems without such limits have no signal.
_FILE_TOO_LARGE = -getattr(signal, "SIGXFSZ", 256)

# For the stage commands of a job: a `git commit` in a job's worktree runs none of the user's
# hooks. Set through the environment, since a worktree's own config would need a change to the
# repository's (extensions.worktreeConfig).
JOB_VARIABLES: Mapping[str, str] = {
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "core.hooksPath",
    "GIT_CONFIG_VALUE_0": os.devnull,
}

# `git rev-parse --local-env-vars` without the GIT_CONFIG family, which people set on purpose
# (safe.directory in a container); a hook exports the others, and they would redirect us.
LOCAL_VARIABLES = frozenset(
    """
    GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_CONFIG GIT_OBJECT_DIRECTORY GIT_DIR GIT_WORK_TREE
    GIT_IMPLICIT_WORK_TREE GIT_GRAFT_FILE GIT_INDEX_FILE GIT_NO_REPLACE_OBJECTS GIT_REPLACE_REF_BASE
    GIT_PREFIX GIT_SHALLOW_FILE GIT_COMMON_DIR GIT_INTERNAL_SUPER_PREFIX GIT_NAMESPACE
    GIT_QUARANTINE_PATH GIT_EXTERNAL_DIFF GIT_DIFF_OPTS GIT_EDITOR GIT_PAGER GIT_LITERAL_PATHSPECS
    GIT_GLOB_PATHSPECS GIT_NOGLOB_PATHSPECS GIT_ICASE_PATHSPECS GIT_ATTR_SOURCE
    """.split()  # noqa: SIM905  as in `system.secrets`
)

_FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_ACCESS = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})

# Git gives system errors as text, and libgit2 most of them.
_NO_SPACE = ("No space left on device", "File too large", "Disk quota exceeded")
_READ_ONLY = ("Read-only file system", "Permission denied")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment without what would redirect git, in English."""
    env = {key: value for key, value in os.environ.items() if key not in LOCAL_VARIABLES}
    env["LC_ALL"] = "C"  # messages are matched below
    env["GIT_LITERAL_PATHSPECS"] = "1"  # a path is a path: `:(top)x` and `*` mean themselves
    env["GIT_OPTIONAL_LOCKS"] = "0"  # reading must not write the user's index
    env["GIT_NO_REPLACE_OBJECTS"] = "1"  # pygit2 knows no refs/replace: both read what was hashed
    env.update(extra or {})
    return env


def run(
    where: Workspace | Path,
    args: Sequence[str],
    *,
    data: bytes | None = None,
    env: Mapping[str, str] | None = None,
) -> bytes:
    """Run ``git ARGS`` and return the bytes of its standard output.

    `where`: the work tree (a bare repository: its Git directory) in which git runs. `args`:
    arguments behind ``git``, fixed by the caller. `data`: standard input; without it git reads
    from the null device. `env`: variables set on top of the cleaned environment.
    """
    code, out, err = attempt(where, args, data=data, env=env)
    if code:
        raise failure(args, code, err)
    return out


def attempt(
    where: Workspace | Path,
    args: Sequence[str],
    *,
    data: bytes | None = None,
    env: Mapping[str, str] | None = None,
    settings: Sequence[str] = SAFE,
) -> tuple[int, bytes, bytes]:
    """Run ``git ARGS`` as `run` does; return exit code, output and error output.

    Other `settings` are for what asks after the user's own. What a partial clone lacks is fetched
    only by Git's own transports, as nothing of the folder's settings could change.

    Raises `ForeignProgramError` if the folder has other settings for it.
    """
    found = _attempt(where, args, data, {**(env or {}), **NO_FETCH}, settings)
    if b"transport '" not in found[2] or b"' not allowed" not in found[2]:
        return found
    for key, value in named_by_folder(where, FETCHING).items():
        raise ForeignProgramError(
            "this needs a fetch, and the folder's own settings say how",
            found=ascii(f"{key} = {value}"[:200])[1:-1],
            where=str(folder(where)),
            expected="that setting in none but your own (git config --global): it could start a "
            "program or write a file",
        )
    allowed = {**(env or {}), _PROTOCOLS: os.environ.get(_PROTOCOLS, _TRANSPORTS)}
    return _attempt(where, args, data, allowed, [*settings, *_FETCH_ALONE])


def named_by_folder(where: Workspace | Path, keys: re.Pattern[str]) -> dict[str, str]:
    """Return the settings of these keys that the repository's folder alone gives.

    One that the user's own settings have with the same value is the user's.
    """
    found: dict[str, str] = {}
    own = set()
    for scope, key, value in settings_of(where):
        if keys.fullmatch(key):
            if scope in _OWN_FOLDER:
                found[key] = value
            else:
                own.add((key, value))
    return {key: value for key, value in found.items() if (key, value) not in own}


def settings_of(where: Workspace | Path) -> Iterator[tuple[str, str, str]]:
    """Yield scope, key (in git's lower case) and value of each setting, the last one counting."""
    arguments = ["config", "--list", "-z", "--show-scope", "--includes"]
    code, out, err = _attempt(where, arguments, None, None, SAFE)
    if code:
        raise failure(arguments, code, err)
    words = out.decode("utf-8", "surrogateescape").split("\0")
    for scope, record in zip(words[::2], words[1::2], strict=False):
        key, separator, value = record.partition("\n")
        yield scope, key, value if separator else "true"  # as a key without "=" means


def _attempt(
    where: Workspace | Path,
    args: Sequence[str],
    data: bytes | None,
    env: Mapping[str, str] | None,
    settings: Sequence[str],
) -> tuple[int, bytes, bytes]:
    if not isinstance(where, Workspace) and "GIT_DIR" not in (env or {}):  # git looks around
        refuse_planted(where)
    try:
        done = subprocess.run(
            ["git", *settings, *args],
            cwd=folder(where),
            input=data,
            stdin=subprocess.DEVNULL if data is None else None,
            capture_output=True,
            env=environment(env),
            check=False,
        )
    except FileNotFoundError as error:
        raise no_git(str(error), str(folder(where))) from error
    return done.returncode, done.stdout, done.stderr


def no_git(found: str, where: str = "") -> GitFailedError:
    """Return the error for a git that is not there."""
    step = "install Git 2.31 or newer and put it on PATH"
    return GitFailedError("cannot start git", found=found, where=where, next_step=step)


def folder(where: Workspace | Path) -> Path:
    """Return the folder in which git has to run for a workspace."""
    if isinstance(where, Workspace):
        return where.git_dir if where.top is None else where.top
    return where


def refuse_planted(place: Path) -> None:
    """Refuse a folder in which git would take files of a work tree for a repository.

    Git, libgit2 and what DVC reads Git by look for HEAD and objects on their way up, before they
    come to the ``.git`` of the work tree: a branch, or data, may hold such files. (Git asks no
    ``safe.bareRepository`` before 2.38, the others none at all.) A bare repository is one outside
    of work trees, or inside where nobody tracks it and no project of ours is around.
    """
    above = [Path(os.path.realpath(place))]
    above += above[0].parents
    end = next((n for n, at in enumerate(above) if os.path.lexists(at / ".git")), 0)
    found = next(filter(_is_taken, above[:end]), None)
    if found is None:
        return
    top, name = above[end], found.relative_to(above[end]).as_posix()
    own = any((at / mark).exists() for at in above[: end + 1] for mark in (".dvc", ".gitexp"))
    if ".git" in name.split("/") or not (own or attempt(top, ["ls-files", "--", name])[1]):
        return
    raise UnsafeInputError(
        "Git would take a folder of this work tree for a repository of its own",
        found=ascii(f"HEAD and objects in {name}")[1:-1],
        where=str(top),
        expected="a bare repository outside of the work tree",
        next_step=f"git -C {shlex.quote(str(top))} switch main, if a branch brought it",
    )


def _is_taken(place: Path) -> bool:
    head = place / "HEAD"  # a folder `head` is the same name on some systems, and none of Git's
    held = (os.path.lexists(place / name) for name in ("objects", "commondir"))
    return (head.is_symlink() or head.is_file()) and any(held)


def clean_slot(path: Path, commit: str = "HEAD") -> None:
    """Bring a job's worktree back to `commit`: only a top-level ``.gitexp`` stays beside.

    Links are removed, never followed. A lock that a killed job left in this worktree's own Git
    directory is removed too: the caller holds the slot.
    """
    git_dir = _slot_git_dir(path)
    (git_dir / "index.lock").unlink(missing_ok=True)
    run(path, ["reset", "--quiet", "--hard", commit, "--"])
    run(path, ["clean", "-ffdxq", "-e", "/.gitexp"])


def common_dir_of(path: Path) -> Path:
    """Return the Git directory that a job's worktree shares with the user's."""
    return _slot_git_dir(path).parent.parent


def _slot_git_dir(path: Path) -> Path:
    # Parsed here, not asked of git: the guard that `reset --hard` never meets a user's own tree.
    try:
        text = (path / ".git").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise NoRepositoryError(
            "a job's worktree is not there", found=str(error), where=str(path)
        ) from error
    return path / text.removeprefix("gitdir: ").rstrip("\n")


def lines(out: bytes) -> list[str]:
    """Return what git printed, a line each: `str.splitlines` would end some at U+0085."""
    text = out.decode("utf-8", "surrogateescape").removesuffix("\n")
    return text.split("\n") if text else []


def records(out: bytes) -> list[str]:
    """Return what git printed with ``-z``, but for what is empty."""
    return [item for item in out.decode("utf-8", "surrogateescape").split("\0") if item]


def joined(names: Iterable[str]) -> bytes:
    """Return names as git reads them with ``-z``."""
    return b"".join(name.encode("utf-8", "surrogateescape") + b"\0" for name in names)


def failure(
    args: Sequence[str], code: int, err: bytes
) -> GitFailedError | NoSpaceError | ReadOnlyError:
    """Return the error for a git that ended with `code`, after what it said."""
    text = err.decode("utf-8", "backslashreplace").strip()
    first = text.partition("\n")[0]
    command = "git " + " ".join(args[:1])
    if code == _FILE_TOO_LARGE or any(sign in text for sign in _NO_SPACE):
        return NoSpaceError("the disk is full, or a file would be too large", found=first or text)
    if any(sign in text for sign in (*_READ_ONLY, "insufficient permission")):
        return ReadOnlyError("the repository cannot be written to", found=first)
    return GitFailedError(
        f"{command} failed",
        found=Lines(text[-2000:] or f"exit code {code}"),
        expected="exit code 0",
    )


def translated(error: Exception, doing: str, where: str = "") -> GitexpError:
    """Return the error to raise from one of pygit2 or the system, in `doing` something."""
    text = str(error)
    number = error.errno if isinstance(error, OSError) else None
    if number in _FULL_DISK or any(sign in text for sign in _NO_SPACE):
        return NoSpaceError(
            f"{doing}: the disk is full, or a file would be too large", found=text, where=where
        )
    signs = (*_READ_ONLY, "Operation not permitted")
    if number in _NO_ACCESS or any(sign in text for sign in signs):
        return ReadOnlyError(
            f"{doing}: the repository cannot be written to",
            found=text,
            where=where,
            expected="write access",
        )
    return GitFailedError(doing, found=text or type(error).__name__, where=where)


@contextlib.contextmanager
def translating(doing: str, where: str = "") -> Iterator[None]:
    """Let errors of the system leave a block, or a decorated function, as errors of ours."""
    try:
        yield
    except OSError as error:
        raise translated(error, doing, where) from error
