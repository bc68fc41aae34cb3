"""llama.cpp's own HTTP server, from the xllamacpp wheel: `python llama_cpp_process.py MODEL [PORT]` prints its address.

It runs until its standard input is closed, so it does not outlive whoever started it.
"""

from __future__ import annotations

import sys

import xllamacpp


def start(model: str, port: int) -> xllamacpp.Server:
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_ctx = 4096
    params.n_parallel = 2
    params.n_batch = params.n_ubatch = 32
    # As in this project's own process: flash attention computes differently enough to change a choice now and then.
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.n_gpu_layers = 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.endpoint_slots = params.endpoint_metrics = params.endpoint_props = True
    params.warmup = False
    params.verbosity = 0
    return xllamacpp.Server(params)


if __name__ == "__main__":
    server = start(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    print(server.listening_address, flush=True)
    sys.stdin.read()
