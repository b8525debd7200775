"""The command table: one line a command; its module is imported only when it is called."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from gitexp.model import dataclass

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from gitexp.cli.context import Context

    Configure = Callable[[argparse.ArgumentParser], None]
    Execute = Callable[[argparse.Namespace, Context], int]


@dataclass(frozen=True, slots=True)
class Command:
    """An entry of the table."""

    name: str
    # of this room: a function for the command, whose docstring is the help's text, and one
    # that declares its options: ``archive`` and ``add_archive``
    module: str
    summary: str
    group: str
    hidden: bool = False

    def load(self) -> tuple[Configure, Execute]:
        """Import the command's module; return what declares its options, and what executes it."""
        module = importlib.import_module(f"gitexp.cli.{self.module}")
        name = "list_" if self.name == "list" else self.name.replace("-", "_")
        return getattr(module, f"add_{name}"), getattr(module, name)


COMMANDS: tuple[Command, ...] = (
    Command("init", "upkeep", "make this repository a gitexp project", "start"),
    Command("new", "plan", "begin an experiment: a branch with a hypothesis", "work"),
    Command("amend-plan", "plan", "change what binds, keep what bound and why", "work"),
    Command("power", "compare", "how many repeats a promise needs", "work"),
    Command("run", "run", "execute repeats and record them as a commit", "work"),
    Command("compare", "compare", "test the hypothesis, give the verdict", "work"),
    Command("test", "compare", "the same tests on two plain files", "work"),
    Command("conclude", "lifecycle", "write down what was learned", "work"),
    Command("archive", "lifecycle", "keep it by a tag, remove its branch", "end"),
    Command("restore", "lifecycle", "bring an archived experiment back", "end"),
    Command("rename", "lifecycle", "another name; its runs go on counting", "end"),
    Command("rm", "lifecycle", "remove code and data, keep the records", "end"),
    Command("status", "views", "where this branch stands, what to do next", "look"),
    Command("list", "views", "experiments, or runs", "look"),
    Command("show", "views", "one experiment or run", "look"),
    Command("diff", "views", "what differs between two states", "look"),
    Command("inputs", "views", "why two states do or do not share samples", "look"),
    Command("logs", "views", "what the commands of a run printed", "look"),
    Command("push", "sharing", "send experiments and their data to the remote", "share"),
    Command("pull", "sharing", "take what others shared", "share"),
    Command("sync", "sharing", "both ways: what two machines recorded comes together", "share"),
    Command("witness", "plan", "let somebody else see a plan", "rules"),
    Command("check", "review", "hold commits against the rules", "rules"),
    Command("review", "review", "say whether commits should be merged", "rules"),
    Command("hooks", "upkeep", "Git's hooks, which hold commits against the rules", "rules"),
    Command("doctor", "upkeep", "what crashes left behind; --fix clears it", "care"),
    Command("maintenance", "upkeep", "pack refs and objects, drop old job folders", "care"),
    Command("completion", "upkeep", "what lets your shell complete gitexp", "care"),
    Command("merge-driver", "upkeep", "join two versions (used by Git)", "plumbing", hidden=True),
    Command("comment", "review", "put a review on its pull request", "plumbing", hidden=True),
    Command("hook", "hook", "answer Git, before a commit or push", "plumbing", hidden=True),
    Command("worker", "worker", "execute one job (used by engines)", "plumbing", hidden=True),
)


def find(name: str) -> Command | None:
    """Return the command of that name, or None."""
    return next((command for command in COMMANDS if command.name == name), None)
