"""Whatever a server does, a request is answered once, in time, with the reason, and nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from time import perf_counter

import pytest

from lsp_server.backends.connect import connect
from lsp_server.backends.endpoint import Endpoint
from lsp_server.backends.failures import BUSY_WAIT_S
from lsp_server.errors import BackendBusy, BackendError, BackendTimeout, BackendUnavailable
from lsp_server.values import FimPrompt, Limits, Reason
from tests.remote.asking import Stopwatch, asked, events, written
from tests.remote.fake_server import HANG_UP, FakeServer, Request, says
from tests.remote.faults import BEGUN, FAULTS, GOOD, GOOD_TEXT, error, stall_behind

PROMPT = FimPrompt("x = ", "\n")
LIMITS = Limits(8, 0.2)
GRACE_S = 0.05


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_a_fault_is_answered_once_in_time_and_with_the_reason(fault):
    async with FakeServer(fault.answer) as server:
        with closing(connect(Endpoint(server.url))) as backend:
            limits = LIMITS if fault.expected in (BackendTimeout, "a") else Limits(8, 5)
            stopwatch = Stopwatch()
            if isinstance(fault.expected, str):
                assert await asked(backend, PROMPT, limits) == fault.expected
            else:
                with pytest.raises(fault.expected, match=fault.words):
                    await asked(backend, PROMPT, limits)
            assert stopwatch.s < limits.max_time_s + limits.hard_max_time_s + GRACE_S
            server.answer = GOOD
            assert await asked(backend, PROMPT, Limits(8, 5)) == GOOD_TEXT


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.expected is BackendTimeout])
async def test_nothing_comes_later_than_the_first_token_is_due(name):
    async with FakeServer(FAULTS[name].answer) as server:
        with closing(connect(Endpoint(server.url))) as backend:
            started, stopwatch = perf_counter(), Stopwatch()
            with pytest.raises(BackendTimeout):
                await asked(backend, PROMPT, LIMITS)
            assert stopwatch.s < LIMITS.max_time_s + GRACE_S and perf_counter() - started >= LIMITS.max_time_s
            assert await server.all_left()


async def test_nobody_there_is_told_at_once():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with (
            closing(connect(Endpoint(f"http://127.0.0.1:{port}"))) as backend,
            pytest.raises(BackendUnavailable, match=f"no model server at http://127.0.0.1:{port}; start it"),
        ):
            await asked(backend, PROMPT, Limits(8, 1.0))


@pytest.mark.parametrize(
    ("connect_s", "words"), [(0.1, "takes no connections"), (5.0, "did not begin to answer in time")]
)
async def test_a_server_that_takes_no_connections_is_given_up_in_time(connect_s, words):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        with closing(connect(Endpoint(f"http://127.0.0.1:{full.getsockname()[1]}", connect_s=connect_s))) as backend:
            stopwatch = Stopwatch()
            with pytest.raises(BackendTimeout, match=words):
                await asked(backend, PROMPT, LIMITS)
            assert stopwatch.s < min(connect_s, LIMITS.max_time_s) + GRACE_S
        for filler in fillers:
            filler.close()


async def test_whatever_byte_a_server_stalls_at_the_request_is_answered_in_time():
    whole = [part async for part in GOOD(Request("POST", "/", {}, b""))]
    data = b"".join(whole)

    async def stalls(request: Request) -> AsyncIterator[bytes]:
        yield data[: int(request.json["input_prefix"])]
        await asyncio.sleep(3600)

    limits = Limits(8, 1.0)
    async with FakeServer(stalls) as server:
        with closing(connect(Endpoint(server.url))) as backend:
            stopwatch = Stopwatch()
            answers = await asyncio.gather(
                *(asked(backend, FimPrompt(str(k), "\n"), limits) for k in range(0, len(data), 17)),
                return_exceptions=True,
            )
            assert stopwatch.s < limits.max_time_s + limits.hard_max_time_s + GRACE_S
            assert await server.all_left()
    texts = [answer for answer in answers if isinstance(answer, str)]
    assert set(texts) == {"a + ", GOOD_TEXT}
    assert all(isinstance(answer, BackendTimeout) for answer in answers[: -len(texts)])


@pytest.mark.parametrize("code", [kind.code for kind in BackendError.__subclasses__()])
def test_every_way_to_fail_has_a_reason_of_its_own(code):
    assert code in {reason.code for reason in Reason}


async def test_a_passing_failure_is_asked_again_and_nobody_notices():
    async with FakeServer(GOOD) as server:
        answers = iter((says(HANG_UP), error(503), GOOD))
        server.answer = lambda request: next(answers)(request)
        with closing(connect(Endpoint(server.url))) as backend:
            assert await asked(backend, PROMPT, Limits(8, 5)) == GOOD_TEXT
        assert len(server.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 404, 413, 500])
async def test_a_lasting_failure_is_not_asked_again(status):
    async with FakeServer(error(status)) as server:
        with closing(connect(Endpoint(server.url))) as backend, pytest.raises(BackendError):
            await asked(backend, PROMPT, Limits(8, 5))
        assert len(server.requests) == 1


async def test_what_has_been_shown_is_not_asked_for_again():
    async with FakeServer(says(*BEGUN, HANG_UP)) as server:
        with closing(connect(Endpoint(server.url))) as backend, pytest.raises(BackendUnavailable):
            await asked(backend, PROMPT, Limits(8, 5))
        assert len(server.requests) == 1


async def test_a_pause_that_fits_is_kept_and_one_that_does_not_is_passed_on():
    async with FakeServer(GOOD) as server:
        answers = iter((error(429, Retry_After=1), GOOD, error(429, Retry_After=30)))
        server.answer = lambda request: next(answers)(request)
        with closing(connect(Endpoint(server.url))) as backend:
            started = perf_counter()
            assert await asked(backend, PROMPT, Limits(8, 5)) == GOOD_TEXT
            assert perf_counter() - started >= 1.0
            with pytest.raises(BackendBusy) as caught:
                await asked(backend, PROMPT, Limits(8, 5))
    assert caught.value.wait_s == 30


async def test_a_pause_may_be_told_as_a_date():
    until = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=30), usegmt=True)
    async with FakeServer(error(429, Retry_After=until)) as server:
        with closing(connect(Endpoint(server.url))) as backend, pytest.raises(BackendBusy) as caught:
            await asked(backend, PROMPT, LIMITS)
    assert 28 < caught.value.wait_s <= 30


@pytest.mark.parametrize("header", ["soon", "-5", "Fri, 99 Zzz 2026"])
async def test_a_pause_that_is_no_time_is_the_usual_one(header):
    async with FakeServer(error(429, Retry_After=header)) as server:
        with closing(connect(Endpoint(server.url))) as backend, pytest.raises(BackendBusy) as caught:
            await asked(backend, PROMPT, LIMITS)
    assert caught.value.wait_s == BUSY_WAIT_S


async def test_what_was_written_when_the_time_was_up_ends_with_an_empty_piece_that_tells_the_rules_the_time():
    async with FakeServer(stall_behind(*BEGUN)) as server:
        with closing(connect(Endpoint(server.url))) as backend:
            found = await events(backend, PROMPT, LIMITS)
    assert [event.text for event in found[1:]] == ["a", ""]


async def test_closing_the_stream_closes_the_connection_at_once():
    async with FakeServer(stall_behind(*BEGUN)) as server:
        with closing(connect(Endpoint(server.url))) as backend:
            assert written(await events(backend, PROMPT, Limits(8, 60), n_pieces=1)) == "a"
            assert await server.all_left(within_s=0.1)


@pytest.mark.parametrize("after_s", [0.0, 0.001, 0.005, 0.02])
async def test_cancelling_the_task_closes_the_connection_at_once(after_s):
    async with FakeServer(stall_behind(*BEGUN)) as server:
        with closing(connect(Endpoint(server.url))) as backend:
            task = asyncio.create_task(asked(backend, PROMPT, Limits(8, 60)))
            await asyncio.sleep(after_s)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert await server.all_left()


async def test_a_servers_words_are_not_repeated_where_they_hold_the_users_code():
    async def echo(request: Request):
        prefix = request.json["input_prefix"]
        async for part in error(400, f"cannot parse: {prefix}")(request):
            yield part

    async with FakeServer(echo) as server:
        with closing(connect(Endpoint(server.url))) as backend, pytest.raises(BackendError) as caught:
            await asked(backend, FimPrompt("password = hunter2 and some more secrets", ""), LIMITS)
    assert "HTTP 400" in str(caught.value) and "hunter2" not in str(caught.value)


async def test_nothing_is_left_behind():
    async with FakeServer(GOOD) as server:
        with closing(connect(Endpoint(server.url))) as backend:
            for name, fault in FAULTS.items():
                if "stall" not in name and "100 MB" not in name:
                    server.answer = fault.answer
                    await asyncio.gather(asked(backend, PROMPT, LIMITS), return_exceptions=True)
            server.answer = GOOD
            await asked(backend, PROMPT, Limits(8, 5))
        await asyncio.sleep(0.05)
        gc.collect()
        assert await server.all_left()
        assert asyncio.all_tasks() - server.tasks == {asyncio.current_task()}
    assert n_sockets() <= 1 + 2  # the loop's own pair, and what pytest may have


def n_sockets() -> int:
    folder = "/proc/self/fd"
    if not os.path.isdir(folder):
        return 0
    links = (os.path.join(folder, name) for name in os.listdir(folder))
    return sum(
        os.path.lexists(link) and os.readlink(link).startswith("socket:[") for link in links if os.path.lexists(link)
    )
