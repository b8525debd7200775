"""The work tree beside the commit: changed, untracked and ignored paths, and words in its files."""

from __future__ import annotations

import re
import shlex
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gitexp.errors import BareRepositoryError, ForeignProgramError, GitFailedError
from gitexp.git import command
from gitexp.text.foreign import Lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gitexp.model.ids import CommitHash
    from gitexp.model.workspace import Workspace


# Programs that a repository's folder may name for `git status` to start; git-lfs itself is none.
_FILTERS: Final = re.compile(
    r"filter\..*\.(clean|smudge|process)|lfs\.((extension|customtransfer)\..*|standalone.*)",
    re.DOTALL,
)
_LFS: Final = {"clean": "git-lfs clean -- %f", "smudge": "git-lfs smudge -- %f",
               "process": "git-lfs filter-process"}  # fmt: skip
# Git splits `-c` at the first equals sign, which the name of a filter may have: this at the last.
_OFF: Final = {"GITEXP_NONE": "", "GITEXP_NOT": "false"}
# What stopped half-way, by a file of the Git directory. The first counts: a rebase picks.
_STOPPED: Final = {
    "MERGE_HEAD": "merge",
    "rebase-merge": "rebase",
    "rebase-apply/applying": "am",
    "rebase-apply": "rebase",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
}


def stopped(git_dir: Path) -> str:
    """Return which command of Git's has stopped half-way: ``cherry-pick``; "" for none."""
    return next((word for name, word in _STOPPED.items() if (git_dir / name).exists()), "")


def dirty_tracked(workspace: Workspace, *, looking: bool = False) -> tuple[str, ...]:
    """Return tracked paths that are staged, modified, deleted or in conflict, sorted.

    This runs the user's clean filters where Git needs them to tell (LFS), as ``git status`` does.
    """
    return _paths(porcelain(workspace, looking=looking))


def porcelain(workspace: Workspace, *, looking: bool) -> bytes:
    """Return the same as git says it; `looking`, no program of the folder's is started."""
    top = _top(workspace)
    inside = "dirty" if looking else "untracked"
    question = ["status", "--porcelain=v1", "-z", "--untracked-files=no", "--no-renames",
                f"--ignore-submodules={inside}"]  # fmt: skip
    named = _foreign_filters(top) if looking and _may_name_filters(workspace) else {}
    keys = [key for each in named.items() for key in _started(*each)]
    off = [f"--config-env={key}=GITEXP_NONE" for key in keys]
    off += [f"--config-env=filter.{name}.required=GITEXP_NOT" for name in named]
    found = command.run(top, [*off, *question], env=_OFF)
    if found and named:
        _refuse_filtered(top, _paths(found), named)
    return found


def unmerged(workspace: Workspace) -> dict[str, str]:
    """Return the paths in conflict, each with the stages it has: 1 the base, 2 ours, 3 theirs."""
    found: dict[str, str] = {}
    for record in command.records(command.run(_top(workspace), ["ls-files", "--unmerged", "-z"])):
        entry, _, path = record.partition("\t")
        found[path] = found.get(path, "") + entry[-1]
    return found


def _paths(found: bytes) -> tuple[str, ...]:
    return tuple(sorted({record[3:] for record in command.records(found)}))


def _may_name_filters(workspace: Workspace) -> bool:
    """Return whether the folder's own files have such a word: to ask git takes longer."""
    files = (workspace.common_dir / "config", workspace.git_dir / "config.worktree")
    texts = [file.read_bytes().lower() for file in files if file.exists()]
    return any(word in text for text in texts for word in (b"filter", b"lfs", b"include"))


def _foreign_filters(top: Path) -> dict[str, dict[str, str]]:
    """Return by its name what the folder says of a filter, and of LFS what it adds to it."""
    named = command.named_by_folder(top, _FILTERS)
    found: dict[str, dict[str, str]] = {}
    for key, value in named.items():
        name = key.removeprefix("filter.").rpartition(".")[0] if key[0] == "f" else "lfs"
        if key[0] != "f" or value != _LFS.get(key.rpartition(".")[2]):
            found.setdefault(name, {})[key] = value
    return found


def _started(name: str, named: Iterable[str]) -> Iterable[str]:
    """Return the settings whose programs git would start: all of LFS, which starts the others."""
    if any(key.startswith("lfs.") for key in named):
        return [f"filter.{name}.{kind}" for kind in _LFS]
    return named


def _refuse_filtered(
    top: Path, paths: Iterable[str], named: Mapping[str, Mapping[str, str]]
) -> None:
    """Refuse to call changed what a filter of the folder's may have made so."""
    data = command.joined(paths)
    out = command.run(top, ["check-attr", "-z", "--stdin", "filter"], data=data)
    fields = out.decode("utf-8", "surrogateescape").split("\0")  # a value may be empty
    for path, driver in zip(fields[0::3], fields[2::3], strict=False):
        if mine := named.get(driver):
            said = (ascii(f"{key} = {value}"[:200])[1:-1] for key, value in mine.items())
            raise ForeignProgramError(
                "whether a file has changed only a program can tell that this folder names",
                found="; ".join(said),
                where=ascii(path)[1:-1],
                expected="a filter of your own settings; the next step makes this one yours, for "
                "all your folders, if you trust it",
                next_step=_adopted(mine),
            )


def _adopted(named: Mapping[str, str]) -> str:
    """Return what makes settings of the folder the user's own; "" where nobody could type it."""
    texts = [*named, *named.values()]
    if not all(text.isascii() and text.isprintable() and text[:1] != "-" for text in texts):
        return ""
    words = [shlex.quote(key) for key in named]
    return " && ".join(f'git config --global {key} "$(git config {key})"' for key in words)


