"""Named steps at which a test may kill, fail or hold the process; nothing in ordinary use.

``GITEXP_FAILPOINT=publish.locked:kill|raise=ENOSPC|pause=FIFO``, several joined by commas, read
only where ``GITEXP_TESTING=1``.
"""

from __future__ import annotations

import enum
import errno
import os
import signal
from pathlib import Path


class FailPoint(enum.Enum):
    """The steps of a run, of a transaction and of `sync`, each in their order."""

    RUN_WORKTREE = "run.worktree"
    RUN_CHECKOUT = "run.checkout"
    RUN_PIPELINE = "run.pipeline"
    RUN_READ = "run.read"
    RUN_SNAPSHOT = "run.snapshot"
    RUN_OUTCOME = "run.outcome"
    KEPT = "outputs.kept"  # the cache has the bytes that the records will name
    BLOBS = "publish.blobs"  # objects are written, no ref leads to them
    TEMPREF = "publish.tempref"  # the temporary ref does
    LOCKED = "publish.locked"  # index.lock of every worktree concerned, and the ref, are ours
    COMPARED = "publish.compared"  # the ref is where it was; what worktrees will get is prepared
    SET = "publish.set"  # the branch has moved: published
    RESTORED = "publish.restored"  # worktrees are at the new tip
    CLEANUP = "publish.cleanup"  # locks are gone, the temporary ref is not
    FETCHED = "sync.fetched"  # the remote's branches are known
    JOINED = "sync.joined"  # local branches contain them, nothing was sent
    PUSHED = "sync.pushed"  # the remote has everything


PUBLISH_POINTS = tuple(point for point in FailPoint if point.value.startswith("publish."))


def reach(point: FailPoint) -> None:
    """Say that a step was reached; in a test the process may end here, or the step fail."""
    if os.environ.get("GITEXP_TESTING") != "1":
        return
    for rule in os.environ.get("GITEXP_FAILPOINT", "").split(","):
        name, _, action = rule.partition(":")
        if name != point.value:
            continue
        verb, _, value = action.partition("=")
        if verb == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif verb == "raise":
            number = int(getattr(errno, value))
            raise OSError(number, os.strerror(number))
        elif verb == "pause" and Path(value).is_fifo():  # a test pauses once by removing it
            Path(value).read_bytes()  # until the test has opened it and closes it again
