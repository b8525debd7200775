"""The one comment on a pull request that is kept up to date.

It is found by a marker at its very beginning *and* by its author: anybody may write the marker.
Which pull request it is follows from the event that GitHub describes, never from what was reviewed.
"""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.errors import BadFormatError, CommentFailedError, UsageError
from gitexp.report import github
from gitexp.sharing.githubapi import TRIES, failed
from gitexp.text.fields import Fields

if TYPE_CHECKING:
    from gitexp.model.review import Review
    from gitexp.sharing.githubapi import Answer, GitHub
    from gitexp.text.jsontext import Json

BOT = "github-actions[bot]"  # who the token of a workflow is
SHORT_BYTES = 20_000  # for a server that takes less than it says
_KEY = re.compile(r"[A-Za-z0-9._-]{1,64}")
_REPOSITORY = re.compile(r"[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}")
_CREATED, _MISSING, _UNPROCESSABLE = 201, 404, 422


@dataclass(frozen=True, slots=True)
class PullRequest:
    """What an event says of a pull request.

    Attributes
    ----------
    number : int or None
        None: it has to be found by its head, as after a run for a fork.
    head : str
        ``OWNER:BRANCH``.
    commit : str
        Of the head, when the event happened.
    foreign : bool
        Whether the job that reviewed it was one that its author could change.
    """

    number: int | None
    head: str
    commit: str
    foreign: bool


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of the comment."""

    created: bool
    url: str


def pull_request(event: Json, where: str) -> PullRequest | None:
    """Return the pull request that an event is about; None for a push or a merge queue.

    Raises `BadFormatError` if it is no event as GitHub describes them.
    """
    fields = Fields(event, where)
    here = fields.child("repository").text("full_name")
    child = fields.maybe_child("pull_request")
    if child is not None:
        head = child.child("head")
        source = head.maybe_child("repo")  # null: the fork was deleted
        foreign = source is None or source.text("full_name") != here
        label = head.maybe_text("label") or ""
        return PullRequest(child.integer("number", least=1), label, head.commit("sha"), foreign)
    run = fields.maybe_child("workflow_run")
    if run is None or run.text("event") != "pull_request":
        return None
    source = run.child("head_repository")
    name = f"{source.child('owner').text('login')}:{run.text('head_branch')}"
    foreign = source.text("full_name") != here
    return PullRequest(None, name, run.commit("head_sha"), foreign)


def comment(  # noqa: PLR0913  who writes what, and where
    api: GitHub,
    repository: str,
    target: PullRequest,
    review: Review,
    *,
    key: str = "review",
    author: str = BOT,
) -> Posted:
    """Write the comment, or bring it up to date.

    `repository`: ``OWNER/NAME``, where the pull request is. `key`: tells comments of several
    workflows apart.

    Raises `UsageError` if key or repository have not the form of one; `CommentFailedError` if the
    pull request has gone on, or GitHub refuses.
    """
    if not _KEY.fullmatch(key) or not _REPOSITORY.fullmatch(repository):
        raise UsageError("no such repository or key", found=f"{repository[:200]} {key[:100]}")
    number = _number(api, repository, target, review)
    marker = f"<!-- gitexp:review key={key} -->"
    bodies = [
        github.markdown(review, limit=limit, marker=marker, untrusted=target.foreign)
        for limit in (github.COMMENT_BYTES, SHORT_BYTES)
    ]
    thread = _Thread(api, f"/repos/{repository}/issues", number, marker, author)
    answer = thread.put(bodies[0])
    if answer.status == _UNPROCESSABLE:
        answer = thread.put(bodies[1])
    if not answer.ok:
        raise failed("write the comment", answer)
    url = answer.value.get("html_url") if isinstance(answer.value, dict) else ""
    return Posted(answer.status == _CREATED, url if isinstance(url, str) else "")


def _number(api: GitHub, repository: str, target: PullRequest, review: Review) -> int:
    """Return the number of the pull request, which has to be at the commit that was reviewed."""
    if target.number is None:
        head = urllib.parse.quote(target.head, safe="")
        answer = api.get(f"/repos/{repository}/pulls?state=open&head={head}&per_page=100")
        found = answer.value if isinstance(answer.value, list) else []
    else:
        answer = api.get(f"/repos/{repository}/pulls/{target.number}")
        found = [answer.value]
    if not answer.ok:
        raise failed("find the pull request", answer)
    fitting: list[int] = []
    for item in found:
        try:
            fields = Fields(item, "the pull request")
            head_commit = fields.child("head").text("sha")
            base_commit = fields.child("base").text("sha")
            number = fields.integer("number", least=1)
        except BadFormatError:
            continue
        if head_commit == target.commit == review.head.commit:
            # One branch may be in pull requests into several others.
            fitting.insert(0 if base_commit == review.base.commit else len(fitting), number)
    if fitting:
        return fitting[0]
    raise CommentFailedError(
        "the pull request is not at the commit that was reviewed",
        found=review.head.commit[:9],
        where=target.head[:200] or str(target.number),
        next_step="nothing: the run for its newest commit comments",
    )


@dataclass(frozen=True, slots=True)
class _Thread:
    """The conversation of a pull request, in which one comment is ours."""

    api: GitHub
    path: str  # of all issues, as GitHub calls what has comments
    number: int
    marker: str  # with which ours begins
    author: str

    def put(self, body: str) -> Answer:
        """Change our comment, or write the first; after a fault look again what there is."""
        for tries in range(TRIES):
            known = self._known()
            if known is not None:
                answer = self._change(known, body)
                if answer.status != _MISSING:  # else somebody has deleted it meanwhile
                    return answer
            answer = self.api.send("POST", f"{self.path}/{self.number}/comments", {"body": body})
            if answer.ok:
                return self._only(answer, body)
            if not answer.again or tries == TRIES - 1:
                break
            self.api.wait(answer, tries)
        return answer

    def _only(self, made: Answer, body: str) -> Answer:
        """Keep the older one where another job has written one at the same time."""
        known = self._known()
        mine = made.value.get("id") if isinstance(made.value, dict) else None
        if known is None or mine is None or known == mine:
            return made
        self.api.change("DELETE", f"{self.path}/comments/{mine}", {})
        return self._change(known, body)

    def _change(self, known: int, body: str) -> Answer:
        return self.api.change("PATCH", f"{self.path}/comments/{known}", {"body": body})

    def _known(self) -> int | None:
        for item in self.api.pages(f"{self.path}/{self.number}/comments?per_page=100"):
            try:
                fields = Fields(item, "a comment")
                mine = fields.child("user").text("login") == self.author
                if mine and fields.text("body").startswith(self.marker):
                    return fields.integer("id", least=1)
            except BadFormatError:  # one without a user, or without a body
                continue
        return None
