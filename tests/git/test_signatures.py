"""Whose signatures count: real keys of GnuPG and SSH, good, unknown, expired and tampered with."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from gitexp.git.identity import signers
from gitexp.model.ids import CommitHash
from gitexp.model.witness import Signer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab.build import BuiltRepo

needs_gpg = pytest.mark.skipif(shutil.which("gpg") is None, reason="needs GnuPG")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The reader's own settings of Git."""
    file = tmp_path / "gitconfig"
    file.touch()
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(file))
    return file


def said(repo: BuiltRepo, revision: str = "HEAD") -> Signer | None:
    commit = CommitHash(repo.hash(revision))
    return signers(repo.workspace, [commit]).get(commit)


def tampered(repo: BuiltRepo) -> str:
    """Return a copy of HEAD with its signature and another message."""
    text = repo.git("cat-file", "commit", "HEAD").replace("change", "chance")
    return repo.git("hash-object", "-t", "commit", "-w", "--stdin", data=f"{text}\n".encode())


# --- GnuPG --------------------------------------------------------------------------------------


@pytest.fixture
def keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A keyring of our own; its agent ends with the test."""
    home = tmp_path / "g"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", str(home))
    yield home
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)


def gpg_key(who: str, expires: str = "never", *options: str) -> str:
    """Make a key; return its fingerprint."""
    quick = ["--quick-gen-key", who, "ed25519", "sign", expires]
    start = ["gpg", "--batch", "--quiet", *options]
    subprocess.run([*start, "--passphrase", "", *quick], check=True, capture_output=True)
    listed = subprocess.run(
        [*start, "--list-secret-keys", "--with-colons", who], check=True, capture_output=True
    ).stdout.decode()
    return next(line for line in listed.splitlines() if line.startswith("fpr")).split(":")[9]


def sign_by_gpg(repo: BuiltRepo, fingerprint: str) -> None:
    repo.git("config", "user.signingKey", fingerprint)
    repo.git("config", "commit.gpgsign", "true")


@needs_gpg
def test_a_known_key_of_gnupg_names_its_owner_and_another_nobody(
    repo: BuiltRepo, keyring: Path, settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del settings
    fingerprint = gpg_key("Ada <ada@example.org>")
    sign_by_gpg(repo, fingerprint)
    repo.commit({"a": "1"})
    assert said(repo) == Signer("Ada <ada@example.org>", fingerprint)
    assert said(repo, tampered(repo)) is None
    other = keyring.with_name("h")
    other.mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", str(other))
    assert said(repo) is None


@needs_gpg
def test_a_key_of_gnupg_that_has_expired_vouches_for_nothing(
    repo: BuiltRepo, keyring: Path, settings: Path
) -> None:
    del settings
    then = "--faked-system-time=20200101T000000"
    sign_by_gpg(repo, gpg_key("Ada <ada@example.org>", "1y", then))
    script = keyring.with_name("gpg-then")
    script.write_text(f'#!/bin/sh\nexec gpg {then} "$@"\n')
    script.chmod(0o755)
    repo.git("config", "gpg.program", str(script))
    repo.commit({"a": "1"})
    assert repo.git("-c", "gpg.program=gpg", "log", "-1", "--format=%G?") == "Y"
    assert said(repo) is None


# --- SSH ----------------------------------------------------------------------------------------


@pytest.fixture
def mine(repo: BuiltRepo, tmp_path: Path) -> str:
    """Sign by a key of one's own; return its public half."""
    file = tmp_path / "key"
    new = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)]
    subprocess.run(new, check=True)
    repo.git("config", "gpg.format", "ssh")
    sign_by_gpg(repo, str(file))
    repo.commit({"a": "1"}, at=1)  # in 2024
    return file.with_suffix(".pub").read_text()


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("ada@example.org {}", "ada@example.org"),
        ("ada@example.org,bob@example.org {}", "ada@example.org"),
        ("*@example.org {}", "*@example.org"),
        ('ada@example.org valid-before="20250101" {}', "ada@example.org"),
        ('ada@example.org valid-before="20230101" {}', ""),
        ('ada@example.org namespaces="file" {}', ""),
        ("", ""),
    ],
)
def test_a_key_of_ssh_is_whose_the_allowed_signers_say(
    repo: BuiltRepo, mine: str, settings: Path, line: str, name: str
) -> None:
    allowed = settings.with_name("allowed")
    allowed.write_text(line.format(mine))
    subprocess.run(
        ["git", "config", "--file", settings, "gpg.ssh.allowedSignersFile", allowed], check=True
    )
    found = said(repo)
    assert (found.name if found else "") == name
    assert found is None or found.key.startswith("SHA256:")
    assert said(repo, tampered(repo)) is None
