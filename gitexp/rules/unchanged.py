"""R3: what was recorded stays as it was recorded, and is what its own digests say.

Plans, conclusions and receipts are such records, too. A branch may add any, and change its own.
What it did not bring itself is another's, but for the plan that names it and that plan's
conclusion, the first one included; a receipt is changed by nobody, and neither is who made a plan,
and when.
"""

from __future__ import annotations

import hashlib
import posixpath
from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError
from gitexp.git.transaction.layout import (
    CONCLUSIONS,
    ENVIRONMENTS,
    PLANS,
    WITNESSES,
    plan_path,
    run_dir,
    samples_csv,
)
from gitexp.git.tree import Tree
from gitexp.model.ids import CommitHash
from gitexp.model.rules import Policy
from gitexp.rules.branches import is_protected
from gitexp.rules.facts import Finding, Rule, put_back
from gitexp.rules.recorded import by_itself, new_runs, run_files, runs_in
from gitexp.store.plan_files import UnreadablePlan, plan_at, plan_paths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.ids import RunId
    from gitexp.model.plan import Plan
    from gitexp.model.run import Run
    from gitexp.rules.facts import Facts, TreeChange


RECORDS: Final = (PLANS, CONCLUSIONS, WITNESSES)
SAMPLES_LIMIT: Final = 64 << 20
ENVIRONMENT_LIMIT: Final = 4 << 20
_AGAIN: Final = "drop this commit; gitexp run --resume records it again"


def others_records(facts: Facts) -> Iterator[Finding]:
    """Look at what a commit changes of what others recorded; a protected branch may."""
    if facts.settled or is_protected(facts.config, facts.branch):
        return
    for folder in RECORDS:
        for change in facts.below(folder):
            had = [n for n, p in enumerate(facts.parents) if p.entry(change.path) is not None]
            if not had and folder == CONCLUSIONS:
                yield from _first_conclusion(facts, change)
            if not had or change.path in facts.brought:
                continue
            what = _what(facts, facts.parents[had[0]], folder, change)
            if what:
                yield put_back(facts, what, change.path, parent=had[0])


def _first_conclusion(facts: Facts, change: TreeChange) -> Iterator[Finding]:
    """Find words that somebody else puts under an experiment that has none yet."""
    name = posixpath.basename(change.path).removesuffix(".yaml")
    path = plan_path(name)
    plans = [plan_at(parent, path) for parent in facts.parents]
    parent, plan = next(((n, p) for n, p in enumerate(plans) if p is not None), (0, None))
    if plan is None or isinstance(plan, UnreadablePlan) or path in facts.brought:
        return
    if plan.branch != facts.branch and not _renamed(facts, plan):
        what = f"a conclusion of another experiment, {name} on {plan.branch}, was added"
        yield put_back(facts, what, change.path, parent=parent)


def _what(facts: Facts, parent: Tree, folder: str, change: TreeChange) -> str:
    how = "is taken away" if change.new is None else "was changed"
    name = posixpath.basename(change.path).removesuffix(".yaml")
    if folder == WITNESSES:
        return f"what a witness said of a plan {how}: {posixpath.basename(change.path)}"
    before = plan_at(parent, plan_path(name))
    if before is None or isinstance(before, UnreadablePlan):
        return ""
    whose = f"of another experiment, {name} on {before.branch},"
    mine = before.branch == facts.branch or _renamed(facts, before)
    if folder == CONCLUSIONS:
        return "" if mine else f"the conclusion {whose} {how}"
    after = plan_at(facts.tree, change.path)
    if isinstance(after, UnreadablePlan) or after is None:
        return "" if mine else f"the plan {whose} {how}"
    for what in ("author", "created_at"):
        if getattr(before, what) != getattr(after, what):
            return f"the plan {name} was given another {what}"
    return "" if mine else f"the plan {whose} {how}"


def _renamed(facts: Facts, before: Plan) -> bool:
    plans = (plan_at(facts.tree, path) for path in plan_paths(facts.tree))
    return any(
        plan is not None
        and not isinstance(plan, UnreadablePlan)
        and before.name in plan.formerly
        and plan.branch == facts.branch
        for plan in plans
    )


def find(facts: Facts) -> Iterator[Finding]:
    """Look at every record that a commit touches, and at those that a merge leaves out."""
    said: set[RunId] = set()
    for file in run_files(facts.changes):
        had = [parent.entry(file.change.path) for parent in facts.parents]
        known = any(parent.entry(run_dir(file.run)) is not None for parent in facts.parents)
        if known and file.run not in said:
            said.add(file.run)
            if file.change.new is None:
                what = "is taken away"
            else:
                what = "was changed" if any(had) else "got a file that was not recorded"
            parent = next(
                n for n, tree in enumerate(facts.parents) if tree.entry(run_dir(file.run))
            )
            yield _finding(
                facts, file.run, file.change.path, f"the record of run %s {what}", parent
            )
    yield from _left_out(facts, said)
    for file, run in new_runs(facts):
        if file.run not in said:
            yield from _digests(facts, file.run, file.change.path, run)
    yield from _environments(facts)
    yield from others_records(facts)


