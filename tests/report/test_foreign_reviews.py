"""Reviews that a stranger's job made: whatever text is in them is shown, and never obeyed."""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING

import pytest

from gitexp.cli.review import FORMATS, render
from gitexp.errors import GitexpError
from gitexp.model.review import Review
from gitexp.records import codec
from gitexp.report import brief
from tests.lab import samples
from tests.report.test_github import made

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.text.jsontext import Json

    Place = tuple[str | int, ...]

EVIL = (
    "](http://evil.example) ![x](http://evil.example) <img src=x onerror=y> @octocat <!-- x -->",
    "\n::set-output name=x::y\n@octocat\n```\n</details><script>alert(1)</script>|`b``c",
    "\u202e\u200b\x1b]52;c;x\x07\r\n| @octocat | <img src=x> |\\",
    "\ud800 @octocat",
)
_SPAN = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")


def texts(value: Json, place: Place = ()) -> Iterator[Place]:
    """Yield where a value has a text, or a null where one may stand."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from texts(item, (*place, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from texts(item, (*place, index))
    elif isinstance(value, str) or value is None:
        yield place


def put(value: Json, place: Place, text: str) -> Json:
    changed = copy.deepcopy(value)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]  # type: ignore[index, call-overload]
    inner[place[-1]] = text  # type: ignore[index, call-overload]
    return changed


def is_read(value: Json) -> bool:
    try:
        codec.load(Review, json.dumps(value).encode(), "review.json")
    except GitexpError:
        return False
    return True


@pytest.mark.sweep(4)
@pytest.mark.parametrize("text", EVIL, ids=["markdown", "commands", "escapes", "half a character"])
@pytest.mark.parametrize("name", samples.ALL)
def test_a_text_of_a_review_is_shown_and_never_obeyed(name: str, text: str) -> None:
    value: Json = json.loads(codec.dump(made()))
    for compared in samples.ALL[name]:
        shown = json.loads(json.dumps(codec.to_json(compared)))
        value["experiments"][0]["comparison"] = shown  # type: ignore[index, call-overload]
        forged = value
        for place in texts(value):
            one = put(value, place, text)
            if is_read(one):
                both = put(forged, place, text)
                forged = both if is_read(both) else forged
        assert json.dumps(forged).count("@octocat") > 10 or "octocat" not in text
        found = codec.load(Review, json.dumps(forged).encode(), "review.json")
        assert "\n" not in found.word
        for form in FORMATS:
            check_harmless(render(found, form), form)
        assert brief.text(found)


def check_harmless(rendered: str, form: str) -> None:
    rendered.encode()
    assert all(char.isprintable() or char == "\n" for char in rendered), form
    if form in {"md", "summary"}:
        fences = re.sub(r"^```text\n.*?^```$", "", rendered, flags=re.DOTALL | re.MULTILINE)
        outside = "\n".join(_SPAN.sub("", line) for line in fences.splitlines())
        for word in ("<img", "<script", "<!--", "](http", "@octocat", "evil.example"):
            assert word not in outside, outside
    elif form == "annotations":
        for line in rendered.splitlines():
            assert line.startswith(("::error title=gitexp", "::warning title=gitexp")), line
    elif form == "html":
        assert "<img" not in rendered
        assert "<script>alert" not in rendered
