"""llama.cpp in this process: evaluate, rewind, abort, logits. From either of two packages."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from ctypes import c_char, c_int32, c_void_p
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lsp_server.errors import EngineError, EngineUnavailable, ModelFileError
from lsp_server.inference import llama_api
from lsp_server.inference.abort_watch import AbortWatch
from lsp_server.inference.base import Aborted, Logits
from lsp_server.inference.ids import check_ids
from lsp_server.inference.llama_api import load_api
from lsp_server.inference.wheel import LLAMA_CPP_PYTHON, XLLAMACPP, Wheel

# An abort throws away at most this many tokens. More at a time gains little on a CPU: 448 tokens took 67, 65, 64 and
# 64 ms in batches of 16, 32, 64 and 128.
DEFAULT_N_BATCH = 32
# A graphics card is only fast with many at a time; an abort waits for it.
GPU_N_BATCH = 512

SEQUENCE = 0
END = -1
CONTEXT_STEP = 256  # llama.cpp rounds contexts up to a multiple of it
MAX_CONTEXT = 1 << 30  # it counts in 32 bits
MMAP = 1  # llama_load_mode
DISABLED = 0  # llama_flash_attn_type
KV_TYPES = {"f16": llama_api.F16, "f32": llama_api.F32}

# What this class cannot drive: models that cannot forget their last tokens, or do not write from left to right.
UNFIT = {
    "llama_model_has_encoder": "has an encoder",
    "llama_model_is_recurrent": "is recurrent",
    "llama_model_is_hybrid": "is partly recurrent",
    "llama_model_is_diffusion": "is a diffusion model",
}


class LlamaCpp:
    """An `Inference` on the processor, with its weights mapped from the file and so shared between processes.

    The logits after a sequence are the same to the bit whether it was evaluated whole, or cut into calls of two tokens
    or more, rewound and evaluated again. A token evaluated alone takes another way through llama.cpp, with another
    rounding: logits differed by up to 0.15.
    """

    name = "llama.cpp"
    package: ClassVar[Wheel] = XLLAMACPP
    uses_gpu: ClassVar[bool] = False

    def __init__(self, model: c_void_p, context: c_void_p, cleanup: ExitStack) -> None:
        self._api = load_api(self.package)
        self._context: c_void_p | None = context
        self._memory = self._api.llama_get_memory(context)
        self._flag_reader = llama_api.flag_reader()
        self._watch = AbortWatch()
        cleanup.callback(self._watch.close)
        self._cleanup = cleanup
        # More tokens than the second in one call would end the process.
        self.n_context: int = min(self._api.llama_n_ctx(context), self._api.llama_n_batch(context))
        self.n_vocab: int = self._api.llama_vocab_n_tokens(self._api.llama_model_get_vocab(model))
        self.n_bytes: int = self._api.llama_model_size(model)
        self._n_evaluated = 0
        self._has_logits = False
        self._logits = np.empty(self.n_vocab, dtype=np.float32)  # (n_vocab,)

    @classmethod
    def load(
        cls,
        path: Path | str,
        *,
        n_context: int,
        n_threads: int,
        n_batch: int | None = None,
        kv_type: str = "f16",
        on_progress: Callable[[float], None] | None = None,
    ) -> LlamaCpp:
        """Load a GGUF model.

        `n_context`: tokens at least; rounded up. `n_batch`: tokens computed together, None for what suits. `kv_type`:
        how keys and values are kept, "f16" or "f32". `on_progress` is told fractions from 0 to 1; what it raises ends
        the loading. Raises ModelFileError for a file that llama.cpp refuses, EngineUnavailable, and EngineError where
        there is no memory for the context.
        """
        api = load_api(cls.package)
        gpu = cls.uses_gpu and api.llama_supports_gpu_offload()
        if n_batch is None:
            n_batch = GPU_N_BATCH if gpu else DEFAULT_N_BATCH
        if min(n_context, n_threads, n_batch) < 1:
            raise ValueError("n_context, n_threads and n_batch must be positive")
        with ExitStack() as cleanup:
            model = _load_model(api, path, on_progress, gpu)
            cleanup.callback(api.llama_model_free, model)
            _refuse_unfit(api, model, path)
            params = _context_params(api, n_context, n_threads, n_batch, KV_TYPES[kv_type], gpu)
            context = _new_context(api, model, params, n_context)
            cleanup.callback(api.llama_free, context)
            if not api.llama_get_causal_attn(context):
                raise ModelFileError(f"{path} does not write text; choose a model that is a decoder-only transformer")
            return cls(model, context, cleanup.pop_all())

    @property
    def n_evaluated(self) -> int:
        return self._n_evaluated

    def evaluate(self, ids: Sequence[int], aborted: Callable[[], bool]) -> None:
        context = self._open()
        check_ids(ids, self.n_vocab, self.n_context - self._n_evaluated)
        tokens = (c_int32 * len(ids))(*ids)
        self._has_logits = False
        with self._watch.watching(aborted) as abort:
            self._api.llama_set_abort_callback(context, self._flag_reader, abort.byte)
            code = self._api.llama_decode(context, llama_api.Batch(len(ids), tokens))
        # After an abort the library itself forgets the batch that was begun, and keeps those that were done.
        self._n_evaluated = self._api.llama_memory_seq_pos_max(self._memory, SEQUENCE) + 1
        if abort.error:
            raise abort.error
        if code == llama_api.ABORTED:
            raise Aborted
        if code != llama_api.DECODED:
            raise EngineError(f"llama.cpp could not evaluate {len(ids)} tokens (code {code}); restart the server")
        self._has_logits = True

    def logits(self) -> Logits:
        context = self._open()
        if not self._has_logits:
            raise EngineError("there are no logits: nothing was evaluated since the sequence was last cut")
        pointer = self._api.llama_get_logits_ith(context, END)
        # A copy (3 µs for 8,192 tokens), so that no array can outlive the memory behind it.
        np.copyto(self._logits, np.ctypeslib.as_array(pointer, (self.n_vocab,)))
        return self._logits

    def rewind(self, n_tokens: int) -> None:
        self._open()
        if not 0 <= n_tokens <= self._n_evaluated:
            raise ValueError(f"cannot rewind a sequence of {self._n_evaluated} tokens to {n_tokens}")
        if n_tokens == self._n_evaluated:
            return
        self._has_logits = False
        if not self._api.llama_memory_seq_rm(self._memory, SEQUENCE, n_tokens, END):
            raise EngineError("this model cannot forget its last tokens; choose another")
        self._n_evaluated = n_tokens

    def save(self) -> bytes:
        """The keys and values of the sequence: as many bytes a token as the model's attention has (`n_evaluated`)."""
        context = self._open()
        state = bytearray(self._api.llama_state_seq_get_size(context, SEQUENCE))
        into = (c_char * len(state)).from_buffer(state)
        n_bytes = self._api.llama_state_seq_get_data(context, into, len(state), SEQUENCE)
        return bytes(memoryview(state)[:n_bytes])

    def restore(self, state: bytes) -> None:
        context = self._open()
        self._has_logits = False
        self._api.llama_memory_seq_rm(self._memory, SEQUENCE, 0, END)
        n_bytes = self._api.llama_state_seq_set_data(context, state, len(state), SEQUENCE)
        self._n_evaluated = self._api.llama_memory_seq_pos_max(self._memory, SEQUENCE) + 1
        if n_bytes != len(state):
            raise EngineError("a saved sequence could not be restored; restart the server")

    def close(self) -> None:
        self._context = None
        self._cleanup.close()

    def _open(self) -> c_void_p:
        if self._context is None:
            raise EngineError("the model was closed")
        return self._context


