"""How many developers one server carries: typists who replay real code, keystroke by keystroke, against any URL.

    python -m tests.bench.load http://gpu:8000 --dialect openai --family starcoder --typists 20 --seconds 60

Each typist has a process's worth of connections, writes lines of Python's own standard library into the file where they
stand, asks after every keystroke, takes the request back at the next one, and accepts a suggestion that is what they
were about to write. Keystrokes come as people's do: a median of 180 ms apart, some much later.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import sysconfig
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from time import perf_counter

from lsp_server.backends.base import Backend
from lsp_server.backends.connect import connect, token_counter
from lsp_server.backends.dialects import NAMES
from lsp_server.backends.endpoint import Endpoint
from lsp_server.context.window import WindowBudget
from lsp_server.errors import BackendError
from lsp_server.pipeline import Engine, ModelInfo, complete
from lsp_server.values import Event, FimPrompt, Limits, Piece, Snapshot

FILES = ("argparse.py", "csv.py", "heapq.py", "inspect.py", "pathlib.py", "typing.py", "calendar.py", "dataclasses.py")
KEY_MEDIAN_S, KEY_SIGMA = 0.18, 0.7
LINES_PER_PLACE = 5


@dataclass
class Request:
    started: float
    first_token_s: float | None = None
    suggestion_s: float | None = None
    n_tokens: int = 0
    outcome: str = "cancelled"  # or "shown", "empty", "failed"
    failure: str = ""


@dataclass
class Counted:
    """A backend that keeps account of its requests."""

    backend: Backend
    requests: list[Request] = field(default_factory=list)

    async def stream(self, prompt: FimPrompt, limits: Limits) -> AsyncGenerator[Event, None]:
        request = Request(perf_counter())
        self.requests.append(request)
        async with aclosing(self.backend.stream(prompt, limits)) as events:
            async for event in events:
                if isinstance(event, Piece):
                    request.n_tokens += 1
                    request.first_token_s = request.first_token_s or perf_counter() - request.started
                yield event

    def close(self) -> None:
        self.backend.close()


@dataclass
class Typist:
    engine: Engine
    backend: Counted
    text: str
    chance: random.Random
    n_keys: int = 0
    n_accepted: int = 0

    async def work(self, until: float) -> None:
        while perf_counter() < until:
            for offset in self._place():
                if perf_counter() >= until:
                    break
                await self._write_line(offset)

    def _place(self) -> Iterator[int]:
        """Where a few lines in a row begin."""
        starts = [i + 1 for i, char in enumerate(self.text) if char == "\n" and self.text[i + 1 : i + 2].strip() != ""]
        first = self.chance.randrange(max(1, len(starts) - LINES_PER_PLACE))
        return iter(starts[first : first + LINES_PER_PLACE])

    async def _write_line(self, offset: int) -> None:
        end = self.text.find("\n", offset)
        end = len(self.text) if end < 0 else end
        while offset < end:
            offset += 1
            self.n_keys += 1
            offset += await self._key(offset, end)

    async def _key(self, offset: int, end: int) -> int:
        """One keystroke, with the suggestion that comes before the next; how much of it was accepted."""
        pause_s = KEY_MEDIAN_S * math.exp(self.chance.gauss(0, KEY_SIGMA))
        # What will be written is not there yet.
        document = self.text[:offset] + self.text[end:]
        snapshot = Snapshot("file:///load.py", "/load.py", "python", self.n_keys, document, offset, invoked=False)
        n_before, started = len(self.backend.requests), perf_counter()
        task = asyncio.ensure_future(complete(self.engine, snapshot, None, None))
        await asyncio.wait({task}, timeout=pause_s)
        if not task.done():
            task.cancel()
        (result,) = await asyncio.gather(task, return_exceptions=True)
        n_accepted = self._noted(result, self.backend.requests[n_before:], self.text[offset:end])
        await asyncio.sleep(max(0.0, pause_s - (perf_counter() - started)))
        return n_accepted

    def _noted(self, result: object, requests: list[Request], rest: str) -> int:
        if isinstance(result, Exception) and not isinstance(result, BackendError):
            raise result
        for request in requests:
            if isinstance(result, BackendError):
                request.outcome, request.failure = "failed", result.code
            elif not isinstance(result, BaseException):
                completion = result.completion  # type: ignore[attr-defined]  # an Answer
                request.suggestion_s = perf_counter() - request.started
                request.outcome = "shown" if completion else "empty"
                if completion and rest and completion.text.split("\n")[0] == rest:
                    self.n_accepted += 1
                    return len(rest)
        return 0


def main() -> None:
    options = _parse()
    typists = asyncio.run(_run(options))
    _report([request for typist in typists for request in typist.backend.requests], typists, options.seconds)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--dialect", choices=NAMES, default="llama.cpp")
    for name in ("model", "family", "order", "vocabulary", "token"):
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--typists", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--prompt-tokens", type=int, default=1024)
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--max-time-s", type=float, default=2.5)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


async def _run(options: argparse.Namespace) -> list[Typist]:
    given = {name: getattr(options, name) for name in ("dialect", "model", "family", "order", "vocabulary", "token")}
    endpoint = Endpoint(options.url, **given)
    count_line = token_counter(endpoint)
    folder = Path(sysconfig.get_paths()["stdlib"])
    texts = [(folder / name).read_text("utf-8") for name in FILES]
    typists = []
    for number in range(options.typists):
        counted = Counted(connect(endpoint))
        info = ModelInfo("remote", options.url, "", "", "", endpoint.dialect, 0, options.prompt_tokens)
        limits = Limits(options.max_tokens, options.max_time_s)
        engine = Engine(counted, count_line, WindowBudget(options.prompt_tokens), limits, info)
        typists.append(Typist(engine, counted, texts[number % len(texts)], random.Random(options.seed + number)))
    until = perf_counter() + options.seconds
    await asyncio.gather(*(typist.work(until) for typist in typists))
    for typist in typists:
        typist.backend.close()
    await asyncio.sleep(0)
    return typists


def _report(requests: list[Request], typists: list[Typist], seconds: float) -> None:
    n = max(1, len(requests))
    by_outcome = {
        name: [r for r in requests if r.outcome == name] for name in ("shown", "empty", "cancelled", "failed")
    }
    n_keys, n_accepted = sum(t.n_keys for t in typists), sum(t.n_accepted for t in typists)
    print(
        f"{len(typists)} typists, {seconds:.0f} s, {n_keys} keystrokes, {len(requests)} requests, {n_accepted} accepted"
    )
    print("   ".join(f"{name} {len(found)} ({len(found) / n:.0%})" for name, found in by_outcome.items()))
    print(f"to the first token  {_figures([r.first_token_s for r in requests if r.first_token_s is not None])}")
    print(
        f"to the suggestion   {_figures([r.suggestion_s for r in by_outcome['shown'] if r.suggestion_s is not None])}"
    )
    n_tokens = sum(r.n_tokens for r in requests)
    n_wasted = sum(r.n_tokens for r in by_outcome["cancelled"])
    print(f"tokens {n_tokens}, of these wasted on cancelled requests {n_wasted} ({n_wasted / max(1, n_tokens):.0%})")
    for failure in sorted({r.failure for r in by_outcome["failed"]}):
        print(f"failed: {failure} {sum(r.failure == failure for r in requests)}")


def _figures(seconds: list[float]) -> str:
    if len(seconds) < 2:
        return "too few"
    cuts = quantiles(seconds, n=100)
    return "   ".join(f"p{p} {cuts[p - 1] * 1000:7.1f} ms" for p in (50, 95, 99))


if __name__ == "__main__":
    main()
