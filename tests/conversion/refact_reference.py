"""Refact, written from the papers and as plainly as can be, to compare the converted model with.

ALiBi                    Press et al. 2022, arXiv 2108.12409
one key and value head   Shazeer 2019, arXiv 1911.02150
LayerNorm without bias   Ba et al. 2016, arXiv 1607.06450
SwiGLU                   Shazeer 2020, arXiv 2002.05202
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
EPSILON = 1e-5


class RefactReference:
    """Random weights, in the names that the checkpoint has."""

    def __init__(self, width: int, n_heads: int, n_layers: int, n_vocab: int) -> None:
        self._n_heads = n_heads
        self._d_head = width // n_heads
        self._n_layers = n_layers
        self.config = {
            "architectures": ["GPTRefactForCausalLM"],
            "model_type": "gpt_refact",
            "n_embd": width,
            "n_head": n_heads,
            "n_layer": n_layers,
            "n_positions": 4096,
            "vocab_size": n_vocab,
            "layer_norm_epsilon": EPSILON,
            "multi_query": True,
            "bos_token_id": -1,
            "eos_token_id": 0,
        }
        self._n_ff = (int(2 * 4 * width / 3) + 255) // 256 * 256
        self._random = np.random.default_rng(3)
        self._weights = self._made(width, n_vocab)

    def _made(self, width: int, n_vocab: int) -> dict[str, Any]:
        weights = {
            # A mean that is not 0, in everything that is added up, so that it matters how norms treat it.
            "transformer.wte.weight": self._matrix(n_vocab, width) + 0.1,
            "ln_f.weight": self._vector(width),
            "lm_head.weight": self._matrix(n_vocab, width),
        }
        for i in range(self._n_layers):
            h = f"transformer.h.{i}"
            weights |= {
                f"{h}.ln_1.weight": self._vector(width),
                f"{h}.ln_2.weight": self._vector(width),
                f"{h}.attn.q.weight": self._matrix(width, width),
                f"{h}.attn.kv.weight": self._matrix(2 * self._d_head, width),
                f"{h}.attn.c_proj.weight": self._matrix(width, width) + 0.02,
                f"{h}.mlp.gate_up_proj.weight": self._matrix(2 * self._n_ff, width),
                f"{h}.mlp.c_proj.weight": self._matrix(width, self._n_ff) - 0.02,
            }
        return weights

    def _matrix(self, n_out: int, n_in: int) -> Any:
        return (self._random.standard_normal((n_out, n_in)) * 1.5 / n_in**0.5).astype(np.float32)

    def _vector(self, n: int) -> Any:
        return (1 + 0.2 * self._random.standard_normal(n)).astype(np.float32)

    def tensors(self) -> dict[str, Any]:
        return self._weights

    def early_tensors(self) -> dict[str, Any]:
        """Keys and values, and the two halves of the gated layer, in tensors of their own."""
        split = {"attn.kv": ("attn.k", "attn.v"), "mlp.gate_up_proj": ("mlp.linear_1", "mlp.linear_3")}
        tensors = dict(self._weights)
        for i in range(self._n_layers):
            for joint, names in split.items():
                halves = np.split(tensors.pop(f"transformer.h.{i}.{joint}.weight"), 2)
                tensors |= {f"transformer.h.{i}.{name}.weight": half for name, half in zip(names, halves, strict=True)}
        return tensors

    def logits(self, ids: list[int]) -> Floats:
        x = self._of("transformer.wte")[ids]  # (n, width)
        for i in range(self._n_layers):
            h = f"transformer.h.{i}"
            x = x + self._attention(h, layer_norm(x, self._of(f"{h}.ln_1")))
            x = x + self._feed_forward(h, layer_norm(x, self._of(f"{h}.ln_2")))
        return layer_norm(x, self._of("ln_f")) @ self._of("lm_head").T  # (n, n_vocab)

    def _attention(self, h: str, x: Floats) -> Floats:
        n = len(x)
        q = (x @ self._of(f"{h}.attn.q").T).reshape(n, self._n_heads, self._d_head)
        k, v = np.split(x @ self._of(f"{h}.attn.kv").T, 2, axis=1)  # (n, d_head) each
        slopes = 2.0 ** (-8 * np.arange(1, self._n_heads + 1) / self._n_heads)
        distances = np.arange(n)[:, None] - np.arange(n)  # (n, n), from a token back to another
        scores = np.einsum("nhd,md->hnm", q, k) / self._d_head**0.5 - slopes[:, None, None] * distances
        scores = np.where(distances < 0, -np.inf, scores)
        weights = np.exp(scores - scores.max(axis=2, keepdims=True))
        weights /= weights.sum(axis=2, keepdims=True)
        heads = np.einsum("hnm,md->nhd", weights, v)
        return heads.reshape(n, -1) @ self._of(f"{h}.attn.c_proj").T

    def _feed_forward(self, h: str, x: Floats) -> Floats:
        gate, up = np.split(x @ self._of(f"{h}.mlp.gate_up_proj").T, 2, axis=1)
        return (gate / (1 + np.exp(-gate)) * up) @ self._of(f"{h}.mlp.c_proj").T

    def _of(self, name: str) -> Floats:
        return self._weights[f"{name}.weight"].astype(np.float64)


def layer_norm(x: Floats, weight: Floats) -> Floats:
    centered = x - x.mean(axis=1, keepdims=True)
    return centered / np.sqrt((centered**2).mean(axis=1, keepdims=True) + EPSILON) * weight
