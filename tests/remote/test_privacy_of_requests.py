"""Nothing leaves the machine in local mode; in remote mode, what is sent is what is shown."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from lsp_server.assemble import load_engine
from lsp_server.backends.connect import connect
from lsp_server.backends.endpoint import Endpoint
from lsp_server.backends.several import Several
from lsp_server.pipeline import complete
from lsp_server.settings import Settings, merge
from lsp_server.syntax import Syntax
from lsp_server.values import Snapshot
from tests.remote.asking import LIMITS, PROMPT, asked
from tests.remote.fake_server import FakeServer
from tests.remote.faults import GOOD

TEXT = "def double(x):\n    return \n"


async def test_no_socket_is_opened_in_local_mode(engine, monkeypatch):
    opened = []

    def refuse(self, family=-1, type=-1, proto=-1, fileno=None):
        opened.append((family, type))
        raise OSError("no sockets here")

    offset = TEXT.index("return ") + 7
    snapshot = Snapshot("file:///double.py", "/double.py", "python", 1, TEXT, offset, invoked=True)
    tree = Syntax("python").parse(TEXT)
    monkeypatch.setattr(socket.socket, "__init__", refuse)
    with pytest.raises(OSError):
        socket.socket()
    await complete(engine, snapshot, tree, None)
    assert len(opened) == 1, "the test's own"


async def test_what_is_shown_is_what_is_sent():
    async with FakeServer(GOOD) as server:
        with closing(Several([connect(Endpoint(server.url))])) as backend:
            url, shown = backend.what_is_sent(PROMPT, LIMITS)
            await asked(backend)
        (request,) = server.requests
    assert request.body.decode() == shown and url == server.url + request.path


CART, TAX = "class Cart:\n    items = []\n", "RATE = 0.19\r\n"


async def sent_along(n_tokens: int, *others: str) -> list[str]:
    """What a server hears of other open files, the most useful first."""
    async with FakeServer(GOOD) as server:
        values = {"backend": {"servers": [{"url": server.url}], "otherFilesTokens": n_tokens}}
        engine = load_engine(merge(Settings(), values)[0])
        offset = TEXT.index("return ") + 7
        snapshot = Snapshot("file:///double.py", "/double.py", "python", 1, TEXT, offset, invoked=True, others=others)
        answer = await complete(engine, snapshot, None, None)
        (request,) = server.requests
        assert request.body.decode() == engine.backend.what_is_sent(answer.trace.prompt, engine.limits)[1]
        engine.backend.close()
    return [file["text"] for file in request.json["input_extra"]]


async def test_other_open_files_are_not_sent_along():
    assert await sent_along(0, CART, TAX) == []


async def test_unless_the_user_wants_that_and_then_the_most_useful_stands_nearest_to_the_prompt():
    assert await sent_along(100, CART, TAX) == ["RATE = 0.19\n", CART]


async def test_a_file_for_which_there_is_no_room_is_left_out_whole():
    assert await sent_along(8, CART, TAX) == ["RATE = 0.19\n"]


async def test_headers_say_nothing_of_the_user():
    async with FakeServer(GOOD) as server:
        with closing(connect(Endpoint(server.url))) as backend:
            await asked(backend)
    expected = {"host", "content-type", "accept", "accept-encoding", "user-agent", "connection", "content-length"}
    assert set(server.requests[0].headers) == expected
    assert server.requests[0].headers["user-agent"] == "infill-ls"
