"""What a server can do is measured, not believed: a real one, and FAKES that cannot do what they should."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing

import pytest

from lsp_server.backends.abilities import measure
from lsp_server.backends.connect import connect
from lsp_server.backends.endpoint import Endpoint
from lsp_server.cli import main
from tests.remote.fake_server import LAST_CHUNK, Answer, FakeServer, Request, event, head, streams, whole
from tests.remote.faults import error, llama

WORDS = ("math.", "pi *", " radius", " ** 2")
TOKEN_S, N_LONG = 0.01, 120


def writes(
    *,
    max_stops: int = 99,
    ignores_stops: bool = False,
    ignores_suffix: bool = False,
    counts: bool = True,
    adds: int = 0,
) -> Answer:
    """A model that always says the same, behind a server in the way of llama.cpp's."""

    async def answer(request: Request) -> AsyncIterator[bytes]:
        if request.method == "GET":
            async for part in whole(404, b"")(request):
                yield part
            return
        asked = request.json
        text = "".join(WORDS)
        if not ignores_suffix and not asked.get("input_suffix", "x"):
            text = "0"
        n_prompt = len(asked.get("prompt", "")) + adds
        places = [text.find(stop) for stop in asked["stop"] if stop in text and not ignores_stops]
        said = ((text[: min(places, default=len(text))], False), ("", True))
        refused = len(asked["stop"]) > max_stops
        chunks = [{**llama(text, stop), "tokens_evaluated": n_prompt if counts else None} for text, stop in said]
        async for part in (error(400) if refused else streams(*chunks))(request):
            yield part

    return answer


async def measured(server: FakeServer, **settings: str) -> dict[str, tuple[str, bool]]:
    with closing(connect(Endpoint(server.url, **settings))) as backend:
        return {ability.name: (ability.finding, ability.is_problem) for ability in await measure(backend)}


async def test_a_real_server_can_do_what_the_table_says(llama_cpp, model_path):
    with closing(connect(Endpoint(llama_cpp, vocabulary=model_path, order="spm2"))) as backend:
        found = {ability.name: ability for ability in await measure(backend)}
    assert not [ability for ability in found.values() if ability.is_problem]
    assert found["token ids"].finding.startswith("taken as they are")
    assert found["logprobs"].finding == "sent along"
    assert found["stops"].finding == "honoured, 64 at a time"
    assert found["cancel"].finding == "stops when the connection is closed (/slots says so)"


@pytest.mark.parametrize(
    ("server", "name", "finding", "is_problem"),
    [
        (writes(), "suffix", "used", False),
        (writes(ignores_suffix=True), "suffix", "ignored: the answer and the tokens are the same without it", True),
        (
            writes(ignores_suffix=True, counts=False),
            "suffix",
            "not told: the answer is the same without it, and no tokens are counted",
            False,
        ),
        (writes(), "logprobs", "none", False),
        (writes(), "stops", "honoured, 64 at a time", False),
        (writes(max_stops=4), "stops", "honoured, 4 at a time", False),
        (writes(max_stops=0), "stops", "refused", True),
        (writes(ignores_stops=True), "stops", "ignored, 64 at a time", True),
        (writes(), "cancel", "not told: it says nothing of its load, and answers several at a time", False),
    ],
)
async def test_a_server_in_the_way_of_infill_is_found_out(server, name, finding, is_problem):
    async with FakeServer(server) as fake:
        assert (await measured(fake))[name] == (finding, is_problem)


@pytest.mark.parametrize(("adds", "finding", "is_problem"), [(0, "taken as they are", False), (1, "it adds", True)])
async def test_token_ids_are_counted_by_the_server(model_path, adds, finding, is_problem):
    async with FakeServer(writes(adds=adds)) as fake:
        found, problem = (await measured(fake, vocabulary=model_path))["token ids"]
    assert finding in found and problem is is_problem


class Slow(FakeServer):
    """Takes its time for long answers. It may answer one at a time, and write on for clients that are gone."""

    takes_turns = False
    goes_on = False
    n_running = 0

    def __init__(self, *, takes_turns: bool = False, goes_on: bool = False) -> None:
        super().__init__(self._write)
        self.takes_turns, self.goes_on = takes_turns, goes_on
        self.turn = asyncio.Lock()

    async def _serve(self, request, reader, writer):
        if request.method == "GET":
            page = f'vllm:num_requests_running{{engine="0"}} {float(self.n_running)}\n'.encode()
            told = whole(404, b"") if self.takes_turns or request.path != "/metrics" else whole(200, page, "text/plain")
            async for part in told(request):
                writer.write(part)
            return
        if self.takes_turns:
            await self.turn.acquire()
        self.n_running += 1
        try:
            await super()._serve(request, reader, writer)
        except ConnectionResetError:
            if self.goes_on:
                await asyncio.sleep(N_LONG * TOKEN_S)
            raise
        finally:
            self.n_running -= 1
            if self.takes_turns:
                self.turn.release()

    async def _write(self, request: Request) -> AsyncIterator[bytes]:
        yield head()
        for _ in range(N_LONG if request.json["n_predict"] > 100 else 1):
            await asyncio.sleep(TOKEN_S)
            yield event(llama("1, "))
        yield event(llama("", stop=True)) + LAST_CHUNK


@pytest.mark.parametrize("takes_turns", [True, False], ids=["by the next in line", "by its own word"])
@pytest.mark.parametrize(("goes_on", "finding"), [(False, "stops when"), (True, "goes on when")])
async def test_who_writes_on_for_nobody_is_found_out(takes_turns, goes_on, finding):
    async with Slow(takes_turns=takes_turns, goes_on=goes_on) as server:
        found, _ = (await measured(server))["cancel"]
    assert found.startswith(finding)
    assert ("the next request" if takes_turns else "/metrics says so") in found


def test_doctor_says_how_a_server_is_asked_and_what_it_can_do(llama_cpp, model_path, capsys, monkeypatch, env):
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert main(["doctor", "--backend", f"{llama_cpp},vocabulary={model_path},order=spm2"]) == 0
    printed = capsys.readouterr().out
    assert f"{llama_cpp}/completion, asked as llama.cpp, prompts as ids" in printed
    for told in (
        "ms to the first token",
        "known holes filled",
        "taken as they are",
        "honoured, 64 at a time",
        "/slots",
    ):
        assert told in printed


def test_doctor_says_when_nobody_is_there(capsys, monkeypatch, env):
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert main(["doctor", "--backend", "http://127.0.0.1:9"]) == 3
    assert "✗ server    no model server at http://127.0.0.1:9" in capsys.readouterr().out
