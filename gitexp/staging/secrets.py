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
    r"token(?!s|i)|secret|passw|passphrase|(?:api|access|account|private)[_-]?key|credential"
    r"|bearer",
    re.IGNORECASE,
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
    # Authorization: Bearer X
    re.compile(r"(?P<name>\b[Bb]earer)(?P<sep> )(?P<value>[\w.~+/-]{16,}=*)"),
    # https://HOST/PATH?sig=X of Azure, https://hooks.slack.com/services/X
    re.compile(r"(?P<name>)(?P<sep>[?&]sig=)(?P<value>[\w%+/-]{30,})"),
    re.compile(r"(?P<name>)(?P<sep>\bhooks\.slack\.com/services/)(?P<value>[\w/-]{20,})"),
    # a private key with all of its lines; a log may have cut its end
    re.compile(
        r"(?P<name>)(?P<sep>-----BEGIN [A-Z ]{0,20}PRIVATE KEY(?: BLOCK)?-----)"
        r"(?P<value>(?!\*)(?:[^-]|-(?!----)){1,20000})"
    ),
    # keys that say what they are
    re.compile(
        r"(?P<name>)(?P<sep>)"
        r"(?P<value>\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|gl[a-z]{1,6}-[\w-]{20,}"
        r"|hf_[A-Za-z0-9]{20,}|sk-(?:\w{1,12}-){0,3}\w{16,}[\w-]*|[rs]k_(?:live|test)_\w{16,}"
        r"|xox[a-z]-[\w-]{10,}|xapp-[\w-]{20,}|(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[\w-]{30,}"
        r"|ya29\.[\w-]{20,}|GOCSPX-[\w-]{20,}|wandb_v[0-9]_\w{20,}|npm_[A-Za-z0-9]{30,}"
        r"|pypi-AgE[\w-]{20,}|do[opr]_v1_[0-9a-f]{40,}|SG\.[\w-]{16,}\.[\w-]{16,}"
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
