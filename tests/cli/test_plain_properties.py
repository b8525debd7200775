"""What has to leave the answer of `gitexp test` as it is, for each design."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from gitexp.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.text.jsontext import Json

Rows = list[tuple[str, float]]

DESIGNS = {
    "paired": ("seed", 8, 8),
    "independent": ("", 8, 8),
    "independent, unequal": ("", 8, 5),
    "independent, drawn": ("", 12, 12),
    "independent, unequal and drawn": ("", 20, 15),
    "folds": ("fold", 10, 10),
    "datasets": ("dataset", 9, 9),
}


@pytest.fixture
def ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> object:
    def call(design: str, low: Rows, high: Rows, *, better: str = "max") -> dict[str, Json]:
        for name, rows in (("a", low), ("b", high)):
            head = f"{DESIGNS[design][0] or 'ignored'},n_train,n_test,f1\n".replace("ignored,", "")
            text = head + "".join(f"{key}90,10,{value!r}\n" for key, value in rows)
            (tmp_path / f"{name}.csv").write_text(text, "utf-8")
        how = ("--design", design.split(",", maxsplit=1)[0], "--metric", f"f1:{better}")
        code = main(
            ["test", *how, "--effect", ">0", "--json", "-C", str(tmp_path), "a.csv", "b.csv"]
        )
        out, err = capsys.readouterr()
        assert code in {0, 1, 6}, err
        return json.loads(out)

    return call


def sides(design: str) -> tuple[Rows, Rows]:
    key, n, m = DESIGNS[design]
    rng = random.Random(4)  # noqa: S311  fixed values

    def side(mean: float, number: int) -> Rows:
        return [(f"{i}," if key else "", rng.gauss(mean, 0.02)) for i in range(number)]

    return side(0.8, n), side(0.81, m)


def numbers(found: dict[str, Json]) -> tuple[float, ...]:
    metric = found["metrics"][0]
    result, interval = metric["result"], metric["interval"]
    names = ("p_value", "p_support", "p_refute")
    return (
        *(result[name] for name in names),
        metric["difference"],
        *map(interval.get, ("low", "high")),
    )


def moved(rows: Rows, scale: float, shift: float = 0.0) -> Rows:
    return [(key, value * scale + shift) for key, value in rows]


@pytest.mark.parametrize("design", DESIGNS)
def test_swapped_files_give_the_mirrored_answer(ask: object, design: str) -> None:
    low, high = sides(design)
    p, support, refute, difference, *interval = numbers(ask(design, low, high))
    mirrored = (p, refute, support, -difference, -interval[1], -interval[0])
    assert numbers(ask(design, high, low)) == pytest.approx(mirrored)
    lost = numbers(ask(design, moved(low, -1), moved(high, -1), better="min"))
    assert lost[:3] == pytest.approx((p, support, refute))


@pytest.mark.parametrize("design", DESIGNS)
def test_the_order_of_the_rows_changes_nothing(ask: object, design: str) -> None:
    low, high = sides(design)
    before = ask(design, low, high)
    for rows, seed in ((low, 1), (high, 2)):
        random.Random(seed).shuffle(rows)  # noqa: S311  fixed values
    after = ask(design, low, high)
    assert numbers(after) == pytest.approx(numbers(before))
    assert after["headline"] == before["headline"]


@pytest.mark.sweep
@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("scale", [1e-150, 1e-6, 1e6, 1e150])
def test_another_unit_leaves_p(ask: object, design: str, scale: float) -> None:
    low, high = sides(design)
    before, after = ask(design, low, high), ask(design, moved(low, scale), moved(high, scale))
    assert numbers(after)[:3] == pytest.approx(numbers(before)[:3])
    assert after["verdict"] == before["verdict"]


@pytest.mark.sweep
@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("shift", [-3.0, 1e6])
def test_another_zero_leaves_p_and_the_difference(ask: object, design: str, shift: float) -> None:
    low, high = sides(design)
    before = numbers(ask(design, low, high))
    after = numbers(ask(design, moved(low, 1, shift), moved(high, 1, shift)))
    assert after == pytest.approx(before, rel=1e-3)  # drawn labels: near ties
