"""Conclusions as a commit holds them, and which evaluation data any of them has decided on.

One that a later commit took out of the tree has decided all the same. Each is remembered by the id
of its file, so a ledger over hundreds of experiments reads it once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError
from gitexp.git.absent import ABSENT, Absent
from gitexp.git.objects import read_blob
from gitexp.git.transaction.cache import Kind
from gitexp.git.transaction.layout import conclusion_path
from gitexp.model.comparison import Conclusion
from gitexp.model.ids import EvaluationDigest
from gitexp.records import codec
from gitexp.store.ancestry import Graph
from gitexp.store.plans import tips

if TYPE_CHECKING:
    from gitexp.git.repository import Repo
    from gitexp.git.transaction.cache import Index
    from gitexp.model.ids import BlobId, CommitHash
    from gitexp.model.plan import Plan


def conclusion_named(repo: Repo, name: str, commit: CommitHash) -> Conclusion | Absent:
    """Return the conclusion of an experiment in a commit's tree.

    Raises `BadFormatError, NewerFormatError, UnsafeInputError` if its file cannot be read.
    """
    path = conclusion_path(name)
    data = read_blob(repo, commit, path, codec.limit(Conclusion))
    return ABSENT if data is ABSENT else codec.load(Conclusion, data, f"{commit[:9]}:{path}")


def is_concluded(repo: Repo, plan: Plan, commit: CommitHash) -> bool:
    """Return whether a plan as it is has its conclusion; what cannot be read is taken for one."""
    try:
        found = conclusion_named(repo, plan.name, commit)
    except GitexpError:
        return True
    return found is not ABSENT and found.stands(plan)


@dataclass(frozen=True, slots=True)
class Use:
    """One decision."""

    experiment: str
    concluded_at: str  # ISO 8601, UTC: it sorts as text
    evaluation: frozenset[EvaluationDigest]


def uses(repo: Repo, index: Index, *beside: CommitHash) -> tuple[Use, ...]:
    """Return all decisions in the history of branches, remotes and archives, oldest first.

    A conclusion that gives no verdict has decided nothing; one that was amended is one decision
    for each version. What cannot be read says nothing, and neither does what no ref leads to.
    """
    blobs = Graph(repo, index, [*(tip.commit for tip in tips(repo)), *beside]).conclusions()
    known = index.get(Kind.USE, blobs)
    fresh: dict[str, bytes] = {}
    found: list[Use] = []
    for id_ in blobs:
        row = known.get(id_)
        if row is None:
            row = _row(repo, id_)
            if row is None:  # a newer gitexp may be able to read it
                continue
            fresh[id_] = row
        use = _decoded(row)
        if use is not None:
            found.append(use)
    if fresh:
        index.put(Kind.USE, fresh)
    return tuple(sorted(found, key=lambda use: (use.concluded_at, use.experiment)))


def _row(repo: Repo, id_: BlobId) -> bytes | None:
    try:
        data = repo.read(id_, codec.limit(Conclusion))
        found = codec.load(Conclusion, data, id_[:9])
    except GitexpError:
        return None
    if found.verdict is None:
        return b"null"
    value = [found.experiment, found.concluded_at.isoformat(), sorted(_evaluation(found))]
    return json.dumps(value).encode("ascii")


def _evaluation(found: Conclusion) -> set[str]:
    """Return the identities that it rests on; older conclusions name one, or none."""
    ledger, single = found.comparison.ledger, found.comparison.candidate.evaluation
    if ledger is not None:
        return set(ledger.evaluation)
    return set() if single is None else {single}


def _decoded(row: bytes) -> Use | None:
    value: tuple[str, str, list[str]] | None = json.loads(row)
    if value is None:
        return None
    experiment, concluded_at, evaluation = value
    return Use(experiment, concluded_at, frozenset(EvaluationDigest(text) for text in evaluation))
