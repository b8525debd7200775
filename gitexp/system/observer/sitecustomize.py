# mypy: disable-error-code="no-untyped-def, no-untyped-call"
# ruff: noqa: ANN001, ANN002, ANN003, ANN202, ANN204, BLE001, PLC0415, PTH110, PTH119, PTH120, PTH123, RUF005, UP031
"""Notes what a job's Python processes ask for, and read of its folder or the user's work tree.

It is started by `site`, before any script.

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
_USED = os.environ.get("GITEXP_ATTEMPT", "") + "/used"
_HERE = os.path.dirname(__file__)
_STDLIB = frozenset(getattr(sys, "stdlib_module_names", ()))  # from 3.10 on
# The user's work tree, by each of its names, what in it a job may read all the same, and the job's.
_TREE, _FREE, _FOLDER = (
    tuple(name + "/" for name in os.environ.get(key, "").split("\n") if name)
    for key in ("GITEXP_TREE", "GITEXP_FREE", "GITEXP_FOLDER")
)
_MOST = 100  # files: a script that reads there is told by one
_LIMIT = 4 << 20  # bytes of what was used
_FULL = []  # type: list[int]  # whether there are as many
_FLAGS = os.O_WRONLY | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
_seen = set()  # type: set[str]
_outside = set()  # type: set[str]
_EACH = 20  # files of a folder: more stand for all of it
_used = {}  # type: dict[str, set[str] | None]  # by folder; None: all of it


def _note(kind, value, name=_FILE, calls=(os.open, os.write, os.close, os.unlink, os.fstat)):
    """Write one line; the functions of `os` are those from before any script."""
    opened, write, close, gone, size = calls
    try:
        file = opened(name, _FLAGS)
        try:
            if name == _USED and size(file).st_size > _LIMIT:  # which says that there was more
                _used.clear()
                _FULL.append(1)
                return
            write(file, ("%s %s\n" % (kind, ascii(value))).encode("ascii"))
        finally:
            close(file)
    except Exception:  # the script must not notice
        try:  # noqa: SIM105  contextlib would be imported
            gone(name)
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


class _Reading(object):  # noqa: UP004  Python 2
    """A function that opens or lists: no function itself, so that a class may keep it as one."""

    def __init__(self, module, name, note):
        self.__wrapped__, self._note = getattr(module, name), note
        self.__name__ = self.__qualname__ = name
        self.__doc__, self.__module__ = self.__wrapped__.__doc__, module.__name__
        setattr(module, name, self)

    def __call__(self, *args, **named):
        try:  # noqa: SIM105
            self._note(*args, **named)
        except Exception:  # noqa: S110  the function itself says what is wrong
            pass
        return self.__wrapped__(*args, **named)

    def __eq__(self, other):  # `os.supports_fd` has the functions that were there
        return other is self or other is self.__wrapped__

    def __hash__(self):
        return hash(self.__wrapped__)

    def __reduce__(self):
        return self.__name__


def _read(path=".", listed=False, cwd=os.getcwd, there=os.path.exists):  # noqa: FBT002, TID251
    """Note what lies in the job's folder, or the user's work tree where no job may read."""
    path = os.fsdecode(path)
    if path[:1] != "/":
        path = cwd() + "/" + path
    if "/." in path:
        path = os.path.normpath(path)
    if (path + "/").startswith(_FOLDER):
        if not _FULL:
            _use(path + "/", listed, there)
        return
    inside = path.startswith(_TREE) and not (path + "/").startswith(_FREE)
    if inside and path not in _outside and len(_outside) < _MOST and there(path):
        _outside.add(path)
        _note("read", path)


def _use(path, listed, there):
    """Note what of the job's folder was opened, imported or listed; many files as their folder."""
    name = next(path[len(top) : -1] for top in _FOLDER if path.startswith(top))
    folder = name if listed else name.rpartition("/")[0]
    known = _used.setdefault(folder, set())
    if known is None or name in known or not there(path[:-1]):
        return
    if listed or len(known) >= _EACH:
        _used[folder], name = None, folder + "/"
    else:
        known.add(name)
    _note("used", name, _USED)


def _listed(path="."):
    _read(path, listed=True)


def _opened(file, mode="r", *_, **__):
    if "r" in mode or "+" in mode:
        _read(file)


def _opened_low(path, flags, *_, **named):
    if not flags & os.O_WRONLY and named.get("dir_fd") is None:
        _read(path)


def _hear_reading():
    """Hear what is opened and listed; compiled code that asks the system itself is not heard."""
    import io

    global _FREE  # noqa: PLW0603
    _FREE += tuple(each + "/" for each in {sys.prefix, getattr(sys, "base_prefix", sys.prefix)})
    for name in ("listdir", "scandir"):
        _Reading(os, name, _listed)
    _Reading(os, "open", _opened_low)
    io.open = _Reading(sys.modules["builtins"], "open", _opened)


def _found(function):
    """Return `_find_spec` that notes a module of the user's work tree."""

    def found(*args, **named):
        spec = function(*args, **named)
        _read(getattr(spec, "origin", None) or "/")
        return spec

    found.__name__, found.__qualname__ = function.__name__, function.__name__
    found.__module__ = function.__module__
    return found


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
    if _TREE:
        find = _found(_frozen_importlib._find_spec)  # type: ignore[attr-defined]  # noqa: SLF001
        _frozen_importlib._find_spec = find  # type: ignore[attr-defined]  # noqa: SLF001
    _hear(_frozen_importlib, "_find_spec", lambda name, *_, **__: _asked(name))
    if "importlib.util" in sys.modules:  # it took the function by name
        sys.modules["importlib.util"]._find_spec = _frozen_importlib._find_spec  # type: ignore[attr-defined]  # noqa: SLF001
    _hear(_posixsubprocess, "fork_exec", _forked)
    if "subprocess" in sys.modules:  # a .pth file imported it
        sys.modules["subprocess"]._fork_exec = _posixsubprocess.fork_exec  # type: ignore[attr-defined]  # noqa: SLF001
    for name in ("execv", "execve", "posix_spawn", "posix_spawnp"):
        _hear(os, name, _started)
    _hear(os, "system", lambda command: _note("shell", os.fsdecode(command)))
    if _TREE:
        _hear_reading()


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
