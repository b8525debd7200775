"""R3: what was recorded stays as it was recorded, and is what its own digests say.

Plans, conclusions and receipts are such records, too. A branch may add plans, and what is of its
own experiment: of the plan that names it, that plan's conclusion and receipts. Where
a branch of the user's own has that name, only what is on it is its own: commits may be stacked on
a colleague's. A receipt is changed by nobody, and neither is who made a plan, and when.
"""

from __future__ import annotations

import hashlib
import posixpath
import shlex
from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError
from gitexp.git.transaction.layout import (
    CONCLUSIONS,
    ENVIRONMENTS,
    PLANS,
    TOMBSTONES,
    WITNESSES,
    plan_path,
    run_dir,
    samples_csv,
)
from gitexp.git.tree import MODE_TREE, Tree, join, tree_of
from gitexp.model import replace
from gitexp.model.ids import CommitHash, RunId
from gitexp.model.plan import Person, Plan
from gitexp.model.rules import Policy
from gitexp.records.plan import CONCLUSION_BYTES, load_verdict
from gitexp.rules.branches import is_protected
from gitexp.rules.facts import Facts, Finding, Rule, TreeChange, dropping, put_back, restoring
from gitexp.rules.recorded import by_itself, new_runs, run_files, runs_in
from gitexp.store.plan_files import UnreadablePlan, plan_at, plans_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitexp.model.run import Run


RECORDS: Final = (PLANS, CONCLUSIONS, WITNESSES, TOMBSTONES)
SAMPLES_LIMIT: Final = 64 << 20
ENVIRONMENT_LIMIT: Final = 4 << 20


def _others(facts: Facts) -> Iterator[Finding]:
    """Look at what a commit changes of what others recorded; a protected branch may."""
    if _may(facts):
        return
    for folder in RECORDS:
        for change in facts.below(folder):
            had = [n for n, p in enumerate(facts.parents) if p.entry(change.path) is not None]
            if not had and (what := _stray(facts, change.path)):
                step = f"git rm -f -- {shlex.quote(change.path)}, and commit it"
                step = step if facts.made else dropping(facts, change.path)
                yield Finding(what, step, change.path, (change.path,) if facts.parents else ())
                continue
            for number in had[:1] or range(len(facts.parents)):
                what, mine = _what(facts, facts.parents[number], change.path)
                named = _named(facts, facts.parents[number], change.path) if what and mine else None
                if what and not mine:
                    yield put_back(facts, what, change.path, parent=number)
                    break
                if named is not None and not facts.is_by(named):
                    what = f"{what}; it named {named.name}, who does not commit this"
                    found = put_back(facts, what, change.path, parent=number)
                    yield replace(found, at_most=Policy.WARN)
                    break


def _named(facts: Facts, before: Tree, path: str) -> Person | None:
    """Return whom a plan or conclusion names that a commit changes."""
    was = before.entry(path)
    if was is None or not facts.commit:  # what is staged is of whoever is at work
        return None
    if path.startswith(f"{PLANS}/"):
        plan = plan_at(before, path)
        return plan.author if isinstance(plan, Plan) else None
    try:
        return load_verdict(facts.read(was, CONCLUSION_BYTES), path)[2]
    except GitexpError:
        return None


def _may(facts: Facts) -> bool:
    return facts.settled or is_protected(facts.config, facts.branch)


def _stray(facts: Facts, path: str) -> str:
    """Return what a new conclusion or receipt is, if its plan is not here, or another branch's.

    What the branch of that plan has as well was copied from it: a squash.
    """
    folder, _, file = path.rpartition("/")
    if folder == CONCLUSIONS:
        name = file.removesuffix(".yaml")
        kind, found = f"a conclusion of {name}", [plan_at(facts.tree, plan_path(name))]
    elif folder.startswith(f"{WITNESSES}/"):
        digest = posixpath.basename(folder)
        kind = f"a receipt of plan {digest[:9]}, {file},"
        found = [plan for plan in plans_in(facts.tree) if plan.digest == digest]
    else:
        return ""
    plans = [plan for plan in found if isinstance(plan, Plan)]
    if not plans:
        return f"{kind} was added, and that plan is not here"
    now = facts.tree.entry(path)
    for plan in plans:
        if facts.on(plan.branch) is not False:
            return ""
        if any(tree_of(facts.objects, tip).entry(path) == now for tip in facts.tips(plan.branch)):
            return ""
    if folder == CONCLUSIONS and all(p.entry(plan_path(name)) is None for p in facts.parents):
        return f"{kind} was added, which is another experiment's, on {plans[0].branch}"
    return f"{kind} was added, which is of {plans[0].branch}" if folder != CONCLUSIONS else ""


