"""A time-stamping authority of our own, on loopback: openssl behind a small server."""

from __future__ import annotations

import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = """\
[req]
distinguished_name = dn
prompt = no
[dn]
CN = {name}
[ca]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
[tsa]
basicConstraints = CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[tsa_config]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
certs = {folder}/ca.pem
default_policy = 1.2.3.4
digests = sha256
signer_digest = sha256
"""


def openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def make(folder: Path, name: str = "a test authority") -> Path:
    """Make an authority's keys; return its root certificate."""
    folder.mkdir()
    config = folder / "openssl.cnf"
    config.write_text(CONFIG.format(name=name, folder=folder))
    (folder / "serial").write_text("01\n")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *curve, "-keyout", f"{folder}/ca.key", "-out", f"{folder}/ca.pem",
            "-config", str(config), "-extensions", "ca", "-days", "30")  # fmt: skip
    openssl("req", *curve, "-keyout", f"{folder}/tsa.key", "-out", f"{folder}/tsa.csr",
            "-config", str(config), "-subj", "/CN=stamps")  # fmt: skip
    openssl("x509", "-req", "-in", f"{folder}/tsa.csr", "-CA", f"{folder}/ca.pem",
            "-CAkey", f"{folder}/ca.key", "-CAcreateserial", "-out", f"{folder}/tsa.pem",
            "-extfile", str(config), "-extensions", "tsa", "-days", "30")  # fmt: skip
    return folder / "ca.pem"


def stamp(folder: Path, query: bytes) -> bytes:
    """Answer a query as the authority does."""
    (folder / "query.tsq").write_bytes(query)
    openssl("ts", "-reply", "-queryfile", f"{folder}/query.tsq", "-out", f"{folder}/answer.tsr",
            "-config", f"{folder}/openssl.cnf", "-section", "tsa_config")  # fmt: skip
    return (folder / "answer.tsr").read_bytes()


@contextmanager
def served(folder: Path, answer: bytes | None = None, status: int = 200) -> Iterator[str]:
    """Serve an authority, or a fixed answer; yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"] == "application/timestamp-query"
            data = stamp(folder, query) if answer is None else answer
            self.send_response(status)
            if status // 100 == 3:
                self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/tsr"
        finally:
            server.shutdown()
            thread.join()
