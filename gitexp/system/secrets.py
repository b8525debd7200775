"""Masks for secrets in what will be recorded: log tails, commands, addresses.

A finished run is never thrown away for a secret: it is masked, and the *name* of what was found is
warned about. No hash of it is kept either, since a short secret can be guessed from one.
"""

from __future__ import annotations

import base64
import json
import math
import re
import struct
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, quote_plus, unquote

from gitexp.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from gitexp.model.config import ParamKey
    from gitexp.model.ids import ParamValue

MASK = "***"
_SHORTEST_PARAM: Final = 8  # characters of a value whose name says that it is a secret
_RANDOM: Final = re.compile(r"(?!md5-|sha[0-9]{1,3}-)[A-Za-z0-9+/=_-]{24,200}")
_PART: Final = re.compile(r"[A-Za-z0-9]{16,}")  # what a name or a path has between its signs
_KINDS: Final = (re.compile("[A-Z]"), re.compile("[a-z]"), re.compile("[0-9]"))
_WORDS: Final = re.compile(r"[a-z]{3,}")
_MOST_WORDS: Final = 0.4  # of the characters: 0.16 by chance, in names more than a half
_LEAST_OF_KEY: Final = 3.4  # bits a character; 16 by chance have 3.8
_SIZES: Final = (1e-9, 1e9)  # what numbers usually are, and 8 random bytes once in 30 times
_SHORTEST = 6  # characters of a value that is looked for in text, if its name says what it is
_HELD = 8  # characters of one that a parameter does not hold by chance
_LONGEST = 4_096  # what is longer is a certificate or a script
_NAME = re.compile(
    r"TOKEN|KEY|SECRET|PASS|CREDENTIAL|COOKIE|JWT|DSN|AUTH(?!OR)|WEBHOOK|(?<!^)(?<!^OLD)PWD|_PW$"
    r"|(?<![A-Z])PATS?(?![A-Z])",
    re.IGNORECASE,
)
# Variables whose values are not secrets, however they look; each by its name, since CLIENT_ID,
# SSH_DEPLOY and GITHUB_API may hold one.
_PUBLIC = frozenset(
    """
    HOST HOSTNAME COMPUTERNAME NAME USER LOGNAME USERNAME TERM SHELL DISPLAY PS1 PS2 PS3 PS4 _
    OLDPWD PWD HOME PATH LANG TZ TMPDIR LS_COLORS COLORTERM TERM_PROGRAM TERM_PROGRAM_VERSION
    TERM_SESSION_ID WT_SESSION INVOCATION_ID JOURNAL_STREAM MACHTYPE SSH_CLIENT SSH_CONNECTION
    SSH_TTY SSH_AUTH_SOCK XDG_SESSION_ID XDG_RUNTIME_DIR XDG_DATA_DIRS DBUS_SESSION_BUS_ADDRESS
    CONDA_PREFIX CONDA_DEFAULT_ENV CONDA_PROMPT_MODIFIER VIRTUAL_ENV VIRTUAL_ENV_PROMPT PYTHONPATH
    PYTHONHASHSEED PYTEST_CURRENT_TEST PYTEST_XDIST_TESTRUNUID CUDA_VERSION CUDA_VISIBLE_DEVICES
    NVIDIA_VISIBLE_DEVICES NVIDIA_REQUIRE_CUDA NV_CUDA_CUDART_VERSION NV_CUDNN_VERSION XLA_FLAGS
    PYTORCH_VERSION SLURM_NODELIST SLURM_JOB_NODELIST SLURM_STEP_NODELIST SLURMD_NODENAME
    SLURM_SUBMIT_HOST SLURM_LAUNCH_NODE_IPADDR SLURM_TOPOLOGY_ADDR SLURM_JOB_NAME KUBERNETES_PORT
    KUBERNETES_SERVICE_HOST RUNNER_NAME RUNNER_OS RUNNER_TEMP RUNNER_WORKSPACE RUNNER_TRACKING_ID
    GITHUB_ACTION GITHUB_ACTION_REF GITHUB_ACTION_REPOSITORY GITHUB_ACTOR GITHUB_ACTOR_ID
    GITHUB_API_URL GITHUB_BASE_REF GITHUB_EVENT_NAME GITHUB_GRAPHQL_URL GITHUB_HEAD_REF GITHUB_JOB
    GITHUB_REF GITHUB_REF_NAME GITHUB_REPOSITORY GITHUB_REPOSITORY_ID GITHUB_REPOSITORY_OWNER
    GITHUB_REPOSITORY_OWNER_ID GITHUB_RUN_ATTEMPT GITHUB_RUN_ID GITHUB_RUN_NUMBER GITHUB_SERVER_URL
    GITHUB_SHA GITHUB_TRIGGERING_ACTOR GITHUB_WORKFLOW GITHUB_WORKFLOW_REF GITHUB_WORKFLOW_SHA
    CI_DEFAULT_BRANCH CI_COMMIT_SHA CI_COMMIT_BEFORE_SHA CI_COMMIT_SHORT_SHA
    CI_COMMIT_BRANCH CI_COMMIT_REF_NAME
    CI_COMMIT_REF_SLUG CI_COMMIT_TAG CI_COMMIT_TITLE CI_COMMIT_MESSAGE CI_JOB_ID CI_JOB_IMAGE
    CI_JOB_NAME CI_JOB_URL CI_PIPELINE_ID CI_PIPELINE_URL CI_PROJECT_ID CI_PROJECT_NAME
    CI_PROJECT_PATH CI_PROJECT_URL CI_REGISTRY_IMAGE CI_RUNNER_ID CI_RUNNER_VERSION CI_SERVER_URL
    CI_MERGE_REQUEST_SOURCE_BRANCH_NAME CI_MERGE_REQUEST_TARGET_BRANCH_NAME GIT_COMMIT BUILD_TAG
    CIRCLE_SHA1 BITBUCKET_COMMIT TRAVIS_COMMIT BUILDKITE_COMMIT BUILD_SOURCEVERSION
    """.split()  # noqa: SIM905  a hundred quoted words are no better to read
)
_LOOKS_SECRET = re.compile(r"(?=.*\d)(?=.*[A-Za-z])(?![/~.])[^\s:]{12,}")
_PLACE = re.compile(r"(?:PATH|DIR|HOME|ROOT|FILE)$", re.IGNORECASE)  # of a relative path, too
_LIST = re.compile(r"[\s,]+")
_ESCAPE = re.compile(r"%[0-9A-F]{2}")
_PARTS = re.compile(r"[/?&=#]")  # of an address, behind its host
_LEAST_ENTROPY = 3.0  # bits a character
_GAP = r"(?:\\n|[\s\"'\\+])"  # what may part a value that is wrapped, or put together in code
_GAPS = re.compile(_GAP)
_TELLING = re.compile(
    r"token(?!s|i)|secret|passw|passphrase|(?:api|access|account|private)[_-]?key|credential"
    r"|bearer|cookie|jwt|(?<![a-z])(?:pwd|auth)(?![a-z])|_pw$",
    re.IGNORECASE,
)
# What stands beside a package's name: ==2.1.0, ^3.1, 2!1.0rc1+cu121. A bare number may be a secret.
_VERSION = re.compile(
    r"(?:(?:[<>~!^]=?|={1,2})v?(?:\d{1,3}!)?\d{1,8}(?:\.\d{1,8}){0,5}(?:\.\*)?"
    r"|v?(?:\d{1,3}!)?\d{1,8}(?:\.\d{1,8}){1,5})"
    r"(?:[._-]?(?:a|b|c|rc|alpha|beta|pre|post|dev)\d{0,8}){0,3}(?:\+[a-z0-9.]{1,40})?"
)


