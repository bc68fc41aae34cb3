"""The real server with the real model, as an editor sees it: suggestions, edits, settings, what it says of itself."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from lsprotocol import types
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities

from lsp_server.trace import Trace
from lsp_server.values import Reason
from tests.wire import CURSOR, INLINE_CAPABILITIES, URI, Connection, Server, position

HALF_WRITTEN = "def mean(numbers):\n    total = sum(numbers)\n    return ┃\n"
MID_LINE = "def show(name, value):\n    print(┃)\n"
QUICK = {"suggest": {"maxTokens": 1}}
ENCODINGS = ("utf-8", "utf-16", "utf-32")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["visual-studio-code", "neovim@v0.11.0", "emacs"])
async def client(request, env) -> AsyncIterator[LanguageClient]:
    """Real editors' capabilities, with inline completion; pytest-lsp complains about what they did not ask for."""
    config = ClientServerConfig(server_command=[sys.executable, "-m", "lsp_server"], server_env=env)
    client = await config.start()
    client.feature(types.CLIENT_REGISTER_CAPABILITY)(lambda params: None)
    client.set_configuration({"maxTokens": 64}, section="infill.suggest")
    capabilities = client_capabilities(request.param)
    assert capabilities.text_document
    capabilities.text_document.inline_completion = types.InlineCompletionClientCapabilities()
    await client.initialize_session(types.InitializeParams(capabilities=capabilities))
    yield client
    await client.shutdown_session()
    await client.stop()


def applied(text: str, item: dict[str, Any]) -> str:
    """The document (of ASCII) after the suggestion was accepted."""
    edit = item.get("textEdit") or {"range": item["range"], "newText": item["insertText"]}
    lines = text.split("\n")
    starts = [sum(len(line) + 1 for line in lines[:number]) for number in range(len(lines))]
    at = [starts[edit["range"][end]["line"]] + edit["range"][end]["character"] for end in ("start", "end")]
    return str(text[: at[0]] + edit["newText"] + text[at[1] :])


@pytest.mark.asyncio(loop_scope="module")
class TestSuggestions:
    async def test_a_half_written_function_is_continued(self, client):
        items = await self.ask(client, HALF_WRITTEN)
        assert len(items) > 1 and items[0].insert_text.strip()  # by hand, there is a choice
        assert items[0].range == types.Range(types.Position(2, 11), types.Position(2, 11))

    async def test_edits_are_followed(self, client):
        await self.ask(client, HALF_WRITTEN)
        word = types.Range(types.Position(0, 4), types.Position(0, 8))
        change = types.TextDocumentContentChangePartial(word, "average")
        client.text_document_did_change(
            types.DidChangeTextDocumentParams(types.VersionedTextDocumentIdentifier(version=2, uri=URI), [change])
        )
        await self.asked(client, types.Position(2, 11))
        trace = await client.protocol.send_request_async("infill/trace", {"textDocument": {"uri": URI}})
        assert trace.window.prefix == HALF_WRITTEN.replace("mean", "average").partition(CURSOR)[0]

    async def test_a_request_that_is_taken_back_is_an_error_that_says_so(self, client):
        params = types.InlineCompletionParams(
            types.InlineCompletionContext(types.InlineCompletionTriggerKind.Invoked),
            types.TextDocumentIdentifier(URI),
            types.Position(0, 0),
        )
        asked = asyncio.ensure_future(
            client.protocol.send_request_async(types.TEXT_DOCUMENT_INLINE_COMPLETION, params, "taken")
        )
        await asyncio.sleep(0)
        client.cancel_request(types.CancelParams("taken"))
        with pytest.raises(Exception, match="cancelled"):
            await asked

    async def test_settings_are_asked_for_where_the_editor_can_answer(self, client):
        await self.ask(client, HALF_WRITTEN)
        assert not client.messages

    async def ask(self, client: LanguageClient, drawn: str) -> list[types.InlineCompletionItem]:
        item = types.TextDocumentItem(URI, "python", 1, drawn.replace(CURSOR, ""))
        client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        at = position(drawn)
        return await self.asked(client, types.Position(at["line"], at["character"]))

    async def asked(self, client: LanguageClient, at: types.Position) -> list[types.InlineCompletionItem]:
        context = types.InlineCompletionContext(types.InlineCompletionTriggerKind.Invoked)
        answer = await client.text_document_inline_completion_async(
            types.InlineCompletionParams(context, types.TextDocumentIdentifier(URI), at)
        )
        assert isinstance(answer, types.InlineCompletionList)
        return list(answer.items)


