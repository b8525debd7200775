"""A private repository over HTTP on loopback, as GitHub serves one: by git's own backend."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def serve(root: Path, token: str) -> Iterator[str]:
    """Serve the repositories below a folder to who has the token; yield the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(root, token))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def _handler(root: Path, token: str) -> type[BaseHTTPRequestHandler]:
    wanted = b"basic " + base64.b64encode(f"x-access-token:{token}".encode())

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            headers = [value.encode() for value in self.headers.get_all("Authorization") or ()]
            if headers != [wanted]:  # GitHub refuses two of them as well
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="GitHub"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            path, _, query = self.path.partition("?")
            done = subprocess.run(
                ["git", "http-backend"],
                input=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
                env={
                    "PATH": os.environ["PATH"],
                    "GIT_CONFIG_NOSYSTEM": "1",
                    "GIT_HTTP_EXPORT_ALL": "1",
                    "GIT_PROJECT_ROOT": str(root),
                    "GIT_PROTOCOL": self.headers.get("Git-Protocol") or "",
                    "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding") or "",
                    "CONTENT_TYPE": self.headers.get("Content-Type") or "",
                    "PATH_INFO": path,
                    "QUERY_STRING": query,
                    "REMOTE_ADDR": "127.0.0.1",
                    "REMOTE_USER": "x",
                    "REQUEST_METHOD": self.command,
                },
                capture_output=True,
                check=False,  # it says in its answer what it refuses
            )
            head, _, body = done.stdout.partition(b"\r\n\r\n")
            fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
            self.send_response(int(fields.pop("Status", "200").split()[0]))
            for name, value in fields.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = handle_any  # noqa: N815  names of the base class

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  as in the base class
            """Say nothing."""

    return Handler
