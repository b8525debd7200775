"""What failed of the present inputs and was not made up for, and the way on from there.

Values are never read.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import posixpath
import re
import shlex
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Final

from gitexp.comparison.eligible import ROW_IDS, is_under, predicted_others, unique, was_under
from gitexp.dvc import pipeline
from gitexp.dvc.input_parts import ignore_rules
from gitexp.errors import GitexpError
from gitexp.git import objects
from gitexp.git.transaction import layout
from gitexp.model import dataclass, replace
from gitexp.model.clocked import is_clocked
from gitexp.model.ids import ABSENT
from gitexp.model.job import CHANGED_LINKS
from gitexp.model.plan import Claim, OnFailed, Plan
from gitexp.model.run import Repeat, RepeatState
from gitexp.records.terms import guard_text
from gitexp.report import numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from gitexp.comparison.counting import Count, FoundRuns, SideCount
    from gitexp.comparison.sides import ResolvedSide
    from gitexp.comparison.tally import Settled
    from gitexp.git.repository import Repo

RENUMBERED: Final = f"ids of predictions name other rows for other seeds, {ROW_IDS}"
NO_MODULE: Final = re.compile(r"No module named '?([\w.]{1,100})")
_CHANCE: Final = 0.8
_FEWEST_GOOD: Final = 0.25  # of seeds: below, nobody would go on
_SEVERAL: Final = re.compile(r"several metrics files give (.+?); ([^;]+)")


@dataclass(frozen=True, slots=True)
class Failure:
    """Repeats of one side that never finished, with the newest run that has one."""

    side: str
    run: str
    text: str
    interrupted: bool = False  # by a person or a kill
    dropped: bool = False  # as the plan says
    remedy: str = ""  # where the plan asks for what no run can give
    path: str = ""  # where in the project a module lies that was not found
    seen: str = ""  # what brings it into the job's folder, which it is left out of
    # what drops a seed that failed each time that it ran, by how many experiments share alpha
    amend: Callable[[int], str] | None = None
    # what its plan is amended by first where mending changes the candidate, likewise; "": nothing
    anew: Callable[[int], str] | None = None
    of_snapshot: bool = False  # for which alone it ran: what counts is judged without it
    passable: bool = False  # and the repeats that count do not need what it failed in


def standing(repo: Repo, settled: Settled) -> tuple[Failure, ...]:
    """Return what failed of the present inputs and was not made up for, the candidate's first."""
    if settled.plan is None:
        return ()
    baseline, candidate = settled.sides
    both = (
        ("candidate", candidate, settled.count.candidate),
        ("baseline", baseline, settled.count.baseline),
    )
    every = [
        (
            source,
            replace(
                item,
                dropped=seeds <= settled.count.given_up,
                amend=_dropping(settled, settled.plan, source, side),
                anew=partial(unable, settled, settled.plan) if name == "candidate" else None,
            ),
            last,
        )
        for name, source, side in both
        for seeds in [{seed for seed, _ in side.failed}]
        for item, last in _failed(settled.gathered.found, name, source, side, settled.plan)
    ]
    every += [(candidate, item, last) for item, last in _of_snapshot(repo, settled, settled.plan)]
    return tuple(
        replace(
            item,
            remedy=remedy(last.reason, settled.plan),
            path="" if seen else path,
            seen=seen,
        )
        for source, item, last in every
        for path, seen in [_own_module(repo, source, last.last_line)]
    )


