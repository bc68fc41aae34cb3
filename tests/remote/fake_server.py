"""A FAKE model server: it sends the bytes that a test gives it, right or wrong, and counts who came and who left."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

STREAM = "text/event-stream"
HANG_UP = b"\0hang up\0"  # reset the connection instead of sending anything
LIMIT = 1 << 22


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Answer = Callable[[Request], AsyncIterator[bytes]]


@dataclass
class FakeServer:
    """`async with FakeServer(answer) as server`; `answer` may be exchanged while it runs."""

    answer: Answer
    tls: ssl.SSLContext | None = None
    requests: list[Request] = field(default_factory=list)
    n_connections: int = 0
    n_open: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)  # one for each connection

    async def __aenter__(self) -> FakeServer:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self.tls, limit=LIMIT)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http{'s' if self.tls else ''}://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await asyncio.sleep(0)

    async def all_left(self, within_s: float = 1.0) -> bool:
        """Whether every client has gone away."""
        for _ in range(int(within_s / 0.01)):
            if self.n_open == 0:
                return True
            await asyncio.sleep(0.01)
        return False

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self.tasks.add(task)
        self.n_connections += 1
        self.n_open += 1
        try:
            while request := await _read(reader):
                self.requests.append(request)
                await self._serve(request, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # cancelled by the end of the test only
        finally:
            self.n_open -= 1
            self.tasks.discard(task)
            writer.close()

    async def _serve(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Sends the answer, and gives it up when the client is gone, as a good server does."""
        sending = asyncio.ensure_future(self._send(request, writer))
        leaving = asyncio.ensure_future(_closed(reader))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            left = leaving.done() and not sending.done()
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
        if left:
            raise ConnectionResetError
        sending.result()

    async def _send(self, request: Request, writer: asyncio.StreamWriter) -> None:
        async for data in self.answer(request):
            if data == HANG_UP:
                writer.transport.abort()
                raise ConnectionResetError
            writer.write(data)
            await writer.drain()


async def _closed(reader: asyncio.StreamReader) -> None:
    # `at_eof` says so only when everything was read, which it was: clients here wait for each answer.
    while not reader.at_eof() and reader.exception() is None:
        await asyncio.sleep(0.005)


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    method, path, _ = first.split(" ")
    return Request(method, path, headers, body)


def head(status: int = 200, content_type: str = STREAM, **headers: object) -> bytes:
    """A header; without `Content_Length`, of an answer in chunks."""
    fields = {"Content-Type": content_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
    if "Content-Length" not in fields:
        fields["Transfer-Encoding"] = "chunked"
    lines = [f"HTTP/1.1 {status} Status", *(f"{name}: {value}" for name, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"


def event(value: object) -> bytes:
    return chunk(b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n")


def says(*parts: bytes) -> Answer:
    """The same bytes for everyone."""

    async def answer(request: Request) -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    return answer


def whole(status: int, body: bytes, content_type: str = "application/json", **headers: object) -> Answer:
    return says(head(status, content_type, Content_Length=len(body), **headers) + body)


def streams(*values: object, content_type: str = STREAM) -> Answer:
    """Events, and an orderly end."""
    return says(head(content_type=content_type), *map(event, values), LAST_CHUNK)
