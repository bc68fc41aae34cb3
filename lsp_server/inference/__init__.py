"""Ids in, logits out: running a model in this process."""

from lsp_server.inference.opening import default_threads, engine_version, open_model

__all__ = ["default_threads", "engine_version", "open_model"]
