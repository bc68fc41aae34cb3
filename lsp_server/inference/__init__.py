"""Ids in, logits out: running a model in this process."""

from lsp_server.inference.llama_api import engine_version
from lsp_server.inference.opening import default_threads, open_model

__all__ = ["default_threads", "engine_version", "open_model"]
