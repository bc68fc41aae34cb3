"""This project's own share of a remote request: everything but the server, which answers at once.

    python -m tests.bench.remote_overhead [--requests 1000] [--lines 10000]

A document of 10,000 lines is typed into; each request goes through the whole pipeline to a server on loopback, in a
process of its own, that answers with one line as soon as it has read the request. Then the same through the language
server, in a third process: from the first byte of the edit to the last byte of the answer, as an editor sees it.

On a machine that does other things too, a request also waits until a process gets a core. Where the system tells for
how long (Linux, /proc/PID/task/*/schedstat), "not waiting" is the share without that, the model server included.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import multiprocessing
import os
import tempfile
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
from tests.wire import CURSOR, Server

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
    url = f"http://127.0.0.1:{port}"
    stages_ms, n_connections = asyncio.run(_measure(url, options.requests, options.lines, server.pid))
    stages_ms |= _in_the_editor(url, options.requests, options.lines, server.pid)
    server.terminate()
    print(f"{options.requests} requests at {options.lines} lines; the server, a process of its own, answers at once")
    for name, values in stages_ms.items():
        cuts = quantiles(values, n=100)
        print(f"{name:<27} p50 {cuts[49]:6.2f} ms   p99 {cuts[98]:6.2f} ms   worst {max(values):6.2f} ms")
    print(f"connections opened: {n_connections}")


async def _measure(
    url: str, n_requests: int, n_lines: int, server_pid: int | None
) -> tuple[dict[str, list[float]], int]:
    """Milliseconds of each request, whole and by stage; and how many connections were opened for all of them."""
    backend = connect(Endpoint(url))
    info = ModelInfo("remote", url, "", "", "", "llama.cpp", 2048, N_PROMPT_TOKENS)
    engine = Engine(backend, token_counter(backend.endpoint), WindowBudget(N_PROMPT_TOKENS), Limits(96, 5.0), info)
    syntax = Syntax("python")
    above, below = _lines(0, n_lines // 2), "\n" + _lines(n_lines // 2, n_lines)
    previous: Window | None = None
    stages_ms: dict[str, list[float]] = {"own share": [], "of CPU": [], "not waiting": []}
    gc.freeze()
    for i in range(n_requests + N_WARM_UP):
        typed = above + "    " + TYPED[: i % len(TYPED)]
        snapshot = Snapshot("file:///bench.py", "/bench.py", "python", i, typed + below, len(typed), invoked=True)
        tree = syntax.parse(snapshot.text)
        waited_ms = _waited_ms(os.getpid(), server_pid)
        started, cpu_started = perf_counter(), process_time()
        answer = await complete(engine, snapshot, tree, previous)
        elapsed_ms, cpu_ms = (perf_counter() - started) * 1000, (process_time() - cpu_started) * 1000
        previous = answer.trace.context.window if answer.trace.context else None
        if i >= N_WARM_UP:
            stages_ms["own share"].append(elapsed_ms)
            stages_ms["of CPU"].append(cpu_ms)
            stages_ms["not waiting"].append(elapsed_ms - (_waited_ms(os.getpid(), server_pid) - waited_ms))
            for name, stage_ms in answer.trace.stage_ms.items():
                stages_ms.setdefault(name, []).append(stage_ms)
    n_connections = int((await backend.look("/connections")).decode())
    backend.close()
    await asyncio.sleep(0)
    return {name: values for name, values in stages_ms.items() if any(values)}, n_connections


def _in_the_editor(url: str, n_requests: int, n_lines: int, server_pid: int | None) -> dict[str, list[float]]:
    """Milliseconds from a key to its suggestion."""
    elapsed_ms, not_waiting_ms = [], []
    with tempfile.TemporaryDirectory() as home:
        editor = Server("--backend", url, env={"XDG_CONFIG_HOME": home, "XDG_STATE_HOME": home})
        editor.initialize()
        editor.open(f"{_lines(0, n_lines // 2)}    {CURSOR}\n{_lines(n_lines // 2, n_lines)}")
        assert editor.is_ready()
        at = (n_lines // 2, 4)
        # Every line is another, so that no answer can be given twice.
        keys = (
            "\n    " if i % len(TYPED) == 0 else TYPED[i % len(TYPED)] for i in range(1, n_requests + N_WARM_UP + 1)
        )
        for key in keys:
            editor.received.clear()
            after = (at[0] + 1, 4) if key[0] == "\n" else (at[0], at[1] + 1)
            waited_ms = _waited_ms(os.getpid(), editor.process.pid, server_pid)
            started = perf_counter()
            editor.change(at, at, key)
            editor.inline({"line": after[0], "character": after[1]})
            elapsed_ms.append((perf_counter() - started) * 1000)
            waited_ms = _waited_ms(os.getpid(), editor.process.pid, server_pid) - waited_ms
            not_waiting_ms.append(elapsed_ms[-1] - waited_ms)
            at = after
        editor.stop()
        editor.kill()
    return {"in the editor": elapsed_ms[N_WARM_UP:], "in the editor, not waiting": not_waiting_ms[N_WARM_UP:]}


def _lines(start: int, end: int) -> str:
    return "".join((FUNCTION if i % 20 == 0 else LINE).format(i=i, j=i - 1) for i in range(start, end))


def _waited_ms(*pids: int | None) -> float:
    """How long their threads were ready to run and had no core, ever; 0 where the system does not say."""
    files = (file for pid in pids for file in Path(f"/proc/{pid}/task").glob("*/schedstat"))
    return sum(int(file.read_text().split()[1]) for file in files) / 1e6


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
