"""Conclusions and receipts of witnesses as commits hold them, what they decided on and have ended.

A conclusion that a later commit took out of the tree has decided all the same. Each is remembered
by the id of its file, so a ledger over hundreds of experiments reads it once.

A colleague concludes, merges and archives; the branch here stays where it was. Main, merged by the
user, goes on from it, so its conclusion is the experiment's.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Final, Protocol

from gitexp.errors import GitexpError, PreconditionError
from gitexp.git import fsck, refs
from gitexp.git.objects import blob_id, commit_info, is_ancestor, list_dir, origins, read_blob
from gitexp.git.transaction import layout
from gitexp.git.transaction.cache import Index, Kind
from gitexp.git.transaction.layout import conclusion_path, witness_dir
from gitexp.git.upstream import USUAL, followed, own
from gitexp.model import dataclass
from gitexp.model.comparison import Conclusion
from gitexp.model.ids import ABSENT, Absent, BlobId, CommitHash, EvaluationDigest, PlanDigest
from gitexp.model.witness import Receipt, Stored, Way
from gitexp.records import codec
from gitexp.store import plans
from gitexp.store.ancestry import MOST_BYTES, MOST_RECORDS, Graph, runs_in
from gitexp.store.records import is_lasting

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from gitexp.git.repository import Repo
    from gitexp.model.ids import InputsDigest
    from gitexp.model.plan import Person, Plan
    from gitexp.store.plans import Tip


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
    found = _origins(repo, path, tip) if who.marks else []
    makers = [commit_info(repo, commit).author for commit in sorted(found)]
    return "" if any(by.marks & who.marks for by in makers) or not makers else makers[0].name


def _origins(repo: Repo, path: str, tip: CommitHash) -> list[CommitHash]:
    """Return the commits in a history that brought a file as the tip has it."""
    now = blob_id(repo, tip, path)
    if now is ABSENT:
        return []
    return origins(repo, tip, lambda commit: blob_id(repo, commit, path) == now)


def rewritten(repo: Repo, name: str, who: Person, tip: CommitHash) -> str:
    """Say whose a conclusion is as it stands; "" where it is of whom it names."""
    by = written_by(repo, conclusion_path(name), who, tip)
    return f"the conclusion of {name} names {who.name}, and {by} committed it" if by else ""


def told(
    repo: Repo, found: Conclusion, plan: Plan, tip: CommitHash, *, changed: bool = False
) -> str:
    """Return the words of a conclusion, and what else has to be said of them."""
    other = rewritten(repo, plan.name, found.author, tip)
    return found.told(plan, found.words, changed=changed) + (f" ({other})" if other else "")


def is_concluded(
    repo: Repo, plan: Plan, commit: CommitHash, changed: Callable[[InputsDigest], bool]
) -> bool:
    """Return whether a plan as it is has its conclusion; what cannot be read is taken for one.

    `changed`: tells whether the candidate has other inputs than these.
    """
    try:
        found = conclusion_named(repo, plan.name, commit)
    except GitexpError:
        return True
    return (
        found is not ABSENT
        and found.stands(plan)
        and not changed(found.comparison.candidate.inputs)
    )


def is_changed(repo: Repo, index: Index, commit: CommitHash, concluded: InputsDigest) -> bool:
    """Return whether a branch has other inputs than its conclusion is about; not where unknown."""
    try:
        return not has_inputs(repo, index, commit, commit, concluded)
    except GitexpError:
        return False


def is_of_others(repo: Repo, index: Index, now: _Compared, concluded: InputsDigest) -> bool:
    """Return the same of a candidate whose own commit may be gone."""
    return now.inputs != concluded and is_changed(repo, index, now.commit, concluded)


def has_inputs(
    repo: Repo, index: Index, commit: CommitHash, fallback: CommitHash, wanted: InputsDigest
) -> bool:
    """Return whether these are a commit's inputs; `fallback` has the settings where it has none."""
    from gitexp.dvc import inputs  # noqa: PLC0415  as `list` reads records
    from gitexp.dvc.state import ProjectState  # noqa: PLC0415

    config, _ = plans.config_of(repo, commit, fallback)
    tree = commit_info(repo, commit).tree
    return inputs.is_of(ProjectState(repo, tree, config), wanted, index=index)


class _Compared(Protocol):
    @property
    def commit(self) -> CommitHash: ...
    @property
    def inputs(self) -> InputsDigest | None: ...


@dataclass(frozen=True, slots=True)
class Use:
    """One decision."""

    experiment: str
    concluded_at: str  # ISO 8601, UTC: it sorts as text
    evaluation: frozenset[EvaluationDigest]


