"""All that a design may look at before a value is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gitexp.comparison.counting import Count, Evaluation
    from gitexp.comparison.sides import ResolvedSide
    from gitexp.model.plan import Claim, Plan


@dataclass(frozen=True, slots=True)
class CountedSides:
    """Two sides whose samples are counted and not yet tested."""

    top: Path | None  # work tree, below which DVC's cache is found; None in a bare repository
    baseline: ResolvedSide
    candidate: ResolvedSide
    plan: Plan | None
    claim: Claim  # recorded, or what one repeat a side can speak of at most
    count: Count
    evaluation: Evaluation
    cluster: str = ""  # column of the predictions whose examples depend on each other; "" for none
    # how a family of p-values is adjusted: a key of `stats.adjust.SHORT_NAMES`
    adjust: str = "holm"
    candidates: int = 1  # of the call: each look of a stopping rule pays for all of them
    # why a side (baseline, candidate) that always reports the same is one draw of its chance
    held: Mapping[str, str] = field(default_factory=dict)
    # why both vary and yet differ by one draw, which stands fixed on one side; "" if they do not
    apart: str = ""

    @property
    def paired(self) -> bool:
        """Whether repeats are joined by seed.

        Paired tests need the same evaluation data; where another was allowed, repeats are
        compared as two independent groups.
        """
        return bool(self.count.pairs) and self.evaluation.same
