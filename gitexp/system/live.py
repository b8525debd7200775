"""`log_metric` and `params` for training scripts; both work without gitexp running.

    import gitexp
    lr = gitexp.params()["train"]["lr"]
    gitexp.log_metric("loss", loss, step=step)

In a repeat the points go to the file that ``GITEXP_POINTS`` names. Without gitexp they go into
``gitexp-points/curves/`` below the working directory, a CSV file for each name, which DVC plots and
which `curves:` of the settings reads. That folder ignores itself (a .gitignore in it), and the
first process begins each file anew; those that it starts go on with it (``GITEXP_CURVES``).

Of a distributed training rank 0 alone logs. Points are appended as they come, many at once where
they come quickly, each batch with one write, so that threads and processes can share a file.
Nothing that goes wrong with a file stops a training: it is said once, on stderr.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import math
import operator
import os
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, SupportsFloat, SupportsIndex
from urllib.parse import quote

from gitexp.errors import BadMetricError, PreconditionError
from gitexp.system import params as params_staging
from gitexp.text import points

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gitexp.text.jsontext import Json

POINTS = "GITEXP_POINTS"
CURVES = "GITEXP_CURVES"
PROJECT = "GITEXP_PROJECT"
# Who is rank 0 says the launcher: torchrun first, as it numbers the processes of all nodes; then
# Lightning and DeepSpeed, Slurm, Open MPI, PMIx, MPICH and Intel, MVAPICH, Horovod, jsrun, JAX.
_RANK = "RANK"
_RANKS = (
    *("LOCAL_RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"),
    *("MV2_COMM_WORLD_RANK", "HOROVOD_RANK", "JSM_NAMESPACE_RANK", "JAX_PROCESS_ID"),
)
_SINCE = f"{CURVES}_SINCE"  # nanoseconds; files that were last written before are old
_GRAIN_NS = 20_000_000  # times of files are coarse, and no process starts as quickly as this
_BATCH = 1000  # points that wait at most
_PERIOD_S = 1.0
_WRITES = 50  # in one period; what comes faster than that is written in batches
_OPENED = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)  # each on its systems
_LONGEST_PART = 240  # bytes
_TOPS = (".git", ".dvc")  # where the search for a params file ends

_Waiting = tuple[str, float, int | None, float]


class _Log:
    """The points of this process that are not in a file yet."""

    def __init__(self) -> None:
        self.waiting: deque[_Waiting] = deque()  # its methods are atomic: threads share it
        self.lock = threading.RLock()  # of the files; a signal's handler may log, too
        self.period = 0.0
        self.writes = 0
        self.forked = False
        self.warned = False
        self.counts: dict[str, int] = {}  # of values in each file of ours

    def add(self, point: _Waiting) -> None:
        self.waiting.append(point)
        now = point[3]
        if not 0.0 <= now - self.period < _PERIOD_S:
            self.period, self.writes = now, 0
        if self.writes < _WRITES or self.forked or len(self.waiting) >= _BATCH:
            self.writes += 1
            self.flush()

    def flush(self) -> None:
        """Append what waits."""
        taken: list[_Waiting] = []
        try:
            while True:
                taken.append(self.waiting.popleft())
        except IndexError:
            pass
        if not taken or not _is_first():
            return
        with self.lock:
            file, folder = os.environ.get(POINTS), os.environ.get(CURVES)
            if file:
                stage = os.environ.get("DVC_STAGE", "")
                lines = b"".join(points.encode(*point, stage) for point in taken)
                with self._saying_it_once():
                    _append(file, lines)
            if not file or folder:
                of_name: dict[str, list[_Waiting]] = {}
                for point in taken:
                    of_name.setdefault(point[0], []).append(point)
                for name, rows in of_name.items():
                    with self._saying_it_once():
                        self._write_curve(name, rows)

    @contextlib.contextmanager
    def _saying_it_once(self) -> Iterator[None]:
        """Let a training go on where a file cannot be written."""
        try:
            yield
        except OSError as error:
            if not self.warned and sys.stderr is not None:
                sys.stderr.write(f"gitexp.log_metric: values are lost: {error}\n")
            self.warned = True

    def _write_curve(self, name: str, rows: list[_Waiting]) -> None:
        """Append the rows of one curve; a value without a step gets the number of the value."""
        file = _folder() / f"{_file_name(name)}.csv"
        count = self.counts.get(name, 0)
        quoted = '"' + name.replace('"', '""') + '"'
        text = "".join(
            f"{quoted},{count + number if step is None else step},"
            f"{repr(value) if math.isfinite(value) else ''}\n"
            for number, (_, value, step, _) in enumerate(rows)
        )
        if not count and _is_old(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink(missing_ok=True)  # not truncated: DVC may have linked it to its cache
            text = f"name,step,value\n{text}"
        _append(str(file), text.encode())
        self.counts[name] = count + len(rows)

    def forget(self) -> None:
        """Leave the parent's points to it; a multiprocessing child ends without atexit."""
        self.waiting.clear()
        self.lock = threading.RLock()  # another thread of the parent may hold the old one
        self.forked = True


