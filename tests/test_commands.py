"""`workspace/executeCommand` and `infill/status`, message by message."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lsp_server.server.ahead import AFTER_EDIT_S
from tests.wire import ANSWER_S, INLINE_CAPABILITIES, URI, Connection, Editor, Server, port_of

HALF_WRITTEN = "def mean(numbers):\n    total = sum(numbers)\n    return ┃\n"
NOTHING_MISSING = "total = su┃m(numbers)\n"
AUTOMATIC = 2


def execute(editor: Editor, command: str, *arguments: object) -> Any:
    return editor.call("workspace/executeCommand", {"command": command, "arguments": list(arguments)})


def refused(editor: Editor, command: str, *arguments: object) -> str:
    params = {"command": command, "arguments": list(arguments)}
    answer = editor.answer(editor.request("workspace/executeCommand", params))
    return str(answer["error"]["message"])


@pytest.fixture
def own(env: dict[str, str]) -> Iterator[Server]:
    """A process of its own, for what changes the model of all who share one."""
    server = Server(env=env)
    server.initialize()
    assert server.is_ready()
    yield server
    server.kill()


@pytest.fixture
def slow_server() -> Iterator[str]:
    """The address of a model server that lets one connect, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]},family=starcoder"


def settled(server: Server) -> Any:
    """The status once nothing loads any more."""
    deadline = time.monotonic() + ANSWER_S
    while (status := execute(server, "infill.status"))["state"] == "loading":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return status


class TestRegistration:
    def test_every_command_is_announced_in_initialize(self, editor):
        announced = editor.initialize()["capabilities"]["executeCommandProvider"]["commands"]
        assert set(announced) == {
            f"infill.{name}"
            for name in ("accepted", "enable", "disable", "reload", "switchModel", "models", "status", "explain")
        }

    def test_a_command_that_is_not_there(self, editor):
        editor.initialize()
        assert refused(editor, "rm") == "there is no command rm"

    @pytest.mark.parametrize("command", ["infill.accepted", "infill.explain", "infill.switchModel"])
    @pytest.mark.parametrize("argument", [7, {"id": "1"}, ["1"]])
    def test_an_argument_of_the_wrong_kind(self, editor, command, argument):
        editor.initialize()
        assert refused(editor, command, argument) == f"the first argument of {command} has to be a text"


class TestAccepting:
    def test_every_inline_item_says_what_to_call_when_it_is_taken(self, editor):
        editor.initialize()
        at = editor.open(HALF_WRITTEN)
        first, second = (editor.inline(at)[0]["command"] for _ in range(2))
        assert first["command"] == "infill.accepted" and first["title"]
        assert first["arguments"] != second["arguments"]
        assert execute(editor, first["command"], *first["arguments"]) is None

    def test_entries_of_the_popup_too(self, editor):
        editor.initialize(capabilities={})
        params = {"textDocument": {"uri": URI}, "position": editor.open(HALF_WRITTEN)}
        (item,) = editor.call("textDocument/completion", params)["items"]
        assert item["command"]["command"] == "infill.accepted"

    def test_an_item_that_nobody_remembers_is_no_error(self, editor):
        editor.initialize()
        assert execute(editor, "infill.accepted", "4711") is None


