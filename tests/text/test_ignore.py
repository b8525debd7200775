"""inputs.ignore means what .gitignore means, in linear time."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitexp.errors import BadFormatError, UnsafeInputError
from gitexp.text import foreign

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo

PATHS = """a.txt b.txt dir/a.txt dir/b.txt dir/sub/a.txt dir/sub/deep/x.md docs/a.md src/docs/a.md
README README.md src/README.md foo/bar foo/x/bar foo/x/y/bar bar/foo a-b a_b [x].txt x.txt z.txt
build/out.o keep/build/out.o data.csv data1.csv data12.csv .hidden .git-not/x a/b/c/d/e #hash !bang
tr\\ail sp ace UPPER.TXT caf\u00e9.txt"""
PATTERN_SETS = [
    ["/docs/"],
    ["docs/"],
    ["README*"],
    ["/README*"],
    ["*.txt", "!a.txt"],
    ["dir/", "!dir/a.txt"],
    ["dir/*", "!dir/sub/"],
    ["foo/**/bar"],
    ["**/bar"],
    ["foo/**"],
    ["**/foo"],
    ["a/**/e"],
    ["dir/*.txt"],
    ["[a-c]*.txt"],
    ["[!a-c].txt"],
    ["[^a-c].txt"],
    ["\\[x\\].txt"],
    ["data?.csv"],
    ["data*.csv"],
    ["\\#hash", "\\!bang"],
    ["# comment", "", "x.txt"],
    ["build"],
    ["/build"],
    ["sub/deep"],
    ["*/sub"],
    ["a/b/c/"],
    ["*"],
    ["*", "!*.md"],
    ["*a*b*"],
    ["x.txt   "],
    ["tr\\\\ail"],
    ["**"],
    ["a**.txt"],
    ["upper.txt"],
    ["[]-]x"],
    ["caf*.txt"],
]


def test_patterns_match_what_git_matches(repo: BuiltRepo) -> None:
    ours: dict[str, set[str]] = {}
    theirs: dict[str, set[str]] = {}
    for patterns in PATTERN_SETS:
        matcher = foreign.matcher(patterns)
        name = " | ".join(patterns)
        ours[name] = {path for path in PATHS.split() if matcher(path)}
        repo.write({".gitignore": "\n".join(patterns) + "\n"})
        out = repo.git(
            *("check-ignore", "--stdin", "--no-index", "-z"),
            data="\0".join(PATHS.split()).encode(),
            check=False,
        )
        theirs[name] = {path for path in out.split("\0") if path}
    assert ours == theirs


PIECES = [
    "a",
    "b",
    "ab",
    "*",
    "?",
    "[ab]",
    "[!a]",
    "[^ab]",
    "[a-b]",
    "\\a",
    "\\*",
    "\\]",
    "[]a]",
    "[^]]",
    "[a-]",
    "[-a]",
    "[\\]]",
    "[[]",
    "[b-a]",
    ".",
    "-",
    "]",
    "aa*",
]  # none of **: "a**/b" crosses folders in Git, which its own documentation denies
WHOLE = ("**", "*", "***", "****")


def some_pattern(chance: random.Random) -> str:
    parts = [
        chance.choice(WHOLE)
        if chance.random() < 0.25
        else "".join(chance.choice(PIECES) for _ in range(chance.randint(1, 3)))
        for _ in range(chance.choice([1, 1, 1, 2, 2, 3]))
    ]
    ends = (("!", 0.2), ("/", 0.2)), (("/", 0.25), (" ", 0.05), ("\\ ", 0.05))
    head, tail = ("".join(sign for sign, p in end if chance.random() < p) for end in ends)
    return f"{head}{'/'.join(parts)}{tail}"


def some_path(chance: random.Random) -> str:
    names = (
        "".join(chance.choice("ab.-*] ") for _ in range(chance.randint(1, 3))) for _ in range(4)
    )
    path = "/".join(itertools.islice(names, chance.randint(1, 4)))
    return "a/b" if {".", ".."} & set(path.split("/")) else path


def test_generated_patterns_match_what_git_matches(repo: BuiltRepo) -> None:
    """Each set of patterns lies in a folder of its own, so that Git is asked once."""
    chance = random.Random(1)  # noqa: S311  no secret
    ours: dict[str, bool] = {}
    sets: list[list[str]] = []
    for number in range(500):
        sets.append([some_pattern(chance) for _ in range(chance.randint(1, 3))])
        repo.write({f"{number}/.gitignore": "\n".join(sets[-1]) + "\n"})
        matcher = foreign.matcher(sets[-1])
        for _ in range(12):
            path = some_path(chance)
            ours[f"{number}/{path}"] = matcher(path)
    asked = ("check-ignore", "--stdin", "--no-index", "-z")
    theirs = set(repo.git(*asked, data="\0".join(ours).encode(), check=False).split("\0"))
    differs = {path for path, matched in ours.items() if matched != (path in theirs)}
    shown = [(sets[int(path.partition("/")[0])], path, ours[path]) for path in sorted(differs)]
    assert shown == []
    assert 500 < sum(ours.values()) < len(ours) - 500


@given(st.lists(st.text("ab*?/[]!\\-^ .", max_size=8), max_size=4), st.text("ab/.", max_size=8))
def test_what_is_below_a_folder_that_is_matched_is_matched(patterns: list[str], path: str) -> None:
    matcher = foreign.matcher(patterns)
    if matcher(f"{path}/"):
        assert matcher(f"{path}/below")
        assert matcher(f"{path}/below/deeper/")


def test_an_answer_is_the_same_whatever_was_asked_before() -> None:
    patterns = ["a/**/x", "!a/b/", "*.csv", "!/keep.csv"]
    paths = ["a/x", "a/b/x", "a/b/c/x", "d.csv", "keep.csv", "a/keep.csv", "a/", "a/b/", "x"]
    each = [foreign.matcher(patterns)(path) for path in paths]
    matcher = foreign.matcher(patterns)
    assert [matcher(path) for path in paths] == each
    matcher = foreign.matcher(patterns)
    assert [matcher(path) for path in reversed(paths)] == each[::-1]


@pytest.mark.parametrize(
    ("patterns", "path", "matched"),
    [
        (["x"], "", False), ([""], "x", False), (["/"], "x", False), (["!"], "x", False),
        (["x"], "//x", True), (["x/"], "x", False), (["x/"], "x/", True), (["x/"], "x/y", True),
        (["\\"], "\\", True), (["a\\"], "a\\", True), (["[a"], "[a", True), (["?"], "\u00e4", True),
        (["?"], "\U0001f600", True), (["[\u00e0-\u00ff]"], "\u00e9", True), (["x\r"], "x", True),
        (["x\r\n"], "x", True), (["#x"], "#x", False), (["x #y"], "x #y", True),
        ([" x"], " x", True),
        (["\udcff*"], "\udcff.csv", True), (["e\u0301"], "\u00e9", False),
        (["***/x"], "a/b/x", True),
    ],
    ids=ascii,
)  # fmt: skip
def test_what_git_cannot_be_asked_by_a_line_in_a_file(
    patterns: list[str], path: str, *, matched: bool
) -> None:
    assert foreign.matcher(patterns)(path) is matched


def test_what_is_refused_says_how_much_is_too_much() -> None:
    with pytest.raises(BadFormatError, match="too many patterns") as many:
        foreign.matcher(["x"] * (foreign.MAX_PATTERNS + 1))
    assert (many.value.found, many.value.expected) == ("1001", "at most 1000")
    with pytest.raises(BadFormatError, match="too long") as long:
        foreign.matcher(["ok", "x" * (foreign.MAX_PATTERN + 1)])
    assert long.value.found == f"{'x' * 40}... (1001 characters)"
    foreign.matcher(["x" * foreign.MAX_PATTERN] * foreign.MAX_PATTERNS)


def test_patterns_that_take_too_long_over_all_paths_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(foreign, "MAX_STEPS", 10_000)
    matcher = foreign.matcher(["*a*b"] * 100)
    with pytest.raises(UnsafeInputError, match="too long over these paths") as caught:
        any(map(matcher, map("path{}".format, range(100))))
    assert (caught.value.found, caught.value.where) == ("100 of them", "inputs.ignore")


@pytest.mark.parametrize(
    "pattern", ["*a" * 400, "**/" * 300 + "x", "[a-" * 300, "?*" * 400, "a/**/" * 180 + "b"]
)
def test_no_pattern_blows_up(pattern: str) -> None:
    """It ends at all: one that blows up would not, in anybody's life."""
    matcher = foreign.matcher([pattern[:1000]])
    for path in ("a" * 4_000, "a/" * 500 + "c", "a" * 4_000 + "/b"):
        matcher(path)


@given(st.lists(st.text("ab*?/[]!\\-^ #.", max_size=12)), st.text("ab/.[", max_size=12))
def test_any_pattern_gives_an_answer(patterns: list[str], path: str) -> None:
    assert foreign.matcher(patterns)(path) in {True, False}
