"""Takes users, hosts and folders out of what is recorded, where the project asks for that.

It acts on what would be written: runs, plans, conclusions, receipts, tombstones. A digest lets the
same person or machine be recognised and does not name it; whoever has a list of names can still try
them, so `drop` is the stronger word. The author of a commit is Git's to name.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError, NotInitialisedError
from gitexp.git import identity, upstream
from gitexp.model.config import Identity, ProjectConfig
from gitexp.model.plan import WITHHELD, Person, covered
from gitexp.store import plans
from gitexp.store.plan_files import settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitexp.git.repository import Repo
    from gitexp.model.ids import CommitHash
    from gitexp.model.run import Repeat, Run

_STRICTNESS: Final = (Identity.FULL, Identity.HASH, Identity.DROP)
_SHORTEST: Final = 2  # characters of a name that is looked for as a word of its own
# Accounts that many have name nobody, and are words of other meaning: a root mean square.
_ANYBODY: Final = frozenset(
    ("admin", "docker", "jenkins", "localhost", "nobody", "root", "runner", "ubuntu", "user")
)
# The name of a user's home; linear, as all of these, since a log may be long.
_HOME: Final = re.compile(
    r"(?P<before>/home/|/Users/|[A-Za-z]:[\\/]+Users[\\/]+)(?P<user>[^/\\\s\"':;,<>]{1,64})"
)
_PART: Final = r"[^/\\\s\"':;,<>()]+"
# The folders of an absolute path, but for those that every system has.
_FOLDERS: Final = re.compile(
    rf"(?:(?<=file://)|(?<![\w.<>/~-]))/(?!(?:usr|lib\w*|s?bin|etc|proc|dev|sys)/)(?:{_PART}/)+"
    rf"|(?<!\w)[A-Za-z]:[\\]+(?:{_PART}[\\]+)+|(?<![\w\\])\\\\+(?:{_PART}[\\]+)+"
)


def author(repo: Repo, commit: CommitHash) -> Person:
    """Return who is at work, as records behind a commit name him by the settings in it."""
    config = ProjectConfig()
    with contextlib.suppress(NotInitialisedError):
        config = plans.config_of(repo, commit)[0]
    return person(identity.author(repo), held(repo, config)[0].identity)


def held(repo: Repo, config: ProjectConfig) -> tuple[ProjectConfig, tuple[str, ...]]:
    """Return settings that keep as much private as main's, and which of those hold instead.

    Of main here, upstream and on origin the strictest counts: else whoever writes a branch would
    say what the records of those who run it tell of them.
    """
    way, least = config.identity, config.min_slice
    for each in upstream.own(repo, upstream.USUAL):
        with contextlib.suppress(GitexpError):
            theirs = settings(repo.tree(each.commit)) or config
            way = max(way, theirs.identity, key=_STRICTNESS.index)
            least = max(least, theirs.min_slice)
    said = []
    if way is not config.identity:
        said.append(
            f"record.identity: {way.value} holds, which is main's, not {config.identity.value}"
        )
    if least != config.min_slice:
        said.append(f"privacy.min_slice: {least} holds, which is main's, not {config.min_slice}")
    return replace(config, identity=way, min_slice=least), tuple(said)


def person(who: Person, way: Identity) -> Person:
    """Return a person as the project's records name him."""
    if way is Identity.FULL:
        return who
    return Person(_name(who.email or who.name, way), "")


def run(record: Run, way: Identity, places: Iterable[str] = (), people: Iterable[str] = ()) -> Run:
    """Return a record as the project wants it to name people and machines.

    `places`: absolute paths on this machine, like the project's: they are replaced whole.
    """
    if way is Identity.FULL:
        return record
    longest = sorted({place for place in places if len(place) > 1}, key=len, reverse=True)
    who = record.author
    mask = _Mask(way, tuple(longest), frozenset((*people, who.name, who.email)))
    return replace(
        record,
        author=person(who, way),
        command=mask.text(record.command),
        repeats=tuple(mask.repeat(item) for item in record.repeats),
        warnings=tuple(mask.text(text) for text in record.warnings),
    )


def _name(value: str, way: Identity) -> str:
    if not value or way is Identity.DROP:
        return value and WITHHELD
    return covered(value)


class _Mask:
    def __init__(self, way: Identity, places: tuple[str, ...], people: frozenset[str]) -> None:
        self._way = way
        self._places = places
        self._people = people

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
                host=_name(host, self._way),
                variables={key: self.text(value, host) for key, value in used.variables.items()},
            ),
        )

    def text(self, text: str, host: str = "") -> str:
        for place in self._places:
            text = text.replace(place, self._covered(place))
        names = {*self._people, host, host.partition(".")[0]}
        for name in sorted(names - _ANYBODY, key=len, reverse=True):
            if len(name) >= _SHORTEST:
                found = rf"(?<!\w){re.escape(name)}(?!\w)"
                text = re.sub(found, self._covered(name), text)
        text = _HOME.sub(lambda hit: hit["before"] + self._covered(hit["user"]), text)
        return _FOLDERS.sub(lambda hit: self._covered(hit[0][:-1]) + hit[0][-1], text)

    def _covered(self, value: str) -> str:
        return f"<{_name(value, self._way)}>"
