"""GitHub's REST API, as much of it as a comment needs.

The token goes to one host and nowhere else: no redirect is followed, no link to another host, and
neither the token nor a header is ever part of a message. What comes back is foreign text.
"""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gitexp.errors import CommentFailedError, GitexpError, UsageError
from gitexp.text.jsontext import json_dumps_compact, json_loads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from email.message import Message

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
class Answer:
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
    """A connection to one API, with one token.

    Parameters
    ----------
    url : str
        ``https://api.github.com``, or that of an enterprise's own; http only on loopback.
    token : str
    pause : callable
        Waits for so many seconds.

    Raises
    ------
    UsageError
        If the token would go over the wire in the clear.
    """

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
            _NoRedirect(), *([urllib.request.ProxyHandler({})] if local else [])
        )

    def get(self, path: str) -> Answer:
        """Ask for something, again and again where that may help."""
        return self._patient("GET", f"{self._root}{path}")

    def send(self, method: str, path: str, value: Json) -> Answer:
        """Change something, once: after a fault nobody knows whether it was done."""
        return self._once(method, f"{self._root}{path}", json_dumps_compact(value))

    def change(self, method: str, path: str, value: Json) -> Answer:
        """Change something that is the same when it was done twice."""
        return self._patient(method, f"{self._root}{path}", json_dumps_compact(value))

    def wait(self, answer: Answer, tries: int) -> None:
        """Wait as long as an answer wants, at a limit a minute, else twice as long as before."""
        wanted = answer.headers.get("retry-after", "")
        seconds = MOST_PAUSE_S if answer.limited else 2.0**tries
        if wanted.isascii() and wanted.isdecimal():
            seconds = float(wanted)
        self._pause(min(seconds, MOST_PAUSE_S))

    def pages(self, path: str) -> Iterator[Json]:
        """Yield the items of a list, page after page.

        Raises `CommentFailedError` if a page cannot be had.
        """
        url: str | None = f"{self._root}{path}"
        for _ in range(MOST_PAGES):
            if url is None:
                return
            answer = self._patient("GET", url)
            if not answer.ok or not isinstance(answer.value, list):
                raise failed("list the comments", answer)
            yield from answer.value
            url = self._next(answer)

    def _next(self, answer: Answer) -> str | None:
        for link in answer.headers.get("link", "").split(","):
            target, _, rest = link.strip().partition(">")
            if 'rel="next"' in rest and target.startswith("<"):
                parts = urllib.parse.urlsplit(target[1:])
                return target[1:] if (parts.scheme, parts.netloc) == self._origin else None
        return None

    def _patient(self, method: str, url: str, data: bytes | None = None) -> Answer:
        for tries in range(TRIES - 1):
            answer = self._once(method, url, data)
            if not answer.again:
                return answer
            self.wait(answer, tries)
        return self._once(method, url, data)

    def _once(self, method: str, url: str, data: bytes | None = None) -> Answer:
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
            return Answer(0, None, {})


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(  # noqa: PLR0913, PLR0917  the signature of the base class
        self,
        req: urllib.request.Request,
        fp: object,
        code: int,
        msg: str,
        headers: object,
        newurl: str,
    ) -> None:
        del req, fp, code, msg, headers, newurl


def failed(what: str, answer: Answer) -> CommentFailedError:
    """Return the error for an answer that is a no, with what to do about it."""
    hints = {
        _FORBIDDEN: "give the job pull-requests: write; from a fork only a workflow_run job has it",
        _MISSING: "give the job pull-requests: write, and look at repository and number",
    }
    hint = "" if answer.again else hints.get(answer.status, "")
    if answer.status == _FORBIDDEN and "locked" in answer.message:
        hint = "unlock the conversation of the pull request"
    return CommentFailedError(f"cannot {what}", found=answer.message, next_step=hint)


def _answer(status: int, headers: Message, data: bytes) -> Answer:
    try:
        value = json_loads(data, where="the answer", limit=_LIMIT) if data else None
    except GitexpError:
        value = None
    return Answer(status, value, {name.lower(): text for name, text in headers.items()})
