"""Programs that tests start by the thousand: forked from a process that imported them already.

Each is a process of its own, with its own folder, environment, streams and end, as a user's; only
what is the same each time, half a second of imports, was done before. Where an environment could
be read while importing, and on systems other than Linux, a fresh interpreter is started.
"""

from __future__ import annotations

import atexit
import json
import os
import selectors
import socket
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Literal

    from gitexp.execution.engines.local import ForkServer, LocalEngine

ROOT = Path(__file__).parents[2]
RESOLVER = ROOT / "gitexp/dvc/scripts/resolver.py"
MESSAGE_BYTES = 1 << 17  # below what a socket takes at once
MOST_PARENTS = 3
_PARENTS: dict[tuple[object, ...], ForkServer] = {}
# What no module of ours or of DVC reads before it is asked to do something.
READ_LATE = ("COLUMNS", "GIT", "NO_COLOR", "PATH", "PYTEST_", "PYTHONPATH", "TERM")
# What the program itself starts, and imports DVC for.
STARTED = (("-I", str(RESOLVER)), ("-I", "-m", "dvc", "init", "--quiet"))
fresh = subprocess.run  # before any test replaces it


def run(
    program: Literal["gitexp", "dvc"], *argv: str, cwd: Path, env: Mapping[str, str]
) -> subprocess.CompletedProcess[bytes]:
    """Run ``python -m PROGRAM ARGV``; nobody is there to answer a question."""
    command = [sys.executable, "-m", program, *argv]
    return forked(program, command, cwd, env, b"") or fresh(
        command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )


def started(command: Sequence[str], **how: object) -> subprocess.CompletedProcess[bytes]:
    """Return what `subprocess.run` does; what the program starts with DVC is forked, too."""
    env, cwd, data = how.get("env"), how.get("cwd"), how.get("input", b"")
    if (
        isinstance(command, list)
        and (command[0], tuple(command[1:])) in {(sys.executable, each) for each in STARTED}
        and isinstance(env, dict)
        and isinstance(cwd, Path)
        and isinstance(data, bytes)
    ):
        alike = {"LC_ALL": "C.UTF-8", "DVC_NO_ANALYTICS": "true"}  # to these two
        if done := forked("dvc", command, cwd, env | alike, data):
            return done
    return fresh(command, **how)  # type: ignore[call-overload, no-any-return]


def forked(
    program: str, command: list[str], cwd: Path, env: Mapping[str, str], data: bytes
) -> subprocess.CompletedProcess[bytes] | None:
    """Run a command in a fork of the process that has imported it; None where it cannot be."""
    request = json.dumps({"argv": command, "cwd": str(cwd), "env": dict(env)})
    if (
        sys.platform != "linux"
        or max(len(request), 2 * len(data)) > MESSAGE_BYTES
        or env.get("PYTHONPATH", str(ROOT)) != str(ROOT)
        or dict(_early(env)) != dict(_early(environment()))
    ):
        return None
    given, giving = os.pipe()
    os.write(giving, data)  # a pipe holds as much
    os.close(giving)
    pipes = [os.pipe() for _ in ("stdout", "stderr", "code")]
    ours, theirs = zip(*pipes, strict=True)
    try:
        try:
            socket.send_fds(_server(program), [request.encode()], (given, *theirs))
        except BrokenPipeError:  # a test has ended all processes below its own, as a worker does
            _server.cache_clear()
            socket.send_fds(_server(program), [request.encode()], (given, *theirs))
    finally:
        for end in (given, *theirs):
            os.close(end)
    out, err, code = _read(ours)
    return subprocess.CompletedProcess(command, int(code), out, err)


def local_engine(slots: int) -> LocalEngine:
    """Return an engine like any other, but for its workers' parent: that of the call before.

    It began in this process and thread, with these variables, and has nothing left to do.
    """
    from gitexp.execution.engines.local import WORKER, ForkServer, LocalEngine  # noqa: PLC0415

    named = (item for item in os.environ.items() if not item[0].startswith("PYTEST_"))
    key = (os.getpid(), threading.get_ident(), *sorted(named))
    known = _PARENTS.pop(key, None)
    if known is None or not known.idle:
        known = ForkServer(WORKER, own_session=True)
    _PARENTS[key] = known
    if len(_PARENTS) > MOST_PARENTS:
        del _PARENTS[next(iter(_PARENTS))]
    return LocalEngine(slots, workers=known)


def _early(env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((name, value) for name, value in env.items() if not name.startswith(READ_LATE))


@cache
def environment() -> dict[str, str]:
    """Return the environment in which everything is imported: that of the first call."""
    env = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "TERM"}}
    return env | {"PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}


@cache
def _server(program: str) -> socket.socket:
    """Start the process that forks, once for the tests of this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    _, pipe = os.pipe()  # Python remembers of its streams whether they can seek
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.lab.warmed", program, str(theirs.fileno())],
        cwd="/", env=environment(), stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe,
        pass_fds=[theirs.fileno()],
    )  # fmt: skip
    theirs.close()
    os.close(pipe)
    atexit.register(server.wait)
    atexit.register(ours.close)  # called first
    return ours


def _read(files: tuple[int, ...]) -> list[bytes]:
    """Read all to their ends, whichever has something."""
    read = dict.fromkeys(files, b"")
    with selectors.DefaultSelector() as waiting:
        for file in files:
            waiting.register(file, selectors.EVENT_READ)
        while waiting.get_map():
            for key, _ in waiting.select():
                part = os.read(key.fd, 1 << 16)
                read[key.fd] += part
                if not part:
                    waiting.unregister(key.fd)
                    os.close(key.fd)
    return list(read.values())
