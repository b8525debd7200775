"""Requests to a time-stamping authority; `timestamps` reads what it answered."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request

from gitexp.errors import WitnessError
from gitexp.system.timestamps import TIMEOUT_S, TOKEN_LIMIT, openssl, scratch, stamped_at


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nobody to another place than the one that the user named."""

    def redirect_request(self, *_asked: object, **_named: object) -> None:
        """Refuse."""


def request(statement: bytes, url: str) -> bytes:
    """Ask an authority, by the user's settings, for a time stamp of a text; return its DER."""
    if not url.startswith(("https://", "http://")):
        raise WitnessError(
            "this is no address of a time-stamping authority", found=url, expected="https://..."
        )
    with scratch() as folder:
        query = folder / "query.tsq"
        digest = hashlib.sha256(statement).hexdigest()
        openssl(folder, ["-query", "-digest", digest, "-sha256", "-cert", "-out", str(query)])
        asked = urllib.request.Request(  # noqa: S310  the scheme is checked above
            url, data=query.read_bytes(), headers={"Content-Type": "application/timestamp-query"}
        )
        opener = urllib.request.build_opener(NoRedirect)
        try:
            with opener.open(asked, timeout=TIMEOUT_S) as answer:
                token: bytes = answer.read(TOKEN_LIMIT + 1)
        except (OSError, ValueError) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # it holds the connection
            raise WitnessError(
                "the time-stamping authority did not answer", found=str(error), where=url
            ) from error
        if len(token) > TOKEN_LIMIT or stamped_at(token) is None:
            raise WitnessError("the authority's answer is no time stamp", where=url)
    return token
