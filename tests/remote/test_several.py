"""Several servers: who is asked, who helps out, and what the user hears of it. All of them are FAKES."""

from __future__ import annotations

import asyncio
import collections
from contextlib import AsyncExitStack, asynccontextmanager, closing
from time import perf_counter

import pytest

from lsp_server.backends.circuit import COOL_DOWN_S, MAX_FAILURES, MIN_REMEMBERED, Circuit
from lsp_server.backends.connect import connect
from lsp_server.backends.endpoint import Endpoint
from lsp_server.backends.scripted import Scripted
from lsp_server.backends.several import Several
from lsp_server.backends.standby import LocalModel, Standby, trimmed
from lsp_server.errors import BackendBusy, BackendError, BackendLoading, BackendTimeout, BackendUnavailable
from lsp_server.values import FimPrompt, Limits
from tests.remote.asking import Stopwatch, asked
from tests.remote.fake_server import HANG_UP, Answer, FakeServer, says, streams, whole
from tests.remote.faults import GOOD, GOOD_TEXT, error, llama, stall_behind

PROMPT, LIMITS = FimPrompt("x = ", "\n"), Limits(8, 1)
OTHER = streams(llama("other"), llama("", stop=True))
DOWN = error(500)


def local(text: str = "local") -> Standby:
    return Standby(lambda: LocalModel(Scripted(text), len, 100))


class Team:
    """Fake servers behind one backend, and what the user heard."""

    def __init__(self, servers: list[FakeServer], backend: Several, heard: list[str]) -> None:
        self.servers, self.backend, self.heard = servers, backend, heard

    async def asked(self, limits: Limits = LIMITS) -> str:
        return await asked(self.backend, PROMPT, limits)

    async def failed(self, n: int, limits: Limits = LIMITS) -> None:
        for _ in range(n):
            with pytest.raises(BackendError):
                await self.asked(limits)

    def n_requests(self) -> list[int]:
        return [sum(request.method == "POST" for request in server.requests) for server in self.servers]


@asynccontextmanager
async def team(*answers: Answer | tuple[str, Answer], standby: Standby | None = None, hedges: bool = False):
    async with AsyncExitStack() as stack:
        rows = [answer if isinstance(answer, tuple) else ("primary", answer) for answer in answers]
        servers = [await stack.enter_async_context(FakeServer(answer)) for _, answer in rows]
        backends = [connect(Endpoint(server.url, role=role)) for server, (role, _) in zip(servers, rows, strict=True)]
        heard: list[str] = []
        backend = stack.enter_context(closing(Several(backends, standby=standby, hedges=hedges, tell=heard.append)))
        yield Team(servers, backend, heard)
        backend.close()
        await asyncio.sleep(0)


async def test_a_fallback_is_asked_only_when_the_primary_fails():
    async with team(GOOD, ("fallback", OTHER)) as servers:
        assert await servers.asked() == GOOD_TEXT
        servers.servers[0].answer = DOWN
        assert await servers.asked() == "other"
        assert servers.n_requests() == [2, 1]


async def test_the_order_of_the_list_does_not_matter_roles_do():
    async with team(("fallback", OTHER), GOOD) as servers:
        assert await servers.asked() == GOOD_TEXT


async def test_after_repeated_failures_a_server_is_left_alone_and_the_user_hears_of_it_once():
    async with team(DOWN, standby=local()) as servers:
        for _ in range(10):
            assert await servers.asked() == "local"
        assert servers.n_requests() == [MAX_FAILURES]
        (news,) = servers.heard
        assert news.endswith("look into its log (HTTP 500: no); the model in this process answers meanwhile")


async def test_without_anybody_else_the_reason_is_given_at_once():
    async with team(DOWN) as servers:
        await servers.failed(MAX_FAILURES)
        stopwatch = Stopwatch()
        with pytest.raises(BackendUnavailable, match="HTTP 500"):
            await servers.asked()
        assert stopwatch.s < 0.05
        assert len(servers.heard) == 1 and servers.heard[0].endswith("nobody answers meanwhile")


async def test_it_is_asked_again_by_itself_when_it_is_well(monkeypatch):
    monkeypatch.setattr("lsp_server.backends.circuit.COOL_DOWN_S", 0.05)
    async with team(DOWN, standby=local()) as servers:
        for member in servers.backend.members:
            member.circuit._cool_down_s = 0.05
        for _ in range(MAX_FAILURES):
            await servers.asked()
        servers.servers[0].answer = GOOD
        await asyncio.sleep(0.3)
        assert await servers.asked() == GOOD_TEXT
        assert [news.partition(";")[0].split("/")[-1] for news in servers.heard][1:] == [
            f"{servers.servers[0].url.split('/')[-1]} answers again"
        ]


async def test_a_server_that_is_loading_is_waited_for_in_the_background():
    loading = error(503, "Loading model", Retry_After=0)
    async with team(loading, standby=local()) as servers:
        assert await servers.asked() == "local"
        assert await servers.asked() == "local"
        assert servers.n_requests() == [1]
        servers.servers[0].answer = lambda request: (GOOD if request.method == "POST" else whole(200, b"{}"))(request)
        await asyncio.sleep(1.1)
        assert await servers.asked() == GOOD_TEXT
        assert servers.servers[0].requests[-2].path == "/health"


async def test_a_pause_that_a_server_asks_for_is_kept():
    async with team(error(429, Retry_After=30), ("fallback", OTHER)) as servers:
        for _ in range(5):
            assert await servers.asked() == "other"
        assert servers.n_requests() == [1, 5]