class TestRendering:
    def test_a_closer_that_the_editor_inserted_gives_way(self, editor):
        editor.initialize()
        at = editor.open(MID_LINE)
        items = editor.inline(at)
        assert items[0]["range"]["start"] == at
        assert applied(MID_LINE.replace(CURSOR, ""), items[0]).count(")") == 2

    def test_neovim_gets_the_whole_line_where_something_stands_right_of_the_cursor(self, editor):
        editor.initialize(clientInfo={"name": "Neovim"})
        items = editor.inline(editor.open(MID_LINE))
        assert items[0]["range"] == {"start": {"line": 1, "character": 0}, "end": {"line": 1, "character": 11}}
        assert items[0]["insertText"].startswith("    print(")

    def test_neovim_gets_an_insertion_at_the_end_of_a_line(self, editor):
        editor.initialize(clientInfo={"name": "Neovim"})
        at = editor.open(HALF_WRITTEN)
        assert editor.inline(at)[0]["range"] == {"start": at, "end": at}

    def test_the_entry_selected_in_the_popup_is_what_a_suggestion_has_to_begin_with(self, editor):
        editor.initialize()
        at = editor.open(HALF_WRITTEN)
        plain = editor.inline(at)[0]["insertText"]
        start = {**at, "character": at["character"] - len("return ")}
        wanted = {"range": {"start": start, "end": at}, "text": "return " + plain[:2]}
        items = editor.inline(at, selectedCompletionInfo=wanted)
        assert items[0]["insertText"] == "return " + plain and items[0]["range"]["start"] == start
        assert editor.inline(at, selectedCompletionInfo={**wanted, "text": "return of the king"}) == []

    @pytest.mark.parametrize(
        ("name", "encoding", "start", "end"),
        [
            ("Visual Studio Code", "utf-16", 18, (18, 19)),  # an insertion, or over the closer
            ("Neovim", "utf-8", 0, (21,)),  # the whole line
            ("emacs", "utf-32", 17, (17, 18)),
            ("Emacs", "utf-16", 18, (18, 19)),
        ],
    )
    def test_each_editor_gets_what_it_draws_right_in_the_columns_it_asked_for(self, editor, name, encoding, start, end):
        """In the middle of a line, behind an emoji, before a closer."""
        capabilities = {**INLINE_CAPABILITIES, "general": {"positionEncodings": [encoding]}}
        editor.initialize(clientInfo={"name": name}, capabilities=capabilities)
        editor.open("name = '😀' + str(┃)\n")
        at = {"utf-8": 20, "utf-16": 18, "utf-32": 17}[encoding]
        (item,) = editor.inline({"line": 0, "character": at})
        assert item["range"]["start"] == {"line": 0, "character": start}
        assert item["range"]["end"]["character"] in end
        assert item["insertText"].startswith("name = '😀' + str(") is (name == "Neovim")
        assert item["command"]["command"] == "infill.accepted"

    def test_columns_after_astral_characters(self, editor):
        editor.initialize()
        at = editor.open("name = '😀' + str(┃)\n")
        assert editor.inline(at)[0]["range"]["start"] == at == {"line": 0, "character": 18}


