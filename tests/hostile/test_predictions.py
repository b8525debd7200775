"""Predictions, data sets and folds that somebody else recorded: compared and shown without harm."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tracemalloc
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import numpy as np
import pytest

from gitexp.cli.dispatch import dispatch
from gitexp.git.transaction import layout
from gitexp.model.config import Predictions
from gitexp.model.ids import Md5
from gitexp.model.plan import Claim
from gitexp.model.run import FileHash, Sample
from tests.lab.records import CONFIG, Lab

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.lab.build import BuiltRepo

N = 200
EVIL = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "\u202egnp.exe",
    r"\input{/etc/passwd}\write18{id}",
    "`x`|||\\",
    "=cmd|' /C calc'!A0",
    "\x1b]52;c;aGFjaw==\x07",
    "@everyone #1 [a](javascript:x)",
    "&lt;script&gt;$(id)%0a",
    "\u200b\ufeff",
)
FORMATS = ("text", "md", "html", "latex", "csv", "json")
HANDLERS = {"src", "href", "onerror", "onload", "onclick"}  # attributes that no page of ours has


class _Page(HTMLParser):
    """Collects tags and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    return Lab(repo)


def cached(lab: Lab, data: bytes, path: str) -> FileHash:
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    place = lab.repo.path / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    return FileHash(path, Md5(md5), len(data))


def table(right: float, group: Callable[[int], str], *, as_json: bool) -> tuple[bytes, float]:
    """Return predictions of which a share is right, and that share."""
    rng = np.random.default_rng(int(right * 100))
    hit = rng.random(N) < right
    rows = [
        {"id": f"e{i}", "y_true": str(i % 2), "y_pred": str(i % 2 if hit[i] else 1 - i % 2),
         "group": group(i)}
        for i in range(N)
    ]  # fmt: skip
    if as_json:
        return json.dumps(rows).encode(), float(hit.mean())
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode(), float(hit.mean())


def models(lab: Lab, group: Callable[[int], str], path: str = "p.csv") -> None:
    """Record two models whose examples belong to these groups."""
    spec = Predictions(path)
    lab.init(replace(CONFIG, predictions=spec, min_slice=1), {".dvc/config": ""})
    plan = lab.plan(claim=Claim.MODEL, repeats=1, metric="accuracy", effect=">0")
    lab.change()
    for letter, right, of in (("b", 0.6, "main"), ("c", 0.9, "HEAD")):
        data, share = table(right, group, as_json=path.endswith(".json"))
        outputs = {0: (cached(lab, data, path),)}
        lab.record(letter, {"accuracy": {0: share}}, of=of, plan=plan, outputs=outputs)


def said(lab: Lab, capsys: pytest.CaptureFixture[str], *argv: str, codes: Sequence[int]) -> str:
    code = dispatch(["-C", str(lab.repo.path), *argv])
    out, err = capsys.readouterr()
    assert code in codes, (argv, code, err)
    for text in (out, err):
        assert all(char.isprintable() or char in "\n\t" for char in text), argv
    return out


def check_harmless(text: str, form: str) -> None:
    """Fail where a page could run, load or mention something."""
    if form == "html":
        page = _Page()
        page.feed(text)
        assert page.tags.isdisjoint({"script", "img", "a", "iframe", "link", "object"})
        assert page.attributes.isdisjoint(HANDLERS)
    elif form == "latex":
        bare = [line for line in text.splitlines() if not line.startswith("%")]
        assert not any(r"\input" in line or r"\write" in line for line in bare)
    elif form == "csv":
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
        assert not any(cell.startswith(("=", "@", "\t")) for cell in cells)
    elif form == "md":
        outside = "".join(part for line in text.splitlines() for part in line.split("`")[::2])
        assert "<script" not in outside
        assert "<img" not in outside


@pytest.mark.parametrize("form", FORMATS)
def test_values_of_a_column_are_shown_and_never_obeyed(
    lab: Lab, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    models(lab, lambda i: EVIL[i % len(EVIL)])
    asked = ("compare", "--by", "group", "--categories", "group", "--format", form)
    check_harmless(said(lab, capsys, *asked, codes=[0]), form)


@pytest.mark.parametrize("form", FORMATS)
def test_names_of_data_sets_are_shown_and_never_obeyed(
    lab: Lab, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.init()
    plan = lab.plan(effect=">0", repeats=1)
    lab.change()
    for letter, base, of in (("b", 0.5, "main"), ("c", 0.7, "HEAD")):
        samples = tuple(
            Sample("f1", 0, base + 0.01 * index, dataset=name) for index, name in enumerate(EVIL)
        )
        lab.record(letter, {}, of=of, plan=plan, samples=samples)
    check_harmless(said(lab, capsys, "compare", "--format", form, codes=[0, 1, 6]), form)
    said(lab, capsys, "list", "--runs", codes=[0])


@pytest.mark.parametrize(
    "group",
    [
        pytest.param(lambda i: f"u{i}", id="each its own"),
        pytest.param(lambda _: "one", id="all one"),
        pytest.param(lambda i: "one" if i else "single", id="one member"),
        pytest.param(lambda _: "", id="nothing"),
        pytest.param(lambda i: "a\0" if i % 2 else "a", id="a NUL apart"),
    ],
)
def test_groups_of_any_size_are_answered(
    lab: Lab, group: Callable[[int], str], capsys: pytest.CaptureFixture[str]
) -> None:
    models(lab, group)
    for option in ("--cluster", "--by", "--categories"):
        said(lab, capsys, "compare", option, "group", codes=range(7))


def test_few_clusters_are_counted_as_clusters(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    models(lab, lambda i: "one" if i else "single")
    text = said(lab, capsys, "compare", "--cluster", "group", codes=[6])
    assert "whole clusters are swapped: it needs 5, 2 are there" in text.splitlines()[0]


def test_one_long_label_takes_its_own_room_only(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    models(lab, lambda i: f"{i % 3}" if i else "x" * 1_000_000, "p.json")
    tracemalloc.start()
    try:
        for option in ("--cluster", "--by", "--categories"):
            said(lab, capsys, "compare", option, "group", codes=range(7))
        assert tracemalloc.get_traced_memory()[1] < 400 << 20  # each as long: 1.6 GB
    finally:
        tracemalloc.stop()


def test_a_group_that_main_holds_too_small_is_shown_by_no_branch(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    models(lab, lambda i: "rare" if i < 3 else f"common{i % 2}")
    asked = ("compare", "--by", "group", "-v")
    assert "rare" in said(lab, capsys, *asked, codes=range(7))  # the control
    text = lab.repo.show(layout.CONFIG, "main").replace("min_slice: 1\n", "min_slice: 10\n")
    branch = lab.repo.git("branch", "--show-current").strip()
    lab.repo.switch("main")
    lab.repo.commit({layout.CONFIG: text}, at=lab.tick())
    lab.repo.switch(branch)
    shown = said(lab, capsys, *asked, codes=range(7))
    assert "rare" not in shown
    assert "fewer than 10 examples" in shown
    assert "min_slice: 10 holds, which is main's" in " ".join(shown.split())
    assert "min_slice" not in said(lab, capsys, "compare", codes=range(7))
