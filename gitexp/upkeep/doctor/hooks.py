"""Git's hooks, where somebody wanted ours: those that Git no longer comes to; the merge driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gitexp.enforcement.hooks.install import status
from gitexp.model.report import Level
from gitexp.model.rules import HookState
from gitexp.sharing import merge_driver
from gitexp.upkeep.doctor.place import Curable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.upkeep.doctor.place import CheckedRepository

_SAID: Final = {
    HookState.ABSENT: "a hook is not installed, and others of gitexp are",
    HookState.FOREIGN: "a hook of gitexp was replaced by another",
    HookState.CHANGED: "a hook of gitexp was edited: it is not brought up to date",
    HookState.DEAD: "a hook of gitexp is there, and nothing runs it",
}


def look(place: CheckedRepository) -> Iterator[Curable]:
    """Yield hooks that do not run; nothing where there was never one of ours."""
    if merge_driver.is_outdated(place.workspace):
        what = "the merge driver imports what the branch in the work tree holds"
        yield Curable(
            what,
            "git config merge.gitexp.driver",
            "set it up anew",
            lambda: "; ".join(merge_driver.set_up(place.workspace)),
        )
    report = status(place.workspace)
    if all(hook.state in {HookState.ABSENT, HookState.FOREIGN} for hook in report.hooks):
        return
    for hook in report.hooks:
        what = _SAID.get(hook.state, "a hook of gitexp may not do what it should")
        if hook.runs and not hook.note.startswith(("its Python", "of another")):
            continue
        why = f": {hook.note}" if hook.note else ""
        yield Curable(
            f"{what}{why}",
            hook.name,
            "remove it, then gitexp hooks install"
            if hook.state is HookState.CHANGED
            else "gitexp hooks install",
            level=Level.PROBLEM if hook.state is HookState.DEAD else Level.NOTE,
        )
