"""A hub for models on this machine that answers as the real one does: redirects, ranges, ETags, tokens, and trouble."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

COMMIT = "0123456789abcdef0123456789abcdef01234567"
RESOLVE = re.compile(r"/(?P<repository>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<name>.+)")
RANGE = re.compile(r"bytes=(\d+)-")
LARGE = 1000  # smaller files are kept in git, and come without a redirect


class Request(NamedTuple):
    method: str
    host: str  # "hub", or "store": where large files are
    name: str
    first_byte: int | None
    authorization: str | None


@dataclass
class Hub:
    """What is on the hub, and what goes wrong."""

    files: dict[str, dict[str, bytes]] = field(default_factory=dict)  # repository → name → content
    gated: set[str] = field(default_factory=set)
    token: str = "hf_good"
    cuts: list[int] = field(default_factory=list)  # the next downloads end after so many bytes each
    ignores_ranges: bool = False
    damages: bool = False  # what is stored is not what its ETag says
    status: int | None = None  # answered to everything
    requests: list[Request] = field(default_factory=list)
    url: str = ""
    store_url: str = ""

    def downloads(self) -> list[Request]:
        return [request for request in self.requests if request.method == "GET"]


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """The hub and the store, on two ports of the loopback interface."""
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub, host)) for host in ("hub", "store")]
    threads = [threading.Thread(target=server.serve_forever, args=(0.01,)) for server in servers]
    hub.url, hub.store_url = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    for thread in threads:
        thread.start()
    try:
        yield hub
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()


def _handler(hub: Hub, host: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def log_message(self, format: str, *args: object) -> None:
            pass

        def _answer(self) -> None:
            place = RESOLVE.fullmatch(self.path)
            asked = RANGE.match(self.headers.get("Range", ""))
            first = int(asked[1]) if asked else None
            authorization = self.headers.get("Authorization")
            hub.requests.append(Request(self.command, host, place["name"] if place else "", first, authorization))
            if hub.status:
                self._send(hub.status)
            elif place is None or place["repository"] not in hub.files:
                self._send(401 if authorization is None else 404, {"X-Error-Code": "RepoNotFound"})
            elif place["repository"] in hub.gated and host == "hub" and authorization != f"Bearer {hub.token}":
                self._send(401 if authorization is None else 403, {"X-Error-Code": "GatedRepo"})
            elif place["name"] not in hub.files[place["repository"]]:
                self._send(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
            else:
                self._send_file(hub.files[place["repository"]][place["name"]], first)

        def _send_file(self, content: bytes, first: int | None) -> None:
            described = {"X-Repo-Commit": COMMIT, "ETag": f'"{etag(content)}"', "Accept-Ranges": "bytes"}
            if len(content) >= LARGE and host == "hub":
                linked = {"X-Linked-ETag": described["ETag"], "X-Linked-Size": str(len(content))}
                self._send(302, {**described, **linked, "Location": hub.store_url + self.path})
                return
            if first is not None and not hub.ignores_ranges:
                if first >= len(content):
                    self._send(416, {"Content-Range": f"bytes */{len(content)}"})
                    return
                described["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
            start = 0 if hub.ignores_ranges else first or 0
            self._send(200 if first is None or hub.ignores_ranges else 206, described, content[start:])

        def _send(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET" and body:
                self._send_body(body[::-1] if hub.damages else body)

        def _send_body(self, body: bytes) -> None:
            if hub.cuts:
                self.wfile.write(body[: hub.cuts.pop(0)])
                self.close_connection = True
            else:
                self.wfile.write(body)

    return Handler


def etag(content: bytes) -> str:
    """As git names small files, and as large ones are stored."""
    if len(content) >= LARGE:
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
