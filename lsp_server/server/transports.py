"""Bytes in and out: stdio for one editor, TCP and WebSocket for several at once that share one model."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from lsp_server.errors import UsageError
from lsp_server.server import logs
from lsp_server.server.configuration import Sources
from lsp_server.server.features import register
from lsp_server.server.framing import MAX_BODY_BYTES, Frames
from lsp_server.server.loading import SharedModel
from lsp_server.server.origins import is_local
from lsp_server.server.outbox import Outbox
from lsp_server.server.parent import watch
from lsp_server.server.session import Session
from lsp_server.settings import usage_file
from lsp_server.usage import UsageWriter

CHUNK_BYTES = 1 << 16

logger = logging.getLogger(__name__)


def run_stdio(sources: Sources, client_process_id: int | None = None) -> int:
    """Serve the editor that started this process. Returns the exit code.

    Ends at `exit` (0 after `shutdown`, else 1), at the end of stdin (0), and when the editor's process is gone (1).
    """
    if sys.stdin is None or sys.stdout is None:
        raise UsageError("stdin or stdout is closed; an editor has to be at the other end of both")
    if sys.stdin.isatty():
        print("infill-ls: waiting for an editor on stdin; for people there is `infill-ls --help`", file=sys.stderr)
    stdin, stdout = _take_over_stdio()
    return _run(partial(_serve_stdio, sources, stdin, stdout), sources, client_process_id)


def run_tcp(host: str, port: int, sources: Sources, client_process_id: int | None = None) -> int:
    """Serve editors that connect to host:port (0: any free one, printed on stderr) until interrupted."""
    return _run(partial(_serve_tcp, host, port, sources), sources, client_process_id)


def run_ws(host: str, port: int, sources: Sources, client_process_id: int | None = None) -> int:
    """Serve editors that connect by WebSocket, one message in each frame, until interrupted."""
    return _run(partial(_serve_ws, host, port, sources), sources, client_process_id)


class _Process:
    """What all sessions share: the model, and the moment when the whole process has to end."""

    def __init__(self) -> None:
        self.model = SharedModel()
        self.usage = UsageWriter(usage_file())
        self.gone: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._loop = asyncio.get_running_loop()

    def end_with(self, pid: int) -> None:
        def on_gone() -> None:
            logger.warning("process %d is gone; a server in a container needs an editor that sends processId null", pid)
            self._loop.call_soon_threadsafe(self._end)

        watch(pid, on_gone)

    def _end(self) -> None:
        if not self.gone.done():
            self.gone.set_result(1)

    @asynccontextmanager
    async def session(self, sources: Sources, send: Callable[[str], None]) -> AsyncIterator[Session]:
        session = Session(sources, self.model, self.usage, send)
        register(session)
        try:
            yield session
        finally:
            await session.close()
            await asyncio.to_thread(self.usage.write)


def _run(serve: Callable[[_Process], Coroutine[Any, Any, int]], sources: Sources, client_process_id: int | None) -> int:
    logs.configure(sources.settings())

    async def main() -> tuple[int, bool]:
        logs.report_what_nobody_caught()
        process = _Process()
        if client_process_id is not None:
            process.end_with(client_process_id)
        code = await serve(process)
        process.model.close()
        return code, process.model.is_loading

    code, is_loading = asyncio.run(main())
    if is_loading:
        # Python would free what the library's thread is still filling.
        os._exit(code)
    return code


async def _serve_stdio(sources: Sources, stdin: int, stdout: int, process: _Process) -> int:
    loop = asyncio.get_running_loop()

    def broken() -> None:
        with suppress(RuntimeError):  # the loop is closed: the server has ended
            loop.call_soon_threadsafe(session.finish, 1)

    outbox = Outbox(stdout, broken)
    async with process.session(sources, lambda message: outbox.send(_framed(message))) as session:
        session.on_settings = logs.configure
        session.on_editor_process = process.end_with
        frames = Frames()

        def receive(data: bytes) -> None:
            if not data:
                session.finish(0)
            for body in frames.feed(data):
                _receive(session, body)

        _start_reading(stdin, receive)
        code = int(await _first(session.finished, process.gone))
    outbox.close()
    return code


async def _serve_tcp(host: str, port: int, sources: Sources, process: _Process) -> int:
    handler = partial(_tcp_session, sources, process)
    async with await _listening(host, port, asyncio.start_server(handler, host, port)) as server:
        _print_addresses("tcp", server)
        return await process.gone


async def _tcp_session(
    sources: Sources, process: _Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    frames = Frames()
    async with process.session(sources, lambda message: writer.write(_framed(message))) as session:
        await _first(session.finished, _read_tcp(session, reader, frames))
    writer.close()


async def _read_tcp(session: Session, reader: asyncio.StreamReader, frames: Frames) -> None:
    with suppress(OSError):
        while data := await reader.read(CHUNK_BYTES):
            for body in frames.feed(data):
                _receive(session, body)
                if body is None:
                    # Any web page can make a browser send a POST here; its first line gives it away, and it ends here.
                    return


async def _serve_ws(host: str, port: int, sources: Sources, process: _Process) -> int:
    from websockets.asyncio.server import ServerConnection, serve
    from websockets.http11 import Request, Response

    def refuse_web_pages(connection: ServerConnection, request: Request) -> Response | None:
        if is_local(request.headers.get("Origin")):
            return None
        return connection.respond(403, "only pages of this machine and editors may connect\n")

    listening = serve(
        partial(_ws_session, sources, process),
        host,
        port,
        process_request=refuse_web_pages,
        max_size=MAX_BODY_BYTES,
        compression=None,
    )
    async with await _listening(host, port, listening) as server:
        _print_addresses("ws", server)
        return await process.gone


async def _ws_session(sources: Sources, process: _Process, connection: Any) -> None:
    outgoing: asyncio.Queue[str] = asyncio.Queue()
    async with process.session(sources, outgoing.put_nowait) as session:
        await _first(session.finished, _read_ws(session, connection), _write_ws(outgoing, connection))


async def _read_ws(session: Session, connection: Any) -> None:
    from websockets.exceptions import ConnectionClosed

    with suppress(ConnectionClosed):
        async for message in connection:
            _receive(session, message)


async def _write_ws(outgoing: asyncio.Queue[str], connection: Any) -> None:
    from websockets.exceptions import ConnectionClosed

    with suppress(ConnectionClosed):
        while True:
            await connection.send(await outgoing.get())


async def _first(*awaitables: Awaitable[Any]) -> Any:
    """The result of whichever ends first; the others are cancelled."""
    futures = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
    done, pending = await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
    for future in pending:
        future.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    return done.pop().result()


def _receive(session: Session, body: bytes | str | None) -> None:
    if session.finished.done():
        return
    if body is None:
        session.protocol.receive_broken()
    else:
        session.protocol.receive(body)


def _framed(message: str) -> bytes:
    body = message.encode()
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


async def _listening(host: str, port: int, starting: Any) -> Any:
    try:
        return await starting
    except OSError as error:
        raise UsageError(f"{host}:{port} cannot be listened on ({error.strerror}); choose another address") from error


def _print_addresses(scheme: str, server: Any) -> None:
    for socket in server.sockets:
        host, port, *_ = socket.getsockname()
        host = f"[{host}]" if ":" in host else host
        print(f"infill-ls: listening on {scheme}://{host}:{port}", file=sys.stderr, flush=True)


def _take_over_stdio() -> tuple[int, int]:
    """The descriptors of stdin and stdout, for us alone: what a library prints goes to stderr."""
    stdin, stdout = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return stdin, stdout


def _start_reading(stdin: int, receive: Callable[[bytes], None]) -> None:
    """Read on a thread of its own, so that nothing else can keep a message or a cancellation waiting."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        data = b"?"
        while data:
            try:
                data = os.read(stdin, CHUNK_BYTES)
            except OSError:
                data = b""
            try:
                loop.call_soon_threadsafe(receive, data)
            except RuntimeError:
                return  # the loop is closed: the server has ended

    threading.Thread(target=read, name="stdin", daemon=True).start()
