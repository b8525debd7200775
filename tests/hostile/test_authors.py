"""Who recorded a run is who committed it, whomever its record names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest

from gitexp.enforcement.review import review
from gitexp.git.transaction import layout
from gitexp.report import brief
from tests.lab.records import START, Lab, experiment, scores

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo

ADA, EVE, BOB = (
    ("Ada Lovelace", "ada@example.org"), ("Eve", "eve@example.org"), ("Bob", "bob@example.org"),
)  # fmt: skip
# Who commits the second set of repeats, whom its record names, and what is said then.
WAYS: Final[dict[str, tuple[tuple[str, str], tuple[str, str], str]]] = {
    "another's name": (EVE, ADA, "nobody else yet"),
    "nobody's name": (EVE, ("Grace", "grace@example.org"), "nobody else yet"),
    "her other address": (("Eve", "eve@example.com"), ADA, "nobody else yet"),
    "her other name": (("Eva", "Eve@Example.org"), ADA, "nobody else yet"),
    "by another": (BOB, BOB, "Bob (1 run, seeds 7-9)"),  # the control
    "another's commit of her name": (BOB, EVE, "Bob (1 run, seeds 7-9; THE RECORD SAYS Eve)"),
}


def named(repo: BuiltRepo, letter: str, who: tuple[str, str], by: tuple[str, str]) -> None:
    path = layout.run_json(letter * 16)  # type: ignore[arg-type]
    record = json.loads((repo.path / path).read_text())
    record["author"] = dict(zip(("name", "email"), who, strict=True))
    (repo.path / path).write_text(json.dumps(record))
    repo.git("add", "--force", ".gitexp")
    repo.git("commit", "-q", "--amend", "--no-edit", f"--author={by[0]} <{by[1]}>")


@pytest.mark.parametrize("way", WAYS)
def test_only_another_commit_author_reproduced_it(repo: BuiltRepo, way: str) -> None:
    by, who, said = WAYS[way]
    lab = Lab(repo)
    plan = experiment(lab, n=7)
    named(repo, "c", EVE, EVE)
    lab.record("d", {"f1": scores(0.65, range(7, 10))}, plan=plan)
    named(repo, "d", who, by)
    found = review(repo.workspace, "main...exp/deep", now=START)
    text = brief.joined(brief.recorded(found.experiments[0]), lambda part: part.text)
    first, _, others = text.partition("; reproduced by: ")
    assert first.startswith("Recorded by Eve (")
    assert others == said
    assert (f"THE RECORD SAYS {who[0]}" in text) is (who != by)
