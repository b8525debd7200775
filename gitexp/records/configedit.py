"""``.gitexp/config.yaml`` changed in place: comments, order and what else it says stay.

Only the text of a changed setting is exchanged, or a line added at the end; the result is read
again, and unless it says exactly what was asked for, nothing is returned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.errors import BadFormatError
from gitexp.records import codec
from gitexp.records import config as config_format
from gitexp.text.yamltext import TextSpan, scan
from gitexp.text.yamlwrite import inline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitexp.model.config import ProjectConfig
    from gitexp.text.jsontext import Json

_BOM = "\ufeff"


def update(data: bytes, where: str, new: ProjectConfig) -> bytes:
    r"""Change what `gitexp init` has options for.

    `new`: differs from what the file says in such settings only.

    >>> from gitexp.model.config import ParamKey, ProjectConfig, SeedRule
    >>> new = ProjectConfig(seed=SeedRule((ParamKey("params.yaml", "a"),)), python="py")
    >>> update(b"$schema: gitexp/config@1\nseed: null  # ours\n", "config.yaml", new)
    b'$schema: gitexp/config@1\nseed: {"param": a}  # ours\npython: py\n'
    """
    text = data.decode("utf-8-sig")
    old, wanted = _settings(config_format.load(data, where)), _settings(new)
    for name, value in wanted.items():
        if value != old[name]:
            text = _put(text, where, name, value)
    result = ((_BOM if data.startswith(_BOM.encode()) else "") + text).encode()
    if config_format.load(result, where) != new:
        raise BadFormatError(
            "the settings cannot be changed in place",
            found="a layout that gitexp does not edit",
            where=where,
            next_step="change them by hand: "
            + "; ".join(
                f"{name}: {inline(value)}" for name, value in wanted.items() if value != old[name]
            ),
        )
    return result


def _settings(config: ProjectConfig) -> dict[str, Json]:
    """Return the settings that are changed, as the file has them."""
    targets = {"file": config.pipeline, "targets": list(config.targets)}
    return {
        "project": config.project,
        "pipeline": targets if config.targets else config.pipeline,
        "command": config.command,
        "params": list(config.params),
        "metrics": list(config.metrics),
        "outputs": list(config.outputs),
        "predictions": codec.maybe_json(config.predictions),
        "seed": config_format.seed_json(config.seed) or None,
        "python": config.python,
        "inputs.mode": config.inputs_mode.value,
        "inputs.include": list(config.inputs_include),
    }


def _put(text: str, where: str, name: str, value: Json) -> str:
    found = scan(text.encode(), where=where, allow_aliases=False)
    top = found.value if isinstance(found.value, dict) else {}
    path: tuple[str | int, ...] = (name,)
    if name == "metrics" and isinstance(there := top.get(name), dict):
        path = (name, "files")
        if "files" not in there:
            path, value = (name,), {"files": value, **there}
    if name.startswith("inputs."):
        key = name.removeprefix("inputs.")
        name, path = "inputs", ("inputs", key)
        if path not in found.places and isinstance(there := top.get(name), dict):
            at = text.rfind("\n", 0, found.places[name, "rules"].start) + 1
            lead, found_key, _ = text[at:].partition("rules:")
            if found_key and not lead.strip():
                return f"{text[:at]}{lead}{key}: {inline(value)}\n{text[at:]}"
            path, value = (name,), {**there, key: value}
    if path not in found.places:
        return f"{text.rstrip()}\n{name}: {inline(value)}\n"
    start, end = _region(text, found.places, path)
    gap = "" if text[start - 1 : start] in {" ", "["} else " "  # right after "key:"
    return text[:start] + gap + inline(value) + text[end:]


def _region(
    text: str, places: Mapping[tuple[str | int, ...], TextSpan], path: tuple[str | int, ...]
) -> tuple[int, int]:
    """Return the text of a value; a block's begins after its key and ends with its last item."""
    place = places[path]
    below = [p.end for at, p in places.items() if at[: len(path)] == path and at != path]
    if below and text[place.start : place.start + 1] not in {"{", "["}:
        return len(text[: place.start].rstrip()), len(text[: max(below)].rstrip())
    return place.start, place.start + len(text[place.start : place.end].rstrip())
