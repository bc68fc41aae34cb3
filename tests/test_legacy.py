"""The messages of llm-ls's clients and of Copilot's, as they send them, and what they read of the answers."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.wire import URI, Editor, position

HALF_WRITTEN = "def mean(numbers):\n    total = sum(numbers)\n    return ┃\n"
MID_LINE = "def show(name, value):\n    print(┃)\n"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# As llm.nvim, llm-vscode and llm-intellij send them beside document and position.
LLM_NVIM = {
    "model": "bigcode/starcoder2-15b",
    "backend": "huggingface",
    "url": None,
    "requestBody": {"parameters": {"max_new_tokens": 60, "temperature": 0.2, "top_p": 0.95}},
    "tokensToClear": ["<|endoftext|>"],
    "apiToken": "hf_secret",
    "fim": {"enabled": True, "prefix": "<fim_prefix>", "middle": "<fim_middle>", "suffix": "<fim_suffix>"},
    "tokenizerConfig": {"repository": "bigcode/starcoder2-15b", "api_token": "hf_secret"},
    "contextWindow": 8192,
    "tlsSkipVerifyInsecure": False,
    "ide": "neovim",
    "disableUrlPathCompletion": False,
}
LLM_VSCODE = {**LLM_NVIM, "ide": "vscode", "backend": "llamacpp", "url": "http://gpu.example:8080"}
LLM_INTELLIJ = {
    "request_params": {"max_new_tokens": 60, "temperature": 0.2, "do_sample": True, "top_p": 0.95},
    "fim": LLM_NVIM["fim"],
    "api_token": "hf_secret",
    "model": "bigcode/starcoder",
    "tokens_to_clear": ["<|endoftext|>"],
    "tokenizer_config": None,
    "context_window": 8192,
    "ide": "jetbrains",
}


def place(drawn: str) -> dict[str, Any]:
    return {"textDocument": {"uri": URI}, "position": position(drawn)}


def get_completions(editor: Editor, drawn: str, **others: object) -> Any:
    editor.open(drawn)
    return editor.call("llm-ls/getCompletions", {**place(drawn), **others})


class TestLlmLs:
    @pytest.mark.parametrize(
        "others", [LLM_NVIM, LLM_VSCODE, LLM_INTELLIJ, {}], ids=["nvim", "vscode", "intellij", "-"]
    )
    def test_a_request_of_each_client(self, editor, others):
        editor.initialize()
        answer = get_completions(editor, HALF_WRITTEN, **others)
        assert set(answer) == {"request_id", "completions"} and UUID.fullmatch(answer["request_id"])
        (completion,) = answer["completions"]
        assert set(completion) == {"generated_text"}
        assert completion["generated_text"] == editor.inline(position(HALF_WRITTEN))[0]["insertText"]

    def test_document_and_position_may_come_as_the_element_of_a_list(self, editor):
        editor.initialize()
        editor.open(HALF_WRITTEN)
        answer = editor.call("llm-ls/getCompletions", {"1": place(HALF_WRITTEN), **LLM_NVIM})
        assert answer["completions"]

    def test_what_the_editor_wants_to_be_asked_is_not_asked_and_that_is_said_once(self, editor):
        editor.initialize()
        for _ in range(2):
            get_completions(editor, HALF_WRITTEN, **LLM_VSCODE)
        (shown,) = editor.notified("window/showMessage")
        assert shown["type"] == 3 and "infill-ls.toml" in shown["message"]
        assert editor.call("infill/status")["backend"] == "local"

    def test_accepting_and_rejecting_are_answered_with_null(self, editor):
        editor.initialize()
        answer = get_completions(editor, HALF_WRITTEN)
        accepted = {
            "requestId": answer["request_id"],
            "acceptedCompletion": 0,
            "shownCompletions": [0],
            "completions": answer["completions"],
        }
        assert editor.call("llm-ls/acceptCompletion", accepted) is None
        answer = get_completions(editor, HALF_WRITTEN)
        rejected = {"requestId": answer["request_id"], "shownCompletions": [0]}
        assert editor.call("llm-ls/rejectCompletion", rejected) is None

    def test_nothing_to_suggest_has_the_same_shape(self, editor):
        editor.initialize()
        answer = get_completions(editor, "total = su┃m(numbers)\n")
        assert answer["completions"] == [] and UUID.fullmatch(answer["request_id"])

    def test_a_document_that_is_not_open(self, editor):
        editor.initialize()
        answer = editor.call("llm-ls/getCompletions", place(HALF_WRITTEN))
        assert answer["completions"] == []

    def test_a_closer_that_the_editor_inserted_is_not_written_twice(self, editor):
        editor.initialize()
        (completion,) = get_completions(editor, MID_LINE)["completions"]
        line = f"    print({completion['generated_text']})"
        assert line.count("(") == line.count(")")

    def test_line_ends_are_line_feeds(self, editor):
        editor.initialize()
        drawn = "def mean(numbers):\r\n    ┃\r\n\r\n\r\nmean([1, 2])\r\n"
        for completion in get_completions(editor, drawn)["completions"]:
            assert "\r" not in completion["generated_text"]

    @pytest.mark.parametrize("method", ["llm-ls/acceptCompletion", "llm-ls/rejectCompletion"])
    @pytest.mark.parametrize("params", [None, {}, {"requestId": 7}, [1]])
    def test_an_answer_without_an_id_is_refused(self, editor, method, params):
        editor.initialize()
        assert editor.answer(editor.request(method, params))["error"]["code"] == -32602

    @pytest.mark.parametrize(
        "params", [None, {}, {"textDocument": {"uri": URI}}, {"1": 7}, {**LLM_NVIM, "position": 3}]
    )
    def test_a_request_without_a_place_is_refused(self, editor, params):
        editor.initialize()
        assert editor.answer(editor.request("llm-ls/getCompletions", params))["error"]["code"] == -32602

    def test_what_is_switched_off_is_off(self, editor):
        editor.initialize(initializationOptions={"suggest": {"enabled": False}})
        assert get_completions(editor, HALF_WRITTEN)["completions"] == []


COPILOT_EL = {
    "editorInfo": {"name": "Emacs", "version": "30.1"},
    "editorPluginInfo": {"name": "copilot.el", "version": "0.4"},
}


class TestCopilot:
    def test_its_status_comes_in_the_shape_it_reads(self, editor):
        editor.initialize(clientInfo={"name": "Emacs"}, initializationOptions=COPILOT_EL)
        status = editor.wait_for_notification("didChangeStatus", lambda status: not status["busy"])
        assert status["kind"] == "Normal" and status["message"].endswith("is ready")
        assert not editor.notified("infill/status") and not editor.notified("window/showMessage")

    def test_off_is_inactive(self, editor):
        editor.initialize(initializationOptions=COPILOT_EL)
        editor.call("workspace/executeCommand", {"command": "infill.disable"})
        editor.wait_for_notification("didChangeStatus", lambda status: status["kind"] == "Inactive")

    def test_others_are_not_sent_it(self, editor):
        editor.initialize()
        assert editor.is_ready()
        assert not editor.notified("didChangeStatus")

    def test_a_request_with_formatting_options_and_what_follows_it(self, editor):
        editor.initialize(initializationOptions=COPILOT_EL)
        editor.open(HALF_WRITTEN)
        asked = {
            "textDocument": {"uri": URI, "version": 1},
            "position": position(HALF_WRITTEN),
            "context": {"triggerKind": 2},
            "formattingOptions": {"tabSize": 4, "insertSpaces": True},
        }
        (item,) = editor.call("textDocument/inlineCompletion", asked)["items"]
        editor.notify("textDocument/didShowCompletion", {"item": item})
        editor.notify("textDocument/didPartiallyAcceptCompletion", {"item": item, "acceptedLength": 3})
        editor.notify("textDocument/didFocus", {"textDocument": {"uri": URI}})
        assert editor.call("workspace/executeCommand", {"command": "infill.accepted", **item["command"]}) is None

    @pytest.mark.parametrize(
        "params",
        [
            None,
            {},
            {"item": {}, "acceptedLength": 3},
            {"item": {"command": {"arguments": []}}, "acceptedLength": 3},
            {"item": {"command": [7]}, "acceptedLength": 3},
            {"item": {"command": {"arguments": ["4711"]}}, "acceptedLength": -1},
        ],
    )
    def test_what_cannot_be_read_is_ignored(self, editor, params):
        editor.initialize(initializationOptions=COPILOT_EL)
        for method in ("didShowCompletion", "didPartiallyAcceptCompletion"):
            editor.notify(f"textDocument/{method}", params)
        assert editor.call("infill/status")["state"] == "ready"
