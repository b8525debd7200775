"""Lets somebody else see a plan before its first run, and keeps what he says of it.

A push, a time stamp, or a second person's approval becomes a receipt in a commit behind the plan's.
Runs that descend from it were recorded afterwards. What each proves is in `docs/enforcement.md`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from gitexp.errors import PreconditionError, UsageError, WitnessError
from gitexp.experiments.conclude import experiment_of
from gitexp.git import command, identity, objects, repository
from gitexp.git import remote as remote_git
from gitexp.git.refs import local
from gitexp.git.transaction import transaction
from gitexp.git.transaction.cache import open_index
from gitexp.git.writing import Message
from gitexp.model.ids import CommitHash
from gitexp.model.witness import Receipt, Way, Witnessed, statement_of
from gitexp.provenance import order_evidence, private
from gitexp.records import codec
from gitexp.report.escape import visible
from gitexp.store import conclusions, plans
from gitexp.system import authority, secrets

if TYPE_CHECKING:
    from gitexp.git.repository import Repo
    from gitexp.model.plan import Plan
    from gitexp.model.workspace import Workspace

URL: Final = "gitexp.witnessurl"
MARK: Final = "gitexp-receipt "  # begins what a server's hook says of a push


def witness(  # noqa: PLR0913  whose plan is seen, how, by whom, and when
    workspace: Workspace,
    name: str | None,
    way: Way,
    *,
    remote_name: str | None = None,
    words: str = "",
    now: datetime | None = None,
) -> Witnessed:
    """Ask a witness, and commit his receipt on the experiment's branch.

    Parameters
    ----------
    name : str or None
        The experiment; None: that of the current branch.
    remote_name : str, optional
        Of a push: Git's name of the remote.
    words : str
        Of an approval.

    Raises
    ------
    NoPlanError, UnknownExperimentError, DetachedHeadError
        If there is no such plan here.
    WitnessError
        If the witness did not answer, or an approval would not be signed.
    PreconditionError, UsageError, GitFailedError
        If there is no remote, address or openssl to ask with.
    MovedRefError
        If the branch moved meanwhile; no receipt was written.
    """
    repo = repository.open_repository(workspace)
    branch, tip, plan = experiment_of(repo, name, "witness")
    files: dict[str, bytes] = {}
    path = conclusions.next_receipt_path(repo, tip, plan.digest, way)
    if way is Way.PUSH:
        receipt = _pushed(repo, plan, branch, tip, remote_name)
    elif way is Way.RFC3161:
        receipt, token = _stamped(repo, plan, tip)
        files[conclusions.token_path(path)] = token
    else:
        receipt = _approved(repo, plan, tip, words)
    files[path] = codec.dump(receipt)

    text = f"gitexp witness: {visible(plan.name)} by {way.value}\n"
    when = (now or datetime.now(UTC)).replace(microsecond=0)
    said = Message(text, identity.author(repo), when)
    published = transaction.publish(workspace, branch, lambda _: files, said, expected=tip)
    with open_index(workspace) as index:
        order, runs = order_evidence.grade(repo, index, plan, published.commit)
    return Witnessed(plan.name, receipt, path, published.commit, order, runs)


def _pushed(
    repo: Repo, plan: Plan, branch: str, tip: CommitHash, remote_name: str | None
) -> Receipt:
    remote = remote_git.choose(repo, branch, remote_name)
    ref = local(branch)
    arguments = ["push", "--porcelain", "--", remote, f"{tip}:{ref}"]
    code, _, said = remote_git.execute(repo.workspace, arguments)
    if code:
        raise remote_git.failed(arguments, code, said)
    there = remote_git.remote_refs(repo.workspace, remote, [ref]).get(ref, "")
    if there != tip and not objects.is_ancestor(repo, tip, CommitHash(there)):
        raise WitnessError(
            "the remote does not have what was pushed",
            found=there[:9] or "nothing",
            where=f"{remote}: {ref}",
            expected=tip[:9],
        )
    lines = [line.partition(MARK)[2].strip() for line in said.split("\n") if MARK in line]
    mine = [line for line in lines if tip in line]
    asked = ["remote", "get-url", "--push", remote]
    url = command.run(repo.workspace, asked).decode("utf-8", "backslashreplace")
    return Receipt(
        way=Way.PUSH,
        plan=plan.digest,
        commit=tip,
        by=private.author(repo, tip),
        remote=remote,
        url=secrets.mask(url.strip(), {})[0],
        ref=ref,
        said=f"{MARK}{mine[0]}" if mine else "",
    )


def _stamped(repo: Repo, plan: Plan, tip: CommitHash) -> tuple[Receipt, bytes]:
    url = repo.settings.get(URL, "")
    if not url:
        raise UsageError(
            "no time-stamping authority is set",
            expected="gitexp.witnessUrl in Git's settings",
            next_step="git config --global gitexp.witnessUrl https://AUTHORITY",
        )
    token = authority.request(statement_of(plan.digest, tip), url)
    by = private.author(repo, tip)
    shown = secrets.mask(url, {})[0]
    return Receipt(Way.RFC3161, plan.digest, tip, by, url=shown), token


def _approved(repo: Repo, plan: Plan, tip: CommitHash, words: str) -> Receipt:
    by, who = private.author(repo, tip), identity.author(repo)
    added = objects.commit_info(repo, plans.plan_commit(repo, plan, tip)).author
    if who.email in {added.email, plan.author.email}:
        raise WitnessError(
            "a plan is approved by a second person",
            found=who.email,
            expected=f"somebody else than {added.name}",
            next_step="ask a colleague for: gitexp witness NAME --approve",
        )
    if not repo.setting_is_true("commit.gpgsign"):
        raise PreconditionError(
            "an approval has to be signed",
            found="commit.gpgsign is not set",
            next_step="git config commit.gpgsign true, with user.signingKey",
        )
    return Receipt(Way.APPROVAL, plan.digest, tip, by, said=" ".join(words.split()))
