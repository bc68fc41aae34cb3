"""What the user writes is in no log and in no message but the answers, whatever happens. A secret word tells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.wire import CURSOR, URI, Connection, Server, framed, port_of

SECRET = "xyzzyPlugh"
DOCUMENT = f'password = "{SECRET}"\n\n\ndef unlock({SECRET}):\n    return {CURSOR}\n'
TOLD = (
    "window/showMessage",
    "window/logMessage",
    "window/showMessageRequest",
    "$/progress",
    "infill/status",
    "$/logTrace",
)


def home(folder: Path) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(folder), "XDG_STATE_HOME": str(folder)}


def logged(server: Server, folder: Path) -> str:
    """Everything that was written down, or told to the user, by a server that has ended."""
    files = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    told = [message for message in server.received if message.get("method") in TOLD]
    return b"\n".join([server.stderr, *files, json.dumps(told).encode()]).decode()


def do_everything(server: Server) -> None:
    """Right and wrong messages of every kind, the secret wherever a user's text or a careless client could put it."""
    at = server.open(DOCUMENT)
    document, here = {"textDocument": {"uri": URI}}, {"textDocument": {"uri": URI}, "position": at}
    server.notify("$/setTrace", {"value": "verbose"})
    for kind in (1, 2, 0, 99, SECRET, None, {SECRET: SECRET}):
        server.answer(server.ask_inline(at, kind=kind))
    selected = {"range": {"start": at, "end": at}, "text": SECRET}
    server.inline(at, kind=1, selectedCompletionInfo=selected)
    server.inline(at, kind=1, uri=f"file:///{SECRET}.py")
    server.answer(server.ask_inline({"line": SECRET, "character": 4}, kind=1))
    server.call("textDocument/completion", here)
    server.trace()
    server.change((0, 0), (0, 0), f"# {SECRET}\n")
    server.inline({**at, "line": at["line"] + 1}, kind=1)
    cancelled = server.ask_inline(at, kind=1)
    server.notify("$/cancelRequest", {"id": cancelled})
    for method in (
        "textDocument/didOpen",
        "textDocument/didChange",
        "textDocument/didClose",
        "workspace/didChangeConfiguration",
    ):
        server.notify(
            method, {"textDocument": SECRET, "contentChanges": [SECRET], "settings": {"python": {"key": SECRET}}}
        )
        server.notify(method, [SECRET])
    server.notify("textDocument/didChange", {**document, "contentChanges": [{"text": SECRET}]})
    for method in (SECRET, "workspace/executeCommand", "infill/trace", "infill/status", "textDocument/hover"):
        server.answer(server.request(method, {"command": SECRET, "arguments": [SECRET], "uri": SECRET}))
        server.notify(f"{method}/{SECRET}", SECRET)
    server.send({"jsonrpc": "2.0", "id": SECRET, "method": "textDocument/completion", "params": SECRET})
    server.send({"jsonrpc": SECRET, "id": 900, "method": SECRET})
    server.send({"jsonrpc": "2.0", "id": SECRET, "result": SECRET})
    server.send({"jsonrpc": "2.0", "id": SECRET, "error": {"code": 1, "message": SECRET}})
    server.send_bytes(f"{SECRET}: {SECRET}\r\nContent-Length: {SECRET}\r\n\r\n".encode())
    server.send_bytes(framed({})[:-2] + b"{" + SECRET.encode() + b"\r\n")
    server.send_bytes(b"Content-Length: 12\r\n\r\n" + f'"{SECRET}"'.encode())
    server.open(SECRET * 5_000 + "\ud800" + CURSOR, language_id=SECRET)
    server.inline({"line": 0, "character": 3}, kind=1)
    server.notify("textDocument/didClose", document)


def test_no_log_holds_what_the_user_writes(tmp_path):
    server = Server("--log-level", "debug", env=home(tmp_path))
    server.initialize(
        clientInfo={"name": SECRET}, rootPath=SECRET, initializationOptions={"suggest": {"maxTokens": 24}}
    )
    assert server.is_ready()
    do_everything(server)
    assert server.stop() == 0
    log = logged(server, tmp_path)
    assert "inlineCompletion" in log and "$/logTrace" in log
    assert SECRET not in log
    server.kill()


def test_no_log_holds_it_where_the_model_could_not_be_loaded(tmp_path):
    server = Server("--model", str(tmp_path / "missing.gguf"), env=home(tmp_path))
    server.initialize()
    assert not server.is_ready()
    do_everything(server)
    assert server.stop() == 0
    assert "missing.gguf" in logged(server, tmp_path)
    assert SECRET not in logged(server, tmp_path)
    server.kill()


def test_a_malformed_first_message_is_not_logged(tmp_path):
    server = Server("--tcp", "127.0.0.1:0", env=home(tmp_path))
    with Connection(port_of(server)) as editor:
        for params in ({"trace": SECRET}, {"processId": SECRET, "capabilities": {}}, SECRET, None):
            assert "error" in editor.answer(editor.request("initialize", params))
        editor.send_bytes(f"GET /{SECRET} HTTP/1.1\r\n\r\n".encode())
        editor.wait_for_end()
    server.kill()
    assert SECRET not in logged(server, tmp_path)


def test_an_unexpected_exception_is_logged_without_its_message(tmp_path):
    """Whatever goes wrong inside, its message may quote the user: the log has the type and the place."""
    code = (
        "import sys, lsp_server.server.suggest as s\n"
        "async def complete(engine, snapshot, *others): raise KeyError(snapshot.text)\n"
        "s.complete = complete\n"
        "from lsp_server.cli import main\n"
        "sys.exit(main([]))\n"
    )
    server = Server(command=[sys.executable, "-c", code], env=home(tmp_path))
    server.initialize()
    assert server.is_ready()
    answer = server.answer(server.ask_inline(server.open(DOCUMENT)))
    assert answer["error"] == {"code": -32603, "message": "KeyError in the server; its log says where"}
    assert server.stop() == 0
    assert "KeyError" in logged(server, tmp_path) and 'File "<string>"' in logged(server, tmp_path)
    assert SECRET not in logged(server, tmp_path)
    server.kill()


def test_the_command_line_does_not_log_it_either(tmp_path):
    source = tmp_path / "source.py"
    source.write_text(DOCUMENT.replace(CURSOR, ""))
    command = [sys.executable, "-m", "lsp_server", "complete", f"{source}:5", "--log-level", "debug"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **home(tmp_path)})
    assert SECRET in done.stdout and SECRET not in done.stderr
