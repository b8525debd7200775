"""R10: the data that pushed commits name are on the DVC remote, where others can fetch them."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Final

from gitexp.git.transaction.layout import RUNS
from gitexp.model.ids import CommitHash
from gitexp.model.rules import Policy
from gitexp.rules.facts import Finding, Rule
from gitexp.rules.recorded import readable_runs
from gitexp.rules.tracked import LOCK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.run import FileHash
    from gitexp.rules.facts import Facts


def find(facts: Facts) -> Iterator[Finding]:
    """Ask about a commit that names data otherwise than its parents; one to be is not pushed."""
    changed = (change.path for change in facts.changes if change.new is not None)
    if not facts.commit or not any(map(_names_data, changed)):
        return
    lacking = facts.outside.unsent(CommitHash(facts.commit), _made(facts))
    if lacking:
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        yield Finding(
            f"{lacking[0]}{more} of this commit is not on the DVC remote", "gitexp push", lacking[0]
        )


def _made(facts: Facts) -> list[FileHash]:
    return [
        output
        for _, run in readable_runs(facts)
        for repeat in run.repeats
        for output in repeat.outputs
    ]


def _names_data(path: str) -> bool:
    name = posixpath.basename(path)
    return name == LOCK or name.endswith(".dvc") or path.startswith(f"{RUNS}/")


RULE: Final = Rule("R10", "data that pushed commits name are on the DVC remote", Policy.WARN, find)