class Native(LlamaCpp):
    """The same out of `llama-cpp-python`, which pip compiles for the processor that it will run on.

    Where it was compiled for a graphics card, and there is one, the whole model goes there.
    """

    name = "native"
    package = LLAMA_CPP_PYTHON
    uses_gpu = True

    @classmethod
    def has_gpu(cls) -> bool:
        """Is it installed, compiled for a graphics card, and is there one?"""
        try:
            return bool(load_api(cls.package).llama_supports_gpu_offload())
        except EngineUnavailable:
            return False


def _load_model(api: ctypes.CDLL, path: Path | str, on_progress: Callable[[float], None] | None, gpu: bool) -> c_void_p:
    params = api.llama_model_default_params()
    no_devices = (c_void_p * 1)(None)
    if not gpu:
        params.devices = ctypes.cast(no_devices, c_void_p)
        params.n_gpu_layers = 0
    params.load_mode = MMAP
    # Weights rearranged for this processor would be a quarter faster for some quantizations (Q4_0, Q4_K), and a copy in
    # the memory of each process.
    params.use_extra_bufts = False
    progress = _Progress(on_progress)
    callback = llama_api.ProgressCallback(progress)
    params.progress_callback = ctypes.cast(callback, c_void_p)
    llama_api.forget_errors()
    model = api.llama_model_load_from_file(os.fsencode(path), params)
    if progress.error:
        api.llama_model_free(model)
        raise progress.error
    if not model:
        raise ModelFileError(f"{path} cannot be loaded ({llama_api.last_error()}); download it again or choose another")
    return c_void_p(model)


class _Progress:
    """Called from C, which knows no exceptions: what is raised is kept, and loading ends."""

    def __init__(self, tell: Callable[[float], None] | None) -> None:
        self._tell = tell
        self.error: BaseException | None = None

    def __call__(self, fraction: float, _: int) -> bool:
        try:
            if self._tell:
                self._tell(fraction)
        except BaseException as error:
            self.error = error
        return self.error is None


def _refuse_unfit(api: ctypes.CDLL, model: c_void_p, path: Path | str) -> None:
    for question, complaint in UNFIT.items():
        if getattr(api, question)(model):
            raise ModelFileError(f"{path} {complaint}; choose a model that is a decoder-only transformer")


def _context_params(api: ctypes.CDLL, n_context: int, n_threads: int, n_batch: int, kv_type: int, gpu: bool) -> Any:
    params = api.llama_context_default_params()
    params.n_ctx = -(-n_context // CONTEXT_STEP) * CONTEXT_STEP
    params.n_batch = params.n_ctx  # what one call takes; it is cut into the smaller batches there
    params.n_ubatch = n_batch
    params.n_outputs_max = 1
    params.type_k = params.type_v = kv_type
    params.n_threads = params.n_threads_batch = n_threads
    # In batches as small as ours it is slower on a CPU: 448 tokens took 79 ms with it and 65 without, 1,500 tokens 570
    # and 360, a single token 0.46 and 0.38.
    if not gpu:
        params.flash_attn_type = DISABLED
        params.offload_kqv = params.op_offload = False
    return params


def _new_context(api: ctypes.CDLL, model: c_void_p, params: Any, n_context: int) -> c_void_p:
    context = api.llama_init_from_model(model, params) if n_context <= MAX_CONTEXT else None
    if not context:
        raise EngineError(f"no memory for a context of {n_context} tokens; lower model.windowTokens")
    return c_void_p(context)
