"""Time stamps by RFC 3161, through openssl: read and verified; `authority` asks for them.

The time is the authority's. Nobody is believed by default: the certificates come from the
reader's own settings.

References
----------
Adams, C. et al. (2001). Internet X.509 PKI Time-Stamp Protocol. RFC 3161, doi:10.17487/RFC3161.
"""

from __future__ import annotations

import importlib
import os
import re
import subprocess
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gitexp.errors import PreconditionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TOKEN_LIMIT: Final = 64 << 10  # bytes of an authority's answer
TIMEOUT_S: Final = 20
# code, library, function, reason, file, line and, where it has more to say, data
_REASON = re.compile(r".*:error:(?:[^:]*:){3}([^:]+):.*")
_TIME = re.compile(rb"^Time stamp: (.{10,40}?)(?:\.[0-9]+)? GMT\r?$", re.MULTILINE)


def stamped_at(token: bytes) -> datetime | None:
    """Return the unverified time in the signed part of a stamp, by the authority's clock."""
    if len(token) > TOKEN_LIMIT:
        return None
    with scratch() as folder:
        (folder / "answer.tsr").write_bytes(token)
        signed = ["-reply", "-in", "answer.tsr", "-token_out", "-out", "token.der"]
        code, _, _ = _run(folder, signed)
        if code:
            return None
        code, out, _ = _run(folder, ["-reply", "-in", "token.der", "-token_in", "-text"])
    found = _TIME.search(out)
    if code or found is None:
        return None
    try:
        # strptime's month names are the locale's; openssl was asked in C, and so are these.
        month, day, clock, year = found[1].decode("ascii").split()
        number = _MONTHS.index(month) + 1
        hour, minute, second = (int(part) for part in clock.split(":"))
        return datetime(int(year), number, int(day), hour, minute, min(second, 59), tzinfo=UTC)
    except (ValueError, UnicodeDecodeError):
        return None


_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov",
                  "Dec")  # fmt: skip


def refused(token: bytes, statement: bytes, authorities: Path) -> str:
    """Return why a time stamp of a text is not to be believed, by certificates of its time."""
    when = stamped_at(token)
    if when is None:
        return "it is no time stamp"
    with scratch() as folder:
        (folder / "answer.tsr").write_bytes(token)
        (folder / "statement").write_bytes(statement)
        at = str(int(when.timestamp()))
        arguments = ["-verify", "-data", "statement", "-in", "answer.tsr", "-attime", at]
        arguments += ["-CAfile", str(authorities)]
        code, _, said = _run(folder, arguments)
    if not code:
        return ""
    lines = said.decode("utf-8", "backslashreplace").strip().split("\n")
    line = next((line for line in lines if "rror" in line), "")
    reason = line.rpartition(":")[2].strip()
    if not reason and (found := _REASON.fullmatch(line)):
        reason = found[1]  # of an imprint that is another, no more is said
    return reason or "openssl does not verify it"


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a folder that goes when the block ends."""
    # Not imported above: a hook waits for it, and few of them verify a token.
    tempfile = importlib.import_module("tempfile")
    with tempfile.TemporaryDirectory(prefix="gitexp-") as name:
        yield Path(name)


def openssl(folder: Path, arguments: Sequence[str]) -> None:
    """Start ``openssl ts`` in a folder; raises `PreconditionError` if it fails, or is not there."""
    code, _, said = _run(folder, arguments)
    if code:
        text = said.decode("utf-8", "backslashreplace").strip()
        raise PreconditionError("openssl failed", found=text[-500:])


def _run(folder: Path, arguments: Sequence[str]) -> tuple[int, bytes, bytes]:
    env = {key: os.environ[key] for key in ("PATH", "SYSTEMROOT") if key in os.environ}
    try:
        done = subprocess.run(
            ["openssl", "ts", *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            # No settings of anybody's: they could load engines.
            env=env | {"LC_ALL": "C", "OPENSSL_CONF": os.devnull},
            check=False,
            timeout=TIMEOUT_S,
        )
    except FileNotFoundError as error:
        raise PreconditionError(
            "cannot start openssl", found=str(error), next_step="install openssl, put it on PATH"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise PreconditionError("openssl does not end", found=str(error)) from error
    return done.returncode, done.stdout, done.stderr
