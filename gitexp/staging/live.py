"""For training scripts: `log_metric` and `params`; both work without gitexp running.

    import gitexp
    lr = gitexp.params()["train"]["lr"]
    gitexp.log_metric("loss", loss, step=step)

In a repeat the points go to the file that ``GITEXP_POINTS`` names; where the variable is not set
nothing is written. Points are kept in memory and appended a thousand at a time, once a second and
at exit, each batch with one write, so that processes can share the file.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.errors import PreconditionError
from gitexp.formats import points
from gitexp.staging import params as params_staging

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitexp.formats.jsontext import Json

POINTS = "GITEXP_POINTS"
PROJECT = "GITEXP_PROJECT"
_BATCH = 1000  # points
_PATIENCE_S = 1.0  # longest that a point waits for the next one before it is written
_OPENED = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)  # each on its systems
_TOPS = (".git", ".dvc")  # where the search for a params file ends


class _Log:
    """The points of this process that are not in the file yet."""

    def __init__(self) -> None:
        self.waiting: list[bytes] = []
        self.written_at = 0.0

    def add(self, line: bytes, now: float) -> None:
        self.waiting.append(line)
        if len(self.waiting) >= _BATCH or now - self.written_at >= _PATIENCE_S:
            self.flush(now)

    def flush(self, now: float = 0.0) -> None:
        """Append what waits; a full disk is the caller's to see."""
        lines, self.waiting = self.waiting, []
        self.written_at = now
        file = os.environ.get(POINTS)
        if not lines or not file:
            return
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | _OPENED
        descriptor = os.open(file, flags, 0o644)
        try:
            os.write(descriptor, b"".join(lines))
        finally:
            os.close(descriptor)

    def forget(self) -> None:
        """Leave the parent's points to the parent."""
        self.waiting = []


_LOG = _Log()
atexit.register(_LOG.flush)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_LOG.forget)


def log_metric(name: str, value: float, step: int | None = None) -> None:
    """Record one point of a curve while a script runs.

    Parameters
    ----------
    name : str
        Of the curve, such as "loss".
    value : float
        Anything that ``float`` takes, such as a scalar of numpy or torch. One that is not finite
        is recorded as a point without a value: training goes on, and the gap shows.
    step : int, optional
        Iteration or epoch.
    """
    number = float(value)  # also where nothing is recorded: what fails fails in both places
    if POINTS in os.environ:
        now = time.time()
        _LOG.add(points.encode(name, number, step, now), now)


def flush() -> None:
    """Append what waits now; needed only before a process is replaced or killed."""
    _LOG.flush()


def params(folder: Path | str | None = None, file: str = "params.yaml") -> Mapping[str, Json]:
    """Return the parameters of the project, as nested mappings.

    Parameters
    ----------
    folder : path, optional
        Where `file` lies. By default the project of the repeat (``GITEXP_PROJECT``); outside a
        repeat the nearest folder that has `file`, from the script's upwards to the repository's.
    file : str
        Relative to `folder`: YAML, JSON, TOML or Python.

    Raises
    ------
    PreconditionError
        If there is no such file.
    BadFormatError, UnsafeInputError
        If it cannot be read, or is no mapping.
    """
    found = Path(folder) if folder is not None else _project(file)
    value = params_staging.read(found, [file]).get(file) if found is not None else None
    if not isinstance(value, dict):
        raise PreconditionError(
            "there are no parameters to read",
            found="no file, or one without a mapping",
            where=str(found / file) if found is not None else file,
            expected=f"{file} beside the script, or above it",
            next_step="gitexp.params(folder=...)",
        )
    return value


def _project(file: str) -> Path | None:
    given = os.environ.get(PROJECT)
    if given:
        return Path(given)
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    if not isinstance(script, str):
        return None
    for folder in Path(script).resolve().parents:
        if (folder / file).is_file():
            return folder
        if any((folder / top).exists() for top in _TOPS):
            return None
    return None
