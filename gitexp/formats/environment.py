"""``environment.json``: what the environment digest covers, and the requirements.txt beside it."""

from __future__ import annotations

import hashlib

from gitexp.formats.fields import Fields
from gitexp.formats.jsontext import Json, json_dumps, json_loads
from gitexp.formats.versions import schema, schema_of
from gitexp.model.ids import EnvironmentDigest
from gitexp.model.run import Distribution, Environment

_LIMIT = 4 << 20


def load(data: bytes, where: str) -> Environment:
    """Read an environment.

    Raises
    ------
    BadFormatError, NewerFormatError, UnsafeInputError
        If it is not an environment.
    """
    value = json_loads(data, where=where, limit=_LIMIT)
    schema_of(value, "environment", where)
    return read(Fields(value, where))


def dump(environment: Environment) -> bytes:
    """Write an environment; its digest is the sha256 of these bytes."""
    return json_dumps(to_json(environment))


def digest(environment: Environment) -> EnvironmentDigest:
    """Compute the environment digest."""
    return EnvironmentDigest(hashlib.sha256(dump(environment)).hexdigest())


def requirements(environment: Environment) -> bytes:
    """Write ``name==version`` for each distribution; one inside the repository as a comment.

    Examples
    --------
    >>> env = Environment("cpython", "3.12.1", "cp312", "linux_x86_64", "glibc 2.36", (
    ...     Distribution("churn", "0.1", "", "src"), Distribution("numpy", "2.1.0", "ab")))
    >>> print(requirements(env).decode(), end="")
    # cpython 3.12.1 on linux_x86_64, written by gitexp
    # churn 0.1 lies in this repository: src
    numpy==2.1.0
    """
    lines = [
        (
            f"# {environment.implementation} {environment.python} on {environment.platform},"
            " written by gitexp"
        )
    ]
    for item in environment.distributions:
        if item.path:
            lines.append(f"# {item.name} {item.version} lies in this repository: {item.path}")
        else:
            lines.append(f"{item.name}=={item.version}")
    return ("\n".join(_one_line(line) for line in lines) + "\n").encode()


def read(fields: Fields) -> Environment:
    """Read the fields of an environment, from its file or from within outcome.json."""
    environment = Environment(
        implementation=fields.text("implementation"),
        python=fields.text("python"),
        abi=fields.text("abi"),
        platform=fields.text("platform"),
        libc=fields.text("libc"),
        distributions=tuple(_distribution(item) for item in fields.children("distributions")),
    )
    fields.only_known()
    return environment


def to_json(environment: Environment) -> dict[str, Json]:
    """Turn an environment into JSON."""
    return {
        "$schema": schema("environment"),
        "implementation": environment.implementation,
        "python": environment.python,
        "abi": environment.abi,
        "platform": environment.platform,
        "libc": environment.libc,
        "distributions": [_distribution_json(item) for item in environment.distributions],
    }


def _distribution(fields: Fields) -> Distribution:
    item = Distribution(
        name=fields.text("name"),
        version=fields.text("version", ""),
        fingerprint=fields.text("fingerprint", ""),
        path=fields.text("path", ""),
    )
    fields.only_known()
    return item


def _distribution_json(item: Distribution) -> Json:
    value = {"name": item.name, "version": item.version}
    if item.fingerprint:
        value["fingerprint"] = item.fingerprint
    if item.path:
        value["path"] = item.path
    return value


def _one_line(line: str) -> str:
    return " ".join(line.split())
