"""Commits and branches written in process: the same objects, refs and reflogs as git leaves.

A process of git costs ten times as much, and tests make thousands of commits. Where git could do
more than that (a hook, a setting, a filter, a merge that stands, another layout) nothing is done
here, and the answer is None: git is asked instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

NONE = "0" * 40
# What a config may say without a commit becoming another one.
_PLAIN = re.compile(
    r"""\[(core|user|gc|commit|maintenance|(remote|branch)\ "[\w./-]+")\]
    |\t(repositoryformatversion\ =\ 0|filemode\ =\ true|bare\ =\ false|logallrefupdates\ =\ true
    |(name|email|url|fetch|remote|merge)\ =\ .*|auto\ =\ (0|false)|gpgsign\ =\ false)""",
    re.VERBOSE,
)
_PLAIN_NAME = re.compile(r"[^:*?\[\\/][^*?\[\\]*")
# Files of the Git directory by which another command is under way, or objects are lacking.
_UNUSUAL = {
    "MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "SQUASH_MSG", "MERGE_MSG", "rebase-merge",
    "rebase-apply", "shallow", "config.worktree", "reftable", "HEAD.lock", "index.lock",
    "commondir",
}  # fmt: skip


@dataclass(frozen=True)
class Who:
    """Who works when."""

    name: str
    email: str
    seconds: int


def commit(
    top: Path, files: Mapping[str, object], message: str, who: Who, *, hooks: bool = True
) -> str | None:
    """Stage exactly these files (None: one that is gone) and commit; return the commit's hash."""
    import pygit2  # noqa: PLC0415  once HOME is the tests' own

    if not (
        _plain_place(top, hooks=hooks) and _plain_files(top, files) and _plain_words(message, who)
    ):
        return None
    head = _head(top / ".git")
    signature = pygit2.Signature(who.name, who.email, who.seconds, 0)
    try:
        repo = pygit2.Repository(top)
        index = repo.index
        for name, content in files.items():
            if content is None:
                index.remove(name)
            else:
                index.add(name)
        tree = index.write_tree()
        index.write()
        old = "" if repo.head_is_unborn else str(repo.head.target)
        parents = [pygit2.Oid(hex=old)] if old else []
        made = repo.create_commit(None, signature, signature, f"{message}\n", tree, parents)
    except (pygit2.GitError, OSError, KeyError, ValueError):
        return None
    what = "commit" if old else "commit (initial)"
    text = f"{what}: {message.partition(chr(10))[0]}"
    _move(top / ".git", head, f"{old or NONE} {made}", text, who)
    (top / ".git" / "COMMIT_EDITMSG").write_text(f"{message}\n")
    return str(made)


def begin(top: Path, name: str, who: Who, *, hooks: bool = True) -> bool:
    """Make a branch of what HEAD is at and switch to it; False where that is left to git."""
    import pygit2  # noqa: PLC0415  once HOME is the tests' own

    usual = re.fullmatch(r"\w[\w-]*(/\w[\w-]*)*", name)
    if not (usual and _plain_place(top, hooks=hooks) and _plain_words("x", who)):
        return False
    inside, ref = top / ".git", f"refs/heads/{name}"
    head = _head(inside)
    try:
        repo = pygit2.Repository(top)
        at = str(repo.head.target)
        repo.create_reference(ref, at)  # refuses one that is there, or in the way
    except (pygit2.GitError, OSError, ValueError):
        return False
    was = at if head == "HEAD" else head.removeprefix("refs/heads/")
    (inside / "logs" / ref).unlink(missing_ok=True)  # with a time of its own
    _log(inside, ref, f"{NONE} {at}", "branch: Created from HEAD", who)
    _log(inside, "HEAD", f"{at} {at}", f"checkout: moving from {was} to {name}", who)
    (inside / "HEAD").write_text(f"ref: {ref}\n")
    return True


def _log(git_dir: Path, name: str, move: str, why: str, who: Who) -> None:
    log = git_dir / "logs" / name
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as file:
        file.write(f"{move} {who.name} <{who.email}> {who.seconds} +0000\t{why}\n")


def _move(git_dir: Path, name: str, move: str, why: str, who: Who) -> None:
    """Move HEAD, or the branch that it is on, with the line in each reflog."""
    ref = git_dir / name
    ref.parent.mkdir(parents=True, exist_ok=True)
    lock = ref.with_name(f"{ref.name}.lock")
    with lock.open("x") as file:
        file.write(f"{move.rpartition(' ')[2]}\n")
    for each in dict.fromkeys(("HEAD", name)):
        _log(git_dir, each, move, why, who)
    lock.rename(ref)


def _head(git_dir: Path) -> str:
    """Return the branch that HEAD is on, or HEAD where it is detached; "" for another state."""
    text = (git_dir / "HEAD").read_text().strip()
    found = re.fullmatch(r"[0-9a-f]{40}|ref: (refs/heads/.*)", text)
    if not found:
        return ""
    name = found[1] or "HEAD"
    ref = git_dir / name
    return "" if found[1] and ref.is_file() and ref.read_text().startswith("ref:") else name


def _plain_place(top: Path, *, hooks: bool) -> bool:
    """Whether it is a usual repository of its own where nothing is under way."""
    inside = top / ".git"
    try:
        return (
            not inside.is_symlink()
            and not _UNUSUAL & {entry.name for entry in inside.iterdir()}
            and not (hooks and _some(inside / "hooks"))
            and not (inside / "info" / "attributes").exists()
            and all(map(_PLAIN.fullmatch, (inside / "config").read_text().splitlines()))
            and bool(_head(inside))
        )
    except (OSError, UnicodeDecodeError):
        return False


def _some(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except FileNotFoundError:
        return False


def _plain_words(message: str, who: Who) -> bool:
    """Whether git would write a message and a name as they are given."""
    lines = message.split("\n")
    return (
        all(line.isprintable() and line == line.rstrip() for line in lines)
        and "" not in (lines[0], lines[-1])
        and "\n\n\n" not in message
        and bool(re.fullmatch(r"\w+( \w+)*", who.name) and re.fullmatch(r"[\w@.-]+", who.email))
    )


def _plain_files(top: Path, names: Collection[str]) -> bool:
    """Whether names mean themselves, and no filter, link or other repository is on the way."""
    folders = {PurePosixPath()}
    for name in names:
        path = PurePosixPath(name)
        if not _PLAIN_NAME.fullmatch(name) or ".." in path.parts or path.name == ".gitattributes":
            return False
        folders.update(path.parents)
    return not any(
        (top / folder / ".gitattributes").exists()
        or (folder.name and ((top / folder).is_symlink() or (top / folder / ".git").exists()))
        for folder in folders
    )
