"""Good answers, faults and cancellations, mixed by chance: how many were answered, wrong, late, and what is left over.

    python -m tests.bench.remote_soak [--requests 10000] [--max-time-s 0.4]

With more time than a loaded machine takes for an answer, every request that comes too late is this program's fault.
Exits with 1 unless every request was answered once, rightly and in time, and no connection, task or file stayed open.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import gc
import os
import random
import sys
from collections.abc import AsyncIterator, Iterator

from lsp_server.backends.connect import connect
from lsp_server.backends.endpoint import Endpoint
from lsp_server.backends.remote import RemoteBackend
from lsp_server.values import FimPrompt, Limits
from tests.remote.asking import Stopwatch, asked
from tests.remote.fake_server import FakeServer, Request
from tests.remote.faults import FAULTS, GOOD, GOOD_TEXT, Fault

GRACE_S = 0.05
N_AT_ONCE = 16
MAX_SHOWN = 10
CASES = {"good": Fault(GOOD, GOOD_TEXT), **FAULTS}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--max-time-s", type=float, default=0.4, help="for the first token of each")
    options = parser.parse_args()
    counts = asyncio.run(soak(options.requests, options.seed, options.max_time_s))
    print("   ".join(f"{name} {n}" for name, n in counts.items()))
    return int(any(counts[name] for name in ("wrong", "late", "leaked")))


async def soak(n_requests: int, seed: int, max_time_s: float = 0.4) -> dict[str, int]:
    """Counts: answered, cancelled, wrong, late, and leaked (connections, tasks and file descriptors together)."""
    chance, limits = random.Random(seed), Limits(8, max_time_s)
    counts: collections.Counter[str] = collections.Counter(answered=0, cancelled=0, wrong=0, late=0, leaked=0)
    n_files = n_open_files()
    async with FakeServer(_by_name) as server:
        backend = connect(Endpoint(server.url))
        names = iter([chance.choice(list(CASES)) if chance.random() < 0.5 else "good" for _ in range(n_requests)])
        await asyncio.gather(*(_ask(backend, names, limits, chance, counts) for _ in range(N_AT_ONCE)))
        backend.close()
        await asyncio.sleep(0.1)
        await server.all_left()
        gc.collect()
        counts["leaked"] += server.n_open + len(asyncio.all_tasks() - server.tasks) - 1
    await asyncio.sleep(0.1)
    counts["leaked"] += max(0, n_open_files() - n_files)
    return dict(counts)


async def _ask(
    backend: RemoteBackend,
    names: Iterator[str],
    limits: Limits,
    chance: random.Random,
    counts: collections.Counter[str],
) -> None:
    for name in names:
        stopwatch = Stopwatch()
        task = asyncio.ensure_future(asked(backend, FimPrompt(name, "\n"), limits))
        if chance.random() < 0.1:
            await asyncio.sleep(chance.random() * 0.01)
            task.cancel()
        (result,) = await asyncio.gather(task, return_exceptions=True)
        counts["late"] += stopwatch.s > limits.max_time_s + limits.hard_max_time_s + GRACE_S
        if isinstance(result, asyncio.CancelledError):
            counts["cancelled"] += 1
            continue
        counts["answered"] += 1
        if not _is_right(CASES[name], result):
            counts["wrong"] += 1
            if counts["wrong"] <= MAX_SHOWN:
                print(f"{name}: {result!r}", file=sys.stderr)


def _is_right(case: Fault, result: object) -> bool:
    if isinstance(case.expected, str):
        return result == case.expected
    return type(result) is case.expected


async def _by_name(request: Request) -> AsyncIterator[bytes]:
    async for part in CASES[request.json["input_prefix"]].answer(request):
        yield part


def n_open_files() -> int:
    """0 where the system does not say."""
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


if __name__ == "__main__":
    sys.exit(main())
