"""The lines of the table of benchmarks, and the repositories that several of them use."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import make_repos
from projects import Place, begin, example

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

JOBS = 2


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    measured: str
    bar: str
    ok: bool
    note: str = ""


@dataclass
class Bench:
    """Where the repositories are; those that several rows use are made once."""

    folder: Path
    env: Mapping[str, str]
    full: bool
    made: dict[str, Place] = field(default_factory=dict)

    def once(self, name: str, make: Callable[[Path], Place]) -> Place:
        """Return the repository of that name, made when it is first asked for."""
        if name not in self.made:
            self.made[name] = make(self.folder / name)
        return self.made[name]

    def example(self) -> Place:
        """Return the churn example with an experiment: ten repeats on both sides."""

        def make(folder: Path) -> Place:
            place = example(folder, self.env)
            begin(place, "engineered-features", "features.engineered=true")
            place.gitexp("run", "--repeats", "10", "--jobs", str(JOBS), "--with-baseline").once()
            return place

        return self.once("example", make)

    def synthetic(self, name: str, n_branches: int, n_runs: int) -> Place:
        """Return a repository of recorded experiments that nobody ran."""

        def make(folder: Path) -> Place:
            make_repos.make(folder, n_branches, n_runs)
            return Place(folder, self.env)

        return self.once(name, make)


def ratio(what: str, ours: float, theirs: float, bar: float, note: str = "") -> Row:
    """Return a row that holds ours / theirs against the bar."""
    value = ours / theirs
    timing = f"{ours * 1000:.0f} ms against {theirs * 1000:.0f} ms"
    return Row(
        what,
        f"{value:.3f} x",
        f"<= {bar:g} x",
        ok=value <= bar,
        note=f"{timing}; {note}" if note else timing,
    )


def seconds(what: str, value: float, bar: float, note: str = "") -> Row:
    """Return a row that holds seconds against the bar."""
    shown = f"{value:.2f} s" if bar >= 0.1 else f"{value * 1000:.1f} ms"  # noqa: PLR2004  ten of them
    return Row(what, shown, f"<= {bar:g} s", ok=value <= bar, note=note)
