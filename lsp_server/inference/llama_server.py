"""llama.cpp through the server object inside the `xllamacpp` wheel, where the wheel hides the C API (Windows)."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lsp_server.errors import EngineError, EngineUnavailable, ModelFileError
from lsp_server.formats.gguf import read_gguf
from lsp_server.inference.base import Aborted, Logits
from lsp_server.inference.ids import check_ids
from lsp_server.inference.wheel import check_installation, prepare_environment, why_it_does_not_load

DEFAULT_N_BATCH = 32

# Each costs about 8 µs to be written and read as JSON.
N_PROBABILITIES = 256

SILENT = -1
SETTINGS: dict[str, Any] = {
    "verbosity": SILENT,  # its log would go to stderr, and contains the requests
    "n_parallel": 1,
    "n_gpu_layers": 0,
    "no_kv_offload": True,
    "no_op_offload": True,
    "no_extra_bufts": True,  # weights stay mapped from the file
    "fit_params": False,  # do not shrink the context
    "warmup": False,
    "cache_ram_mib": 0,  # keep no earlier prompts
    "cache_idle_slots": False,
    "n_ctx_checkpoints": 0,
    # It opens a port of this machine whether one wants that or not. Nobody knows the key to it.
    "ui": False,
    "endpoint_slots": False,
    "endpoint_props": False,
    "endpoint_metrics": False,
}

REQUEST: dict[str, Any] = {
    "n_predict": 1,
    "n_probs": N_PROBABILITIES,
    "temperature": 0,
    "cache_prompt": True,
    "stream": True,
    "return_progress": True,  # one message for each batch: the chance to give up
    # The token that it picks is of no use here, and the probabilities are those before this bias. But where it picks
    # half a character it waits for the other half and sends nothing.
    "logit_bias": [["\n", 1e6]],
}


class LlamaServer:
    """An `Inference` that sends the whole sequence each time and lets the server find what it has evaluated already.

    Only the `N_PROBABILITIES` most probable tokens come back, as logarithms of probabilities; the logits of all others
    are -inf. So where a rule allows none but improbable tokens, the choice among them is arbitrary, and probabilities
    are a little too high under a rule. An abort takes effect when the batch begun is done.
    """

    name = "llama-server"

    def __init__(self, server: Any, n_context: int, n_vocab: int) -> None:
        self._server = server
        self.n_context = n_context
        self.n_vocab = n_vocab
        self._ids: list[int] = []
        self._logits: Logits | None = None  # (n_vocab,)

    @classmethod
    def load(
        cls,
        path: Path | str,
        *,
        n_context: int,
        n_threads: int,
        n_batch: int = DEFAULT_N_BATCH,
        on_progress: Callable[[float], None] | None = None,
    ) -> LlamaServer:
        """Load a GGUF model; parameters and errors as for `LlamaCpp.load`, but progress is known only at its end."""
        if min(n_context, n_threads, n_batch) < 1:
            raise ValueError("n_context, n_threads and n_batch must be positive")
        gguf = read_gguf(Path(path))
        tokens = gguf.metadata.get("tokenizer.ggml.tokens")
        if not isinstance(tokens, tuple):
            raise ModelFileError(f"{path} has no vocabulary; choose another file")
        # The server never fills the last place of a context.
        n_context = min(n_context, gguf.context_length - 1)
        server = _start(Path(path), n_context + 1, n_threads, n_batch)
        if on_progress:
            on_progress(1.0)
        return cls(server, n_context, len(tokens))

    @property
    def n_evaluated(self) -> int:
        return len(self._ids)

    def evaluate(self, ids: Sequence[int], aborted: Callable[[], bool]) -> None:
        server = self._open()
        check_ids(ids, self.n_vocab, self.n_context - len(self._ids))
        self._logits = None
        answer = _Answer(aborted)
        wanted = [*self._ids, *ids]
        server.handle_completions({**REQUEST, "prompt": wanted}, answer)
        self._ids = wanted if answer.top is not None else wanted[: max(len(self._ids), answer.n_evaluated)]
        if answer.error:
            raise answer.error
        if answer.top is None:
            raise Aborted
        self._logits = np.full(self.n_vocab, -np.inf, dtype=np.float32)
        self._logits[[entry["id"] for entry in answer.top]] = [entry["logprob"] for entry in answer.top]

    def logits(self) -> Logits:
        self._open()
        if self._logits is None:
            raise EngineError("there are no logits: nothing was evaluated since the sequence was last cut")
        return self._logits

    def rewind(self, n_tokens: int) -> None:
        self._open()
        if not 0 <= n_tokens <= len(self._ids):
            raise ValueError(f"cannot rewind a sequence of {len(self._ids)} tokens to {n_tokens}")
        if n_tokens < len(self._ids):
            self._logits = None
            del self._ids[n_tokens:]

    def close(self) -> None:
        self._server = None  # whose destructor stops it and waits

    def _open(self) -> Any:
        if self._server is None:
            raise EngineError("the model was closed")
        return self._server


class _Answer:
    """Takes the server's messages one by one; what it returns says whether to stop."""

    def __init__(self, aborted: Callable[[], bool]) -> None:
        self._aborted = aborted
        self.n_evaluated = 0
        self.top: list[dict[str, Any]] | None = None  # the most probable tokens: id, logprob
        self.error: BaseException | None = None

    def __call__(self, message: dict[str, Any]) -> bool:
        try:
            return self._take(message)
        except BaseException as error:  # which would be lost in the library
            self.error = error
            return True

    def _take(self, message: dict[str, Any]) -> bool:
        if "choices" not in message:
            raise EngineError(f"llama.cpp's server refused: {message.get('error', message)}")
        if progress := message.get("prompt_progress"):
            self.n_evaluated = progress["processed"]
        if found := message["choices"][0]["logprobs"]:
            self.top = found["content"][0]["top_logprobs"]
        return self.top is None and self._aborted()


def _start(path: Path, n_context: int, n_threads: int, n_batch: int) -> Any:
    check_installation()
    prepare_environment()
    try:
        import xllamacpp
    except ImportError as error:
        raise EngineUnavailable(why_it_does_not_load(error)) from error
    params = xllamacpp.CommonParams()
    for name, value in SETTINGS.items():
        setattr(params, name, value)
    params.api_keys = [secrets.token_hex(32)]
    params.model.path = str(path)
    params.n_ctx = n_context
    params.n_batch = params.n_ubatch = n_batch
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = n_threads
    params.load_mode = xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_MMAP
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        raise ModelFileError(f"{path} cannot be loaded; download it again or choose another") from error
    # Its loop begins on another thread. To close the server before that would wait for ever, so see it answer once.
    server.handle_completions({"prompt": [0], "n_predict": 0, "stream": False})
    return server
