"""Real servers on loopback, each started once and ended with the tests.

llama.cpp's own server comes with xllamacpp and is always there. The others are heavy: name a Python that has them in
INFILL_LLAMA_CPP_PYTHON, INFILL_TRANSFORMERS_PYTHON or INFILL_VLLM_PYTHON, or have them beside the tests. Without, their
tests are skipped, and fail where INFILL_CI is set; `.ci/heavy-servers.sh` installs all of them.
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

from lsp_server.assemble import load_engine
from lsp_server.formats.gguf import read_gguf
from lsp_server.models.convert import convert
from lsp_server.pipeline import Engine
from lsp_server.settings import ModelSettings, Settings

HERE = Path(__file__).parent
START_S = 600  # of processor time they take a minute at most
CONTROL = 3  # tokenizer.ggml.token_type
ON_CPU = {
    **os.environ,
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "GPTQMODEL_CPU_WORKERS": "2",  # with its own default for two cores, one, it does not start
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
    "VLLM_NO_USAGE_STATS": "1",
}
SERVING = ("transformers", "torch", "fastapi")
missing = pytest.fail if os.environ.get("INFILL_CI") else pytest.skip


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
    python = _python_with("INFILL_LLAMA_CPP_PYTHON", "llama_cpp", "fastapi")
    settings = ["--model", model_path, "--n_ctx", "1024", "--n_threads", "1", "--n_gpu_layers", "0"]
    with _running([python, "-m", "llama_cpp.server", *settings], "/v1/models") as url:
        yield url


@pytest.fixture(scope="session")
def gpt_bigcode(model_path: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny checkpoint with random weights and the packaged model's vocabulary."""
    python = _python_with("INFILL_TRANSFORMERS_PYTHON", *SERVING)
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
    program = Path(_python_with("INFILL_TRANSFORMERS_PYTHON", *SERVING)).with_name("transformers")
    with _running([str(program), "serve", str(gpt_bigcode), "--device", "cpu"], "/health") as url:
        yield url


@pytest.fixture(scope="session")
def gptq(gpt_bigcode: Path) -> Path:
    """The folder of the same checkpoint, quantized by GPTQ."""
    python = _python_with("INFILL_TRANSFORMERS_PYTHON", *SERVING)
    if subprocess.run([python, "-c", "import gptqmodel"], capture_output=True, env=ON_CPU).returncode:
        missing("needs gptqmodel beside transformers")
    folder = gpt_bigcode.with_name("gptq")
    script = str(HERE / "tiny_gptq.py")
    command = [python, script, str(gpt_bigcode), str(folder)]
    subprocess.run(command, check=True, capture_output=True, env=ON_CPU, cwd=folder.parent)  # it leaves logs behind
    return folder


@pytest.fixture(scope="session")
def transformers_serve_gptq(gptq: Path) -> Iterator[str]:
    """The address of `transformers serve` with the quantized checkpoint."""
    python = _python_with("INFILL_TRANSFORMERS_PYTHON", *SERVING)
    script = str(HERE / "transformers_gptq_process.py")
    with _running([python, script, "serve", str(gptq), "--device", "cpu", "--dtype", "float32"], "/health") as url:
        yield url


@pytest.fixture(scope="session")
def vllm(gpt_bigcode: Path) -> Iterator[str]:
    """The address of vLLM with the tiny checkpoint."""
    with _running(_vllm_command(gpt_bigcode, "float32"), "/health") as url:
        yield url


@pytest.fixture(scope="session")
def vllm_gptq(gptq: Path) -> Iterator[str]:
    """The address of vLLM with the quantized checkpoint, which it takes in 16 bits only."""
    with _running(_vllm_command(gptq, "float16"), "/health") as url:
        yield url


def _vllm_command(folder: Path, dtype: str) -> list[str]:
    python = _python_with("INFILL_VLLM_PYTHON", "vllm")
    settings = ["--dtype", dtype, "--max-model-len", "1024", "--max-num-seqs", "4", "--enforce-eager"]
    # The command `vllm` asks for a package of that name, and builds for CPUs have another.
    return [python, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder), *settings]


@pytest.fixture(scope="session")
def gpt_bigcode_here(gpt_bigcode: Path) -> Iterator[Engine]:
    """The tiny checkpoint in this process."""
    with _in_process(gpt_bigcode) as engine:
        yield engine


@pytest.fixture(scope="session")
def gptq_here(gptq: Path) -> Iterator[Engine]:
    """The quantized checkpoint in this process, each weight as the four bits say."""
    with _in_process(gptq) as engine:
        yield engine


@contextmanager
def _in_process(folder: Path) -> Iterator[Engine]:
    file = convert(folder, folder.with_suffix(".gguf"), "f32").path
    engine = load_engine(Settings(ModelSettings(path=str(file), order="spm2", windowTokens=512)))
    yield engine
    engine.backend.close()


def _python_with(variable: str, *modules: str) -> str:
    if os.environ.get(variable):
        return os.environ[variable]
    if not all(map(find_spec, modules)):
        missing(f"needs {' and '.join(modules)}, here or in the Python that {variable} names")
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
            process.terminate()  # which vLLM passes on to its workers
            _wait_or_kill(process)


def _wait_or_kill(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
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
