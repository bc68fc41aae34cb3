"""Other suggestions for the same place, for who asked by hand and wants to choose."""

from __future__ import annotations

from time import perf_counter

from lsp_server.pipeline import Engine, complete
from lsp_server.syntax import Tree
from lsp_server.values import Completion, Snapshot, Window

N_CHOICES = 3  # the first among them
CHOICES_S = 1.0  # after which no further one is begun


async def others_than(
    known: list[Completion], engine: Engine, snapshot: Snapshot, tree: Tree | None, window: Window | None
) -> list[Completion]:
    """What else the model may have meant: it begins with the second token in its favour, the third, and so on.

    Raises EngineError.
    """
    found: list[Completion] = []
    until = perf_counter() + CHOICES_S
    for rank in range(1, N_CHOICES):
        if not engine.in_process or perf_counter() > until:
            break
        answer = await complete(engine, snapshot, tree, window, rank=rank)
        if answer.completion and answer.completion not in (*known, *found):
            found.append(answer.completion)
    return found
