"""How an editor reaches the server: stdio, TCP, WebSocket, and what happens when it goes."""

from __future__ import annotations

import json
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.wire import INLINE_CAPABILITIES, Connection, Server, framed, port_of

HALF_WRITTEN = "def mean(numbers):\n    total = sum(numbers)\n    return ┃\n"


@pytest.fixture(scope="module")
def ws(env) -> Iterator[Server]:
    server = Server("--ws", "127.0.0.1:0", env=env)
    yield server
    server.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="made of POSIX processes")
class TestTheEditorIsGone:
    def test_its_process_is_watched_while_stdin_stays_open(self, env):
        editor = subprocess.Popen(["sleep", "100"])
        from_handshake, from_command_line = Server(env=env), Server("--clientProcessId", str(editor.pid), env=env)
        from_handshake.initialize(processId=editor.pid)
        from_command_line.initialize()
        editor.send_signal(signal.SIGKILL)
        editor.wait()
        assert [server.exit_code() for server in (from_handshake, from_command_line)] == [1, 1]
        from_handshake.kill()
        from_command_line.kill()

    def test_a_process_that_was_never_there_counts_as_gone(self, env):
        server = Server("--clientProcessId", str(2**22 + 1), env=env)
        assert server.exit_code() == 1
        server.kill()


class TestTcp:
    def test_several_editors_share_one_server(self, tcp):
        with Connection(port_of(tcp)) as second:
            with Connection(port_of(tcp)) as first:
                for editor in (first, second):
                    editor.initialize()
                    assert editor.is_ready()
                first.open("x = 1\n┃")
                assert second.inline(second.open(HALF_WRITTEN))
                assert first.trace() is None
            assert second.inline(second.open(HALF_WRITTEN))
            second.call("shutdown")
            second.notify("exit")
            second.wait_for_end()
        with Connection(port_of(tcp)) as third:
            third.initialize()

    def test_a_connection_that_breaks_is_only_the_end_of_its_session(self, tcp, editor):
        n_logged = len(tcp.stderr)
        broken = Connection(port_of(tcp))
        broken.initialize()
        broken.ask_inline(broken.open(HALF_WRITTEN))
        # With this option a close resets the connection, as a crash of the editor does.
        broken.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        broken.disconnect()
        editor.initialize()
        assert editor.inline(editor.open(HALF_WRITTEN))
        assert b"ERROR" not in tcp.stderr[n_logged:]

    def test_a_second_editor_cannot_bring_another_model(self, tcp, editor):
        editor.initialize(initializationOptions={"model": {"path": "/somewhere/else.gguf"}})
        assert "reload" in editor.wait_for_notification("window/showMessage")["message"]

    def test_a_web_page_cannot_speak_to_it(self, editor):
        body = framed(
            {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"capabilities": INLINE_CAPABILITIES}}
        )
        editor.send_bytes(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + body)
        editor.wait_for_end()
        assert not editor.answers(1)

    def test_an_address_in_use_is_one_sentence(self, tcp, env):
        server = Server("--tcp", f"127.0.0.1:{port_of(tcp)}", env=env)
        assert server.exit_code() == 2
        assert b"choose another address" in server.stderr and b"Traceback" not in server.stderr
        server.kill()


class TestWebSocket:
    def test_editors_in_a_browser(self, ws):
        with self.connected(ws) as first, self.connected(ws, "http://localhost:3000") as second:
            for socket in (first, second):
                self.call(
                    socket, "initialize", {"processId": None, "rootUri": None, "capabilities": INLINE_CAPABILITIES}
                )
                socket.send(json.dumps({"jsonrpc": "2.0", "method": "initialized", "params": {}}))
            first.close()
            large = "x = 'é'\n" * 300_000
            item = {"uri": "file:///large.py", "languageId": "python", "version": 1, "text": large}
            second.send(
                json.dumps({"jsonrpc": "2.0", "method": "textDocument/didOpen", "params": {"textDocument": item}})
            )
            assert self.call(second, "infill/status", {})["message"]

    @pytest.mark.parametrize("origin", ["https://example.com", "http://localhost.example.com", "null", "file://"])
    def test_other_web_pages_are_refused(self, ws, origin):
        with pytest.raises(InvalidStatus, match="403"), self.connected(ws, origin):
            pass

    @staticmethod
    def connected(ws: Server, origin: str | None = None) -> ClientConnection:
        return connect(f"ws://127.0.0.1:{port_of(ws)}", origin=origin, proxy=None, max_size=None)  # type: ignore[arg-type]

    @staticmethod
    def call(socket: ClientConnection, method: str, params: object) -> Any:
        socket.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
        while "result" not in (message := json.loads(socket.recv(20))):
            assert "error" not in message, message
        return message["result"]


def test_what_a_library_prints_does_not_disturb_the_conversation(env):
    """A print in the server's process goes to stderr."""
    code = (
        "import os, sys, lsp_server.server.loading as loading\n"
        "load = loading.SharedModel._load\n"
        "def noisy(*arguments): os.write(1, b'noise\\n'); load(*arguments)\n"
        "loading.SharedModel._load = noisy\n"
        "from lsp_server.cli import main\n"
        "sys.exit(main([]))\n"
    )
    server = Server(command=[sys.executable, "-c", code], env=env)
    server.initialize()
    assert server.is_ready()
    assert server.stop() == 0
    assert b"noise" in server.stderr
    server.kill()
