"""Takes users, hosts and paths of homes out of a record, where the project asks for that.

Pure: it acts on what would be written. A digest lets the same person or machine be recognised and
does not name it; whoever has a list of names can still try them, so `drop` is the stronger word.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gitexp.model.plan import Person
from gitexp.model.rules import Identity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitexp.model.run import Repeat, Run

WITHHELD: Final = "withheld"
_SHORTEST_HOST: Final = 4  # characters; "a" or "pc" may be part of any word
# The name of a user's home; linear, since a log may be long.
_HOME = re.compile(
    r"(?P<before>/home/|/Users/|[A-Za-z]:[\\/]Users[\\/])(?P<user>[^/\\\s\"':;,]{1,64})"
)


def applied(run: Run, way: Identity, places: Iterable[str] = ()) -> Run:
    """Return a record as the project wants it to name people and machines.

    Parameters
    ----------
    run : Run
    way : Identity
    places : iterable of str
        Absolute paths on this machine, like the project's: they are replaced whole.
    """
    if way is Identity.FULL:
        return run
    mask = _Mask(way, tuple(sorted({place for place in places if len(place) > 1}, key=len)[::-1]))
    author = Person(mask.name(run.author.email or run.author.name), "")
    return replace(
        run,
        author=author,
        command=mask.text(run.command),
        repeats=tuple(mask.repeat(item) for item in run.repeats),
        warnings=tuple(mask.text(text) for text in run.warnings),
    )


class _Mask:
    def __init__(self, way: Identity, places: tuple[str, ...]) -> None:
        self._way = way
        self._places = places

    def name(self, value: str) -> str:
        if not value:
            return value
        if self._way is Identity.DROP:
            return WITHHELD
        return hashlib.sha256(f"gitexp identity {value}".encode()).hexdigest()[:12]

    def repeat(self, repeat: Repeat) -> Repeat:
        used = repeat.resources
        host = used.host
        return replace(
            repeat,
            reason=self.text(repeat.reason, host),
            log_tail=self.text(repeat.log_tail, host),
            warnings=tuple(self.text(text, host) for text in repeat.warnings),
            resources=replace(
                used,
                host=self.name(host),
                variables={key: self.text(value, host) for key, value in used.variables.items()},
            ),
        )

    def text(self, text: str, host: str = "") -> str:
        for place in self._places:
            text = text.replace(place, f"<{self.name(place)}>")
        if len(host) >= _SHORTEST_HOST:
            text = text.replace(host, f"<{self.name(host)}>")
        return _HOME.sub(lambda hit: f"{hit['before']}<{self.name(hit['user'])}>", text)
