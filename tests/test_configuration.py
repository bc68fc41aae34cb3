"""Settings from every side, and what they change in a server that runs."""

from __future__ import annotations

from lsp_server.values import Reason
from tests.wire import Server

HALF_WRITTEN = "def mean(numbers):\n    total = sum(numbers)\n    return ┃\n"
QUICK = {"suggest": {"maxTokens": 1}}


class TestSettings:
    def test_what_cannot_be_used_is_said_once_and_by_name(self, editor):
        editor.initialize(
            initializationOptions={"infill": {"suggest": {"maxTokens": "many", "colour": 1}}, "other": {}}
        )
        message = editor.wait_for_notification("window/showMessage")["message"]
        assert "suggest.maxTokens" in message and "suggest.colour" in message
        editor.call("infill/status")
        assert len(editor.notified("window/showMessage")) == 1

    def test_switched_off_means_only_by_hand(self, editor):
        editor.initialize(initializationOptions={"suggest": {"enabled": False}})
        at = editor.open(HALF_WRITTEN)
        assert editor.call("infill/status")["state"] == "off"
        assert editor.inline(at, kind=2) == []
        assert editor.trace()["reason"] == {"code": "disabled", "sentence": Reason.DISABLED.sentence}
        assert editor.inline(at, kind=1)

    def test_the_workspace_may_set_what_is_harmless(self, editor):
        editor.replies["workspace/configuration"] = [
            {"model": {"path": "/evil.gguf", "family": ""}, "suggest": {"enabled": False}}
        ]
        editor.initialize(capabilities={"workspace": {"configuration": True}})
        editor.wait_for_notification("infill/status", lambda status: status["state"] == "off")
        message = editor.wait_for_notification("window/showMessage")["message"]
        assert "model.path" in message and "model.family" not in message

    def test_a_change_is_followed(self, editor):
        editor.initialize()
        editor.notify("workspace/didChangeConfiguration", {"settings": {"infill": {"suggest": {"enabled": False}}}})
        editor.wait_for_notification("infill/status", lambda status: status["state"] == "off")
        editor.notify("workspace/didChangeConfiguration", {"settings": {"infill": {"suggest": {"enabled": True}}}})
        assert editor.call("infill/status")["state"] == "ready"

    def test_a_change_without_settings_lets_the_server_ask(self, editor):
        capabilities = {"workspace": {"configuration": True, "didChangeConfiguration": {"dynamicRegistration": True}}}
        editor.replies["workspace/configuration"] = [None]
        editor.initialize(capabilities=capabilities)
        registered = editor.wait_for(lambda message: message.get("method") == "client/registerCapability")
        assert registered["params"]["registrations"][0]["registerOptions"] == {"section": "infill"}
        editor.replies["workspace/configuration"] = [{"suggest.enabled": False}]
        editor.notify("workspace/didChangeConfiguration", {"settings": {}})
        editor.wait_for_notification("infill/status", lambda status: status["state"] == "off")

    def test_limits_hold_from_the_next_request_on(self, editor):
        editor.initialize(initializationOptions=QUICK)
        at = editor.open("def first(items):\n    for item in items:\n        ┃")
        editor.inline(at)
        few = editor.trace()["tokens"]
        editor.notify("workspace/didChangeConfiguration", {"settings": {"infill": {"suggest": {"maxTokens": 64}}}})
        editor.inline(at)
        many = editor.trace()["tokens"]
        assert few["written"] <= 2 < many["written"]

    def test_the_command_line_wins(self, env):
        server = Server("--model", "/nowhere/model.gguf", env=env)
        server.initialize(initializationOptions={"model": {"path": "/elsewhere.gguf"}})
        assert not server.is_ready()
        assert "/nowhere/model.gguf" in server.call("infill/status")["message"]
        server.stop()
        server.kill()

    def test_trigger_kinds_of_older_clients_count_from_0(self, editor):
        editor.initialize(initializationOptions={"suggest": {"enabled": False}})
        at = editor.open(HALF_WRITTEN)
        assert editor.inline(at, kind=0)
        assert editor.inline(at, kind=1) == []


def test_the_log_file_is_where_the_settings_say(tmp_path, env):
    log = tmp_path / "deep" / "down.log"
    server = Server(env=env)
    server.initialize(initializationOptions={"log": {"file": str(log), "level": "info"}})
    assert server.is_ready()
    assert server.stop() == 0
    assert "is loaded" in log.read_text()
    server.kill()
