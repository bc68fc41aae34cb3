"""A model server that is not there, as the editor's user sees it: told once, and every request answered."""

from __future__ import annotations

from tests.wire import Server


def test_a_server_that_is_gone_is_told_once_and_every_request_is_answered(env):
    server = Server("--backend", "http://127.0.0.1:9", env=env)
    try:
        server.initialize()
        place = server.open("def add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n    return ┃\n")
        server.wait_for_notification("infill/status", lambda params: params["state"] == "ready")
        for _ in range(5):
            assert server.inline(place) == []
        server.wait_for_notification("window/showMessage")
        told = [params["message"] for params in server.notified("window/showMessage")]
        assert len(told) == 1 and "127.0.0.1" in told[0]
    finally:
        server.kill()
