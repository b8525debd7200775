"""What Git asks a hook, what it answers, and which hooks are in place."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gitexp.model.rules import Violation

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
    """How Git, or a manager of hooks, called one.

    Attributes
    ----------
    name : str
    args : tuple of str
    folder : Path
        In which it was called: the top of the work tree, on a server the repository.
    environ : mapping of str to str
    given : bytes
        Standard input: the refs that are pushed.
    """

    name: str
    args: tuple[str, ...]
    folder: Path
    environ: Mapping[str, str]
    given: bytes = b""


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
    """The answer of `gitexp hooks`.

    Attributes
    ----------
    verb : str
        "install", "uninstall" or "status".
    folder : str
        In which Git looks for hooks.
    manager : str
        The manager of hooks that is in charge; "" for none.
    hooks : tuple of Hook
    done : tuple of str
        One line for each thing that was changed.
    entry : str
        What to write into the manager's settings.
    next_step : str
    """

    verb: str
    folder: str
    manager: str
    hooks: tuple[Hook, ...]
    done: tuple[str, ...] = ()
    entry: str = ""
    next_step: str = ""
