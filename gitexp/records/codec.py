"""One codec for every record: how a frozen dataclass of `model` is read and written.

A class is read by its type hints, and `shapes` holds what they do not say. Either way is put
together once a class, at its first use, so that importing this costs a command nothing.
"""

from __future__ import annotations

import builtins
import dataclasses
import enum
import inspect
import types
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cache, partial
from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING, Final, TypeVar, Union, cast, get_args, get_origin

from gitexp.errors import GitexpError
from gitexp.model import ids
from gitexp.model.config import ParamKey
from gitexp.records.answers import ANSWERS
from gitexp.records.shapes import PLAIN, SHAPES, Shape, schema, schema_of
from gitexp.text.fields import LARGEST, Fields, param_json, param_tree, time_text
from gitexp.text.jsontext import Json, json_dumps, json_loads
from gitexp.text.paramkeys import param_key

if TYPE_CHECKING:
    from gitexp.records.shapes import Read, Write

    # Field, key, the type that is right as it is, what an absent key means, what reads any other.
    Step = tuple[str, str, object, Callable[[], object] | None, Read]

T = TypeVar("T")
_ALWAYS: Final = object()  # in place of the value with which a key is left out

# Rooms of `model` that a hint may name, in the order in which they are looked through: what is
# imported by a class for type checkers alone is not among its module's names.
_HOMES: Final = (
    *("ids", "run", "job", "config", "plan", "metrics", "witness", "rules", "request", "design"),
    *("sharing", "comparison", "result", "listing", "views"),
)
_NAMES: Final[Mapping[str, object]] = {
    "Mapping": Mapping,
    "datetime": datetime,
    "GitexpError": GitexpError,
}
_DIGESTS: Final = (
    *(ids.InputsDigest, ids.EnvironmentDigest, ids.PlanDigest, ids.EvaluationDigest, ids.Sha256),
)
_READS: Final[Mapping[object, Read]] = {
    str: Fields.text,
    int: partial(Fields.integer, least=-LARGEST, most=LARGEST),
    float: Fields.number,
    bool: Fields.flag,
    datetime: Fields.time,
    **dict.fromkeys((ids.CommitHash, ids.TreeId, ids.BlobId), Fields.git_id),
    ids.Md5: Fields.md5,
    ids.RunId: Fields.run_id,
    **dict.fromkeys(_DIGESTS, Fields.sha256),
    ids.ParamValue: Fields.param,
    ids.ParamTree: lambda fields, key: param_tree(fields.raw(key)),
    tuple[str, ...]: Fields.texts,
    tuple[int, ...]: Fields.integers,
}
_WRITES: Final[Mapping[object, Write]] = {
    float: cast("Write", float),  # not a numpy scalar, which json refuses
    datetime: cast("Write", time_text),
    ids.ParamValue: cast("Write", param_json),
    ids.ParamTree: cast("Write", param_json),
}


def load(kind: type[T], data: bytes, where: str) -> T:
    """Read a record; most pass over unknown keys, as none is ever rewritten."""
    shape = shape_of(kind)
    if shape.yaml:
        from gitexp.text.yamltext import yaml_loads  # costs 15 ms

        value = yaml_loads(data, where=where, limit=shape.limit)
    else:
        value = json_loads(data, where=where, limit=shape.limit)
    schema_of(value, shape.kind, where)
    return read(kind, Fields(value, where))


def dump(value: object) -> bytes:
    """Write a record as its file has it."""
    if shape_of(type(value)).yaml:
        from gitexp.text.yamlwrite import yaml_dumps

        return yaml_dumps(to_json(value))
    return json_dumps(to_json(value))


def read(kind: type[T], fields: Fields) -> T:
    """Read a value from a mapping, of its own file or within another's."""
    one: type = kind
    return cast("T", _reader(one)(fields))


def to_json(value: object) -> dict[str, Json]:
    """Turn a value into JSON."""
    kind: type = type(value)
    return _writer(kind)(value)


def maybe_json(value: object | None) -> Json:
    """Turn a value into JSON, null where there is none."""
    return None if value is None else to_json(value)


def limit(kind: type) -> int:
    """Return the size above which the file of a record is not read, in bytes."""
    return shape_of(kind).limit


def shape_of(kind: type) -> Shape:
    """Return what the hints of a class do not say."""
    return SHAPES.get(kind.__name__) or ANSWERS.get(kind.__name__, PLAIN)


def prepare(*, reads: Iterable[type], writes: Iterable[type]) -> None:
    """Put together now what the first use of these classes would: who forks shares it."""
    for kind in reads:
        _reader(kind)
    for kind in writes:
        _writer(kind)


