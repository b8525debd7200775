"""Windows has no fcntl, fork, process groups or folder descriptors: what holds without them.

A child takes them away from a Linux Python after its foreign packages are loaded. That shows what
our own code reaches for; that Windows itself agrees is for the workflow to see.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo

ROOT = Path(__file__).parents[1]
PRETEND = """\
import os, pkgutil, shlex, signal, subprocess, sys, types
from importlib import import_module

FOREIGN = (  # what gitexp imports, and what those import late
    "argparse", "asyncio", "concurrent.futures.thread", "csv", "ctypes", "difflib", "git", "html",
    "importlib.metadata", "json", "multiprocessing", "numpy", "pathlib", "pygit2", "random",
    "ruamel.yaml", "scipy.special", "scipy.stats", "shutil", "sqlite3", "tempfile", "tomllib",
    "webbrowser", "yaml", "zipfile",
)
for name in FOREIGN:
    import_module(name)
for name in ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty"):
    sys.modules[name] = None  # importing it fails
for module, names in {
    os: "O_CLOEXEC O_DIRECTORY O_NOFOLLOW confstr copy_file_range fchmod fork forkpty "
    "getegid geteuid getgid getpgid getppgid getuid killpg mkfifo pidfd_open pread pwrite "
    "register_at_fork sched_getaffinity setsid statvfs sync sysconf uname",
    signal: "SIGALRM SIGCHLD SIGHUP SIGKILL SIGPIPE SIGQUIT SIGUSR1 SIGXCPU SIGXFSZ alarm",
}.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
os.supports_dir_fd = set()
sys.modules["msvcrt"] = types.SimpleNamespace(LK_NBLCK=2, locking=lambda *_: None)
sys.platform = "win32"

def no_signal(*_):
    raise AssertionError("os.kill ends a process there")

os.kill = no_signal
"""


def pretend(code: str, folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PRETEND + code, *argv],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_module_can_be_imported_without_what_only_posix_has(tmp_path: Path) -> None:
    code = """
import gitexp
seen = 0
for found in pkgutil.walk_packages(gitexp.__path__, "gitexp."):
    if not found.name.endswith("__main__"):
        import_module(found.name)
        seen += 1
print(seen)
"""
    done = pretend(code, tmp_path)
    assert done.returncode == 0, done.stderr
    modules = [path for path in (ROOT / "gitexp").rglob("*.py") if path.name != "__main__.py"]
    assert int(done.stdout) == len(modules) - 1  # the package itself is the one more


def test_there_experiments_are_made_and_looked_at_and_running_is_refused(
    dvc_repo: BuiltRepo,
) -> None:
    code = """
from gitexp.cli.main import main
for line in sys.argv[1:]:
    print(line.split()[0], main(shlex.split(line)), file=sys.stderr)
"""
    idea = "new idea --seeds committed --metric f1:max --effect '>0.01' --hypothesis 'lr raises it'"
    idea += " --param lr=0.7"
    looking = ("status", "list", "show", "diff main exp/idea", "inputs main exp/idea")
    done = pretend(code, dvc_repo.path, "init", idea, *looking, "run")
    codes = [line for line in done.stderr.splitlines() if line[-1:].isdigit()]
    assert done.returncode == 0, done.stderr
    quiet = [f"{line.split()[0]} 0" for line in ("init", "new", *looking)]
    assert codes == [*quiet, "run 3"], done.stderr
    assert "Subsystem for Linux" in done.stderr
