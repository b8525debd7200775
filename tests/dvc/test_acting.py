"""What files import, by their names: whatever their number, and however many parts a name has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from gitexp.dvc import acting
from gitexp.dvc.acting import NamedFiles, imported, modules, short
from gitexp.dvc.state import ProjectState
from gitexp.errors import UnsafeInputError
from tests.dvc.test_inputs import CONFIG, tree_with
from tests.lab.counted import cost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FILES: Final = ("a.py", "a/b.py", "x/a/__init__.py", "x/a/b.py", "b/a.py", "c.txt", "a/b/c.py")


@pytest.mark.parametrize(
    ("module", "found"),
    [
        ("a", {"a.py", "x/a/__init__.py", "b/a.py"}),
        ("a.b", {"a.py", "x/a/__init__.py", "b/a.py", "a/b.py", "x/a/b.py"}),
        ("x.a", {"x/a/__init__.py"}),
        ("b.c", {"a/b.py", "x/a/b.py", "a/b/c.py"}),
        ("c", {"a/b/c.py"}),
        ("", set()),
        ("a..b", {"a.py", "x/a/__init__.py", "b/a.py"}),
    ],
)
def test_a_module_may_be_any_file_of_its_name_and_the_packages_above(
    module: str, found: set[str]
) -> None:
    assert {*NamedFiles(FILES).imported([module])} == found


def names(size: int) -> str:
    return ", ".join(map("b{}".format, range(size)))


# A text of some size, with what it may be multiplied by: its own parts, names, or files.
TEXTS: Final[dict[str, Callable[[int], str]]] = {
    "plain": lambda n: "import a\n" * n,  # the control
    "parts": lambda n: f"import {'a.' * 20 * n}a\n",
    "parts of many": lambda n: "".join(f"import {'a.' * n}b{k}\n" for k in range(n // 10)),
    "names from a long package": lambda n: f"from {'a' * 20 * n} import {names(n)}\n",
    "names from a deep package": lambda n: f"from {'a.' * 10 * n}a import {names(n)}\n",
    "a call": lambda n: f"import_module('{'a.' * 20 * n}a')\n",
}  # fmt: skip


@pytest.mark.sweep(3)
@pytest.mark.parametrize("kind", TEXTS)
def test_of_twice_the_imports_are_about_twice_the_operations(kind: str) -> None:
    def work(size: int) -> Iterator[int]:
        text = TEXTS[kind](size)
        repo, tree = tree_with({"evaluate.py": text})
        state = ProjectState(repo, tree, CONFIG)
        files = ["evaluate.py", *FILES]
        yield from cost(lambda: imported(state, ["evaluate.py"], files, ()))
        yield from cost(lambda: [*NamedFiles(FILES).imported(modules(text))])

    for few, many in zip(work(200), work(400), strict=True):
        assert many < 2.6 * few


def test_a_long_name_keeps_what_a_module_can_have() -> None:
    assert short("a.b.c") == "a.b.c"
    assert short("a." * 1_000).count(".") == 99
    assert len(short("a" * 10_000)) == 500


def test_many_names_that_may_each_be_many_files_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(acting, "_MOST_STEPS", 1_000)
    files = NamedFiles(f"d{n}/a.py" for n in range(100))
    assert len([*files.imported(["a"] * 100)]) == 100
    with pytest.raises(UnsafeInputError, match="names of modules take too long"):
        [*files.imported(f"q{n}.a" for n in range(100))]
