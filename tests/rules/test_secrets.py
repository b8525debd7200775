"""R8: keys of known shapes are found, and what science writes down is not taken for one."""

from __future__ import annotations

import base64
import hashlib
import re
import string
import struct
import uuid
from random import Random
from typing import TYPE_CHECKING

import pytest

from gitexp.system.secrets import MASK, looks_random, mask

if TYPE_CHECKING:
    from collections.abc import Callable

LETTERS = string.ascii_letters + string.digits
UPPER = string.ascii_uppercase + "234567"
HEX = "0123456789abcdef"
MANY = 300


def some(length: int, alphabet: str = LETTERS, seed: int = 1) -> str:
    """Return letters by chance."""
    random = Random(seed * 1000 + length)  # noqa: S311
    return "".join(random.choice(alphabet) for _ in range(length))


KNOWN = {
    "github": "ghp_" + some(36),
    "github, fine-grained": "github_pat_" + some(22) + "_" + some(59),
    "gitlab": "glpat-" + some(20),
    "aws": "AKIA" + some(16, UPPER),
    "aws, for a session": "ASIA" + some(16, UPPER),
    "slack bot": f"xoxb-{some(12, string.digits)}-{some(24)}",
    "slack app": f"xapp-1-{some(11, UPPER)}-{some(13, string.digits)}-{some(64, HEX)}",
    "slack hook": f"https://hooks.slack.com/services/T{some(8, UPPER)}/B0/{some(24)}",
    "google": "AIza" + some(35),
    "google, for a session": "ya29." + some(60),
    "google, of a program": "GOCSPX-" + some(28),
    "hugging face": "hf_" + some(34, string.ascii_letters),
    "wandb": f"wandb_v1_{some(27)}_{some(43)}",
    "openai": "sk-" + some(48),
    "openai, of a project": "sk-proj-" + some(74),
    "stripe": "sk_live_" + some(24),
    "npm": "npm_" + some(36),
    "pypi": "pypi-AgEIcHlwaS5vcmc" + some(60),
    "jwt": f"eyJ{some(20)}.eyJ{some(30)}.{some(43)}",
    "azure": "AccountName=x;AccountKey=" + base64.b64encode(some(64).encode()).decode(),
    "azure, in an address": f"https://x.example.org/c?sv=2022&sig={some(43)}%3D",
    "a password in an address": f"https://me:{some(19)}@host/simple",
    "a header": "Authorization: Bearer " + some(30),
    "a password in a pinned address": f"google-auth @ git+https://{some(19)}@host/auth@v2.1.0",
    "a password in a pinned wheel": f"cookiecutter @ https://me:{some(19)}@host/c-2.1.0.whl",
    "a variable": "WANDB_API_KEY=" + some(40, HEX),
}


@pytest.mark.parametrize("kind", KNOWN)
def test_keys_of_known_shapes_are_found_in_a_log(kind: str) -> None:
    text = KNOWN[kind]
    masked, names = mask(f"got {text} back", {})
    assert names
    assert max(re.findall(r"\w+", text), key=len)[-8:] not in masked
    assert mask(masked, {}) == (masked, ())  # what is masked is no secret


@pytest.mark.parametrize(
    "kind", ["RSA PRIVATE KEY", "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK"]
)
@pytest.mark.parametrize("end", ["", "-----END {}-----\n"])
def test_a_private_key_is_masked_with_all_of_its_lines(kind: str, end: str) -> None:
    body = (
        f"Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,{some(32, HEX)}\n\n{some(64)}\n{some(60)}\n"
    )
    masked, names = mask(f"a\n-----BEGIN {kind}-----\n{body}{end.format(kind)}", {})
    assert names
    assert masked == f"a\n-----BEGIN {kind}-----{MASK}{end.format(kind)}"


