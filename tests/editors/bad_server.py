"""A language server as it should not be: `python bad_server.py MODE`."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

INLINE = "textDocument/inlineCompletion"
CAPABILITIES = {"textDocumentSync": 2, "inlineCompletionProvider": {}}
COMMANDS = {"listening": {"executeCommandProvider": {"commands": ["infill.status"]}}}
SUGGESTION = "[suggested]"
LATE_S = 4.0


def receive() -> dict[str, Any]:
    headers = iter(lambda: sys.stdin.buffer.readline() or b"\r\n", b"\r\n")
    fields = dict(line.decode().strip().split(": ", 1) for line in headers if b": " in line)
    if "Content-Length" not in fields:
        sys.exit(0)
    message: dict[str, Any] = json.loads(sys.stdin.buffer.read(int(fields["Content-Length"])))
    return message


def answer(request: dict[str, Any], **result_or_error: object) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": request["id"], **result_or_error}).encode()
    sys.stdout.buffer.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
    sys.stdout.buffer.flush()


def serve(mode: str) -> None:
    """An old one, which knows the standard only, unless `mode` says otherwise."""
    while request := receive():
        if "id" not in request:
            print("heard", request["method"], file=sys.stderr)
        if "id" not in request or mode == "silent":
            continue
        if request["method"] == "initialize":
            info = {"name": "infill-ls", "version": "0.0.1"}
            answer(request, result={"capabilities": CAPABILITIES | COMMANDS.get(mode, {}), "serverInfo": info})
        elif request["method"] == INLINE:
            if mode == "crashing":
                sys.exit("the model fell over")
            if mode == "refusing":
                answer(request, error={"code": -32803, "message": "the model cannot be read"})
                continue
            time.sleep(LATE_S if mode == "late" else 0)
            at = request["params"]["position"]
            answer(request, result={"items": [{"insertText": SUGGESTION, "range": {"start": at, "end": at}}]})
        elif request["method"] == "shutdown":
            answer(request, result=None)
        else:
            answer(request, error={"code": -32601, "message": f"there is no {request['method']}"})


if __name__ == "__main__":
    if sys.argv[1] == "ending":
        sys.exit("nothing to serve with")
    serve(sys.argv[1])
