"""What a hook sees, by git commands alone: the staged content, and objects in a quarantine.

A hook inherits variables that say where the index and the objects are - that of ``git commit -a``
is not the repository's, and what was pushed lies in a quarantine until the server's hook agrees -
and only git itself follows them. So nothing here opens pygit2, which costs more than all of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from gitexp.errors import NoRepositoryError
from gitexp.git import command
from gitexp.git.catfile import EMPTY_TREE, HASH
from gitexp.git.fsck import canonical_mode
from gitexp.git.worktree import status
from gitexp.model import dataclass
from gitexp.model.ids import CommitHash, TreeId
from gitexp.model.rules import TreeEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gitexp.model.workspace import Workspace

_REBASES: Final = ("rebase-merge/head-name", "rebase-apply/head-name")

Staged = tuple[str, TreeEntry | None, TreeEntry | None]  # path, in HEAD, in the index


@dataclass(frozen=True, slots=True)
class HookPlace:
    """Where a hook runs, as Git told it."""

    folder: Path  # in which git commands have to run: the top of the work tree
    env: Mapping[str, str]  # the variables of Git's that the hook inherited
    git_dir: Path
    head: CommitHash | None  # None on an unborn branch
    # Short name of the branch that moves, during a rebase that of the rebased one; "" for none.
    branch: str
    merged: tuple[CommitHash, ...]  # the other parents of the commit that is about to be made

    @property
    def rebasing(self) -> bool:
        """Whether a rebase is under way."""
        return any((self.git_dir / name).exists() for name in _REBASES)

    @property
    def stopped(self) -> str:
        """Which command of Git's has stopped, or stops if the commit is refused; "" for none."""
        return "merge" if self.merged else status.stopped(self.git_dir)

    @property
    def parents(self) -> tuple[CommitHash, ...]:
        """The parents of the commit that is about to be made."""
        return self.merged if self.head is None else (self.head, *self.merged)


def place(folder: Path, environ: Mapping[str, str], *, merging: bool = False) -> HookPlace:
    """Return where a hook runs; `merging`, what is merged is told by variables alone."""
    env = {
        key: environ[key]
        for key in command.LOCAL_VARIABLES
        if key in environ and not key.endswith("_PATHSPECS")  # how a program likes to be asked
    }
    arguments = ["rev-parse", "--path-format=absolute", "--git-dir", "HEAD^{commit}",
                 "--symbolic-full-name", "HEAD"]  # fmt: skip
    code, out, err = command.attempt(folder, arguments, env=env)
    lines = _text(out).split("\n")
    if not lines[0].startswith("/") and not Path(lines[0]).is_absolute():
        raise NoRepositoryError(
            "this is not a Git repository",
            found=err.decode("utf-8", "backslashreplace").strip(),
            where=str(folder),
        )
    git_dir = Path(lines[0])
    head = None if code else CommitHash(lines[1])
    if head is None:  # an unborn branch
        out = command.attempt(folder, ["symbolic-ref", "--quiet", "HEAD"], env=env)[1]
    ref = _text(out).rstrip("\n") if head is None else lines[2]
    return HookPlace(
        folder=folder,
        env=env,
        git_dir=git_dir,
        head=head,
        branch=_branch(ref, git_dir),
        merged=_merged(git_dir, environ if merging else {}),
    )


def staged(place: HookPlace) -> tuple[Staged, ...]:
    """Return what the index has otherwise than HEAD, by path; not what ``add -N`` intends.

    What is in conflict is in no commit until that is settled, and counts as HEAD has it.
    """
    # Without -r a folder of a sparse index that is gone is told as one.
    arguments = ["diff-index", "-r", "--cached", "--raw", "-z", "--no-abbrev", "--no-renames",
                 "--ignore-submodules=dirty", "--ita-invisible-in-index",
                 place.head or EMPTY_TREE, "--"]  # fmt: skip
    words = command.records(command.run(place.folder, arguments, env=place.env))
    found: list[Staged] = []
    for said, path in zip(words[::2], words[1::2], strict=True):
        old_mode, new_mode, old, new, kind = said.lstrip(":").split(" ")
        if kind != "U":
            found.append((path, _entry(old_mode, old), _entry(new_mode, new)))
    return tuple(sorted(found, key=lambda item: item[0]))


def write_tree(place: HookPlace) -> TreeId | None:
    """Write what is staged as a tree and return it; None where Git cannot."""
    code, out, _ = command.attempt(place.folder, ["write-tree"], env=place.env)
    return None if code else TreeId(_text(out).strip())


