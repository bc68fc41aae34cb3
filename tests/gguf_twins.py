"""The weights of `ggml_files` as GGUF, for llama.cpp: the same model in both formats."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

from lsp_server.formats.ggml import GgmlFile, read_ggml
from tests.ggml_files import gpt_neox, starcoder
from tests.vocabularies import gguf as vendored

STARCODER_NAMES = {
    "model/wte": "token_embd.weight", "model/wpe": "position_embd.weight", "model/lm_head": "output.weight",
    "model/ln_f/g": "output_norm.weight", "model/ln_f/b": "output_norm.bias",
    "ln_1/g": "attn_norm.weight", "ln_1/b": "attn_norm.bias", "ln_2/g": "ffn_norm.weight", "ln_2/b": "ffn_norm.bias",
    "attn/c_attn/w": "attn_qkv.weight", "attn/c_attn/b": "attn_qkv.bias",
    "attn/c_proj/w": "attn_output.weight", "attn/c_proj/b": "attn_output.bias",
    "mlp/c_fc/w": "ffn_up.weight", "mlp/c_fc/b": "ffn_up.bias",
    "mlp/c_proj/w": "ffn_down.weight", "mlp/c_proj/b": "ffn_down.bias",
}  # fmt: skip
GPT_NEOX_NAMES = {
    "gpt_neox.embed_in.weight": "token_embd.weight", "embed_out.weight": "output.weight",
    "gpt_neox.final_layer_norm.weight": "output_norm.weight", "gpt_neox.final_layer_norm.bias": "output_norm.bias",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "attention.query_key_value": "attn_qkv",
    "attention.dense": "attn_output", "mlp.dense_h_to_4h": "ffn_up", "mlp.dense_4h_to_h": "ffn_down",
}  # fmt: skip


def starcoder_twin(path: Path) -> None:
    legacy = _legacy(path, starcoder())
    writer = _writer(path, legacy)
    for tensor in legacy.tensors:
        layer, _, name = tensor.name.removeprefix("model/h").partition("/")
        known = STARCODER_NAMES.get(tensor.name)
        writer.add_tensor(known or f"blk.{layer}.{STARCODER_NAMES[name]}", _numbers(legacy, tensor))
    _finish(writer)


def gpt_neox_twin(path: Path) -> None:
    legacy = _legacy(path, gpt_neox())
    writer = _writer(path, legacy)
    n_heads = legacy.metadata["gptneox.attention.head_count"]
    width = legacy.metadata["gptneox.embedding_length"]
    writer.add_rope_dimension_count(width // n_heads // 4)
    writer.add_parallel_residual(True)
    for tensor in legacy.tensors:
        numbers = _numbers(legacy, tensor)
        if "query_key_value" in tensor.name:  # there by heads, here all queries, all keys, all values
            by_head = numbers.reshape(n_heads, 3, width // n_heads, -1)
            numbers = by_head.transpose(1, 0, 2, 3).reshape(numbers.shape)
        layer, _, name = tensor.name.removeprefix("gpt_neox.layers.").partition(".")
        part, _, kind = name.rpartition(".")
        known = GPT_NEOX_NAMES.get(tensor.name)
        writer.add_tensor(known or f"blk.{layer}.{GPT_NEOX_NAMES[part]}.{kind}", numbers)
    _finish(writer)


def llama(path: Path, seed: int = 1) -> None:
    """A LLaMA of 64 tokens of context with LLaMA's own vocabulary; it has no twin, both engines read GGUF."""
    vocabulary = vendored("llama-spm").metadata
    n_vocab, E, heads, hidden = len(vocabulary["tokenizer.ggml.tokens"]), 64, 2, 128
    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(E)
    writer.add_block_count(1)
    writer.add_feed_forward_length(hidden)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_rope_dimension_count(E // heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(list(vocabulary["tokenizer.ggml.tokens"]))
    writer.add_token_scores(list(vocabulary["tokenizer.ggml.scores"]))
    writer.add_token_types(list(vocabulary["tokenizer.ggml.token_type"]))
    shapes = {"token_embd": (n_vocab, E), "output": (n_vocab, E), "output_norm": (E,)}
    shapes |= {f"blk.0.{name}": (E, E) for name in ("attn_q", "attn_k", "attn_v", "attn_output")}
    shapes |= {"blk.0.ffn_gate": (hidden, E), "blk.0.ffn_up": (hidden, E), "blk.0.ffn_down": (E, hidden)}
    shapes |= {"blk.0.attn_norm": (E,), "blk.0.ffn_norm": (E,)}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", random.normal(0, 0.3, shape).astype(np.float32))
    _finish(writer)


def _legacy(path: Path, content: bytes) -> GgmlFile:
    beside = path.with_suffix(".bin")
    beside.write_bytes(content)
    return read_ggml(beside)


def _numbers(legacy: GgmlFile, tensor) -> np.ndarray:
    count = int(np.prod(tensor.shape))
    numbers = np.fromfile(legacy.path, dtype="<f4", count=count, offset=tensor.offset)
    return numbers.reshape(tensor.shape[::-1])


def _writer(path: Path, legacy: GgmlFile) -> gguf.GGUFWriter:
    arch = legacy.architecture
    writer = gguf.GGUFWriter(path, arch)
    writer.add_context_length(legacy.context_length)
    writer.add_embedding_length(legacy.metadata[f"{arch}.embedding_length"])
    writer.add_block_count(legacy.metadata[f"{arch}.block_count"])
    writer.add_feed_forward_length(4 * legacy.metadata[f"{arch}.embedding_length"])
    writer.add_head_count(legacy.metadata[f"{arch}.attention.head_count"])
    writer.add_head_count_kv(legacy.metadata[f"{arch}.attention.head_count"])
    writer.add_layer_norm_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("starcoder")
    writer.add_token_list(list(legacy.metadata["tokenizer.ggml.tokens"]))
    writer.add_token_types(list(legacy.metadata["tokenizer.ggml.token_type"]))
    writer.add_token_merges(list(legacy.metadata["tokenizer.ggml.merges"]))
    return writer


def _finish(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