@pytest.mark.parametrize(("length", "least"), [(24, 0.9), (32, 0.95), (40, 0.97), (64, 0.97)])
def test_most_texts_by_chance_are_taken_for_keys(length: int, least: float) -> None:
    found = sum(looks_random(some(length, seed=seed)) for seed in range(MANY))
    assert found / MANY >= least


def numbers(random: Random, letter: str) -> str:
    count = random.randrange(2, 15)
    packed = struct.pack(f"<{count}{letter}", *(random.gauss(0, 1) for _ in range(count)))
    return base64.b64encode(packed).decode()


WORDS = [
    *(
        "ResNet50",
        "EfficientNetB7",
        "Llama3",
        "Instruct",
        "GGUF",
        "Q4KM",
        "Customers2025",
        "Part01",
    ),
    *(
        "fold3",
        "bert",
        "base",
        "ViT",
        "L14",
        "336px",
        "CLIP",
        "Mixtral",
        "8x7B",
        "GPT4",
        "XL",
        "v10",
    ),
    *("Seed42", "uncased", "Train", "NoisyStudent"),
]


PACKAGES = (
    *("cookiecutter", "browser-cookie3", "PyJWT", "google-auth", "flask-jwt-extended", "auth0"),
    *(
        "azure-keyvault-secrets",
        "my_secret",
        "python-pwd",
        "msal-credential",
        "api-key",
        "access_token",
    ),
    *("password", "keyring", "tokenizers", "hf-token"),
)
VERSIONS = (
    *("3", "2024", "2.6.0", "0.1.dev3", "1.0rc1", "2.9.0.post0", "2.1+cu121", "1!4.0", "20240101"),
    *("5.0.0a1.dev2+g1a2b3c", "0.0.0"),
)


def pinned(random: Random) -> str:
    """Return a line of a requirements.txt, a lock, a list of packages."""
    name, version = random.choice(PACKAGES), random.choice(VERSIONS)
    dotted = version if "." in version else f"{version}.1"
    forms = (
        *(
            f"{name}=={version}",
            f"{name} == {version}",
            f"{name}==={version}; python_version > '3'",
        ),
        *(f"{name}>={version}", f'{name} = "^{version}"', f'"{name}": "{dotted}"'),
        *(f"{name}  {dotted}", f"# {name} {dotted} lies in this repository: src/{name}"),
    )
    return random.choice(forms)


def joined(random: Random, sign: str) -> str:
    return sign.join(random.choice(WORDS) for _ in range(random.randrange(3, 9)))


FINE: dict[str, Callable[[Random], str]] = {
    "a hash of git": lambda random: hashlib.sha1(random.randbytes(9)).hexdigest(),  # noqa: S324
    "a hash of dvc": lambda random: some(32, HEX, random.randrange(10**6)) + ".dir",
    "a hash of a lock": lambda random: "sha256:" + hashlib.sha256(random.randbytes(9)).hexdigest(),
    "a hash in base64": lambda random: "sha256-" + base64.b64encode(random.randbytes(32)).decode(),
    "a uuid": lambda random: str(uuid.UUID(bytes=random.randbytes(16))),
    "an id of a run": lambda random: some(16, UPPER.lower(), random.randrange(10**6)),
    "a number": lambda random: repr(random.gauss(0, 10.0 ** random.randrange(-300, 300))),
    "doubles in base64": lambda random: numbers(random, "d"),
    "floats in base64": lambda random: numbers(random, "f"),
    "a name with dashes": lambda random: joined(random, "-"),
    "a name with underscores": lambda random: joined(random, "_"),
    "a path": lambda random: joined(random, "/"),
    "a pinned package": pinned,
}


@pytest.mark.parametrize("kind", FINE)
def test_what_is_written_down_every_day_is_never_taken_for_a_key(kind: str) -> None:
    random = Random(7)  # noqa: S311
    texts = [FINE[kind](random) for _ in range(MANY)]
    assert [text for text in texts if looks_random(text) or mask(f"got {text}", {})[1]] == []
