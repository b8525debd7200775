"""R2: the plan comes before its runs, and what binds in it is not changed in silence.

Ancestry decides, as far as one commit shows it: the plan that a run names has to be in a parent.
How sure such an order is in the world's time is another question, for `provenance`.

After the first run a plan changes only by an amendment that keeps what bound before. The values
that it keeps are held against the plan as it was, and neither a renamed file nor a second plan for
the same branch is a way around it. To older rules it never goes back.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError
from gitexp.git.transaction.layout import PLANS, plan_path, run_dir, run_json, witness_dir
from gitexp.git.tree import Tree, tree_of
from gitexp.model import replace
from gitexp.model.ids import CommitHash
from gitexp.model.plan import Plan
from gitexp.model.rules import Objects, Policy, TreeEntry
from gitexp.model.witness import Receipt, Way
from gitexp.records import codec
from gitexp.records.terms import binding
from gitexp.rules.facts import Facts, Finding, Rule, dropping, of_commit, put_back
from gitexp.rules.recorded import RUN_LIMIT, RunFile, new_runs, readable_runs, runs_in
from gitexp.store.plan_files import UnreadablePlan, plan_at, plan_of, plan_paths, plans_in

if TYPE_CHECKING:
    from gitexp.model.run import PlanRef


_MOST: Final = 100  # receipts of one plan that are read: each may cost a process
_TOKEN_LIMIT: Final = 64 << 10

Added = Callable[[str, CommitHash], "CommitHash | None"]


def changed_plans(facts: Facts) -> Iterator[Finding]:
    """Find what a commit hides of what bound in plans."""
    changed = [change.path for change in facts.below(PLANS)]
    # A merge may drop what either of its sides says.
    for path in plan_paths(facts.tree) if len(facts.parents) > 1 else changed:
        after = plan_at(facts.tree, path)
        if after is None or isinstance(after, UnreadablePlan):
            continue  # R1 says it of the branch's own
        for number, parent in enumerate(facts.parents):
            if parent.entry(path) == facts.tree.entry(path):
                continue
            before = _before(facts, parent, path, after)
            if before is not None:
                yield from _change(facts, number, before, after)


def _before(facts: Facts, parent: Tree, path: str, after: Plan) -> Plan | None:
    """Return what a plan was in a parent, under whatever name; or whose place it takes."""
    named = (path, *(plan_path(name) for name in reversed(after.formerly)))
    found = next((plan for each in named if (plan := plan_at(parent, each)) is not None), None)
    if found is None and after.branch == facts.branch:
        found = plan_of(parent, after.branch)
    return None if isinstance(found, UnreadablePlan) else found


def _change(facts: Facts, number: int, before: Plan, after: Plan) -> Iterator[Finding]:
    kept = after.keeps(before)
    what = (
        _what(facts, facts.parents[number], before, after)
        if kept
        else f"the history of the plan {after.name} was rewritten"
    )
    path = plan_path(after.name)
    both = dict.fromkeys((plan_path(before.name), path))
    if after.rules < before.rules:  # nothing of ours writes that, before a run or after one
        what = f"the plan {after.name} goes back to older rules (rules: {before.rules} before)"
        yield put_back(facts, what, path, *both, parent=number)
        return
    if not what or (not kept and _is_told(facts, before, after)):
        return
    if not kept and _is_settled(facts, number, before, after):
        if facts.commit and not facts.is_by(before.author):
            said = f"a merge chose between amendments of the plan {after.name}"
            said = f"{said}; it names {before.author.name}, who does not commit this"
            yield Finding(said, f"ask {before.author.name}", path, at_most=Policy.WARN)
        return
    then = ", then gitexp amend-plan --why TEXT"
    if facts.commit and not kept:  # with what was run since, only that the plan tells it all heals
        then = f"; or gitexp amend-plan {shlex.quote(after.name)} --why TEXT, also after a run"
    found = put_back(facts, what, path, *both, parent=number, then=then)
    merge = facts.commit and not kept and len(facts.parents) > 1
    yield replace(found, next_step=then.removeprefix("; or ")) if merge else found


def _is_settled(facts: Facts, number: int, before: Plan, after: Plan) -> bool:
    """Return whether a merge keeps the plan of another line, which amended it as this one did.

    What was there when the two parted is a version of either: nothing but amendments was added.
    """

    def is_line(plan: Plan, fork: Plan) -> bool:
        added = {item.digest for item in plan.since(fork)}
        return plan.keeps(fork) and fork.digest in added

    def are_lines(theirs: Plan, other: CommitHash) -> bool:
        forks = [plan_at(tree, path) for tree in facts.forks(facts.before[number], other)]
        return bool(forks) and all(
            isinstance(fork, Plan) and is_line(before, fork) and is_line(theirs, fork)
            for fork in forks
        )

    path = plan_path(after.name)
    now = facts.tree.entry(path)
    return any(
        parent.entry(path) == now and are_lines(after, other)
        for other, parent in zip(facts.before, facts.parents, strict=True)
    )


def _is_told(facts: Facts, before: Plan, after: Plan) -> bool:
    """Return whether the plan tells in the end what a commit took out of it."""
    for plan in () if facts.last is None else plans_in(facts.last):
        if after.name in {plan.name, *plan.formerly} and plan.tells(before) and plan.tells(after):
            was = binding(before)
            told = (item.old.items() for item in plan.amended if item.digest == before.digest)
            return all(was[key] == value for old in told for key, value in old if key in was)
    return False


def _what(facts: Facts, parent: Tree, before: Plan, after: Plan) -> str:
    """Return what a change hides of what bound; "" where nothing."""
    if before.digest == after.digest:
        return ""
    added = after.since(before)
    steps = [item.digest for item in added]
    if before.digest in steps:
        was = dict(binding(after))
        for item in reversed(added[steps.index(before.digest) :]):
            was.update(item.old)
        wrong = [key for key, value in binding(before).items() if was[key] != value]
        if wrong:
            return f"an amendment of the plan {after.name} does not say what {wrong[0]} was before"
    elif _was_run(facts, parent, before):
        what = "changed" if before.name in {after.name, *after.formerly} else "gave way to another"
        return f"what binds in the plan {before.name} {what} after its first run"
    return ""


def _was_run(facts: Facts, tree: Tree, plan: Plan) -> bool:
    """Return whether a run of this plan is in a tree; one that cannot be read might be one."""
    digest = plan.digest.encode()
    for run in runs_in(tree):
        entry = tree.entry(run_json(run))
        if entry is None:
            continue
        try:
            if digest in facts.read(entry, RUN_LIMIT):
                return True
        except GitexpError:
            return True
    return False


def find(facts: Facts) -> Iterator[Finding]:
    """Look at the runs that a commit adds, and at the plans that it changes."""
    yield from _runs(facts)
    yield from changed_plans(facts)


def _runs(facts: Facts) -> Iterator[Finding]:
    for file, run in new_runs(facts):
        if isinstance(run, UnreadablePlan) or run.plan is None:
            continue  # R3 says what is unreadable; a run without a plan is exploratory
        if any(holds(parent, run.plan) for parent in facts.parents):
            if facts.config.witness_required:
                yield from _witness(facts, run.plan, file)
            continue
        plan = _plan(facts.tree, run.plan)
        if plan is not None and facts.branch != plan.branch:
            # Squashed into another branch: its own, or the archive tag, has the order.
            commit, protected = CommitHash(facts.commit), facts.config.protected
            if facts.outside.ordered(plan, commit, protected) is False:
                yield Finding(
                    f"run {file.run[:8]} came in one commit with its plan {plan.name}, and nothing"
                    " here shows that the plan was first",
                    f"git push {shlex.quote(plan.branch)}, or gitexp archive "
                    f"{shlex.quote(plan.name)} --push: "
                    "their history shows it",
                    file.change.path,
                )
            continue
        yield Finding(
            f"run {file.run[:8]} names the plan {run.plan.name} ({run.plan.digest[:8]}), which "
            + ("is in no commit before it" if plan is None else "came in the same commit"),
            _apart(facts, plan, run_dir(file.run)),
            file.change.path,
        )


def _apart(facts: Facts, plan: Plan | None, run: str) -> str:
    """Return what keeps a run from the commit that has its plan, or from one without it."""
    if facts.made:
        return f"gitexp run records a run after its plan; {dropping(facts, run)}"
    if plan is None or facts.stopped:  # Git splits no commit in which it has stopped
        return dropping(facts, run)
    path = plan_path(plan.name)
    message = shlex.quote(f"the plan of {plan.name}")
    return f"git commit -m {message} -- {shlex.quote(path)} && git commit"


def _witness(facts: Facts, ref: PlanRef, file: RunFile) -> Iterator[Finding]:
    """Say where nobody is known to have seen a plan before its run: no receipt verifies."""
    folder = witness_dir(ref.digest)
    worth = [
        _worth(facts, parent, f"{folder}/{name}", ref)
        for parent in facts.parents
        for name in sorted(parent.folder(folder))[:_MOST]
        if name.endswith(".json")
    ]
    if True in worth:
        return
    said = "before anybody else saw its plan"
    step = "gitexp witness --push, or --rfc3161, then gitexp run"
    if False in worth:
        said = "under a plan whose witness is unproved: no receipt of it verifies here"
        step = f"gitexp.witnessLog or gitexp.witnessCa has to name one that is believed; {step}"
    yield Finding(f"run {file.run[:8]} was recorded {said}", step, file.change.path)


def _worth(facts: Facts, tree: Tree, path: str, ref: PlanRef) -> bool | None:
    """Return whether a receipt verifies; None where there is none."""
    try:
        data = tree.read(path)
        receipt = None if data is None else codec.load(Receipt, data, path)
        if receipt is None or receipt.plan != ref.digest or receipt.way is Way.APPROVAL:
            return None
        token = tree.read(path.removesuffix(".json") + ".tsr", _TOKEN_LIMIT)
    except GitexpError:
        return None
    try:
        there = holds(tree_of(facts.objects, receipt.commit), ref)
    except GitexpError:  # beyond the edge of a shallow clone, or nowhere
        there = False
    return there and bool(facts.outside.witnessed(receipt, token or b""))


def holds(tree: Tree, ref: PlanRef) -> bool:
    """Return whether a tree has the plan that a run names, also renamed, or amended since."""
    return _plan(tree, ref) is not None


def is_ordered(
    objects: Objects, added: Added, tips: Iterable[CommitHash], plan: Plan, commit: CommitHash
) -> bool:
    """Return whether a tip's history has the runs that a commit adds, each after its plan."""
    runs = [
        (file.change.path, file.change.new, run.plan)
        for file, run in readable_runs(of_commit(objects, commit, branch=""))
        if run.plan is not None
        if plan.covers(run.plan.name, run.plan.digest)
    ]

    def after(tip: CommitHash, path: str, run: TreeEntry | None, ref: PlanRef) -> bool:
        if tree_of(objects, tip).entry(path) != run:
            return False
        first = added(path, tip)
        parents = () if first is None else objects.commit(first).parents
        return any(holds(tree_of(objects, parent), ref) for parent in parents)

    return any(all(after(tip, *run) for run in runs) for tip in dict.fromkeys((commit, *tips)))


def _plan(tree: Tree, ref: PlanRef) -> Plan | None:
    def is_named(plan: Plan) -> bool:
        called = ref.name in {plan.name, *plan.formerly}
        return called and ref.digest in {plan.digest, *(item.digest for item in plan.amended)}

    own = plan_at(tree, plan_path(ref.name))
    if isinstance(own, Plan) and is_named(own):
        return own
    return next(filter(is_named, plans_in(tree)), None)


RULE: Final = Rule(
    "R2",
    "a plan comes before its runs, and is changed after the first only by amend-plan",
    Policy.ERROR,
    find,
)