def after(
    failed: Sequence[Failure], step: str, plan: Plan | None, shares: Callable[[], int] = lambda: 1
) -> str:
    """Return what to type next: not the call that failed, before that is mended.

    `shares`: among how many experiments the plan shares alpha.
    """
    goes_on = "gitexp run" in step
    left = [item for item in failed if not (item.interrupted or item.dropped)]
    mend = next((item for item in left if goes_on or not item.of_snapshot), None)
    if mend is None:
        return step
    way = mend.remedy or mend.seen or f"gitexp logs {mend.run[:8]}; mend it"
    if mend.path and goes_on:
        again = step.replace("gitexp run", f"PYTHONPATH={mend.path} gitexp run", 1)
        way = f"{again}; or, where that fails, too, {way}"
    drops = mend.passable or (plan is not None and plan.on_failed is OnFailed.DROP)
    rest = step.replace("gitexp run", "gitexp run --keep-going", 1)
    without = f"; or, to go on without it, {rest}" if drops and goes_on else ""
    without += f"; or, as it fails each time, {mend.amend(shares())}" if mend.amend else ""
    if mend.remedy or plan is None or mend.side != "baseline":
        anew = mend.anew(shares()) if goes_on and mend.anew and not mend.remedy else ""
        first = f"; if that changes the candidate, {anew} first" if anew else ""
        return f"{way}, then {step}{first}{without}"
    # The baseline is a commit, which no change of its branch mends.
    name, switch = shlex.quote(plan.baseline.name), step.partition("gitexp run")[0]
    amend = f'{switch}git merge {name} && gitexp amend-plan --baseline {name} --why "it failed"'
    return f"{way} on {name}, then {amend} and gitexp run --with-baseline" + without


def remedy(reason: str, plan: Plan | None) -> str:
    """Return the way out of a failure that no log explains, as of a plan for what no run gives."""
    if reason.startswith(CHANGED_LINKS):
        return (
            "write elsewhere, or take that path out of run.link in .gitexp/config.yaml, and commit"
        )
    if plan is None:
        return ""
    if reason.startswith(f"metric {plan.metric} was not reported"):
        return "write that metric, or gitexp amend-plan --metric ONE-THAT-IS-REPORTED --why TEXT"
    several = _SEVERAL.match(reason)
    if several is None:
        return ""
    first, *others = several[2].split(", ")
    terms = [("metric", first)] if several[1] == plan.metric else []
    if several[1] in {guard.metric for guard in plan.guards}:  # they are given all at once
        terms += [
            ("guard", guard_text(replace(g, metric=first) if g.metric == several[1] else g))
            for g in plan.guards
        ]
    options = " ".join(f"--{name} {shlex.quote(text)}" for name, text in terms)
    beside = ", ".join(map(shlex.quote, others))
    return f"gitexp amend-plan {options} --why TEXT (or {beside})" if options else ""


def _own_module(repo: Repo, source: ResolvedSide, line: str) -> tuple[str, str]:
    """Return where a module lies in the project that a repeat did not find; "" where nowhere.

    Whoever runs with a variable, and once forgets it, has nothing to mend in a commit. Then what
    is to be done where the settings leave it out of every job's folder: no variable helps there.
    """
    found = NO_MODULE.search(line)
    project, name = source.config.project, "" if found is None else found[1].replace(".", "/")
    with contextlib.suppress(GitexpError):  # beyond the edge of a shallow clone
        for base in (".", "src") if name else ():
            path = posixpath.normpath(posixpath.join(base, name))
            for each in (f"{path}.py", path):
                there = posixpath.join(project, each)
                if objects.entry_at(repo, source.commit, there) is ABSENT:
                    continue
                below = [e.text for e in objects.list_dir(repo, source.commit, there)]
                files = [posixpath.join(each, name) for name in below] or [each]
                if not all(map(ignore_rules(source.state(repo), {}).ignores, files)):
                    return base, ""
                if source.config.inputs_rules > 1:
                    return base, f"gitexp init --add-inputs {shlex.quote(each)}"
                return base, f"take {each} out of inputs.ignore in {layout.CONFIG}, and commit it"
    return "", ""


