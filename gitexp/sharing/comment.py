"""The one comment on a pull request that is kept up to date, and the API of GitHub behind it.

The comment is found by a marker at its very beginning *and* by its author: anybody may write the
marker. Which pull request it is follows from the event that GitHub describes, never from what was
reviewed. The token goes to one host and nowhere else: no redirect is followed, no link to another
host, and neither the token nor a header is ever part of a message.
"""

from __future__ import annotations

import http.client
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Final

from gitexp.errors import BadFormatError, CommentFailedError, GitexpError, UsageError
from gitexp.model import dataclass
from gitexp.model.review import BOT
from gitexp.report import github
from gitexp.system.authority import NoRedirect
from gitexp.text.fields import Fields
from gitexp.text.jsontext import json_dumps_compact, json_loads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from email.message import Message

    from gitexp.model.review import Review
    from gitexp.text.jsontext import Json


TIMEOUT_S: Final = 20.0
TRIES: Final = 4
MOST_PAUSE_S: Final = 60.0
MOST_PAGES: Final = 50
_LIMIT = 8 << 20  # bytes of an answer
_VERSION = "2022-11-28"
_FORBIDDEN, _MISSING, _UNPROCESSABLE, _TOO_MANY = 403, 404, 422, 429
_SERVER = 500
_LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))


@dataclass(frozen=True, slots=True)
class CommentResult:
    """What the server said; `value` is None where it is not JSON."""

    status: int
    value: Json
    headers: Mapping[str, str]  # names in lower case

    @property
    def ok(self) -> bool:
        """Whether it did what was asked."""
        return 200 <= self.status < 300  # noqa: PLR2004  the class of status codes

    @property
    def limited(self) -> bool:
        """Whether there were too many requests; of a secondary limit only the message may tell."""
        return self.status == _TOO_MANY or (
            self.status == _FORBIDDEN
            and (
                "retry-after" in self.headers
                or self.headers.get("x-ratelimit-remaining") == "0"
                or "rate limit" in self.message
            )
        )

    @property
    def again(self) -> bool:
        """Whether it may do it later: too many requests, or trouble of its own."""
        return self.limited or self.status >= _SERVER or not self.status

    @property
    def message(self) -> str:
        """What it says for itself."""
        found = self.value.get("message") if isinstance(self.value, dict) else None
        said = found[:200] if isinstance(found, str) else "no answer" if not self.status else ""
        return f"{self.status or ''} {said}".strip()


class GitHub:
    """A connection to one API, with one token, which goes over https or the loopback alone."""

    def __init__(
        self, url: str, token: str, *, pause: Callable[[float], None] = time.sleep
    ) -> None:
        parts = urllib.parse.urlsplit(url)
        local = parts.hostname in _LOOPBACK
        if parts.scheme != "https" and not (parts.scheme == "http" and local):
            raise UsageError(
                "the address of the API is not https", found=url[:200], expected="https://..."
            )
        self._root = url.rstrip("/")
        self._origin = (parts.scheme, parts.netloc)
        self._token = token
        self._pause = pause
        self._opener = urllib.request.build_opener(
            NoRedirect(), *([urllib.request.ProxyHandler({})] if local else [])
        )

    def get(self, path: str) -> CommentResult:
        """Ask for something, again and again where that may help."""
        return self._patient("GET", f"{self._root}{path}")

    def send(self, method: str, path: str, value: Json) -> CommentResult:
        """Change something, once: after a fault nobody knows whether it was done."""
        return self._once(method, f"{self._root}{path}", json_dumps_compact(value))

    def change(self, method: str, path: str, value: Json) -> CommentResult:
        """Change something that is the same when it was done twice."""
        return self._patient(method, f"{self._root}{path}", json_dumps_compact(value))

    def wait(self, answer: CommentResult, tries: int) -> None:
        """Wait as long as an answer wants, at a limit a minute, else twice as long as before."""
        wanted = answer.headers.get("retry-after", "")
        seconds = MOST_PAUSE_S if answer.limited else 2.0**tries
        if wanted.isascii() and wanted.isdecimal():
            seconds = float(wanted)
        self._pause(min(seconds, MOST_PAUSE_S))

    def pages(self, path: str) -> Iterator[Json]:
        """Yield the items of a list, page after page."""
        url: str | None = f"{self._root}{path}"
        for _ in range(MOST_PAGES):
            if url is None:
                return
            answer = self._patient("GET", url)
            if not answer.ok or not isinstance(answer.value, list):
                raise failed("list the comments", answer)
            yield from answer.value
            url = self._next(answer)

    def _next(self, answer: CommentResult) -> str | None:
        for link in answer.headers.get("link", "").split(","):
            target, _, rest = link.strip().partition(">")
            if 'rel="next"' in rest and target.startswith("<"):
                parts = urllib.parse.urlsplit(target[1:])
                return target[1:] if (parts.scheme, parts.netloc) == self._origin else None
        return None

    def _patient(self, method: str, url: str, data: bytes | None = None) -> CommentResult:
        for tries in range(TRIES - 1):
            answer = self._once(method, url, data)
            if not answer.again:
                return answer
            self.wait(answer, tries)
        return self._once(method, url, data)

    def _once(self, method: str, url: str, data: bytes | None = None) -> CommentResult:
        request = urllib.request.Request(  # noqa: S310  https, or loopback: looked at above
            url,
            data=data,
            method=method,
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/json",
                "User-Agent": "gitexp",
                "X-GitHub-Api-Version": _VERSION,
            },
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as response:
                return _answer(response.status, response.headers, response.read(_LIMIT + 1))
        except urllib.error.HTTPError as error:
            with error:
                return _answer(error.code, error.headers, error.read(_LIMIT + 1))
        except (OSError, http.client.HTTPException):  # no connection, or it broke off
            return CommentResult(0, None, {})


