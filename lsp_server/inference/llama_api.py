"""llama.cpp's C API, as far as this program calls it, out of the library inside a Python package.

Declared after `llama.h` of exactly the builds that are pinned. Structs of that header grow at any place between
releases, and a wrong layout would not fail, it would compute with other settings than were meant: so the version is
compared first, and then what the library writes into its own default structs with what this file expects to read there.
"""

from __future__ import annotations

import atexit
import ctypes
import logging
from ctypes import POINTER, Structure, c_bool, c_char_p, c_float, c_int, c_int32, c_size_t, c_uint32, c_uint64, c_void_p
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from lsp_server.errors import EngineUnavailable
from lsp_server.inference import wheel
from lsp_server.inference.wheel import LLAMA_CPP_PYTHON, XLLAMACPP, Wheel

logger = logging.getLogger(__name__)

ProgressCallback = ctypes.CFUNCTYPE(c_bool, c_float, c_void_p)
LogCallback = ctypes.CFUNCTYPE(None, c_int, c_char_p, c_void_p)

# Field, its type in C, and its default: what the check reads back.
Fields: TypeAlias = tuple[tuple[str, Any, object], ...]

MODEL_PARAMS: Fields = (
    ("devices", c_void_p, None),
    ("tensor_buft_overrides", c_void_p, None),
    ("n_gpu_layers", c_int32, -1),
    ("split_mode", c_int, 1),
    ("load_mode", c_int, -1),
    ("lazy_mode", c_int, 1),
    ("main_gpu", c_int32, 0),
    ("tensor_split", c_void_p, None),
    ("progress_callback", c_void_p, None),
    ("progress_callback_user_data", c_void_p, None),
    ("kv_overrides", c_void_p, None),
    ("vocab_only", c_bool, False),
    ("check_tensors", c_bool, False),
    ("use_extra_bufts", c_bool, True),
    ("no_host", c_bool, False),
    ("no_alloc", c_bool, False),
    ("load_mtp", c_bool, False),
)

F32, F16 = 0, 1  # ggml_type

CONTEXT_PARAMS: Fields = (
    ("n_ctx", c_uint32, 512),
    ("n_batch", c_uint32, 2048),
    ("n_ubatch", c_uint32, 512),
    ("n_seq_max", c_uint32, 1),
    ("n_rs_seq", c_uint32, 0),
    ("n_outputs_max", c_uint32, 0),
    ("n_outputs_max_per_seq", c_uint32, 1),
    ("n_threads", c_int32, 4),
    ("n_threads_batch", c_int32, 4),
    ("ctx_type", c_int, 0),
    ("rope_scaling_type", c_int, -1),
    ("pooling_type", c_int, -1),
    ("attention_type", c_int, -1),
    ("flash_attn_type", c_int, -1),
    ("rope_freq_base", c_float, 0.0),
    ("rope_freq_scale", c_float, 0.0),
    ("yarn_ext_factor", c_float, -1.0),
    ("yarn_attn_factor", c_float, -1.0),
    ("yarn_beta_fast", c_float, -1.0),
    ("yarn_beta_slow", c_float, -1.0),
    ("yarn_orig_ctx", c_uint32, 0),
    ("defrag_thold", c_float, -1.0),
    ("cb_eval", c_void_p, None),
    ("cb_eval_user_data", c_void_p, None),
    ("type_k", c_int, F16),
    ("type_v", c_int, F16),
    ("moe_cache_size", c_size_t, 0),
    ("abort_callback", c_void_p, None),
    ("abort_callback_data", c_void_p, None),
    ("embeddings", c_bool, False),
    ("offload_kqv", c_bool, True),
    ("no_perf", c_bool, True),
    ("op_offload", c_bool, True),
    ("swa_full", c_bool, True),
    ("kv_unified", c_bool, False),
    ("samplers", c_void_p, None),
    ("n_samplers", c_size_t, 0),
    ("ctx_other", c_void_p, None),
)


@dataclass(frozen=True, slots=True)
class Layout:
    """The structs of one build that move between releases."""

    model_params: Fields
    context_params: Fields


LAYOUTS = {
    XLLAMACPP: Layout(MODEL_PARAMS, CONTEXT_PARAMS),
    LLAMA_CPP_PYTHON: Layout(MODEL_PARAMS, tuple(field for field in CONTEXT_PARAMS if field[0] != "moe_cache_size")),
}


def functions_of(layout: Layout) -> dict[str, tuple[Any, ...]]:
    """`FUNCTIONS`, and those that the structs of this build go in and out of."""
    model_params, context_params = _structure(layout.model_params), _structure(layout.context_params)
    return {
        **FUNCTIONS,
        "llama_model_default_params": (model_params,),
        "llama_context_default_params": (context_params,),
        "llama_model_load_from_file": (Model, c_char_p, model_params),
        "llama_init_from_model": (Context, Model, context_params),
    }


def _structure(fields: Fields) -> type[Structure]:
    return type("Params", (Structure,), {"_fields_": [(name, ctype) for name, ctype, _ in fields]})


class Batch(Structure):
    """Tokens to evaluate. NULL has a meaning: positions follow on, sequence 0, logits of the last token only."""

    _fields_ = (
        ("n_tokens", c_int32),
        ("token", POINTER(c_int32)),
        ("embd", c_void_p),
        ("pos", c_void_p),
        ("n_seq_id", c_void_p),
        ("seq_id", c_void_p),
        ("logits", c_void_p),
    )


# What `llama_decode` returns; below zero it is an error.
DECODED, NO_ROOM, ABORTED = 0, 1, 2