def untracked(workspace: Workspace) -> tuple[str, ...]:
    """Return paths that Git neither tracks nor ignores, sorted."""
    out = command.run(_top(workspace), ["ls-files", "--others", "--exclude-standard", "-z"])
    return tuple(sorted(command.records(out)))


def left_in(top: Path, folder: str = "") -> tuple[str, ...]:
    """Return what Git neither tracks nor ignores in a worktree, sorted.

    Below `folder` every file; by default a folder of nothing else stands for its files, with a
    slash.
    """
    options = ["--", folder] if folder else ["--directory", "--no-empty-directory"]
    out = command.run(top, ["ls-files", "--others", "--exclude-standard", "-z", *options])
    return tuple(sorted(command.records(out)))


def rewritten_in(top: Path) -> tuple[str, ...]:
    """Return the tracked files of a worktree of ours that have other bytes now, sorted."""
    out = command.run(top, ["ls-files", "--modified", "-z"])
    return tuple(sorted({path for path in command.records(out) if (top / path).is_file()}))


def is_ignored(where: Workspace | Path, paths: Iterable[str]) -> frozenset[str]:
    """Return those of `paths` (relative to the top) that Git ignores; a tracked one is not."""
    return frozenset(ignoring(where, paths))


def ignoring(where: Workspace | Path, paths: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return what Git ignores of `paths`, each with the pattern and the file that has it."""
    data = command.joined(paths)
    if not data:
        return {}
    # check-ignore takes paths, never patterns, and dies where literal pathspecs are asked for.
    code, out, err = command.attempt(
        where if isinstance(where, Path) else _top(where),
        ["check-ignore", "--verbose", "-z", "--stdin"],
        data=data,
        env={"GIT_LITERAL_PATHSPECS": "0"},
    )
    if code > 1:  # 1: none of them
        raise GitFailedError("git check-ignore failed", found=err.decode("utf-8", "replace"))
    found = zip(*[iter(command.records(out))] * 4, strict=True)
    return {path: (what, file) for file, _, what, path in found if not what.startswith("!")}


def tracked(workspace: Workspace, paths: Iterable[str]) -> frozenset[str]:
    """Return the paths in the index that are, or lie below, one of `paths`."""
    wanted = tuple(paths)
    if not wanted:
        return frozenset()
    return frozenset(
        command.records(command.run(_top(workspace), ["ls-files", "-z", "--", *wanted]))
    )


def _top(workspace: Workspace) -> Path:
    if workspace.top is None:
        raise BareRepositoryError(
            "the repository has no work tree",
            where=str(workspace.git_dir),
            next_step="git worktree add DIR BRANCH, then run the command there",
        )
    return workspace.top


def listed(workspace: Workspace, name: str) -> tuple[str, ...]:
    """Return all files of that name that Git tracks or would add, from the top, sorted."""
    out = command.run(_top(workspace), ["ls-files", "-z", "--cached", "--others",
                                        "--exclude-standard"])  # fmt: skip
    return tuple(sorted({path for path in command.records(out) if path.rsplit("/", 1)[-1] == name}))


_GLOBS = {"GIT_LITERAL_PATHSPECS": "0"}  # the patterns are ours


def files(
    where: Workspace | Path, *words: str, names: tuple[str, ...] = (), at: CommitHash | None = None
) -> tuple[str, ...]:
    """Return the text files in and below a folder that have every one of some words.

    `names`: patterns of the files' names. `at`: by default the work tree with what is not tracked
    yet.
    """
    asked = [part for word in words for part in ("-e", word)]
    scope = "--untracked" if at is None else at
    options = ["grep", "-lzIF", "--all-match", *asked, scope, "--", *names]
    out = command.attempt(where, options, env=_GLOBS)[1]
    prefix = "" if at is None else f"{at}:"
    return tuple(item.removeprefix(prefix) for item in command.records(out))


def matches(
    where: Workspace | Path, pattern: str, paths: tuple[str, ...], at: CommitHash
) -> tuple[tuple[str, ...], bool]:
    """Return what an extended regular expression matches in some files of a commit, and if all.

    A file of a branch may have millions of matches: after the first MiB nobody asks for more.
    """
    argv = ["git", *command.SAFE, "grep", "-hIoE", "-e", pattern, at, "--", *paths]
    with subprocess.Popen(
        argv,
        cwd=command.folder(where),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=command.environment(command.NO_FETCH),  # `files` has brought them
    ) as process:
        out = b"" if process.stdout is None else process.stdout.read(_MATCHES_BYTES)
        process.kill()
    found = out.decode("utf-8", "replace").split("\n")[:-1]
    return tuple(found), len(out) < _MATCHES_BYTES


def commit_tracked(workspace: Workspace, message: str) -> None:
    """Commit all changes of tracked files, as ``git commit --all`` does."""
    done = subprocess.run(
        ["git", "commit", "--all", "--quiet", "--file=-", "--cleanup=whitespace"],
        cwd=command.folder(workspace),
        input=message.encode(),
        capture_output=True,
        env=command.environment(),
        check=False,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).decode("utf-8", "backslashreplace").strip()
        raise GitFailedError(
            "git commit failed",
            found=Lines(said[-2000:]),
            where=str(workspace.top),
            next_step="commit yourself, then gitexp run",
        )


_MATCHES_BYTES: Final = 1 << 20
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
