"""What the table of dialects says a server can do, measured: its prompt, logprobs, stop strings, and when it stops."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from statistics import median
from time import perf_counter
from typing import TypeVar

import anyio

from lsp_server.backends.dialect import Asked, PromptKind, Said
from lsp_server.backends.remote import RemoteBackend
from lsp_server.errors import BackendError, BackendRefused
from lsp_server.values import FimPrompt, Limits

T = TypeVar("T")

PROMPT = FimPrompt("import math\n\n\ndef area(radius):\n    return", "\n\n\nprint(area(2))\n")
ENDLESS = FimPrompt("numbers = [\n" + "    1,\n" * 40, "\n]\n")
LIMITS, LONG, ONE_TOKEN = Limits(16, 10.0), Limits(400, 10.0), Limits(1, 10.0)
N_STOPS = (64, 16, 4, 1)  # tried from the most
POLL_S = 0.02
SLOWED_S = 0.1  # so much longer beside another request: the server takes turns


@dataclass(frozen=True, slots=True)
class Ability:
    name: str
    finding: str
    is_problem: bool = False


async def measure(backend: RemoteBackend) -> tuple[Ability, ...]:
    """One after the other, on a server that should have nothing else to do meanwhile. Raises BackendError."""
    plain = backend.asked(PROMPT, LIMITS)
    answer = await _ask(backend, replace(plain, stops=()))
    return (
        await PROMPTS[backend.dialect.prompt](backend, answer),
        Ability("logprobs", "sent along" if any(said.probability is not None for said in answer) else "none"),
        await _stops(backend, _text(answer)),
        await _cancels(backend),
    )


async def _ids(backend: RemoteBackend, answer: list[Said]) -> Ability:
    n_sent, n_counted = len(backend.asked(PROMPT, LIMITS).prompt), _n_prompt_tokens(answer)
    if n_counted not in (None, n_sent):
        return Ability("token ids", f"{n_sent} were sent, and the server counts {n_counted}: it adds its own", True)
    return Ability("token ids", f"taken as they are, {n_sent} of them" if n_counted else "taken")


async def _text_prompt(backend: RemoteBackend, answer: list[Said]) -> Ability:
    return Ability("token ids", "not sent: the prompt is a text")


async def _segments(backend: RemoteBackend, answer: list[Said]) -> Ability:
    without = await _ask(backend, replace(backend.asked(PROMPT, LIMITS), stops=(), suffix=""))
    n_with, n_without = _n_prompt_tokens(answer), _n_prompt_tokens(without)
    if _text(without) != _text(answer) or n_with != n_without:
        return Ability("suffix", "used")
    if n_with is None:
        return Ability("suffix", "not told: the answer is the same without it, and no tokens are counted")
    return Ability("suffix", "ignored: the answer and the tokens are the same without it", True)


PROMPTS: dict[PromptKind, Callable[[RemoteBackend, list[Said]], Awaitable[Ability]]] = {
    "ids": _ids,
    "segments": _segments,
    "text": _text_prompt,
}


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask once more where that is safe: a server may close a kept connection in the moment that it is used again."""
    try:
        return await ask()
    except BackendError as error:
        if not error.again:
            raise
    return await ask()


async def _ask(backend: RemoteBackend, asked: Asked) -> list[Said]:
    """What the server says until it is done, or nobody wants to wait any longer. Raises BackendError."""
    return await _patiently(lambda: _all_said(backend, asked))


async def _all_said(backend: RemoteBackend, asked: Asked) -> list[Said]:
    found = []
    with anyio.move_on_after(LIMITS.max_time_s):
        async with aclosing(backend.said(asked)) as stream:
            async for said in stream:
                found.append(said)
                if said.ended:
                    break
    return found


def _text(answer: list[Said]) -> str:
    return "".join(said.text for said in answer)


def _n_prompt_tokens(answer: list[Said]) -> int | None:
    return next((said.n_prompt_tokens for said in answer if said.n_prompt_tokens is not None), None)


