"""What a job knows of its user's secrets reaches no record, whatever holds them."""

from __future__ import annotations

import base64
import json
import os
import stat
import textwrap
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import pytest

from gitexp.cli.dispatch import dispatch
from gitexp.model.config import ParamKey
from gitexp.system import environment, secrets
from tests.execution.test_run import plain

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VALUE: Final = "s3cr3t/V4lue+9f8e-7d6c=5b"
NAMES: Final = (
    *("MYSQL_PWD", "REDIS_AUTH", "SESSION_COOKIE", "APP_JWT", "DB_DSN", "WANDB_API_KEY"),
    *("THING", "LC_THING", "OMP_THING", "X"),  # names say nothing
)
WAYS: Final[dict[str, Callable[[str], str]]] = {
    "plain": lambda v: f"value is {v}!",
    "lines": lambda v: "\n".join(textwrap.wrap(v, 7)),
    "code": lambda v: f"x = ('{v[:9]}' +\n     '{v[9:]}')",
    "escaped": lambda v: json.dumps({"x": v}),
    "repr": lambda v: f"KeyError: {v!r}",
    "url": lambda v: f"GET /?x={quote(v, safe='')} 403",
    "hex": lambda v: v.encode().hex(),
    "dump": lambda v: v.encode().hex(" "),
    "fingerprint": lambda v: v.encode().hex(":").upper(),
    "list": lambda v: ", ".join(map(hex, v.encode())),
    "every byte": lambda v: "".join(f"%{byte:02X}" for byte in v.encode()),
    "bytes": lambda v: "".join(f"\\x{byte:02x}" for byte in v.encode()),
    "base64": lambda v: base64.b64encode(v.encode()).decode(),
    "basic": lambda v: base64.b64encode(f"me:{v}".encode()).decode(),
    "basic of another": lambda v: base64.b64encode(f"you:{v}:x".encode()).decode(),
    "urlsafe": lambda v: base64.urlsafe_b64encode(f"a{v}".encode()).decode(),
    "wrapped base64": lambda v: base64.encodebytes(v.encode() * 4).decode(),
    "traceback": lambda v: f'  File "x.py", line 1\n    login("{v}")\nError: login failed',
}


def parts(text: str) -> set[str]:
    """Return the runs of eight characters of a text, without what may part it."""
    plain_text = "".join(char for char in text if char not in " \n'\"\\\\+:x").lower()
    return {plain_text[at : at + 8] for at in range(len(plain_text) - 7)}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", NAMES)
def test_a_secret_of_the_environment_is_masked_and_named(name: str, way: str) -> None:
    said = WAYS[way](VALUE)
    text, found = secrets.mask(f"before\n{said}\nafter", {name: VALUE, "HOME": "/home/me"})
    assert found == (name,)
    assert text.startswith("before\n")
    assert text.endswith("\nafter")
    assert not parts(text) & (parts(VALUE) | parts(quote(VALUE)) | parts(VALUE.encode().hex()))
    if "base64" in way:
        coded = base64.b64encode(VALUE.encode()).decode()
        assert not parts(text) & parts(coded[:-4])


@pytest.mark.parametrize(
    "said",
    [
        *("MYSQL_PWD=hunter2hunter2", "export REDIS_AUTH=hunter2hunter2"),
        *("SESSION_COOKIE: hunter2hunter2", "tool --pwd hunter2hunter2", "tool --auth hunter2hun"),
        *("mysql -u root -p hunter2hunter2 db", "mysql -u root -phunter2hunter2 db"),
        *("curl -u me:hunter2hunter2 https://host/", "curl --user me:hunter2hunter2 https://host/"),
        "aws configure set aws_secret_access_key wJalrXUtnFEMIhunter2hunter2",
        *("Cookie: a=hunter2hunter2; b=1", "Set-Cookie: s=hunter2hunter2; Path=/"),
        *("Authorization: Basic hunter2hunter2", "'Authorization': 'token hunter2hunter2'"),
    ],
)
def test_what_says_that_it_is_a_secret_is_one(said: str) -> None:
    text, found = secrets.mask(said, {})
    assert "hunter2hun" not in text
    assert found


