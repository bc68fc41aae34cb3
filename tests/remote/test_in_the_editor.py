"""A model server that is not there, as the editor's user sees it: told once, and every request answered."""

from __future__ import annotations

import asyncio

from tests.remote.fake_server import FakeServer, streams
from tests.remote.faults import llama
from tests.wire import Server


def test_a_server_that_is_gone_is_told_once_and_every_request_is_answered(env):
    server = Server("--backend", "http://127.0.0.1:9", env=env)
    try:
        server.initialize()
        place = server.open("def add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n    return ┃\n")
        server.wait_for_notification("infill/status", lambda params: params["state"] == "ready")
        for _ in range(5):
            assert server.inline(place) == []
        server.wait_for_notification("window/showMessage")
        told = [params["message"] for params in server.notified("window/showMessage")]
        assert len(told) == 1 and "127.0.0.1" in told[0]
    finally:
        server.kill()


def asked_between_files(url: str, env: dict[str, str]) -> None:
    server = Server("--backend", url, env=env)
    try:
        server.initialize(initializationOptions={"backend": {"otherFilesTokens": 500}})
        server.open("TOKEN = 'x'\n┃", "file:///shop/secrets.py")
        server.open("TOKEN = 'y'\n┃", "untitled:secrets.py")
        server.open("class Cart:\n    items = []\n┃", "file:///shop/cart.py")
        place = server.open("cart = Cart()\ncart.┃\n", "file:///shop/main.py")
        assert server.is_ready()
        server.inline(place, "file:///shop/main.py")
    finally:
        server.kill()


async def test_other_open_files_are_sent_along_where_the_user_wants_that_and_never_those_on_the_list(env):
    async with FakeServer(streams(llama("items"), llama("", stop=True))) as fake:
        await asyncio.to_thread(asked_between_files, fake.url, env)
        (asked,) = [request.json for request in fake.requests if request.method == "POST"]
    assert asked["input_extra"] == [{"text": "class Cart:\n    items = []\n"}]
