"""Rules and hooks: what a rule weighs, what it found and where, and what a hook answers."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from gitexp.model import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from gitexp.model.comparison import Conclusion
    from gitexp.model.ids import BlobId, CommitHash, TreeId
    from gitexp.model.plan import Person, Plan
    from gitexp.model.run import FileHash, Run
    from gitexp.model.witness import Receipt


class Policy(enum.Enum):
    """What becomes of what a rule finds."""

    ERROR = "error"  # refused
    WARN = "warn"  # said, and let through
    OFF = "off"  # not looked for


@dataclass(frozen=True, slots=True)
class Where:
    """Where a rule is broken; "" for what does not apply."""

    commit: str = ""  # full hash; "" for a commit that is not made yet
    path: str = ""  # undecodable bytes as surrogates
    branch: str = ""  # short name

    def __str__(self) -> str:
        """Return it as people read it: ``3fa9c1e12:params.yaml on exp/a``."""
        place = ":".join(part for part in (self.commit[:9], self.path) if part)
        return " on ".join(part for part in (place, self.branch) if part)


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that is broken, with what to type next."""

    rule: str  # "R1"
    policy: Policy  # ERROR or WARN
    message: str
    where: Where
    next_step: str


# --- Git objects, as rules see them: whoever reads them -----------------------------------------


class TreeEntry(NamedTuple):
    """One entry of a tree; a tuple, since a list of thousands makes tens of thousands of them."""

    mode: int  # 0o100644, 0o100755, 0o120000 (link), 0o040000 (folder), 0o160000 (submodule)
    id: str


@dataclass(frozen=True, slots=True)
class CommitObject:
    """What a commit is made of, as far as rules look."""

    tree: TreeId
    parents: tuple[CommitHash, ...]
    author: Person


class Objects(Protocol):
    """Reads Git's objects, by pygit2 or by ``git cat-file --batch``, and does nothing else."""

    @property
    def main(self) -> str:
        """Return which branch of the repository counts as main; "" for none."""

    def commit(self, id_: CommitHash) -> CommitObject:
        """Return a commit."""

    def forks(self, one: CommitHash, other: CommitHash) -> tuple[CommitHash, ...]:
        """Return all best common ancestors of two commits."""

    def entries(self, tree: TreeId) -> dict[str, TreeEntry]:
        """Return the entries of one folder by name, undecodable bytes as surrogates."""

    def entry(self, tree: TreeId, name: str) -> TreeEntry | None:
        """Return one entry of a folder."""

    def size(self, blob: BlobId) -> int:
        """Return the size of a blob in bytes, without its content."""

    def read(self, blob: BlobId, limit: int, *, where: str = "") -> bytes:
        """Return a blob; `UnsafeInputError` above `limit` bytes, without reading it."""


class Outside:
    """What a rule may ask of the world beyond one commit; None where it is not known here.

    This one knows nothing, as a hook for a commit, which does not have the time. `check`, `review`,
    pre-push and the server's gate each answer what they can.
    """

    __slots__ = ()

    def recomputed(self, conclusion: Conclusion) -> str | None:
        """Return how a conclusion differs from what its records give; "" where it does not."""

    def ordered(self, plan: Plan, commit: CommitHash, protected: Collection[str]) -> bool | None:
        """Return whether a plan is seen to be older than the runs that a commit has of it.

        None also where a branch by one of these patterns is known to have the commit: it was let
        in before.
        """

    def witnessed(self, receipt: Receipt, token: bytes) -> bool | None:
        """Return whether a witness who is believed here stands behind a receipt."""

    def contradicted(self, run: Run, commit: CommitHash) -> str | None:
        """Return how a record that a commit adds differs from its source; "" where it does not."""

    def present(self, plan: Plan) -> Plan:
        """Return a plan under the name that its experiment has now."""
        return plan

    def renamed(self, branch: str, commit: CommitHash) -> Plan | None:
        """Return the plan that a commit has of an experiment whose branch Git renamed to this."""

    def archived(self, plan: Plan, keeps: Callable[[CommitHash], bool]) -> str | None:
        """Return why the archive tag of an experiment is not on the remote; "" where it is."""

    def unsent(self, commit: CommitHash, recorded: Sequence[FileHash]) -> tuple[str, ...] | None:
        """Return what a commit, and the runs in it, name of data that is not on the DVC remote."""

    def unanswered(self) -> tuple[str, ...]:
        """Return what was asked and could not be told, with the reason."""
        return ()


NOBODY: Final = Outside()


CLIENT_HOOKS = (
    "pre-commit",
    "prepare-commit-msg",
    "commit-msg",
    "pre-merge-commit",
    "post-checkout",
    "post-merge",
    "pre-push",
)
SERVER_HOOKS = ("pre-receive",)


@dataclass(frozen=True, slots=True)
class HookCall:
    """How Git, or a manager of hooks, called one."""

    name: str
    args: tuple[str, ...]
    folder: Path  # in which it was called: the top of the work tree, on a server the repository
    environ: Mapping[str, str]
    given: bytes = b""  # standard input: the refs that are pushed


@dataclass(frozen=True, slots=True)
class HookAnswer:
    """What a hook says."""

    violations: tuple[Violation, ...] = ()
    said: tuple[str, ...] = ()  # lines
    refused: bool = False  # for another reason than a broken rule


class HookState(enum.Enum):
    """Where a hook is."""

    INSTALLED = "installed"
    MANAGED = "managed"  # a manager of hooks calls it
    ABSENT = "absent"
    FOREIGN = "foreign"  # somebody else's is there instead
    CHANGED = "changed"  # ours, and somebody edited it
    DEAD = "dead"  # it is there, and nothing runs it


@dataclass(frozen=True, slots=True)
class Hook:
    """One hook as it was found, or left."""

    name: str
    state: HookState
    note: str = ""

    @property
    def runs(self) -> bool:
        """Whether Git comes to it."""
        return self.state in {HookState.INSTALLED, HookState.MANAGED}


@dataclass(frozen=True, slots=True)
class HooksReport:
    """The answer of `gitexp hooks`."""

    verb: str  # "install", "uninstall" or "status"
    folder: str  # in which Git looks for hooks
    manager: str  # the manager of hooks that is in charge; "" for none
    hooks: tuple[Hook, ...]
    done: tuple[str, ...] = ()  # one line for each thing that was changed
    entry: str = ""  # what to write into the manager's settings
    next_step: str = ""