class TestPopup:
    @pytest.mark.parametrize(
        ("shows_inline", "popup", "offered"),
        [
            (True, "auto", False),
            (False, "auto", True),
            (True, "always", True),
            (False, "never", False),
            (True, "never", False),
        ],
    )
    def test_never_both_unless_the_user_wants_both(self, editor, shows_inline, popup, offered):
        capabilities = {"textDocument": {"inlineCompletion": {}} if shows_inline else {}}
        result = editor.initialize(capabilities=capabilities, initializationOptions={"suggest.popup": popup})
        assert ("completionProvider" in result["capabilities"]) is offered

    @pytest.mark.parametrize(
        ("formats", "kind"), [(["plaintext", "markdown"], "markdown"), (["plaintext"], "plaintext")]
    )
    def test_the_suggestion_is_an_entry(self, editor, formats, kind):
        editor.initialize(
            capabilities={"textDocument": {"completion": {"completionItem": {"documentationFormat": formats}}}}
        )
        at = editor.open(HALF_WRITTEN)
        answer = self.ask(editor, at)
        (item,) = answer["items"]
        assert answer["isIncomplete"] is True
        assert item["textEdit"]["range"]["start"] == at and item["textEdit"]["newText"].startswith(item["filterText"])
        assert item["documentation"]["kind"] == kind

    @pytest.mark.parametrize("suggest", [{"popup": "never"}, {"enabled": False}])
    def test_off_is_off(self, editor, suggest):
        editor.initialize(capabilities={}, initializationOptions={"infill": {"suggest": suggest}})
        assert self.ask(editor, editor.open(HALF_WRITTEN)) == {"isIncomplete": True, "items": []}
        assert editor.trace()["reason"]["code"] == "disabled"

    @staticmethod
    def ask(editor: Connection, at: dict[str, int]) -> Any:
        return editor.call("textDocument/completion", {"textDocument": {"uri": URI}, "position": at})


class TestRefusals:
    """What is not asked of the model while somebody types (kind 2); by hand (kind 1) it is."""

    def test_right_after_an_undo_nothing_is_suggested_again(self, editor):
        editor.initialize(initializationOptions={"infill": QUICK})
        at = editor.open(HALF_WRITTEN)
        editor.change((2, 11), (2, 11), "total / 2")
        editor.change((2, 11), (2, 20), "")
        assert editor.inline(at, kind=2) == []
        assert editor.trace()["reason"]["code"] == "after-undo"
        editor.inline(at, kind=1)
        assert editor.trace()["reason"]["code"] != "after-undo"

    def test_what_the_model_is_not_sure_of_is_only_said_by_hand(self, editor):
        editor.initialize(initializationOptions={"infill": {"suggest": {"minConfidence": 100}}})
        at = editor.open(HALF_WRITTEN)
        assert editor.inline(at, kind=2) == []
        assert editor.trace()["reason"]["code"] == "unsure"
        assert editor.inline(at, kind=1)

    def test_a_key_that_slipped_is_no_undo_where_the_whole_document_is_sent(self, editor):
        editor.initialize(initializationOptions={"infill": QUICK})
        at, text = editor.open(HALF_WRITTEN), HALF_WRITTEN.replace(CURSOR, "")
        for version, whole in ((2, HALF_WRITTEN.replace(CURSOR, "q")), (3, text)):
            document = {"uri": URI, "version": version}
            editor.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": whole}]})
        editor.inline(at, kind=2)
        assert editor.trace()["reason"]["code"] != "after-undo"

    def test_in_a_comment_nothing_is_suggested_unless_it_is_set(self, editor):
        editor.initialize(initializationOptions={"infill": QUICK})
        at = editor.open("# The sum of ┃\ntotal = 0\n")
        assert editor.inline(at, kind=2) == []
        assert editor.trace()["reason"]["code"] == "in-comment"
        editor.notify("workspace/didChangeConfiguration", {"settings": {"infill": {"suggest": {"inComments": True}}}})
        editor.inline(at, kind=2)
        assert editor.trace()["reason"]["code"] != "in-comment"


