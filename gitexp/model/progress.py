"""What a long operation tells while it works; the command line decides how to show it."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class ProgressKind(enum.Enum):
    """What just happened."""

    STEP = "step"  # a step of ours began: `message`
    STARTED = "started"  # a repeat was started
    STAGE = "stage"  # a running repeat entered another stage
    LOGGED = "logged"  # a running repeat logged metrics: `value`
    FINISHED = "finished"  # a repeat finished
    FAILED = "failed"  # a repeat failed, was cancelled or lost
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """One piece of news.

    Attributes
    ----------
    label : str
        Which repeat, for people: "candidate seed 42".
    done, total : int
        Repeats over all sides.
    value : str
        Value of the primary metric, "f1 0.6123", or ""; of `LOGGED` the latest values.
    eta_s : float or None
        Seconds that are probably left; None while that is not known.
    """

    kind: ProgressKind
    message: str = ""
    label: str = ""
    stage: str = ""
    done: int = 0
    total: int = 0
    value: str = ""
    eta_s: float | None = None