def _failed(
    found: FoundRuns, name: str, source: ResolvedSide, side: SideCount, plan: Plan
) -> Iterator[tuple[Failure, Repeat]]:
    """Yield what failed of a side, but for what an amendment has answered since."""
    seeds = {seed for seed, _ in side.failed}
    every = [
        (item, repeat)
        for item in sorted(found, key=lambda item: item.order)
        if item.run.inputs == source.inputs and (is_under(item, plan) or not was_under(item, plan))
        for repeat in item.run.repeats
        if repeat.seed in seeds and repeat.state is not RepeatState.FINISHED
    ]
    if not every:
        return
    item, _ = every[-1]
    of_newest = sorted((r for run, r in every if run is item), key=lambda each: each.interrupted)
    whose = "" if name == "candidate" else f" of the {name}"
    interrupted = all(repeat.interrupted for repeat in of_newest)
    stopped = 0 if interrupted else sum({r.seed: r.interrupted for _, r in every}.values())
    n = len(seeds) - stopped
    more = f", {stopped} more stopped" if stopped else ""
    text = f"{n}{whose} {_ended(of_newest[0], n)}{more}; gitexp logs {item.run.id[:8]}"
    yield Failure(name, item.run.id, text, interrupted), of_newest[0]


def _dropping(
    settled: Settled, plan: Plan, source: ResolvedSide, side: SideCount
) -> Callable[[int], str] | None:
    """Return what drops a seed that failed more than once; None for none."""
    seeds = {seed for seed, _ in side.failed}
    tries = Counter(
        repeat.seed
        for item in unique(settled.gathered.found)
        if item.run.inputs == source.inputs
        for repeat in item.run.own_repeats
        if repeat.seed in seeds and not repeat.interrupted
    )
    again = any(n > 1 for n in tries.values()) and side.repeats  # else all fail, and are mended
    if not again or plan.on_failed is OnFailed.DROP or plan.claim is Claim.MODEL:
        return None
    return partial(_dropped, settled, plan)


def _dropped(settled: Settled, plan: Plan, shares: int) -> str:
    """Return the call that drops what fails, and what it costs: p pays for the version before."""
    step, price = "gitexp amend-plan --on-failed drop", settled.amended()
    if plan.drawn and plan.stopping is None:
        dropping = replace(plan, on_failed=OnFailed.DROP)
        needed = with_failures(dropping, settled.count, settled.deciding(plan, price * shares))
        step += f" --repeats {needed}" if needed > plan.repeats else ""
    lost = sum(len(side.repeats) for side in (settled.count.baseline, settled.count.candidate))
    costs = [f"p times {price}"] * (price > 1)
    costs += [f"{numbers.amount(lost, 'finished repeat')} will not count"] * bool(plan.drawn)
    return f"{step} --why TEXT" + (f" ({', '.join(costs)})" if costs else "")


def unable(settled: Settled, plan: Plan, shares: int, price: int = 0) -> str:
    """Return the amendment without which no outcome of a plan's repeats can decide; "" for none.

    `shares`: among how many experiments it shares alpha; `price`: what p is multiplied by, by
    default as of another try.
    """
    if plan.claim is Claim.MODEL or plan.drawn is None or plan.stopping is not None:
        return ""
    enough = settled.deciding(plan, (price or settled.amended()) * shares)
    able = settled.count.left_of(plan.repeats) >= enough
    return "" if able else amending(settled, plan, shares)


def amending(settled: Settled, plan: Plan, shares: int, *, ran: bool = False) -> str:
    """Return what goes on with other seeds: an amendment has to change something."""
    enough = settled.deciding(plan, settled.amended(ran=ran) * shares)
    needed = max(with_failures(plan, settled.count, enough), plan.repeats + 1)
    return f"gitexp amend-plan --repeats {needed} --why TEXT"