class TestLoading:
    def test_an_editor_without_a_model_gets_empty_answers_and_one_sentence(self, tmp_path):
        broken = tmp_path / "broken.gguf"
        broken.write_bytes(b"GGUF\x03\0\0\0" + bytes(100))
        server = Server("--model", str(broken), env={"XDG_CONFIG_HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)})
        server.initialize()
        assert not server.is_ready()
        at = server.open(HALF_WRITTEN)
        assert server.inline(at, kind=2) == server.inline(at, kind=1) == []
        assert server.trace()["reason"]["code"] == "model-failed"
        assert server.call("infill/status")["state"] == "error"
        (shown,) = server.notified("window/showMessage")
        assert shown["type"] == 1 and "broken.gguf" in shown["message"] and "\n" not in shown["message"]
        assert server.stop() == 0
        assert b"Traceback" not in server.stderr
        server.kill()

    def test_the_first_request_does_not_have_to_wait_for_a_second_one(self, env):
        """What is asked at once, while the model loads, waits for it."""
        server = Server(env=env, replies={"window/workDoneProgress/create": None})
        server.initialize(capabilities={"window": {"workDoneProgress": True}})
        at = server.open(HALF_WRITTEN)
        automatic, by_hand = (
            server.ask_inline(at, kind=2),
            server.ask_inline(server.open(HALF_WRITTEN, "file:///b.py"), "file:///b.py"),
        )
        assert server.answer(automatic)["result"]["items"]
        assert server.answer(by_hand)["result"]["items"]
        states = [status["state"] for status in server.notified("infill/status")]
        assert states[0] == "loading" and states[-1] == "ready"
        ended = server.wait_for_notification("$/progress", lambda params: params["value"]["kind"] == "end")
        kinds = [
            params["value"]["kind"] for params in server.notified("$/progress") if params["token"] == ended["token"]
        ]
        assert kinds[0] == "begin" and kinds[-1] == "end" and set(kinds[1:-1]) <= {"report"}
        assert server.stop() == 0
        server.kill()

    def test_progress_is_only_shown_to_editors_that_have_a_place_for_it(self, env):
        server = Server(env=env)
        server.initialize(capabilities={})
        assert server.is_ready()
        assert not [message for message in server.received if "rogress" in str(message.get("method"))]
        server.kill()

    def test_nothing_is_loaded_while_suggestions_are_off(self, env):
        server = Server(env=env)
        server.initialize(initializationOptions={"suggest": {"enabled": False}})
        status = server.call("infill/status")
        assert (status["state"], status["model"], status["enabled"]) == ("off", None, False)
        assert server.inline(server.open(HALF_WRITTEN), kind=1)
        server.kill()


class TestTraces:
    def test_a_trace_shows_the_window_and_the_figures(self, editor):
        editor.initialize()
        editor.inline(editor.open(HALF_WRITTEN))
        trace = editor.trace()
        assert trace["window"]["prefix"] + CURSOR + trace["window"]["suffix"] == HALF_WRITTEN
        assert trace["tokens"]["prompt"] > 0 and trace["tokens"]["written"] > 0
        assert set(trace["stages_ms"]) == {"context", "prompt", "generation", "postprocess"}
        assert 0 < trace["engine_began_ms"] < trace["engine_ended_ms"] <= trace["elapsed_ms"] + 1

    def test_log_trace_follows_set_trace(self, editor):
        editor.initialize()
        at = editor.open(HALF_WRITTEN)
        editor.inline(at)
        assert not editor.notified("$/logTrace")
        editor.notify("$/setTrace", {"value": "messages"})
        editor.inline(at)
        assert "verbose" not in editor.wait_for_notification("$/logTrace")
        editor.notify("$/setTrace", {"value": "verbose"})
        editor.inline(at)
        said = editor.wait_for_notification("$/logTrace", lambda params: "verbose" in params)["verbose"]
        assert "remembered" in said

    def test_every_reason_can_be_summed_up(self):
        assert all(reason.code in Trace(empty_because=reason).summary() for reason in Reason)

    def test_lsp_mode_is_not_bothered_until_it_asks(self, editor):
        editor.initialize(clientInfo={"name": "emacs"})
        editor.inline(editor.open(HALF_WRITTEN))
        assert not editor.notified("infill/status")
        assert editor.call("infill/status")["state"] == "ready"
