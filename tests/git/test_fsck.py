"""What is said of a tree is what ``git fsck --strict`` says of it, for trees of any kind."""

from __future__ import annotations

import random
import re
import subprocess
import zlib
from hashlib import sha1
from typing import TYPE_CHECKING

import pytest

from gitexp.git.fsck import problems, refused, refused_name
from tests.lab.build import git_environment

if TYPE_CHECKING:
    from pathlib import Path

BLOB = sha1(b"blob 0\0", usedforsecurity=False).digest()
SUBTREE = sha1(b"tree 0\0", usedforsecurity=False).digest()
MODES = ("100644", "100755", "120000", "40000", "160000")
ODD_MODES = (
    "100664",
    "040000",
    "0100644",
    "100600",
    "40755",
    "20000",
    "130000",
    "0",
    "777",
    "8",
    "",
)
IGNORABLE = "\u200c\u200d\u200e\u200f\u202a\u202e\u206a\u206f\ufeff"
# fmt: off
NAMES = [
    b".git", b".GIT", b".gIt", b".git ", b".git.", b".git . .", b".git::$INDEX_ALLOCATION",
    b".git:x",
    b".gitx", b".git1", b"git~1", b"GIT~1", b"git~1.", b"git~1 ", b"git~10", b"git~2",
    b"git~1::$DATA",
    b".git\\x", b"x\\.git", b"x\\git~1", b"\\.git", b"x\\y\\.GIT .", b".git\xff",
    b".git\xef\xbf\xbe",
    b".", b"..", b"...", b". ", b".. ", b"a/b", b".git/hooks", b"a/.git", b"/", b"a/..", b"./a",
    b".gitmodules", b".GitModules", b".gitmodules ", b".gitmodules.:x", b"gitmod~1", b"GITMOD~4",
    b"gitmod~5", b"gi7eba~1", b"gi7eb~10", b"g~123456", b"~1234567", b"gi7eba~9", b"x\\.gitmodules",
    b"x\\gitmod~2", b".gitattributes", b"gitatt~1", b"gi7d29~1", b".gitignore", b"gitign~3",
    b"gi250a~2", b".mailmap", b".MAILMAP.", b"mailma~1", b"maba30~1", b"x\\.gitignore",
    b".gitmodules\xfe",
    b"a", b"b", b"a.b", b"a-b", b"a0", b"foo", b"foo.bar", b"foo.bar.baz", b"foo-", b"foo0", b"A",
    b"\xff", b"\xc3\xa9", b"\xed\xa0\x80", b"\xc0\xae", b"a\nb", b"g", b"x" * 4096,
    b"x" * 4097, b"train.py",
]
# fmt: on


def some_name(chance: random.Random) -> bytes:
    name = chance.choice(NAMES)
    if chance.random() < 0.25:
        text = name.decode("latin-1")
        at = chance.randrange(len(text) + 1)
        mark = chance.choice([*IGNORABLE, ".", " ", "~", "\\", ":", "K", "\u0131", "\u212a"])
        name = (
            text[:at].encode("latin-1") + mark.encode("utf-8") + text[at:].encode("latin-1")
        )  # within a character, too: that is no UTF-8
    if chance.random() < 0.15:
        name = bytes(byte ^ 0x20 if chr(byte).isalpha() and byte < 128 else byte for byte in name)
    return name


def some_tree(chance: random.Random) -> bytes:
    """Return a tree of few entries: mostly sorted and well made but for one thing."""
    entries = []
    for _ in range(chance.randrange(1, 6)):
        mode = chance.choice(ODD_MODES if chance.random() < 0.08 else MODES)
        id_ = SUBTREE if mode.lstrip("0").startswith("4") else BLOB
        if chance.random() < 0.02:
            id_ = bytes(20)
        entries.append((mode.encode(), some_name(chance), id_))
    if chance.random() < 0.15:
        mode, name, id_ = chance.choice(entries)
        other = chance.choice([(mode, id_), (b"40000", SUBTREE), (b"100644", BLOB)])
        entries.append((other[0], name, other[1]))
    if chance.random() < 0.9:
        entries.sort(key=lambda e: e[1] + (b"/" if e[0].lstrip(b"0").startswith(b"4") else b""))
    data = b"".join(mode + b" " + name + b"\0" + id_ for mode, name, id_ in entries)
    cut = chance.random()
    if cut < 0.02:
        data = data[: chance.randrange(len(data))]
    elif cut < 0.03:
        data = data.replace(b" ", b"", 1)
    return data


