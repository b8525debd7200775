"""The places of a text that hold a seed fast, as people are told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gitexp.comparison.randomness.syntax import VARIABLE
from gitexp.model import dataclass, field

if TYPE_CHECKING:
    import ast
    from collections.abc import Sequence

CELL: Final = "#: code cell "


@dataclass(frozen=True, slots=True)
class Fixed:
    """A seed that stands in the code as a number."""

    where: str  # "train.py, line 3"
    line: str
    instead: str
    number: str
    name: str = field(default="", compare=False)  # of what takes it, for people
    step: str = ""  # what to do about it, where no number stands there

    @property
    def is_setting(self) -> bool:
        """Whether it is an entry of a file of settings."""
        return bool(self.name) and self.line == f"{self.name}: {self.number}"


@dataclass(frozen=True, slots=True)
class CopiesReason:
    """Why repeats that all report the same are not method without chance."""

    why: str  # "train.py, line 3 holds its seed fast: ..."
    how: str  # what to change in this project
    where: str = ""  # of a number in the text, "" where the text only does not show enough
    shared: bool = False  # whether the other side has it, too


def place_of(path: str, text: str, number: ast.Constant, name: str) -> Fixed:
    """Return a number that stands in a text as a seed, with its line and what to write instead."""
    line = text.split("\n")[number.lineno - 1]
    raw = line.encode()
    start, end = number.col_offset, number.end_col_offset or number.col_offset
    default = number.value if isinstance(number.value, int) else 0
    value = f'int(os.environ.get("{VARIABLE}", {default}))'
    new = raw[:start].decode() + value + raw[end:].decode()
    where = where_of(path, number.lineno, text)
    return Fixed(where, line.strip(), new.strip(), str(default), name.lstrip("."))


def likewise(places: Sequence[Fixed]) -> str:
    """Return the places beside the first, with what takes a seed there."""
    rest = "; ".join(f"{each.where}: {each.name or each.step}".rstrip(": ") for each in places)
    return f" (likewise in {rest})" if places else ""


def where_of(path: str, line: int, text: str) -> str:
    """Return a line, or the cell of a notebook, as people are told of it."""
    if not path.endswith(".ipynb"):
        return f"{path}, line {line}"
    cells = [each for each in text.split("\n")[:line] if each.startswith(CELL)]
    return f"{path}, {cells[-1].removeprefix('#: ')}" if cells else path
