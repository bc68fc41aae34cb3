"""The real server and raw messages, right and wrong ones: JSON-RPC, its framing, the LSP's lifecycle."""

from __future__ import annotations

import asyncio
import inspect
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.wire import Server, framed

HALF_WRITTEN = "def mean(numbers):\n    total = sum(numbers)\n    return ┃\n"
# A window this large, filled, takes this model some tenths of a second: long enough to take a request back in.
SLOW = {"model": {"windowTokens": 2048}, "suggest": {"maxTimeMs": 60_000}}
LONG_SOURCE = inspect.getsource(asyncio.base_events).split("\n")


@pytest.fixture(scope="module")
def server(env) -> Iterator[Server]:
    server = Server(env=env)
    server.initialize(initializationOptions=SLOW)
    assert server.is_ready()
    yield server
    server.kill()


def error_code(message: dict[str, Any]) -> int:
    assert "result" not in message, message
    assert "\n" not in message["error"]["message"]
    return int(message["error"]["code"])


def long_document(line: int) -> str:
    """A large file with the cursor behind an assignment; every `line` makes another prompt."""
    return "\n".join([*LONG_SOURCE[:line], f"        value_{line} = ┃", *LONG_SOURCE[line:]])


class TestEveryRequestIsAnsweredOnce:
    def test_unknown_methods(self, server):
        assert error_code(server.answer(server.request("textDocument/nonsense", {}))) == -32601

    @pytest.mark.parametrize(
        ("method", "params", "place"),
        [
            ("textDocument/inlineCompletion", None, ""),
            ("textDocument/inlineCompletion", [1, 2], ""),
            ("textDocument/inlineCompletion", {}, ""),
            ("textDocument/completion", {"textDocument": {"uri": 7}, "position": {"line": 0, "character": 0}}, "uri"),
            (
                "textDocument/completion",
                {"textDocument": {"uri": "a"}, "position": {"line": "4", "character": 0}},
                "line",
            ),
            (
                "textDocument/completion",
                {"textDocument": {"uri": "a"}, "position": {"line": -1, "character": 0}},
                "position",
            ),
            ("infill/trace", {"uri": "file:///a.py"}, "textDocument.uri"),
        ],
    )
    def test_wrong_parameters(self, server, method, params, place):
        answer = server.answer(server.request(method, params))
        assert error_code(answer) == -32602
        assert place in answer["error"]["message"]

    def test_a_wrong_trigger_kind(self, server):
        msg_id = server.ask_inline(server.open(HALF_WRITTEN), kind=99)
        assert error_code(server.answer(msg_id)) == -32602

    def test_a_wrong_initialize_can_be_followed_by_a_right_one(self, editor):
        assert error_code(editor.answer(editor.request("initialize", {"capabilities": 5, "processId": None}))) == -32602
        wrong_trace = {"processId": None, "rootUri": None, "capabilities": {}, "trace": "banana"}
        assert error_code(editor.answer(editor.request("initialize", wrong_trace))) == -32602
        assert editor.initialize()["capabilities"]["inlineCompletionProvider"] == {"workDoneProgress": False}

    def test_an_initialize_with_capabilities_from_the_future(self, editor):
        document = {
            "inlineCompletion": {},
            "completion": {"completionItemKind": {"valueSet": ["telepathy"]}},
            "new": [1],
        }
        editor.initialize(capabilities={"textDocument": document, "dreams": {"lucid": 3}})

    def test_invalid_json_is_answered_without_an_id(self, editor):
        for body in (b"{", b"\xff\xfe", b"[" * 100_000, b""):
            editor.received.clear()
            editor.send_bytes(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
            assert error_code(editor.answer(None)) == -32700
        editor.initialize()

    @pytest.mark.parametrize(
        "message",
        [
            5,
            [],
            [{"jsonrpc": "2.0", "id": 1, "method": "shutdown"}],
            {"id": 7},
            {"jsonrpc": "1.0", "id": 7, "method": "shutdown"},
        ],
    )
    def test_json_that_is_no_message(self, editor, message):
        editor.send(message)
        assert error_code(editor.answer(message["id"] if isinstance(message, dict) else None)) == -32600

    def test_ids_may_be_strings_and_are_sent_back_as_they_came(self, server):
        server.send({"jsonrpc": "2.0", "id": "äö-1", "method": "infill/status"})
        assert server.answer("äö-1")["result"]["state"] == "ready"
        server.send({"jsonrpc": "2.0", "id": {"a": 1}, "method": "infill/status"})
        assert error_code(server.answer(None)) == -32600

    def test_an_answer_to_a_question_nobody_asked_is_ignored(self, server):
        server.send({"jsonrpc": "2.0", "id": 123456, "result": {}})
        server.send({"jsonrpc": "2.0", "id": "x", "error": {"code": 1, "message": "no"}})
        assert server.call("infill/status")["state"] == "ready"

    def test_data_that_looks_like_a_message_stays_data(self, server):
        uri = "file:///rpc.py"
        server.open('CALL = {"jsonrpc": "2.0", "id": 1, "method": "exit"}\n┃', uri)
        assert server.call("infill/trace", {"textDocument": {"uri": uri, "jsonrpc": "2.0", "method": "exit"}}) is None

    def test_a_wrong_notification_is_ignored(self, server):
        server.notify("textDocument/didOpen", {"textDocument": 3})
        server.notify("$/setTrace", {"value": "loud"})
        server.notify("no/such/thing", [])
        assert server.call("infill/status")["state"] == "ready"


class TestLifecycle:
    def test_initialize_comes_first(self, editor):
        assert error_code(editor.answer(editor.request("shutdown"))) == -32002
        assert error_code(editor.answer(editor.ask_inline({"line": 0, "character": 0}))) == -32002
        editor.initialize()

    def test_initialize_comes_once(self, editor):
        editor.initialize()
        again = editor.request("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
        assert error_code(editor.answer(again)) == -32600

    def test_nothing_is_done_after_shutdown(self, editor):
        editor.initialize()
        assert editor.call("shutdown") is None
        assert error_code(editor.answer(editor.request("infill/status"))) == -32600
        assert error_code(editor.answer(editor.request("shutdown"))) == -32600

    def test_shutdown_answers_what_is_still_running(self, env):
        server = Server(env=env)
        server.initialize(initializationOptions=SLOW)
        assert server.is_ready()
        position = server.open(long_document(300))
        asked, shutdown = server.ask_inline(position), server.request("shutdown")
        assert error_code(server.answer(asked)) == -32800
        assert server.answer(shutdown)["result"] is None
        server.notify("exit")
        assert server.exit_code() == 0
        server.kill()

    def test_exit_without_shutdown_is_an_error_and_the_end_of_stdin_is_not(self, env):
        impatient, closing = Server(env=env), Server(env=env)
        impatient.initialize()
        impatient.notify("exit")
        assert impatient.exit_code() == 1
        closing.initialize()
        assert closing.process.stdin
        closing.process.stdin.close()
        start = time.monotonic()
        assert closing.exit_code() == 0
        assert time.monotonic() - start < 3, "the end of stdin has to be noticed at once, even while the model loads"
        impatient.kill()
        closing.kill()


class TestFraming:
    @pytest.mark.parametrize(
        "header",
        [
            b"Content-Length: %d\r\n\r\n",
            b"content-length: %d\r\n\r\n",
            b"CONTENT-LENGTH:%d\r\n\r\n",
            b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: %d\r\n\r\n",
            b"Content-Length: %d\r\nX-Anything: else\r\n\r\n",
            b"Content-Length: %d\n\n",
        ],
    )
    def test_headers_as_clients_write_them(self, server, header):
        body = json.dumps({"jsonrpc": "2.0", "id": header.decode(), "method": "infill/status"}).encode()
        server.send_bytes(header % len(body) + body)
        assert server.answer(header.decode())["result"]["state"] == "ready"

    def test_a_message_may_come_in_crumbs(self, server):
        for crumb in framed({"jsonrpc": "2.0", "id": "crumbs", "method": "infill/status"}):
            server.send_bytes(bytes([crumb]))
        assert server.answer("crumbs")["result"]

    @pytest.mark.parametrize(
        "garbage",
        [
            b"hello?\r\n",
            b"Content-Length: many\r\n\r\n{}",
            b"Content-Length: -5\r\n\r\n{}",
            b"Content-Length: 99999999999\r\n\r\n{}",
            b"Content-Type: text/plain\r\n\r\n{}\r\n",
            b'Content-Length: 3\r\n\r\n{"a": 1}',
            b"x" * 100_000,
        ],
    )
    def test_after_garbage_it_finds_its_way_back(self, server, garbage):
        server.received.clear()
        server.send_bytes(garbage)
        msg_id = server.request("infill/status")
        assert server.answer(msg_id)["result"]["state"] == "ready"
        assert error_code(server.answer(None)) == -32700


class TestTakingBack:
    def test_a_cancelled_request_is_answered_at_once_and_the_computation_stops(self, server):
        position = server.open(long_document(100))
        asked = server.ask_inline(position)
        time.sleep(0.05)
        server.notify("$/cancelRequest", {"id": asked})
        assert error_code(server.answer(asked)) == -32800
        server.inline(position)
        tokens = server.trace()["tokens"]
        # All of the prompt but its last token would be known already, had it been evaluated to its end.
        assert tokens["reused"] < tokens["prompt"] // 2
        assert len(server.answers(asked)) == 1

    def test_a_newer_request_takes_the_place_of_the_older_one(self, server):
        position = server.open(long_document(500))
        older = server.ask_inline(position)
        time.sleep(0.05)
        newer = server.ask_inline(position)
        server.answer(newer)
        ids = [message["id"] for message in server.received if message.get("id") in (older, newer)]
        assert ids == [older, newer]
        assert server.answers(older)[0]["result"] == {"items": []}

    def test_of_a_queue_only_the_last_is_computed(self, server):
        server.inline(server.open(HALF_WRITTEN, "file:///other.py"), "file:///other.py")
        position = server.open(long_document(700))
        asked = [server.ask_inline(position) for _ in range(6)]
        server.answer(asked[-1])
        assert all(server.answers(msg_id)[0]["result"] == {"items": []} for msg_id in asked[:-1])
        assert server.trace()["tokens"]["reused"] < 50

    def test_an_edit_alone_takes_nothing_back(self, server):
        asked = server.ask_inline(server.open(long_document(800)))
        server.change((0, 0), (0, 0), "# a comment\n")
        assert server.answer(asked)["result"]["items"]

    def test_other_documents_and_the_popup_are_not_in_each_others_way(self, server):
        here, there = server.open(HALF_WRITTEN), server.open(HALF_WRITTEN, "file:///there.py")
        asked = [server.ask_inline(here), server.ask_inline(there, "file:///there.py")]
        popup = server.request(
            "textDocument/completion", {"textDocument": {"uri": "file:///there.py"}, "position": there}
        )
        assert all(server.answer(msg_id)["result"]["items"] for msg_id in (*asked, popup))

    def test_closing_the_document_answers_what_was_asked_for_it(self, server):
        asked = server.ask_inline(server.open(long_document(900)))
        server.notify("textDocument/didClose", {"textDocument": {"uri": "file:///project/sample.py"}})
        assert server.answer(asked)["result"] == {"items": []}
        assert server.inline({"line": 0, "character": 0}) == []

    def test_cancelling_what_is_done_or_was_never_asked_is_harmless(self, server):
        for msg_id in (1, "never", None, {"a": 2}):
            server.notify("$/cancelRequest", {"id": msg_id})
        server.notify("$/cancelRequest")
        assert server.call("infill/status")["state"] == "ready"

    def test_messages_are_read_while_the_model_computes(self, server):
        asked = server.ask_inline(server.open(long_document(1000)))
        server.call("infill/status")
        assert not server.answers(asked)
        server.answer(asked)