Model, Vocab, Context, Memory = c_void_p, c_void_p, c_void_p, c_void_p

# Name → (what it returns, what it takes …).
FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "llama_version": (c_char_p,),
    "llama_log_set": (None, c_void_p, c_void_p),
    "llama_backend_init": (None,),
    "llama_supports_gpu_offload": (c_bool,),
    "llama_model_free": (None, Model),
    "llama_model_size": (c_uint64, Model),
    "llama_model_has_encoder": (c_bool, Model),
    "llama_model_is_recurrent": (c_bool, Model),
    "llama_model_is_hybrid": (c_bool, Model),
    "llama_model_is_diffusion": (c_bool, Model),
    "llama_model_get_vocab": (Vocab, Model),
    "llama_vocab_n_tokens": (c_int32, Vocab),
    "llama_free": (None, Context),
    "llama_n_ctx": (c_uint32, Context),
    "llama_n_batch": (c_uint32, Context),
    "llama_get_causal_attn": (c_bool, Context),
    "llama_get_memory": (Memory, Context),
    "llama_memory_seq_rm": (c_bool, Memory, c_int32, c_int32, c_int32),
    "llama_memory_seq_pos_max": (c_int32, Memory, c_int32),
    "llama_state_seq_get_size": (c_size_t, Context, c_int32),
    "llama_state_seq_get_data": (c_size_t, Context, c_void_p, c_size_t, c_int32),
    "llama_state_seq_set_data": (c_size_t, Context, c_char_p, c_size_t, c_int32),
    "llama_set_abort_callback": (None, Context, c_void_p, c_void_p),
    "llama_decode": (c_int32, Context, Batch),
    "llama_get_logits_ith": (POINTER(c_float), Context, c_int32),
}


def load_api(package: Wheel = XLLAMACPP) -> ctypes.CDLL:
    """The library, declared, checked and initialised; loaded once in a process. Raises EngineUnavailable."""
    return _load(package)


@cache
def _load(package: Wheel) -> ctypes.CDLL:
    library_path = _library_path(package)
    wheel.prepare_environment()
    try:
        api = ctypes.CDLL(str(library_path))
    except OSError as error:
        raise EngineUnavailable(wheel.why_it_does_not_load(error, package)) from error
    _declare(api, package)
    check_layout(api, package)
    _send_log_to_python(api)
    api.llama_backend_init()
    return api


def engine_version(package: Wheel = XLLAMACPP) -> str:
    """For people: what computes. Raises EngineUnavailable."""
    try:
        return f"llama.cpp {load_api(package).llama_version().decode()} from {package}"
    except EngineUnavailable:
        wheel.check_installation(package)
        return str(package)


def check_layout(api: ctypes.CDLL, package: Wheel) -> None:
    """Raise EngineUnavailable where the library's own defaults, read through our structs, are not the known ones."""
    layout = LAYOUTS[package]
    defaults = (
        (api.llama_model_default_params(), layout.model_params),
        (api.llama_context_default_params(), layout.context_params),
    )
    for params, fields in defaults:
        for name, _, expected in fields:
            if getattr(params, name) != expected:
                raise EngineUnavailable(
                    f"{package.name} lays out its settings differently ({name} reads {getattr(params, name)}, not"
                    f" {expected}); reinstall it with `{package.pip_install} --force-reinstall`"
                )


def flag_reader() -> c_void_p:
    """A C function from the address of a byte to whether it is raised.

    It is `strlen`: of a string of one byte, 0 or 1. llama.cpp calls it after every operation, and a function in Python
    would have to wait for the interpreter's lock each time.
    """
    return ctypes.cast(ctypes.CDLL(None).strlen, c_void_p)


def last_error() -> str:
    """What llama.cpp complained about last, for the sentence that says why a model does not load."""
    return _errors[-1] if _errors else "it does not say why"


def forget_errors() -> None:
    _errors.clear()


def _no_c_api(package: Wheel) -> EngineUnavailable:
    return EngineUnavailable(
        f"{package.name} does not offer llama.cpp's C API on this platform; set model.engine to llama-server"
    )


def _library_path(package: Wheel) -> Path:
    folder = wheel.check_installation(package)
    for pattern in package.libraries:
        for path in folder.glob(pattern):
            return path
    raise _no_c_api(package)


def _declare(api: ctypes.CDLL, package: Wheel) -> None:
    for name, (result, *arguments) in functions_of(LAYOUTS[package]).items():
        try:
            function = getattr(api, name)
        except AttributeError as error:
            raise _no_c_api(package) from error
        function.restype, function.argtypes = result, arguments


ERROR = 4  # ggml_log_level
_errors: list[str] = []


def _log(level: int, text: bytes, _: int) -> None:
    """llama.cpp's own messages (never the user's text: it is given nothing but ids), as debug messages of ours."""
    message = text.decode("utf-8", "replace").strip()
    if level == ERROR:
        _errors.append(message)
        del _errors[:-8]
    # Dots mark progress; and one message comes with every token.
    if len(message) > 1 and not message.startswith("set_abort_callback"):
        logger.debug("%s", message)


_log_callback = LogCallback(_log)  # C keeps only its address


def _send_log_to_python(api: ctypes.CDLL) -> None:
    api.llama_log_set(ctypes.cast(_log_callback, c_void_p), None)
    # The library may have last words after the interpreter is gone; they go to a function of its own that does nothing.
    silence = ctypes.cast(api.llama_supports_mmap, c_void_p)
    atexit.register(api.llama_log_set, silence, None)
