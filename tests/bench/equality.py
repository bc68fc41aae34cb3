"""Does what was evaluated before change an answer? Real typing with all that is reused, against nothing reused.

    python -m tests.bench.equality                                              1,000 requests, the model in the package
    python -m tests.bench.equality CASES.jsonl.gz --requests 10000
    python -m tests.bench.equality CASES.jsonl.gz --dimensions 1b --requests 50

An author types (tests/bench/keystrokes.py), some requests are taken back at a random moment, and each prompt that is
answered is evaluated once more by a second engine that remembers nothing. Both have to choose the same tokens, as many
as the first one did. Each difference is printed, with the gap between the two best logits of both engines at that
token. A gap above 0.001 is a failure: where two tokens are as good as equal, either may win. The largest change of a
gap is how much it differed where the tokens are the same; a wrong key or value somewhere shows there first.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lsp_server import stopping
from lsp_server.assemble import load_engine
from lsp_server.backends import local
from lsp_server.backends.local import LocalBackend
from lsp_server.backends.sequence import EvaluatedSequence
from lsp_server.inference.base import Logits
from lsp_server.pipeline import Engine, complete
from lsp_server.settings import Settings, merge
from lsp_server.syntax import Syntax
from lsp_server.values import Event, FimPrompt, Limits, PromptEvaluated, Snapshot, Window
from tests.bench.desk import OWN_CASES, Desk, Tab, load_cases
from tests.bench.fixed_length import at_the_limit
from tests.bench.keystrokes import Change, Stroke
from tests.bench.serving import N_RANDOM_TOKENS, add_model_options, model_file, settings_of

LARGEST_GAP = 1e-3
TAKEN_BACK = 0.15  # of the requests, at a moment of the first
TAKEN_BACK_S = 0.03
N_TOLD = 20  # times in a run, how it stands


@dataclass(frozen=True, slots=True)
class Choice:
    token: int
    gap: float  # between its logit and the next best


class Choices:
    """Stands where the backends choose a token, and writes down what they chose, and how narrowly."""

    def __init__(self) -> None:
        self.made: list[Choice] = []
        self._best = local.best
        local.best = self

    def __call__(self, logits: Logits, *, change: Callable[[Logits], None] | None = None, **how: Any) -> Any:
        gaps = [0.0]  # where the engine knows nothing of all that is allowed

        def watched(masked: Logits) -> None:
            if change:
                change(masked)
            second, first = np.partition(masked, -2)[-2:]
            gaps.append(float(first - second))

        token, probability = self._best(logits, change=watched, **how)
        self.made.append(Choice(token, gaps[-1]))
        return token, probability


@dataclass
class Watched:
    """A backend that says what it was asked, and how much of it was there already."""

    backend: LocalBackend
    prompt: FimPrompt | None = None
    n_tokens: int = 0
    n_reused: int = 0

    async def stream(self, prompt: FimPrompt, limits: Limits) -> AsyncGenerator[Event, None]:
        self.prompt = prompt
        async with aclosing(self.backend.stream(prompt, limits)) as events:
            async for event in events:
                if isinstance(event, PromptEvaluated):
                    self.n_tokens, self.n_reused = event.n_tokens, event.n_reused
                yield event

    def close(self) -> None:
        self.backend.close()


class Comparison:
    def __init__(self, engine: Engine, other: Engine, seed: int) -> None:
        assert isinstance(engine.backend, LocalBackend) and isinstance(other.backend, LocalBackend)
        self._watched = Watched(engine.backend)
        self._engine = replace(engine, backend=self._watched)
        self._cold = other.backend
        self._choices = Choices()
        self._dice = random.Random(seed)
        self._windows: dict[str, Window | None] = {}
        self.counts: Counter[str] = Counter()
        self.differences: list[dict[str, Any]] = []
        self.largest_change = 0.0  # of a gap

    async def run(self, desk: Desk, n_requests: int) -> None:
        shown: Change | None = None
        while self.counts["requests"] < n_requests:
            tab, stroke = desk.next(shown)
            shown = await self._ask(tab, stroke) if stroke else None
            if stroke and self.counts["requests"] % max(1, n_requests // N_TOLD) == 0:
                print(json.dumps(self.found()), file=sys.stderr, flush=True)

    def found(self) -> dict[str, Any]:
        largest = max((max(found["gaps"]) for found in self.differences), default=0.0)
        differences = {"differences": len(self.differences), "largest_gap": largest}
        return {**self.counts, **differences, "largest_change_of_a_gap": self.largest_change}

    async def _ask(self, tab: Tab, stroke: Stroke) -> Change | None:
        author = tab.author
        snapshot = Snapshot(tab.uri, "", author.language, self.counts["requests"], author.text, stroke.cursor, False)
        tree = Syntax(author.language).parse(author.text)
        self._watched.prompt = None
        self._choices.made.clear()
        self.counts["requests"] += 1
        patience_s = self._dice.uniform(0, TAKEN_BACK_S) if self._dice.random() < TAKEN_BACK else None
        asking = complete(self._engine, snapshot, tree, self._windows.get(tab.uri))
        try:
            answer = await asyncio.wait_for(asking, patience_s)
        except asyncio.TimeoutError:
            self.counts["taken back"] += 1
            await self._watched.backend._run(lambda: None)  # behind what is just being given up
            return None
        if self._watched.prompt is None or answer.trace.context is None:
            self.counts["refused"] += 1
            return None
        self._windows[tab.uri] = answer.trace.context.window
        await self._compare(self._watched.prompt, tab, stroke)
        done = answer.completion
        return Change(snapshot.offset, done.replace_until, done.text) if done else None

    async def _compare(self, prompt: FimPrompt, tab: Tab, stroke: Stroke) -> None:
        warm, self._choices.made = self._choices.made, []
        await self._evaluate_cold(prompt, len(warm))
        cold = self._choices.made
        self.counts["compared"] += 1
        self.counts["tokens compared"] += len(warm)
        self.counts["prompt tokens"] += self._watched.n_tokens
        self.counts["prompt tokens reused"] += self._watched.n_reused
        for number, (one, other) in enumerate(zip(warm, cold, strict=False)):
            self.largest_change = max(self.largest_change, abs(one.gap - other.gap))
            if one.token != other.token:
                self._note(tab, stroke, number, one, other)
                return  # behind it, they were asked different things

    async def _evaluate_cold(self, prompt: FimPrompt, n_choices: int) -> None:
        self._cold._model.rewind(0)
        self._cold._sequence = EvaluatedSequence(self._cold._model)
        async with aclosing(self._cold.stream(prompt, self._engine.limits)) as events:
            async for _ in events:
                if len(self._choices.made) >= n_choices:
                    return

    def _note(self, tab: Tab, stroke: Stroke, number: int, warm: Choice, cold: Choice) -> None:
        difference = {
            "file": tab.uri, "stroke": stroke.kind, "number": number, "reused": self._watched.n_reused,
            "of": self._watched.n_tokens, "tokens": [warm.token, cold.token], "gaps": [warm.gap, cold.gap],
        }  # fmt: skip
        self.differences.append(difference)
        print(f"different: {json.dumps(difference)}", flush=True)


def main() -> int:
    options = parse()
    settings, complaints = merge(Settings(), {"model.path": str(model_file(options)), **settings_of(options)})
    if complaints:
        raise SystemExit("\n".join(complaints))
    if options.dimensions:
        stopping.first_stop = at_the_limit
        settings = merge(settings, {"suggest.maxTokens": N_RANDOM_TOKENS})[0]
    engines = [load_engine(settings) for _ in range(2)]
    comparison = Comparison(*engines, options.seed)
    asyncio.run(comparison.run(Desk(load_cases(options.cases), options.seed), options.requests))
    found = comparison.found()
    asked = {"model": model_file(options).stem, "cases": options.cases.name, "set": options.set}
    print(json.dumps({"bench": "equality", **asked, **found}))
    return int(found["largest_gap"] > LARGEST_GAP)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.equality", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="?", type=Path, default=OWN_CASES, metavar="CASES.jsonl[.gz]")
    add_model_options(parser)
    parser.add_argument("--requests", type=int, default=1000, metavar="N", help="that the author makes (1000)")
    parser.add_argument("--seed", type=int, default=0, help="of what the author does (0)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
