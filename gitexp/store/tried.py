"""What was tried under which plan, by the runs of a history: branches and plan files may change."""

from __future__ import annotations

import contextlib
import hashlib
import json
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError
from gitexp.git.objects import entry_at, exists, list_dir
from gitexp.git.transaction import layout
from gitexp.git.transaction.cache import Kind
from gitexp.model import dataclass, replace
from gitexp.model.ids import ABSENT, CommitHash, RunId
from gitexp.model.plan import HypothesisKind, Verdict
from gitexp.store import plans
from gitexp.store.conclusions import conclusion_named
from gitexp.store.records import read_run, run_lines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitexp.git.repository import Repo
    from gitexp.git.transaction.cache import Index
    from gitexp.model.plan import Plan
    from gitexp.store.ancestry import Addition
    from gitexp.store.list_lines import RunLine
    from gitexp.store.plans import Tip


@dataclass(frozen=True, slots=True)
class Tried:
    """All runs of one commit's inputs under one version of a plan."""

    plan: str  # its name then
    digest: str
    inputs: str
    source: str  # the commit that ran
    commit: CommitHash  # which recorded the newest of them
    began: datetime  # the first of them
    order: int  # of the newest among what a history added
    seen: bool  # whether anybody may have seen a score


def at_tips(tips: Iterable[Tip]) -> str:
    """Return a key for what depends on nothing but these tips."""
    text = "\n".join(sorted(f"{tip.ref} {tip.commit}" for tip in tips))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def tried(repo: Repo, index: Index, tips: Iterable[Tip], added: Iterable[Addition]) -> list[Tried]:
    """Return what was tried in the history of some tips, which has added these runs."""
    key = at_tips(tips)
    row = index.get(Kind.TRIED, [key]).get(key)
    if row is not None:
        return [
            Tried(
                *(plan, digest, inputs, source, CommitHash(commit)),
                *(datetime.fromisoformat(began), order, seen),
            )
            for plan, digest, inputs, source, commit, began, order, seen in json.loads(row)
        ]
    found = [*_worked_out(repo, index, tuple(added)).values()]
    texts = attrgetter("plan", "digest", "inputs", "source", "commit")
    rows = [(*texts(each), each.began.isoformat(), each.order, each.seen) for each in found]
    index.put(Kind.TRIED, {key: json.dumps(rows).encode()})
    return found


def _worked_out(
    repo: Repo, index: Index, added: tuple[Addition, ...]
) -> dict[tuple[str, ...], Tried]:
    lines = run_lines(repo, index, {item.tree: item.run for item in added})
    found: dict[tuple[str, ...], Tried] = {}
    for item in added:
        line = lines[item.tree]
        if not line.plan_digest or line.reported:
            continue
        names = (line.plan_name, line.plan_digest, line.inputs, line.commit)
        now = Tried(*names, item.commit, line.started_at, item.order, seen=_seen(repo, item, line))
        old = found.setdefault(names, now)
        found[names] = replace(
            max(old, now, key=lambda each: each.order),
            began=min(old.began, now.began),
            seen=old.seen or now.seen,
        )
    return found


def _seen(repo: Repo, item: Addition, line: RunLine) -> bool:
    if line.seeds or not line.others:
        return bool(line.seeds)
    with contextlib.suppress(GitexpError):
        return any(each.shown for each in read_run(repo, item.tree, item.run)[0].own_repeats)
    return True


def parted(repo: Repo, plan: Plan | None, one: CommitHash, other: CommitHash) -> bool:
    """Whether a new family began between two baselines: an experiment like these was supported.

    It promised to be better on the same metric, and its plan and the runs that it counted are
    there: else whoever merges what is true anyway, or a copy of a conclusion, tries for nothing.
    """
    commits = {one, other}
    if len(commits) == 1 or not all(exists(repo, each) for each in commits):
        return False
    first, second = (
        {entry.text: commit for entry in list_dir(repo, commit, layout.CONCLUSIONS)}
        for commit in commits
    )
    return any(
        _is_progress(repo, plan, path.removesuffix(".yaml"), first.get(path) or second[path])
        for path in first.keys() ^ second.keys()
    )


def _is_progress(repo: Repo, plan: Plan | None, name: str, commit: CommitHash) -> bool:
    try:
        conclusion = conclusion_named(repo, name, commit)
        own = plans.plan_named(repo, name, commit)
    except GitexpError:  # what is wrong with it ends no family
        return False
    if conclusion is ABSENT or conclusion.verdict is not Verdict.SUPPORTED:
        return False
    if own is ABSENT or not conclusion.stands(own):
        return False
    runs = conclusion.comparison.candidate.runs
    there = (entry_at(repo, commit, layout.run_json(RunId(run))) for run in runs)
    if own.effect.kind is not HypothesisKind.SUPERIORITY or own.effect.margin < 0:
        return False  # that it is not worse, a comment can keep
    like = plan is None or (own.metric, own.direction) == (plan.metric, plan.direction)
    return like and bool(runs) and all(each is not ABSENT for each in there)
