"""Real servers on loopback, each started once and ended with the tests.

llama.cpp's own server comes with xllamacpp and is always there. The others are heavy: name a Python that has them in
INFILL_LLAMA_CPP_PYTHON or INFILL_TRANSFORMERS_PYTHON, or have them beside the tests; without, their tests are skipped.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

from lsp_server.formats.gguf import read_gguf

HERE = Path(__file__).parent
START_S = 120
CONTROL = 3  # tokenizer.ggml.token_type
ON_CPU = {
    **os.environ,
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "GPTQMODEL_CPU_WORKERS": "2",  # with its own default for two cores, one, it does not start
}


@pytest.fixture(scope="session")
def llama_cpp(model_path: str) -> Iterator[str]:
    """The address of llama.cpp's own server with the packaged model."""
    command = [sys.executable, str(HERE / "llama_cpp_process.py"), model_path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout and process.stdin
        url = process.stdout.readline().decode().strip()
        _wait_until_ready(f"{url}/health")
        yield url
        process.stdin.close()
        process.kill()


@pytest.fixture(scope="session")
def llama_cpp_server(model_path: str) -> Iterator[str]:
    """The address of `llama_cpp.server` with the packaged model."""
    python = _python_with("INFILL_LLAMA_CPP_PYTHON", "llama_cpp")
    settings = ["--model", model_path, "--n_ctx", "1024", "--n_threads", "1", "--n_gpu_layers", "0"]
    with _running([python, "-m", "llama_cpp.server", *settings], "/v1/models") as url:
        yield url


@pytest.fixture(scope="session")
def gpt_bigcode(model_path: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny checkpoint with random weights and the packaged model's vocabulary."""
    python = _python_with("INFILL_TRANSFORMERS_PYTHON", "transformers")
    folder = tmp_path_factory.mktemp("gpt_bigcode")
    metadata = read_gguf(Path(model_path)).metadata
    tokens, kinds = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    assert isinstance(tokens, tuple) and isinstance(kinds, tuple)
    control = [token for token, kind in zip(tokens, kinds, strict=True) if kind == CONTROL]
    vocabulary = {"tokens": tokens, "merges": metadata["tokenizer.ggml.merges"], "control": control}
    (folder / "vocabulary.json").write_text(json.dumps(vocabulary), "utf-8")
    subprocess.run([python, str(HERE / "tiny_gpt_bigcode.py"), str(folder)], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def transformers_serve(gpt_bigcode: Path) -> Iterator[str]:
    """The address of `transformers serve` with the tiny checkpoint."""
    program = Path(_python_with("INFILL_TRANSFORMERS_PYTHON", "transformers")).with_name("transformers")
    with _running([str(program), "serve", str(gpt_bigcode), "--device", "cpu"], "/health") as url:
        yield url


@pytest.fixture(scope="session")
def gptq(gpt_bigcode: Path) -> Path:
    """The folder of the same checkpoint, quantized by GPTQ."""
    python = _python_with("INFILL_TRANSFORMERS_PYTHON", "transformers")
    if subprocess.run([python, "-c", "import gptqmodel"], capture_output=True, env=ON_CPU).returncode:
        pytest.skip("needs gptqmodel beside transformers")
    folder = gpt_bigcode.with_name("gptq")
    script = str(HERE / "tiny_gptq.py")
    subprocess.run([python, script, str(gpt_bigcode), str(folder)], check=True, capture_output=True, env=ON_CPU)
    return folder


@pytest.fixture(scope="session")
def transformers_serve_gptq(gptq: Path) -> Iterator[str]:
    """The address of `transformers serve` with the quantized checkpoint."""
    python = _python_with("INFILL_TRANSFORMERS_PYTHON", "transformers")
    script = str(HERE / "transformers_gptq_process.py")
    with _running([python, script, "serve", str(gptq), "--device", "cpu"], "/health") as url:
        yield url


def _python_with(variable: str, module: str) -> str:
    if os.environ.get(variable):
        return os.environ[variable]
    if find_spec(module) is None:
        pytest.skip(f"needs {module}, here or in the Python that {variable} names")
    return sys.executable


@contextmanager
def _running(command: Sequence[str], ready: str) -> Iterator[str]:
    port = _free_port()
    silence = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*command, "--host", "127.0.0.1", "--port", str(port)], env=ON_CPU, **silence) as process:
        try:
            _wait_until_ready(f"http://127.0.0.1:{port}{ready}", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def _free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def _wait_until_ready(url: str, process: subprocess.Popen[bytes] | None = None) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        try:
            if httpx.get(url, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.05)
    raise TimeoutError(url)
