"""The command table: one line a command; its module is imported only when it is called."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import argparse

    from gitexp.cli.context import Context


class CommandModule(Protocol):
    """What a file of this room offers."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's own options."""

    def execute(self, args: argparse.Namespace, context: Context) -> int:
        """Do it and return the exit code."""


@dataclass(frozen=True, slots=True)
class Command:
    """An entry of the table."""

    name: str
    module: str
    summary: str
    group: str
    hidden: bool = False

    def load(self) -> CommandModule:
        """Import the command's module."""
        module: CommandModule = importlib.import_module(f"gitexp.cli.{self.module}")
        return module


COMMANDS: tuple[Command, ...] = (
    Command("init", "init", "make this repository a gitexp project", "start"),
    Command("new", "new", "begin an experiment: a branch with a hypothesis", "work"),
    Command("amend-plan", "amend_plan", "change what binds, keep what bound and why", "work"),
    Command("power", "power", "how many repeats a promise needs", "work"),
    Command("run", "run", "execute repeats and record them as a commit", "work"),
    Command("compare", "compare", "test the hypothesis, give the verdict", "work"),
    Command("test", "test", "the same tests on two plain files", "work"),
    Command("conclude", "conclude", "write down what was learned", "work"),
    Command("archive", "archive", "keep it by a tag, remove its branch", "end"),
    Command("restore", "restore", "bring an archived experiment back", "end"),
    Command("rename", "rename", "another name; its runs go on counting", "end"),
    Command("rm", "rm", "remove code and data, keep the records", "end"),
    Command("status", "status", "where this branch stands, what to do next", "look"),
    Command("list", "list", "experiments, or runs", "look"),
    Command("show", "show", "one experiment or run", "look"),
    Command("diff", "diff", "what differs between two states", "look"),
    Command("inputs", "inputs", "why two states do or do not share samples", "look"),
    Command("logs", "logs", "what the commands of a run printed", "look"),
    Command("push", "push", "send experiments and their data to the remote", "share"),
    Command("pull", "pull", "take what others shared", "share"),
    Command("sync", "sync", "both ways: what two machines recorded comes together", "share"),
    Command("witness", "witness", "let somebody else see a plan", "rules"),
    Command("check", "check", "hold commits against the rules", "rules"),
    Command("review", "review", "say whether commits should be merged", "rules"),
    Command("hooks", "hooks", "Git's hooks, which hold commits against the rules", "rules"),
    Command("doctor", "doctor", "what crashes left behind; --fix clears it", "care"),
    Command("maintenance", "maintenance", "pack refs and objects, drop old job folders", "care"),
    Command("completion", "completion", "what lets your shell complete gitexp", "care"),
    Command(
        "merge-driver",
        "merge_driver",
        "join two versions of a file (used by Git)",
        "plumbing",
        hidden=True,
    ),
    Command("comment", "comment", "put a review on its pull request", "plumbing", hidden=True),
    Command("hook", "hook", "answer Git, before a commit or push", "plumbing", hidden=True),
    Command("worker", "worker", "execute one job (used by engines)", "plumbing", hidden=True),
)


def find(name: str) -> Command | None:
    """Return the command of that name, or None."""
    return next((command for command in COMMANDS if command.name == name), None)
