"""The model in this process: segments → ids → engine → pieces, on one worker thread of its own."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from threading import Event as Flag
from time import perf_counter
from typing import TypeVar

from lsp_server.backends.encoding import PromptEncoder
from lsp_server.backends.own_code import OwnCode
from lsp_server.backends.pace import Pace
from lsp_server.backends.sequence import EvaluatedSequence
from lsp_server.errors import EngineError, ModelReplaced
from lsp_server.fim import FimTemplate
from lsp_server.inference.base import Aborted, Inference
from lsp_server.inference.mixing import Mixing
from lsp_server.inference.ngram import Followers
from lsp_server.inference.sampling import best
from lsp_server.tokenization import Tokenizer
from lsp_server.values import Event, FimPrompt, Limits, Piece, PromptEvaluated

SAMPLE = "def area(width, height):\n    return width * height\n\n\n" * 4
N_MEASURED = 32

T = TypeVar("T")


class LocalBackend:
    """Greedy decoding, one stream at a time; what the last prompt and this one begin with is not evaluated again.

    With `mixing`, what the user has open has a say in each token.
    """

    def __init__(
        self,
        model: Inference,
        tokenizer: Tokenizer,
        template: FimTemplate,
        *,
        heals: bool = True,
        mixing: Mixing | None = None,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self.encoder = PromptEncoder(tokenizer, template, heals=heals)
        self._mixing = mixing
        self._own_code = OwnCode(tokenizer)
        self._sequence = EvaluatedSequence(model)  # touched on the worker only, as the encoder
        self.pace = Pace()
        self._banned = sorted(tokenizer.control_ids - tokenizer.end_ids)
        self._ends = tokenizer.end_ids | template.end_ids
        self._sorted_ends = sorted(self._ends)
        self._line_ends = sorted({*self._ends, *tokenizer.beginning_with("\n")})
        self._turn = asyncio.Lock()
        self._is_closed = False
        tokenizer.beginning_with(" ")  # builds its table now, not at the first keystroke that needs it
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="inference")

    async def stream(self, prompt: FimPrompt, limits: Limits) -> AsyncGenerator[Event, None]:
        async with self._turn:
            writing = _Writing(prompt.rank)
            try:
                yield await self._run(lambda: self._evaluate_prompt(prompt, writing))
                for _ in range(limits.hard_max_tokens):
                    piece = await self._run(lambda: self._next_piece(writing))
                    if piece is None:
                        break
                    yield piece
            finally:
                # What the worker is doing for this stream ends within one small batch; the next queues behind it.
                writing.given_up.set()

    async def n_fresh(self, prompt: FimPrompt) -> int:
        return await self._run(lambda: self._n_fresh(prompt))

    def measure(self) -> None:
        self._worker.submit(self._measure).result()

    def close(self) -> None:
        """End what is being computed, and free the model; from whatever thread."""
        self._is_closed = True
        self._worker.submit(self._model.close).result()
        self._worker.shutdown()

    @property
    def n_computed(self) -> int:
        """Tokens evaluated since the model was loaded: for answers that somebody saw, and for all others."""
        return self._sequence.n_computed

    async def _run(self, job: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, job)
        except (Aborted, EngineError, RuntimeError):  # a worker that has ended takes no more jobs
            if self._is_closed:
                raise ModelReplaced("the model was taken out for another") from None
            raise

    def _n_fresh(self, prompt: FimPrompt) -> int:
        ids, _ = self.encoder.encode(prompt)
        return len(ids) - self._sequence.n_known(ids)

    def _evaluate_prompt(self, prompt: FimPrompt, writing: _Writing) -> PromptEvaluated:
        ids, writing.owed = self.encoder.encode(prompt)
        if self._mixing and prompt.files:
            writing.followers = self._own_code.followers(prompt.files, writing.owed)
            writing.mix = partial(self._mixing.into, followers=writing.followers)
        start = perf_counter()
        n_reused = self._sequence.go_back_to(ids)
        self._evaluate(ids[n_reused:], writing)
        evaluated = PromptEvaluated(len(ids), n_reused, _ms_since(start))
        self.pace.evaluated(len(ids) - n_reused, evaluated.compute_ms)
        return evaluated

    def _next_piece(self, writing: _Writing) -> Piece | None:
        """Evaluate the token chosen last and choose the next; None at the end of the text."""
        start = perf_counter()
        if writing.chosen is not None:
            if self._sequence.is_full:
                return None
            self._evaluate([writing.chosen], writing)
        allowed = self._healing(writing.owed) if writing.owed else None
        token, probability = self._choose(writing, allowed)
        if writing.chosen is not None:
            self.pace.wrote(_ms_since(start))
        if token in self._ends:
            return None
        writing.choose(token)
        return Piece(writing.take(self._tokenizer.piece(token)), probability, _ms_since(start))

    def _measure(self) -> None:
        """With a prompt of one small batch; it also has the weights read, which are only mapped so far."""
        ids = self._tokenizer.encode(SAMPLE)[:N_MEASURED]
        for some in (ids[:2], ids, ids[:1], ids[:1]):  # the first few pay for what all later ones find ready
            start = perf_counter()
            self._sequence.evaluate(some, lambda: self._is_closed)
            ms = _ms_since(start)
            self.pace.evaluated(len(some), ms)
            if len(some) == 1:
                self.pace.wrote(ms)

    def _choose(self, writing: _Writing, allowed: Sequence[int] | None) -> tuple[int, float]:
        """The best token and its probability; a first one as far down in the model's favour as is wanted."""
        # That nothing is missing here, the files cannot know: another may be half-written at the same place.
        ends = self._sorted_ends if writing.has_text else self._line_ends
        mix = partial(writing.mix, ends=ends) if writing.mix else None
        choose = partial(best, self._model.logits(), allowed=allowed, change=mix)
        if writing.chosen is not None or not writing.rank:
            return choose(banned=self._banned)
        passed = [*self._banned, *self._sorted_ends]
        try:
            for _ in range(writing.rank):
                passed.append(choose(banned=passed)[0])
            return choose(banned=passed)
        except ValueError:  # where a word is healed, there may be fewer tokens than that
            return self._sorted_ends[0], 0.0

    def _healing(self, owed: bytes) -> Sequence[int] | None:
        return (*self._tokenizer.beginning_with(owed), *self._tokenizer.ids_that_begin(owed)) or None

    def _evaluate(self, ids: Sequence[int], writing: _Writing) -> None:
        self._sequence.evaluate(ids, lambda: writing.given_up.is_set() or self._is_closed)


@dataclass(slots=True)
class _Writing:
    """The state of one stream."""

    rank: int = 0  # of the first token
    owed: bytes = b""  # still to be brought back by the next tokens
    chosen: int | None = None  # picked, and evaluated only when one more is asked for
    followers: Followers | None = None  # of the text so far, in what the user has open
    mix: Callable[..., None] | None = None  # what they say into the model's logits
    has_text: bool = False
    given_up: Flag = field(default_factory=Flag)
    decoder: codecs.IncrementalDecoder = field(default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace"))

    def choose(self, token: int) -> None:
        self.chosen = token
        if self.followers:
            self.followers.append(token)

    def take(self, token: bytes) -> str:
        """The new text in a token: less what was owed, and only whole characters (a token may end inside one)."""
        n_paid = min(len(self.owed), len(token))
        self.owed = self.owed[n_paid:]
        self.has_text |= n_paid < len(token)
        return self.decoder.decode(token[n_paid:])


def _ms_since(start: float) -> float:
    return (perf_counter() - start) * 1000
