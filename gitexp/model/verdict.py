"""The one word in which a comparison ends."""

from __future__ import annotations

import enum


class Verdict(enum.Enum):
    """What a comparison says about the recorded hypothesis."""

    SUPPORTED = "supported"
    REFUTED = "refuted"  # "the effect is at least the promised one" is rejected
    INCONCLUSIVE = "inconclusive"
    EQUIVALENT = "equivalent"
    UNDECIDABLE = "undecidable"  # no outcome of this design could reach alpha
    NOT_COMPARABLE = "not comparable"
