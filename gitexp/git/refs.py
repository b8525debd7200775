"""Refs: read; moved under lock, compare and set, or nothing; and what they lead to.

Moving goes through one ``git update-ref --stdin`` transaction. It serves every ref storage, and it
lets go of its locks when the process at the other end of the pipe dies, where libgit2 would leave
an empty ``.lock`` behind.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import subprocess
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

import pygit2

from gitexp.errors import (
    GitexpError,
    LockedError,
    MovedRefError,
    UnbornBranchError,
    UnknownRevisionError,
)
from gitexp.git import command, fsck, objects
from gitexp.git.command import translated
from gitexp.git.repository import KINDS
from gitexp.git.upstream import USUAL, followed, main_of, short
from gitexp.model import dataclass
from gitexp.model.ids import ABSENT, Absent, CommitHash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from gitexp.git.repository import Repo
    from gitexp.git.writing import Message


_ZERO: Final = "0" * 40
_LISTED: Final = ("refs/heads/", "refs/remotes/", "refs/tags/exp-archive/")
_REMOTES: Final = "refs/remotes/"
_ORIGIN: Final = "refs/remotes/origin/"
_MADE: Final = "gitexp "  # begins what gitexp writes into a reflog
_MAKES: Final = re.compile(rb"commit\b|gitexp run:")  # of a reflog: what a commit's making says
_RENAMED: Final = re.compile(r"Branch: renamed refs/heads/(.+) to refs/heads/(.+)")
_TAGS_OF_TAGS: Final = 16
_TAG: Final = 4  # libgit2's number of the kind
_BATCH: Final = 1_000  # hashes on one command line
_UNDECODABLE: Final = re.compile("[\udc80-\udcff]")

Target = str | Absent  # a commit, or an annotated tag


@dataclass(frozen=True, slots=True)
class Head:
    """What HEAD of this worktree is."""

    branch: str | None  # short name; None: detached
    commit: CommitHash | Absent  # ABSENT: unborn


def local(branch: str) -> str:
    """Return the full ref of a local branch."""
    return f"refs/heads/{branch}"


def is_valid(ref: str) -> bool:
    """Return whether Git allows this full ref name."""
    # Bytes that are no UTF-8 are allowed, but pygit2 takes text only.
    return bool(pygit2.reference_is_valid_name(_UNDECODABLE.sub("x", ref)))


def read_ref(repo: Repo, name: str) -> CommitHash | Absent:
    """Return the commit of a full ref name, as it is on the disk now; a broken ref is absent."""
    if not is_valid(name):
        return ABSENT
    if repo.reftable or _UNDECODABLE.search(name):
        code, out, _ = command.attempt(
            repo.workspace,
            ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"],
        )
        return CommitHash(out.decode("ascii").split()[-1]) if code == 0 else ABSENT
    try:
        found = repo.git.lookup_reference(name).peel(pygit2.Commit)
    except (KeyError, pygit2.GitError, ValueError):
        return ABSENT
    return CommitHash(str(found.id))


def head(repo: Repo) -> Head:
    """Return the branch and the commit of this worktree's HEAD."""
    if not repo.reftable:
        target = repo.git.lookup_reference("HEAD").raw_target
        if not isinstance(target, bytes):
            return Head(None, CommitHash(str(target)))
        name = target.decode("utf-8", "surrogateescape")
        return Head(name.removeprefix("refs/heads/"), read_ref(repo, name))
    code, out, _ = command.attempt(repo.workspace, ["symbolic-ref", "--quiet", "HEAD"])
    if code == 0:
        ref = out.decode("utf-8", "surrogateescape").rstrip("\n")
        return Head(ref.removeprefix("refs/heads/"), read_ref(repo, ref))
    code, out, _ = command.attempt(repo.workspace, ["rev-parse", "--verify", "--quiet", "HEAD"])
    return Head(None, CommitHash(out.decode("ascii").strip()) if code == 0 else ABSENT)


