"""The model in this process: segments → ids → engine → pieces, on one worker thread of its own."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from threading import Event as Flag
from time import perf_counter
from typing import TypeVar

from lsp_server.fim import FimTemplate
from lsp_server.inference.base import Inference
from lsp_server.inference.sampling import best
from lsp_server.tokenization import Tokenizer
from lsp_server.values import Event, FimPrompt, Limits, Piece, PromptEvaluated

# A single token is computed by other routines than several, with slightly other logits: a prompt ends in at least two
# at once, so that its answer does not depend on what was evaluated before.
MIN_FRESH = 2

T = TypeVar("T")


class LocalBackend:
    """Greedy decoding, one stream at a time; what the last prompt and this one begin with is not evaluated again."""

    def __init__(self, model: Inference, tokenizer: Tokenizer, template: FimTemplate) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._template = template
        self._evaluated: list[int] = []  # the ids behind the engine's memory; touched on the worker only
        self._banned = sorted(tokenizer.control_ids - tokenizer.end_ids)
        self._ends = tokenizer.end_ids | template.end_ids
        self._encode_suffix = lru_cache(8)(tokenizer.encode)  # stays the same while somebody types above it
        self._turn = asyncio.Lock()
        tokenizer.beginning_with(" ")  # builds its table now, not at the first keystroke that needs it
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="inference")

    async def stream(self, prompt: FimPrompt, limits: Limits) -> AsyncGenerator[Event, None]:
        async with self._turn:
            writing = _Writing(prompt.owed.encode())
            try:
                yield await self._run(lambda: self._evaluate_prompt(prompt, writing.given_up))
                for _ in range(limits.hard_max_tokens):
                    piece = await self._run(lambda: self._next_piece(writing))
                    if piece is None:
                        break
                    yield piece
            finally:
                # What the worker is doing for this stream ends within one small batch; the next queues behind it.
                writing.given_up.set()

    def close(self) -> None:
        self._worker.submit(self._model.close).result()
        self._worker.shutdown()

    async def _run(self, job: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, job)

    def _evaluate_prompt(self, prompt: FimPrompt, given_up: Flag) -> PromptEvaluated:
        prefix_ids = self._tokenizer.encode(prompt.prefix, opens=True)
        ids = self._template.render(prefix_ids, self._encode_suffix(prompt.suffix))
        start = perf_counter()
        n_reused = max(0, min(_common_length(self._evaluated, ids), len(ids) - MIN_FRESH))
        self._rewind(n_reused)
        self._evaluate(ids[n_reused:], given_up)
        return PromptEvaluated(len(ids), n_reused, _ms_since(start))

    def _next_piece(self, writing: _Writing) -> Piece | None:
        """Evaluate the token chosen last and choose the next; None at the end of the text."""
        start = perf_counter()
        if writing.chosen is not None:
            if len(self._evaluated) >= self._model.n_context:
                return None
            self._evaluate([writing.chosen], writing.given_up)
        allowed = self._healing(writing.owed) if writing.owed else None
        token, probability = best(self._model.logits(), allowed=allowed, banned=self._banned)
        if token in self._ends:
            return None
        writing.chosen = token
        return Piece(writing.take(self._tokenizer.piece(token)), probability, _ms_since(start))

    def _healing(self, owed: bytes) -> Sequence[int] | None:
        return (*self._tokenizer.beginning_with(owed), *self._tokenizer.ids_that_begin(owed)) or None

    def _evaluate(self, ids: Sequence[int], given_up: Flag) -> None:
        try:
            self._model.evaluate(ids, given_up.is_set)
        finally:
            self._evaluated = [*self._evaluated, *ids][: self._model.n_evaluated]

    def _rewind(self, n_tokens: int) -> None:
        self._model.rewind(n_tokens)
        self._evaluated = self._evaluated[:n_tokens]


@dataclass(slots=True)
class _Writing:
    """The state of one stream."""

    owed: bytes  # still to be brought back by the next tokens
    chosen: int | None = None  # picked, and evaluated only when one more is asked for
    given_up: Flag = field(default_factory=Flag)
    decoder: codecs.IncrementalDecoder = field(default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace"))

    def take(self, token: bytes) -> str:
        """The new text in a token: less what was owed, and only whole characters (a token may end inside one)."""
        n_paid = min(len(self.owed), len(token))
        self.owed = self.owed[n_paid:]
        return self.decoder.decode(token[n_paid:])


def _common_length(first: Sequence[int], second: Sequence[int]) -> int:
    return next(
        (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
    )


def _ms_since(start: float) -> float:
    return (perf_counter() - start) * 1000
