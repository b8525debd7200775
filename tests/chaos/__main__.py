"""Kill gitexp at random, hundreds of times, with ``git gc`` and other writers beside it.

    python -m tests.chaos --rounds 500 --seed 1

Every tenth round a person comes along: ``doctor --fix``, ``run --resume``, in turns the other way
round. What must hold is in
`world`. A failure prints seed and round, and leaves the repository where it is.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.git.transaction.failpoints import FailPoint
from tests.chaos.world import BRANCH, Broken, World, make
from tests.chaos.writer import path_of

if TYPE_CHECKING:
    from collections.abc import Callable

    Process = subprocess.Popen[bytes]
    Act = Callable[[World, random.Random, int], list[str]]

EVERY = 10  # rounds between two visits of a person
PATIENCE_S = 120


def run(_: World, rng: random.Random, number: int) -> list[str]:
    """One or two fresh repeats."""
    first = 1000 + 10 * number
    last = first + rng.randrange(2)
    return ["gitexp", "run", "--seeds", f"{first}-{last}", "--jobs", str(rng.choice((1, 2)))]


def resume(world: World, rng: random.Random, number: int) -> list[str]:
    """Record what others left, and make one more."""
    return [*run(world, rng, number), "--resume"]


def publish(world: World, _: random.Random, number: int) -> list[str]:
    """Only a transaction."""
    return ["tests.chaos.writer", str(world.repo.path), BRANCH, str(of_us(number))]


def of_us(number: int) -> int:
    """Return the number of what is written as the act of a round."""
    return 3 * number


def beside_us(number: int) -> int:
    """Return the number of what somebody writes here at the same time."""
    return 3 * number + 1


def elsewhere(number: int) -> int:
    """Return the number of what somebody writes on the remote at the same time."""
    return 3 * number + 2


def sync(_: World, __: random.Random, ___: int) -> list[str]:
    """Share everything with the remote."""
    return ["gitexp", "sync"]


def push(_: World, __: random.Random, ___: int) -> list[str]:
    """Send everything to the remote."""
    return ["gitexp", "push"]


def pull(_: World, rng: random.Random, ___: int) -> list[str]:
    """Take what the remote has."""
    return ["gitexp", "pull", *rng.choice(([], ["--data"]))]


def archive(world: World, rng: random.Random, number: int) -> list[str]:
    """End an experiment of its own."""
    name = f"short-{number}"
    world.gitexp(
        "new", name, "--seeds", "committed",
        "--no-switch", "--metric", "acc:max", "--effect", ">0", "--repeats", "2",
        "--hypothesis", "an experiment that is archived at once",
    )  # fmt: skip
    return ["gitexp", "archive", name, "--abandon", *rng.choice(([], ["--push"]))]


def restore(world: World, rng: random.Random, number: int) -> list[str]:
    """Bring back one that was archived."""
    _, *argv = archive(world, rng, number)
    world.gitexp(*argv)
    return ["gitexp", "restore", argv[1]]


def conclude(_: World, __: random.Random, number: int) -> list[str]:
    """Conclude the experiment that goes on, and tag it."""
    return ["gitexp", "conclude", "idea", "--amend", "-m", f"so far, by {number}", "--archive"]


def maintenance(_: World, rng: random.Random, __: int) -> list[str]:
    """Pack, and forget some job folders."""
    return ["gitexp", "maintenance", "--keep", str(rng.randrange(4))]


ACTS: dict[str, tuple[Act, int]] = {  # and how often
    "run": (run, 8),
    "resume": (resume, 4),
    "publish": (publish, 2),
    "maintenance": (maintenance, 1),
    "sync": (sync, 4),
    "push": (push, 1),
    "pull": (pull, 1),
    "archive": (archive, 2),
    "restore": (restore, 1),
    "conclude": (conclude, 2),
}


def play(world: World, rng: random.Random, number: int, counts: Counter[str]) -> None:
    """Do one act with others beside it, and kill it, or let it end."""
    name = rng.choices(list(ACTS), [weight for _, weight in ACTS.values()])[0]
    how = rng.choices(("nothing", "failpoint", "process", "group"), (1, 4, 4, 2))[0]
    counts[f"{name}, killed by {how}"] += 1
    argv = ACTS[name][0](world, rng, number)
    points = [point for point in FailPoint if point.value.partition(".")[0] in {name, "publish"}]
    if name == "resume":
        points = [point for point in FailPoint if not point.value.startswith("sync.")]
    failpoint = f"{rng.choice(points).value}:kill" if how == "failpoint" else ""
    beside = start_others(world, rng, number)
    started = time.monotonic()
    victim = world.start(*argv, failpoint=failpoint)
    if how in {"process", "group"}:
        usual = 1.6 if name in {"run", "resume"} else 0.4
        kill(victim, rng.uniform(0.05, usual), group=how == "group")
    code = victim.wait(PATIENCE_S)
    counts["killed"] += code == -signal.SIGKILL
    if name == "publish" and code == 0:
        world.written.add(path_of(of_us(number)))
    for label, process in beside.items():
        ended = process.wait(PATIENCE_S)
        if label == "writer" and ended == 0:
            world.written.add(path_of(beside_us(number)))
        if label == "colleague" and ended == 0:
            world.shared.add(path_of(elsewhere(number)))
        if ended < 0 or ended == 70:
            raise Broken(f"{label} beside {name} ended with {ended}")
    if code == 70:
        raise Broken(f"{name} ended with a bug after {time.monotonic() - started:.1f} s")


def kill(victim: Process, after_s: float, *, group: bool) -> None:
    """Kill a process, or all of its group, unless it ends before."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        victim.wait(after_s)
    with contextlib.suppress(ProcessLookupError):
        if group:
            os.killpg(victim.pid, signal.SIGKILL)
        elif victim.poll() is None:
            victim.kill()


