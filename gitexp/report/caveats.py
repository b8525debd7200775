"""What stands around a comparison's test, as labelled lines: power, failures, selection, ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.model.comparison import NOBODY, PYTHON
from gitexp.model.plan import ALPHA, HypothesisKind, OnFailed, Plan, StoppingRule, Verdict
from gitexp.model.result import Role
from gitexp.records.terms import told_apart
from gitexp.report import numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.comparison import Comparison, Detectable, Ledger, Missing, Selection, Siblings

_ISOLATION = {
    PYTHON: "Python: its processes in the repeats were heard, other programs were not",
    NOBODY: "not observed: nobody knows what the repeats read beside their inputs",
}
_FEW = 4  # names of experiments
_METHODS = {
    "holm": "Holm",
    "bonferroni": "Bonferroni",
    "hochberg": "Hochberg",
    "bh": "Benjamini-Hochberg (the share of false discoveries, not their number)",
    "by": "Benjamini-Yekutieli (the share of false discoveries, not their number)",
}


def lines(comparison: Comparison) -> Iterator[tuple[str, str]]:
    """Return label and text of each line; nothing where there is nothing to say."""
    if comparison.selection is not None:
        planned = comparison.plan is not None
        yield (
            "selection",
            selection_text(comparison.selection, _alpha(comparison), planned=planned),
        )
    if comparison.missing is not None:
        for text in missing_texts(comparison.missing):
            yield "unfinished" if comparison.missing.interrupted else "failed", text
    if comparison.detectable is not None:
        for text in detectable_texts(comparison, comparison.detectable):
            yield "power", text
    yield from _made(comparison)
    family = family_text(comparison)
    if family:
        yield "family", family
    if comparison.siblings is not None:
        yield "siblings", siblings_text(comparison.siblings)
    if comparison.ledger is not None:
        yield "ledger", ledger_text(comparison.ledger)


def _made(comparison: Comparison) -> Iterator[tuple[str, str]]:
    """Yield by what, and seen by whom, the repeats were measured."""
    if comparison.evaluator is not None and comparison.evaluator.lacking:
        yield "evaluator", f"evaluation not frozen: {comparison.evaluator.lacking}"
    if comparison.isolation:
        yield "isolation", _ISOLATION.get(comparison.isolation, comparison.isolation)


def family_text(comparison: Comparison) -> str:
    """Say which p-values are a family and how they are adjusted; "" for a single one."""
    tested = [
        (metric.baseline_values, metric.candidate_values, metric.parts)
        for metric in comparison.metrics
        if metric.role is Role.WATCHED and metric.p_adjusted is not None
    ]
    watched, different = str(len(tested)), len(set(tested))
    if len(tested) <= 1:
        return ""
    if different < len(tested):
        watched = f"{different} different of {watched}"
    if comparison.adjustment == "none":
        return f"{watched} watched metrics, not adjusted because you asked"
    method = _METHODS.get(comparison.adjustment, comparison.adjustment)
    return f"{watched} watched metrics, adjusted by {method}"


def adjusted_p(method: str) -> str:
    """Return what an adjusted p-value is called in a table."""
    names = {"none": "plain p", "bh": "BH p", "by": "BY p"}
    return names.get(method, f"{method.capitalize()} p")


def stopping_text(plan: Plan) -> str:
    """Say when a plan with a stopping rule may be looked at."""
    rule = plan.stopping
    if rule is None:
        return f"once, at {plan.repeats} repeats"
    if rule.rule is StoppingRule.ALWAYS_VALID:
        return f"after every repeat, by always-valid p-values; {plan.repeats} are planned"
    looks = ", ".join(str(n) for n in rule.at(plan.repeats))
    name = {StoppingRule.POCOCK: "Pocock"}.get(rule.rule, "O'Brien-Fleming")
    return f"at {looks} repeats, by the boundary of {name}"


def detectable_texts(comparison: Comparison, found: Detectable) -> Iterator[str]:
    """Say what the design finds, and how many repeats its promise needs."""
    chance = f"{found.power * 100:g} %"
    size = rounded(found.distance)
    share = "" if found.relative is None else f" ({numbers.percent(found.relative, signed=False)})"
    effect = comparison.effect
    kind = None if effect is None else effect.kind
    spread = f"{found.units} {found.unit} of spread {rounded(found.spread)}"
    for metric in comparison.metrics:
        if metric.role is Role.PRIMARY and metric.variance is not None:
            error = rounded(metric.variance.standard_error)
            spread = f"{found.units} {found.unit}, standard error {error},"
    if kind is HypothesisKind.EQUIVALENCE:
        yield f"{spread} show equivalence within {size}{share} with {chance} power"
    else:
        beyond = "from no change" if effect is None or effect.margin == 0 else "from the promise"
        yield f"{spread} find a true effect {size}{share} away {beyond} with {chance} power"
    answered = comparison.verdict in {Verdict.SUPPORTED, Verdict.EQUIVALENT, Verdict.REFUTED}
    if found.needed is not None and comparison.plan is not None and not answered:
        question = told_apart(comparison.plan)
        yield f"{found.needed:,} {found.unit} would {question}, with {chance} power"


def missing_texts(found: Missing) -> Iterator[str]:
    """Say which repeats failed, under which policy, and what they could do."""
    sides = [
        f"{numbers.seeds(seeds)} of the {side}"
        for side, seeds in (("baseline", found.baseline), ("candidate", found.candidate))
        if seeds
    ]
    them = "it" if len(found.baseline) + len(found.candidate) == 1 else "them"
    policy = (
        f"the plan goes on without {them}"
        if found.policy is OnFailed.DROP
        else f"the plan says no yes without {them}"
    )
    said = f"gitexp run goes on with {them}" if found.interrupted else policy
    yield f"{' and '.join(sides)}; {said}"
    if found.best and found.worst:
        yield (
            "were the missing as good for the candidate as the best value seen: "
            f"{found.best}{_p(found.best_p)}; as bad as the worst seen: "
            f"{found.worst}{_p(found.worst_p)}"
        )


def selection_text(found: Selection, alpha: float, *, planned: bool) -> str:
    """Say how many configurations there were to pick from, and what that does to alpha."""
    if found.price:
        return (
            f"try {found.configurations} {found.how} (each candidate, each amended version and "
            "each plan of one candidate, of which a score was seen, is one): p is multiplied by "
            f"{found.price}, that of the first by nothing, so that whoever stops at the first yes "
            f"gets a wrong one in at most {150 * alpha:g} %; what is chosen or amended before the "
            "first score costs nothing"
        )
    picked = f"{found.configurations} configurations were run {found.how}"
    if found.fresh:
        return f"{picked}; what counts here is fresh, so alpha holds"
    luck = (
        f"{picked}: the best of them looks good by luck in up to "
        f"{numbers.percent(found.inflation, signed=False, decimals=0)} instead of "
        f"{alpha * 100:g} %"
    )
    if not planned:
        return f"{luck}, and no p here pays for that; a plan with fresh seeds would"
    return f"{luck}; p is multiplied by {found.configurations}"


def ledger_text(found: Ledger) -> str:
    """Say how often the evaluation data have been used for a decision."""
    budget = "" if found.budget is None else f"; {numbers.amount(found.budget, 'decision')} may be"
    data = "these evaluation data"
    if found.raw:
        data = "the same raw data, whatever each takes of them to test on"
    if not found.experiments:
        return f"no other experiment was decided on {data}{budget}"
    names = found.experiments[-_FEW:]
    more = len(found.experiments) - len(names)
    listed = f"{', '.join(names)}{f' and {more} more' if more else ''}"
    others = numbers.amount(len(found.experiments), "other experiment")
    verb = "was" if len(found.experiments) == 1 else "were"
    return f"{others} {verb} decided on {data} ({listed}){budget}"


def siblings_text(found: Siblings) -> str:
    """Say which other experiments had a chance of a yes on the same data."""
    parts = []
    if found.experiments:
        listed = numbers.listed([each.name for each in found.experiments], _FEW)
        parts.append(
            f"{numbers.amount(len(found.experiments), 'other experiment')} on the same data "
            f"({listed}), with none supported on this metric and merged in between: the p that "
            "decides is Holm's over all"
        )
    if found.newer:
        listed = numbers.listed(found.newer, _FEW)
        parts.append(f"since the conclusion, and not counted: {listed}")
    if found.missed:
        listed = numbers.listed(found.missed, _FEW)
        parts.append(f"before the conclusion, and unknown where it was reached: {listed}")
    return "; ".join(parts)


def rounded(value: float) -> str:
    """Return a size with two digits that mean something.

    >>> rounded(0.012345), rounded(123.4)
    ('0.012', '123')
    """
    return f"{value:.3g}" if abs(value) >= 1 else f"{value:.2g}"


def _p(p: float | None) -> str:
    return "" if p is None else f" (p = {numbers.p_text(p)})"


def _alpha(comparison: Comparison) -> float:
    return ALPHA if comparison.plan is None else comparison.plan.alpha
