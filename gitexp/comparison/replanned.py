"""What was changed in a plan after its first run: said, since there may have been a reason.

A run carries the digest of the plan that it was made under, so what an edited plan no longer
covers counts no more; which term was edited is read from the plan as it stood at that run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gitexp.comparison.eligible import finished_seeds, is_under
from gitexp.errors import GitexpError
from gitexp.git.absent import ABSENT
from gitexp.records.terms import binding
from gitexp.store.plans import plan_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gitexp.git.repository import Repo
    from gitexp.model.config import ProjectConfig
    from gitexp.model.ids import ParamValue
    from gitexp.model.plan import Plan
    from gitexp.store.lookup import FoundRun

_SHORT: Final = 9  # of a commit's hash
_LONG: Final = 300


def warnings(
    repo: Repo, plan: Plan | None, runs: Iterable[FoundRun], config: ProjectConfig
) -> list[str]:
    """Say which terms were changed after the first run, and where the settings contradict them."""
    if plan is None:
        return []
    said: list[str] = []
    names = {plan.name, *plan.formerly}
    older: dict[str, FoundRun] = {}
    runs = tuple(runs)
    for item in runs:
        under = item.run.plan
        edited = under is not None and under.name in names and under.digest != plan.digest
        if under is not None and edited and finished_seeds(item):
            older.setdefault(under.digest, item)
    said += _reworded(repo, plan, runs)
    for item in older.values():
        terms = _differences(repo, plan, item)
        changed = f": {', '.join(terms)}" if terms else ""
        said.append(
            f"the plan was changed after run {item.run.id[:8]}{changed}; "
            "what was run under the older one does not count for the candidate"
        )
    direction = config.directions.get(plan.metric)
    if direction is not None and direction is not plan.direction:
        said.append(
            f"the plan says that {plan.metric} is better when {_word(plan.direction.value)}, "
            f"and the settings now say {_word(direction.value)}"
        )
    return said


def _reworded(repo: Repo, plan: Plan, runs: Iterable[FoundRun]) -> Iterator[str]:
    """Say what the hypothesis was at the first run: it does not bind, and is what people read."""
    mine = [item for item in runs if is_under(item, plan) and finished_seeds(item)]
    first = min(mine, key=lambda item: item.order, default=None)
    if first is None or first.run.plan is None:
        return
    try:
        old = plan_named(repo, first.run.plan.name, first.commit)
    except GitexpError:
        return
    if old is not ABSENT and old.hypothesis != plan.hypothesis:
        yield f"the hypothesis was reworded after the first run; it was: {old.hypothesis[:_LONG]}"


def _differences(repo: Repo, plan: Plan, item: FoundRun) -> list[str]:
    """Return the binding terms that differ from the plan as a run's commit has it."""
    name = plan.name if item.run.plan is None else item.run.plan.name
    try:
        old = plan_named(repo, name, item.commit)
    except GitexpError:
        return []
    if old is ABSENT:
        return []
    before, after = _terms(old), _terms(plan)
    return [
        f"{key} {before[key]} -> {value}" for key, value in after.items() if before[key] != value
    ]


def _terms(plan: Plan) -> dict[str, str]:
    return {name: _text(name, value) for name, value in binding(plan).items()}


def _text(name: str, value: ParamValue) -> str:
    if isinstance(value, tuple):
        return " ".join(sorted(map(str, value))) or "none"
    if isinstance(value, float):
        return f"{value:g}"
    text = "none" if value is None else str(value)
    return text[:_SHORT] if name == "baseline" else text


def _word(direction: str) -> str:
    return "larger" if direction == "max" else "smaller"
