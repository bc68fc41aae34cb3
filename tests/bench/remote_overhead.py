"""This project's own share of a remote request: everything but the server, which answers at once.

    python -m tests.bench.remote_overhead [--requests 1000] [--lines 10000]

A document of 10,000 lines is typed into; each request goes through the whole pipeline to a server on loopback, in a
process of its own, that answers with one line as soon as it has read the request.

On a machine that does other things too, a request also waits until one of the two processes gets a core. Where the
system tells for how long (Linux, /proc/PID/schedstat), "not waiting" is the share without that, server included.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import multiprocessing
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import quantiles
from time import perf_counter, process_time

from lsp_server.backends.connect import connect, token_counter
from lsp_server.backends.endpoint import Endpoint
from lsp_server.context.window import WindowBudget
from lsp_server.pipeline import Engine, ModelInfo, complete
from lsp_server.syntax import Syntax
from lsp_server.values import Limits, Snapshot, Window

N_PROMPT_TOKENS = 1952
N_WARM_UP = 20
LINE = "    total_{i} = compute(total_{j}, rate={i}, name='item {i}')   # running total\n"
FUNCTION = "def step_{i}(total_{j}, compute):\n"
NUMBERS = itertools.count(1)  # of the server's connections
TYPED = "result = compute(total, rate=12)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--lines", type=int, default=10_000)
    options = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=_serve, args=(theirs,), daemon=True)
    server.start()
    port = ours.recv()
    processes = ("self", str(server.pid))
    stages_ms, n_connections = asyncio.run(
        _measure(f"http://127.0.0.1:{port}", options.requests, options.lines, processes)
    )
    server.terminate()
    print(f"{options.requests} requests at {options.lines} lines; the server, a process of its own, answers at once")
    for name, values in stages_ms.items():
        cuts = quantiles(values, n=100)
        print(f"{name:<15} p50 {cuts[49]:6.2f} ms   p99 {cuts[98]:6.2f} ms   worst {max(values):6.2f} ms")
    print(f"connections opened: {n_connections}")


async def _measure(
    url: str, n_requests: int, n_lines: int, processes: Sequence[str]
) -> tuple[dict[str, list[float]], int]:
    """Milliseconds of each request, whole and by stage; and how many connections were opened for all of them."""
    backend = connect(Endpoint(url))
    info = ModelInfo("remote", url, "", "", "", "llama.cpp", 2048, N_PROMPT_TOKENS)
    engine = Engine(backend, token_counter(backend.endpoint), WindowBudget(N_PROMPT_TOKENS), Limits(96, 5.0), info)
    syntax = Syntax("python")
    above = "".join((FUNCTION if i % 20 == 0 else LINE).format(i=i, j=i - 1) for i in range(n_lines // 2))
    below = "\n" + "".join(
        (FUNCTION if i % 20 == 0 else LINE).format(i=i, j=i - 1) for i in range(n_lines // 2, n_lines)
    )
    previous: Window | None = None
    stages_ms: dict[str, list[float]] = {"own share": [], "of CPU": [], "not waiting": []}
    gc.freeze()
    for i in range(n_requests + N_WARM_UP):
        typed = above + "    " + TYPED[: i % len(TYPED)]
        snapshot = Snapshot("file:///bench.py", "/bench.py", "python", i, typed + below, len(typed), invoked=True)
        tree = syntax.parse(snapshot.text)
        waited_ms = _waited_ms(processes)
        started, cpu_started = perf_counter(), process_time()
        answer = await complete(engine, snapshot, tree, previous)
        elapsed_ms, cpu_ms = (perf_counter() - started) * 1000, (process_time() - cpu_started) * 1000
        previous = answer.trace.context.window if answer.trace.context else None
        if i >= N_WARM_UP:
            stages_ms["own share"].append(elapsed_ms)
            stages_ms["of CPU"].append(cpu_ms)
            stages_ms["not waiting"].append(elapsed_ms - (_waited_ms(processes) - waited_ms))
            for name, stage_ms in answer.trace.stage_ms.items():
                stages_ms.setdefault(name, []).append(stage_ms)
    n_connections = int((await backend.look("/connections")).decode())
    backend.close()
    await asyncio.sleep(0)
    return {name: values for name, values in stages_ms.items() if any(values)}, n_connections


def _waited_ms(processes: Sequence[str]) -> float:
    """How long they were ready to run and had no core, ever; 0 where the system does not say."""
    try:
        return sum(int(Path(f"/proc/{name}/schedstat").read_text().split()[1]) for name in processes) / 1e6
    except OSError:
        return 0.0


def _serve(pipe: Connection) -> None:
    asyncio.run(_serve_forever(pipe))


async def _serve_forever(pipe: Connection) -> None:
    server = await asyncio.start_server(_connected, "127.0.0.1", 0, limit=1 << 24)
    pipe.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    number = b"%d" % next(NUMBERS)
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            break
        if head.startswith(b"GET"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(number), number))
            continue
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
        data = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        body = b"".join(_event(text) for text in (b"0", b"1", b" +", b" 2")) + _event(b"", b"true")
        writer.write(data + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
    writer.close()


def _event(text: bytes, stop: bytes = b"false") -> bytes:
    return b'data: {"content": "%b", "stop": %b, "tokens_evaluated": 9}\n\n' % (text, stop)


if __name__ == "__main__":
    main()
