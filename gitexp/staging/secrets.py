"""Masks secrets in what will be recorded: log tails, commands, addresses.

A finished run is never thrown away for a secret: it is masked, and the *name* of what was found is
warned about. No hash of it is kept either, since a short secret can be guessed from one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MASK = "***"
_SHORTEST = 8  # characters of a variable's value that is looked for in text
_NAME = re.compile(r"TOKEN|KEY|SECRET|PASS|CREDENTIAL", re.IGNORECASE)
_TELLING = re.compile(
    r"token(?!s|i)|secret|passw|passphrase|api[_-]?key|access[_-]?key|credential", re.IGNORECASE
)
_PATTERNS = (
    # token: X, "password": "X", --api-key=X; only where `_TELLING` finds the name
    re.compile(
        r"(?<![\w-])(?P<name>[\w-]++)(?P<sep>[\"']?\s{0,3}[=:]\s{0,3}[\"']?)"
        r"(?P<value>[^\s\"',;&]{3,})"
    ),
    # --token X
    re.compile(r"(?<!\S)(?P<name>--?[\w-]++)(?P<sep>[ \t])(?P<value>[^\s\"',;&]{3,})"),
    # https://user:pass@host
    re.compile(r"(?P<name>\b[a-z][a-z0-9]{0,20})(?P<sep>://)(?P<value>[^\s/@]{1,200}(?=@))"),
    # keys that say what they are
    re.compile(
        r"(?P<name>)(?P<sep>)"
        r"(?P<value>\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|hf_[A-Za-z0-9]{20,}"
        r"|sk-[\w-]{20,}|xox[abprs]-[\w-]{10,}|AKIA[0-9A-Z]{16}|AIza[\w-]{30,}"
        r"|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}))"
    ),
)


def is_secret_name(name: str) -> bool:
    """Whether a variable's name says that its value is nobody's business.

    Examples
    --------
    >>> is_secret_name("WANDB_API_KEY"), is_secret_name("OMP_NUM_THREADS")
    (True, False)
    """
    return _NAME.search(name) is not None


def mask(text: str, env: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """Return a text without secrets, and the names of those that were found.

    Parameters
    ----------
    text : str
    env : mapping
        Variables whose values are secrets if their names say so.

    Examples
    --------
    >>> mask("curl --token abcdef https://me:pw@host/x", {})
    ('curl --token *** https://***@host/x', ('--token', 'https'))
    """
    found: list[str] = []
    for name, value in env.items():
        if len(value) >= _SHORTEST and is_secret_name(name) and value in text:
            text = text.replace(value, MASK)
            found.append(name)

    told = _TELLING.search

    def cover(hit: re.Match[str]) -> str:
        if hit["value"] == MASK or (hit["name"] and hit["sep"] != "://" and not told(hit["name"])):
            return hit[0]
        found.append(hit["name"] or "a key")
        return f"{hit['name']}{hit['sep']}{MASK}"

    for pattern in _PATTERNS:
        text = pattern.sub(cover, text)
    return text, tuple(dict.fromkeys(found))
