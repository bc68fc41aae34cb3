"""Tiny checkpoints in the layout of StarCoder's, written without any of the libraries that usually do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType
from gguf.quants import dequantize
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from lsp_server.errors import InfillError
from lsp_server.formats.gguf import read_gguf

WIDTH, N_LAYERS, N_VOCAB = 64, 2, 300
_random = np.random.default_rng(0)


def floats(*shape: int) -> Any:
    return _random.standard_normal(shape).astype(np.float32)


TYPES = {"float32": "F32", "float16": "F16", "float64": "F64", "int32": "I32", "bool": "BOOL", "uint16": "BF16"}


def write_safetensors(path: Path, tensors: dict[str, Any]) -> None:
    """The format, by hand; uint16 stands for bfloat16."""
    header, data = {}, b""
    for name, tensor in tensors.items():
        end = len(data) + tensor.nbytes
        header[name] = {"dtype": TYPES[tensor.dtype.name], "shape": tensor.shape, "data_offsets": (len(data), end)}
        data += np.ascontiguousarray(tensor).tobytes()
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def write_small_tokenizer(folder: Path) -> None:
    """Bytes, a few pairs, and StarCoder's sentinels."""
    sentinels = ["<|endoftext|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("i", "n"), ("r", "e"), ("Ġ", "Ġ"), ("re", "t")]
    texts = sentinels + alphabet + [left + right for left, right in merges]
    tokenizer = Tokenizer(models.BPE(vocab={text: id for id, text in enumerate(texts)}, merges=merges))
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in sentinels])
    tokenizer.save(str(folder / "tokenizer.json"))


CONFIG = {
    "architectures": ["GPTBigCodeForCausalLM"],
    "n_embd": WIDTH,
    "n_head": 4,
    "n_layer": N_LAYERS,
    "n_positions": 128,
    "n_inner": 128,
    "vocab_size": N_VOCAB,
    "multi_query": True,
    "eos_token_id": 0,
}


def bigcode_tensors(width: int = WIDTH, n_vocab: int = N_VOCAB) -> dict[str, Any]:
    tensors = {"wte.weight": floats(n_vocab, width), "wpe.weight": floats(128, width)}
    tensors |= {"ln_f.weight": floats(width), "ln_f.bias": floats(width)}
    shapes = {"attn.c_attn": width + 32, "attn.c_proj": width, "mlp.c_fc": 128, "mlp.c_proj": width}
    for i in range(N_LAYERS):
        for norm in ("ln_1", "ln_2"):
            tensors |= {f"h.{i}.{norm}.weight": floats(width), f"h.{i}.{norm}.bias": floats(width)}
        for name, n_out in shapes.items():
            n_in = 128 if name == "mlp.c_proj" else width
            tensors |= {f"h.{i}.{name}.weight": floats(n_out, n_in), f"h.{i}.{name}.bias": floats(n_out)}
    return {f"transformer.{name}": tensor for name, tensor in tensors.items()}


def checkpoint(folder: Path, tensors: dict[str, Any] | None = None, **settings: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG | settings))
    write_small_tokenizer(folder)
    write_safetensors(folder / "model.safetensors", bigcode_tensors() if tensors is None else tensors)
    return folder


def tensor_in(path: Path, name: str) -> Any:
    """What a GGUF file holds under this name, as numbers."""
    header = read_gguf(path)
    tensor = next(tensor for tensor in header.tensors if tensor.name == name)
    start = header.data_offset + tensor.offset
    data = np.frombuffer(path.read_bytes()[start : start + tensor.n_bytes], dtype=np.uint8)
    if tensor.type.name == "F32":
        return data.view(np.float32).reshape(tensor.shape[::-1])
    rows = data.reshape(tensor.shape[1], -1)
    return dequantize(rows, GGMLQuantizationType[tensor.type.name])


def complaint(convert_it: Callable[[], object]) -> str:
    with pytest.raises(InfillError) as caught:
        convert_it()
    return str(caught.value)
