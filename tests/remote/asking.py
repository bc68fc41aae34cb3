"""Asking a backend, and what came of it."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path
from time import perf_counter

from lsp_server.backends.base import Backend
from lsp_server.pipeline import Engine
from lsp_server.values import Event, FimPrompt, Limits, Piece

PREFIX = "def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return"
SUFFIX = "\n\n\nprint(add(1, 2), subtract(3, 4))\n"
PROMPT = FimPrompt(PREFIX, SUFFIX)
LIMITS = Limits(16, 20)


class Stopwatch:
    """Seconds, without those in which this thread was ready to run and the machine had no core for it."""

    def __init__(self) -> None:
        self._started, self._waited_s = perf_counter(), waited_s()

    @property
    def s(self) -> float:
        return perf_counter() - self._started - (waited_s() - self._waited_s)


def waited_s() -> float:
    """For a core, ever; 0 where the system does not say."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


async def events(
    backend: Backend, prompt: FimPrompt = PROMPT, limits: Limits = LIMITS, n_pieces: int = 999
) -> list[Event]:
    """All events of a stream, closed after `n_pieces`."""
    found: list[Event] = []
    async with aclosing(backend.stream(prompt, limits)) as stream:
        async for event in stream:
            found.append(event)
            if len(found) > n_pieces:
                break
    return found


def written(found: list[Event]) -> str:
    return "".join(event.text for event in found if isinstance(event, Piece))


async def asked(backend: Backend, prompt: FimPrompt = PROMPT, limits: Limits = LIMITS) -> str:
    return written(await events(backend, prompt, limits))


async def asked_in_process(engine: Engine, prompt: FimPrompt = PROMPT, *, heals: bool = True) -> str:
    """What the model writes in this process; without healing, where the server to compare with cannot do that."""
    encoder = engine.backend.encoder  # type: ignore[attr-defined]  # of the local backend
    encoder.heals = heals
    try:
        return await asked(engine.backend, prompt)
    finally:
        encoder.heals = True
