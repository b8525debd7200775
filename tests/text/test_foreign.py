"""No path of a file of a branch leads out of its place, on whatever system it is read."""

from __future__ import annotations

import ntpath
import posixpath
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gitexp.errors import UnsafeInputError
from gitexp.text.foreign import folder_path, is_url, relative_path

PARTS = st.sampled_from(["a", "b.c", "..", ".", "", "a b", ".git", ".GIT", "C:", "ä", "...", "-x"])
ANY = st.lists(PARTS, min_size=1, max_size=6).map("/".join) | st.text("a./\\:C\0g~", max_size=12)


@pytest.mark.parametrize(
    ("path", "folder", "normal"),
    [
        ("a.csv", "", "a.csv"),
        ("./a.csv", "", "a.csv"),
        ("a//b/./c", "", "a/b/c"),
        ("a/../b", "", "b"),
        ("data/", "", "data"),
        ("../raw/a.csv", "data/prepared", "data/raw/a.csv"),
        ("../../a", "x/y", "a"),
        ("...", "", "..."),
        ("..a/b", "", "..a/b"),
        ("a b/ä\udcff", "", "a b/ä\udcff"),
        (".gitignore", "", ".gitignore"),
        (".github/workflows/x.yml", "", ".github/workflows/x.yml"),
        ("~/x", "", "~/x"),  # nobody expands it
        ("-rf", "", "-rf"),
        ("ab:c", "", "ab:c"),  # a drive has one letter
        ("dir/C:x", "", "dir/C:x"),
    ],
)
def test_a_path_inside_its_place_is_written_one_way(path: str, folder: str, normal: str) -> None:
    assert relative_path(path, where="x.dvc", folder=folder) == normal


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("", ""), (".", ""), ("./", ""), ("a/..", ""), ("/etc/passwd", ""), ("//host/share", ""),
        ("..", ""), ("../a", ""), ("a/../../b", ""), ("../../../a", "x/y"), ("..", "x"),
        ("C:/x", ""), ("c:x", ""), ("C:", "data"), ("a\\b", ""), ("..\\..\\x", ""),
        ("\\\\host\\share", ""), ("a:b", ""), ("1:x", ""), ("::", ""), ("./C:/x", ""),
        ("x/../C:x", ""), ("../C:", "data"),
        ("a\0b", ""), (".git/hooks/pre-commit", ""), (".GIT/config", ""), ("sub/.git", ""),
        ("../.git/config", "sub"), (".dvc/config", ""), (".gitexp/config.yaml", ""),
        ("x/.GitExp/y", ""), ("a", ".git"), ("a", "x/.DVC"),
    ],
    ids=ascii,
)  # fmt: skip
def test_a_path_out_of_its_place_is_refused_with_the_file_that_names_it(
    path: str, folder: str
) -> None:
    with pytest.raises(UnsafeInputError, match="leaves its place") as caught:
        relative_path(path, where="x.dvc", folder=folder)
    assert caught.value.found == ascii(path)
    assert caught.value.where == "x.dvc"
    assert "inside the project, not in .git, .dvc or .gitexp" in caught.value.expected


def test_a_long_or_hostile_path_is_shown_short_and_in_ascii() -> None:
    with pytest.raises(UnsafeInputError) as caught:
        relative_path("/\x1b[2J" + "ä" * 500, where="x")
    assert len(caught.value.found) < 520
    assert caught.value.found.isascii()
    assert caught.value.found.isprintable()


def test_leaving_upwards_is_allowed_where_it_was_asked_for_and_only_by_leading_dots() -> None:
    for path, folder, normal in (
        ("../shared/a", "", "../shared/a"), ("../../a", "x", "../a"), ("b/../../a", "", "../a"),
    ):  # fmt: skip
        assert relative_path(path, where="", folder=folder, up=True) == normal
        with pytest.raises(UnsafeInputError):
            relative_path(path, where="", folder=folder)
    for path in ("/a", "../.git/config", "..\\a", ".", "../.dvc"):
        with pytest.raises(UnsafeInputError):
            relative_path(path, where="", up=True)


def test_the_place_itself_is_a_path_where_it_was_asked_for() -> None:
    assert relative_path(".", where="", whole=True) == "."
    assert relative_path("..", where="", folder="a", whole=True) == "."
    with pytest.raises(UnsafeInputError):
        relative_path("", where="", whole=True)


@pytest.mark.parametrize(
    ("path", "folder", "found"),
    [
        ("", "", ""), (".", "", ""), ("./", "", ""), (".", "a/b", "a/b"), ("..", "a", ""),
        ("../..", "a/b", ""), ("a/..", "", ""), ("c", "a/b", "a/b/c"), ("../c/", "a/b", "a/c"),
    ],
)  # fmt: skip
def test_a_folder_may_be_the_place_itself(path: str, folder: str, found: str) -> None:
    assert folder_path(path, where="dvc.yaml", folder=folder) == found


@pytest.mark.parametrize("path", ["..", "../x", "/", "/opt", ".git", "a/../..", "C:\\", "\\"])
def test_a_folder_outside_is_refused_as_a_file_is(path: str) -> None:
    with pytest.raises(UnsafeInputError):
        folder_path(path, where="dvc.yaml")


@given(ANY, st.sampled_from(["", "sub", "sub/deep"]))
def test_what_is_returned_lies_inside_for_posix_and_for_windows(path: str, folder: str) -> None:
    try:
        normal = relative_path(path, where="", folder=folder)
    except UnsafeInputError:
        return
    assert normal == posixpath.normpath(normal)
    assert not {"", ".", ".."} & set(normal.split("/"))
    top = Path("/place")
    assert (top / normal).is_relative_to(top)
    joined = ntpath.normpath(ntpath.join("D:\\place", normal))
    assert joined.startswith("D:\\place\\")
    assert not {part.casefold() for part in normal.split("/")} & {".git", ".dvc", ".gitexp"}
    assert relative_path(normal, where="") == normal


@given(ANY)
def test_a_folder_of_the_place_is_the_same_as_no_folder(path: str) -> None:
    assume(path not in {"", ".", "./"})
    try:
        normal = relative_path(path, where="", whole=True)
    except UnsafeInputError:
        with pytest.raises(UnsafeInputError):
            folder_path(path, where="")
    else:
        assert folder_path(path, where="") == ("" if normal == "." else normal)


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("s3://bucket/x", True), ("remote://origin/x", True), ("https://h/x", True),
        ("git+ssh://h/x", True), ("/opt/x", False), ("a://b", True), ("1a://b", False),
        ("C:/x", False), ("a/b://c", False), ("://x", False), ("", False), ("a:/b", False),
    ],
)  # fmt: skip
def test_a_url_begins_with_a_scheme(path: str, is_one: bool) -> None:  # noqa: FBT001
    assert is_url(path) is is_one