def with_failures(plan: Plan, count: Count, needed: int) -> int:
    """Return how many repeats leave so many, if as many seeds fail as did: in four of five cases.

    Where none failed, or others stand in for them, these are the same; so they are where nearly all
    fail, which no number makes up for.
    """
    if plan.on_failed is not OnFailed.DROP or not plan.ends_seeds:
        return needed
    failed = {*itertools.chain(*count.failed)}
    tried = failed.union(count.baseline.repeats, count.candidate.repeats)
    good = 1 - len(failed) / max(1, len(tried))
    if good >= 1 or good < _FEWEST_GOOD:
        return needed
    for n in itertools.count(needed):
        left = (math.comb(n, k) * good**k * (1 - good) ** (n - k) for k in range(needed, n + 1))
        if sum(left) >= _CHANCE:
            return n
    return needed


def _of_snapshot(repo: Repo, settled: Settled, plan: Plan) -> Iterator[tuple[Failure, Repeat]]:
    """Yield what failed for the snapshot alone: it goes first, and nothing begins behind it."""
    candidate = settled.sides[1]
    tried = [
        (item, repeat)
        for item in sorted(settled.gathered.found.candidate, key=lambda item: item.order)
        if item.run.inputs == candidate.inputs
        for repeat in item.run.repeats
        if repeat.seed == item.run.committed_seed
    ]
    for item, last in tried[-1:]:
        alone = item.run.snapshot_only == last.seed and was_under(item, plan)
        if alone and last.state is not RepeatState.FINISHED:
            what = f"seed {last.seed}, run for the snapshot, {_ended(last, 1)}"
            yield (
                Failure(
                    "candidate",
                    item.run.id,
                    f"{what}; gitexp logs {item.run.id[:8]}",
                    last.interrupted,
                    of_snapshot=True,
                    passable=not (remedy(last.reason, plan) or _runs_once(repo, candidate, last)),
                ),
                last,
            )


def _runs_once(repo: Repo, source: ResolvedSide, repeat: Repeat) -> bool:
    """Tell whether a repeat failed in a stage that no seed reaches, as each would."""
    config = source.config
    if config.pipeline is None or not config.seed.params:
        return False
    with contextlib.suppress(GitexpError):  # `run` says what is wrong with it
        read = source.state(repo).dvc.pipeline(config.pipeline)
        stages = () if read is None else read.stages
        reached = pipeline.seeded(stages, config.seed.params, config.once)
        return repeat.stage in {each.name for each in stages} - reached
    return False


def _ended(repeat: Repeat, n: int) -> str:
    state = ("was lost" if n == 1 else "were lost") if repeat.state is RepeatState.LOST else ""
    state = state or repeat.state.value
    stage = f" in {repeat.stage}" if repeat.stage else ""
    killed = repeat.exit_code is not None and repeat.exit_code < 0  # its last line says nothing
    reason = repeat.reason if killed else repeat.last_line or repeat.reason
    reason = "" if reason == repeat.state.value else reason
    return f"{state}{stage}{f': {reason[:200]}' if reason else ''}"


def are_renumbered(top: Path | None, settled: Settled, plan: Plan) -> bool:
    """Whether ids of predictions name other rows for other seeds, by the repeats that count."""
    if plan.rules == 1 or plan.claim is Claim.MODEL or is_clocked(plan.metric):
        return False
    counts = (settled.count.baseline, settled.count.candidate)
    for side, count in zip(settled.sides, counts, strict=True):
        used = [*count.repeats.values()]
        if predicted_others(item.repeat for item in used):
            from gitexp.comparison.designs import resplits  # noqa: PLC0415  loads numerics

            with contextlib.suppress(GitexpError):  # predictions that are not here
                found = resplits.of_side(top, side, used)
                return isinstance(found, str) and found.endswith(ROW_IDS)
    return False


def row_ids(plan: Plan) -> str:
    """Return the way out where ids of predictions are the rows' places in a split of one seed."""
    base = shlex.quote(plan.baseline.name)
    return (
        f"write an id of its own for each row, on {base}; git merge {base}, then "
        f"gitexp amend-plan --baseline {base} --why TEXT"
    )
