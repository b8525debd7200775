"""The rows of the table: each makes its repository, measures, and holds it against a bar."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import hookrows
import make_repos
import peers
from measure import Command, in_turns, median
from projects import FIVE_METRICS, Place, begin, dvc_branches, example, trivial
from table import JOBS, Bench, Row, ratio, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KB = 1_000
MB = 1_000_000
PEAK_MB = 250
TIMES = 10
ANSWERS = (0, 1, 6)  # exit codes of compare that are verdicts
WRITER = Path(__file__).with_name("writer.py")
LARGE = Path(__file__).with_name("large.py")


def version(bench: Bench) -> Iterator[Row]:
    """Measure how long it takes to say who one is."""
    place = bench.once("trivial", lambda folder: trivial(folder, bench.env))
    ours, theirs = in_turns(place.gitexp("--version"), place.dvc("--version"), 2 * TIMES)
    yield ratio("gitexp --version / dvc --version", ours.seconds, theirs.seconds, 0.15)


def package(bench: Bench) -> Iterator[Row]:
    """Measure what a training script pays for ``import gitexp``."""
    imports = (sys.executable, "-c", "import gitexp; gitexp.log_metric")
    bare = Command((sys.executable, "-c", "pass"), bench.folder, bench.env)
    ours, theirs = in_turns(Command(imports, bench.folder, bench.env), bare, TIMES)
    yield seconds("import gitexp, beyond a bare interpreter", ours.seconds - theirs.seconds, 0.1)


def points(bench: Bench) -> Iterator[Row]:
    """Measure what a training script pays for a point, beside lines that it writes by hand."""
    n_points = 200_000
    file = bench.folder / "points.jsonl"
    loop = f"for step in range({n_points}): "
    by_hand = (
        f"import json, time; file = open({str(file)!r}, 'w')\n{loop}"
        "file.write(json.dumps({'name': 'loss', 'step': step, 't': time.time(), 'value': 0.1}))"
    )
    env = {**bench.env, "GITEXP_POINTS": str(file)}
    logged = f"from gitexp import log_metric\n{loop}log_metric('loss', 0.1, step)"
    ours, theirs = in_turns(
        *(Command((sys.executable, "-c", code), bench.folder, env) for code in (logged, by_hand)), 5
    )
    what = f"{n_points:,} points by log_metric / by json.dumps and write"
    yield ratio(what, ours.seconds, theirs.seconds, 1.5)


def status(bench: Bench) -> Iterator[Row]:
    """Measure how long it takes to say where things stand, on the example."""
    place = bench.example()
    for command in ("status", "show"):
        ours, theirs = in_turns(place.gitexp(command), place.dvc("status"), TIMES)
        what = f"gitexp {command} / dvc status, on the example"
        yield ratio(what, ours.seconds, theirs.seconds, 0.25)


def compare(bench: Bench) -> Iterator[Row]:
    """Measure a comparison of ten repeats a side, as the shell sees it."""
    cost = median(bench.example().gitexp("compare", accepts=ANSWERS), TIMES)
    yield seconds("gitexp compare, 2 x 10 repeats, whole process", cost.seconds, 1.0)
    peak = cost.peak_bytes / MB
    what = "gitexp compare, 2 x 10 repeats, peak memory"
    yield Row(what, f"{peak:.0f} MB", f"<= {PEAK_MB} MB", ok=peak <= PEAK_MB)


def overhead(bench: Bench) -> Iterator[Row]:
    """Measure what a repeat costs beyond the user's own commands, on the example.

    In a call of as many repeats as a plan has by default; the call's own start is among them.
    """
    place = bench.example()
    python = shlex.quote(sys.executable)
    prepare, featurize, train, evaluate = (
        f"{python} examples/churn/{stage}.py"
        for stage in ("prepare", "featurize", "train", "evaluate")
    )
    n_rounds, n_repeats = 2, 10
    stages = " && ".join([prepare, featurize, *n_repeats * [train, evaluate]])
    by_hand = Command(("sh", "-c", stages), place.path, place.env)
    ours = theirs = 0.0
    for first in range(901, 901 + n_rounds * n_repeats, n_repeats):
        these = f"{first}-{first + n_repeats - 1}"
        ours += place.gitexp("run", "--seeds", these).once().seconds
        theirs += by_hand.once().seconds
    what = "our cost per repeat beyond the stages, on the example"
    note = f"{n_rounds} x {n_repeats} repeats {ours:.1f} s, their stages by hand {theirs:.1f} s"
    yield seconds(what, (ours - theirs) / (n_rounds * n_repeats), 0.3, note)


def many_branches(bench: Bench) -> Iterator[Row]:
    """Measure ``list`` on 2,000 branches, each with a run, beside DVC on as many of the example.

    DVC reads the stages of each commit, so what it costs goes with their number; ours does not.
    """
    n_branches = 2000
    place = bench.synthetic("branches", n_branches, 1)
    sizes = (n_branches,) if bench.full else (100, 200)
    smaller = tuple(
        (n, dvc_branches(example(bench.folder / f"dvc-{n}", bench.env), "penalty: 1.0", n))
        for n in sizes
    )
    cold = _cold_list(place)
    theirs, how = peers.dvc_exp_show(smaller, n_branches)
    what = "gitexp list / dvc exp show -a, 2,000 branches, cold"
    yield ratio(what, cold, theirs, 0.01, f"dvc on branches of the example: {how}")
    warm = median(place.gitexp("list"), TIMES)
    yield seconds("gitexp list, 2,000 branches, warm", warm.seconds, 0.5)


def many_runs(bench: Bench) -> Iterator[Row]:
    """Measure ``list`` on 10 branches of 1,000 runs."""
    place = bench.synthetic("runs", 10, 1000)
    cold = _cold_list(place)
    warm = median(place.gitexp("list"), TIMES)
    peer = peers.mlflow_search(place, 10, 1000) if bench.full else "--full: beside mlflow"
    note = f"cold {cold:.2f} s; {peer}"
    yield seconds("gitexp list, 10 branches x 1,000 runs, warm", warm.seconds, 0.5, note)


def repeats(bench: Bench) -> Iterator[Row]:
    """Measure repeats of a pipeline that costs next to nothing by itself."""
    n_repeats = 20 if bench.full else 6
    theirs_place = bench.once("queue", lambda folder: trivial(folder, bench.env))
    place = bench.once("repeats", lambda folder: trivial(folder, bench.env))
    begin(place, "idea", "lr=0.6")
    # By seeds, of one side: a call by --repeats makes the baseline's, too, and is twice as much.
    ours = place.gitexp("run", "--seeds", f"1-{n_repeats}", "--jobs", str(JOBS)).once()
    theirs = peers.dvc_queue(theirs_place, n_repeats, JOBS)
    what = f"{n_repeats} repeats, --jobs 2 / dvc exp run --queue, queue start -j 2"
    note = "" if bench.full else "--full: 20 repeats, where our fixed cost weighs less"
    yield ratio(what, ours.seconds, theirs, 0.1, note)


def big_repository(bench: Bench) -> Iterator[Row]:
    """Measure the same beside 10,000 files."""
    n_repeats = 20
    place = bench.once("files", lambda folder: trivial(folder, bench.env, n_files=10_000))
    begin(place, "idea", "lr=0.6")
    cost = place.gitexp("run", "--seeds", f"1-{n_repeats}", "--jobs", str(JOBS)).once()
    what = "a repeat in a repository of 10,000 files, --jobs 2"
    note = f"{n_repeats} repeats {cost.seconds:.2f} s"
    yield seconds(what, cost.seconds / n_repeats, 0.6, note)


def writers(bench: Bench) -> Iterator[Row]:
    """Count what processes lose that record on one branch at the same time."""
    yield _written(bench, 2, 100)
    yield _written(bench, 8, 50)


def _written(bench: Bench, n_writers: int, n_recordings: int) -> Row:
    name = f"writers-{n_writers}"
    place = bench.once(name, lambda folder: trivial(folder, bench.env))
    running = [
        subprocess.Popen(
            (sys.executable, str(WRITER), str(place.path), f"w{index}", str(n_recordings)),
            env=dict(place.env),
        )
        for index in range(n_writers)
    ]
    codes = [process.wait() for process in running]
    kept = place.output("git", "ls-tree", "-r", "--name-only", "main", "recorded/").split()
    history = place.output("git", "log", "--format=%s", "main").splitlines()
    n_commits = sum(subject.startswith("record ") for subject in history)
    lost = n_writers * n_recordings - min(len(kept), n_commits)
    merges = place.output("git", "rev-list", "--merges", "main").split()
    what = f"{n_writers} writers x {n_recordings} recordings on one branch"
    note = f"{len(merges)} merges: the history is {'no' if merges else 'a'} line"
    ok = lost == 0 and not merges and not any(codes)
    return Row(what, f"{lost} lost", "0 lost", ok=ok, note=note)


def synced(bench: Bench) -> Iterator[Row]:
    """Measure ``sync`` of 100 runs to a branch that somebody else moved."""
    n_runs, n_rounds = 100, 3
    folder = bench.folder / "shared"
    make_repos.make(folder / "start", 1, 0)
    here = Place(bench.folder, bench.env)
    here.run("git", "clone", "--quiet", "--bare", str(folder / "start"), str(folder / "remote"))
    ours, theirs = (Place(folder / name, bench.env) for name in ("ours", "theirs"))
    for place in (ours, theirs):
        here.run("git", "clone", "--quiet", str(folder / "remote"), str(place.path))
        place.run("git", "checkout", "--quiet", "exp/e0")
    taken = []
    for number in range(n_rounds):
        theirs.run("git", "pull", "--quiet")
        make_repos.append(theirs.path, 10_000 + number, 1)
        theirs.run("git", "push", "--quiet")
        make_repos.append(ours.path, n_runs * number, n_runs)
        ours.run("git", "reset", "--quiet", "--hard")
        taken.append(ours.gitexp("sync", "--no-data").once().seconds)
    kept = theirs.output("git", "ls-remote", "origin", "exp/e0").split()[0]
    if kept != ours.output("git", "rev-parse", "exp/e0").strip():
        message = "sync left the remote's branch and ours apart"
        raise RuntimeError(message)
    yield seconds("gitexp sync, 100 runs to a moved tip", sorted(taken)[n_rounds // 2], 2.0)


def stored(bench: Bench) -> Iterator[Row]:
    """Measure what a run of ten repeats and five metrics adds to the repository."""
    n_runs, n_repeats = 4, 10
    place = bench.once("stored", lambda folder: trivial(folder, bench.env))
    (place.path / "train.py").write_text(FIVE_METRICS, encoding="utf-8")
    place.commit("five metrics")
    begin(place, "idea", "lr=0.6")
    place.gitexp("run", "--repeats", str(n_repeats)).once()
    before = _packed_bytes(place)
    for number in range(1, n_runs + 1):
        these = f"{n_repeats * number}-{n_repeats * number + n_repeats - 1}"
        place.gitexp("run", "--seeds", these).once()
    added = (_packed_bytes(place) - before) / n_runs / KB
    what = "bytes of a run, 10 repeats, 5 metrics, packed"
    yield Row(what, f"{added:.1f} KB", "<= 8 KB", ok=added <= 8)  # noqa: PLR2004  the bar


def _packed_bytes(place: Place) -> int:
    place.run("git", "gc", "--quiet", "--prune=now")
    packs = (place.path / ".git" / "objects" / "pack").iterdir()
    return sum(path.stat().st_size for path in packs)


def statistics(bench: Bench) -> Iterator[Row]:
    """Measure the tests on large inputs, without what their process costs."""
    for task, what, most_s, most_mb in (
        ("permutation", "exact paired permutation, 20 pairs", 0.05, None),
        ("delong", "DeLong, 1,000,000 examples", 2.0, None),
        ("bootstrap", "10,000 resamples of F1, 100,000 examples", 5.0, 500),
        ("randomization", "10,000 randomizations of F1, 100,000 examples", 5.0, 500),
        ("accuracy", "McNemar, 1,000,000 examples, from labels on", 5.0, None),
    ):
        found = [
            json.loads(
                subprocess.run(
                    [sys.executable, LARGE, task],
                    env=dict(bench.env),
                    capture_output=True,
                    check=True,
                ).stdout
            )
            for _ in range(3)
        ]
        yield seconds(what, sorted(item["seconds"] for item in found)[1], most_s)
        if most_mb is not None:
            peak = max(item["peak_bytes"] for item in found) / MB
            bar = f"<= {most_mb} MB"
            yield Row(f"{what}, peak memory", f"{peak:.0f} MB", bar, ok=peak <= most_mb)


def _cold_list(place: Place) -> float:
    """Return the seconds of ``list`` with the index deleted, the median of three."""
    found = []
    for _ in range(3):
        for path in (place.path / ".git" / "gitexp").glob("index.sqlite*"):
            path.unlink()
        found.append(place.gitexp("list").once().seconds)
    return sorted(found)[1]


ROWS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "version": version,
    "import": package,
    "points": points,
    "status": status,
    "compare": compare,
    "statistics": statistics,
    "overhead": overhead,
    "branches": many_branches,
    "runs": many_runs,
    "repeats": repeats,
    "files": big_repository,
    "writers": writers,
    "sync": synced,
    "stored": stored,
    "hooks": hookrows.hooks,
    "staged": hookrows.many_staged,
}
