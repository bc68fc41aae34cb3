"""How long the processor goes on once nobody wants the answer any more.

    python -m tests.bench.cancel                                 the model in the package
    python -m tests.bench.cancel --dimensions small --times 40   random weights

A request is given up at a random moment, while its prompt is evaluated or while it is written: by $/cancelRequest, by a
newer request for the same document (at a place where nothing is suggested, so that no other work begins), or because
its time is over (suggest.maxTimeMs; only writing has a deadline). Milliseconds are from the first byte of the message,
or from the deadline, until the engine's threads sleep, as the kernel sees them; Linux only.
"batch" is the processor time that 32 tokens of a prompt take: the most that should be waited for. Nothing is computed
ahead meanwhile. The last line is everything as JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from lsp_server.inference.llama_cpp import DEFAULT_N_BATCH
from tests.bench.desk import OWN_CASES, load_cases
from tests.bench.keystroke_costs import rounded
from tests.bench.replay import AUTOMATIC, PATIENCE_S, as_position
from tests.bench.serving import add_model_options, load, model_file, running
from tests.wire import Server

QUIET: dict[str, Any] = {"suggest.ahead": False, "latency.targetMs": 0, "latency.debounceMs": 0}
ASLEEP_S = 0.003  # without a break, and so idle
BUSY = ("R", "D")  # running or ready to, or waiting for the disk
N_TOKENS = 200  # that an answer has
DEADLINE_MS = 20
PROMPT, WRITING = "prompt", "writing"


class EngineThreads:
    """Those threads of a process that do the computing, found out by what a piece of work costs each."""

    def __init__(self, server: Server, work: Callable[[], object]) -> None:
        self._tasks = Path(f"/proc/{server.process.pid}/task")
        before = self._cpu_ns()
        work()
        used = {thread: ns - before.get(thread, 0) for thread, ns in self._cpu_ns().items()}
        self._threads = [thread for thread, ns in used.items() if ns > max(used.values()) / 4]

    def are_busy(self) -> bool:
        stats = ((self._tasks / thread / "stat").read_text() for thread in self._threads)
        return any(stat.rpartition(")")[2].split()[0] in BUSY for stat in stats)

    def cpu_ms(self, work: Callable[[], object]) -> float:
        """That a piece of work takes of the one that computes most."""
        before = self._cpu_ns()
        work()
        after = self._cpu_ns()
        return max(after[thread] - before[thread] for thread in self._threads) / 1e6

    def idle_at(self) -> float:
        """Wait until they sleep; since when they do."""
        since = time.perf_counter()
        while (now := time.perf_counter()) < since + ASLEEP_S:
            if self.are_busy():
                since = now
        return since

    def _cpu_ns(self) -> dict[str, int]:
        return {task.name: int((task / "schedstat").read_text().split()[0]) for task in self._tasks.iterdir()}


class Bench:
    def __init__(self, server: Server, seed: int) -> None:
        self._server = server
        self._dice = random.Random(seed)
        self._cases = load_cases(OWN_CASES)
        self._n_files = 0
        self._uri, self._text, self._cursor = "", "", 0
        self._threads = EngineThreads(server, self._answered_cold)
        self._ms = {PROMPT: median(self._timed(self._answered_cold) for _ in range(3))}
        self._ms[WRITING] = median(self._timed(self._answered_warm) for _ in range(3))
        self.batch_ms = self._batch_ms()

    def given_up(self, phase: str, give_up: Callable[[int], object]) -> float | None:
        """Milliseconds until nothing is computed; None where the answer was faster."""
        msg_id = self._ask_cold() if phase == PROMPT else self._ask_warm()
        time.sleep(self._dice.uniform(0.1, 0.8) * self._ms[phase] / 1000)
        if not self._threads.are_busy():
            self._server.answer_within(msg_id, PATIENCE_S)
            return None
        started = time.perf_counter()
        give_up(msg_id)
        idle_ms = (self._threads.idle_at() - started) * 1000
        self._server.answer_within(msg_id, PATIENCE_S)
        return idle_ms

    def cancel(self, msg_id: int) -> None:
        self._server.notify("$/cancelRequest", {"id": msg_id})

    def supersede(self, _: int) -> None:
        """In the middle of the first word, nothing is suggested."""
        self._server.ask_inline({"line": 0, "character": 3}, self._uri, kind=AUTOMATIC)

    def past_deadline(self) -> float | None:
        """Milliseconds at most from the deadline until nothing is computed: the prompt's few tokens count as late."""
        self._answered_warm()
        answered = time.perf_counter()
        idle_ms = (self._threads.idle_at() - answered) * 1000
        trace = self._server.trace(self._uri)
        if trace["engine_began_ms"] is None:
            return None  # by chance, the key was what the last suggestion said
        return max(0.0, trace["engine_ended_ms"] - trace["engine_began_ms"] - 1.5 * DEADLINE_MS) + idle_ms

    def _answered_cold(self) -> Any:
        return self._server.answer_within(self._ask_cold(), PATIENCE_S)

    def _answered_warm(self) -> Any:
        return self._server.answer_within(self._ask_warm(), PATIENCE_S)

    def _ask_cold(self) -> int:
        """In a file that is new in its first line and below the cursor."""
        case, mark = self._dice.choice(self._cases), f"word{self._dice.random()}"
        before = f"{mark}\n{case['prefix']}"
        self._n_files += 1
        self._server.received.clear()
        self._server.notify("textDocument/didClose", {"textDocument": {"uri": self._uri}})
        self._uri, self._text, self._cursor = (
            f"file:///cancel/{self._n_files}",
            f"{before}\n{mark}{case['suffix']}",
            len(before),
        )
        item = {"uri": self._uri, "languageId": case["language"], "version": 1, "text": self._text}
        self._server.notify("textDocument/didOpen", {"textDocument": item})
        return self._server.ask_inline(as_position(self._text, self._cursor), self._uri, kind=AUTOMATIC)

    def _ask_warm(self) -> int:
        """One key further on."""
        at = as_position(self._text, self._cursor)
        key = self._dice.choice("qwxz")
        self._server.change(*((at["line"], at["character"]),) * 2, key, self._uri)
        self._text = self._text[: self._cursor] + key + self._text[self._cursor :]
        self._cursor += 1
        return self._server.ask_inline({**at, "character": at["character"] + 1}, self._uri, kind=AUTOMATIC)

    def _timed(self, work: Callable[[], object]) -> float:
        started = time.perf_counter()
        work()
        return (time.perf_counter() - started) * 1000

    def _batch_ms(self) -> float:
        cold_ms = median(self._threads.cpu_ms(self._answered_cold) for _ in range(3))
        n_prompt = self._server.trace(self._uri)["tokens"]["prompt"]
        warm_ms = median(self._threads.cpu_ms(self._answered_warm) for _ in range(3))
        return (cold_ms - warm_ms) / n_prompt * DEFAULT_N_BATCH


