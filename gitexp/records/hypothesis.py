"""What a hypothesis has to say at the least."""

from __future__ import annotations

from typing import Final

from gitexp.errors import BadHypothesisError

TEMPLATE_HYPOTHESIS: Final = "CHANGE raises METRIC by at least SIZE"  # what --edit offers
_SHORTEST = 3  # words


def check_hypothesis(text: str) -> None:
    """Refuse a hypothesis that says nothing.

    Raises `BadHypothesisError`.
    """
    said = " ".join(text.split())
    template = {TEMPLATE_HYPOTHESIS.lower(), "todo", "tbd", "hypothesis", "..."}
    if said.lower().rstrip(".") in template or len(said.split()) < _SHORTEST:
        raise BadHypothesisError(
            "the hypothesis says nothing yet",
            found=repr(said),
            expected="a sentence that a result can contradict",
            next_step='--hypothesis "engineered features raise F1 by at least 5%"',
        )
