"""What Git's hooks cost: whole commits with and without them, in turns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from measure import Command, median
from projects import begin, trivial
from table import ratio, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from projects import Place
    from table import Bench, Row

TIMES = 15
N_STAGED = 100


def hooks(bench: Bench) -> Iterator[Row]:
    """Measure what the hooks add to a commit, beside what DVC's own hook takes."""
    place = bench.example()
    place.run("git", "switch", "--quiet", "exp/engineered-features")
    # The example is this repository, where the pre-commit framework would be in charge.
    manager = place.path / ".pre-commit-config.yaml"
    aside = manager.rename(manager.with_suffix(".aside"))
    place.gitexp("hooks", "install").once()
    aside.rename(manager)
    code, params = "examples/churn/evaluate.py", "params.yaml"
    added = _added(place, code)
    yield seconds("a commit of code on an experiment, what the hooks add", added, 0.15)
    theirs = median(place.dvc("git-hook", "pre-commit"), TIMES)
    yield ratio("the same / dvc git-hook pre-commit", added, theirs.seconds, 0.15)
    yield seconds("a commit of parameters, what the hooks add", _added(place, params), 0.15)
    place.run("git", "switch", "--quiet", "main")
    yield seconds("a commit on main, what the hooks add", _added(place, code), 0.02)


def many_staged(bench: Bench) -> Iterator[Row]:
    """Measure pre-commit where much is tracked and much is staged."""
    place = bench.once("hooks", lambda folder: trivial(folder, bench.env, n_files=10_000))
    begin(place, "idea", "lr=0.6")
    place.gitexp("hooks", "install").once()
    for number in range(N_STAGED):
        (place.path / "src" / f"{number:03d}" / "new.py").write_text("x = 1\n", encoding="utf-8")
    place.run("git", "add", "--all")
    cost = median(Command((".git/hooks/pre-commit",), place.path, place.env), TIMES)
    what = f"pre-commit, 10,000 files tracked, {N_STAGED} of them staged"
    yield seconds(what, cost.seconds, 0.4)


def _added(place: Place, path: str) -> float:
    """Return the seconds that hooks add to a commit that changes one line of a file."""
    commit = f'echo "# $$" >>{path} && git {{}} commit --quiet --all --message=line'
    ours, bare = (
        Command(("sh", "-c", commit.format(options)), place.path, place.env)
        for options in ("", "-c core.hooksPath=/dev/null")
    )
    # One of ours between, untimed: a commit that no hook saw has the next one start Python.
    found = [_pair(ours, bare) for _ in range(TIMES)]
    return sorted(found)[TIMES // 2]


def _pair(ours: Command, bare: Command) -> float:
    without = bare.once().seconds
    ours.once()
    return ours.once().seconds - without
