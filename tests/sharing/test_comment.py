"""The sticky comment, against a server with the shapes and faults of GitHub's REST API."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.cli.dispatch import dispatch
from gitexp.errors import BadFormatError, CommentFailedError, UsageError
from gitexp.records import codec
from gitexp.sharing.comment import GitHub, PullRequest, Thread, comment, pull_request
from tests.lab.fakegithub import REPOSITORY, FakeGitHub, Fault
from tests.report.test_github import HASH, made

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitexp.sharing.comment import CommentResult, Posted
    from gitexp.text.jsontext import Json

pytestmark = pytest.mark.network
TOKEN = "ghs_secret0secret"  # noqa: S105  a token of nobody
MARKER = "<!-- gitexp:review key=review -->"
TARGET = PullRequest(7, "octo:exp/deep", HASH, foreign=False)


@pytest.fixture
def fake() -> Iterator[FakeGitHub]:
    yield from FakeGitHub(HASH).serve()


def post(fake: FakeGitHub, target: PullRequest = TARGET, key: str = "review") -> Posted:
    fake.waited.clear()
    api = GitHub(fake.url, TOKEN, pause=fake.waited.append)
    return comment(Thread(api, REPOSITORY, key), target, made())


def bodies(fake: FakeGitHub) -> list[str]:
    return [str(item["body"]) for item in fake.comments]


def test_the_first_time_it_is_written_and_then_brought_up_to_date(fake: FakeGitHub) -> None:
    first = post(fake)
    assert first.created
    assert first.url.endswith("#issuecomment-100")
    assert bodies(fake)[0].startswith(f"{MARKER}\n**RULES BROKEN")
    assert not post(fake).created
    assert len(fake.comments) == 1
    assert fake.made("PATCH") == [f"/repos/{REPOSITORY}/issues/comments/100"]


def test_it_is_found_on_a_later_page(fake: FakeGitHub) -> None:
    for text in "abcde":
        fake.says(text, "ada")
    mine = fake.says(f"{MARKER}\nold")
    assert not post(fake).created
    assert str(mine["body"]) != f"{MARKER}\nold"
    assert len([path for path in fake.made("GET") if "comments" in path]) == 3


def test_a_marker_of_somebody_else_or_further_down_or_of_another_key_is_not_ours(
    fake: FakeGitHub,
) -> None:
    fake.says(f"{MARKER}\nspoofed", "mallory")
    fake.says(f"look: {MARKER}")
    fake.says("<!-- gitexp:review key=review2 -->\nx")
    fake.comments.append({"id": 1, "user": None, "body": None})
    assert post(fake).created
    assert bodies(fake)[0] == f"{MARKER}\nspoofed"
    assert post(fake, key="other").created


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (500, {}, 1.0),
        (502, {}, 1.0),
        (429, {"retry-after": "3"}, 3.0),
        (403, {"retry-after": "5"}, 5.0),
        (403, {"x-ratelimit-remaining": "0"}, 60.0),
        (429, {}, 60.0),
        (429, {"retry-after": "99999"}, 60.0),
        (503, {"retry-after": "soon"}, 1.0),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
def test_it_waits_and_tries_again(
    fake: FakeGitHub, status: int, headers: dict[str, str], seconds: float, method: str
) -> None:
    if method == "PATCH":
        fake.says(f"{MARKER}\nold")
    fake.faults.append(Fault(method, status, headers))
    post(fake)
    assert fake.waited == [seconds]
    assert len(fake.comments) == 1
    assert "old" not in bodies(fake)[0]


def test_a_comment_that_was_written_before_the_fault_is_not_written_twice(
    fake: FakeGitHub,
) -> None:
    fake.faults.append(Fault("POST", 502, done=True))
    post(fake)
    assert len(fake.comments) == 1
    assert len(fake.made("POST")) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_it_gives_up_in_the_end(fake: FakeGitHub, method: str) -> None:
    fake.faults.append(Fault(method, 500, times=99))
    with pytest.raises(CommentFailedError):
        post(fake)
    assert fake.waited == [1.0, 2.0, 4.0]


def test_a_token_of_a_fork_may_not_and_that_is_said(fake: FakeGitHub) -> None:
    fake.faults.append(Fault("POST", 403, message="Resource not accessible by integration"))
    with pytest.raises(CommentFailedError) as caught:
        post(fake)
    assert caught.value.found == "403 Resource not accessible by integration"
    assert "workflow_run" in caught.value.next_step
    assert fake.waited == []


def test_a_secondary_limit_may_be_told_by_its_message_alone(fake: FakeGitHub) -> None:
    fake.faults.append(Fault("POST", 403, message="You have exceeded a secondary rate limit."))
    post(fake)
    assert fake.waited == [60.0]
    fake.faults.append(Fault("PATCH", 403, message="secondary rate limit", times=99))
    with pytest.raises(CommentFailedError) as caught:
        post(fake)
    assert not caught.value.next_step


def test_a_locked_conversation_is_called_so(fake: FakeGitHub) -> None:
    said = "Unable to create comment because issue is locked."
    fake.faults.append(Fault("POST", 403, message=said))
    with pytest.raises(CommentFailedError) as caught:
        post(fake)
    assert caught.value.next_step == "unlock the conversation of the pull request"


def test_two_jobs_at_once_leave_one_comment(fake: FakeGitHub) -> None:
    both = threading.Barrier(2, timeout=300)

    class Slow(GitHub):
        def send(self, method: str, path: str, value: Json) -> CommentResult:
            both.wait()
            return super().send(method, path, value)

    jobs = [
        threading.Thread(
            target=comment,
            args=(Thread(Slow(fake.url, TOKEN), REPOSITORY), TARGET, made()),
            daemon=True,
        )
        for _ in range(2)
    ]
    for each in jobs:
        each.start()
    for each in jobs:
        each.join(timeout=300)
    assert [item["id"] for item in fake.comments] == [100]


def test_of_two_pull_requests_with_one_head_that_into_the_reviewed_base_is_meant(
    fake: FakeGitHub,
) -> None:
    fake.others = {"c" * 40: 5}
    fake.base = made().base.commit
    posted = post(fake, PullRequest(None, "octo:exp/deep", HASH, foreign=False))
    assert "/pull/7#" in posted.url
    assert all("/issues/7/" in path for path in fake.made("POST"))


def test_one_that_was_deleted_meanwhile_is_written_anew(fake: FakeGitHub) -> None:
    fake.says(f"{MARKER}\nold")
    fake.faults.append(Fault("PATCH", 404, gone=True))
    assert post(fake).created


def test_what_is_too_long_for_the_server_is_shown_shorter(fake: FakeGitHub) -> None:
    fake.limit = 25_000
    review = made(violations=60, changes=200, items=30)
    api = GitHub(fake.url, TOKEN)
    comment(Thread(api, REPOSITORY), TARGET, review)
    assert "Left out, for the size" in bodies(fake)[0]
    fake.limit = 10
    with pytest.raises(CommentFailedError, match="write"):
        comment(Thread(api, REPOSITORY, "k"), TARGET, review)


def test_a_pull_request_that_has_gone_on_is_left_alone(fake: FakeGitHub) -> None:
    fake.head = "c" * 40
    with pytest.raises(CommentFailedError, match="not at the commit"):
        post(fake)
    assert fake.comments == []


def test_that_of_a_fork_is_found_by_its_head_and_called_a_stranger_s(fake: FakeGitHub) -> None:
    fake.label = "mallory:exp/a&state=all"
    post(fake, PullRequest(None, fake.label, HASH, foreign=True))
    assert "a job that the fork could change" in bodies(fake)[0]
    with pytest.raises(CommentFailedError):
        post(fake, PullRequest(None, "mallory:other", HASH, foreign=True))


def test_the_token_goes_to_one_host_and_into_no_message(
    fake: FakeGitHub, capsys: pytest.CaptureFixture[str]
) -> None:
    away = FakeGitHub(HASH)
    for other in away.serve():
        fake.faults.append(Fault("GET", 302, {"Location": f"{other.url}/x"}, message="moved"))
        with pytest.raises(CommentFailedError) as caught:
            post(fake)
        fake.faults = [Fault("PATCH", 307, {"Location": f"{other.url}/x"})]
        fake.says(f"{MARKER}\nold")
        with pytest.raises(CommentFailedError):
            post(fake)
        fake.url, real = other.url, fake.url  # the links of a page now lead elsewhere
        fake.says("x"), fake.says("y")
        comment(Thread(GitHub(real, TOKEN), REPOSITORY, "k"), TARGET, made())
        fake.url = real
    assert away.requests == []
    assert {token for _, _, token in fake.requests} == {f"Bearer {TOKEN}"}
    said = capsys.readouterr()
    assert TOKEN not in f"{said.out}{said.err}{caught.value}{caught.value.__cause__}"


@pytest.mark.parametrize(
    "url", ["http://example.org", "ftp://x", "", "http://127.0.0.1.example.org"]
)
def test_a_token_does_not_go_over_the_wire_in_the_clear(url: str) -> None:
    with pytest.raises(UsageError):
        GitHub(url, TOKEN)


def test_a_server_that_is_not_there_is_a_failure_like_any_other() -> None:
    api = GitHub("http://127.0.0.1:9", TOKEN, pause=lambda _: None)
    with pytest.raises(CommentFailedError) as caught:
        comment(Thread(api, REPOSITORY), TARGET, made())
    assert caught.value.found == "no answer"


@pytest.mark.parametrize("key", ["", "a b", "-->", "x" * 65])
def test_a_key_cannot_end_the_marker(fake: FakeGitHub, key: str) -> None:
    with pytest.raises(UsageError):
        post(fake, key=key)


EVENT = {
    "repository": {"full_name": REPOSITORY},
    "pull_request": {
        "number": 7,
        "head": {"sha": HASH, "label": "octo:exp/deep", "repo": {"full_name": REPOSITORY}},
    },
}
RUN = {
    "repository": {"full_name": REPOSITORY},
    "workflow_run": {
        "event": "pull_request",
        "head_sha": HASH,
        "head_branch": "exp/deep",
        "pull_requests": [],
        "head_repository": {"full_name": "mallory/lab", "owner": {"login": "mallory"}},
    },
}


def test_the_event_says_which_pull_request_it_is() -> None:
    assert pull_request(EVENT, "e") == TARGET
    assert pull_request(RUN, "e") == PullRequest(None, "mallory:exp/deep", HASH, foreign=True)
    gone = {**EVENT, "pull_request": {"number": 7, "head": {"sha": HASH, "repo": None}}}
    assert pull_request(gone, "e") == PullRequest(7, "", HASH, foreign=True)
    assert pull_request({"repository": {"full_name": REPOSITORY}}, "e") is None
    pushed = {**RUN, "workflow_run": {**RUN["workflow_run"], "event": "push"}}  # type: ignore[dict-item]
    assert pull_request(pushed, "e") is None
    with pytest.raises(BadFormatError):
        pull_request({"pull_request": {"number": "7"}}, "e")


def test_the_command_line_reads_what_github_gives_it(
    fake: FakeGitHub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file, event = tmp_path / "review.json", tmp_path / "event.json"
    file.write_bytes(codec.dump(made()))
    event.write_text(json.dumps(EVENT))
    argv = ["-C", str(tmp_path), "comment", "--from", str(file)]
    for name in ("GITHUB_EVENT_PATH", "GITHUB_REPOSITORY", "GITHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    assert dispatch(argv) == 2
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(event))
    monkeypatch.setenv("GITHUB_REPOSITORY", REPOSITORY)
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    monkeypatch.setenv("GITHUB_API_URL", fake.url)
    assert dispatch(argv) == 0
    assert len(fake.comments) == 1
    event.write_text(json.dumps({"repository": {"full_name": REPOSITORY}}))
    assert dispatch(argv) == 0
    file.write_bytes(codec.dump(replace(made(), program="x")) + b"{")
    event.write_text(json.dumps(EVENT))
    assert dispatch(argv) == 3
    said = capsys.readouterr()
    assert TOKEN not in said.out + said.err
