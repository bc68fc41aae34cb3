"""Hedged requests: the same prompt to a second server when the first is slower than it usually is.

The method is that of Dean and Barroso, "The Tail at Scale" (CACM 56(2), 2013): the second request waits for the 95th
percentile of the first server's times, so it adds about a twentieth to the load.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

from lsp_server.errors import BackendError
from lsp_server.values import Event

Stream = AsyncGenerator[Event, None]


async def first_to_speak(
    starts: Sequence[Callable[[], Stream]], after_s: float, failed: Callable[[int, BackendError], None]
) -> tuple[int, Stream, Event]:
    """The stream that says something first, its number and its first event; the others are closed.

    Each stream starts `after_s` behind the one before it, or as soon as that one failed; `failed` hears of every one
    that did. Raises the error of the last when all did.
    """
    runners: dict[asyncio.Task[Event], tuple[int, Stream]] = {}
    waiting = list(enumerate(starts))
    error: BackendError | None = None
    try:
        while waiting or runners:
            if waiting:
                number, start = waiting.pop(0)
                stream = start()
                runners[asyncio.ensure_future(_next(stream))] = (number, stream)
            timeout_s = after_s if waiting else None
            done, _ = await asyncio.wait(runners, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                number, stream = runners.pop(task)
                try:
                    return number, stream, task.result()
                except BackendError as failure:
                    error = failure
                    failed(number, failure)
        assert error is not None
        raise error
    finally:
        await _close(runners)


async def _next(stream: Stream) -> Event:
    return await stream.__anext__()


async def _close(runners: dict[asyncio.Task[Event], tuple[int, Stream]]) -> None:
    for task in runners:
        task.cancel()
    await asyncio.gather(*runners, return_exceptions=True)
    for _, stream in runners.values():
        await stream.aclose()
