"""Legacy GGML model files with random weights, small but otherwise as the converters of 2023 wrote them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from struct import pack

import gguf
import numpy as np

from lsp_server.formats.ggml import MATRIX_TYPES

BYTES = [bytes([byte]) for byte in range(256)]
SENTINELS = [b"<|endoftext|>", b"<fim_prefix>", b"<fim_middle>", b"<fim_suffix>", b"<fim_pad>"]
WORDS = [b"  ", b"re", b"de", b"def", b"tu", b"retu", b"rn", b"return", b"    ", b"\xc3\xbc"]
# As StarCoder's: control tokens, all bytes, then what byte-pair encoding made of them.
STARCODER_TOKENS = [*SENTINELS, *BYTES, *WORDS]
SIZES = {"C": 64, "E": 32, "heads": 2, "layers": 2}
F32, F16, Q4_0, Q8_0 = 0, 1, 2002, 2007  # ftype; the thousands are the version of the blocks


def starcoder(tokens: Sequence[bytes] = STARCODER_TOKENS, ftype: int = F32, seed: int = 1, **sizes: int) -> bytes:
    """StarCoder, StarCoderBase and SantaCoder, key and value heads repeated as their converter did."""
    E, heads, n, C = ({**SIZES, **sizes}[name] for name in ("E", "heads", "layers", "C"))
    draw = _Weights(seed)
    tensors = {"model/wte": draw(len(tokens), E), "model/wpe": draw(C, E)}
    for layer in range(n):
        tensors |= {
            f"model/h{layer}/{name}": of
            for name, of in {
                "ln_1/g": draw.norm(E), "ln_1/b": draw(E), "ln_2/g": draw.norm(E), "ln_2/b": draw(E),
                "attn/c_attn/w": _repeated(draw(E + 2 * E // heads, E), E, heads), "attn/c_attn/b": draw(3 * E),
                "attn/c_proj/w": draw(E, E), "attn/c_proj/b": draw(E),
                "mlp/c_fc/w": draw(4 * E, E), "mlp/c_fc/b": draw(4 * E),
                "mlp/c_proj/w": draw(E, 4 * E), "mlp/c_proj/b": draw(E),
            }.items()
        }  # fmt: skip
    tensors |= {"model/ln_f/g": draw.norm(E), "model/ln_f/b": draw(E), "model/lm_head": tensors["model/wte"]}
    header = pack("<8i", len(tokens), C, E, heads, n, ftype, len(tokens), len(tokens[0]))
    return b"lmgg" + header[:-4] + _vocabulary(tokens) + _tensors(tensors, ftype)


def gpt_neox(tokens: Sequence[bytes] = STARCODER_TOKENS, ftype: int = F32, seed: int = 1, **sizes: int) -> bytes:
    """GPT-NeoX with rotary positions on a quarter of each head and a parallel residual, as FIM-NeoX has them."""
    E, heads, n, C = ({**SIZES, **sizes}[name] for name in ("E", "heads", "layers", "C"))
    draw = _Weights(seed)
    tensors = {"gpt_neox.embed_in.weight": draw(len(tokens), E)}
    for layer in range(n):
        tensors |= {
            f"gpt_neox.layers.{layer}.{name}": of
            for name, of in {
                "input_layernorm.weight": draw.norm(E), "input_layernorm.bias": draw(E),
                "post_attention_layernorm.weight": draw.norm(E), "post_attention_layernorm.bias": draw(E),
                "attention.query_key_value.weight": draw(3 * E, E), "attention.query_key_value.bias": draw(3 * E),
                "attention.dense.weight": draw(E, E), "attention.dense.bias": draw(E),
                "mlp.dense_h_to_4h.weight": draw(4 * E, E), "mlp.dense_h_to_4h.bias": draw(4 * E),
                "mlp.dense_4h_to_h.weight": draw(E, 4 * E), "mlp.dense_4h_to_h.bias": draw(E),
            }.items()
        }  # fmt: skip
    tensors |= {
        "gpt_neox.final_layer_norm.weight": draw.norm(E),
        "gpt_neox.final_layer_norm.bias": draw(E),
        "embed_out.weight": draw(len(tokens), E),
    }
    header = pack("<8i", len(tokens), C, E, heads, n, E // heads // 4, 1, ftype)
    return b"lmgg" + header + _vocabulary(tokens) + _tensors(tensors, ftype)


class _Weights:
    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def __call__(self, *shape: int) -> np.ndarray:
        return self._random.normal(0, 0.3, shape).astype(np.float32)

    def norm(self, n: int) -> np.ndarray:
        return 1 + self(n)


def _repeated(fused: np.ndarray, width: int, n_heads: int) -> np.ndarray:
    """One head of keys and one of values, repeated for every head of queries."""
    q, k, v = np.split(fused, (width, width + width // n_heads))
    return np.concatenate([q, np.tile(k, (n_heads, 1)), np.tile(v, (n_heads, 1))])


def _vocabulary(tokens: Sequence[bytes]) -> bytes:
    return b"".join(pack("<i", len(token)) + token for token in tokens)


def _tensors(tensors: Mapping[str, np.ndarray], ftype: int) -> bytes:
    return b"".join(_tensor(name, of, MATRIX_TYPES[ftype % 1000]) for name, of in tensors.items())


def _tensor(name: str, numbers: np.ndarray, matrix_type: int) -> bytes:
    type = matrix_type if numbers.ndim == 2 and name != "model/wpe" else 0
    stored = gguf.quants.quantize(numbers, gguf.GGMLQuantizationType(type)).tobytes()
    shape = numbers.shape[::-1]
    sizes = pack(f"<{3 + len(shape)}i", len(shape), len(name), type, *shape)
    return sizes + name.encode() + stored
