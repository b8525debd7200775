"""Logs of Inspect: ``.eval``, an archive of JSON, and the same as one JSON file.

Fixtures are written by inspect_ai 0.3.120 and 0.3.285. Of an archive only the header and the
summaries of the samples are read. Its newer versions compress by Zstandard, which Python reads from
3.14 on, else with the package zstandard.
"""

from __future__ import annotations

import importlib
import io
import zipfile
import zlib
from collections import Counter
from typing import TYPE_CHECKING

from gitexp.errors import BadFormatError, PreconditionError
from gitexp.text.jsontext import json_loads, too_large
from gitexp.text.samples import LIMIT

if TYPE_CHECKING:
    from gitexp.text.jsontext import Json

_START = b"PK\x03\x04"
_MOST_FILES = 250_000
_ZSTANDARD = 93
_LOCAL = 30  # bytes of a file's own header, before its name
_WINDOW = 1 << 27
# As `value_to_float` of inspect_ai: correct, partly, incorrect, no answer; and yes or no in words.
GRADES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
_MEANS = frozenset(("accuracy", "mean"))  # metrics that are the mean of a score


def is_archive(data: bytes) -> bool:
    """Whether a file is a zip archive."""
    return data.startswith(_START)


def unpacked(data: bytes, where: str) -> Json:
    """Return header and summaries of an archive as the JSON file has them."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise _damaged(where, str(error)) from error
    with archive:
        if len(archive.filelist) > _MOST_FILES:
            found = f"{len(archive.filelist)} files"
            raise too_large(found, where, f"at most {_MOST_FILES} files")
        header = _member(archive, data, "header.json", where)
        if not isinstance(header, dict):
            raise _damaged(where, "header.json is not an object")
        return {**header, "samples": _member(archive, data, "summaries.json", where)}


def fits(value: Json) -> bool:
    """Whether this is a log of Inspect."""
    return isinstance(value, dict) and value.keys() >= {"version", "eval", "samples"}


def rows(value: Json, where: str) -> list[dict[str, Json]]:
    """Return a row for each sample and epoch: scores by scorer, by metric where one has it."""
    if not isinstance(value, dict):
        return []
    if value.get("status", "success") != "success":
        raise BadFormatError(
            "the evaluation did not come to its end",
            found=f"status {value['status']}"[:80],
            where=where,
            expected="status success: all samples have their scores",
            next_step="inspect eval-retry, then the same with its log",
        )
    alias = _aliases(value.get("results"))
    found = []
    samples = value["samples"]
    for sample in samples if isinstance(samples, list) else []:
        scores = sample.get("scores") if isinstance(sample, dict) else None
        if not isinstance(sample, dict) or not isinstance(sample.get("id"), (str, int)):
            raise BadFormatError("a sample has no id", where=where, expected="id and epoch")
        row: dict[str, Json] = {"id": str(sample["id"]), "epoch": sample.get("epoch")}
        for name, score in scores.items() if isinstance(scores, dict) else ():
            given = score.get("value") if isinstance(score, dict) else None
            if isinstance(given, dict):
                row |= {f"{name}.{part}": to_float(each) for part, each in given.items()}
            else:
                row[name] = to_float(given)
        row |= {name: row.get(scorer) for name, scorer in alias.items() if name not in row}
        about = sample.get("metadata")
        for name, cell in about.items() if isinstance(about, dict) else ():
            if isinstance(cell, (str, int, float)):
                row[f"metadata.{name}"] = cell
        found.append(row)
    return found


def to_float(value: Json) -> float | str | None:
    """Return a score as the tool's metrics take it; other texts, to them 0, are left alone."""
    if isinstance(value, (bool, int, float)):
        return float(value)
    if not isinstance(value, str):
        return None
    if value in GRADES:
        return GRADES[value]
    return WORDS.get(value.lower(), value)


def _aliases(results: Json) -> dict[str, str]:
    """Return metrics that are the mean of one scorer alone, with that scorer."""
    scores = results.get("scores") if isinstance(results, dict) else None
    found = []
    for each in scores if isinstance(scores, list) else ():
        metrics = each.get("metrics") if isinstance(each, dict) else None
        if isinstance(metrics, dict) and isinstance(each, dict):
            found += [(name, str(each.get("name"))) for name in metrics if name in _MEANS]
    times = Counter(name for name, _ in found)
    return {name: scorer for name, scorer in found if times[name] == 1}


def _member(archive: zipfile.ZipFile, data: bytes, name: str, where: str) -> Json:
    here = f"{where}, {name}"
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise BadFormatError(
            "the log is not complete",
            found=f"no {name}",
            where=where,
            expected="a log of Inspect that was finished",
        ) from None
    if info.file_size > LIMIT:
        raise too_large(f"{info.file_size} bytes", here, f"at most {LIMIT} bytes")
    try:
        with archive.open(info) as stream:
            text = stream.read(LIMIT + 1)
    except NotImplementedError:
        text = _zstandard(data, info, here)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, ValueError) as error:
        raise _damaged(here, str(error)) from error
    return json_loads(text, where=here, limit=LIMIT)


def _zstandard(data: bytes, info: zipfile.ZipInfo, here: str) -> bytes:
    """Unpack what Python's own zipfile cannot, never more than the limit."""
    if info.compress_type != _ZSTANDARD:
        raise _damaged(here, f"compression {info.compress_type}")
    try:
        zstandard = importlib.import_module("zstandard")  # a package of the tool that wrote it
    except ImportError as error:
        raise PreconditionError(
            "the log is compressed by Zstandard",
            where=here,
            expected="Python 3.14, or the package zstandard",
            next_step="pip install zstandard, then the same; or "
            "inspect log convert --to json --output-dir DIR LOG",
        ) from error
    at = info.header_offset
    lengths = data[at + 26 : at + _LOCAL]
    start = at + _LOCAL + sum(int.from_bytes(lengths[n : n + 2], "little") for n in (0, 2))
    packed = io.BytesIO(data[start : start + info.compress_size])
    try:
        reader = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
        text = bytes(reader.stream_reader(packed, read_across_frames=True).read(LIMIT + 1))
    except zstandard.ZstdError as error:
        raise _damaged(here, str(error)) from error
    if len(text) <= LIMIT and zlib.crc32(text) != info.CRC:
        raise _damaged(here, "its checksum differs")
    return text


def _damaged(where: str, found: str) -> BadFormatError:
    return BadFormatError("the archive cannot be read", found=found[:120], where=where)