def branches(repo: Repo, prefix: str = "") -> tuple[tuple[str, CommitHash], ...]:
    """Return full ref names of branches with a short name like `prefix`, and archive tags.

    Local ones first, then those of remotes, origin's before others', then archive tags (peeled);
    each kind sorted.
    """
    plain = sorted(_listed(repo))
    found = [
        (ref, commit)
        for ref, commit in plain
        if ref.startswith(f"refs/heads/{prefix}")
        or (followed(ref).startswith(prefix) and followed(ref) not in {"", "HEAD"})
    ]
    # A name that several remotes have means origin's, whatever the others are called.
    found.sort(key=lambda each: (each[0].startswith(_REMOTES), not each[0].startswith(_ORIGIN)))
    if not plain or not plain[-1][0].startswith("refs/tags/"):  # they come sorted
        return tuple(found)
    tags = (each for each in plain if each[0].startswith("refs/tags/"))
    return (*found, *((ref, _peeled(repo, id_)) for ref, id_ in tags))


def made_here(repo: Repo, tag: str) -> bool:
    """Return whether gitexp put a tag where it is, in this clone: a fetch keeps no such log."""
    return any(said.startswith(_MADE) for said in _log(repo, tag)[:1])


def called_before(repo: Repo, branch: str) -> str:
    """Return what a branch was called here before its last renaming, by Git's log; "" for none."""
    found = filter(None, map(_RENAMED.fullmatch, _log(repo, local(branch))))
    return next((each[1] for each in found if each[2] == branch), "")


def _log(repo: Repo, ref: str) -> list[str]:
    """Return what Git's log of a ref says, the newest first; nothing where none is kept."""
    if repo.reftable:
        asked = ["reflog", "show", "--format=%gs", "--end-of-options", ref, "--"]
        return command.lines(command.attempt(repo.workspace, asked)[1])
    try:
        data = (repo.workspace.common_dir / "logs" / ref).read_bytes()
    except (OSError, ValueError):
        return []
    return [line.partition("\t")[2] for line in reversed(command.lines(data))]


def beginning(repo: Repo) -> str:
    """Return what to type on a branch without a commit: none beside a history that is here."""
    asked = ["for-each-ref", "--format=%(refname)", "refs/heads", "refs/remotes"]
    found = command.lines(command.run(repo.workspace, asked))
    names = [short(ref) for ref in found if not ref.endswith("/HEAD")]
    wanted = (main_of(repo), *USUAL, *names)
    name = next((each for each in wanted if each in names), "")
    return f"git switch {shlex.quote(name)}" if name else UnbornBranchError.hint


def unborn(repo: Repo, head: Head) -> UnbornBranchError:
    """Return the error for a branch without a commit."""
    return UnbornBranchError(
        "this branch has no commit yet", where=head.branch or "HEAD", next_step=beginning(repo)
    )


def committed_here(repo: Repo) -> frozenset[CommitHash]:
    """Return the commits of which Git's logs of this clone say that they were made in it."""
    walk = ["log", "--walk-reflogs", "--all", "--format=%H %gs", "--"]
    out = command.attempt(repo.workspace, walk)[1]
    lines = (line.partition(b" ") for line in out.split(b"\n"))
    return frozenset(CommitHash(hash_.decode()) for hash_, _, said in lines if _MAKES.match(said))


@contextlib.contextmanager
def held(
    repo: Repo, moves: Mapping[str, tuple[Target, Target]], message: Message
) -> Iterator[Callable[[], None]]:
    """Lock refs, compare each with its old value, and hold them until the block ends.

    `moves`: ABSENT as old means "must not exist", as new "delete". Where it raises, nothing was
    moved. The result: sets every ref; after this the move is visible and final.
    """
    process = _start(repo, message, logged=any("refs/tags/" in ref for ref in moves))
    try:
        _say(process, "start\n", "start")
        for ref, (old, new) in sorted(moves.items()):
            if not is_valid(ref):
                raise UnknownRevisionError("Git allows no such ref", found=ascii(ref))
            _write(process, _instruction(ref, old, new))
        _say(process, "prepare\n", "prepare")
        yield partial(_say, process, "commit\n", "commit")
    finally:
        # End of input before "commit" aborts: git removes its locks itself.
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        process.wait()


def keep(repo: Repo, ref: str, commit: str) -> None:
    """Make a temporary ref against a ``git gc`` beside us; nothing waits for the disk."""
    if repo.reftable:
        command.run(repo.workspace, ["update-ref", "--no-deref", ref, commit])
        return
    path = repo.workspace.common_dir / ref
    half = path.with_name(f"{path.name}.lock")  # git looks at no ref of this name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with half.open("x", encoding="ascii") as file:
            file.write(f"{commit}\n")
        half.replace(path)  # whole or not at all: gc stops at a ref that it cannot read
    except OSError as error:
        with contextlib.suppress(OSError):
            half.unlink(missing_ok=True)
        raise translated(error, "cannot keep the new commit", ref) from error


