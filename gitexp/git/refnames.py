"""What the full name of a ref says; no repository is opened for it, so a hook has the time."""

from __future__ import annotations

_REMOTES = "refs/remotes/"


def short(ref: str) -> str:
    """Return the name of a branch or tag; a remote's branch has the same as one of ours.

    Examples
    --------
    >>> short("refs/heads/exp/a"), short("refs/remotes/origin/exp/a"), short("refs/tags/v1")
    ('exp/a', 'exp/a', 'v1')
    """
    return followed(ref) or ref.split("/", 2)[-1]


def followed(ref: str) -> str:
    """Return the branch of a remote that a ref follows, "" for any other ref.

    Examples
    --------
    >>> followed("refs/remotes/origin/exp/a"), followed("refs/heads/exp/a")
    ('exp/a', '')
    """
    return ref.removeprefix(_REMOTES).partition("/")[2] if ref.startswith(_REMOTES) else ""