def start_others(
    world: World, rng: random.Random, number: int
) -> dict[str, subprocess.Popen[bytes]]:
    """Start some of: a garbage collection, writers here and there, a doctor, another resume."""
    found: dict[str, Process] = {}
    if rng.random() < 0.5:
        found["gc"] = subprocess.Popen(
            ["git", "gc", "--quiet", "--prune=now"],
            cwd=world.repo.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    writer = "tests.chaos.writer"
    there = 0.3 if f"refs/heads/{BRANCH}" in world.origin.refs() else 0.0
    chances = {
        "writer": (0.5, [writer, str(world.repo.path), BRANCH, str(beside_us(number))]),
        "colleague": (there, [writer, str(world.origin.path), BRANCH, str(elsewhere(number))]),
        "doctor": (0.2, ["gitexp", "doctor", "--fix"]),
        "resume": (0.15, ["gitexp", "run", "--resume", "--seeds", "0"]),
    }
    for label, (chance, argv) in chances.items():
        if rng.random() < chance:
            found[label] = world.start(*argv)
    return found


def chaos(rounds: int, seed: int, folder: Path, say: Callable[[str], object]) -> Counter[str]:
    """Play so many rounds and return what was done.

    Raises
    ------
    Broken
        If something that must hold does not.
    """
    rng = random.Random(seed)  # noqa: S311  to be repeated, no secret
    counts: Counter[str] = Counter()
    world = make(folder)
    for number in range(1, rounds + 1):
        try:
            play(world, rng, number, counts)
            world.check()
            if number % EVERY == 0 or number == rounds:
                world.recover(doctor_first=number // EVERY % 2 == 1)
                say(
                    f"round {number}: {len(world.finished)} repeats finished, "
                    f"{len(world.written | world.shared)} other commits, {counts['killed']} kills\n"
                )
        except (Broken, subprocess.TimeoutExpired) as error:
            message = f"seed {seed}, round {number}: {error}\nlook into {folder}"
            raise Broken(message) from error
    counts["finished repeats"] = len(world.finished)
    counts["locks that a killed git left"] = world.foreign_locks
    return counts


def main() -> int:
    """Play, and say how it ended."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    # A home without anybody's settings; Git and DVC of the machine stay out.
    folder = Path(tempfile.mkdtemp(prefix="gitexp-chaos-"))
    home = folder / "home"
    home.mkdir()
    for key in [key for key in os.environ if key.startswith(("GIT_", "DVC_", "GITEXP_", "XDG_"))]:
        del os.environ[key]
    os.environ |= {
        "HOME": str(home), "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
        "DVC_NO_ANALYTICS": "true",
    }  # fmt: skip
    try:
        counts = chaos(args.rounds, args.seed, folder, _say)
    except Broken as error:
        _say(f"BROKEN: {error}\n")
        return 1
    for name, count in sorted(counts.items()):
        _say(f"{count:6}  {name}\n")
    _say(f"{args.rounds} rounds: no finished repeat lost, no corrupt object, dvc works\n")
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
