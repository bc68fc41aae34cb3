"""A backend that says what it was told to say: for tests and demonstrations, where the model is not the matter."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator

from lsp_server.values import Event, FimPrompt, Limits, Piece, PromptEvaluated

TOKEN_SIZED = re.compile(r"\n[ \t]*| ?\w{1,6}| ?[^\w\s]{1,2}|\s+")


class Scripted:
    """Streams `text` in pieces about as large as tokens; `n_given` tells how many were taken from it."""

    def __init__(self, text: str, probability: float | None = None) -> None:
        self.text, self.probability = text, probability
        self.n_given = 0
        self.prompts: list[FimPrompt] = []

    async def stream(self, prompt: FimPrompt, limits: Limits) -> AsyncGenerator[Event, None]:
        self.prompts.append(prompt)
        yield PromptEvaluated(n_tokens=0, n_reused=0, compute_ms=0.0)
        for piece in TOKEN_SIZED.findall(self.text)[: limits.hard_max_tokens]:
            await asyncio.sleep(0)
            self.n_given += 1
            yield Piece(piece, self.probability)

    def close(self) -> None:
        pass
