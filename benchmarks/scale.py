"""Measure how cost grows with a repository, and write docs/scale.md with its plots.

``python benchmarks/scale.py`` makes repositories that grow in one way each - experiments with
their runs, commits, files - and one that is large in every way, and measures each command as a
whole process: the median of several calls, and the peak of its memory.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

# Found from the repository's top, by the tests, as well as from this folder.
sys.path.insert(0, str(Path(__file__).parent))

import make_repos
from projects import ROOT, Place, environment
from scaleplot import Curve, plot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MB = 1e6
KB = 1e3
ANSWERS = (0, 1, 6)  # exit codes of compare that are verdicts
LINEAR = 1.15  # the exponent of growth that noise makes of 1
FIRST_BAR_S = 1.0
COLD = "list, without the index"
FIRST = "list --runs -n 50"
COMMANDS = (COLD, "list", FIRST, "show", "status", "compare", "new", "run, one repeat")


@dataclass(frozen=True, slots=True)
class Size:
    """How large a repository is."""

    branches: int
    runs: int  # of each branch
    commits: int  # on main
    files: int

    @property
    def all_runs(self) -> int:
        """Return the number of runs on all branches."""
        return self.branches * self.runs


@dataclass(frozen=True, slots=True)
class Measured:
    """What each command cost in one repository."""

    size: Size
    seconds: dict[str, float]
    cpu_seconds: dict[str, float]
    peak_bytes: dict[str, int]
    packed_bytes: int  # of all Git objects


@dataclass(frozen=True, slots=True)
class Axis:
    """One way to grow, with the repositories along it."""

    name: str
    title: str
    unit: str
    of: Callable[[Size], int]
    measured: list[Measured] = field(default_factory=list)

    def growth(self, command: str) -> tuple[float, float]:
        """Return the powers of the size by which time and memory grew over the last step.

        The time is that of the processors, which what runs beside us changes little.
        """
        if len(self.measured) < 2:  # noqa: PLR2004  a step has two ends
            return 0.0, 0.0
        small, large = self.measured[-2:]
        step = math.log(self.of(large.size) / self.of(small.size))
        time = math.log(large.cpu_seconds[command] / small.cpu_seconds[command]) / step
        memory = math.log(large.peak_bytes[command] / small.peak_bytes[command]) / step
        return max(0.0, time), max(0.0, memory)


def measure(place: Place, size: Size, times: int) -> Measured:
    """Measure every command in a repository whose experiment ``e0`` is checked out."""
    cache = place.path / ".git" / "gitexp"
    seconds: dict[str, float] = {}
    cpu_seconds: dict[str, float] = {}
    peaks: dict[str, int] = {}

    def keep(name: str, calls: Iterable[Sequence[str]], *, forget: str = "") -> None:
        costs = []
        for args in calls:
            if forget == "answers":  # else the second call would only repeat what the first said
                shutil.rmtree(cache / "answers", ignore_errors=True)
            elif forget:
                for path in cache.glob(forget):
                    path.unlink()
            costs.append(place.gitexp(*args, accepts=ANSWERS).once())
        seconds[name] = median(cost.seconds for cost in costs)
        cpu_seconds[name] = median(cost.cpu_seconds for cost in costs)
        peaks[name] = int(median(cost.peak_bytes for cost in costs))

    place.gitexp("list").once()
    keep("run, one repeat", [("run", "--seeds", str(901 + n)) for n in range(times)])
    keep(COLD, [("list",)], forget="index.sqlite*")
    keep("list", times * [("list",)])
    keep(FIRST, times * [("list", "--runs", "-n", "50")])
    keep("show", times * [("show",)], forget="answers")
    keep("status", times * [("status",)], forget="answers")
    keep("compare", times * [("compare",)])
    keep("new", [_new(n) for n in range(times)])
    place.gitexp("maintenance").once()
    place.run("git", "gc", "--quiet")
    counts = dict(
        line.split(": ") for line in place.output("git", "count-objects", "-v").splitlines()
    )
    return Measured(size, seconds, cpu_seconds, peaks, int(counts["size-pack"]) * 1024)


def _new(number: int) -> tuple[str, ...]:
    hypothesis = f"variant {number} raises f1 by at least 5%"
    return ("new", f"probe-{number}", "--baseline", "main", "--metric", "f1:max",
            "--effect", ">=5%", "--hypothesis", hypothesis)  # fmt: skip


def build(folder: Path, size: Size) -> Place:
    """Make a repository of a size, with repeats on both sides of its first experiment."""
    make_repos.make(folder, size.branches, size.runs, files=size.files, commits=size.commits)
    place = Place(folder, environment(folder.parent / "home"))
    place.run("git", "checkout", "--quiet", "exp/e0")
    place.gitexp("run", "--repeats", "2", "--with-baseline").once()
    return place


def steps(largest: int, count: int) -> list[int]:
    """Return sizes that double, up to the largest."""
    return [max(1, largest >> power) for power in reversed(range(count))]


def main(argv: Sequence[str]) -> int:
    """Measure, write the page, and return 1 if a bar was not met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--branches", type=int, default=5_000)
    parser.add_argument("--runs", type=int, default=10, help="of each branch")
    parser.add_argument("--commits", type=int, default=20_000)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--steps", type=int, default=4, help="sizes of each way to grow")
    parser.add_argument("--times", type=int, default=5, help="calls whose median is taken")
    parser.add_argument("--folder", type=Path, default=ROOT / "build", help="where there is room")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "scale.md")
    parser.add_argument("--images", type=Path, default=ROOT / "docs" / "images")
    args = parser.parse_args(argv)
    few = Size(max(1, args.branches // 100), args.runs, 0, 0)
    whole = Size(args.branches, args.runs, args.commits, args.files)
    axes = (
        (Axis("runs", "experiments and their runs", "runs", lambda size: size.all_runs),
         [Size(n, args.runs, 0, 0) for n in steps(args.branches, args.steps)]),
        (Axis("commits", "commits", "commits on main", lambda size: size.commits),
         [Size(few.branches, few.runs, n, 0) for n in steps(args.commits, args.steps)]),
        (Axis("files", "files", "files in the tree", lambda size: size.files),
         [Size(few.branches, few.runs, 0, n) for n in steps(args.files, args.steps)]),
    )  # fmt: skip
    args.folder.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="scale-", dir=args.folder))

    def at(size: Size) -> Measured:
        print(size, flush=True)
        place = build(folder / "r", size)
        found = measure(place, size, args.times)
        shutil.rmtree(folder / "r")
        return found

    try:
        for axis, sizes in axes:
            for size in sizes:
                axis.measured.append(at(size))
        together = at(whole)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    args.images.mkdir(parents=True, exist_ok=True)
    for axis, _ in axes:
        draw(axis, args.images)
    asked = [
        f"--{name} {value}"
        for name, value in vars(args).items()
        if isinstance(value, int) and value != parser.get_default(name)
    ]
    text = page([axis for axis, _ in axes], together, asked)
    args.out.write_text(text, encoding="utf-8")
    short = [name for axis, _ in axes for name in _worse(axis)]
    if together.seconds[FIRST] > FIRST_BAR_S:
        short.append(f"{FIRST} at full size")
    print("\n".join(f"SHORT {name}" for name in short) or "every bar is met")
    return 1 if short else 0