def uses(repo: Repo, index: Index, *beside: CommitHash) -> tuple[Use, ...]:
    """Return the decisions in the history of own branches, own archives and main, oldest first.

    A conclusion that gives no verdict has decided nothing; one that was amended is one decision
    for each version. One that came without its plan, or whose runs this history never had, is
    nobody's decision, and what cannot be read says nothing. `beside`: what is asked about.

    Raises `UnsafeInputError` where that adds more than is read of others.
    """
    trusted = plans.trusted(repo)
    graph = Graph(repo, index, [*trusted, *beside])
    added = {f"{id_}:{at}": at for id_, every in graph.conclusions().items() for at in every}
    mine = graph.led_to(trusted)
    _refuse_more(repo, {BlobId(key[:-41]) for key, at in added.items() if at not in mine})
    known = index.get(Kind.USE, added)
    runs = {item.run for item in graph.every()}
    found: set[Use] = set()
    for key, commit in added.items():
        row = known.get(key)
        if row is None:
            row = _row(repo, BlobId(key[:-41]), commit)
            if row is None:
                continue
            index.put(Kind.USE, {key: row})  # one by one: what was read is kept, whatever comes
        use, rests_on = _decoded(row)
        if rests_on and runs.issuperset(rests_on):
            found.add(use)
    return tuple(sorted(found, key=lambda use: (use.concluded_at, use.experiment)))


def _refuse_more(repo: Repo, blobs: Collection[BlobId]) -> None:
    """Refuse conclusions of others that are more than is read of them."""
    where = "the history of this branch, beside yours"
    fsck.refuse_more(len(blobs), MOST_RECORDS, "conclusions", where)
    size = sum(repo.size(blob, fetch=False) for blob in blobs)
    fsck.refuse_more(size, MOST_BYTES, "bytes of conclusions", where)


def _row(repo: Repo, id_: BlobId, commit: CommitHash) -> bytes | None:
    """Return what to remember of a conclusion, that it can never be read, too; None: nothing."""
    try:
        data = repo.read(id_, codec.limit(Conclusion))
        found = codec.load(Conclusion, data, id_[:9])
        own_plan = plans.plan_named(repo, found.experiment, commit)
    except GitexpError as error:
        return b"null" if is_lasting(error) else None
    under = found.comparison.plan
    if found.verdict is None or under is None or own_plan is ABSENT:
        return b"null"
    if not own_plan.covered(under.name, under.digest):
        return b"null"
    runs = sorted(found.comparison.candidate.runs)
    at = found.concluded_at.isoformat()
    return json.dumps([found.experiment, at, sorted(_evaluation(found)), runs]).encode("ascii")


def _evaluation(found: Conclusion) -> set[str]:
    """Return the identities that it rests on; older conclusions name one, or none."""
    ledger, single = found.comparison.ledger, found.comparison.candidate.evaluation
    if ledger is not None:
        return set(ledger.evaluation)
    return set() if single is None else {single}


def _decoded(row: bytes) -> tuple[Use, list[str]]:
    """Return a decision with the runs that it rests on; without any it decided nothing."""
    value: tuple[str, str, list[str], list[str]] = json.loads(row) or ("", "", [], [])
    experiment, concluded_at, evaluation, runs = value
    of = frozenset(EvaluationDigest(text) for text in evaluation)
    return Use(experiment, concluded_at, of), runs


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
    return min(_origins(repo, path, tip), default=None)


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


# --- what main, or a fetched tag, says of a branch that is still here ----------------------------


def ended_on(repo: Repo, branch: str, tip: CommitHash) -> CommitHash | None:
    """Return main's commit, where it has all of a branch here and a conclusion that it lacks.

    The conclusion is of the plan's author, or the branch is gone from where others have it, or has
    it there, too: while it is alive, who merges into main ends no experiment of others.
    """
    main = refs.read_ref(repo, refs.local(repo.main)) if repo.main not in {"", branch} else ABSENT
    if main is ABSENT or main == tip:
        return None
    try:
        plan = plans.plan_of_branch(repo, branch, tip)
        if plan is ABSENT or not _goes_on(repo, plan, tip, main):
            return None
        there = plans.plan_named(repo, plan.name, main)
    except GitexpError:  # the branch's own answer says what is wrong
        return None
    ended = there is not ABSENT and there.branch == branch and _is_theirs(repo, plan, main)
    return main if ended else None


def _goes_on(repo: Repo, plan: Plan, tip: CommitHash, main: CommitHash) -> bool:
    path = layout.conclusion_path(plan.name)
    said = blob_id(repo, main, path)
    if said is ABSENT or said == blob_id(repo, tip, path):
        return False
    return is_ancestor(repo, tip, main) or has_records(repo, main, tip, plan.name)


def _is_theirs(repo: Repo, plan: Plan, main: CommitHash) -> bool:
    """Return whether nobody else concluded an experiment while others have its branch."""
    path = layout.conclusion_path(plan.name)
    said = blob_id(repo, main, path)
    alive = [each for each in own(repo, [plan.branch]) if followed(each.ref)]
    if all(blob_id(repo, each.commit, path) == said for each in alive):
        return True
    added = adding_commit(repo, path, main)
    by = None if added is None else commit_info(repo, added).author
    return by is not None and bool(by.marks & plan.author.marks)