def _what(facts: Facts, before: Tree, path: str) -> tuple[str, bool]:
    """Return what became of a record, "" where nothing is wrong; and whether it is the branch's.

    That is what its plan calls so, or a plan that goes on with author and date of that one.
    """
    folder, _, file = path.rpartition("/")
    name = file.removesuffix(".yaml")
    had, has = before.entry(path) is not None, facts.tree.entry(path) is not None
    how = "was added" if not had else "was changed" if has else "is taken away"
    if folder.startswith(ENVIRONMENTS):
        return f"the environment {posixpath.basename(folder)[:8]} {how}", False
    if folder.startswith(WITNESSES):
        return f"what a witness said of a plan {how}: {file}" if had else "", False
    plan = plan_at(before, plan_path(name))
    if folder == TOMBSTONES:
        mine = (path if had else plan_path(name)) in facts.brought
        mine = mine and not (isinstance(plan, Plan) and facts.on(plan.branch) is False)
        return f"a tombstone, by which {name} was removed, {how}", mine
    after = plan_at(facts.tree, path) if folder == PLANS else None
    if not isinstance(plan, Plan):
        return "", False
    mine = _is_own(facts, plan, path, added=not had)
    if isinstance(after, Plan):
        for what in ("author", "created_at"):
            if getattr(plan, what) != getattr(after, what):
                return f"the plan {name} was given another {what}", False
    kind = "the plan" if folder == PLANS else "the conclusion" if had else "a conclusion"
    of = "this experiment" if mine else "another experiment"
    return f"{kind} of {of}, {name} on {plan.branch}, {how}", mine


def _is_own(facts: Facts, plan: Plan, path: str, *, added: bool) -> bool:
    """Return whether what becomes of a plan or conclusion is up to the branch of these commits."""
    if _is_on(facts, plan):
        return True
    last = facts.last if plan_path(plan.name) in facts.brought else None
    renamed = [*_renamed(last or facts.tree, plan)]
    if any(_is_on(facts, each) for each in renamed):
        return facts.on(plan.branch) is not False or facts.is_by(plan.author)
    # Of a branch that is not, or no longer, here: it may conclude what it planned, and main may
    # have what became of that.
    now = [path, *(plan_path(each.name) for each in renamed)]
    gone = last is not None and facts.on(plan.branch) is None
    return gone and (added or any(map(facts.is_merged, now)))


def _is_on(facts: Facts, plan: Plan) -> bool:
    own = facts.on(plan.branch)
    return plan.branch == facts.branch if own is None else own


def _renamed(tree: Tree, before: Plan) -> Iterator[Plan]:
    """Yield the plans by which an experiment goes on under another name, its author and date."""
    if tree.entry(plan_path(before.name)) is None:
        for plan in plans_in(tree):
            who, when = plan.author, plan.created_at
            if before.name in plan.formerly and (who, when) == (before.author, before.created_at):
                yield plan


def _taken_over(facts: Facts) -> Iterator[Finding]:
    """Find new plans that go on with an experiment whose own branch is alive without them.

    That is how a renaming looks until the old branch is gone everywhere, and how somebody takes an
    experiment of another, with his name and date.
    """
    last = facts.last
    if last is None or _may(facts):
        return
    for change in facts.below(PLANS):
        plan, left, *had = (
            plan_at(tree, change.path) for tree in (facts.tree, last, *facts.parents)
        )
        if not (isinstance(plan, Plan) and isinstance(left, Plan)):
            continue
        known = {name for each in had if isinstance(each, Plan) for name in each.formerly}
        for name in [each for each in plan.formerly if each in left.formerly and each not in known]:
            olds = [plan_at(tree, plan_path(name)) for tree in facts.parents]
            old = next((each for each in olds if isinstance(each, Plan)), None)
            branch = f"{facts.config.branch_prefix}{name}" if old is None else old.branch
            if branch == plan.branch or facts.on(branch) is not False:
                continue
            old = old or facts.plan_of(branch)
            mine = old is None or facts.is_by(old.author)
            step = f"take {name} out of formerly in {change.path}"
            yield Finding(
                f"{plan.name} on {plan.branch} goes on with {name}, and {branch} is alive"
                + ("" if mine else f"; it is not {old.author.name} who commits it" if old else ""),
                f"git push REMOTE :{shlex.quote(branch)} if it was renamed; else {step}"
                if mine
                else step,
                change.path,
                at_most=Policy.WARN if mine else Policy.ERROR,
            )


def _against(facts: Facts) -> Iterator[Finding]:
    """Find the records that a range makes otherwise than what it is to be merged into has them.

    Git merges what a range has changed since it left, by whichever commit. What is there already
    is others'; that a branch changes what is there of its own experiment is said, since an
    experiment that was merged has ended, and anybody may call a branch like it.
    """
    base = facts.base
    if not facts.tip or facts.onto is None or base is None or facts.later is Policy.OFF:
        return
    if _may(facts):
        return
    changed = set(unlike(base, facts.tree, RECORDS))
    paths = sorted(changed.union(unlike(facts.tree, base, RECORDS)))
    forks = facts.forks(facts.onto, CommitHash(facts.commit)) if paths else ()
    for path in paths:
        now = facts.tree.entry(path)
        was = {fork.entry(path) for fork in forks} - {None}
        if was == {now} or not (was or now):
            continue
        what, mine = _what(facts, base, path)
        weight = facts.later if mine else Policy.ERROR
        if what and (path in changed or weight is Policy.ERROR):
            yield Finding(what, restoring(facts.onto, path), path, at_most=weight)
        plan = plan_at(facts.tree, path) if path.startswith(f"{PLANS}/") else None
        for name in plan.formerly if isinstance(plan, Plan) else ():
            old = plan_at(base, plan_path(name))
            if isinstance(old, Plan) and not any(
                each.branch == facts.branch for each in _renamed(facts.tree, old)
            ):
                what = f"{path} says that it was {name} on {old.branch}, another experiment"
                yield Finding(what, f"take {name} out of formerly in {path}", path)


