"""HTTP/2: one connection for all requests, and a stream that is closed is reset, so that the server stops."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import closing

import pytest

from lsp_server.backends.connect import connect
from lsp_server.backends.endpoint import Endpoint
from lsp_server.values import FimPrompt, Limits
from tests.remote.asking import asked, events

pytest.importorskip("h2")
trustme = pytest.importorskip("trustme")

from tests.remote.fake_http2 import MAX_STREAMS, FakeHttp2  # noqa: E402

PROMPT, LIMITS = FimPrompt("x = ", "\n"), Limits(8, 5)


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    authority = trustme.CA()
    ca_file = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context, str(ca_file)


async def test_requests_share_one_connection(tls):
    context, ca_file = tls
    async with FakeHttp2(context, finishes=True) as server:
        with closing(connect(Endpoint(server.url, ca_file=ca_file, http2=True))) as backend:
            for _ in range(3):
                assert await asked(backend, PROMPT, LIMITS) == "a"
    assert (server.n_connections, server.begun, server.reset) == (1, [1, 3, 5], [])


async def test_closing_the_stream_resets_it_and_keeps_the_connection(tls):
    context, ca_file = tls
    async with FakeHttp2(context) as server:
        with closing(connect(Endpoint(server.url, ca_file=ca_file, http2=True))) as backend:
            await events(backend, PROMPT, LIMITS, n_pieces=1)
            await asyncio.sleep(0.05)
            assert server.reset == [1]
            server.finishes = True
            assert await asked(backend, PROMPT, LIMITS) == "a"
    assert server.n_connections == 1


async def test_streams_that_were_closed_are_no_limit_to_new_ones(tls):
    context, ca_file = tls
    async with FakeHttp2(context) as server:
        with closing(connect(Endpoint(server.url, ca_file=ca_file, http2=True))) as backend:
            for _ in range(MAX_STREAMS + 10):
                await events(backend, PROMPT, LIMITS, n_pieces=1)
            server.finishes = True
            assert await asked(backend, PROMPT, LIMITS) == "a"
    assert len(server.begun) == MAX_STREAMS + 11 and server.n_connections <= 4
