"""The language server over a legacy GGML file: whatever becomes of the worker, the editor gets its answers."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.ggml_files import starcoder
from tests.wire import URI, Server

HALF_WRITTEN = "def tu(rn):\n    return ┃\n"
pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="processes cannot be stopped here")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    path = tmp_path / "starcoder.bin"
    path.write_bytes(starcoder(C=512))
    server = Server("--model", str(path))
    server.initialize()
    yield server
    server.kill()


def worker_of(server: Server) -> psutil.Process:
    children = psutil.Process(server.process.pid).children()
    alive = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
    (worker,) = (child for child in alive if "worker.py" in child.cmdline()[-1])
    return worker


def edit_elsewhere(server: Server) -> None:
    """So that the same request is asked of the model again."""
    server.change((0, 0), (0, 0), "#")


def killed_at_work(server: Server, cursor: dict[str, int]) -> list[dict[str, object]]:
    """The items of a request in the middle of which the worker is killed."""
    worker_of(server).suspend()
    edit_elsewhere(server)
    asked = server.ask_inline(cursor)
    time.sleep(0.5)  # a worker that ends before it was asked anything would be replaced without a word
    worker_of(server).kill()
    return list(server.answer(asked)["result"]["items"])


def reason(server: Server) -> str:
    """Of the last answer: the weights are random, so even a good one may be empty."""
    return str(server.trace(URI)["reason"]["code"])


def test_a_worker_killed_at_work_is_an_empty_answer_with_its_reason_and_the_next_one_is_whole(server):
    cursor = server.open(HALF_WRITTEN)
    assert server.is_ready()
    assert killed_at_work(server, cursor) == []
    assert reason(server) == "backend-failed"
    said = server.wait_for_notification("window/showMessage", lambda params: "crashed" in params["message"])
    assert said["message"].endswith("starcoder.bin; the next request starts it anew")
    server.inline(cursor)
    assert reason(server) != "backend-failed"


def test_after_three_of_them_the_server_lives_on_without_it(server):
    cursor = server.open(HALF_WRITTEN)
    assert server.is_ready()
    for _ in range(3):
        edit_elsewhere(server)
        server.inline(cursor)
        assert killed_at_work(server, cursor) == []
    server.wait_for_notification("window/showMessage", lambda params: "is not started again" in params["message"])
    edit_elsewhere(server)
    assert server.inline(cursor) == []
    assert psutil.Process(server.process.pid).children() == []
    assert server.stop() == 0


def test_the_worker_ends_with_the_server(server):
    server.open(HALF_WRITTEN)
    assert server.is_ready()
    worker = worker_of(server)
    server.process.kill()
    worker.wait(timeout=20)
