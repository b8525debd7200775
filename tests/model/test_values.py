"""Frozen values are those of `dataclasses`, whichever of their methods is called first."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import re
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest

from gitexp import model

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE = Path(__file__).parents[2] / "gitexp"
USES = {
    "made by place": lambda cls: cls(1, "b"),
    "made by name": lambda cls: cls(b="b", a=1, more=["x"]),
    "made of too little": lambda cls: cls(1),
    "made of too much": lambda cls: cls(1, "b", d=2),
    "of a bad value": lambda cls: cls(-1, "b"),
    "shown": lambda cls: repr(cls(1, "b")),
    "equal": lambda cls: cls(1, "b") == cls(1, "b", unseen=5),
    "unequal": lambda cls: cls(1, "b") == cls(1, "c"),
    "of another kind": lambda cls: cls(1, "b") == (1, "b"),
    "hashed": lambda cls: hash(cls(1, "b", more=())) == hash(cls(1, "b", more=())),
    "hashed in vain": lambda cls: hash(cls(1, "b")),
    "set": lambda cls: setattr(cls(1, "b"), "a", 2),
    "deleted": lambda cls: delattr(cls(1, "b"), "a"),
    "replaced": lambda cls: dataclasses.replace(cls(1, "b"), a=2),
    "taken apart": lambda cls: dataclasses.asdict(cls(1, "b")),
    "copied": lambda cls: copy.deepcopy(cls(1, "b", more=[[1]])),
    "pickled": lambda cls: pickle.loads(pickle.dumps(cls(1, "b"))),  # noqa: S301  our own
    "its fields": lambda cls: [(each.name, each.default, each.type) for each in model.fields(cls)],
    "matched": lambda cls: cls.__match_args__,
    "without a place for more": lambda cls: hasattr(cls(1, "b"), "__dict__"),
}


def value(dataclass: Callable, **how: bool) -> tuple[type, type]:
    """Return the same two classes, made by a decorator."""

    @dataclass(frozen=True, slots=True, **how)
    class Value:
        """A value."""

        __qualname__ = "Value"
        kind: ClassVar[str] = "v"
        a: int
        b: str
        more: list = dataclasses.field(default_factory=list)
        unseen: int = dataclasses.field(default=3, compare=False, repr=False)

        def __post_init__(self) -> None:
            if self.a < 0:
                raise ValueError(self.a)

    @dataclass(frozen=True, slots=True, **how)
    class Wider(Value):
        """A value that is one of another kind, too, and shows itself."""

        __qualname__ = "Wider"
        c: int = 0

        def __repr__(self) -> str:
            return f"wide {self.a}"

    globals().update({"Value": Value, "Wider": Wider})  # where pickle looks for them
    return Value, Wider


def answer(use: Callable, cls: type) -> object:
    """Return what came of it, an error as its kind and words."""
    try:
        found = use(cls)
    except Exception as error:  # noqa: BLE001
        return type(error), str(error)
    return repr(found), getattr(found, "__dict__", None)


@pytest.mark.parametrize("how", [{}, {"kw_only": True}], ids=["by place", "by name"])
@pytest.mark.parametrize("which", [0, 1], ids=["plain", "derived"])
@pytest.mark.parametrize("use", USES)
def test_a_value_is_what_dataclasses_makes_of_it(
    use: str, which: int, how: dict[str, bool]
) -> None:
    expected = answer(USES[use], value(dataclasses.dataclass, **how)[which])
    cls = value(model.dataclass, **how)[which]
    assert [answer(USES[use], cls) for _ in range(2)] == [expected, expected]


@pytest.mark.parametrize("name", ["__repr__", "__eq__", "__hash__"])
def test_any_method_may_be_the_first(name: str) -> None:
    first, second = (object.__new__(cls) for cls in [value(model.dataclass)[0]] * 2)
    for each in (first, second):
        each.__setstate__([1, "b", (), 4])
    arguments = [second] if name == "__eq__" else []
    plain = value(dataclasses.dataclass)[0](1, "b", (), 4)
    expected = {"__repr__": repr(plain), "__eq__": True, "__hash__": hash(plain)}
    assert getattr(first, name)(*arguments) == expected[name]


def test_a_value_gets_no_new_field() -> None:  # that of dataclasses fails by a TypeError of super()
    with pytest.raises(dataclasses.FrozenInstanceError):
        value(model.dataclass)[0](1, "b").new = 2


def test_importing_a_class_compiles_nothing_of_it() -> None:
    cls = value(model.dataclass)[0]
    late = cls.__init__
    cls(1, "b")
    assert cls.__init__ is not late
    assert cls.__init__.__code__.co_filename == "<string>"


def test_methods_of_named_classes_alone_are_compiled_before_a_fork() -> None:
    cls, other = value(model.dataclass)[0], value(model.dataclass)[0]
    late = cls.__eq__, cls.__hash__, other.__eq__
    model.compile_methods("__eq__", of=(cls,))
    assert cls.__eq__ is not late[0]
    assert cls.__hash__ is not late[1]
    assert other.__eq__ is late[2]


def test_no_module_takes_the_other_dataclass() -> None:
    taken = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if re.search(r"^from dataclasses import .*\bdataclass\b", path.read_text(), re.MULTILINE)
    ]
    assert taken == []
