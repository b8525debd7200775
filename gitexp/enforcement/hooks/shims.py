"""The hooks as files: their text, and whose a file is."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gitexp.errors import PreconditionError
from gitexp.git.command import translating

if TYPE_CHECKING:
    from collections.abc import Mapping

BEFORE: Final = ".before-gitexp"  # added to the name of what was there
MARK: Final = b"# gitexp-hook "
LIMIT_BYTES: Final = 1 << 20
_DIGEST: Final = b" sha256:"
_SETTINGS_END: Final = 8  # lines
_HERE = Path(__file__).parent


def source(name: str) -> bytes:
    """Return the text of a hook as it is shipped."""
    # In a wheel they lie beside this file, in a checkout of gitexp at its top.
    for folder in (_HERE / "shims", _HERE.parents[2] / "hooks"):
        path = folder / name
        if path.is_file():
            return path.read_bytes()
    raise PreconditionError(
        "this installation has no hooks",
        found=f"no file {name}",
        where=str(_HERE),
        next_step="pip install --force-reinstall gitexp",
    )


def rendered(name: str, settings: Mapping[str, str]) -> bytes:
    """Return a hook to be installed: with `settings` of its variables, and a digest of itself."""
    lines = []
    for line in source(name).decode("utf-8").split("\n"):
        key, equals, _ = line.partition("=")
        lines.append(f"{key}={shlex.quote(settings[key])}" if equals and key in settings else line)
    text = "\n".join(lines).encode("utf-8", "surrogateescape")
    head, mark, rest = text.split(b"\n", 2)
    return b"\n".join([head, mark + _DIGEST + _digest(head, mark, rest), rest])


def settings_of(data: bytes) -> dict[str, str]:
    """Return the settings of a hook as it was installed: ``python`` and ``flags``."""
    found: dict[str, str] = {}
    for line in data.decode("utf-8", "surrogateescape").split("\n")[:_SETTINGS_END]:
        key, equals, value = line.partition("=")
        if equals and key in {"python", "flags"}:
            found[key] = "".join(shlex.split(value))
    return found


def is_ours(data: bytes) -> bool:
    """Return whether a file is one of our hooks, of whatever version, edited or not."""
    return data.split(b"\n", 2)[1:2] != [] and data.split(b"\n", 2)[1].startswith(MARK)


def is_unchanged(data: bytes, name: str) -> bool:
    """Return whether nobody edited it since it was installed, or copied by hand."""
    if not is_ours(data):
        return False
    head, line, rest = (*data.split(b"\n", 2), b"")[:3]
    mark, told, digest = line.partition(_DIGEST)
    return digest == _digest(head, mark, rest) if told else data == source(name)


def read(path: Path) -> bytes | None:
    """Return what is at a path, as Git would run it; a dead link is something."""
    with translating("the hooks cannot be read", str(path)):
        try:
            with path.open("rb") as stream:
                return stream.read(LIMIT_BYTES)
        except FileNotFoundError:
            return b"" if path.is_symlink() else None
        except NotADirectoryError:
            return None


def is_executable(path: Path) -> bool:
    """Return whether Git would run it."""
    return os.name != "posix" or os.access(path, os.X_OK)


def put(path: Path, data: bytes) -> None:
    """Write a hook; what was there stays whole until it is replaced."""
    with translating("a hook cannot be written", str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".gitexp-")
        half = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
            # Everybody may run it who may look into the folder.
            readers = stat.S_IMODE(path.parent.stat().st_mode) & 0o444
            half.chmod(0o700 | readers | (readers >> 2))
            half.replace(path)
        except BaseException:
            half.unlink(missing_ok=True)
            raise


def set_aside(path: Path) -> Path:
    """Give what is at a path a second name too, `BEFORE`: at no moment is there none."""
    aside = path.with_name(path.name + BEFORE)
    with translating("a hook cannot be set aside", str(path)):
        shutil.copy2(path, aside, follow_symlinks=False)
    return aside


def _digest(head: bytes, mark: bytes, rest: bytes) -> bytes:
    return hashlib.sha256(b"\n".join([head, mark, rest])).hexdigest()[:32].encode()
