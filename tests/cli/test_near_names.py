"""A name that names nothing is answered with those that it may stand for, whatever the verb."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitexp.cli.commands import COMMANDS
from tests.lab.build import BuiltRepo, clone, copied, repository
from tests.lab.shell import PLAN, gitexp

if TYPE_CHECKING:
    from pathlib import Path

# What each verb is called with; a verb that takes no name of an experiment, branch or run has none.
CALLS: dict[str, tuple[str, ...]] = {
    "init": (), "test": (), "status": (), "list": (), "doctor": (), "maintenance": (),
    "completion": (), "hooks": (),
    "new": ("new other {plan} --start NAME", "new other {plan} --baseline NAME"),
    "amend-plan": ("amend-plan NAME --why w", "amend-plan idea --baseline NAME --why w"),
    "power": ("power NAME",),
    "run": ("run --at NAME",),
    "compare": ("compare NAME", "compare main NAME"),
    "conclude": ("conclude NAME -m w",),
    "archive": ("archive NAME",),
    "restore": ("restore NAME",),
    "rename": ("rename NAME other",),
    "rm": ("rm NAME --yes -m w",),
    "show": ("show NAME",),
    "diff": ("diff main NAME",),
    "inputs": ("inputs NAME main",),
    "logs": ("logs RUN",),
    "push": ("push NAME",),
    "pull": ("pull NAME",),
    "sync": ("sync NAME",),
    "witness": ("witness NAME --push",),
    "check": ("check main..NAME",),
    "review": ("review main...NAME",),
}  # fmt: skip


def test_the_table_has_every_verb() -> None:
    assert CALLS.keys() == {command.name for command in COMMANDS if not command.hidden}


def made(path: Path) -> BuiltRepo:
    """Return a clone with the experiment idea and one run on main."""

    def make(folder: Path) -> None:
        origin = repository(folder / "origin")
        origin.commit({"a.py": "open('metrics.json', 'w').write('{\"f1\": 1}')\n"}, at=1)
        work = clone(origin, folder / "work")
        for call in (
            ("init", "--command", "python a.py"),
            ("run", "--repeats", "1"),
            ("new", "idea", *PLAN),
        ):
            done = gitexp(work, *call)
            assert done.code == 0, done

    copied(path, make, "near names")
    return BuiltRepo((path / "work").resolve())


@pytest.mark.slow
def test_a_mistyped_name_is_answered_with_the_near_one(tmp_path: Path) -> None:
    repo = made(tmp_path)
    run = str(gitexp(repo, "list", "--runs", "--json").json["runs"][0]["id"])  # type: ignore[index, call-overload]
    wrong = run[:5] + ("a" if run[5] != "a" else "b") + run[6:8]
    calls = [call for every in CALLS.values() for call in every]
    for call in (*calls, "show RUN"):
        words = call.replace("NAME", "idae").replace("RUN", wrong).split()
        argv = [word for each in words for word in (PLAN if each == "{plan}" else [each])]
        done = gitexp(repo, *argv)
        assert done.code in {2, 3}, (call, done)
        assert (run[:8] if "RUN" in call else "idea") in done.err, (call, done.err)