class TestSwitchingOff:
    def test_one_language_is_off_and_the_others_are_not(self, editor):
        editor.initialize()
        at = editor.open(HALF_WRITTEN)
        other = "file:///project/sample.js"
        editor.open(HALF_WRITTEN, other, "javascript")
        assert execute(editor, "infill.disable", "python")["languages_off"] == ["python"]
        assert editor.inline(at, kind=AUTOMATIC) == []
        assert editor.trace()["reason"]["code"] == "disabled"
        editor.inline(at, other, kind=AUTOMATIC)
        assert editor.trace(other)["reason"]["code"] != "disabled"
        assert execute(editor, "infill.enable", "python")["languages_off"] == []
        assert editor.inline(at, kind=AUTOMATIC)

    def test_everything_is_off_but_what_is_asked_for_by_hand(self, editor):
        editor.initialize()
        at = editor.open(HALF_WRITTEN)
        status = execute(editor, "infill.disable")
        assert (status["state"], status["enabled"]) == ("off", False)
        assert editor.inline(at, kind=AUTOMATIC) == [] and editor.inline(at, kind=1)

    def test_the_session_is_right_where_the_settings_say_something_else(self, editor):
        editor.initialize(initializationOptions={"suggest": {"enabled": False}})
        at = editor.open(HALF_WRITTEN)
        assert editor.inline(at, kind=AUTOMATIC) == []
        assert execute(editor, "infill.enable")["enabled"] is True
        assert editor.inline(at, kind=AUTOMATIC)

    def test_other_editors_of_the_same_process_are_not_switched(self, editor, tcp):
        editor.initialize()
        execute(editor, "infill.disable")
        with Connection(port_of(tcp)) as other:
            other.initialize()
            assert execute(other, "infill.status")["enabled"] is True

    def test_the_popup_follows(self, editor):
        editor.initialize(capabilities={})
        params = {"textDocument": {"uri": URI}, "position": editor.open(HALF_WRITTEN)}
        execute(editor, "infill.disable", "python")
        assert editor.call("textDocument/completion", params)["items"] == []

    def test_nothing_is_computed_ahead_where_nothing_is_suggested(self, editor):
        editor.initialize()
        at = editor.open(HALF_WRITTEN)
        execute(editor, "infill.disable", "python")
        editor.inline(at)
        editor.change((0, 4), (0, 8), "average")
        n_computed = editor.trace()["tokens"]["computed"]
        time.sleep(AFTER_EDIT_S + 0.3)
        assert editor.trace()["tokens"]["computed"] == n_computed

    def test_what_is_switched_on_is_loaded(self, env):
        server = Server(env=env)
        server.initialize(initializationOptions={"suggest": {"enabled": False}})
        assert execute(server, "infill.status")["state"] == "off"
        execute(server, "infill.enable")
        assert server.is_ready()
        server.kill()


class TestStatus:
    def test_all_that_it_says(self, editor):
        editor.initialize()
        assert editor.is_ready()
        status = execute(editor, "infill.status")
        assert status == editor.call("infill/status")
        assert status | {"message": "", "model": ""} == {
            "state": "ready",
            "message": "",
            "model": "",
            "backend": "local",
            "enabled": True,
            "languages_off": [],
            "last": None,
            "working": False,
        }

    def test_the_reason_of_the_last_empty_answer(self, editor):
        editor.initialize()
        editor.inline(editor.open(NOTHING_MISSING), kind=AUTOMATIC)
        reason = editor.trace()["reason"]
        assert reason["sentence"] and execute(editor, "infill.status")["last"] == reason
        editor.wait_for_notification("infill/status", lambda status: status["last"] == reason)
        assert editor.inline(editor.open(HALF_WRITTEN))
        assert execute(editor, "infill.status")["last"] is None

    def test_the_address_of_a_server_is_shown_without_what_is_secret_in_it(self, env):
        server = Server(env=env)
        servers = [{"url": "http://me:secret@gpu.example:8000/v1"}]
        server.initialize(initializationOptions={"backend": {"servers": servers}, "suggest": {"enabled": False}})
        assert execute(server, "infill.status")["backend"] == "http://gpu.example:8000"
        server.kill()

    def test_what_takes_long_is_shown_as_work(self, env, slow_server):
        server = Server("--backend", slow_server, env=env)
        server.initialize()
        at = server.open(HALF_WRITTEN)
        asked = server.ask_inline(at)
        server.wait_for_notification("infill/status", lambda status: status["working"])
        n_told = len(server.notified("infill/status"))
        server.notify("$/cancelRequest", {"id": asked})
        server.wait_for(lambda _: len(server.notified("infill/status")) > n_told)
        assert server.notified("infill/status")[n_told]["working"] is False
        server.kill()

    def test_what_takes_a_moment_is_not(self, editor):
        editor.initialize()
        at = editor.open(HALF_WRITTEN)
        for _ in range(5):
            assert editor.inline(at)
        assert len(editor.notified("infill/status")) == 1


