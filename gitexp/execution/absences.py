"""What failed repeats say that they lacked: modules, and files that are left out of every job."""

from __future__ import annotations

import os
import posixpath
import re
import shlex
from typing import TYPE_CHECKING

from gitexp.comparison import failures
from gitexp.comparison.randomness.seeding import BASELINE
from gitexp.dvc import input_parts
from gitexp.dvc.covered.declared import UNDECLARED
from gitexp.execution.preflight.mentions import on_baseline
from gitexp.model.run import RepeatState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitexp.execution.run_sources import RunSource
    from gitexp.execution.situation import Situation
    from gitexp.model.report import RecordedRun

_WORDS = re.compile(r"\w+")
_DOTTED = re.compile(r"'(\w{1,100}(?:\.\w{1,100}){1,20})'")
_NO_NAME = re.compile(r"cannot import name '(\w{1,100})' from '([\w.]{1,100})'")


def missing_modules(seen: Situation, recorded: Sequence[RecordedRun]) -> list[str]:
    """Say where modules come from if one was missing: the usual reason is another interpreter."""
    lines = [line for each in recorded for line in _last_lines(each)]
    modules = {found[1]: None for line in lines if (found := failures.NO_MODULE.search(line))}
    names = {f"{f[2]}.{f[1]}": None for line in lines if (f := _NO_NAME.search(line))}
    source = seen.sides[0]
    home, top = source.home, source.top
    held = {entry.path for entry in source.entries}
    said = []
    for name in (*modules, *names):
        path, package = name.replace(".", "/"), name.partition(".")[0]
        places = [home / base / path for base in ("", "src")]
        files = [file for at in places for file in (at.with_suffix(".py"), at / "__init__.py")]
        own = [file.relative_to(top) for file in files if file.exists()]
        new = [file for file in own if os.fsencode(file) not in held]
        if new:
            said.append(
                f"{new[0]} is in no commit, so the run did not see it: git add "
                + shlex.quote(str(new[0]))
            )
        elif name not in modules:
            continue
        elif any((home / "src" / each).exists() for each in (package, f"{package}.py")):
            said.append(
                f"{package} is the project's own, below src/: {seen.python} -m pip install -e ., "
                "and each run imports it from its own worktree"
            )
        elif not any((home / each).exists() for each in (package, f"{package}.py")):
            said.append(
                f"{package} is not installed for {seen.python}; another interpreter is taken from "
                "an active environment, or from python: PATH in .gitexp/config.yaml"
            )
    return said


def left_out(seen: Situation, recorded: Sequence[RecordedRun]) -> list[str]:
    """Name what failed repeats missed since it acts on no result, and how they get it."""
    said: dict[str, None] = {}
    for each in recorded:
        lines, refused = _last_lines(each), _refused(each)
        source = next((one for one in seen.sides if one.side == each.side), None)
        if not (lines or refused) or source is None:
            continue
        state, overrides = source.state, {str(key): v for key, v in source.overrides.items()}
        made = [out.text for stage in state.stages for out in stage.outs]
        for path in input_parts.left_out(state, made, overrides):
            below = [e.text for e in source.entries if f"{e.text}/".startswith(f"{path}/")]
            for line in lines:
                stem = posixpath.basename(path).partition(".")[0]
                alike = [path] if stem in _WORDS.findall(line) else []
                for name in [file for file in below if _is_named(file, line)][:1] or alike:
                    one = name if name in below else below[0]
                    said[_why_not_there(seen, source, name, one)] = None
            for name in [file for file in (path, *below) if file in refused][-1:]:
                said[_why_not_there(seen, source, name, below[0])] = None
    return [*said]


def _is_named(path: str, line: str) -> bool:
    """Whether a message names a file, by its path or as a module, from whichever folder."""
    module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    missing = failures.NO_MODULE.search(line)
    names = {*_DOTTED.findall(line), *((missing[1],) if missing else ())}
    return path in line or any(f".{module}".endswith(f".{name}") for name in names)


def _why_not_there(seen: Situation, source: RunSource, path: str, file: str) -> str:
    """Say why a path was in no repeat of a side; `file`: itself, or one of those below."""
    config = source.config
    top = f"{config.project}/" if config.project else ""
    overrides = {str(key): value for key, value in source.overrides.items()}
    why = input_parts.ignore_rules(source.state, overrides).why(file.removeprefix(top))
    if not why or config.inputs_rules == 1:
        return (
            f"{path} was not there: inputs.ignore in .gitexp/config.yaml says that it acts on no "
            "result, or an output's name does, so no repeat sees it; take it from there and commit"
        )
    named = "" if why == UNDECLARED else ", and no stage names it"
    step = f"gitexp init --add-inputs {shlex.quote(path.removeprefix(top))}"
    if source.side == BASELINE and seen.plan is not None:
        step = on_baseline(seen.plan.baseline.name, step)
    return (
        f"{path} was not there: {why}{named}, so no repeat sees it; {step}, "
        "which writes it under inputs.include in .gitexp/config.yaml"
    )


def _last_lines(recorded: RecordedRun) -> list[str]:
    found = (r.last_line for r in recorded.run.repeats if r.state is not RepeatState.FINISHED)
    return [line for line in found if line]


def _refused(recorded: RecordedRun) -> frozenset[str]:
    """Return the words of what was found in a repeat that was refused: paths of the work tree."""
    reasons = (r.reason for r in recorded.run.repeats if not r.exit_code)
    found = (reason.partition("found: ")[2].partition("; ")[0] for reason in reasons)
    return frozenset(word for text in found for word in re.split(r"[\s,]+", text))
