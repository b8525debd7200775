"""What rules 2 of the inputs write by value costs as much as it is long, whoever wrote it.

Each builder makes a state of a size, in which two things might be multiplied. Operations and bytes
are counted, not seconds: of twice the size both may be about twice as many, or it is refused.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from gitexp.dvc import dvcpipeline, state
from gitexp.dvc.covered import ignore_rules, packaging
from gitexp.dvc.input_parts import collect
from gitexp.dvc.state import ProjectState
from gitexp.errors import UnsafeInputError
from gitexp.text import foreign
from tests.dvc.test_inputs import CONFIG, tree_with
from tests.lab import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitexp.git.repository import Repo
    from gitexp.model.ids import TreeId

Files = dict[str, str]
RULES_2: Final = replace(CONFIG, inputs_rules=2, pipeline="dvc.yaml", metrics=())


def folders(size: int, *files: str, text: str = "") -> Files:
    return {f"d{n:x}/{file}": text for n in range(size) for file in files}


def numbers(size: int, form: str = "{:x}", by: str = " ") -> str:
    return by.join(map(form.format, range(size)))


def stages(size: int, body: str) -> str:
    return "stages:\n" + "".join(f"  s{n}:\n    cmd: x\n{body.format(n)}" for n in range(size))


def params(words: str) -> str:
    return f"lr: 1\nt: '{words}'\n"


MANY: Final[dict[str, Callable[[int], Files]]] = {
    "one file": lambda _: {"pyproject.toml": "[project]\nname = 'x'\n"},  # the control
    "a long name above many tables": lambda n: {
        "pyproject.toml": f"{'a' * 100 * n} = {{{numbers(n, 'x{:x}={{y=1}}', ', ')}}}\n"
    },
    "a long name above many that are deep": lambda n: {
        "pyproject.toml": f"{'a' * 100 * n} = {{{numbers(n, 'x{:x}={{y={{z=1}}}}', ', ')}}}\n"
    },
    "words of one text in folders": lambda n: folders(
        n, "pyproject.toml", "x.md", text=f"[project]\nx = '{numbers(n)}'\n"
    ),
    "words of a setup.py in folders": lambda n: folders(
        n, "setup.py", "x.md", text=numbers(n, "'{:x}'", ", ")
    ),
    "words that lead out of folders": lambda n: folders(
        n, "pyproject.toml", "x.md", text=f"[project]\nx = '{numbers(n, '../{:x}')}'\n"
    ),
    "other words in each folder": lambda n: {
        f"d{k}/{file}": f"[project]\nx = 'r{k} ../q{k} ../../z{k}'\n"
        for k in range(n) for file in ("pyproject.toml", "x.md")
    },
    "files of packaging with one text": lambda n: folders(
        n, "setup.cfg", text="[mypy]\na = " + "x" * 100 * n
    ),
    "sections": lambda n: {"setup.cfg": numbers(9 * n, "[{:x}]", "\n")},
    "licences": lambda n: folders(
        2 * n, "pyproject.toml", "x.md", text="[project]\nlicense-files = ['LIC*']\n"
    ),
    "values from folders": lambda n: {
        "dvc.yaml": stages(n, "    wdir: d{}\n"), "params.yaml": params(numbers(n, "{:x}/")),
        **folders(n, "x.md"),
    },
    "values that lead out of folders": lambda n: {
        "dvc.yaml": stages(n, "    wdir: d{}\n"), "params.yaml": params(numbers(n, "../{:x}/")),
    },
    "values from long folders": lambda n: {
        "dvc.yaml": stages(5, "    wdir: '" + "w" * 100 * n + "{}'\n"),
        "params.yaml": params(numbers(n, "../{:x}")),
    },
    "a module of many parts": lambda n: {"params.yaml": params("a." * 10 * n + "a")},
    "words of a command in a long folder": lambda n: {
        "dvc.yaml": f"stages:\n  s:\n    wdir: {'w' * 100 * n}\n    cmd: {numbers(n)}\n"
    },
    "paths in a long folder": lambda n: {
        "dvc.yaml": f"stages:\n  s:\n    wdir: {'w' * 100 * n}\n    cmd: x\n"
        f"    deps: [{numbers(n, 'a{:x}', ', ')}]\n"
    },
    "deep paths": lambda n: {
        "dvc.yaml": f"stages:\n  s:\n    cmd: x\n    deps: ['{'a/' * 10 * n}a']\n"
    },
    "texts above stages": lambda n: {
        "dvc.yaml": f"vars: [{{v: [{numbers(n, 'a{:x}', ', ')}]}}]\n" + stages(n, "")
    },
    "files above stages": lambda n: {
        "dvc.yaml": f"vars: [{numbers(n, 'a{:x}.yaml', ', ')}]\n" + stages(n, "")
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def place() -> tuple[Repo, TreeId]:
    return tree_with({})


def laid(place: tuple[Repo, TreeId], files: Files) -> ProjectState:
    over = {path: (text.encode(), False) for path, text in files.items()}
    return ProjectState(*place, RULES_2, walked=(), over=over)


def cost(here: ProjectState) -> tuple[int, int]:
    """Return how many calls the inputs of a state take, and how many bytes at once."""
    for each in (packaging.named, packaging.reduced, packaging._parsed, state.declared_stages):  # noqa: SLF001
        each.cache_clear()

    def work() -> None:
        with contextlib.suppress(UnsafeInputError):
            collect(here, {})

    return counted.cost(work)


@pytest.mark.sweep(8)
@pytest.mark.parametrize("kind", MANY)
def test_of_twice_the_size_are_about_twice_the_operations(
    place: tuple[Repo, TreeId], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dvcpipeline, "MOST_LETTERS", 1_000_000)  # of twenty
    monkeypatch.setattr(packaging, "_LONGEST", 200_000)  # of four million
    once, twice = (cost(laid(place, MANY[kind](size))) for size in (100, 200))
    for few, many in zip(once, twice, strict=True):
        assert many < 2.6 * few


def test_what_is_too_much_is_named(
    place: tuple[Repo, TreeId], monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(files: Files) -> None:
        collect(laid(place, files), {})

    monkeypatch.setattr(ignore_rules, "_MOST_BYTES", 30_000)
    alike = folders(100, "pyproject.toml", text=f"# {'x' * 2_000}\n")
    asked(alike)  # the control: read once
    with pytest.raises(UnsafeInputError, match="packages and parameters are larger") as caught:
        asked({path: f"{text}# {path}" for path, text in alike.items()})
    assert caught.value.where == "de/pyproject.toml"
    patterns = [f"LIC{n}*" for n in range(9)]
    other = {
        f"d{n:x}/pyproject.toml": f"[project]\nlicense-files = {[*patterns, str(n)]}\n"
        for n in range(50)
    }
    monkeypatch.setattr(foreign, "MAX_STEPS", 30_000)
    asked({**other, **folders(50, "x.md")})  # the control
    with pytest.raises(UnsafeInputError, match="licences' patterns take too long"):
        asked({**other, **folders(50, *(f"{n}.md" for n in range(20)))})
