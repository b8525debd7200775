"""``.gitexp/experiments/<name>.yaml``, the plan of an experiment; and the verdict on it."""

from __future__ import annotations

import shlex
from typing import Final

from gitexp.errors import BadFormatError, BadHypothesisError
from gitexp.model.plan import Person, Plan, PlanDraft, Verdict
from gitexp.records import codec
from gitexp.records.shapes import schema_of
from gitexp.text.fields import Fields
from gitexp.text.yamltext import yaml_loads

TEMPLATE_HYPOTHESIS: Final = "CHANGE raises METRIC by at least SIZE"  # what --edit offers
_SHORTEST = 3  # words


def load(data: bytes, where: str) -> Plan:
    """Read a plan."""
    _refuse_conflict(data, where)
    return codec.load(Plan, data, where)


def load_draft(data: bytes, where: str) -> PlanDraft:
    """Read what a person wrote down of a plan; every key may be missing."""
    _refuse_conflict(data, where)
    value = yaml_loads(data, where=where)
    return codec.read(PlanDraft, Fields(value if value is not None else {}, where))


def check_hypothesis(text: str) -> None:
    """Refuse a hypothesis that says nothing; raises `BadHypothesisError`."""
    said = " ".join(text.split())
    template = {TEMPLATE_HYPOTHESIS.lower(), "todo", "tbd", "hypothesis", "..."}
    if said.lower().rstrip(".") in template or len(said.split()) < _SHORTEST:
        raise BadHypothesisError(
            "the hypothesis says nothing yet",
            found=repr(said),
            expected=f"a sentence of {_SHORTEST} words or more that a result can contradict",
            next_step='--hypothesis "engineered features raise F1 by at least 5%"',
        )


def _refuse_conflict(data: bytes, where: str) -> None:
    lines = data.split(b"\n")
    marker = next((i for i, line in enumerate(lines, 1) if line.startswith(b"<<<<<<< ")), None)
    if marker is not None:
        raise BadFormatError(
            "the plan has two sides of a merge in it",
            found="<<<<<<< of a merge conflict",
            where=f"{where}, line {marker}",
            expected="one plan",
            next_step=f"keep one side: git checkout --ours -- {shlex.quote(where)} (or --theirs)",
        )


CONCLUSION_BYTES = 16 << 20


def load_verdict(
    data: bytes, where: str
) -> tuple[Verdict | None, str, Person, str, tuple[str, list[str]]]:
    """Read a conclusion's verdict, None where it gives none, its plan's digest, and its author.

    Then of which inputs of the candidate it is; its first line, and which guard-rails are broken.
    """
    value = yaml_loads(data, where=where, limit=CONCLUSION_BYTES)
    schema_of(value, "conclusion", where)
    fields = Fields(value, where)
    fields.text("experiment")
    author = fields.child("author")
    who = Person(author.text("name"), author.text("email", ""))
    fields.time("concluded_at")
    comparison = fields.child("comparison")
    plan = comparison.maybe_child("plan")
    digest = "" if plan is None else codec.read(Plan, plan).digest
    verdict = fields.word("verdict", Verdict) if fields.has("verdict") else None
    metrics = comparison.children("metrics", required=False)
    broken = [one.text("metric") for one in metrics if one.flag("broken", default=False)]
    line = comparison.text("headline", ""), broken
    return verdict, digest, who, comparison.child("candidate").text("inputs"), line
