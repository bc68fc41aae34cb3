"""A language server that does as it is told, for what a real one does only when something is wrong.

FAKE_SERVER holds how, as JSON: `texts` to suggest, in place of what is right of the cursor with `replace_to_end`;
`commands` with their results; `late_s` to wait before a suggestion; `crash` to end at the first one asked for.
FAKE_SERVER_LOG is the file that gets every message received, one a line.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

HOW = json.loads(os.environ["FAKE_SERVER"])


def main() -> None:
    while message := receive():
        with open(os.environ["FAKE_SERVER_LOG"], "a", encoding="utf-8") as log:
            print(json.dumps(message), file=log)
        if message.get("method") == "exit":
            return
        if "id" in message and "method" in message:
            answer(message)


def receive() -> dict[str, Any] | None:
    length = 0
    while line := sys.stdin.buffer.readline().strip():
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    return json.loads(sys.stdin.buffer.read(length)) if length else None


def send(message: dict[str, Any]) -> None:
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    sys.stdout.buffer.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
    sys.stdout.buffer.flush()


def answer(message: dict[str, Any]) -> None:
    method, params = message["method"], message.get("params") or {}
    if method == "textDocument/inlineCompletion":
        if HOW.get("crash"):
            os._exit(3)
        result: Any = {"items": [item(text, params["position"]) for text in HOW.get("texts", [])]}
        timer = threading.Timer(HOW.get("late_s", 0), send, [{"id": message["id"], "result": result}])
        timer.daemon = True
        timer.start()
        return
    results = {"initialize": {"capabilities": capabilities()}}
    if method == "workspace/executeCommand":
        results[method] = HOW["commands"].get(params["command"])
    send({"id": message["id"], "result": results.get(method)})


def capabilities() -> dict[str, Any]:
    known: dict[str, Any] = {"inlineCompletionProvider": {}, "textDocumentSync": 1}
    return known | ({"executeCommandProvider": {"commands": [*HOW["commands"]]}} if "commands" in HOW else {})


def item(text: str, position: dict[str, int]) -> dict[str, Any]:
    command = {"title": "", "command": "infill.accepted", "arguments": [text]}
    end = {**position, "character": 1000} if HOW.get("replace_to_end") else position
    return {"insertText": text, "range": {"start": position, "end": end}, "command": command}


if __name__ == "__main__":
    main()
