"""What things are: frozen values and enums, standard library only.

Half of what a verb took to start was `dataclasses`, which compiles six methods of each class that
is imported; few of them are ever called. Ours compiles them at the first call of one.
"""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import asdict, field, fields, replace
from typing import TYPE_CHECKING

_late: list[tuple[type, set[str]]] = []

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from dataclasses import dataclass

    from _typeshed import DataclassInstance
else:

    def dataclass(*, frozen: bool = False, **how: bool) -> Callable[[type], type]:
        """Make a class one of values, as `dataclasses.dataclass` does; a frozen one late."""
        if not frozen:
            return dataclasses.dataclass(**how)

        def decorate(written: type) -> type:
            cls = dataclasses.dataclass(init=False, repr=False, eq=False, **how)(written)
            late = {"__init__", "__repr__", "__eq__", "__hash__"} - vars(cls).keys()
            for name in late:
                setattr(cls, name, _compiled_late(cls, name, late))
            cls.__setattr__ = cls.__delattr__ = _refuse
            cls.__getstate__, cls.__setstate__ = _state, _restore
            _late.append((cls, late))
            return cls

        return decorate


__all__ = ["asdict", "compile_methods", "dataclass", "field", "fields", "replace"]


def compile_methods(*names: str, of: Iterable[type] = ()) -> None:
    """Compile now, of these or all classes so far, what the first call would: forks share it."""
    wanted = {*of}
    for cls, late in _late:
        for name in late.intersection(names) if not wanted or cls in wanted else ():
            with contextlib.suppress(AttributeError, TypeError):  # of a value without any field
                getattr(cls, name)(object.__new__(cls), *([None] if name == "__eq__" else []))


def _compiled_late(
    cls: type[DataclassInstance], name: str, late: set[str]
) -> Callable[..., object]:
    def method(self: object, *args: object, **named: object) -> object:
        body: dict[str, object] = {each.name: each for each in fields(cls)}
        body["__annotations__"] = {each.name: each.type for each in fields(cls)}
        kept = ("__module__", "__qualname__", "__doc__", "__post_init__")
        body |= {key: getattr(cls, key) for key in kept if hasattr(cls, key)}
        made = dataclasses.dataclass(
            init=name == "__init__",
            repr=name == "__repr__",
            eq=name in {"__eq__", "__hash__"},
            frozen=True,
        )
        like = vars(made(type(cls.__name__, (), body)))
        for each in late & like.keys():
            setattr(cls, each, like[each])
        return like[name](self, *args, **named)

    return method


def _refuse(_: object, name: str, *value: object) -> None:
    message = f"cannot {'assign to' if value else 'delete'} field {name!r}"
    raise dataclasses.FrozenInstanceError(message)


def _state(self: DataclassInstance) -> list[object]:
    return [getattr(self, each.name) for each in fields(self)]


def _restore(self: DataclassInstance, state: Iterable[object]) -> None:
    for each, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, each.name, value)