def failed(what: str, answer: CommentResult) -> CommentFailedError:
    """Return the error for an answer that is a no, with what to do about it."""
    hints = {
        _FORBIDDEN: "give the job pull-requests: write; from a fork only a workflow_run job has it",
        _MISSING: "give the job pull-requests: write, and look at repository and number",
    }
    hint = "" if answer.again else hints.get(answer.status, "")
    if answer.status == _FORBIDDEN and "locked" in answer.message:
        hint = "unlock the conversation of the pull request"
    return CommentFailedError(f"cannot {what}", found=answer.message, next_step=hint)


def _answer(status: int, headers: Message, data: bytes) -> CommentResult:
    try:
        value = json_loads(data, where="the answer", limit=_LIMIT) if data else None
    except GitexpError:
        value = None
    return CommentResult(status, value, {name.lower(): text for name, text in headers.items()})


SHORT_BYTES = 20_000  # for a server that takes less than it says
_KEY = re.compile(r"[A-Za-z0-9._-]{1,64}")
_REPOSITORY = re.compile(r"[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}")
_CREATED = 201


@dataclass(frozen=True, slots=True)
class PullRequest:
    """What an event says of a pull request."""

    number: int | None  # None: it has to be found by its head, as after a run for a fork
    head: str  # ``OWNER:BRANCH``
    commit: str  # of the head, when the event happened
    foreign: bool  # whether the job that reviewed it was one that its author could change


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of the comment."""

    created: bool
    url: str


def pull_request(event: Json, where: str) -> PullRequest | None:
    """Return the pull request that an event is about; None for a push or a merge queue."""
    fields = Fields(event, where)
    here = fields.child("repository").text("full_name")
    child = fields.maybe_child("pull_request")
    if child is not None:
        head = child.child("head")
        source = head.maybe_child("repo")  # null: the fork was deleted
        foreign = source is None or source.text("full_name") != here
        label = head.maybe_text("label") or ""
        return PullRequest(child.integer("number", least=1), label, head.git_id("sha"), foreign)
    run = fields.maybe_child("workflow_run")
    if run is None or run.text("event") != "pull_request":
        return None
    source = run.child("head_repository")
    name = f"{source.child('owner').text('login')}:{run.text('head_branch')}"
    foreign = source.text("full_name") != here
    return PullRequest(None, name, run.git_id("head_sha"), foreign)


def comment(thread: Thread, target: PullRequest, review: Review) -> Posted:
    """Write the comment, or bring it up to date."""
    if not _KEY.fullmatch(thread.key) or not _REPOSITORY.fullmatch(thread.repository):
        found = f"{thread.repository[:200]} {thread.key[:100]}"
        raise UsageError("no such repository or key", found=found)
    number = _number(thread.api, thread.repository, target, review)
    bodies = [
        github.markdown(review, limit=limit, marker=thread.marker, untrusted=target.foreign)
        for limit in (github.COMMENT_BYTES, SHORT_BYTES)
    ]
    answer = thread.put(number, bodies[0])
    if answer.status == _UNPROCESSABLE:
        answer = thread.put(number, bodies[1])
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
class Thread:
    """The conversations of a repository's pull requests; in each, one comment is ours."""

    api: GitHub
    repository: str
    key: str = "review"
    author: str = BOT

    @property
    def marker(self) -> str:
        """Return that with which ours begins."""
        return f"<!-- gitexp:review key={self.key} -->"

    @property
    def _path(self) -> str:
        return f"/repos/{self.repository}/issues"  # as GitHub calls what has comments

    def put(self, number: int, body: str) -> CommentResult:
        """Change our comment, or write the first; after a fault look again what there is."""
        for tries in range(TRIES):
            known = self._known(number)
            if known is not None:
                answer = self._change(known, body)
                if answer.status != _MISSING:  # else somebody has deleted it meanwhile
                    return answer
            answer = self.api.send("POST", f"{self._path}/{number}/comments", {"body": body})
            if answer.ok:
                return self._only(answer, number, body)
            if not answer.again or tries == TRIES - 1:
                break
            self.api.wait(answer, tries)
        return answer

    def _only(self, made: CommentResult, number: int, body: str) -> CommentResult:
        """Keep the older one where another job has written one at the same time."""
        known = self._known(number)
        mine = made.value.get("id") if isinstance(made.value, dict) else None
        if known is None or mine is None or known == mine:
            return made
        self.api.change("DELETE", f"{self._path}/comments/{mine}", {})
        return self._change(known, body)

    def _change(self, known: int, body: str) -> CommentResult:
        return self.api.change("PATCH", f"{self._path}/comments/{known}", {"body": body})

    def _known(self, number: int) -> int | None:
        for item in self.api.pages(f"{self._path}/{number}/comments?per_page=100"):
            try:
                fields = Fields(item, "a comment")
                mine = fields.child("user").text("login") == self.author
                if mine and fields.text("body").startswith(self.marker):
                    return fields.integer("id", least=1)
            except BadFormatError:  # one without a user, or without a body
                continue
        return None
