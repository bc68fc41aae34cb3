"""The contract of every backend: a prompt in, a stream of events out, ended by closing it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from lsp_server.values import Event, FimPrompt, Limits


class Backend(Protocol):
    """Where suggestions come from: a model in this process, or a server."""

    def stream(self, prompt: FimPrompt, limits: Limits) -> AsyncGenerator[Event, None]:
        """Yield one PromptEvaluated, then Pieces until the model ends or the hard token limit is reached.

        Closing the generator (`aclosing`, or cancelling the task) stops the computation. Raises EngineError.
        """

    def close(self) -> None:
        """Release the model or the connections."""
