"""Run the command line as a user does: a process of its own, in a folder."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from gitexp.model.plan import SeedOrigin
from tests.lab import warm
from tests.records import answers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.lab.build import BuiltRepo

ROOT = Path(__file__).parents[2]
HYPOTHESIS = "a larger learning rate raises f1"
PLAN = ("--metric", "f1:max", "--effect", ">0.01", "--hypothesis", HYPOTHESIS)


@dataclass(frozen=True)
class Done:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, object]:
        """Its standard output, read as JSON and held against the schema that it names."""
        value = json.loads(self.out)
        answers.check(value)
        return cast("dict[str, object]", value)

    def says(self, *parts: str) -> bool:
        """Whether all parts are in its error output; the output is shown if not."""
        missing = [part for part in parts if part not in self.err]
        assert not missing, (missing, self.code, self.out, self.err)
        return True


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a user whose gitexp is this source tree."""
    env = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "TERM"}}
    path = os.pathsep.join([str(Path(sys.executable).parent), env["PATH"]])
    return env | {"PYTHONPATH": str(ROOT), "PATH": path, "LC_ALL": "C.UTF-8"} | dict(extra or {})


def gitexp(folder: Path | BuiltRepo, *argv: str, env: Mapping[str, str] | None = None) -> Done:
    """Run ``gitexp ARGV`` in a folder; nobody is there to answer a question.

    A plan has the committed seeds where nothing is said of them: tests know these.
    """
    where = folder if isinstance(folder, Path) else folder.path
    if argv[:1] == ("new",) and "--seeds" not in argv and "--help" not in argv:
        argv += ("--seeds", SeedOrigin.COMMITTED.value)
    done = warm.run("gitexp", *argv, cwd=where, env=environment(env))
    return Done(
        done.returncode,
        done.stdout.decode("utf-8", "surrogateescape"),
        done.stderr.decode("utf-8", "surrogateescape"),
    )
