"""What each stage did and how long it took: the answer to "why did it suggest this, or nothing?".

A trace holds figures and reason codes. Of the user's code it holds only the window, which is printed where the user
asks to see it (`--explain`) and never logged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

from lsp_server.values import CodeContext, FimPrompt, Generation, Plan, PromptEvaluated, Reason


@dataclass(slots=True)
class Trace:
    """Filled while a request goes down the pipeline; the one value there that grows."""

    stage_ms: dict[str, float] = field(default_factory=dict)
    context: CodeContext | None = None
    prompt: FimPrompt | None = None
    plan: Plan | None = None  # where somebody waits who types
    evaluated: PromptEvaluated | None = None
    first_piece_ms: float | None = None  # from the start of the request
    compute_ms: float = 0.0  # that the engine itself took, for the prompt and for each token
    engine_began_ms: float | None = None  # from the start of the request to its first batch
    engine_ended_ms: float | None = None  # and to its last token
    generation: Generation | None = None
    empty_because: Reason | None = None
    source: str = "model"  # or the answer was "remembered", "prefetched" or "typed-through"
    filters: tuple[str, ...] = ()  # the post-processing filters that changed the text
    started: float = field(default_factory=perf_counter)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time that the `with` block takes to the stage's milliseconds."""
        start = perf_counter()
        try:
            yield
        finally:
            self.stage_ms[name] = self.stage_ms.get(name, 0.0) + (perf_counter() - start) * 1000

    def elapsed_ms(self) -> float:
        return (perf_counter() - self.started) * 1000

    @property
    def reason(self) -> Reason | None:
        """Why the answer is empty or, where it is not, why it ends where it ends."""
        return self.empty_because or (self.generation.finish_reason if self.generation else None)

    def summary(self) -> str:
        """One line for the log: figures and codes, nothing of the user's code."""
        stages = " ".join(f"{name}={ms:.1f}ms" for name, ms in self.stage_ms.items())
        tokens = f" prompt={self.evaluated.n_tokens} reused={self.evaluated.n_reused}" if self.evaluated else ""
        written = f" written={self.generation.n_tokens}" if self.generation else ""
        source = "" if self.source == "model" else f" {self.source}"
        return f"{self.reason.code if self.reason else 'pending'}{source} {stages}{tokens}{written}"
