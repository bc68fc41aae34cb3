"""A FAKE model server that speaks HTTP/2: it begins an answer and waits to be told to stop."""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events

from tests.remote.faults import llama

MAX_STREAMS = 100


@dataclass
class FakeHttp2:
    """`finishes` says whether answers end by themselves."""

    tls: ssl.SSLContext
    finishes: bool = False
    n_connections: int = 0
    begun: list[int] = field(default_factory=list)
    reset: list[int] = field(default_factory=list)
    transports: list[asyncio.Transport] = field(default_factory=list)

    async def __aenter__(self) -> FakeHttp2:
        self.tls.set_alpn_protocols(["h2"])
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, ssl=self.tls)
        self.url = f"https://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await asyncio.sleep(0.02)  # for clients to say goodbye
        for transport in self.transports:
            transport.abort()
        await asyncio.sleep(0.02)


class _Connection(asyncio.Protocol):
    def __init__(self, server: FakeHttp2) -> None:
        self._server = server
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.n_connections += 1
        self._server.transports.append(transport)
        self._h2.initiate_connection()
        self._h2.update_settings({3: MAX_STREAMS})
        transport.write(self._h2.data_to_send())

    def data_received(self, data: bytes) -> None:
        for event in self._h2.receive_data(data):
            if isinstance(event, h2.events.StreamEnded):
                self._begin(event.stream_id)
            elif isinstance(event, h2.events.StreamReset):
                self._server.reset.append(event.stream_id)
        self._transport.write(self._h2.data_to_send())

    def _begin(self, stream_id: int) -> None:
        self._server.begun.append(stream_id)
        self._h2.send_headers(stream_id, [(":status", "200"), ("content-type", "text/event-stream")])
        self._h2.send_data(stream_id, _event(llama("a")))
        if self._server.finishes:
            self._h2.send_data(stream_id, _event(llama("", stop=True)), end_stream=True)


def _event(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"
