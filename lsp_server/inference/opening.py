"""Which engine runs a model, and with how many threads."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from lsp_server.errors import EngineUnavailable
from lsp_server.inference import llama_api
from lsp_server.inference.base import Inference
from lsp_server.inference.ctransformers import Ctransformers
from lsp_server.inference.llama_cpp import LlamaCpp, Native
from lsp_server.inference.llama_server import LlamaServer
from lsp_server.inference.wheel import LLAMA_CPP_PYTHON, XLLAMACPP

logger = logging.getLogger(__name__)

# The setting model.engine → how it is loaded.
ENGINES: dict[str, Callable[..., Inference]] = {
    engine.name: engine.load for engine in (LlamaCpp, Native, LlamaServer, Ctransformers)
}
# Which package llama.cpp comes from.
PACKAGES = {LlamaCpp.name: XLLAMACPP, LlamaServer.name: XLLAMACPP, Native.name: LLAMA_CPP_PYTHON}
# What is tried where nothing was chosen, the best first.
TRIED = (LlamaCpp.name, LlamaServer.name)
AUTO = "auto"


def open_model(
    path: Path | str,
    *,
    n_context: int,
    n_threads: int | None,
    engine: str = AUTO,
    on_progress: Callable[[float], None] | None = None,
) -> Inference:
    """Load a model whose header has been checked; blocks for as long as that takes.

    `n_context`: tokens that it must be able to hold. `n_threads`: None for `default_threads()`. `engine`: one of
    `ENGINES`, or "auto" for "native" where it finds a graphics card, else the first of `TRIED` that is available here.
    `on_progress` is told fractions from 0 to 1. Raises EngineUnavailable, ModelFileError or EngineError.
    """
    names = _tried() if engine == AUTO else (engine,)
    n_threads = n_threads or default_threads()
    for name in names[:-1]:
        try:
            return ENGINES[name](path, n_context=n_context, n_threads=n_threads, on_progress=on_progress)
        except EngineUnavailable as error:
            logger.warning("the engine %s is not available: %s", name, error)
    return ENGINES[names[-1]](path, n_context=n_context, n_threads=n_threads, on_progress=on_progress)


def _tried() -> tuple[str, ...]:
    return (Native.name, *TRIED) if Native.has_gpu() else TRIED


def engine_version(engine: str = LlamaCpp.name) -> str:
    """For people: what computes. Raises EngineUnavailable."""
    package = PACKAGES.get(engine)
    return llama_api.engine_version(package) if package else f"{engine} {version(engine)}"


def default_threads() -> int:
    """One less than the cores that this process may use, and at least one: the editor wants a core for itself."""
    return max(1, _n_cores() - 1)


def _n_cores() -> int:
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(allowed, _n_cores_in_container() or allowed)


def _n_cores_in_container(cpu_max: Path = Path("/sys/fs/cgroup/cpu.max")) -> int | None:
    """A container may be given the time of two cores while it sees all sixty-four."""
    try:
        quota, period = cpu_max.read_text().split()
        return max(1, round(int(quota) / int(period)))
    except (OSError, ValueError):  # no limit reads "max"
        return None
