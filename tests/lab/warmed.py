"""The process behind `tests.lab.warm`: imports one program once, and forks for each request.

One for each program: DVC wraps the streams and sets up logging as it is imported.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import subprocess
import sys
import threading
import traceback
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, NoReturn

from gitexp.cli import worker
from gitexp.execution.engines import local
from gitexp.model import compile_methods
from tests.lab.warm import MESSAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Packages with what a command could import later; module and function that are the command.
PROGRAMS = {
    "dvc": (
        ("dvc.cli", "dvc.repo", "dvc.cachemgr", "dvc.data_cloud", "dvc.dirs",
         "dvc.utils.strictyaml", "dvc_data.hashfile", "dvc_data.index", "dulwich.porcelain",
         "fsspec.implementations.local", "networkx", "pygit2", "rich.table", "ruamel.yaml",
         "scmrepo.git.backend.pygit2"),
        "dvc.cli", "main",
    ),
    "gitexp": (("gitexp",), "gitexp.cli.main", "entry"),
}  # fmt: skip
RESOLVER = "gitexp.dvc.scripts.resolver"
SCRIPTS = {"gitexp.__main__", "gitexp.dvc.scripts.dvctransfer", RESOLVER}


def import_all(program: str) -> Callable[[], int]:
    """Import what a command could import later; return the function that is the command."""
    packages, module, function = PROGRAMS[program]
    for name in packages:
        package = importlib.import_module(name)
        own = name.startswith(("dvc", "gitexp")) and hasattr(package, "__path__")
        inside = package.__path__ if own else ()
        for each in pkgutil.walk_packages(inside, f"{name}."):
            if each.name not in SCRIPTS:
                importlib.import_module(each.name)
    if program == "dvc":
        importlib.import_module("dvc.cli.parser").get_main_parser()  # is kept: half of a call
        importlib.import_module(RESOLVER)
    assert program == "dvc" or "dvc" not in sys.modules
    compile_methods("__init__", "__repr__", "__eq__")  # or each child would have a first call
    return getattr(importlib.import_module(module), function)


def serve(control: socket.socket) -> dict[str, object] | None:
    """Fork for each request; return it in the child, and None when the tests have ended."""
    with selectors.DefaultSelector() as waiting:
        waiting.register(control, selectors.EVENT_READ)
        while True:
            for key, _ in waiting.select():
                if key.data is not None:
                    pid, code = key.data
                    _, status = os.waitpid(pid, 0)
                    os.write(code, str(os.waitstatus_to_exitcode(status)).encode())
                    waiting.unregister(key.fd)
                    os.close(key.fd)
                    os.close(code)
                    continue
                message, files, _, _ = socket.recv_fds(control, MESSAGE_BYTES, 4)
                if not message:
                    return None
                given, out, err, code = files
                with warnings.catch_warnings(action="ignore"):  # of threads that sleep in BLAS
                    pid = os.fork()
                if not pid:
                    for number, file in enumerate((given, out, err)):
                        os.dup2(file, number)
                    for file in files:
                        os.close(file)
                    return json.loads(message)
                for file in (given, out, err):
                    os.close(file)
                os.set_inheritable(code, False)  # noqa: FBT003  takes no keyword
                waiting.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, code))


class Workers:
    """What a command starts to fork workers: a child of its own that has imported it all already.

    It has the parent, session, streams, signals and command line that a fresh one would have.
    """

    def __init__(self, *, session: bool) -> None:
        (given, to), (said, out), (told, err) = (os.pipe() for _ in range(3))
        self.pid = os.fork()
        if not self.pid:
            _serve_workers((given, out, err), session=session)
        for file in (given, out, err):
            os.close(file)
        self.stdin, self.stdout, self.stderr = (
            os.fdopen(to, "wb"), os.fdopen(said, "rb"), os.fdopen(told, "rb")
        )  # fmt: skip

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)

    def wait(self) -> None:
        os.waitpid(self.pid, 0)


def started(command: Sequence[str], **how: object) -> Workers | subprocess.Popen[bytes]:
    """Do what `subprocess.Popen` does."""
    if tuple(command) == local.WORKER:
        return Workers(session=bool(how["start_new_session"]))
    return subprocess.Popen(command, **how)  # type: ignore[call-overload]


def _serve_workers(files: Sequence[int], *, session: bool) -> NoReturn:
    code = 1
    try:
        if session:
            os.setsid()
        for number, file in enumerate(files):
            os.dup2(file, number)
        os.closerange(3, 4096)
        signal.set_wakeup_fd(-1)
        for each in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(each, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        # What the command has not written yet stays its own.
        sys.stdout, sys.stderr = (open(n, "w", closefd=False) for n in (1, 2))  # noqa: SIM115
        _be_called(b"gitexp\0worker\0")
        code = worker.serve()
    except BaseException:  # noqa: BLE001  it ends here in any case
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _be_called(command: bytes) -> None:
    """Set the command line of this process, by which tests tell workers from the rest."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    begin, end = (int(fields[number - 3]) for number in (48, 49))  # arg_start, arg_end: see proc(5)
    with Path("/proc/self/mem").open("r+b", buffering=0) as memory:
        memory.seek(begin)
        memory.write(command.ljust(end - begin, b"\0"))


def become(command: Callable[[], int], request: dict) -> None:
    """Run what was asked for and end as any process does, less taking the modules apart."""
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])  # noqa: TID251  as whoever starts a process says
    sys.orig_argv[:] = request["argv"]
    begin = request["argv"].index("-m") + 1 if "-m" in request["argv"] else 2
    sys.argv[:] = request["argv"][begin:]
    sys.path.pop(0)  # the folder that this process began in
    local.subprocess = SimpleNamespace(Popen=started, PIPE=subprocess.PIPE)  # type: ignore[assignment]
    if "-m" not in request["argv"][:3]:
        command = importlib.import_module(RESOLVER).main
    try:
        sys.exit(command())
    except SystemExit as leaving:
        if not isinstance(leaving.code, int):
            raise
        threading._shutdown()  # noqa: SLF001
        atexit._run_exitfuncs()  # noqa: SLF001
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(leaving.code)


if __name__ == "__main__":
    command = import_all(sys.argv[1])
    gc.freeze()  # or the first collection in each child copies all that was imported
    with socket.socket(fileno=int(sys.argv[2])) as control:
        control.set_inheritable(False)
        request = serve(control)
    if request:
        become(command, request)
