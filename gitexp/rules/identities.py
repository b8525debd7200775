"""R4: a result comes with the identities of its environment, parameters and data, in one commit."""

from __future__ import annotations

import contextlib
import posixpath
import shlex
from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError
from gitexp.git.transaction.layout import environment_dir, plan_path, run_dir, samples_csv
from gitexp.model.config import ParamKey
from gitexp.model.metrics import by_file
from gitexp.model.plan import Plan
from gitexp.model.rules import Policy, TreeEntry
from gitexp.model.run import Origin, RepeatState, Run
from gitexp.rules.branches import is_experiment
from gitexp.rules.facts import Facts, Finding, Rule, dropping, of_commit, restoring, settings
from gitexp.rules.recorded import new_runs, readable_runs
from gitexp.store.plan_files import UnreadablePlan, plan_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gitexp.model.ids import CommitHash
    from gitexp.model.run import Sample


def find(facts: Facts) -> Iterator[Finding]:
    """Look at the runs that a commit adds, and at metrics that it changes without one."""
    for file, run in new_runs(facts):
        if not isinstance(run, UnreadablePlan) and run.origin is Origin.OBSERVED:
            yield from _run(facts, file.change.path, run)
    if is_experiment(facts.config, facts.branch):
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
    """Look at the metrics files that a commit changes, for a number that the last one still has.

    A branch with runs is not written anew, so what was taken back, or a later run wrote over, is
    mended. A file is a metrics file if either commit's settings say so.
    """
    last = facts.last or facts.tree
    both = (facts.config, settings(last) if facts.last else facts.config)
    files = {posixpath.join(config.project, file) for config in both for file in config.metrics}
    for change in facts.changes:
        path = change.path
        if path not in files or change.new is None or last.entry(path) != change.new:
            continue
        if _is_of_run(facts, path) or change.new in (stood := _stood(facts, path)):
            continue
        yield Finding(
            f"{path} changed without a recorded run: environment, parameters and data"
            " of this result are nowhere",
            _back(facts, path, stood)
            if facts.made
            else f"git restore --staged --worktree {shlex.quote(path)}; gitexp run",
            path,
        )


def _is_of_run(facts: Facts, path: str) -> bool:
    """Return whether a commit records the run that wrote a metrics file as the commit has it.

    The record says which of its repeats the snapshot is of: its samples are the file's numbers.
    """
    runs = [run for _, run in readable_runs(facts)]
    seeds = [(run.id, each.seed) for run in runs for each in run.repeats if each.snapshot]
    data = facts.tree.read(path) if seeds else None
    if data is None:
        return False
    # Most commits have no run, and hooks no time.
    from gitexp.system import metrics  # noqa: PLC0415
    from gitexp.text import samples  # noqa: PLC0415

    def numbers(found: Iterable[Sample]) -> dict[tuple[str, object], float]:
        return {(x.metric, (x.rep, x.fold, x.dataset)): x.value for x in found}

    file = posixpath.relpath(path, facts.config.project or ".")
    with contextlib.suppress(GitexpError):  # nobody can say that it is
        written = numbers(metrics.parse({file: data}, seed=0))
        for run, seed in seeds:
            table = facts.tree.read(samples_csv(run), samples.LIMIT) or b""
            held = (x for x in samples.parse(table, samples_csv(run)) if x.seed == seed)
            there = numbers(held)
            if all(
                value in {there.get((name, of)), there.get((by_file(name, file), of))}
                for (name, of), value in written.items()
            ):
                return True
    return False


def _stood(facts: Facts, path: str) -> Mapping[TreeEntry | None, CommitHash]:
    """Return what a file may be at the end without a run, each with a commit that has it so.

    That is what the last run with a snapshot wrote on each line, else what the experiment began
    with, or other branches brought. What was run before the last snapshot is of another state.
    """
    plan = plan_of(facts.last or facts.tree, facts.branch)
    names = (plan.name, *plan.formerly) if isinstance(plan, Plan) else ()
    waiting = [*(facts.before if facts.end is None else (facts.end,))]
    seen = set[str]()
    found: dict[TreeEntry | None, CommitHash] = {}
    while waiting:
        commit = waiting.pop()
        if commit in seen:
            continue
        seen.add(commit)
        with contextlib.suppress(GitexpError):  # not here, or it cannot be looked at: R0
            here = of_commit(facts.objects, commit, branch="")
            # Of a range it is known which are the branch's: one may lack its plan for a while.
            own = commit in facts.own or any(here.tree.entry(plan_path(name)) for name in names)
            if own and here.before and not _is_of_run(here, path):
                waiting += here.before
            else:
                found.setdefault(here.tree.entry(path), commit)
    return found


def _back(facts: Facts, path: str, stood: Mapping[TreeEntry | None, CommitHash]) -> str:
    """Return what to type: a run writes its own only where the state has no snapshot yet."""
    run = "gitexp run, which records the result with all three"
    source = next((commit for entry, commit in stood.items() if entry is not None), None)
    if source is None:
        back = f"git rm --cached {shlex.quote(path)}, and commit it"
    else:
        back = restoring(source, path)
    every = (of_commit(facts.objects, commit, branch="") for commit in stood.values())
    if facts.config.pipeline is None or any(_is_of_run(each, path) for each in every):
        return f"{back}; {run.partition(',')[0]}"
    return f"{run}; where it has nothing to run, {back}"


RULE: Final = Rule(
    "R4",
    "a result has environment, parameters and data identities in the same commit",
    Policy.WARN,
    find,
)