_LOG = _Log()
atexit.register(_LOG.flush)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_LOG.forget)


def log_metric(name: str, value: SupportsFloat, step: SupportsIndex | None = None) -> None:
    """Log one value of a metric while a script runs.

    With gitexp running the last value that was logged without a step, else the value of the last
    step, is the repeat's metric `name`; values with steps are a learning curve, too. Without
    gitexp they are rows of ``gitexp-points/curves/NAME.csv``.

    Parameters
    ----------
    name : str
        Of the metric, such as "f1" or "loss/train".
    value : float
        Anything that ``float`` takes, such as a scalar of numpy or torch. One that is not finite
        is a gap in the curve; as the last value of a metric it fails the repeat, as a NaN in a
        metrics file does.
    step : int, optional
        Iteration or epoch.

    Raises
    ------
    BadMetricError
        If the metric cannot be called so, or the step is not a whole number.
    TypeError, ValueError
        If the value is not a number.
    """
    number = float(value)  # all this also where nothing is recorded: what fails fails everywhere
    if not points.is_name(name):
        raise BadMetricError(
            "a metric has a name that cannot be recorded",
            found=ascii(name)[: points.NAME_LIMIT],
            expected=f"1 to {points.NAME_LIMIT} printable characters",
        )
    _LOG.add((name, number, None if step is None else _step(step), time.time()))


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
        If it cannot be read, or is not a mapping.
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


def _step(step: SupportsIndex) -> int:
    try:
        number = operator.index(step)
    except TypeError:  # a float that is whole, of a division say
        known = isinstance(step, (int, float)) or hasattr(step, "__float__")
        whole = float(step) if known else math.nan
        number = int(whole) if whole.is_integer() else points.LARGEST_STEP + 1
    if abs(number) > points.LARGEST_STEP:
        raise BadMetricError("a step is no whole number", found=ascii(step)[:60], expected="an int")
    return number


def _is_first() -> bool:
    ranks = {
        name: int(text)
        for name in (_RANK, *_RANKS)
        if (text := os.environ.get(name, "").strip()).isdecimal()
    }
    if _RANK in ranks:
        return ranks[_RANK] == 0
    if any(ranks.values()):
        return False
    spawned = sys.modules.get("torch.distributed")  # by torch.multiprocessing: no variable says it
    if spawned is None or not spawned.is_available() or not spawned.is_initialized():
        return True
    return bool(spawned.get_rank() == 0)


def _folder() -> Path:
    """Return where curves go; the first process makes it, and those that it starts go on there."""
    given = os.environ.get(CURVES)
    if given:
        return Path(given)
    folder = Path(os.path.abspath(points.FOLDER))  # noqa: PTH100  a link on the way stays one
    folder.mkdir(parents=True, exist_ok=True)
    ignored = folder.parent / ".gitignore"
    if not ignored.exists():
        ignored.write_text("*\n", encoding="ascii")
    os.environ[CURVES] = str(folder)
    os.environ[_SINCE] = str(time.time_ns() - _GRAIN_NS)
    return folder


def _is_old(file: Path) -> bool:
    since = os.environ.get(_SINCE, "0")
    try:
        return file.stat().st_mtime_ns < int(since if since.isdecimal() else "0")
    except FileNotFoundError:
        return True


def _file_name(name: str) -> str:
    """Return how the file of a curve is called: ``loss/train`` lies in a folder.

    >>> _file_name("loss/train"), _file_name("../top-5 acc")
    ('loss/train', '%2E./top-5%20acc')
    """
    plain = ("".join(c if c.isalnum() or c in "._-+=@" else quote(c, safe="") for c in part)
             for part in name.split("/"))  # fmt: skip
    return "/".join(_cut("%2E" + part[1:] if part[:1] == "." else part or "%2F") for part in plain)


def _cut(part: str) -> str:
    """Return a part of a path that file systems take: at most 255 bytes, with the ending."""
    data = part.encode()
    if len(data) <= _LONGEST_PART:
        return part
    start = data[: _LONGEST_PART - 17].decode("utf-8", "ignore")
    return f"{start}~{hashlib.blake2b(data, digest_size=8).hexdigest()}"


def _append(file: str, data: bytes) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _OPENED, 0o644)
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    finally:
        os.close(descriptor)