def verdicts(folder: Path, trees: list[bytes]) -> dict[str, frozenset[str]]:
    """Return what Git says of each tree, by its name; all of them asked at once."""
    subprocess.run(["git", "init", "-q", str(folder)], check=True, env=git_environment())
    for kind, data in (("blob", b""), ("tree", b""), *(("tree", tree) for tree in trees)):
        whole = f"{kind} {len(data)}\0".encode() + data
        name = sha1(whole, usedforsecurity=False).hexdigest()
        path = folder / ".git" / "objects" / name[:2] / name[2:]
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(zlib.compress(whole, 1))
    asked = subprocess.run(
        ["git", "fsck", "--strict", "--no-dangling", "--no-progress"],
        cwd=folder, env=git_environment(), capture_output=True, check=False,
    )  # fmt: skip
    found: dict[str, set[str]] = {}
    said = asked.stderr.decode("utf-8", "replace") + asked.stdout.decode("utf-8", "replace")
    for name, word in re.findall(
        r"^(?:error|warning) in tree ([0-9a-f]{40}): (\w+):", said, re.MULTILINE
    ):
        if not word.endswith("Blob"):  # that there is no file behind an entry is another matter
            found.setdefault(name, set()).add(word)
    return {name: frozenset(words) for name, words in found.items()}


def compare(folder: Path, seed: int, count: int) -> None:
    chance = random.Random(seed)  # noqa: S311  no secret
    trees = list({some_tree(chance) for _ in range(count)})
    known = verdicts(folder, trees)
    seen: set[str] = set()
    for tree in trees:
        name = sha1(b"tree %d\0" % len(tree) + tree, usedforsecurity=False).hexdigest()
        git, ours = known.get(name, frozenset()), problems(tree)
        seen |= ours
        if "badTree" in ours | git:  # what else is wrong of the readable part nobody needs to know
            assert "badTree" in ours & git, tree
            continue
        if "treeNotSorted" in git:  # Git finds a file's and a folder's twin in sorted trees only
            git, ours = git - {"duplicateEntries"}, ours - {"duplicateEntries"}
        assert ours == git, tree
    assert len(seen) > 12, seen


def test_the_verdict_on_generated_trees_is_that_of_git_fsck(tmp_path: Path) -> None:
    compare(tmp_path / "r", 1, 1500)


@pytest.mark.slow
def test_the_verdict_on_ten_thousand_generated_trees_is_that_of_git_fsck(tmp_path: Path) -> None:
    compare(tmp_path / "r", 2, 10_000)


def test_a_mode_longer_than_any_is_refused_though_git_reads_its_end() -> None:
    assert refused(b"1100644 a\0" + BLOB) == ("badTree",)


@pytest.mark.parametrize(
    ("mode", "sound"), [("100664", True), ("100777", True), ("40755", False), ("130000", False)]
)
def test_an_odd_mode_is_refused_where_readers_differ_about_it(mode: str, *, sound: bool) -> None:
    assert (refused(f"{mode} a\0".encode() + BLOB) == ()) is sound


def test_what_git_writes_itself_is_harmless() -> None:
    assert refused(b"040000 a\0" + SUBTREE) == ()
    assert refused(b"120000 .gitignore\0" + BLOB) == ()


def test_a_name_of_a_path_is_held_to_the_same() -> None:
    assert refused_name(b"") == ("emptyName",)
    assert refused_name(b".GIT") == ("hasDotgit",)
    assert refused_name(b"..") == ("hasDotdot",)
    assert refused_name(b".gitignore") == refused_name(b".github") == ()