@cache
def hints(kind: type) -> Mapping[str, object]:
    """Return the types of a class's fields; those that only type checkers import are looked for."""
    found: dict[str, object] = {}
    for each in filter(dataclasses.is_dataclass, reversed(kind.__mro__)):
        found |= inspect.get_annotations(each, locals=_Names(each), eval_str=True)
    return found


class _Names(dict[str, object]):
    """What a hint may name."""

    def __init__(self, kind: type) -> None:
        super().__init__(_NAMES)
        self._own = kind.__module__

    def __missing__(self, name: str) -> object:
        if not hasattr(builtins, name):
            for module in (self._own, *(f"gitexp.model.{home}" for home in _HOMES)):
                if (found := getattr(import_module(module), name, None)) is not None:
                    return found
        raise KeyError(name)


# --- reading ------------------------------------------------------------------------------------


@cache
def _reader(kind: type) -> Callable[[Fields], object]:
    shape = shape_of(kind)
    make: Callable[..., object] = kind
    made = shape.made
    outers = tuple(_steps(kind, shape).items())
    flats = tuple([(name, _reads_flat(kind, name)) for name in shape.flat.split()])
    known = _known(kind) if shape.closed else set()

    def read_record(fields: Fields) -> object:
        found: dict[str, object] = {}
        for outer, steps in outers:
            part = fields.child(outer) if outer else fields
            values = part.value
            for name, key, usual, empty, way in steps:
                value = values.get(key)
                if type(value) is usual:  # most fields are a text or a flag
                    found[name] = value
                elif value is None and empty is not None:
                    found[name] = empty()
                else:
                    found[name] = way(part, key)
        for name, of in flats:
            found[name] = of(fields, "")
        if shape.closed:
            fields.only_known(known)
        if shape.check is not None:
            shape.check(fields)
        record = make(**found)
        return record if made is None else made(record, fields)

    return read_record


def _reads_flat(kind: type, name: str) -> Read:
    """Return what reads a value whose keys are among those of the record."""
    if name in (reads := shape_of(kind).reads):
        return reads[name]
    of = _reader(_class(hints(kind)[name]))
    return lambda fields, _: of(fields)


def _known(kind: type) -> set[str]:
    shape = shape_of(kind)
    own = {outer or key for outer, steps in _steps(kind, shape).items() for _, key, *_ in steps}
    own |= set(shape.passed.split())
    for name in shape.flat.split():
        if name not in shape.reads:
            own |= _known(_class(hints(kind)[name]))
    return own


def _steps(kind: type, shape: Shape) -> dict[str, list[Step]]:
    """Return how each field is read, by the mapping within the record that it lies in."""
    within: dict[str, list[Step]] = {"": []}
    for item in dataclasses.fields(kind):
        hint, name = hints(kind)[item.name], item.name
        if name in shape.flat.split() or name in shape.omitted.split():
            continue
        outer, _, key = shape.keys.get(name, name).rpartition(".")
        least = shape.least.get(name)
        usual = name not in shape.reads and least is None and hint in {str, bool}
        empty = None if name in shape.needed.split() else _absent(item, hint, shape)
        way = shape.reads.get(name) or (
            _reads(hint) if least is None else partial(Fields.integer, least=least, most=LARGEST)
        )
        within.setdefault(outer, []).append((name, key, hint if usual else None, empty, way))
    return within


def _reads(hint: object) -> Read:
    """Return what reads a value that is there."""
    if hint in _READS:
        return _READS[hint]
    if _is_union(hint):
        return _reads(_some(hint))
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Mapping:
        return _reads_mapping(*arguments)
    of = arguments[0] if origin is tuple else _class(hint)
    if of in _READS:  # hashes
        return Fields.texts
    if issubclass(of, enum.Enum):
        return partial(Fields.word, kind=of)
    return _reads_list(_reader(of)) if origin is tuple else _reads_one(_reader(of))


def _reads_one(of: Callable[[Fields], object]) -> Read:
    return lambda fields, key: of(fields.child(key))


def _reads_list(of: Callable[[Fields], object]) -> Read:
    return lambda fields, key: tuple([of(item) for item in fields.children(key)])


def _reads_mapping(name: object, hint: object) -> Read:
    way = _reads(hint)
    named: Callable[[str], object] = param_key if name is ParamKey else str

    def read_mapping(fields: Fields, key: str) -> dict[object, object]:
        child = fields.child(key)
        return {named(text): way(child, text) for text in child.names()}

    return read_mapping


