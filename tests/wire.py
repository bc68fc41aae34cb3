"""An editor made of bytes: it sends what it is told to, right or wrong, and remembers all that comes back."""

from __future__ import annotations

import itertools
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import IO, Any

CURSOR = "┃"
ANSWER_S = 20.0  # nothing takes that long; a test that waits for it has failed
URI = "file:///project/sample.py"
NOBODYS_DATA = tempfile.TemporaryDirectory(prefix="infill-ls-data-")  # what is counted here is not the user's


class Editor:
    """A client over a pair of byte streams. The server's own requests are answered with `replies[method]`, or null."""

    def __init__(self, to_server: IO[bytes], from_server: IO[bytes], replies: Mapping[str, Any] | None = None) -> None:
        self.received: list[dict[str, Any]] = []
        self.ended = False
        self.replies = dict(replies or {})
        self._to_server = to_server
        self._from_server = from_server
        self._ids = itertools.count(1)
        self._versions = itertools.count(2)
        self._news = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def send_bytes(self, data: bytes) -> None:
        self._to_server.write(data)
        self._to_server.flush()

    def send(self, message: object) -> None:
        self.send_bytes(framed(message))

    def notify(self, method: str, params: object = None) -> None:
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    def request(self, method: str, params: object = None) -> int:
        """Send a request; its id."""
        msg_id = next(self._ids)
        self.send({"jsonrpc": "2.0", "id": msg_id, "method": method, "params": params})
        return msg_id

    def answer(self, msg_id: object) -> dict[str, Any]:
        """The whole response to a request: with a result, or with an error."""
        return self.wait_for(lambda message: "method" not in message and message.get("id") == msg_id)

    def answer_within(self, msg_id: object, timeout_s: float) -> dict[str, Any] | None:
        """The same; None where it does not come in time."""
        return self._find(lambda message: "method" not in message and message.get("id") == msg_id, timeout_s)

    def answers(self, msg_id: object) -> list[dict[str, Any]]:
        """All responses so far that carry this id."""
        return [message for message in self.received if "method" not in message and message.get("id") == msg_id]

    def call(self, method: str, params: object = None) -> Any:
        """The result of a request."""
        answer = self.answer(self.request(method, params))
        assert "error" not in answer, answer
        return answer["result"]

    def notified(self, method: str) -> list[Any]:
        """The parameters of all notifications of this kind so far."""
        return [message.get("params") for message in self.received if message.get("method") == method]

    def wait_for(self, wanted: Callable[[dict[str, Any]], Any], timeout_s: float = ANSWER_S) -> dict[str, Any]:
        """The first message, received or to come, that is wanted."""
        found = self._find(wanted, timeout_s)
        assert found is not None, f"it never came; received: {self.received}"
        return found

    def wait_for_notification(self, method: str, wanted: Callable[[Any], Any] = lambda params: True) -> Any:
        return self.wait_for(lambda message: message.get("method") == method and wanted(message.get("params")))[
            "params"
        ]

    def wait_for_end(self) -> None:
        with self._news:
            assert self._news.wait_for(lambda: self.ended, ANSWER_S), "the connection stays open"

    def initialize(self, **params: Any) -> Any:
        """The handshake; its result."""
        given = {"processId": None, "rootUri": None, "capabilities": INLINE_CAPABILITIES, **params}
        result = self.call("initialize", given)
        self.notify("initialized", {})
        return result

    def is_ready(self) -> bool:
        """Wait until the model is loaded, or cannot be; whether it is."""
        status = self.wait_for_notification("infill/status", lambda status: status["state"] in ("ready", "error"))
        return bool(status["state"] == "ready")

    def open(self, drawn: str, uri: str = URI, language_id: str = "python") -> dict[str, int]:
        """Open a document, the cursor marked; the position of the cursor in UTF-16."""
        text = drawn.replace(CURSOR, "")
        item = {"uri": uri, "languageId": language_id, "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})
        return position(drawn)

    def change(self, start: tuple[int, int], end: tuple[int, int], text: str, uri: str = URI) -> None:
        at = [dict(zip(("line", "character"), place, strict=True)) for place in (start, end)]
        changes = [{"range": {"start": at[0], "end": at[1]}, "text": text}]
        self.notify(
            "textDocument/didChange",
            {"textDocument": {"uri": uri, "version": next(self._versions)}, "contentChanges": changes},
        )

    def ask_inline(self, position: Mapping[str, int], uri: str = URI, kind: object = 2, **context: Any) -> int:
        """Send textDocument/inlineCompletion (while typing, if nothing else is said); its id."""
        params = {"textDocument": {"uri": uri}, "position": position, "context": {"triggerKind": kind, **context}}
        return self.request("textDocument/inlineCompletion", params)

    def inline(
        self, position: Mapping[str, int], uri: str = URI, kind: object = 2, **context: Any
    ) -> list[dict[str, Any]]:
        """The items of textDocument/inlineCompletion."""
        answer = self.answer(self.ask_inline(position, uri, kind, **context))
        assert "error" not in answer, answer
        return list(answer["result"]["items"])

    def trace(self, uri: str = URI) -> Any:
        return self.call("infill/trace", {"textDocument": {"uri": uri}})

    def _find(self, wanted: Callable[[dict[str, Any]], Any], timeout_s: float) -> dict[str, Any] | None:
        with self._news:
            self._news.wait_for(lambda: any(map(wanted, self.received)) or self.ended, timeout_s)
            return next(filter(wanted, self.received), None)

    def _read(self) -> None:
        while (message := self._next_message()) is not None:
            if "method" in message and "id" in message:
                reply = self.replies.get(message["method"])
                self.send({"jsonrpc": "2.0", "id": message["id"], "result": reply})
            with self._news:
                self.received.append(message)
                self._news.notify_all()
        with self._news:
            self.ended = True
            self._news.notify_all()

    def _next_message(self) -> Any:
        n_bytes = 0
        try:
            while (line := self._from_server.readline()) != b"\r\n":
                if not line:
                    return None
                if line.lower().startswith(b"content-length:"):
                    n_bytes = int(line.split(b":")[1])
            return json.loads(self._from_server.read(n_bytes))
        except (OSError, ValueError):
            return None


class Server(Editor):
    """The real server as a child process, with an editor on its stdin and stdout."""

    def __init__(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        replies: Mapping[str, Any] | None = None,
        command: Sequence[str] = (sys.executable, "-m", "lsp_server"),
    ) -> None:
        self.process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "XDG_DATA_HOME": NOBODYS_DATA.name, **(env or {})},
        )
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self.stderr = b""
        self._errors = threading.Thread(target=self._read_stderr, daemon=True)
        self._errors.start()
        super().__init__(self.process.stdin, self.process.stdout, replies)

    def exit_code(self) -> int:
        """Wait for the end."""
        code = self.process.wait(ANSWER_S)
        self._errors.join(ANSWER_S)
        return code

    def stop(self) -> int:
        """Say goodbye as an editor does; the exit code."""
        if self.process.poll() is None:
            self.call("shutdown")
            self.notify("exit")
        return self.exit_code()

    def kill(self) -> None:
        self.process.kill()
        self.exit_code()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                stream.close()

    def _read_stderr(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.stderr += line


class Connection(Editor, AbstractContextManager["Connection"]):
    """A further editor, by TCP, for the length of a `with` block."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        super().__init__(self.socket.makefile("wb"), self.socket.makefile("rb"))

    def __exit__(self, *_: object) -> None:
        self.disconnect()

    def disconnect(self) -> None:
        with suppress(OSError):  # the server may have done it
            self.socket.shutdown(socket.SHUT_RDWR)
        self.wait_for_end()
        for stream in (self._to_server, self._from_server, self.socket):
            stream.close()


INLINE_CAPABILITIES = {"textDocument": {"inlineCompletion": {"dynamicRegistration": False}}}


def port_of(server: Server) -> int:
    """The port that a server says it listens on."""
    deadline = time.monotonic() + ANSWER_S
    while not (found := re.search(rb"listening on \w+://[\d.]+:(\d+)\n", server.stderr)):
        assert time.monotonic() < deadline and server.process.poll() is None, server.stderr
        time.sleep(0.01)
    return int(found[1])


def framed(message: object) -> bytes:
    body = json.dumps(message).encode()
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def position(drawn: str) -> dict[str, int]:
    """Where the cursor is marked, in UTF-16; lines end at line feeds only."""
    before = drawn.partition(CURSOR)[0]
    line = before.rpartition("\n")[2]
    return {"line": before.count("\n"), "character": len(line.encode("utf-16-le", "surrogatepass")) // 2}
