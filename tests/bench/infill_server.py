"""llama.cpp's own HTTP server, out of the xllamacpp wheel, and its way of filling in: POST /infill.

python -m tests.bench.infill_server MODEL N_CONTEXT N_BATCH N_THREADS    serves until its stdin is closed
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

START_S = 300.0
ANSWER_S = 900.0
# As llama.vim asks its server to be started: runs of so many tokens are used again at another place.
CACHE_REUSE = 256


class InfillServer:
    """Asks for a middle; `n_cache_reuse` tokens in a row are what is moved rather than evaluated again, 0 for never."""

    def __init__(self, url: str, n_tokens: int) -> None:
        self._client = httpx.Client(base_url=url, timeout=ANSWER_S, trust_env=False)
        self._n_tokens = n_tokens

    def fill(self, prefix: str, suffix: str, begun: str = "", n_cache_reuse: int = 0) -> dict[str, float]:
        """Tokens of the prompt, of these evaluated, and milliseconds. The server puts `begun` behind the prefix."""
        started = time.perf_counter()
        answer = self._client.post("/infill", json={
            "input_prefix": prefix, "input_suffix": suffix, "prompt": begun, "n_predict": self._n_tokens,
            "ignore_eos": True, "temperature": 0, "samplers": [], "cache_prompt": True, "n_cache_reuse": n_cache_reuse,
        }).raise_for_status().json()  # fmt: skip
        answer_ms = (time.perf_counter() - started) * 1000
        n_evaluated = answer["timings"]["prompt_n"]
        return {"n_prompt": n_evaluated + answer["timings"]["cache_n"], "n_evaluated": n_evaluated, "ms": answer_ms}

    def fill_as_llama_vim(self, prefix: str, suffix: str) -> dict[str, float]:
        """The line that is being typed goes apart."""
        line_start = prefix.rfind("\n") + 1
        return self.fill(prefix[:line_start], suffix, prefix[line_start:], CACHE_REUSE)


@contextmanager
def running_infill(model: Path, numbers: Sequence[int], n_tokens: int) -> Iterator[InfillServer]:
    """A server for the model; `numbers` are those of `serve`."""
    command = [sys.executable, "-m", "tests.bench.infill_server", str(model), *map(str, numbers)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout
            url = process.stdout.readline().decode().strip()
            _wait_until_ready(url)
            yield InfillServer(url, n_tokens)
        finally:
            process.kill()


def _wait_until_ready(url: str) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if httpx.get(f"{url}/health", trust_env=False).status_code == 200:
            return
        time.sleep(0.1)
    raise TimeoutError(f"{url} does not become ready")


def serve(model: str, n_context: int, n_batch: int, n_threads: int) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = model
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.n_ctx, params.n_parallel = n_context, 1
    # It would take a quarter of the logical batch for the suffix at most.
    params.n_batch, params.n_ubatch = 4 * n_context, n_batch
    # As in this project's own process: it is faster so, in small batches on a CPU.
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.n_gpu_layers = 0
    params.no_extra_bufts = True
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = n_threads
    params.warmup = False
    params.verbosity = 0
    return xllamacpp.Server(params)


if __name__ == "__main__":
    server = serve(sys.argv[1], *map(int, sys.argv[2:]))
    print(server.listening_address, flush=True)
    sys.stdin.read()
