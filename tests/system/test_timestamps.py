"""Time stamps of an authority of our own: asked for, read, believed, refused with the reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from gitexp.errors import PreconditionError, WitnessError
from gitexp.system import authority, timestamps
from tests.lab.authority import make, openssl, served, stamp

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.network
STATEMENT = b"a plan and its digest\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an authority; its root certificate is ``ca.pem``."""
    folder = tmp_path_factory.mktemp("tsa") / "authority"
    make(folder)
    return folder


@pytest.fixture(scope="module")
def token(folder: Path) -> bytes:
    """A time stamp of the statement."""
    (folder / "statement").write_bytes(STATEMENT)
    query = ("-data", f"{folder}/statement", "-sha256", "-cert", "-out", f"{folder}/q")
    openssl("ts", "-query", *query)
    return stamp(folder, (folder / "q").read_bytes())


# --- read ----------------------------------------------------------------------------------------


def test_a_stamp_tells_the_authoritys_time(token: bytes) -> None:
    when = timestamps.stamped_at(token)
    assert when is not None
    assert when.tzinfo is UTC
    assert abs(datetime.now(UTC) - when) < timedelta(hours=1)


@pytest.mark.parametrize(
    "data",
    [b"", b"nonsense", b"\x30\x03\x02\x01\x02", b"Time stamp: Jan 1 00:00:00 2020 GMT\n",
     b"x" * (timestamps.TOKEN_LIMIT + 1)],
    ids=lambda data: repr(data[:20]),
)  # fmt: skip
def test_what_is_no_stamp_has_no_time(data: bytes, tmp_path: Path) -> None:
    assert timestamps.stamped_at(data) is None
    assert timestamps.refused(data, STATEMENT, tmp_path / "none") == "it is no time stamp"


def test_a_stamp_that_is_cut_or_grown_beyond_its_limit_has_no_time(token: bytes) -> None:
    assert timestamps.stamped_at(token[:-1]) is None
    assert timestamps.stamped_at(token[: len(token) // 2]) is None
    assert timestamps.stamped_at(token + bytes(timestamps.TOKEN_LIMIT)) is None


def test_nobodys_settings_of_openssl_are_read(
    token: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "openssl.cnf"
    config.write_text("openssl_conf = x\n[x]\nproviders = y\n[y]\ndefault = z\n[z]\nactivate = 0\n")
    monkeypatch.setenv("OPENSSL_CONF", str(config))
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert timestamps.stamped_at(token) is not None


# --- believed ------------------------------------------------------------------------------------


def test_a_stamp_of_a_trusted_authority_is_believed(token: bytes, folder: Path) -> None:
    assert timestamps.refused(token, STATEMENT, folder / "ca.pem") == ""


def test_a_stamp_of_another_text_or_of_a_stranger_is_refused_with_the_reason(
    token: bytes, folder: Path, tmp_path: Path
) -> None:
    reason = timestamps.refused(token, STATEMENT + b"x", folder / "ca.pem")
    assert reason == "message imprint mismatch"
    stranger = make(tmp_path / "stranger", "another authority")
    assert "certificate" in timestamps.refused(token, STATEMENT, stranger)
    empty = tmp_path / "empty.pem"
    empty.touch()
    assert timestamps.refused(token, STATEMENT, empty) != ""
    assert timestamps.refused(token, STATEMENT, tmp_path / "none.pem") != ""


@pytest.mark.parametrize("at", [0.25, 0.5, 0.95])
def test_a_stamp_with_a_byte_changed_says_no_other_time(
    token: bytes, folder: Path, at: float
) -> None:
    place = int(len(token) * at)
    changed = token[:place] + bytes([token[place] ^ 1]) + token[place + 1 :]
    if timestamps.refused(changed, STATEMENT, folder / "ca.pem") == "":  # a certificate beside it
        assert timestamps.stamped_at(changed) == timestamps.stamped_at(token)


# --- asked for -----------------------------------------------------------------------------------


def test_an_authority_is_asked_for_the_digest_and_its_answer_kept(folder: Path) -> None:
    with served(folder) as url:
        token = authority.request(STATEMENT, url)
    assert timestamps.refused(token, STATEMENT, folder / "ca.pem") == ""
    assert STATEMENT not in token  # the text itself went nowhere


@pytest.mark.parametrize(
    ("answer", "status", "summary"),
    [
        (b"nonsense", 200, "no time stamp"), (b"", 200, "no time stamp"),
        (b"gone", 404, "did not answer"),
        (b"later", 503, "did not answer"), (b"moved", 302, "did not answer"),
        (bytes(timestamps.TOKEN_LIMIT + 1), 200, "no time stamp"),
    ],
    ids=lambda value: str(value)[:12],
)  # fmt: skip
def test_an_answer_that_is_no_stamp_is_refused_with_the_address(
    folder: Path, answer: bytes, status: int, summary: str
) -> None:
    refused = pytest.raises(WitnessError, match=summary)
    with served(folder, answer, status) as url, refused as caught:
        authority.request(STATEMENT, url)
    assert caught.value.where == url


@pytest.mark.parametrize(
    "url", ["", "ftp://h/x", "file:///etc/passwd", "HTTPS://h", "h/tsr", " https://h/x"]
)
def test_only_an_address_of_the_web_is_asked(url: str) -> None:
    with pytest.raises(WitnessError, match="no address of a time-stamping authority") as caught:
        authority.request(STATEMENT, url)
    assert (caught.value.found, caught.value.expected) == (url, "https://...")


def test_an_authority_that_is_not_there_is_told() -> None:
    with pytest.raises(WitnessError, match="did not answer") as caught:
        authority.request(STATEMENT, "http://127.0.0.1:9/tsr")
    assert caught.value.where == "http://127.0.0.1:9/tsr"


def test_without_openssl_it_says_what_to_install(
    token: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for ask in (
        lambda: timestamps.stamped_at(token),
        lambda: timestamps.openssl(tmp_path, ["-query"]),
    ):
        with pytest.raises(PreconditionError, match="cannot start openssl") as caught:
            ask()
        assert caught.value.next_step == "install openssl, put it on PATH"


def test_openssl_that_fails_is_heard_and_its_folder_goes(tmp_path: Path) -> None:
    with pytest.raises(PreconditionError, match="openssl failed") as caught:
        timestamps.openssl(tmp_path, ["-sha256"])
    assert "Must give one of" in caught.value.found
    with timestamps.scratch() as place:
        (place / "x").touch()
    assert not place.exists()
