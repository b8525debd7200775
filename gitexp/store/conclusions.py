"""Conclusions and receipts of witnesses as commits hold them, and what conclusions decided on.

A conclusion that a later commit took out of the tree has decided all the same. Each is remembered
by the id of its file, so a ledger over hundreds of experiments reads it once.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError
from gitexp.git.objects import blob_id, commit_info, list_dir, origins, read_blob
from gitexp.git.transaction.cache import Index, Kind
from gitexp.git.transaction.layout import conclusion_path, witness_dir
from gitexp.model import dataclass
from gitexp.model.comparison import Conclusion
from gitexp.model.ids import ABSENT, Absent, BlobId, CommitHash, EvaluationDigest, PlanDigest
from gitexp.model.witness import Receipt, Stored, Way
from gitexp.records import codec
from gitexp.store.ancestry import Graph
from gitexp.store.plans import tips

if TYPE_CHECKING:
    from gitexp.git.repository import Repo
    from gitexp.model.plan import Person, Plan

_TOKEN_LIMIT: Final = 64 << 10
_MOST: Final = 100  # of one plan that are read: each may cost a process
_SUFFIX: Final = ".json"
_NAMED: Final = re.compile(rf"([1-9][0-9]{{0,3}})-(?:{'|'.join(w.value for w in Way)})\.json")
_LAST: Final = 10_000


def conclusion_named(repo: Repo, name: str, commit: CommitHash) -> Conclusion | Absent:
    """Return the conclusion of an experiment in a commit's tree."""
    path = conclusion_path(name)
    data = read_blob(repo, commit, path, codec.limit(Conclusion))
    return ABSENT if data is ABSENT else codec.load(Conclusion, data, f"{commit[:9]}:{path}")


def written_by(repo: Repo, path: str, who: Person, tip: CommitHash) -> str:
    """Return who committed a record as a tip has it; "" where that is whom it names.

    Who makes a commit may still write another's name into it: only signatures tell.
    """
    now = blob_id(repo, tip, path)
    if now is ABSENT or not who.marks:
        return ""
    found = origins(repo, tip, lambda commit: blob_id(repo, commit, path) == now)
    makers = [commit_info(repo, commit).author for commit in sorted(found)]
    return "" if any(by.marks & who.marks for by in makers) else makers[0].name


def rewritten(repo: Repo, name: str, who: Person, tip: CommitHash) -> str:
    """Say whose a conclusion is as it stands; "" where it is of whom it names."""
    by = written_by(repo, conclusion_path(name), who, tip)
    return f"the conclusion of {name} names {who.name}, and {by} committed it" if by else ""


def told(repo: Repo, found: Conclusion, plan: Plan, tip: CommitHash) -> str:
    """Return the words of a conclusion, and what else has to be said of them."""
    other = rewritten(repo, plan.name, found.author, tip)
    return found.told(plan, found.words) + (f" ({other})" if other else "")


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
    found: list[Use] = []
    for id_ in blobs:
        row = known.get(id_)
        if row is None:
            row = _row(repo, id_)
            if row is None:  # a newer gitexp may be able to read it
                continue
            index.put(Kind.USE, {id_: row})  # one by one: what was read is kept, whatever comes
        use = _decoded(row)
        if use is not None:
            found.append(use)
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


# --- receipts -----------------------------------------------------------------------------------


def receipts(repo: Repo, commit: CommitHash, plan: PlanDigest) -> tuple[Stored, ...]:
    """Return what witnesses said of a plan, by number; what cannot be read is among it.

    Files that are not named as `next_receipt_path` does come last: nobody has to name his so that
    it is read before all others.
    """
    folder = witness_dir(plan)
    names = sorted(entry.text for entry in list_dir(repo, commit, folder))
    named = {name: _NAMED.fullmatch(name) for name in names if name.endswith(_SUFFIX)}
    chosen = sorted(named, key=lambda name: int(hit[1]) if (hit := named[name]) else _LAST)[:_MOST]
    return tuple(_receipt(repo, commit, f"{folder}/{name}", plan) for name in chosen)


def next_receipt_path(repo: Repo, commit: CommitHash, plan: PlanDigest, way: Way) -> str:
    """Return where the next receipt goes."""
    names = list_dir(repo, commit, witness_dir(plan))
    number = 1 + sum(entry.path.endswith(_SUFFIX.encode()) for entry in names)
    return f"{witness_dir(plan)}/{number}-{way.value}{_SUFFIX}"


def token_path(path: str) -> str:
    """Return where the token of a receipt lies."""
    return path.removesuffix(_SUFFIX) + ".tsr"


def was_before(repo: Repo, path: str, commit: CommitHash) -> bool:
    """Return whether a file was there before a commit was made: in a parent, as it is now."""
    now = blob_id(repo, commit, path)
    return now is not ABSENT and any(
        blob_id(repo, parent, path) == now for parent in commit_info(repo, commit).parents
    )


def adding_commit(repo: Repo, path: str, tip: CommitHash) -> CommitHash | None:
    """Return the commit in a history that brought a file as the tip has it."""
    now = blob_id(repo, tip, path)
    if now is ABSENT:
        return None
    return min(origins(repo, tip, lambda commit: blob_id(repo, commit, path) == now))


def _receipt(repo: Repo, commit: CommitHash, path: str, plan: PlanDigest) -> Stored:
    try:
        data = read_blob(repo, commit, path)
        if data is ABSENT:
            return Stored(path, None, why="it is no regular file")
        receipt = codec.load(Receipt, data, path)
        if receipt.plan != plan:
            return Stored(path, None, why="it is one of another plan")
        token: bytes = b""
        if receipt.way is Way.RFC3161:
            found = read_blob(repo, commit, token_path(path), _TOKEN_LIMIT)
            token = b"" if found is ABSENT else found
    except GitexpError as error:
        return Stored(path, None, why=str(error))
    return Stored(path, receipt, token)
