"""The REST endpoints that a comment needs, on loopback, with real shapes and faults."""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

BOT = "github-actions[bot]"
REPOSITORY = "octo/lab"
Headers = dict[str, str]


@dataclass
class Fault:
    """An answer that is given instead, to the next matching requests."""

    method: str
    status: int
    headers: Headers = field(default_factory=dict)
    message: str = "trouble"
    done: bool = False  # whether it is carried out all the same
    gone: bool = False  # whether somebody has deleted all comments before it
    times: int = 1


@dataclass
class FakeGitHub:
    """State and record of the server.

    Attributes
    ----------
    comments : list
        Of pull request 7, the oldest first.
    requests : list of (str, str, str or None)
        Method, path with query, and the Authorization header.
    """

    head: str
    label: str = "octo:exp/deep"
    base: str = ""  # of pull request 7; that of its head by default
    others: dict[str, int] = field(default_factory=dict)  # from the same head, by their base
    comments: list[dict[str, object]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    per_page: int = 2
    limit: int = 65_536
    url: str = ""
    numbers: Iterator[int] = field(default_factory=lambda: count(100))
    one: threading.Lock = field(default_factory=threading.Lock)  # request at a time
    waited: list[float] = field(default_factory=list)  # seconds, by who asks

    def says(self, body: str, login: str = BOT) -> dict[str, object]:
        """Add a comment."""
        number = next(self.numbers)
        made: dict[str, object] = {
            "id": number,
            "body": body,
            "user": {"login": login, "type": "Bot" if login == BOT else "User"},
            "html_url": f"https://github.com/{REPOSITORY}/pull/7#issuecomment-{number}",
        }
        self.comments.append(made)
        return made

    def made(self, method: str) -> list[str]:
        """Return the paths that were asked with a method."""
        return [path for verb, path, _ in self.requests if verb == method]

    def serve(self) -> Iterator[FakeGitHub]:
        """Serve until the test is over."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler(self))
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield self
        server.shutdown()
        server.server_close()
        thread.join()

    def answer(self, method: str, path: str, body: str) -> tuple[int, object, Headers]:
        """Return status, value and headers."""
        for fault in self.faults:
            if fault.method == method and fault.times:
                fault.times -= 1
                if fault.gone:
                    self.comments.clear()
                if fault.done:
                    self.carry_out(method, path, body)
                return fault.status, {"message": fault.message}, fault.headers
        return self.carry_out(method, path, body)

    def carry_out(  # noqa: C901, PLR0911  one for each endpoint
        self, method: str, path: str, body: str
    ) -> tuple[int, object, Headers]:
        """Do what a request asks for."""
        place = urlsplit(path)
        query = {key: values[0] for key, values in parse_qs(place.query).items()}
        root = f"/repos/{REPOSITORY}"
        head = {"sha": self.head, "label": self.label}
        pull = {"number": 7, "state": "open", "head": head, "base": {"sha": self.base or self.head}}
        others = [
            {**pull, "number": number, "base": {"sha": base}}
            for base, number in self.others.items()
        ]
        if method == "GET" and place.path == f"{root}/pulls/7":
            return 200, pull, {}
        if method == "GET" and place.path == f"{root}/pulls":
            return 200, [*others, pull] if query.get("head") == self.label else [], {}
        if place.path == f"{root}/issues/7/comments":
            if method == "GET":
                return self.page(place.path, int(query.get("page", "1")))
            if method == "POST":
                text = json.loads(body)["body"]
                if len(text) > self.limit:
                    return 422, {"message": "Validation Failed: body is too long"}, {}
                return 201, self.says(text), {}
        found = re.fullmatch(rf"{root}/issues/comments/(\d+)", place.path)
        if method == "PATCH" and found:
            for item in self.comments:
                if item["id"] == int(found[1]):
                    item["body"] = json.loads(body)["body"]
                    return 200, item, {}
        if method == "DELETE" and found:
            self.comments = [item for item in self.comments if item["id"] != int(found[1])]
            return 204, None, {}
        return 404, {"message": "Not Found"}, {}

    def page(self, path: str, number: int) -> tuple[int, object, Headers]:
        """Return a page of comments, with a link to the next."""
        start = (number - 1) * self.per_page
        items = self.comments[start : start + self.per_page]
        if start + self.per_page >= len(self.comments):
            return 200, items, {}
        following = f"{self.url}{path}?per_page=100&page={number + 1}"
        return 200, items, {"Link": f'<{following}>; rel="next", <{self.url}>; rel="last"'}


def handler(fake: FakeGitHub) -> type[BaseHTTPRequestHandler]:
    """Return what answers requests by a fake's state."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(size).decode()
            with fake.one:
                fake.requests.append((self.command, self.path, self.headers.get("Authorization")))
                status, value, headers = fake.answer(self.command, self.path, body)
            data = b"" if value is None else json.dumps(value).encode()
            self.send_response(status)
            for name, text in headers.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815  names of the base class

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  as in the base class
            """Say nothing."""

    return Handler
