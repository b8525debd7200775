"""What repeats used of their own folder, and what they lacked there.

Python's processes note what they use, and the index keeps by inputs what the last run noted: what
declared mode needs is proposed from that, and no record and no digest rests on it. What failed
repeats say that they lacked are modules, and files that are left out of every job.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
import shlex
from typing import TYPE_CHECKING

from gitexp.comparison import failures
from gitexp.comparison.randomness.seeding import BASELINE
from gitexp.dvc import input_parts
from gitexp.dvc import inputs as inputs_rules
from gitexp.dvc.covered.declared import UNDECLARED
from gitexp.dvc.dvcpipeline import written_stages
from gitexp.dvc.input_parts import ignored
from gitexp.errors import PreflightError
from gitexp.execution import run_sources
from gitexp.execution.once import UndeclaredCode
from gitexp.execution.preflight.mentions import on_baseline
from gitexp.execution.situation import EXPLORATORY
from gitexp.git import refs
from gitexp.git.transaction.cache import Kind, open_index
from gitexp.model.clocked import is_cost
from gitexp.model.config import InputsMode
from gitexp.model.ids import ABSENT, Absent
from gitexp.model.job import Stage
from gitexp.model.run import RepeatState
from gitexp.store import lookup
from gitexp.system import observed
from gitexp.text.jsontext import json_dumps_compact

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitexp.execution.record import Ended
    from gitexp.execution.run_sources import RunSource
    from gitexp.execution.situation import Situation
    from gitexp.git.repository import Repo
    from gitexp.model.ids import EnvironmentDigest
    from gitexp.model.job import Outcome
    from gitexp.model.report import RecordedRun

    _Measured = tuple[EnvironmentDigest | None, int, str, tuple[int | str | None, ...]]

_TREE, _DECLARED = (2, InputsMode.TREE), (2, InputsMode.DECLARED)
_SPECIAL = re.compile(r"([\\*?\[\]! #])")  # in a pattern
_WORDS = re.compile(r"\w+")
_DOTTED = re.compile(r"'(\w{1,100}(?:\.\w{1,100}){1,20})'")
_NO_NAME = re.compile(r"cannot import name '(\w{1,100})' from '([\w.]{1,100})'")


def remember(seen: Situation, sides: Sequence[Ended]) -> None:
    """Note what finished repeats used, beside what those of the same inputs did before."""
    with open_index(seen.repo.workspace) as index:
        for each in sides:
            draft, files, why = each.state.draft, set[str](), ""
            for outcome in each.finished():
                used = observed.used(seen.workdir.attempt(draft.id, outcome.seed))
                why = why or _unobserved(outcome, used)
                files |= used or set()
            if each.finished():
                for row in index.get(Kind.USED, [draft.inputs]).values():
                    files |= {*json.loads(row)[1:]}
                index.put(Kind.USED, {draft.inputs: json_dumps_compact([why, *sorted(files)])})


def _unobserved(outcome: Outcome, used: frozenset[str] | None) -> str:
    """Return why nobody knows all that a repeat read; "" where it is known."""
    if used is None:
        return "it read more files than can be noted"
    if outcome.resumed:
        return "it went on from a checkpoint"
    return "its processes left no notes" if outcome.observed is None else outcome.observed.why


def unobserved(why: str, step: str = "") -> PreflightError:
    """Return why nobody can say what a project has to declare."""
    return PreflightError(
        "declared mode needs a finished run that was observed: it says what the code reads",
        found=why,
        expected="a run of the inputs of HEAD, of which each process is Python's",
        next_step=step
        or "mode: declared, written by hand beside rules: 2 in .gitexp/config.yaml; "
        "what a repeat lacks then it names",
    )


def undeclared(repo: Repo) -> list[str]:
    """Return patterns of what the last run of HEAD's inputs used and nothing declares.

    Raises `PreflightError` where there was none, or it was not observed.
    """
    commit = refs.head(repo).commit
    if commit is ABSENT:
        raise refs.unborn(repo, refs.head(repo))
    source = run_sources.look(repo, EXPLORATORY, commit, overrides={}, fallback=None)
    with open_index(repo.workspace) as index:
        rows = index.get(Kind.USED, [source.inputs])
    why, *used = json.loads(rows[source.inputs]) if rows else ("", "")
    if not rows:
        raise unobserved(f"none of inputs {source.inputs[:7]} in this clone", "gitexp run")
    if why:
        raise unobserved(f"of inputs {source.inputs[:7]}: {why}")
    tracked = {entry.text for entry in source.entries}
    wanted = {*used, *_imported(source)}
    wanted |= {path for path in tracked if f"{posixpath.dirname(path)}/" in wanted}
    before = {*ignored(source.state, sorted(wanted & tracked))}
    state = source.state.by_rules(_DECLARED)
    found = (path for path in ignored(state, sorted(wanted & tracked)) if path not in before)
    return ["/" + _SPECIAL.sub(r"\\\1", path) for path in found]


def _imported(source: RunSource) -> Iterator[str]:
    """Yield the code that stages name or import, as far as that is seen without a run."""
    code, config = UndeclaredCode(source), source.config
    if config.pipeline is None:
        yield from code.of(Stage("command", (config.command or "",)))
        return
    data, folder = source.state.read(config.pipeline), posixpath.dirname(config.pipeline)
    if not isinstance(data, Absent):
        for stage in written_stages(data, config.pipeline, folder):
            yield from code.of(stage)


def unlike_tree(seen: Situation, recorded: Sequence[RecordedRun]) -> list[str]:
    """Say where a repeat in declared mode has another number than in tree mode."""
    said: dict[str, None] = {}
    for source in seen.sides:
        if not source.config.is_declared:
            continue
        overrides = {str(key): value for key, value in source.overrides.items()}
        inputs = inputs_rules.digest(source.state.by_rules(_TREE), overrides)
        mine = [each for each in recorded if each.run.inputs == source.inputs]
        if not mine or inputs == source.inputs:
            continue
        with open_index(seen.repo.workspace) as index:
            before = lookup.runs_by_inputs(seen.repo, inputs, index=index)
        theirs = {key: value for found in before.runs for key, value in _numbers(found)}
        for key, value in (pair for each in mine for pair in _numbers(each)):
            _, seed, metric, *_ = key
            if value != theirs.get(key, value) and not is_cost(metric, source.config.cost):
                said[
                    f"{metric} of seed {seed} is {value!r}, and was {theirs[key]!r} before inputs "
                    "were what something declares: if it is not random, a file acts that nothing "
                    "declares; gitexp init --inputs tree takes all of them"
                ] = None
    return [*said][:1]


def _numbers(item: RecordedRun | lookup.FoundRun) -> Iterator[tuple[_Measured, float]]:
    """Yield the values of finished repeats, by environment, seed, and what was measured."""
    done = {r.seed: r for r in item.run.repeats if r.state is RepeatState.FINISHED}
    for row in item.samples:
        if row.seed in done:
            where = done[row.seed].environment
            yield (where, row.seed, row.metric, (row.rep, row.fold, row.dataset)), row.value


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
