# mypy: disable-error-code="no-untyped-def, no-untyped-call"
# ruff: noqa: ANN001, ANN002, ANN003, ANN202, BLE001, PLC0415, PTH110, PTH119, PTH120, PTH123, RUF005, UP031
"""Notes what a job's Python processes ask for: started by `site`, before any script.

It is in every Python process of a repeat, so it imports next to nothing, never prints (Python 2 has
to parse it for that), and whatever goes wrong in it is silent: then the file of notes is removed,
and the repeat was not observed. A note is written when it is made, by opening the file anew:
`os._exit`, a signal, a fork and a script that closes all descriptors lose none, and none lands in
another file. Then all is as if it had not been here: the user's own sitecustomize is imported.

An audit hook would hear of the same, and of every `id()`: `copy.deepcopy` took 1.8 times as long.
"""

import os
import sys

_FILE = os.environ.get("GITEXP_ATTEMPT", "") + "/observed"
_HERE = os.path.dirname(__file__)
_STDLIB = frozenset(getattr(sys, "stdlib_module_names", ()))  # from 3.10 on
_FLAGS = os.O_WRONLY | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
_seen = set()  # type: set[str]


def _note(kind, value, calls=(os.open, os.write, os.close, os.unlink)):
    """Write one line; the functions of `os` are those from before any script."""
    opened, write, close, gone = calls
    try:
        file = opened(_FILE, _FLAGS)
        try:
            write(file, ("%s %s\n" % (kind, ascii(value))).encode("ascii"))
        finally:
            close(file)
    except Exception:  # the script must not notice
        try:  # noqa: SIM105  contextlib would be imported
            gone(_FILE)
        except Exception:  # noqa: S110
            pass


def _asked(name):
    top = name.partition(".")[0]
    if top not in _seen:
        _seen.add(top)
        if top not in _STDLIB:
            _note("asked", top)


def _hear(module, name, note):
    """Let `note` have the arguments of a function before it is called."""
    function = getattr(module, name, None)
    if function is None:
        return

    def heard(*args, **named):
        try:
            note(*args, **named)
        except Exception:
            _note("failed", name)
        return function(*args, **named)

    heard.__name__, heard.__qualname__, heard.__doc__ = name, name, function.__doc__
    heard.__module__, heard.__wrapped__ = module.__name__, function  # type: ignore[attr-defined]
    setattr(module, name, heard)


def _started(program, given, *_, **__):
    _note("started", [os.fsdecode(each) for each in [program] + list(given)])


def _forked(given, programs, *_, **__):  # one, or what the folders of PATH might have
    first = os.fsdecode(programs[0])
    _started(first if len(programs) == 1 else os.path.basename(first), given)


def _observe():
    """Say who this process is, and hear from now on; what `.pth` files imported is there."""
    import _frozen_importlib  # the import statement, `import_module` and `find_spec` ask there
    import _posixsubprocess  # of subprocess, multiprocessing and loky

    mine = list(getattr(sys, "orig_argv", ()))
    if not mine:  # before 3.10
        with open("/proc/self/cmdline", "rb") as file:
            mine = [os.fsdecode(each) for each in file.read().split(b"\0")[:-1]]
    _note("process", [sys.prefix] + mine)
    for name in list(sys.modules):
        _asked(name)
    _hear(_frozen_importlib, "_find_spec", lambda name, *_, **__: _asked(name))
    if "importlib.util" in sys.modules:  # it took the function by name
        sys.modules["importlib.util"]._find_spec = _frozen_importlib._find_spec  # type: ignore[attr-defined]  # noqa: SLF001
    _hear(_posixsubprocess, "fork_exec", _forked)
    if "subprocess" in sys.modules:  # a .pth file imported it
        sys.modules["subprocess"]._fork_exec = _posixsubprocess.fork_exec  # type: ignore[attr-defined]  # noqa: SLF001
    for name in ("execv", "execve", "posix_spawn", "posix_spawnp"):
        _hear(os, name, _started)
    _hear(os, "system", lambda command: _note("shell", os.fsdecode(command)))


if __name__ == "sitecustomize":
    try:
        if os.path.exists(_FILE):
            _observe()
    except Exception:
        _note("failed", "")
    sys.path[:] = [entry for entry in sys.path if entry != _HERE]
    sys.path_importer_cache.pop(_HERE, None)
    del sys.modules["sitecustomize"]
    import sitecustomize  # type: ignore[import-not-found]  # noqa: F401  the user's own, or the error that `site` expects
