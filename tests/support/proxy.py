"""An HTTP proxy on loopback that sends whatever it is asked for to one server, and keeps what it was asked."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Proxy:
    def __init__(self, port: int) -> None:
        self.port = port
        self.asked: list[str] = []
        """The addresses, whole, as a proxy gets them."""
        self.credentials: list[str | None] = []


@contextmanager
def proxy_to(port: int) -> Iterator[Proxy]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            proxy.asked.append(self.path)
            proxy.credentials.append(self.headers.get("Proxy-Authorization"))
            body = self.rfile.read(int(self.headers["Content-Length"]))
            there = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            there.request("POST", "/" + self.path.split("/", 3)[3], body, {"Content-Type": "application/json"})
            answer = there.getresponse()
            content = answer.read()
            there.close()
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    proxy = Proxy(server.server_port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