def _absent(
    item: dataclasses.Field[object], hint: object, shape: Shape
) -> Callable[[], object] | None:
    """Return what makes the value of an absent key; None where the key has to be there."""
    if item.default is not dataclasses.MISSING:
        return lambda: item.default
    if item.default_factory is not dataclasses.MISSING:
        return item.default_factory
    optional = hint not in _READS and _is_union(hint)
    if optional or get_origin(hint) is Mapping or item.name in shape.lacking.split():
        return _empty(hint)
    return None


def _empty(hint: object) -> Callable[[], object]:
    """Return what makes the value that says nothing: None, an empty text, tuple or mapping."""
    if _is_union(hint):
        return lambda: None
    origin = get_origin(hint) or hint
    return dict if origin is Mapping else _class(origin)


def _is_union(hint: object) -> bool:
    return get_origin(hint) in {Union, types.UnionType}


def _some(hint: object) -> object:
    """Return X of ``X | None``."""
    (one,) = (item for item in get_args(hint) if item is not types.NoneType)
    return one


def _class(hint: object) -> type:
    if not isinstance(hint, type):
        message = f"the codec does not know how to read {hint}"
        raise TypeError(message)
    return hint


# --- writing ------------------------------------------------------------------------------------


@cache
def _writer(kind: type) -> Callable[[object], dict[str, Json]]:
    shape = shape_of(kind)
    sparse, as_is = shape.sparse.split(), shape.as_is.split()
    blank, flat = shape.blank.split(), shape.flat.split()
    head: dict[str, Json] = {"$schema": schema(shape.kind)} if shape.kind else {}
    names: list[str] = []
    steps: list[tuple[str, str, Write | None, object]] = []
    for item in _in_order(kind, shape):
        hint, name = hints(kind)[item.name], item.name
        outer, _, key = shape.keys.get(name, name).rpartition(".")
        way = shape.writes.get(name) or (None if name in as_is else _writes(hint))
        names.append(name)
        empty = (_absent(item, hint, shape) or _empty(hint))() if name in sparse else _ALWAYS
        steps.append(
            ("" if name in flat else key, outer, _or_null if name in blank else way, empty)
        )
    values_of = attrgetter(*names, names[0])  # of one name alone it gives no tuple

    def write_record(value: object) -> dict[str, Json]:
        found = dict(head)
        for (key, outer, way, empty), item in zip(steps, values_of(value), strict=False):
            if empty is not _ALWAYS and item == empty:
                continue
            written = item if way is None or item is None else way(item)
            if outer:
                rest = found.get(outer, shape.fixed.get(outer, {}))
                found[outer] = {**cast("Mapping[str, Json]", rest), key: written}
            elif key:
                found[key] = written
            else:
                found.update(cast("Mapping[str, Json]", written))
        for name, of in shape.wholes.items():
            outer, _, key = name.rpartition(".")
            if not outer:
                found[key] = of(value)
            elif (part := found[outer]) is not None:
                found[outer] = {**cast("Mapping[str, Json]", part), key: of(value)}
        return found

    return write_record


def _in_order(kind: type, shape: Shape) -> list[dataclasses.Field[object]]:
    """Return the fields that are written, as the file has them."""
    rank = {name: number for number, name in enumerate(shape.order.split())}
    found = [item for item in dataclasses.fields(kind) if item.name not in shape.omitted.split()]
    return sorted(found, key=lambda item: rank.get(item.name, len(rank)))


def _writes(hint: object) -> Write | None:
    """Return what turns a value into JSON; None where it is JSON."""
    if hint in _WRITES:
        return _WRITES[hint]
    if _is_union(hint):
        return _writes(_some(hint))  # None is written before this is asked
    arguments = get_args(hint)
    if get_origin(hint) is Mapping:
        return _writes_mapping(_writes(arguments[1]))
    if get_origin(hint) is tuple:
        return _writes_list(_writes(arguments[0]))
    if isinstance(hint, enum.EnumType):
        return attrgetter("value")
    return _writer(_class(hint)) if dataclasses.is_dataclass(hint) else None


def _writes_mapping(way: Write | None) -> Write:
    def write_mapping(value: object) -> Json:
        items = cast("Mapping[object, Json]", value).items()
        return {str(name): item if way is None else way(item) for name, item in items}

    return write_mapping


def _writes_list(way: Write | None) -> Write:
    def write_list(value: object) -> Json:
        items = cast("tuple[Json, ...]", value)
        return list(items) if way is None else [way(item) for item in items]

    return write_list


def _or_null(text: object) -> Json:
    return cast("str", text) or None
