"""What a conversion takes at a real model's size: `python -m tests.bench.convert [--kind gptq] [--quant q4_k_m]`.

Writes a checkpoint with random weights at the size of StarCoderBase-1B (24 layers, 2048 wide, 16 heads with one key and
value, 49152 tokens), converts it in a process of its own, and prints the time and the most memory that process held.
The bound is twice the largest tensor and 500 MB.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from tests.conversion.vocabularies import write_tokenizer

N_LAYERS, WIDTH, N_HEADS, N_VOCAB, N_POSITIONS = 24, 2048, 16, 49152, 8192
HEAD = WIDTH // N_HEADS
ARCHITECTURES = {
    "starcoder": "GPTBigCodeForCausalLM",
    "santacoder": "GPT2LMHeadCustomModel",
    "gptq": "GPTBigCodeForCausalLM",
}
LAYERS = {
    "starcoder": {"attn.c_attn": (WIDTH + 2 * HEAD, WIDTH)},
    "santacoder": {"attn.q_attn": (WIDTH, WIDTH), "attn.kv_attn": (2 * HEAD, WIDTH)},
}
LAYERS["gptq"] = LAYERS["starcoder"]
SHARED = {"attn.c_proj": (WIDTH, WIDTH), "mlp.c_fc": (4 * WIDTH, WIDTH), "mlp.c_proj": (WIDTH, 4 * WIDTH)}
DTYPES = {"F16": np.float16, "I32": np.int32}
# The peak is asked of /proc: getrusage would count what this process held before the other was its own.
CONVERT = """
import os, re, sys
from pathlib import Path
from lsp_server.models.convert import convert
n_bytes = convert(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]).n_bytes
peak_kb = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]
print(n_bytes, peak_kb, sum(os.times()[:2]))
"""


def tensors(kind: str) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Name, type and shape of each."""
    yield "transformer.wte.weight", "F16", (N_VOCAB, WIDTH)
    yield "transformer.wpe.weight", "F16", (N_POSITIONS, WIDTH)
    yield from vectors("transformer.ln_f", WIDTH)
    for i in range(N_LAYERS):
        for norm in ("ln_1", "ln_2"):
            yield from vectors(f"transformer.h.{i}.{norm}", WIDTH)
        for name, (n_out, n_in) in (LAYERS[kind] | SHARED).items():
            yield f"transformer.h.{i}.{name}.bias", "F16", (n_out,)
            yield from matrix(kind, f"transformer.h.{i}.{name}", n_out, n_in)


def vectors(name: str, n: int) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    yield f"{name}.weight", "F16", (n,)
    yield f"{name}.bias", "F16", (n,)


def matrix(kind: str, name: str, n_out: int, n_in: int) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    if kind != "gptq":
        yield f"{name}.weight", "F16", (n_in, n_out) if kind == "santacoder" else (n_out, n_in)
        return
    yield f"{name}.qweight", "I32", (n_in // 8, n_out)
    yield f"{name}.qzeros", "I32", (1, n_out // 8)
    yield f"{name}.scales", "F16", (1, n_out)


def write_checkpoint(folder: Path, kind: str) -> int:
    """The size of the largest tensor as f32, in bytes."""
    config = {"architectures": [ARCHITECTURES[kind]], "n_embd": WIDTH, "n_head": N_HEADS, "n_layer": N_LAYERS}
    (folder / "config.json").write_text(json.dumps(config | {"n_positions": N_POSITIONS, "multi_query": True}))
    write_tokenizer("starcoder", folder / "tokenizer.json")
    header: dict[str, Any] = {}
    end = 0
    for name, dtype, shape in tensors(kind):
        begin, end = end, end + prod(shape) * np.dtype(DTYPES[dtype]).itemsize
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": (begin, end)}
    text = json.dumps(header).encode()
    random = np.random.default_rng(0)
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, dtype, shape in tensors(kind):
            file.write(numbers(random, dtype, prod(shape)))
    return N_VOCAB * WIDTH * 4


def numbers(random: np.random.Generator, dtype: str, n: int) -> bytes:
    block = min(n, 1 << 20)
    some = random.standard_normal(block) * 0.05 if dtype == "F16" else random.integers(-(2**31), 2**31, block)
    return np.tile(some.astype(DTYPES[dtype]), -(-n // block))[:n].tobytes()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=list(ARCHITECTURES), default="starcoder")
    parser.add_argument("--quant", default="q8_0")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        largest = write_checkpoint(folder, options.kind)
        n_source_bytes = (folder / "model.safetensors").stat().st_size
        command = [sys.executable, "-c", CONVERT, str(folder), str(folder / "out.gguf"), options.quant]
        started = time.perf_counter()
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        seconds = time.perf_counter() - started
    n_bytes, peak, cpu_seconds = int(said[0]), 1000 * int(said[1]), float(said[2])
    bound = 2 * largest + 500_000_000
    print(
        f"{options.kind} {options.quant}: {n_source_bytes / 1e6:.0f} MB → {n_bytes / 1e6:.0f} MB in {seconds:.1f} s"
        f" ({cpu_seconds:.1f} s of a core), peak memory {peak / 1e6:.0f} MB (bound {bound / 1e6:.0f} MB)"
    )
    return int(peak > bound)


if __name__ == "__main__":
    sys.exit(main())
