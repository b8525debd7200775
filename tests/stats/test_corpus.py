"""Every reference case gives the published numbers, within the tolerance that it states.

The way in for cases from elsewhere is this file, `python -m pytest tests/stats/test_corpus.py
--corpus DIR` or `GITEXP_STATS_CORPUS=DIR`; from Python, in a checkout, it is `run(name, input)` of
`tests.stats.reference`. No module of `gitexp.stats` is one: that room is not public.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitexp.errors import DesignError
from tests.stats import reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DEFAULT = Path(__file__).parent / "corpus"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" not in metafunc.fixturenames:
        return
    folder = Path(metafunc.config.getoption("corpus") or DEFAULT)
    files = sorted(folder.glob("*.json"))
    if not files:
        message = f"no cases in {folder}"
        raise pytest.UsageError(message)
    cases = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    metafunc.parametrize("case", cases, ids=[file.stem for file in files])


def differences(
    expected: object, actual: object, tolerance: Mapping[str, object], key: str = ""
) -> Iterator[str]:
    """Yield a line for each number that lies outside its tolerance."""
    per_key = tolerance.get("per_key", {})
    if isinstance(expected, dict):
        if not isinstance(actual, dict):
            yield f"{key}: expected a dictionary, not {actual}"
            return
        missing = set(expected) - set(actual)
        surplus = set(actual) - set(expected) if key else set()  # a case may leave fields out
        if missing or surplus:
            yield f"{key or 'case'}: missing {sorted(missing)}, not expected {sorted(surplus)}"
        for name in expected.keys() & actual.keys():
            inner = {**tolerance, **per_key.get(name, {})}
            yield from differences(expected[name], actual[name], inner, name)
    elif isinstance(expected, list):
        if not isinstance(actual, (list, tuple)) or len(actual) != len(expected):
            yield f"{key}: expected {len(expected)} elements, not {actual}"
            return
        for wanted, given in zip(expected, actual, strict=True):
            yield from differences(wanted, given, tolerance, key)
    elif not same_leaf(expected, actual, tolerance):
        yield f"{key}: {actual!r} instead of {expected!r}"


def same_leaf(expected: object, actual: object, tolerance: Mapping[str, object]) -> bool:
    if isinstance(expected, (bool, str)) or not isinstance(actual, (int, float)):
        return expected == actual
    if actual == expected:  # infinities too
        return True
    return abs(actual - expected) <= max(tolerance["abs"], tolerance["rel"] * abs(expected))


def test_a_reference_case_gives_the_expected_numbers(case: dict[str, object]) -> None:
    actual = reference.run(case["test"], case["input"])
    assert not list(differences(case["expected"], actual, case["tolerance"]))


def test_every_named_test_has_a_case_in_the_default_corpus() -> None:
    named = {
        json.loads(file.read_text(encoding="utf-8"))["test"] for file in DEFAULT.glob("*.json")
    }
    assert named == set(reference.TESTS)


def test_an_unknown_name_fails() -> None:
    with pytest.raises(DesignError, match="unknown test"):
        reference.run("no_such_test", {})


def test_an_unknown_key_fails() -> None:
    with pytest.raises(DesignError, match="other keys"):
        reference.run("cliffs_delta", {"a": [1.0], "b": [2.0], "c": 3})


def test_an_option_that_is_not_implemented_fails() -> None:
    case = {"a": [1.0], "b": [2.0], "statistic": "median_difference"}
    with pytest.raises(DesignError, match="knows one statistic only"):
        reference.run("paired_permutation_test", case)


def test_the_comparison_sees_each_kind_of_difference() -> None:
    tolerance = {"abs": 0.1, "rel": 0.0, "per_key": {"p": {"abs": 0.5, "rel": 0.0}}}
    expected = {"x": 1.0, "p": 1.0, "ok": True, "inner": {"list": [1.0, 2.0]}, "far": math.inf}
    same = {**expected, "x": 1.05, "p": 1.4, "inner": {"list": [1.0, 2.05]}, "more": 1}
    assert not list(differences(expected, same, tolerance))
    for change in (
        {"x": 1.2},
        {"x": float("nan")},
        {"p": 1.6},
        {"ok": False},
        {"far": -math.inf},
        {"far": 1e300},
        {"inner": {"list": [1.0]}},
        {"inner": {"list": [1.0, 2.0], "more": 1}},
        {"inner": {}},
    ):
        assert list(differences(expected, {**same, **change}, tolerance)), change