@pytest.mark.parametrize(
    "said",
    [
        *(
            "mkdir -p data/run12345",
            "cp -p model9.txt copy9.txt",
            "make -p 8080",
            "ls -u run1 run2",
        ),
        *("pwd=/home/me/project1", "author: Ada1815", "authentication=basic1", "tokens: 123456"),
        *("epoch 12 loss 0.123", "the secret of access_key handling", "python -u train.py"),
    ],
)
def test_what_only_resembles_one_stays(said: str) -> None:
    env = {"HOSTNAME": "ip-10-0-0-12x", "PATH": "/usr/bin1:/bin", "LANG": "en_US.UTF-8",
           "GITHUB_SHA": "0123456789abcdef", "VIRTUAL_ENV": "/home/me/v1"}  # fmt: skip
    assert secrets.mask(f"{said} {' '.join(env.values())}", env) == (
        f"{said} {' '.join(env.values())}", (),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://ada:hunter2@h/x", "https://***@h/x"),
        (f"https://ada:{'hunter2' * 40}@h/x", "https://***@h/x"),
        (f"https://{'hunter2' * 40}@h/x", "https://***@h/x"),
        ("https://ada:p@hunter2@h/x?to=me@y", "https://***@h/x?to=me@y"),
        ("https://ada:p@hunter2@h?to=me@y", "https://***@h?to=me@y"),
        ("https://ada:hunter#2@h/x", "https://***@h/x"),
        ("HTTPS://Ada:hunter2@h", "HTTPS://***@h"),
        ("git+ssh://a:hunter2@h:22/x", "git+ssh://***@h:22/x"),
        (f"{'my' * 20}://ada:hunter2@h", f"{'my' * 20}://***@h"),
        ("https://***:hunter2@h", "https://***@h"),
        ("ada:hunter2@h.example:x/y.git", "***@h.example:x/y.git"),
        ("ada:p@hunter2@h:~/y.git", "***@h:~/y.git"),
        *((kept, kept) for kept in ("git@h:x/y.git", "https://h/me@y", "https://***@h/x")),
        *((kept, kept) for kept in ("python:3.12@sha256:abc", "dvc.yaml:train@7: failed")),
        *((kept, kept) for kept in ("step:100@cuda:0", "mailto:me@x.org: hello")),
    ],
)
def test_login_and_password_of_an_address_are_masked_by_its_structure(
    address: str, shown: str
) -> None:
    assert secrets.mask(f"to {address} now", {})[0] == f"to {shown} now"


