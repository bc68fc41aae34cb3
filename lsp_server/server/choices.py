"""Other suggestions for the same place, for who asked by hand and wants to choose."""

from __future__ import annotations

from contextlib import suppress
from time import perf_counter

from lsp_server.errors import EngineError
from lsp_server.pipeline import Answer, Engine, complete
from lsp_server.syntax import Tree
from lsp_server.values import Completion, Snapshot

N_CHOICES = 3  # the first among them
CHOICES_S = 1.0  # after which no further one is begun


async def with_others(
    known: list[Completion], answer: Answer, engine: Engine, snapshot: Snapshot, tree: Tree | None
) -> list[Completion]:
    """The known ones, the first time that each occurs, and what else the model may have meant with its answer.

    That begins with the second token in the model's favour, with the third, and so on.
    """
    found = list(dict.fromkeys(known))
    if found and engine.in_process:
        window = answer.trace.context.window if answer.trace.context else None
        until = perf_counter() + CHOICES_S
        with suppress(EngineError):  # what was found so far is worth showing
            for rank in range(1, N_CHOICES):
                other = await complete(engine, snapshot, tree, window, rank=rank)
                if other.completion and other.completion not in found:
                    found.append(other.completion)
                if perf_counter() > until:
                    break
    return found
