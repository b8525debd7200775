"""inputs.ignore means what .gitignore means, in linear time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitexp.errors import BadFormatError
from gitexp.text import ignore

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
        matcher = ignore.compile(patterns)
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


@pytest.mark.parametrize(
    "pattern", ["*a" * 400, "**/" * 300 + "x", "[a-" * 300, "?*" * 400, "a/**/" * 180 + "b"]
)
def test_no_pattern_blows_up(pattern: str) -> None:
    """It ends at all: one that blows up would not, in anybody's life."""
    matcher = ignore.compile([pattern[:1000]])
    for path in ("a" * 4_000, "a/" * 500 + "c", "a" * 4_000 + "/b"):
        matcher(path)


def test_too_many_or_too_long_patterns_are_refused() -> None:
    with pytest.raises(BadFormatError):
        ignore.compile(["x"] * (ignore.MAX_PATTERNS + 1))
    with pytest.raises(BadFormatError):
        ignore.compile(["x" * (ignore.MAX_PATTERN + 1)])


@given(st.lists(st.text("ab*?/[]!\\-^ #.", max_size=12)), st.text("ab/.[", max_size=12))
def test_any_pattern_gives_an_answer(patterns: list[str], path: str) -> None:
    assert ignore.compile(patterns)(path) in {True, False}
