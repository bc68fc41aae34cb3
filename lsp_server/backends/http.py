"""One server's connections: kept open between requests, closed with the event loop that they belong to."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from struct import pack

import httpx

from lsp_server.backends import failures
from lsp_server.backends.credentials import Secret
from lsp_server.backends.endpoint import Endpoint, is_loopback
from lsp_server.errors import BackendError, SettingsError

# They tell every request at "info", and their details at "debug"; the trace tells what a user wants to know.
for name in ("httpx", "httpcore", "hpack"):
    logging.getLogger(name).setLevel(logging.WARNING)

MAX_BODY_BYTES = 1 << 17
MAX_IDLE_CONNECTIONS = 8
KEEP_ALIVE_S = 300.0  # a pause for thought should not cost a handshake
RST_STREAM, CANCEL = 3, 8  # RFC 9113, 6.4 and 7
MAX_RESET_STREAMS = 48  # the library still counts them as open, and servers allow a hundred or so


class Connections:
    """Requests to one server. Whatever event loop asks gets connections of its own, closed when that loop ends."""

    def __init__(self, endpoint: Endpoint, token: Secret) -> None:
        self._endpoint = endpoint
        self._token = token
        self._tls = _tls(endpoint)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: httpx.AsyncClient | None = None
        self._lifetime: AsyncGenerator[httpx.AsyncClient, None] | None = None
        self._n_reset = 0
        self._n_open = 0

    @asynccontextmanager
    async def send(self, method: str, url: str, body: bytes = b"") -> AsyncIterator[httpx.Response]:
        """The response, its body not yet read; leaving the block closes it, which tells the server to stop.

        Raises BackendError, also for every status but 200 and for what breaks while the body is read.
        """
        client = await self._current()
        self._n_open += 1
        try:
            async with client.stream(
                method, url, content=body or None, headers=HEADERS | self._token.headers()
            ) as response:
                if response.status_code != 200:
                    raise failures.of_status(self._endpoint, response, await beginning(response), body, self._token)
                try:
                    yield response
                finally:
                    await self._reset(response)
        except httpx.HTTPError as error:
            raise failures.of_exception(self._endpoint, error) from error
        except ssl.SSLError as error:
            raise failures.of_exception(self._endpoint, error) from error
        finally:
            self._n_open -= 1

    def failed(self, words: str, body: bytes) -> BackendError:
        return failures.of_words(self._endpoint, words, body, self._token)

    def close(self) -> None:
        """From whatever thread; a loop that has ended has closed its connections already."""
        loop, lifetime = self._loop, self._lifetime
        self._loop = self._client = self._lifetime = None
        if loop is not None and lifetime is not None and not loop.is_closed():
            asyncio.run_coroutine_threadsafe(lifetime.aclose(), loop)

    async def _current(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        if self._n_reset > MAX_RESET_STREAMS and self._n_open == 0 and self._lifetime is not None:
            worn, self._client, self._n_reset = self._lifetime, None, 0
            await worn.aclose()
        if self._client is None or self._loop is not loop:
            self._lifetime = _open(self._endpoint, self._tls)
            self._loop, self._n_reset = loop, 0
            self._client = await self._lifetime.__anext__()
        return self._client

    async def _reset(self, response: httpx.Response) -> None:
        """HTTP/1.1 tells the server by closing the connection; HTTP/2 has a frame for it, which the library lacks."""
        stream_id = response.extensions.get("stream_id")
        if stream_id is None or (response.is_stream_consumed and response.is_closed):
            return
        self._n_reset += 1
        frame = pack(">I", 4)[1:] + pack(">BBI", RST_STREAM, 0, stream_id) + pack(">I", CANCEL)
        with suppress(Exception):  # the connection may be gone, and then there is nothing to tell
            await response.extensions["network_stream"].write(frame, timeout=1.0)


HEADERS = {
    "Content-Type": "application/json",
    "Accept": "text/event-stream, application/x-ndjson, application/json",
    "Accept-Encoding": "identity",  # a few bytes each time, and nothing that unpacks into gigabytes
    "User-Agent": "infill-ls",
}


async def _open(endpoint: Endpoint, tls: ssl.SSLContext) -> AsyncGenerator[httpx.AsyncClient, None]:
    """A loop closes the asynchronous generators that it began, so this one closes the connections in time."""
    client = httpx.AsyncClient(
        verify=tls,
        http2=endpoint.http2,
        proxy=_proxy(endpoint, tls),
        trust_env=not is_loopback(endpoint.host),
        follow_redirects=False,
        # The other deadlines are the request's own, and a slow drip would never meet these.
        timeout=httpx.Timeout(None, connect=endpoint.connect_s),
        # No limit on their number, which is that of the requests at a time: none of them should queue for another.
        limits=httpx.Limits(
            max_connections=None, max_keepalive_connections=MAX_IDLE_CONNECTIONS, keepalive_expiry=KEEP_ALIVE_S
        ),
    )
    try:
        yield client
    finally:
        await client.aclose()


async def beginning(response: httpx.Response) -> bytes:
    """As much of a body as anyone would read of an error or a page of figures."""
    data = b""
    async for part in response.aiter_raw():
        data += part
        if len(data) >= MAX_BODY_BYTES:
            break
    return data[:MAX_BODY_BYTES]


def _proxy(endpoint: Endpoint, tls: ssl.SSLContext) -> httpx.Proxy | None:
    """None: as the environment says."""
    if not endpoint.proxy:
        return None
    return httpx.Proxy(endpoint.proxy, ssl_context=tls if endpoint.proxy.startswith("https:") else None)


def _tls(endpoint: Endpoint) -> ssl.SSLContext:
    """Certificates are always verified. Raises SettingsError for files that cannot be used."""
    if not endpoint.url.startswith("https:") and not endpoint.proxy.startswith("https:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used, and without authorities nothing would pass
    context = httpx.create_ssl_context()
    try:
        if endpoint.ca_file:
            context.load_verify_locations(endpoint.ca_file)
        if endpoint.client_cert:
            context.load_cert_chain(endpoint.client_cert, endpoint.client_key or None)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"backend.servers: the certificate files for {endpoint.host} cannot be used ({error});"
            " correct caFile or clientCert"
        ) from error
    return context
