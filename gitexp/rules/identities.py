"""R4: a result comes with the identities of its environment, parameters and data, in one commit."""

from __future__ import annotations

import posixpath
import shlex
from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError
from gitexp.git.transaction.layout import environment_dir, run_dir
from gitexp.model.config import ParamKey
from gitexp.model.rules import Policy
from gitexp.model.run import Origin, RepeatState, Run
from gitexp.rules.branches import is_experiment
from gitexp.rules.facts import Facts, Finding, Rule, dropping
from gitexp.rules.recorded import new_runs
from gitexp.store.plan_files import UnreadablePlan

if TYPE_CHECKING:
    from collections.abc import Iterator


def find(facts: Facts) -> Iterator[Finding]:
    """Look at the runs that a commit adds, and at metrics that it changes without one."""
    recorded = False
    for file, run in new_runs(facts):
        recorded = True
        if not isinstance(run, UnreadablePlan) and run.origin is Origin.OBSERVED:
            yield from _run(facts, file.change.path, run)
    if not recorded and is_experiment(facts.config, facts.branch):
        yield from _metrics(facts)


def _run(facts: Facts, path: str, run: Run) -> Iterator[Finding]:
    again = dropping(facts, run_dir(run.id))
    again = f"gitexp run records all of it at once; {again}" if facts.made else again
    finished = [repeat for repeat in run.repeats if repeat.state is RepeatState.FINISHED]
    if any(repeat.environment is None for repeat in finished):
        yield Finding(f"run {run.id[:8]} does not say in which environment it ran", again, path)
    digests = {repeat.environment for repeat in finished if repeat.environment is not None}
    for digest in sorted(digests):
        if facts.tree.entry(f"{environment_dir(digest)}/environment.json") is None:
            what = f"the environment {digest[:8]} of run {run.id[:8]} is not recorded"
            yield Finding(what, again, path)
    declared = facts.config.predictions is not None or facts.config.evaluation
    if declared and any(repeat.evaluation is None for repeat in finished):
        yield Finding(f"run {run.id[:8]} does not say on which data it was judged", again, path)
    if not run.params and any(_has_params(facts, file) for file in facts.config.params):
        yield Finding(f"run {run.id[:8]} does not say its parameters", again, path)


def _has_params(facts: Facts, file: str) -> bool:
    """Tell whether a params file has more than seeds, which no run names among its parameters."""
    from gitexp.text.params import flat  # noqa: PLC0415 - few hooks see a run without parameters

    data = facts.tree.read(posixpath.join(facts.config.project, file))
    if data is None:
        return False
    try:
        keys = {ParamKey(file, key) for key in flat(data, file)}
    except GitexpError:
        return True
    return bool(keys - {*facts.config.seed.every})


def _metrics(facts: Facts) -> Iterator[Finding]:
    files = {posixpath.join(facts.config.project, file) for file in facts.config.metrics}
    for change in facts.changes:
        if change.path in files and change.new is not None:
            yield Finding(
                f"{change.path} changed without a recorded run: environment, parameters and data"
                " of this result are nowhere",
                f"git restore --staged --worktree {shlex.quote(change.path)}; gitexp run"
                if not facts.made
                else "gitexp run, which records the result with all three",
                change.path,
            )


RULE: Final = Rule(
    "R4",
    "a result has environment, parameters and data identities in the same commit",
    Policy.WARN,
    find,
)
