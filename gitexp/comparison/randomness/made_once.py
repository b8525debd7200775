"""What repeats stand on that no seed reaches: whether a run has made it, and always the same."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from gitexp.model.run import OnceRecord, Run, StageOrigin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gitexp.comparison.counting import Count, FoundRuns


def made_by(runs: Iterable[Run]) -> Callable[[OnceRecord], bool]:
    """Return what tells whether one of some runs has executed a stage, and made just this.

    A run from before they said so has executed all that it lists.
    """
    executed, listed = set(), set()
    for run in runs:
        executed |= {
            (made.stage, made.recipe, *made.hashes.items())
            for made in run.once
            if made.origin is StageOrigin.EXECUTED
        }
        if not run.once:
            listed |= {(out.path, out.md5) for repeat in run.repeats for out in repeat.outputs}
    return lambda made: (
        (made.stage, made.recipe, *made.hashes.items()) in executed or made.hashes.items() <= listed
    )


def made_outside(counted: Count, found: FoundRuns) -> tuple[str, list[str]]:
    """Say what no run has made and yet every number stands on; for line 1, and as warnings.

    It was in dvc.lock, which anybody may write, under the command, dependencies and parameters of a
    stage that no seed reaches. One run that executes just this and makes the same lifts it: another
    command copies what was planted.
    """
    repeats = {**counted.baseline.repeats, **counted.candidate.repeats}
    both = (*counted.baseline.repeats.values(), *counted.candidate.repeats.values())
    used = {(m.stage, m.recipe, *m.hashes.items()): m for r in both for m in r.found.run.once}
    reached = (*found.candidate, *found.baseline)
    known = made_by(each.run for each in reached if each.run.id not in found.contradicted)
    open_ = [m for m in used.values() if m.origin is not StageOrigin.EXECUTED and not known(m)]
    mine = {
        (m.stage, m.recipe) for r in counted.candidate.repeats.values() for m in r.found.run.once
    }
    sides = {m.stage: " --with-baseline" for m in open_ if (m.stage, m.recipe) not in mine}
    said = [
        f"{stage} was executed by no run{' of the baseline' if stage in sides else ''}: what it "
        f"makes was taken from dvc.lock; gitexp run --again --seeds {min(repeats)}"
        f"{sides.get(stage, '')} executes it, and holds it against that"
        for stage in dict.fromkeys(made.stage for made in open_)
    ]
    said += [
        f"{stage} made other outputs in some of these runs than in others, of the same command, "
        "dependencies and parameters: they differ by more than the seed"
        for (stage, _), number in Counter((stage, recipe) for stage, recipe, *_ in used).items()
        if number > 1
    ]
    paths = dict.fromkeys(path for made in open_ for path in made.hashes)
    return f"conditional on {', '.join(paths)}, made outside; " if paths else "", said