def has_records(repo: Repo, base: CommitHash, tip: CommitHash, name: str) -> bool:
    """Return whether a base has all records of a tip, whatever merged them; `name`: its plan's."""
    if name:
        for path in (layout.plan_path(name), layout.conclusion_path(name)):
            mine = blob_id(repo, tip, path)
            if mine is not ABSENT and mine != blob_id(repo, base, path):
                return False
    runs = runs_in(repo, tip)
    return not runs or (
        runs.items() <= runs_in(repo, base).items() and _names(repo, tip) <= _names(repo, base)
    )


def true_places(repo: Repo, every: Iterable[Tip]) -> Callable[[Tip], list[CommitHash]]:
    """Return what tells where an experiment is to which a fetched archive tag has to be true.

    That is on its branch, here or of a remote, but where main goes on from it; and where HEAD, or a
    branch here of no experiment, has its plan.
    """
    every = tuple(every)
    branches = {tip.branch: tip for tip in reversed(every) if not tip.archived}
    prefix = plans.branch_prefix(repo)
    own_places = enumerate(plans.places(repo, (tip for tip in every if tip.own)))
    shared = [
        commit
        for number, (where, commit) in own_places
        if not (number and plans.is_experiments(where, prefix))
    ]
    folders = [(commit, repo.tree(commit).folder(layout.PLANS)) for commit in shared]

    def held(tag: Tip) -> list[CommitHash]:
        file = f"{tag.ref.removeprefix(layout.ARCHIVE_TAGS)}.yaml"
        tip = branches.get(tag.branch)
        found = [commit for commit, names in folders if file in names]
        if tip is None:
            return found
        if tip.local and ended_on(repo, tip.branch, tip.commit):
            return [commit for commit in found if commit != tip.commit]  # HEAD may be on it
        return [tip.commit, *found]

    return held


def _names(repo: Repo, commit: CommitHash) -> set[bytes]:
    return {entry.path for entry in list_dir(repo, commit, layout.ENVIRONMENTS)}


def contradiction(
    repo: Repo, tag: Tip, places: Iterable[CommitHash]
) -> tuple[CommitHash, str] | None:
    """Return the first commit that has an experiment otherwise than its tag, and the file."""
    name = tag.ref.removeprefix(layout.ARCHIVE_TAGS)
    paths = layout.plan_path(name), layout.conclusion_path(name), layout.tombstone_path(name)
    for commit in places:
        if is_ancestor(repo, tag.commit, commit):  # an older state of it
            continue
        for path in paths:
            if blob_id(repo, commit, path) != blob_id(repo, tag.commit, path):
                return commit, path
    return None


def whose(repo: Repo, ref: str) -> str:
    """Return whose an archive tag is that a fetch brought; "" for one's own."""
    tag = _tip(plans.tips(repo), ref)
    return "" if tag.own else _told(repo, tag, _plan(repo, tag))


def check_tag(repo: Repo, ref: str, behind: CommitHash | None = None) -> str:
    """Return the same, where the tag says what is known here of the experiment.

    `behind`: the tip of its branch, where that is to go on to it.

    Raises `PreconditionError` if it says something else, or its plan is that of another branch.
    """
    every = plans.tips(repo)
    tag = _tip(every, ref)
    if tag.own:
        return ""
    path = layout.plan_path(ref.removeprefix(layout.ARCHIVE_TAGS))
    mains = [each.commit for each in own(repo, USUAL)]
    branches = [each.commit for each in own(repo, [tag.branch])]
    places = [*(each for each in mains if blob_id(repo, each, path) is not ABSENT), *branches]
    places = [each for each in (*true_places(repo, every)(tag), *places) if each != behind]
    found = contradiction(repo, tag, places)
    plan = _plan(repo, tag)
    if found is not None:
        commit, path = found
        what = f"says something else than {commit[:9]}"
    elif plan is not ABSENT and plan.branch != tag.branch:
        what = f"has the plan of another branch: {plan.branch}"
    elif plan is ABSENT and places:  # an older state of them, before the plan
        what = "has no plan of it"
    else:
        return _told(repo, tag, plan)
    raise PreconditionError(
        f"{tag.name}, which a fetch brought, {what}",
        found=_told(repo, tag, plan),
        where=path,
        expected=f"what main, or {tag.branch}, has of the experiment",
        next_step=f"ask who pushed it; to be rid of it here: git tag -d {shlex.quote(tag.name)}",
    )


def _tip(every: Iterable[Tip], ref: str) -> Tip:
    return next(tip for tip in every if tip.ref == ref)


def _plan(repo: Repo, tag: Tip) -> Plan | Absent:
    try:
        return plans.plan_named(repo, tag.ref.removeprefix(layout.ARCHIVE_TAGS), tag.commit)
    except GitexpError:
        return ABSENT


def _told(repo: Repo, tag: Tip, plan: Plan | Absent) -> str:
    last = commit_info(repo, tag.commit).author
    said = f"{tag.name} came by a fetch: its last commit is by {last.name} <{last.email}>"
    if plan is ABSENT:
        return said
    return f"{said}, its plan by {plan.author.name} <{plan.author.email}>"
