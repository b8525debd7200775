"""prepare-commit-msg and commit-msg: the hypothesis as trailers, and a message beside them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gitexp.git import command
from gitexp.git.catfile import CatFile
from gitexp.git.worktree import staged
from gitexp.model.plan import Plan
from gitexp.model.rules import HookAnswer
from gitexp.records.terms import effect_text
from gitexp.report.escape import visible
from gitexp.rules.branches import governing, is_experiment
from gitexp.rules.facts import TreeChange, of_staged
from gitexp.store.plan_files import plan_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitexp.model.rules import HookCall

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
    changes = [TreeChange(*each) for each in staged.staged(place)]
    with CatFile(place.folder, place.env) as objects:
        rules = governing(objects, place.folder, place.branch, place.head, place.env)
        facts = of_staged(objects, place.parents, changes, branch=place.branch, config=rules.config)
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