def _worse(axis: Axis) -> list[str]:
    """Return the commands that grew faster than the repository, in time or memory."""
    return [f"{name} ({axis.title})" for name in COMMANDS if max(axis.growth(name)) > LINEAR]


def draw(axis: Axis, folder: Path) -> None:
    """Write the plots of time and memory along one way to grow."""
    sizes = [axis.of(one.size) for one in axis.measured]
    for kind, unit, values in (
        ("time", "seconds of the processors", [one.cpu_seconds for one in axis.measured]),
        ("memory", "MB", [{k: v / MB for k, v in one.peak_bytes.items()} for one in axis.measured]),
    ):
        curves = [
            Curve(name, tuple((size, one[name]) for size, one in zip(sizes, values, strict=True)))
            for name in COMMANDS
        ]
        picture = plot(curves, title=f"{kind} over {axis.unit}", x=axis.unit, y=unit)
        (folder / f"scale-{axis.name}-{kind}.svg").write_text(picture, encoding="utf-8")


def page(axes: Sequence[Axis], together: Measured, asked: Sequence[str]) -> str:
    """Return docs/scale.md.

    Parameters
    ----------
    axes : sequence of Axis
    together : Measured
        Large in every way.
    asked : sequence of str
        Options that are not the default.
    """
    size = together.size
    lines = [
        "# Scale: what grows with a repository",
        "",
        "Written by `benchmarks/scale.py`; do not edit.",
        "",
        f"Measured on {datetime.now(UTC):%Y-%m-%d} with {_machine()}.",
        "Each command is a whole process: the median of several calls after one that filled the",
        "index, and the peak of its memory. Seconds of a busy machine are too long, so growth is",
        "told by the time of the processors. To repeat:",
        f"`{' '.join(['python benchmarks/scale.py', *asked])}`.",
        "",
        "The growth is the power of the size by which a cost rose over the last step: 0 is none, 1",
        "is linear, and more than 1 would be worse than linear.",
        "",
        "## Large in every way",
        "",
        f"{size.branches:,} experiments with {size.all_runs:,} runs,",
        f"{size.commits:,} commits on main, {size.files:,} files.",
        "",
        *_table(
            ["command", "seconds (of the processors)", "memory, MB"],
            [[f"`{name}`", _seconds(together, name), _memory(together, name)] for name in COMMANDS],
        ),
    ]
    for axis in axes:
        lines += ["", f"## More {axis.title}", ""]
        shown = [f"{axis.of(one.size):,}" for one in axis.measured]
        rows = [
            [
                f"`{name}`",
                *(_seconds(one, name) for one in axis.measured),
                f"{axis.growth(name)[0]:.2f}",
                _memory(axis.measured[-1], name),
                f"{axis.growth(name)[1]:.2f}",
            ]
            for name in COMMANDS
        ]
        header = [
            f"seconds (of the processors) at ... {axis.unit}",
            *shown,
            "growth",
            "memory, MB",
            "growth",
        ]
        lines += _table(header, rows)
        lines += [
            "",
            f"![time over {axis.unit}](images/scale-{axis.name}-time.svg)",
            f"![memory over {axis.unit}](images/scale-{axis.name}-memory.svg)",
        ]
    runs = axes[0].measured
    sizes = [f"{one.size.all_runs:,}" for one in runs]
    lines += [
        "",
        "## Bytes of the repository",
        "",
        "All Git objects, packed by Git itself (`gitexp maintenance`, then `git gc`).",
        "",
        *_table(["runs", *sizes], [
            ["MB", *(f"{one.packed_bytes / MB:.1f}" for one in runs)],
            ["KB a run", *(f"{one.packed_bytes / KB / one.size.all_runs:.2f}" for one in runs)],
        ]),
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    line = "|---" + "|---:" * (len(header) - 1) + "|"
    return [f"| {' | '.join(cells)} |" if cells else line for cells in (header, (), *rows)]


def _seconds(one: Measured, command: str) -> str:
    return f"{one.seconds[command]:.2f} ({one.cpu_seconds[command]:.2f})"


def _memory(one: Measured, command: str) -> str:
    return f"{one.peak_bytes[command] / MB:.0f}"


def _machine() -> str:
    git = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout
    version = git.split()[2]
    return (
        f"{os.cpu_count()} processors ({platform.machine()}), {platform.system()}, "
        f"Python {platform.python_version()}, Git {version}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