def measured(options: argparse.Namespace) -> Iterator[tuple[str, list[float | None], float]]:
    """Name, milliseconds, and what a batch takes."""
    with running(options, N_TOKENS, **QUIET) as server:
        bench = Bench(server, options.seed)
        ways = {"$/cancelRequest": bench.cancel, "superseded": bench.supersede}
        for phase in (PROMPT, WRITING):
            for name, give_up in ways.items():
                yield f"{name}, {phase}", [bench.given_up(phase, give_up) for _ in range(options.times)], bench.batch_ms
    with running(options, N_TOKENS, **QUIET, **{"suggest.maxTimeMs": DEADLINE_MS}) as server:
        bench = Bench(server, options.seed)
        yield f"deadline, {WRITING}", [bench.past_deadline() for _ in range(options.times)], bench.batch_ms


def main() -> int:
    options = parse()
    results = {}
    print(f"{'':<26}{'times':>6}{'p50 ms':>9}{'p99 ms':>9}{'batch ms':>10}")
    for name, tried, batch_ms in measured(options):
        times = [ms for ms in tried if ms is not None]
        p50, p99 = map(float, np.percentile(times, (50, 99))) if times else (float("nan"),) * 2
        results[name] = {"times": len(times), "p50_ms": p50, "p99_ms": p99, "batch_ms": batch_ms}
        print(f"{name:<26}{len(times):>6}{p50:>9.1f}{p99:>9.1f}{batch_ms:>10.1f}")
    print(json.dumps(rounded({"bench": "cancel", "model": model_file(options).stem, "load": load(), **results})))
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.cancel", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_model_options(parser)
    parser.add_argument("--times", type=int, default=100, metavar="N", help="of each way (100)")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
