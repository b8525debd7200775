"""One printer that knows the level, the streams and whether they take colour."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
from typing import TYPE_CHECKING, TextIO

from gitexp import __version__
from gitexp.errors import BugError, OutputError
from gitexp.model import dataclass
from gitexp.report.escape import escaped, visible
from gitexp.text.foreign import Lines, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gitexp.errors import GitexpError

_TAB = re.compile(r"(\t)")
_OURS = re.compile(r"(\t|\x1b\[[0-9;]*m)")
_RED, _PLAIN = "\x1b[31m", "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Printer:
    """Answers go to stdout, talk and progress to stderr."""

    out: TextIO
    err: TextIO
    color_out: bool
    color_err: bool
    quiet: bool
    verbose: bool

    @classmethod
    def make(cls, environ: Mapping[str, str], *, quiet: bool, verbose: bool, color: str) -> Printer:
        """Return the printer of this process; "auto" goes by ``NO_COLOR`` and ``TERM``."""
        for stream in (sys.stdout, sys.stderr):
            reconfigure = getattr(stream, "reconfigure", None)
            if reconfigure is not None:  # a latin-1 terminal must not end a finished command
                reconfigure(errors="backslashreplace")
        plain = bool(environ.get("NO_COLOR")) or environ.get("TERM") == "dumb"

        def wants(stream: TextIO) -> bool:
            if color == "auto":
                return stream.isatty() and not plain
            return color == "always"

        return cls(sys.stdout, sys.stderr, wants(sys.stdout), wants(sys.stderr), quiet, verbose)

    @property
    def columns(self) -> int:
        """Return how wide the terminal of answers is, 0 where there is none."""
        return shutil.get_terminal_size().columns if self.out.isatty() else 0

    @property
    def unicode(self) -> bool:
        """Return whether answers may have letters beyond ASCII."""
        return (self.out.encoding or "").lower().replace("-", "") == "utf8"

    def answer(self, text: str) -> None:
        """Print what was asked for; what a renderer forgot to write out is, here."""
        if not text.replace("\n", "").isprintable():
            ours = _OURS if self.color_out else _TAB
            text = "".join(
                part if ours.fullmatch(part) else escaped(part) for part in ours.split(text)
            )
        self.write(f"{text}\n")

    def write(self, text: str) -> None:
        """Print a part of what was asked for, as it is."""
        with _told():
            self.out.write(text)

    def flush(self) -> None:
        """Bring the answer to its reader."""
        with _told():
            self.out.flush()

    def talk(self, text: str) -> None:
        """Write to stderr; that nobody can read it (a full disk, ``head``) stops no work."""
        try:
            self.err.write(text)
            self.err.flush()
        except OSError:
            _silence(self.err)

    def say(self, text: str) -> None:
        """Print talk, which is one line; nothing where quiet."""
        if not self.quiet:
            self.talk(f"{safe(one_line(text))}\n")

    def error(self, error: GitexpError) -> None:
        """Print an error in the house's voice."""
        text = safe("\n".join(rows(error)))
        if self.color_err:
            head, _, rest = text.partition(":")
            text = f"{_RED}{head}{_PLAIN}:{rest}"
        self.talk(f"{text}\n")


def rows(error: GitexpError) -> Iterator[str]:
    """Yield an error in the house's voice; no text of a branch makes a row of its own."""
    yield f"error[{error.id}]: {one_line(error.summary)}"
    for label, text in error.lines():
        several = text.split("\n") if isinstance(text, Lines) else [one_line(text)]
        for index, row in enumerate(several):
            yield f"  {'' if index else label:<8}  {row}".rstrip()


def safe(text: str) -> str:
    r"""Return whole lines with what a terminal would obey, or hide, written out.

    Names come from branches, and talk is escaped as answers are.

    Examples
    --------
    >>> safe("a\x1b[31mb\nc\u3164")
    'a\\x1b[31mb\nc\\u3164'
    """
    return "\n".join(visible(line, limit=len(line)) for line in text.split("\n"))


def silence_stdout() -> None:
    """Let the interpreter's own last flush go nowhere instead of failing."""
    _silence(sys.stdout)


def written_down(argv: Sequence[str]) -> BugError:
    """Write the exception that is being handled to a log file; return what to tell the user."""
    import tempfile  # for this alone: compression and random numbers come along
    import time
    import traceback

    text = traceback.format_exc()
    where = "no log file could be written; the lines above are all there is"
    try:
        handle, where = tempfile.mkstemp(prefix=f"gitexp-{int(time.time())}-", suffix=".log")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as log:
            log.write(f"gitexp {__version__}, Python {sys.version}\n")
            log.write(f"arguments: {list(argv)!r}\n\n{text}")
    except OSError:  # a full disk, no folder for temporary files
        sys.stderr.write(text)
    last = text.strip().rpartition("\n")[2]
    return BugError("this is a bug in gitexp; nothing more was done", found=last[:500], where=where)


def _silence(stream: TextIO) -> None:
    with contextlib.suppress(OSError):  # a stream of a caller's may have no descriptor
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        silence_stdout()
        raise OutputError(
            "the answer cannot be written",
            found=error.strerror or str(error),
            where="standard output",
        ) from error