def drop(repo: Repo, ref: str) -> None:
    """Remove a temporary ref, half made or whole; one that is gone is not an error."""
    with contextlib.suppress(OSError):
        (repo.workspace.common_dir / f"{ref}.lock").unlink(missing_ok=True)
    if repo.reftable or _is_packed(repo, ref):  # `git gc` may have packed it meanwhile
        command.attempt(repo.workspace, ["update-ref", "--no-deref", "-d", ref])
    else:
        # Not by libgit2, which needs room for a lock file; this works on a full disk.
        with contextlib.suppress(OSError):
            (repo.workspace.common_dir / ref).unlink(missing_ok=True)


def temporary(repo: Repo, prefix: str) -> frozenset[str]:
    """Return the temporary refs below `prefix`, whole or half made."""
    out = command.run(repo.workspace, ["for-each-ref", "--format=%(refname)", prefix])
    found = set(command.lines(out))
    with contextlib.suppress(OSError):
        found |= {
            f"{prefix}{path.name.removesuffix('.lock')}"
            for path in (repo.workspace.common_dir / prefix).iterdir()
        }
    return frozenset(found)


def unreachable(repo: Repo, commits: Iterable[CommitHash]) -> frozenset[CommitHash]:
    """Return those commits that no branch, tag or HEAD leads to, whether `git gc` has been or not.

    In a shallow clone a commit that is not there is unknown, not gone, and no part of the answer.
    """
    asked = list(dict.fromkeys(commits))
    absent = {commit for commit in asked if not objects.exists(repo, commit)}
    tip = head(repo).commit if asked else ABSENT
    born = tip is not ABSENT
    here = [each for each in asked if each not in absent]
    if tip is not ABSENT:  # most are of the branch that is looked at: git need not be started
        here = [each for each in here if not objects.is_ancestor(repo, each, tip)]
    lone: set[str] = set()
    for start in range(0, len(here), _BATCH):
        # No reflog and no stash: what only these hold is gone for everybody else.
        out = command.run(
            repo.workspace,
            ["rev-list", "--ignore-missing", *here[start : start + _BATCH], "--not",
             *(["HEAD"] if born else []), "--branches", "--tags", "--remotes", "--"],
        )  # fmt: skip
        lone.update(out.decode("ascii").split())
    gone = frozenset(commit for commit in here if commit in lone)
    return gone if repo.git.is_shallow else gone | absent


def merged(repo: Repo, commit: CommitHash) -> frozenset[str]:
    """Return the full names of all branches and tags whose whole history a commit has."""
    out = command.run(
        repo.workspace,
        ["for-each-ref", f"--merged={commit}", "--format=%(refname)", "refs/heads",
         "refs/remotes", "refs/tags"],
    )  # fmt: skip
    return frozenset(command.lines(out))


def touched(repo: Repo) -> dict[str, datetime]:
    """Return the committer's date of the tip of every branch here and on remotes, by full ref."""
    out = command.run(
        repo.workspace,
        ["for-each-ref", "--format=%(refname)%00%(committerdate:unix)", "refs/heads",
         "refs/remotes"],
    )  # fmt: skip
    found = {}
    for line in command.lines(out):
        ref, _, seconds = line.partition("\0")
        if seconds.isdecimal():
            found[ref] = datetime.fromtimestamp(min(int(seconds), 1 << 35), UTC)
    return found


def _listed(repo: Repo) -> Iterator[tuple[str, CommitHash]]:
    """Yield the refs of all branches and archive tags with their objects; broken ones are left out.

    libgit2 has them in a tenth of the time that starting git takes; no object is opened.
    """
    if repo.reftable:
        asked = ["for-each-ref", "--format=%(refname) %(objectname)", *_LISTED]
        for line in command.lines(command.run(repo.workspace, asked)):
            ref, id_ = line.split(" ")
            yield ref, CommitHash(id_)
        return
    try:
        for each in repo.git.references.iterator():
            ref = each.raw_name.decode("utf-8", "surrogateescape")
            if ref.startswith(_LISTED) and is_valid(ref):
                with contextlib.suppress(KeyError, pygit2.GitError, ValueError):  # leads nowhere
                    id_ = str(each.resolve().target)
                    if id_ != _ZERO:
                        yield ref, CommitHash(id_)
    except pygit2.GitError as error:
        raise translated(error, "cannot read the refs", "packed-refs") from error


