"""What `doctor` finds and what `maintenance` does."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Level(enum.Enum):
    """How much a finding matters."""

    PROBLEM = "problem"  # something stands in the way, is damaged, or waits to be recorded
    NOTE = "note"  # harmless; good to know


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.

    Attributes
    ----------
    check : str
        Name of the check that found it.
    what : str
        One line: what it is, and how it came about where that is known.
    where : str
        File, ref or commit.
    remedy : str
        What to type, or what ``--fix`` does.
    fixable : bool
        Whether ``--fix`` may: it is proved that nothing is lost by it.
    level : Level
    cleared : bool
        ``--fix`` has.
    said : str
        What clearing it came to, or why it failed.
    step : str
        What to type, where that does more than ``--fix``.
    """

    check: str
    what: str
    where: str
    remedy: str
    fixable: bool = False
    level: Level = Level.PROBLEM
    cleared: bool = False
    said: str = ""
    step: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The answer of `gitexp doctor`."""

    checks: tuple[str, ...]  # names, in the order in which they were made
    findings: tuple[Finding, ...]

    @property
    def left(self) -> int:
        """Number of problems that are still there."""
        return sum(1 for f in self.findings if f.level is Level.PROBLEM and not f.cleared)


@dataclass(frozen=True, slots=True)
class RepositorySize:
    """How much of what a repository holds; bytes on the disk."""

    loose_objects: int
    loose_bytes: int
    packs: int
    pack_bytes: int
    loose_refs: int
    job_folders: int
    job_bytes: int


@dataclass(frozen=True, slots=True)
class MaintenanceReport:
    """The answer of `gitexp maintenance`."""

    before: RepositorySize
    after: RepositorySize
    done: tuple[str, ...]  # one line a step, in its order
    removed: tuple[str, ...]  # job folders, by run
    dry_run: bool