async def _stops(backend: RemoteBackend, text: str) -> Ability:
    """A bit of what the server wrote becomes a stop string, among as many others as it takes."""
    plain, stop = backend.asked(PROMPT, LIMITS), text[len(text) // 2 :][:4]
    if not stop:
        return Ability("stops", "not told: the answer was empty")
    for n in N_STOPS:
        others = tuple(f"<no such text {i}>" for i in range(n - 1))
        try:
            answer = await _ask(backend, replace(plain, stops=(*others, stop)))
        except BackendRefused:
            continue
        honoured = len(_text(answer)) <= text.find(stop) + len(stop)
        finding = f"{'honoured' if honoured else 'ignored'}, {n} at a time"
        return Ability("stops", finding, not honoured or n < len(plain.stops))
    return Ability("stops", "refused", is_problem=True)


async def _cancels(backend: RemoteBackend) -> Ability:
    """Whether the server goes on for a client that is gone: by its own word, or else by how long the next one waits."""
    for look in (_by_its_own_word, _by_the_next_in_line):
        if (finding := await look(backend)) is not None:
            return Ability("cancel", finding)
    return Ability("cancel", "not told: it says nothing of its load, and answers several at a time")


async def _by_its_own_word(backend: RemoteBackend) -> str | None:
    path = await _path_of_load(backend)
    if path is None or await _load(backend, path):
        return None
    whole_s = await _seconds(backend, ENDLESS, LONG)
    async with _begun(backend):
        if not await _within(whole_s / 4, lambda: _load(backend, path)):
            return None
    if await _within(whole_s / 4, lambda: _is_idle(backend, path)):
        return f"stops when the connection is closed ({path} says so)"
    return f"goes on when the connection is closed ({path} says so): what was given up keeps it busy"


async def _by_the_next_in_line(backend: RemoteBackend) -> str | None:
    alone_s = median([await _seconds(backend, PROMPT, ONE_TOKEN) for _ in range(3)])
    async with _begun(backend):
        beside_s = await _seconds(backend, PROMPT, ONE_TOKEN)
    if beside_s < alone_s + SLOWED_S:
        return None
    async with _begun(backend):
        pass
    behind_s = await _seconds(backend, PROMPT, ONE_TOKEN)
    if behind_s < (alone_s + beside_s) / 2:
        return "stops when the connection is closed (the next request does not wait)"
    return "goes on when the connection is closed (the next request waits): what was given up keeps it busy"


@asynccontextmanager
async def _begun(backend: RemoteBackend) -> AsyncIterator[None]:
    """A long answer that has begun; leaving the block closes it."""
    async with aclosing(await _patiently(lambda: _first_said(backend))):
        yield


async def _first_said(backend: RemoteBackend) -> AsyncGenerator[Said, None]:
    stream = backend.said(backend.asked(ENDLESS, LONG))
    await stream.__anext__()
    return stream


async def _seconds(backend: RemoteBackend, prompt: FimPrompt, limits: Limits) -> float:
    started = perf_counter()
    await _ask(backend, backend.asked(prompt, limits))
    return perf_counter() - started


async def _within(timeout_s: float, happens: Callable[[], Awaitable[object]]) -> bool:
    until = perf_counter() + timeout_s
    while perf_counter() < until:
        if await happens():
            return True
        await asyncio.sleep(POLL_S)
    return False


async def _path_of_load(backend: RemoteBackend) -> str | None:
    for path in LOADS:
        if await _load(backend, path) is not None:
            return path
    return None


async def _load(backend: RemoteBackend, path: str) -> int | None:
    """How many requests are being answered; None where that is not told."""
    try:
        return LOADS[path]((await _patiently(lambda: backend.look(path))).decode("utf-8", "replace"))
    except (BackendError, ValueError, TypeError, LookupError):
        return None


async def _is_idle(backend: RemoteBackend, path: str) -> bool:
    return await _load(backend, path) == 0


def _n_busy_slots(text: str) -> int | None:
    return sum(bool(slot["is_processing"]) for slot in json.loads(text))


def _n_running(text: str) -> int | None:
    found = GAUGE.findall(text)
    return round(sum(map(float, found))) if found else None


# Prometheus, as llama.cpp's server, vLLM, SGLang and TGI name it.
GAUGE = re.compile(
    r"(?m)^(?:llamacpp:requests_processing|vllm:num_requests_running|sglang:num_running_reqs|tgi_batch_current_size)"
    r"(?:\{.*\})? ([\d.e+]+)$"
)
LOADS: dict[str, Callable[[str], int | None]] = {"/slots": _n_busy_slots, "/metrics": _n_running}
