"""Writes down an exception that nobody expected; imported only when there was one."""

from __future__ import annotations

import os
import sys
import tempfile
import time
import traceback
from typing import TYPE_CHECKING

from gitexp import __version__
from gitexp.errors import BugError

if TYPE_CHECKING:
    from collections.abc import Sequence


def written_down(argv: Sequence[str]) -> BugError:
    """Write the exception that is being handled to a log file; return what to tell the user."""
    text = traceback.format_exc()
    where = "no log file could be written; the lines above are all there is"
    try:
        handle, where = tempfile.mkstemp(prefix=f"gitexp-{int(time.time())}-", suffix=".log")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as log:
            log.write(f"gitexp {__version__}, Python {sys.version}\n")
            log.write(f"arguments: {list(argv)!r}\n\n{text}")
    except OSError:  # a full disk, no folder for temporary files
        sys.stderr.write(text)
    last = text.strip().splitlines()[-1]
    return BugError("this is a bug in gitexp; nothing more was done", found=last[:500], where=where)
