"""The model in this process, for when no server answers: loaded when first needed, asked with what it can hold."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass

from lsp_server.backends.base import Backend
from lsp_server.errors import BackendLoading
from lsp_server.values import Event, FimPrompt, Limits

LINE = re.compile(r"[^\n]*\n|[^\n]+")
PREFIX_SHARE = 0.75  # of a prompt that has to shrink


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A backend, and how much its model can hold."""

    backend: Backend
    count_line: Callable[[str], int]
    n_prompt_tokens: int  # for the two segments together


class Standby:
    """`load` may block; it is called once, on a thread of its own, and again only after it failed."""

    def __init__(self, load: Callable[[], LocalModel]) -> None:
        self._load = load
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="standby")
        self._loading: Future[LocalModel] | None = None

    async def stream(self, prompt: FimPrompt, limits: Limits) -> AsyncGenerator[Event, None]:
        """Raises BackendLoading when the model is not there in time, and what loading raises."""
        model = await self._ready(limits.max_time_s)
        async with aclosing(model.backend.stream(trimmed(prompt, model), limits)) as events:
            async for event in events:
                yield event

    async def _ready(self, timeout_s: float) -> LocalModel:
        if self._loading is None or (self._loading.done() and self._loading.exception()):
            self._loading = self._thread.submit(self._load)
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self._loading)), timeout_s)
        except asyncio.TimeoutError as error:
            raise BackendLoading("the model in this process is still loading; it answers soon") from error

    def close(self) -> None:
        self._thread.shutdown()
        if self._loading is not None and not self._loading.exception():
            self._loading.result().backend.close()


def trimmed(prompt: FimPrompt, model: LocalModel) -> FimPrompt:
    """The whole lines nearest to the cursor that fit, and always the line at the cursor itself."""
    prefix, suffix = LINE.findall(prompt.prefix), LINE.findall(prompt.suffix)
    n_suffix = sum(map(model.count_line, suffix))
    n_for_prefix = max(int(model.n_prompt_tokens * PREFIX_SHARE), model.n_prompt_tokens - n_suffix)
    kept_prefix, n_prefix = _fitting(prefix[::-1], n_for_prefix, model)
    kept_suffix, _ = _fitting(suffix, model.n_prompt_tokens - n_prefix, model)
    return FimPrompt("".join(kept_prefix[::-1]), "".join(kept_suffix), prompt.owed)


def _fitting(lines: list[str], n_tokens: int, model: LocalModel) -> tuple[list[str], int]:
    """The first lines that fit, and how many tokens they are."""
    n_used = 0
    kept: list[str] = []
    for line in lines:
        n_line = model.count_line(line)
        if kept and n_used + n_line > n_tokens:
            break
        kept.append(line)
        n_used += n_line
    return kept, n_used