def _left_out(facts: Facts, said: set[RunId]) -> Iterator[Finding]:
    """Find the runs that a merge does not hold as each of its parents does."""
    if len(facts.parents) < 2:  # noqa: PLR2004  a merge
        return
    first, *others = facts.parents
    theirs = {file.run for file in run_files(facts.taken)}
    asked = [(first, {run for run in theirs if first.entry(run_dir(run)) is not None})]
    asked += [(parent, runs_in(parent, unlike=facts.tree)) for parent in others]
    for number, (parent, runs) in enumerate(asked):
        for run in sorted(runs - said):
            folder = run_dir(run)
            kept = dict(facts.tree.files(folder))
            if kept == dict(parent.files(folder)):
                continue
            said.add(run)
            what = "has another record of run %s" if kept else "leaves out the record of run %s"
            yield _finding(facts, run, f"{folder}/run.json", f"the merge {what}", number)


def _finding(facts: Facts, run: RunId, path: str, what: str, parent: int) -> Finding:
    return put_back(facts, what % run[:8], path, run_dir(run), parent=parent)


def _digests(
    facts: Facts, run: RunId, path: str, record: Run | UnreadablePlan
) -> Iterator[Finding]:
    if isinstance(record, UnreadablePlan):
        yield Finding(f"the record of run {run[:8]} cannot be read: {record.why}", _AGAIN, path)
        return
    if record.id != run:
        yield Finding(f"the folder of run {run[:8]} holds run {record.id[:8]}", _AGAIN, path)
    table = samples_csv(run)
    try:
        data = facts.tree.read(table, SAMPLES_LIMIT)
    except GitexpError as error:
        yield Finding(f"the samples of run {run[:8]} cannot be read: {error}", _AGAIN, table)
        return
    if data is None:
        yield Finding(f"run {run[:8]} has no samples.csv", _AGAIN, table)
    elif hashlib.sha256(data).hexdigest() != record.samples_sha256:
        yield Finding(f"the samples of run {run[:8]} are not what it vouches for", _AGAIN, table)
    why = _contradiction(facts, record)
    if why:
        yield Finding(f"run {run[:8]} is not what it says: {why}", _AGAIN, path)


def _contradiction(facts: Facts, record: Run) -> str:
    """Return what a record says that cannot be; "" where nothing is seen, or nobody can look."""
    plan = None if record.plan is None else plan_at(facts.tree, plan_path(record.plan.name))

    def holds(commit: CommitHash, name: str) -> bool:
        try:
            root = facts.objects.commit(commit).tree
            return Tree(facts.objects, root).entry(plan_path(name)) is not None
        except GitexpError:
            return False

    why = by_itself(record, None if isinstance(plan, UnreadablePlan) else plan, holds)
    if why or not facts.commit:
        return why
    return facts.outside.contradicted(record, CommitHash(facts.commit)) or ""


def _environments(facts: Facts) -> Iterator[Finding]:
    """Judge recorded environments, each once: the folder's name is the digest of what is in it."""
    said: set[str] = set()
    for change in facts.below(ENVIRONMENTS):
        name, _, file = change.path.removeprefix(f"{ENVIRONMENTS}/").partition("/")
        what = "" if name in said else _environment(facts, change, name, file)
        if what:
            said.add(name)
            folder = f"{ENVIRONMENTS}/{name}"
            had = [n for n, tree in enumerate(facts.parents) if tree.entry(folder) is not None]
            if had:
                yield put_back(facts, what, change.path, folder, parent=had[0])
            else:
                yield Finding(what, _AGAIN, change.path)


def _environment(facts: Facts, change: TreeChange, name: str, file: str) -> str:
    named = f"the environment {name[:8]}"
    if change.new is None:
        return f"{named} is taken away"
    if file != "environment.json":
        had = any(parent.entry(change.path) is not None for parent in facts.parents)
        return f"what is beside {named} was changed" if had else ""
    if not change.is_file:
        return f"{named} is no regular file"
    try:
        found = hashlib.sha256(facts.read(change.new, ENVIRONMENT_LIMIT)).hexdigest()
    except GitexpError as error:
        return f"an environment cannot be read: {error}"
    return "" if found == name else f"{named} is not the one that its folder names"


RULE: Final = Rule(
    "R3",
    "a run's files are as they were recorded, and match their own digests",
    Policy.ERROR,
    find,
)