class TestModels:
    def test_the_one_that_runs_is_marked(self, editor, model_path):
        editor.initialize()
        (model,) = execute(editor, "infill.models")
        size = Path(model_path).stat().st_size
        assert model == {"name": Path(model_path).stem, "path": model_path, "size_bytes": size, "active": True}

    def test_a_model_in_the_users_folder_is_one_of_them(self, own, env, model_path):
        folder = Path(env["XDG_CACHE_HOME"]) / "infill-ls" / "models" / "mine"
        folder.mkdir(parents=True)
        shutil.copy(model_path, folder / "mine.gguf")
        assert [model["name"] for model in execute(own, "infill.models")] == [Path(model_path).stem, "mine"]
        execute(own, "infill.switchModel", "mine")
        assert settled(own)["model"] == "mine"
        assert [model["active"] for model in execute(own, "infill.models")] == [False, True]
        assert own.inline(own.open(HALF_WRITTEN))
        execute(own, "infill.switchModel")
        assert settled(own)["model"] == Path(model_path).stem
        shutil.rmtree(folder)

    def test_a_file_on_the_disk(self, own, model_path, tmp_path):
        shutil.copy(model_path, tmp_path / "other.gguf")
        assert execute(own, "infill.switchModel", str(tmp_path / "other.gguf"))["state"] == "loading"
        assert settled(own)["model"] == "other"
        assert own.inline(own.open(HALF_WRITTEN))
        execute(own, "infill.reload")
        assert settled(own)["model"] == "other"
        assert not own.notified("window/showMessage")

    def test_a_file_that_is_no_model_changes_nothing(self, own, tmp_path):
        broken = tmp_path / "broken.gguf"
        broken.write_bytes(b"GGUF\x03\0\0\0" + bytes(100))
        assert "broken.gguf" in refused(own, "infill.switchModel", str(broken))
        assert "absent.gguf does not exist" in refused(own, "infill.switchModel", str(tmp_path / "absent.gguf"))
        assert execute(own, "infill.status")["state"] == "ready"

    def test_a_name_that_is_none_and_a_path_that_depends_on_where_one_is(self, editor, model_path):
        editor.initialize()
        name = Path(model_path).stem
        assert f"did you mean {name}?" in refused(editor, "infill.switchModel", name[:-1])
        assert "absolute path" in refused(editor, "infill.switchModel", "models/mine.gguf")

    def test_a_model_is_loaded_again_while_it_writes(self, own):
        at = own.open(HALF_WRITTEN)
        other = own.open("for item in items:\n    if ┃\n", "file:///b.py")
        asked = [own.ask_inline(at), own.ask_inline(other, "file:///b.py")]
        assert execute(own, "infill.reload")["state"] == "loading"
        assert "is still loading" in refused(own, "infill.reload")
        assert all("result" in own.answer(msg_id) for msg_id in asked)
        settled(own)
        assert own.inline(at)
        assert not own.notified("window/showMessage")
        assert own.stop() == 0
        assert b"Traceback" not in own.stderr


class TestExplaining:
    def test_what_was_asked_is_a_text_to_read(self, editor):
        editor.initialize()
        editor.inline(editor.open(HALF_WRITTEN))
        text = execute(editor, "infill.explain", URI)
        for shown in ("model wrote", "stopped", "tokens", "│     return ┃", "run by"):
            assert shown in text

    def test_before_anything_was_asked(self, editor):
        editor.initialize()
        editor.open(HALF_WRITTEN)
        for uri in (URI, "file:///never/opened.py"):
            assert execute(editor, "infill.explain", uri) == "nothing was asked in this document yet\n"

    def test_what_needed_no_model_shows_what_it_was_asked_before(self, editor):
        editor.initialize()
        at = editor.open(HALF_WRITTEN)
        for _ in range(2):
            editor.inline(at)
        first, _, rest = execute(editor, "infill.explain", URI).partition("\n")
        assert first and "the last time that the model was asked" in rest and "│     return ┃" in rest

    def test_what_was_refused_has_its_reason(self, editor):
        editor.initialize(capabilities=INLINE_CAPABILITIES)
        editor.inline(editor.open(NOTHING_MISSING), kind=AUTOMATIC)
        assert execute(editor, "infill.explain", URI).startswith("the cursor stands inside a word\n")