def unlike(one: Tree, other: Tree, folders: Sequence[str]) -> Iterator[str]:
    """Yield the files of some folders of a tree that another has not, or otherwise."""
    pending = [*folders]
    while pending:
        folder = pending.pop()
        theirs = other.folder(folder)
        for name, entry in sorted(one.folder(folder).items()):
            if theirs.get(name) != entry:
                path = join(folder, name)
                if entry.mode == MODE_TREE:
                    pending.append(path)
                else:
                    yield path


def find(facts: Facts) -> Iterator[Finding]:
    """Look at every record that a commit touches, and at those that a merge leaves out."""
    said: set[RunId] = set()
    for file in run_files(facts.changes):
        had = [parent.entry(file.change.path) for parent in facts.parents]
        known = any(parent.entry(run_dir(file.run)) is not None for parent in facts.parents)
        if known and file.run not in said:
            said.add(file.run)
            what = "was changed" if any(had) else "got a file that was not recorded"
            what = f"the record of run %s {what if file.change.new else 'is taken away'}"
            folder = run_dir(file.run)
            parent = next(n for n, tree in enumerate(facts.parents) if tree.entry(folder))
            yield _finding(facts, file.run, file.change.path, what, parent)
    merges = len(facts.parents) > 1
    yield from _left_out(facts, said) if merges else ()
    for file, run in new_runs(facts):
        if file.run not in said:
            yield from _digests(facts, file.run, file.change.path, run)
    yield from _environments(facts)
    yield from _others(facts)
    yield from _merged(facts) if merges else ()
    yield from _taken_over(facts)
    yield from _against(facts)


def _left_out(facts: Facts, said: set[RunId]) -> Iterator[Finding]:
    """Find the runs that a merge does not hold as each of its parents does."""
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


def _merged(facts: Facts) -> Iterator[Finding]:
    """Find the other records that a merge does not hold as a parent does.

    It may take what another line alone has changed since the two parted.
    """
    folders = (ENVIRONMENTS, *(() if _may(facts) else RECORDS))
    said = {change.path for change in facts.changes}
    for number, parent in enumerate(facts.parents):
        for path in unlike(parent, facts.tree, folders):
            unit = posixpath.dirname(path) if path.startswith(ENVIRONMENTS) else path
            what, mine = _what(facts, parent, path)
            if what and not mine and not said & {path, unit} and not _taken(facts, number, path):
                said.add(unit)
                yield put_back(facts, what, path, unit, parent=number)


def _taken(facts: Facts, number: int, path: str) -> bool:
    """Return whether a merge takes a file from a parent that alone changed it."""
    was, now = facts.parents[number].entry(path), facts.tree.entry(path)
    one = facts.before[number]
    return any(
        parent.entry(path) == now
        and {fork.entry(path) for fork in facts.forks(one, other)} == {was}
        for other, parent in zip(facts.before, facts.parents, strict=True)
        if other != one
    )


def _finding(facts: Facts, run: RunId, path: str, what: str, parent: int) -> Finding:
    return put_back(facts, what % run[:8], path, run_dir(run), parent=parent)


def _again(facts: Facts, folder: str) -> str:
    step = dropping(facts, folder)
    return f"{step}; gitexp run --resume records it again" if facts.made else step


def _digests(
    facts: Facts, run: RunId, path: str, record: Run | UnreadablePlan
) -> Iterator[Finding]:
    again = _again(facts, run_dir(run))
    if isinstance(record, UnreadablePlan):
        yield Finding(f"the record of run {run[:8]} cannot be read: {record.why}", again, path)
        return
    if record.id != run:
        yield Finding(f"the folder of run {run[:8]} holds run {record.id[:8]}", again, path)
    table = samples_csv(run)
    try:
        data = facts.tree.read(table, SAMPLES_LIMIT)
    except GitexpError as error:
        yield Finding(f"the samples of run {run[:8]} cannot be read: {error}", again, table)
        return
    if data is None:
        yield Finding(f"run {run[:8]} has no samples.csv", again, table)
    elif hashlib.sha256(data).hexdigest() != record.samples_sha256:
        yield Finding(f"the samples of run {run[:8]} are not what it vouches for", again, table)
    why = _contradiction(facts, record)
    if why:
        yield Finding(f"run {run[:8]} is not what it says: {why}", again, path)


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
                yield Finding(what, _again(facts, folder), change.path)


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
    "R3", "a run's files are as they were recorded, and match their own digests", Policy.ERROR, find
)
