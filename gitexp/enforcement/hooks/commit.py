"""pre-commit and pre-merge-commit: what is staged, held against the rules; and the message's hooks.

What was found in order is noted, so that the sh part can let pass what no rule speaks of: most
commits of an experiment change code, and starting Python for them takes longer than Git does for
the commit. The note holds for one tree, which the next commit has to start from; whatever else
happened meanwhile makes it worthless, and deleting it costs time, never truth.
"""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from gitexp.git import command
from gitexp.git.catfile import CatFile
from gitexp.git.discovery import discover
from gitexp.git.transaction.layout import CONFIG, FOLDER
from gitexp.git.worktree import staged
from gitexp.model.plan import Plan
from gitexp.model.rules import HookAnswer
from gitexp.provenance.trust_settings import Believing
from gitexp.records.terms import effect_text
from gitexp.report.escape import visible
from gitexp.rules.branches import is_experiment
from gitexp.rules.data import LOCK, PIPELINE, Tracked
from gitexp.rules.facts import settings, with_rules_of
from gitexp.rules.ranges import judged, to_be
from gitexp.store.plan_files import plan_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from gitexp.git.worktree.staged import HookPlace
    from gitexp.model.rules import HookCall
    from gitexp.rules.facts import Facts


_LATER: Final = f"gitexp: what {CONFIG} says of rules is changed here; it counts once main has it"


def answer(call: HookCall) -> HookAnswer:
    """Judge a commit to be made: of an experiment, or a merge into a protected branch."""
    place = staged.place(call.folder, call.environ, merging=call.name == "pre-merge-commit")
    with CatFile(place.folder, place.env) as objects:
        rules, facts, changes = to_be(place, objects)
        facts = replace(facts, outside=Believing(partial(discover, place.folder), here=True))
        violations = judged(place, facts)
        if violations is None:
            return HookAnswer()
        unsettled = any(change.path == CONFIG for change in changes)
        experiment = is_experiment(facts.config, place.branch)
        if experiment and not (violations or place.merged or unsettled) and rules.plain:
            remember(place, facts, rules.source)
        said = settings(facts.tree) if unsettled else facts.config
        return HookAnswer(
            violations, (_LATER,) if with_rules_of(said, facts.config) != said else ()
        )


FILE: Final = "gitexp/judged"  # in the Git directory of the work tree; hooks/pre-commit reads it
ALWAYS: Final = (FOLDER, "*.dvc", f"*{LOCK}", f"*{PIPELINE}", ".dvc", "*.gitignore")
_MANY: Final = 200  # paths; more are not worth a command line
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")  # a word of sh, and no magic of Git's


def remember(place: HookPlace, facts: Facts, source: str) -> None:
    """Note that what is staged is in order, and which plain paths count, if they are few."""
    paths = _spoken_of(place, facts)
    params = sorted(_of_project(facts, facts.config.params) - paths)
    every = (*sorted(paths), *params)
    tree = staged.write_tree(place)
    if tree is None or len(every) > _MANY or not all(_PLAIN.fullmatch(path) for path in every):
        return
    limit = facts.config.git_file_limit_bytes
    spoken = " ".join((*ALWAYS, *sorted(paths)))
    text = f"refs/heads/{place.branch}:{tree}:{source} {limit}\n{spoken}\n{' '.join(params)}\n"
    file = place.git_dir / FILE
    half = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(exist_ok=True)
        half.write_bytes(text.encode("utf-8", "surrogateescape"))
        half.replace(file)
    except OSError:  # a note less
        return


def _spoken_of(place: HookPlace, facts: Facts) -> set[str]:
    """Return the paths of metrics and outputs; other rules speak of kinds of files."""
    config = facts.config
    files = staged.files(place, ("*.dvc", f"*{LOCK}", f"*{PIPELINE}"))
    tracked = Tracked(facts).declared({posixpath.dirname(file) for file in files})
    return _of_project(facts, (*config.metrics, *config.curves)) | tracked


def _of_project(facts: Facts, paths: Iterable[str]) -> set[str]:
    return {posixpath.join(facts.config.project, path) for path in paths}


LIMIT: Final = 200  # characters of a trailer
_SPACE = re.compile(r"\s+")
_SCISSORS = re.compile(rb"^[^\n]{1,8} -{24} >8 -{24}$", re.MULTILINE)  # `commit -v`: a diff follows
_OURS: Final = ("Experiment: ", "Hypothesis: ", "Metric: ")
_SIGNED: Final = "Signed-off-by: "


def prepare(call: HookCall) -> HookAnswer:
    """Add trailers to a message that a person is about to write; a given one is left as it is."""
    source = (
        call.args[1] if len(call.args) > 1 else call.environ.get("PRE_COMMIT_COMMIT_MSG_SOURCE")
    )
    if not call.args or source not in {None, "", "template"}:
        return HookAnswer()
    place = staged.place(call.folder, call.environ)
    with CatFile(place.folder, place.env) as objects:
        _, facts, _ = to_be(place, objects)
        if not is_experiment(facts.config, place.branch):
            return HookAnswer()
        plan = plan_of(facts.tree, place.branch)
    if isinstance(plan, Plan):
        arguments = ["interpret-trailers", "--in-place", "--no-divider", "--if-exists", "doNothing"]
        for line in _trailers(plan):
            arguments += ["--trailer", line]
        file = _file(call)
        command.attempt(place.folder, [*arguments, str(file)], env=place.env)
        text = file.read_bytes()
        if text.startswith(b"\n" + _OURS[0].encode()):  # or it would be one paragraph with them
            file.write_bytes(b"\n" + text)
    return HookAnswer()


def judge(call: HookCall) -> HookAnswer:
    """Refuse a message that holds nothing but trailers: Git takes it for one."""
    if not call.args:
        return HookAnswer()
    text = _SCISSORS.split(_file(call).read_bytes(), maxsplit=1)[0]
    if b"Hypothesis: " not in text:
        return HookAnswer()
    place = staged.place(call.folder, call.environ)
    _, out, _ = command.attempt(
        place.folder, ["stripspace", "--strip-comments"], data=text, env=place.env
    )
    lines = command.lines(out)
    if any(line and not line.startswith((*_OURS, _SIGNED)) for line in lines):
        return HookAnswer()
    said = "gitexp: the message says nothing beside its trailers; nothing is committed"
    return HookAnswer(said=(said,), refused=True)


def _trailers(plan: Plan) -> Iterator[str]:
    # One visible line each: a branch's plan puts no trailer of its own into somebody's message.
    yield _OURS[0] + visible(plan.name, limit=LIMIT)
    yield _OURS[1] + visible(_SPACE.sub(" ", plan.hypothesis).strip(), limit=LIMIT)
    promised = effect_text(plan.effect, plan.direction)
    yield f"{_OURS[2]}{visible(plan.metric, limit=LIMIT)}:{plan.direction.value} {promised}"


def _file(call: HookCall) -> Path:
    return call.folder / call.args[0]