# Compiled where a text is masked: to import this file would take a repeat longer than all else.
@cache
def _by_name() -> tuple[re.Pattern[str], ...]:
    """Return what finds secrets by their names; only where `_TELLING` finds the name."""
    return (
        # token: X, "password": "X", --api-key=X
        re.compile(
            r"(?<![\w-])(?P<name>[\w-]++)(?P<sep>[\"']?\s{0,3}[=:]\s{0,3}[\"']?)"
            r"(?P<value>[^\s\"',;&]{3,})"
        ),
        # --token X
        re.compile(r"(?<!\S)(?P<name>--?[\w-]++)(?P<sep>[ \t])(?P<value>[^\s\"',;&]{3,})"),
    )


@cache
def _sure() -> tuple[re.Pattern[str], ...]:
    """Return what finds secrets by themselves."""
    return (
        # -p X, but of commands that make folders; -u NAME:X; aws_secret_access_key X
        re.compile(
            r"(?<!mkdir )(?<!cp )(?<!\S)(?P<name>-p)(?P<sep>[ \t]?[\"']?)"
            r"(?P<value>(?=[^\s\"']*\d)(?=[^\s\"']*[A-Za-z])[^\s\"',;&/=.]{6,})"
        ),
        re.compile(
            r"(?<!\S)(?P<name>-u|--(?:proxy-)?user)(?P<sep>[ \t=]?[\"']?[^\s\"':/]{1,100}:)"
            r"(?P<value>[^\s\"':/]{3,})"
        ),
        re.compile(
            r"(?P<name>\b(?:\w{0,40}(?:secret|access|api|private)_(?:access_)?key"
            r"|\w{1,40}_(?:password|passwd|token|secret)))(?P<sep>[ \t]{1,8})"
            r"(?P<value>(?=\S{0,100}\d|\S{16})[^\s\"',;&=:]{6,})",
            re.IGNORECASE,
        ),
        # Cookie: X=Y; Z, Authorization: Basic X
        re.compile(
            r"(?P<name>\b(?:Set-)?Cookie)(?P<sep>[\"']?\s{0,3}[:=]\s{0,3}[\"']?)(?P<value>[^\n\"']{3,})",
            re.IGNORECASE,
        ),
        re.compile(
            r"(?P<name>\b(?:Proxy-)?Authorization)"
            r"(?P<sep>[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?:[A-Za-z]{1,20} )?)(?P<value>[^\s\"',]{3,})",
            re.IGNORECASE,
        ),
        # https://user:p@ss@host, to the last @ of what names the host, else to the first of any;
        # user:pass@host:path, but image:tag@sha256:X
        re.compile(
            r"(?P<name>\b[A-Za-z][A-Za-z0-9]{0,20}|)(?P<sep>://)"
            r"(?P<value>[^\s/?#]+(?=@)|[^\s/@]+(?=@))"
        ),
        re.compile(
            r"(?P<name>)(?P<sep>)(?P<value>(?<![\w.@-])[\w.-]++:[^\s/:]{3,}"
            r"(?=@(?!sha\d)[A-Za-z][\w.-]*:[A-Za-z~./]))"
        ),
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


def looks_random(text: str) -> bool:
    """Return whether a text may be a key: long, of all kinds of characters, and of no words.

    Hashes are none, and neither are paths, names, and numbers that are packed as base64.

    Examples
    --------
    >>> looks_random("q9Zr4TxW8mKe2VbN6pLs1YdF3hJc7GaU")
    True
    >>> [looks_random(text) for text in ("ab" * 20, "data/raw/customers-2025.csv", "1e-3")]
    [False, False, False]
    """
    if not _RANDOM.fullmatch(text) or not all(kind.search(text) for kind in _KINDS):
        return False
    return any(_is_random(part) for part in _PART.findall(text)) and not _packs_numbers(text)


def _is_random(part: str) -> bool:
    """Return whether letters and digits follow each other as no word has them."""
    if sum(map(len, _WORDS.findall(part))) > _MOST_WORDS * len(part):
        return False
    return entropy(part) >= _LEAST_OF_KEY


def _packs_numbers(text: str) -> bool:
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return False
    for letter, size in (("d", 8), ("f", 4)):
        if data and len(data) % size == 0:
            numbers = struct.unpack(f"<{len(data) // size}{letter}", data)
            if all(not n or _SIZES[0] < abs(n) < _SIZES[1] for n in numbers):
                return True
    return False


def is_secret(name: str, value: ParamValue) -> bool:
    """Whether the value of a parameter looks like a secret, by its name or its shape."""
    if isinstance(value, tuple):
        return any(is_secret(name, item) for item in value)
    if not isinstance(value, str) or value == MASK:
        return False
    if looks_random(value):
        return True
    named = len(value) >= _SHORTEST_PARAM and is_secret_name(name.rpartition(".")[2])
    return bool(mask(f"{name}: {value}" if named else value, {})[1])


def to_show(name: str, value: ParamValue, fine: Collection[str] = ()) -> ParamValue:
    """Return the value of a parameter, or a mask where it looks like a secret and is not `fine`."""
    return MASK if name not in fine and is_secret(name, value) else value


def is_secret_name(name: str) -> bool:
    """Whether a variable's name says that its value is nobody's business.

    >>> is_secret_name("WANDB_API_KEY"), is_secret_name("OMP_NUM_THREADS")
    (True, False)
    """
    return _NAME.search(name) is not None


def refuse(
    params: Mapping[ParamKey, ParamValue], fine: Iterable[str], env: Mapping[str, str]
) -> None:
    """Refuse parameters that hold what a variable has whose name says that it is a secret.

    `fine`: parameters whose values only look like secrets.
    """
    told = {name: env[name] for name in env if _TELLING.search(name) and len(env[name]) >= _HELD}
    for key, value in params.items():
        name = next((n for n, secret in told.items() if secret in str(value)), "")
        if name and str(key) not in fine and not _is_place(name, told[name]):
            raise UsageError(
                f"{key} would hold a secret, and parameters are recorded",
                found=f"the value of ${name}",
                expected=f"a command that reads ${name} itself",
                next_step=f"the same without --param {key}; if it is no secret, add {key} to"
                " rules.not_secret in .gitexp/config.yaml",
            )


def mask(text: str, env: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """Return a text without secrets, and the names of those that were found.

    `env`: variables whose values are secrets if their names say so.

    >>> mask("curl --token abcdef https://me:pw@host/x", {})
    ('curl --token *** https://***@host/x', ('--token', 'https'))
    """
    if not text:
        return "", ()
    found: list[str] = []
    squeezed = _GAPS.sub("", text)
    for name, value in env.items():
        for form in (form for each in _secrets(name, value) for form in _forms(each)):
            parts = _GAPS.sub("", form)
            if len(parts) >= _SHORTEST and parts in squeezed:
                wrapped = f"{_GAP}{{0,20}}".join(map(re.escape, parts))
                text = re.sub(wrapped, MASK, text)
                found.append(name)

    def cover(hit: re.Match[str]) -> str:
        name, value = hit["name"], hit["value"]
        covered = value.startswith(MASK) if hit["sep"] != "://" else not value.strip("*:")
        if covered or not (hit.re in _sure() or _TELLING.search(name)):
            return hit[0]
        if _VERSION.fullmatch(value):  # cookiecutter==2.6.0
            return hit[0]
        if name.lower().endswith("pwd") and _is_place(name, value):
            return hit[0]
        found.append(name or "a key")
        return f"{name}{hit['sep']}{MASK}"

    for pattern in (*_by_name(), *_sure()):
        text = pattern.sub(cover, text)
    return text, tuple(dict.fromkeys(found))


def _secrets(name: str, value: str) -> Iterator[str]:
    """Yield what of a variable's value is looked for: all of it, and the secrets in an address."""
    if not _SHORTEST <= len(value) <= _LONGEST or _is_place(name, value):
        return
    if is_secret_name(name):
        yield value
    elif name.upper() not in _PUBLIC:
        whole = value.split("/") if _PLACE.search(name) else (value,)
        yield from (part for part in whole if _looks_secret(part))
    for pattern in _by_name():  # of a text such as "host=h password=X"
        yield from (hit["value"] for hit in pattern.finditer(value) if _TELLING.search(hit["name"]))
    for address in dict.fromkeys((value, *_LIST.split(value))):
        scheme, _, rest = address.partition("://")
        host, _, path = rest.partition("/")
        login, _, _ = (rest if "@" in path else host).rpartition("@")
        user, colon, password = login.partition(":")
        if colon and password not in {user, scheme}:
            yield from dict.fromkeys((login, password, unquote(password)))
        parts = () if name.upper() in _PUBLIC else _PARTS.split(path)
        told = (form for part in (user, *parts) for form in dict.fromkeys((part, unquote(part))))
        yield from (part for part in told if _looks_secret(part))


def _is_place(name: str, value: str) -> bool:
    """Whether a value is a path; of keys one in 64 begins with a slash, a password as it likes."""
    if value.startswith(("~/", "./", "../")) or not is_secret_name(name):
        return value.startswith(("/", "~", "."))
    return value.startswith("/") and Path(f"/{value.split('/')[1]}").is_dir()


def _looks_secret(value: str) -> bool:
    """Whether a text looks made by chance."""
    if not _LOOKS_SECRET.fullmatch(value):
        return False
    return entropy(value) >= _LEAST_ENTROPY


def entropy(text: str) -> float:
    """Return the bits a character has by the frequencies in its text."""
    shares = [n / len(text) for n in Counter(text).values()]
    return -sum(share * math.log2(share) for share in shares)


def _forms(value: str) -> Iterator[str]:
    """Yield how a value may be written: as it is, quoted, in hex, within base64."""
    data = value.encode("utf-8", "surrogateescape")
    yield from dict.fromkeys((value, json.dumps(value)[1:-1], repr(value)[1:-1]))
    for write, safe in ((quote, ""), (quote, "/"), (quote_plus, "")):
        escaped = write(value, safe, errors="replace")
        yield from (escaped, _ESCAPE.sub(lambda hit: hit[0].lower(), escaped))
    for apart in ("", ":", "-", "%", "\\x", ",0x"):  # a dump, a fingerprint, bytes of a program
        yield from (apart.join(f"{byte:{digits}}" for byte in data) for digits in ("02x", "02X"))
    for before in range(3):  # whatever stands before it, as in "user:password"
        coded = base64.b64encode(b"\0" * before + data).decode("ascii").rstrip("=")
        whole = coded[before + (before > 0) : len(coded) - ((before + len(data)) % 3 > 0)]
        yield from (whole, whole.replace("+", "-").replace("/", "_"))


_BYTES = 16 << 10  # read, whatever the size of the log
_LINES = 40
_CHARACTERS = 4000
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def log_tail(log: Path, env: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    r"""Return the last lines of a log and the names of the secrets that were masked in them.

    Bytes that are not UTF-8 and control characters (an escape sequence would act on whoever
    reads the record) are written as ``\x1b``; of a progress bar the last state is kept.
    """
    try:
        with log.open("rb") as stream:
            size = stream.seek(0, 2)
            start = max(0, size - _BYTES)
            stream.seek(start)
            data = stream.read(_BYTES)
    except OSError:
        return "", ()
    if start:
        data = data.partition(b"\n")[2] or data
    text = data.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    masked, found = mask(_COLOUR.sub("", text), env)
    lines = [printable(line.rpartition("\r")[2]) for line in masked.rstrip().split("\n")]
    return "\n".join(lines[-_LINES:])[-_CHARACTERS:], found


def printable(text: str) -> str:
    r"""Write what a terminal would obey as an escape.

    >>> print(printable("a\tb\x1b]52;c\x07\u202e"))
    a   b\x1b]52;c\x07\u202e
    """
    expanded = text.expandtabs(4)
    if expanded.isprintable():
        return expanded
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in expanded)