def files(place: HookPlace, patterns: Sequence[str]) -> list[str]:
    """Return the staged files whose names match, by Git's patterns."""
    env = {**place.env, "GIT_LITERAL_PATHSPECS": "0"}
    _, out, _ = command.attempt(place.folder, ["ls-files", "-z", "--", *patterns], env=env)
    return command.records(out)


def refs(place: HookPlace, prefix: str) -> dict[str, CommitHash]:
    """Return the commits to which refs below a prefix lead, tags followed, by full name."""
    pattern = "%(refname)%00%(objecttype)%00%(objectname)%00%(*objecttype)%00%(*objectname)"
    arguments = ["for-each-ref", f"--format={pattern}", "--", prefix]
    found: dict[str, CommitHash] = {}
    for line in command.lines(command.run(place.folder, arguments, env=place.env)):
        name, *told = line.split("\0")
        for kind, id_ in (told[:2], told[2:]):
            if kind == "commit":
                found[name] = CommitHash(id_)
    return found


def ref(place: HookPlace, name: str) -> str:
    """Return the hash that a ref of the work tree holds (ORIG_HEAD); "" where there is none."""
    arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", name]
    return _text(command.attempt(place.folder, arguments, env=place.env)[1]).strip()


def changed(place: HookPlace, paths: Sequence[str]) -> CommitHash | None:
    """Return the last commit of HEAD's history that changed files or folders; None for none."""
    arguments = ["log", "-1", "--format=%H", "HEAD", "--", *paths]
    env = {**place.env, "GIT_LITERAL_PATHSPECS": "1"}
    code, out, _ = command.attempt(place.folder, arguments, env=env)
    return None if code or not out else CommitHash(_text(out).strip())


def commit_of(place: HookPlace, id_: str) -> CommitHash | None:
    """Return the commit to which a full hash leads; None where it is none, or is not here."""
    if not HASH.fullmatch(id_):
        return None
    arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{id_}^{{commit}}"]
    code, out, _ = command.attempt(place.folder, arguments, env=place.env)
    return None if code else CommitHash(_text(out).strip())


def commits(place: HookPlace, tip: CommitHash, hidden: Iterable[str]) -> tuple[CommitHash, ...]:
    """Return the ancestors of `tip`, parents first, but those of hidden ones that are here."""
    lines = [tip, *(f"^{id_}" for id_ in hidden if HASH.fullmatch(id_))]
    arguments = ["rev-list", "--reverse", "--topo-order", "--ignore-missing", "--stdin"]
    data = "".join(f"{line}\n" for line in lines).encode("ascii")
    out = command.run(place.folder, arguments, data=data, env=place.env)
    return tuple(CommitHash(line) for line in command.lines(out))


def added(
    where: Workspace | Path, env: Mapping[str, str], path: str, tip: CommitHash
) -> CommitHash | None:
    """Return the first commit in the history of `tip` that added a file; None where none did."""
    arguments = ["log", "--diff-filter=A", "--no-renames", "--topo-order", "--format=%H",
                 tip, "--", path]  # fmt: skip
    code, out, _ = command.attempt(where, arguments, env={**env, "GIT_LITERAL_PATHSPECS": "1"})
    line = _text(out).strip().rpartition("\n")[2]
    return CommitHash(line) if not code and HASH.fullmatch(line) else None


def is_ancestor(place: HookPlace, ancestor: str, commit: str) -> bool:
    """Return whether a commit is another, or in its history."""
    if not (HASH.fullmatch(ancestor) and HASH.fullmatch(commit)):
        return False
    arguments = ["merge-base", "--is-ancestor", ancestor, commit]
    return command.attempt(place.folder, arguments, env=place.env)[0] == 0


def _branch(ref: str, git_dir: Path) -> str:
    """Return the short name of a branch; "HEAD" may be that of a rebase, which says in a file."""
    for name in _REBASES if ref == "HEAD" else ():
        try:
            data = (git_dir / name).read_bytes()
        except OSError:
            continue
        ref = _text(data).rstrip("\n")
    return ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else ""


def _merged(git_dir: Path, environ: Mapping[str, str]) -> tuple[CommitHash, ...]:
    """Return what is merged: MERGE_HEAD, which is not there yet in a hook pre-merge-commit."""
    try:
        lines = (git_dir / "MERGE_HEAD").read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        lines = []
    if not lines:
        lines = sorted(key[8:] for key in environ if key.startswith("GITHEAD_"))
    return tuple(CommitHash(line) for line in lines if HASH.fullmatch(line))


def _entry(mode: str, id_: str) -> TreeEntry | None:
    return None if mode == "000000" else TreeEntry(canonical_mode(int(mode, 8)), id_)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
