"""R5: data belong to DVC, and what is large does not belong to Git."""

from __future__ import annotations

import posixpath
import shlex
from typing import TYPE_CHECKING, Final

from gitexp.git.transaction.layout import CONCLUSIONS, CONFIG, ENVIRONMENTS, PLANS, RUNS, WITNESSES
from gitexp.model.ids import BlobId
from gitexp.model.rules import Policy
from gitexp.rules.facts import Finding, Rule
from gitexp.rules.tracked import Tracked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.rules.facts import Facts

_MIB = 1 << 20
_RECORDED: Final = frozenset(("environment.json", "run.json", "samples.csv"))


def find(facts: Facts) -> Iterator[Finding]:
    """Look at every file that a commit adds or changes; records of gitexp have own limits."""
    limit = facts.config.git_file_limit_bytes
    tracked = Tracked(facts)
    for change in facts.changes:
        if not change.is_file or change.new is None or _is_record(change.path):
            continue
        quoted = shlex.quote(change.path)
        by = tracked.by(change.path)
        if by is not None:
            yield Finding(
                f"DVC tracks {change.path} ({by}), and it is committed to Git",
                f"git rm --cached {quoted}",
                change.path,
            )
            continue
        size = facts.objects.size(BlobId(change.new.id))
        if size > limit:
            yield Finding(
                f"{change.path} has {size / _MIB:.1f} MiB; Git takes files of"
                f" {limit / _MIB:.3g} MiB here",
                f"git rm --cached {quoted} && dvc add {quoted}",
                change.path,
            )


def _is_record(path: str) -> bool:
    if path.startswith((f"{RUNS}/", f"{ENVIRONMENTS}/")):
        return posixpath.basename(path) in _RECORDED
    told = path.startswith((f"{PLANS}/", f"{CONCLUSIONS}/", f"{WITNESSES}/"))
    return path == CONFIG or (told and path.endswith((".yaml", ".json", ".tsr")))


RULE: Final = Rule(
    "R5",
    "what DVC tracks, or is larger than limits.git_file, is not committed to Git",
    Policy.WARN,
    find,
)