@pytest.mark.parametrize("verb", [["run", "--repeats", "1"], ["run", "--commit", "-m", "x"]])
def test_a_parameter_with_a_secret_of_the_environment_is_refused(
    verb: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    repo = plain(tmp_path / "r")
    monkeypatch.setenv("HF_TOKEN", VALUE)
    repo.commit({"params.yaml": repo.show("params.yaml") + "api: none\n"})
    refs = repo.refs()
    assert dispatch(["-C", str(repo.path), *verb, "--param", f"api=x:{VALUE}"]) == 2
    said = capsys.readouterr()
    assert "the value of $HF_TOKEN" in said.err
    assert VALUE not in said.out + said.err
    assert repo.refs() == refs


def test_a_parameter_that_is_no_secret_is_not_refused() -> None:
    key = ParamKey("params.yaml", "api")
    env = {"TOKENIZER": "bert-base-uncased", "API_KEY": "short", "SSL_TOKEN": "/etc/ssl/token"}
    for value in env.values():
        secrets.refuse({key: value}, (), env)
    secrets.refuse({key: VALUE}, ("api",), {"HF_TOKEN": VALUE})


def test_variables_are_recorded_by_a_list() -> None:
    env = {"LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "4", "MKL_CBWR": "AVX2,STRICT"}
    others = {"LC_PASSPORT": "x", "OMP_THING": VALUE, "LC_CTYPE": VALUE, "OMP_PLACES": "a\nb"}
    assert environment.machine_variables(env | others) == env


def test_no_record_holds_what_a_failing_job_knew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = plain(tmp_path / "r")
    monkeypatch.setenv("THING", VALUE)
    repo.commit({"train.py": (
        "import base64, os\nv = os.environ['THING']\n"
        "print(v, v.encode().hex(), base64.b64encode(('me:' + v).encode()).decode())\n"
        "print('\\n'.join(v[n:n + 6] for n in range(0, len(v), 6)))\n"
        "raise KeyError(v)\n"
    )})  # fmt: skip
    assert dispatch(["-C", str(repo.path), "run", "--repeats", "1"]) != 0
    said = capsys.readouterr()
    dispatch(["-C", str(repo.path), "show", "--json"])
    said_too = capsys.readouterr()
    run = next(path for path in repo.files() if path.endswith("run.json"))
    record = repo.show(run)
    assert "held a secret (THING): masked" in record
    for text in (record, said.out + said.err, said_too.out):
        assert not parts(text) & parts(VALUE)
        assert VALUE.encode().hex()[:16] not in text
    logs = list(repo.path.glob(".git/gitexp/work/runs/*/jobs/*/*/log*"))
    assert all(stat.S_IMODE(log.stat().st_mode) == 0o600 for log in logs if log.is_file())
    assert os.environ["THING"] == VALUE


KEY: Final = "9f8e7d6c5b4a39281706f5e4d3c2b1a09f8e7d6c"
PASSWORD: Final = "correct-horse"  # noqa: S105
SIGNED: Final = "4f3e/9d8c7b6a5/0f1e2d3c4b5a69788"
HOLDERS: Final[dict[str, tuple[str, str]]] = {  # what holds a secret, and the secret
    **dict.fromkeys(("GITHUB_X", "GH_PAT", "PAT", "CI_X", "MY_PATS", "AZURE_PAT"), (KEY, KEY)),
    **dict.fromkeys(("GITHUB_PAT", "CI_PAT_OLD", "SOME_WEBHOOK"), (PASSWORD, PASSWORD)),
    "DISCORD_WEBHOOK": (f"https://discord.com/api/webhooks/1234567890/{KEY}", KEY),
    "NOTIFY": (f"https://host.example/hook/{KEY}", KEY),
    "ENDPOINT": (f"https://host.example/x?key={KEY}&y=1", KEY),
    "DATABASE_URL": (f"postgres://u:{PASSWORD}@h/db", PASSWORD),
    "CELERY_BROKER": (f"redis://:{PASSWORD}@h:6379/0", PASSWORD),
    "GITHUB_SERVER_URL": (f"https://me:{PASSWORD}@host.example", PASSWORD),
    "AT_SIGN": (f"postgres://u:p@x/{PASSWORD}@h/db", f"p@x/{PASSWORD}"),
    "NODES": (f"amqp://u:other-word@a,amqp://u:{PASSWORD}@b", PASSWORD),
    "PGCONN": (f"host=h user=u password={PASSWORD} dbname=d", PASSWORD),
    "SETTINGS": (json.dumps({"user": "me", "api_key": PASSWORD}), PASSWORD),
    "PIP_INDEX_URL": (f"https://{KEY}:@host.example/simple", KEY),
    **dict.fromkeys(("CLIENT_ID", "SSH_DEPLOY", "GITHUB_API", "UV_X", "RELEASE_SHA"), (KEY, KEY)),
    "DATA_FILE": (f"drop/{KEY}", KEY),
    "BLOB": (f"https://x.blob.example/c?sv=1&sig={SIGNED.replace('/', '%2F')}", SIGNED),
    "ESCAPED": (f"https://host.example/{SIGNED.replace('/', '%2f')}", SIGNED),
    "GIT_REMOTE": (f"https://{KEY}@host.example/x.git", KEY),
    "HTTPS_PROXY": ("http://me:correct%2Dhorse@proxy:3128", PASSWORD),
}  # fmt: skip


@pytest.mark.parametrize("way", ["plain", "hex", "basic", "code"])
@pytest.mark.parametrize("name", HOLDERS)
def test_what_a_value_holds_is_masked_where_it_stands_alone(name: str, way: str) -> None:
    value, secret = HOLDERS[name]
    text, found = secrets.mask(f"before {WAYS[way](secret)} after", {name: value})
    assert found == (name,)
    assert text.startswith("before ")
    assert text.endswith(" after")
    assert not parts(text) & (parts(secret) | parts(secret.encode().hex()))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("GITHUB_SHA", KEY), ("GITHUB_RUN_ID", "12345678901"), ("CI_COMMIT_SHA", KEY)),
        *(("GITHUB_REF_NAME", "feature-12-abcdef"), ("CI_JOB_NAME", "train12-abcdef")),
        *(("GITHUB_REPOSITORY", "me/repo123-abcdef"), ("GITHUB_WORKFLOW", "tests12-abcdef")),
        *(("DATA_PATH", "run12/abcdefghijk"), ("CI_DEFAULT_BRANCH", "main12-abcdefghi")),
        *(("HOMEPAGE", "https://host.example/project/pages"), ("PATCH_NOTE", "abcdefghijkl")),
    ],
)
def test_what_a_machine_says_of_itself_stays(name: str, value: str) -> None:
    assert not secrets.is_secret_name("PATTERN")
    assert secrets.mask(f"at {value} now", {name: value}) == (f"at {value} now", ())


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("AWS_SECRET_ACCESS_KEY", "/JalrXUtnFEMI/K7MDENG/bPxRfiCYEX", False),
        ("DB_PASSWORD", ".hunter2Hunter2", False),
        ("API_TOKEN", "~f3a9c1d2e4b5", False),
        ("SSL_KEY", "/etc/ssl/private.key", True),
        ("SSH_KEY", "~/.ssh/id_ed25519", True),
        ("TOKENS", "../data/tokens.json", True),
        ("OUT", "/JalrXUtnFEMI/K7MDENG", True),
    ],
)
def test_a_secret_that_begins_like_a_path_is_told_from_one(
    name: str, value: str, *, kept: bool
) -> None:
    masked = (f"at {secrets.MASK} now", (name,))
    wanted = (f"at {value} now", ()) if kept else masked
    assert secrets.mask(f"at {value} now", {name: value}) == wanted


def test_a_user_and_a_password_that_is_no_secret_are_left() -> None:
    env = {"DB_URL": "postgres://postgres:postgres@h/db", "REPO": "ssh://gituser@h.example/x"}
    assert secrets.mask("gituser meets postgres", env) == ("gituser meets postgres", ())
