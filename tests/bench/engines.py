"""How fast each engine computes, and what this program adds to llama.cpp's own time.

    python -m tests.bench.engines                        everything: some twenty minutes on two cores, and 3 GB of disk
    python -m tests.bench.engines --small                the same in a minute with a small model, to try it out
    python -m tests.bench.engines --engines native --quants q8_0

The model has random weights and the size of StarCoderBase-1B (24 layers, 2048 wide, 16 heads with one key and value,
8192 feed-forward, 49152 tokens); its files are written once and kept. Every engine runs in a process of its own, with
one thread. "tok/cpu-s" is tokens per second of processor time, of all its threads and children, which other programs on
the machine disturb little. The prompt is evaluated in batches of 32 tokens, as for the user.

"bare" is llama.cpp called without us: llama_decode and the largest logit, nothing else. "at its best" leaves it its
own settings (batches of 512, weights rearranged in memory). The pairs then ask what our part costs: prompts of 64
tokens and 16 tokens behind each, ours and bare in turns, on one context; overhead is the median of ours / bare − 1 in
processor time. The last line is everything as JSON.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from statistics import quantiles
from time import perf_counter, process_time
from typing import Any, Protocol

import numpy as np
import platformdirs
import psutil

from lsp_server.errors import EngineUnavailable
from lsp_server.inference import llama_api
from lsp_server.inference.base import Inference
from lsp_server.inference.llama_cpp import DEFAULT_N_BATCH, LlamaCpp, Native
from lsp_server.inference.opening import ENGINES, open_model
from lsp_server.inference.sampling import best
from lsp_server.inference.wheel import Wheel
from tests.bench.weights import LEGACY_FTYPES, SMALL, STARCODERBASE_1B, Size, cached

C_ENGINES = {engine.name: engine for engine in (LlamaCpp, Native)}
LEGACY = "ctransformers"
N_CONTEXT = 512  # for the legacy engine too, which keeps much for each token
PAIR_PROMPT, PAIR_DECODE = 64, 16
BOUND = 0.03


class Decoder(Protocol):
    """What is measured: evaluate ids, say the likeliest next one, forget."""

    def evaluate(self, ids: Sequence[int]) -> int: ...

    def forget(self) -> None: ...


class Ours:
    def __init__(self, model: Inference) -> None:
        self._model = model

    def evaluate(self, ids: Sequence[int]) -> int:
        self._model.evaluate(ids, lambda: False)
        token, _ = best(self._model.logits())
        return token

    def forget(self) -> None:
        self._model.rewind(0)


class Bare:
    """llama.cpp through its C functions alone."""

    def __init__(self, path: Path, package: Wheel, *, at_its_best: bool = False) -> None:
        self._api = api = llama_api.load_api(package)
        model_params = api.llama_model_default_params()
        no_devices = (ctypes.c_void_p * 1)(None)
        model_params.devices = ctypes.cast(no_devices, ctypes.c_void_p)
        model_params.n_gpu_layers = 0
        model_params.use_extra_bufts = at_its_best
        self.model = model = ctypes.c_void_p(api.llama_model_load_from_file(str(path).encode(), model_params))
        params = api.llama_context_default_params()
        params.n_ctx = params.n_batch = N_CONTEXT
        params.n_threads = params.n_threads_batch = 1
        if not at_its_best:
            params.n_ubatch, params.flash_attn_type = DEFAULT_N_BATCH, 0
            params.offload_kqv = params.op_offload = False
        self.context = ctypes.c_void_p(api.llama_init_from_model(model, params))
        self._memory = api.llama_get_memory(self.context)
        self._n_vocab = api.llama_vocab_n_tokens(api.llama_model_get_vocab(model))

    def evaluate(self, ids: Sequence[int]) -> int:
        self._api.llama_set_abort_callback(self.context, None, None)  # ours may have left one
        tokens = (ctypes.c_int32 * len(ids))(*ids)
        if self._api.llama_decode(self.context, llama_api.Batch(len(ids), tokens)):
            raise RuntimeError("llama_decode failed")
        logits = self._api.llama_get_logits_ith(self.context, -1)
        return int(np.ctypeslib.as_array(logits, (self._n_vocab,)).argmax())

    def forget(self) -> None:
        self._api.llama_memory_seq_rm(self._memory, 0, 0, -1)


def some_ids(n: int, seed: int = 0) -> list[int]:
    chosen = random.Random(seed)
    return [chosen.randrange(5, 49000) for _ in range(n)]


def cpu_seconds() -> float:
    children = psutil.Process().children(recursive=True)
    return process_time() + sum(sum(child.cpu_times()[:2]) for child in children)


def resident_mb() -> float:
    process = psutil.Process()
    return sum(one.memory_info().rss for one in (process, *process.children(recursive=True))) / 1e6


def decoder(name: str, path: Path) -> Decoder:
    """`name`: of an engine, with " bare" or " at its best" behind it for llama.cpp without us."""
    for suffix in (" bare", " at its best"):
        if name.endswith(suffix):
            package = C_ENGINES[name.removesuffix(suffix)].package
            return Bare(path, package, at_its_best=suffix == " at its best")
    return Ours(open_model(path, n_context=N_CONTEXT, n_threads=1, engine=name))


# What runs in a process of its own: name of a decoder, file, numbers of tokens or pairs → what is measured.


def measure_speed(name: str, path: Path, n_prompt: int, n_decode: int) -> dict[str, Any]:
    wall, cpu = perf_counter(), cpu_seconds()
    model = decoder(name, path)
    load_s, load_cpu_s = perf_counter() - wall, cpu_seconds() - cpu
    model.evaluate(some_ids(8))  # the pages of the file come into memory with it
    model.forget()
    marks = [cpu_seconds()]
    token = model.evaluate(some_ids(n_prompt))
    marks.append(cpu_seconds())
    for _ in range(n_decode):
        token = model.evaluate([token])
    marks.append(cpu_seconds())
    prompt_s, decode_s = (after - before for before, after in pairwise(marks))
    return {
        "load_s": load_s,
        "load_cpu_s": load_cpu_s,
        "prompt_tokens_per_cpu_s": n_prompt / prompt_s,
        "decode_tokens_per_cpu_s": n_decode / decode_s,
        "resident_mb": resident_mb(),
    }


def measure_pairs(name: str, path: Path, n_pairs: int, n_decode: int) -> dict[str, Any]:
    """Overheads: the fractions by which ours took longer, quartiles over the pairs.

    Both compute with one model and one context: of two with the same settings, one may be 30 % slower by where its
    memory happens to lie.
    """
    bare = Bare(path, C_ENGINES[name].package)
    ours = Ours(C_ENGINES[name](bare.model, bare.context, ExitStack()))
    for warming in (ours, bare):
        timed_request(warming, 0, n_decode)
    same_tokens, times = True, []
    for pair in range(n_pairs):
        order: tuple[Decoder, ...] = (ours, bare) if pair % 2 else (bare, ours)  # who goes first has the colder caches
        timed = {one: timed_request(one, pair, n_decode) for one in order}
        same_tokens &= timed[ours][2] == timed[bare][2]
        times.append((timed[ours][:2], timed[bare][:2]))
    overheads = {
        "prompt": [our[0] / its[0] - 1 for our, its in times],
        "decode": [our[1] / its[1] - 1 for our, its in times],
        "request": [sum(our) / sum(its) - 1 for our, its in times],
    }
    return {"n_pairs": n_pairs, "same_tokens": same_tokens} | {
        part: dict(zip(("lower_quartile", "median", "upper_quartile"), quantiles(of), strict=True))
        for part, of in overheads.items()
    }


def timed_request(model: Decoder, seed: int, n_decode: int) -> tuple[float, float, list[int]]:
    """Processor seconds for a prompt and for given tokens behind it; and the likeliest token after each."""
    prompt, behind = some_ids(PAIR_PROMPT, seed), some_ids(n_decode, seed + 1000)
    marks = [process_time()]
    written = [model.evaluate(prompt)]
    marks.append(process_time())
    written += [model.evaluate([token]) for token in behind]
    marks.append(process_time())
    model.forget()
    return marks[1] - marks[0], marks[2] - marks[1], written


TASKS: dict[str, Callable[..., dict[str, Any]]] = {"speed": measure_speed, "pairs": measure_pairs}


def in_a_process(task: str, name: str, path: Path, *numbers: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.engines", "--task", task, name, str(path), *map(str, numbers)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise RuntimeError(f"{name} failed:\n{ended.stderr}")
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.engines", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", action="store_true", help="a small model, few tokens, few pairs")
    parser.add_argument("--engines", nargs="+", default=list(ENGINES), choices=list(ENGINES), metavar="ENGINE",
                        help=f"of {', '.join(ENGINES)}")  # fmt: skip
    parser.add_argument("--quants", nargs="+", default=["q8_0", "q4_0", "q4_k"], choices=["q8_0", "q4_0", "q4_k"],
                        metavar="QUANT", help="of q8_0, q4_0, q4_k (ctransformers: the first two)")  # fmt: skip
    parser.add_argument("--pairs", type=int, default=20, help="pairs of requests, ours and bare (default: 20)")
    parser.add_argument("--cache", type=Path, default=Path(platformdirs.user_cache_dir("infill-ls")) / "bench",
                        help="where the files are kept (default: %(default)s)")  # fmt: skip
    parser.add_argument("--task", nargs="+", help=argparse.SUPPRESS)
    return parser.parse_args()


def rows(engines: Sequence[str], quant: str) -> list[str]:
    """Names of decoders to measure with a quantization."""
    names = []
    for engine in engines:
        if engine == LEGACY and quant not in LEGACY_FTYPES:
            continue
        names += [engine, f"{engine} at its best"] if engine in C_ENGINES else [engine]
    return names


def available(engine: str) -> bool:
    """Is it installed? Says so if not."""
    try:
        if engine in C_ENGINES:
            llama_api.load_api(C_ENGINES[engine].package)
    except EngineUnavailable as error:
        print(f"{engine} is left out: {error}")
        return False
    return True


def rounded(found: Any) -> Any:
    """The same with four digits of every number."""
    if isinstance(found, dict):
        return {name: rounded(of) for name, of in found.items()}
    return float(f"{found:.4g}") if isinstance(found, float) else found


HEADER = f"{'engine':<24}{'quant':<7}{'load s':>8}{'prompt tok/cpu-s':>18}{'decode tok/cpu-s':>18}{'resident MB':>13}"


def print_speed(name: str, quant: str, of: dict[str, Any]) -> None:
    print(
        f"{name:<24}{quant:<7}{of['load_s']:>8.2f}{of['prompt_tokens_per_cpu_s']:>18.1f}"
        f"{of['decode_tokens_per_cpu_s']:>18.1f}{of['resident_mb']:>13.0f}",
        flush=True,
    )


def print_pairs(name: str, quant: str, of: dict[str, Any]) -> None:
    parts = "".join(
        f"   {part} {of[part]['median']:+.2%} ({of[part]['lower_quartile']:+.2%} … {of[part]['upper_quartile']:+.2%})"
        for part in ("prompt", "decode", "request")
    )
    tokens = "same tokens" if of["same_tokens"] else "OTHER TOKENS"
    print(f"{name:<24}{quant:<7}{parts}   {tokens}, {of['n_pairs']} pairs", flush=True)


def main() -> int:
    options = arguments()
    if options.task:
        task, name, path, *numbers = options.task
        print(json.dumps(TASKS[task](name, Path(path), *map(int, numbers))))
        return 0
    size = SMALL if options.small else STARCODERBASE_1B
    engines = [engine for engine in options.engines if available(engine)]
    found = {
        "model": size.name,
        "threads": 1,
        "speed": compare_speed(options, size, engines),
        "overhead": compare_with_bare(options, size, [engine for engine in engines if engine in C_ENGINES]),
    }
    worst = max((of["request"]["median"] for of in found["overhead"].values()), default=0.0)
    print(json.dumps(rounded(found)))
    return int(worst > BOUND and not options.small)


def compare_speed(options: argparse.Namespace, size: Size, engines: Sequence[str]) -> dict[str, Any]:
    n_prompt, n_decode = (128, 16) if options.small else (256, 32)
    print(
        f"{size.name}, random weights, one thread, prompts of {n_prompt} tokens, {n_decode} tokens behind\n\n{HEADER}"
    )
    found = {}
    for quant in options.quants:
        for name in rows(engines, quant):
            path = cached(options.cache, size, quant, legacy=name == LEGACY)
            found[f"{name} {quant}"] = speed = in_a_process("speed", name, path, n_prompt, n_decode)
            print_speed(name, quant, speed)
    return found


def compare_with_bare(options: argparse.Namespace, size: Size, engines: Sequence[str]) -> dict[str, Any]:
    if not engines:
        return {}
    n_pairs = min(options.pairs, 6) if options.small else options.pairs
    print(f"\nours / bare llama.cpp − 1 in processor time, median (quartiles); the bound of the last is {BOUND:.0%}")
    found = {}
    for quant in options.quants:
        for name in engines:
            path = cached(options.cache, size, quant)
            found[f"{name} {quant}"] = pairs = in_a_process("pairs", name, path, n_pairs, PAIR_DECODE)
            print_pairs(name, quant, pairs)
    return found


if __name__ == "__main__":
    sys.exit(main())