def _peeled(repo: Repo, id_: CommitHash) -> CommitHash:
    """Return what a tag leads to, whatever it is; git stops at the first that leads nowhere.

    A tag with more text, or of more tags, than anybody writes leads nowhere: each list would read
    all of them. So does one that lies about what it is a tag of.
    """
    odb, at = repo.git.odb, id_
    with contextlib.suppress(KeyError, pygit2.GitError, ValueError):
        kind, size = odb.read_header(at)
        for _ in range(_TAGS_OF_TAGS):
            if kind != _TAG or size > fsck.TAG_LIMIT:
                break
            object_, type_, *_ = odb.read(at)[1].split(b"\n", 2)
            at = CommitHash(object_.removeprefix(b"object ").decode("ascii"))
            kind, size = odb.read_header(at)
            if type_ != b"type " + KINDS[kind].encode():
                return id_
        return id_ if kind == _TAG else at
    return id_


def _is_packed(repo: Repo, ref: str) -> bool:
    try:
        packed = (repo.workspace.common_dir / "packed-refs").read_bytes()
    except OSError:
        return False
    return f" {ref}\n".encode() in packed


def _start(repo: Repo, message: Message, *, logged: bool) -> subprocess.Popen[bytes]:
    # Without core.fsync git leaves it to the file system when the content of a ref reaches the
    # disk, and a power cut may leave an empty one.
    durable = ("-c", "core.fsync=reference")
    # Of a tag Git keeps no log, unless it is asked to: `made_here` goes by it.
    log = ("--create-reflog",) if logged else ()
    argv = ("update-ref", *log, "--no-deref", "-m", message.text.partition("\n")[0], "--stdin")
    return subprocess.Popen(
        ["git", *command.SAFE, *durable, *argv],
        cwd=command.folder(repo.workspace),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        process_group=0,  # a terminal's Ctrl-C must not end the transaction half-way
        env=command.environment(
            {
                "GIT_COMMITTER_NAME": message.by.name,
                "GIT_COMMITTER_EMAIL": message.by.email,
                "GIT_COMMITTER_DATE": f"@{message.date}",
            }
        ),
    )


def _instruction(ref: str, old: Target, new: Target) -> str:
    if new is ABSENT:
        return f"delete {ref} {_ZERO if old is ABSENT else old}\n"
    if old is ABSENT:
        return f"create {ref} {new}\n"
    return f"update {ref} {new} {old}\n"


def _write(process: subprocess.Popen[bytes], text: str) -> None:
    assert process.stdin is not None  # noqa: S101 - opened with PIPE above
    with contextlib.suppress(BrokenPipeError):  # git died; its message follows from _say
        process.stdin.write(text.encode("utf-8", "surrogateescape"))


def _say(
    process: subprocess.Popen[bytes], text: str, verb: Literal["start", "prepare", "commit"]
) -> None:
    assert process.stdout is not None  # noqa: S101 - opened with PIPE above
    assert process.stderr is not None  # noqa: S101 - likewise
    _write(process, text)
    answer = process.stdout.readline()
    if answer == f"{verb}: ok\n".encode():
        return
    said = process.stderr.read().decode("utf-8", "backslashreplace").strip()
    raise _refused(said, process.wait())


def _refused(said: str, code: int) -> GitexpError:
    # Git says "is at X but expected Y" for a moved ref, "unable to resolve" for a deleted one.
    if ".lock': File exists" in said or "cannot lock references" in said:  # the latter: reftable
        return LockedError("a ref is locked by another process", found=said.partition("\n")[0])
    signs = ("but expected", "unable to resolve reference", "reference already exists")
    if any(sign in said for sign in signs):
        return MovedRefError(
            "the branch was moved, created or deleted meanwhile",
            found=said.partition("\n")[0].removeprefix("fatal: "),
        )
    return translated(OSError(said or f"git update-ref ended with {code}"), "cannot move refs")
