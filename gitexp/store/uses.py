"""Which evaluation data have been used for a decision: every conclusion that any ref shows.

A conclusion is remembered by the id of its file, so a ledger over hundreds of experiments reads
each of them once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError
from gitexp.formats import conclusion as conclusion_format
from gitexp.git.absent import ABSENT
from gitexp.git.objects import blob, list_dir, tree_id
from gitexp.model.ids import BlobId, EvaluationDigest
from gitexp.store.index import Kind
from gitexp.store.layout import CONCLUSIONS
from gitexp.store.tips import tips

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitexp.git.repository import Repo
    from gitexp.model.comparison import Conclusion
    from gitexp.model.ids import CommitHash
    from gitexp.store.index import Index

_SUFFIX = ".yaml"


@dataclass(frozen=True, slots=True)
class Use:
    """One decision."""

    experiment: str
    concluded_at: str  # ISO 8601, UTC: it sorts as text
    evaluation: frozenset[EvaluationDigest]


def uses(repo: Repo, index: Index, *beside: CommitHash) -> tuple[Use, ...]:
    """Return all decisions that branches, remotes and archives hold, oldest first.

    A conclusion that gives no verdict has decided nothing; one that was amended is one decision
    for each version that a ref still shows. What cannot be read says nothing.

    Parameters
    ----------
    repo : Repo
    index : Index
    *beside : CommitHash
        Further commits to look at.
    """
    blobs = _blobs(repo, dict.fromkeys((*(tip.commit for tip in tips(repo)), *beside)))
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


def _blobs(repo: Repo, commits: Iterable[CommitHash]) -> tuple[BlobId, ...]:
    """Return the conclusions' files of all commits, each once."""
    trees = dict.fromkeys(tree_id(repo, commit, CONCLUSIONS) for commit in commits)
    return tuple(
        dict.fromkeys(
            BlobId(entry.id)
            for tree in trees
            if tree is not ABSENT
            for entry in list_dir(repo, tree)
            if entry.path.endswith(_SUFFIX.encode())
        )
    )


def _row(repo: Repo, id_: BlobId) -> bytes | None:
    try:
        data = blob(repo, id_, conclusion_format.LIMIT_BYTES)
        found = conclusion_format.load(data, id_[:9])
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