async def test_nobody_waits_longer_than_one_budget_however_many_are_asked():
    async with team(stall_behind(), stall_behind(), ("fallback", stall_behind()), standby=local()) as servers:
        started, stopwatch = perf_counter(), Stopwatch()
        with pytest.raises(BackendTimeout):
            await servers.asked(Limits(8, 0.2))
        assert stopwatch.s < 0.25 and perf_counter() - started >= 0.2


async def test_what_was_shown_of_one_answer_is_not_mixed_with_another():
    from tests.remote.faults import BEGUN

    async with team(says(*BEGUN, HANG_UP), ("fallback", OTHER)) as servers:
        await servers.failed(1)
        assert servers.n_requests() == [1, 0]


async def test_a_slow_answer_is_raced_by_the_hedging_server_and_the_loser_is_closed():
    async with team(GOOD, ("hedge", OTHER), hedges=True) as servers:
        for _ in range(MIN_REMEMBERED):
            assert await servers.asked() == GOOD_TEXT
        assert servers.n_requests() == [MIN_REMEMBERED, 0]
        servers.servers[0].answer = stall_behind()
        stopwatch = Stopwatch()
        assert await servers.asked() == "other"
        assert stopwatch.s < 0.3
        assert await servers.servers[0].all_left()


async def test_without_hedging_nobody_is_asked_twice():
    async with team(GOOD, ("hedge", OTHER)) as servers:
        for _ in range(MIN_REMEMBERED):
            await servers.asked()
        servers.servers[0].answer = stall_behind()
        await servers.failed(1, Limits(8, 0.2))
        assert servers.n_requests()[1] == 0


@pytest.mark.parametrize("hedges", [False, True])
async def test_cancelling_closes_whatever_was_begun(hedges):
    async with team(GOOD, ("hedge", stall_behind()), hedges=hedges) as servers:
        for _ in range(MIN_REMEMBERED):
            await servers.asked()
        servers.servers[0].answer = stall_behind()
        task = asyncio.create_task(servers.asked(Limits(8, 30)))
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert [await server.all_left() for server in servers.servers] == [True, True]


def test_weights_spread_the_people_of_a_team():
    backends = [connect(Endpoint(f"http://127.0.0.1:{port}", weight=weight)) for port, weight in ((1, 1), (2, 3))]
    firsts = collections.Counter(Several(backends).members[0].backend.endpoint.weight for _ in range(2000))
    assert 0.7 < firsts[3] / 2000 < 0.8


def test_unencrypted_traffic_is_warned_of_once():
    heard: list[str] = []
    Several(
        [connect(Endpoint("http://gpu.example.com")), connect(Endpoint("http://gpu.example.com:81"))], tell=heard.append
    )
    assert heard == [
        "your code goes to gpu.example.com unencrypted, for all to read on the way; use https:// or a tunnel"
    ]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_circuit_opens_after_failures_in_a_row_and_waits_longer_each_time():
    clock = Clock()
    circuit = Circuit(clock)
    opened = [circuit.failed(BackendUnavailable("down")) for _ in range(MAX_FAILURES)]
    assert opened == [False] * (MAX_FAILURES - 1) + [True]
    assert circuit.remaining_s == COOL_DOWN_S
    clock.now = COOL_DOWN_S
    assert not circuit.is_open
    assert not circuit.failed(BackendUnavailable("still down")), "known already"
    assert circuit.remaining_s == 2 * COOL_DOWN_S
    clock.now += 2 * COOL_DOWN_S
    assert circuit.succeeded(0.1) and not circuit.succeeded(0.1)


def test_successes_between_failures_keep_a_circuit_closed():
    circuit = Circuit()
    for _ in range(10):
        assert not circuit.failed(BackendTimeout("slow"))
        circuit.succeeded(0.1)
    assert not circuit.is_open


@pytest.mark.parametrize("failure", [BackendBusy("busy", 7.0), BackendLoading("loading", 7.0)])
def test_a_server_that_says_how_long_is_believed_at_once(failure):
    circuit = Circuit(Clock())
    assert circuit.failed(failure) and circuit.remaining_s == 7.0


def test_a_prompt_for_the_servers_window_is_cut_to_the_one_of_the_model_in_this_process():
    prompt = FimPrompt("a\n" * 100 + "last", "below\n" + "b\n" * 100, owed=" ")
    small = LocalModel(Scripted(""), len, 40)
    cut = trimmed(prompt, small)
    assert cut.prefix.endswith("a\nlast") and cut.suffix.startswith("below\n") and cut.owed == " "
    assert len(cut.prefix) <= 30 and len(cut.prefix + cut.suffix) <= 40
    assert trimmed(FimPrompt("x = ", "\n"), small) == FimPrompt("x = ", "\n")


def test_the_line_at_the_cursor_is_kept_however_long_it_is():
    assert trimmed(FimPrompt("above\n" + "x" * 99, ""), LocalModel(Scripted(""), len, 40)).prefix == "x" * 99


async def test_a_model_that_loads_slowly_says_so_and_answers_later():
    import time

    def load() -> LocalModel:
        time.sleep(0.2)
        return LocalModel(Scripted("local"), len, 100)

    standby = Standby(load)
    with pytest.raises(BackendLoading, match="still loading"):
        await asked(standby, PROMPT, Limits(8, 0.05))
    await asyncio.sleep(0.3)
    assert await asked(standby, PROMPT, Limits(8, 0.05)) == "local"
