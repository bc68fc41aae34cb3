"""The architecture of the default model, as llama.cpp computes it: Llama, small.

RMSNorm (Zhang and Sennrich 2019), rotary positions in interleaved pairs (Su et al. 2021), SwiGLU (Shazeer 2020),
queries in groups that share keys and values (Ainslie et al. 2023), and one matrix for both embeddings.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-5
ROPE_BASE = 10_000.0


@dataclass(frozen=True, slots=True)
class Shape:
    n_vocab: int
    d_model: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    d_ff: int
    d_head: int = 64
    n_context: int = 2048  # what the file admits; rows are shorter


SHAPES = {  # parameters with 8,192 tokens
    "4m": Shape(8192, d_model=192, n_layers=6, n_heads=3, n_kv_heads=1, d_ff=512),
    "8m": Shape(8192, d_model=256, n_layers=8, n_heads=4, n_kv_heads=2, d_ff=768),
    "27m": Shape(8192, d_model=512, n_layers=8, n_heads=8, n_kv_heads=2, d_ff=1408),
}


class Norm(nn.Module):
    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d_model))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, x.shape[-1:], self.weight.to(x.dtype), EPSILON)


class Block(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        d_model, d_queries, d_keys = shape.d_model, shape.n_heads * shape.d_head, shape.n_kv_heads * shape.d_head
        self.attn_norm, self.ffn_norm = Norm(d_model), Norm(d_model)
        self.attn_q = nn.Linear(d_model, d_queries, bias=False)
        self.attn_k = nn.Linear(d_model, d_keys, bias=False)
        self.attn_v = nn.Linear(d_model, d_keys, bias=False)
        self.attn_output = nn.Linear(d_queries, d_model, bias=False)
        self.ffn_gate = nn.Linear(d_model, shape.d_ff, bias=False)
        self.ffn_up = nn.Linear(d_model, shape.d_ff, bias=False)
        self.ffn_down = nn.Linear(shape.d_ff, d_model, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self._attention(self.attn_norm(x), cos, sin)
        h = self.ffn_norm(x)
        return x + self.ffn_down(F.silu(self.ffn_gate(h)) * self.ffn_up(h))

    def _attention(self, h: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        n_batch, n_tokens, _ = h.shape
        heads = (n_batch, n_tokens, -1, self.shape.d_head)
        q = rotated(self.attn_q(h).view(heads).transpose(1, 2), cos, sin)  # (batch, heads, tokens, d_head)
        k = rotated(self.attn_k(h).view(heads).transpose(1, 2), cos, sin)  # (batch, kv_heads, tokens, d_head)
        v = self.attn_v(h).view(heads).transpose(1, 2)
        n_shared = self.shape.n_heads // self.shape.n_kv_heads
        k, v = k.repeat_interleave(n_shared, 1), v.repeat_interleave(n_shared, 1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.attn_output(y.transpose(1, 2).reshape(n_batch, n_tokens, -1))


class Llama(nn.Module):
    """Ids in, logits out: (batch, tokens) → (batch, tokens, n_vocab)."""

    cos: Tensor
    sin: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.token_embd = nn.Embedding(shape.n_vocab, shape.d_model)
        self.blk = nn.ModuleList(Block(shape) for _ in range(shape.n_layers))
        self.output_norm = Norm(shape.d_model)
        angles = _angles(shape)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)
        self._initialise()

    def forward(self, ids: Tensor) -> Tensor:
        x = self.token_embd(ids)
        cos, sin = self.cos[: ids.shape[1]].to(x.dtype), self.sin[: ids.shape[1]].to(x.dtype)
        for block in self.blk:
            x = block(x, cos, sin)
        x = self.output_norm(x)
        return F.linear(x, self.token_embd.weight.to(x.dtype))

    def _initialise(self) -> None:
        """Each block begins as the identity, since what it adds is zero."""
        for name, weight in self.named_parameters():
            if name.endswith(("attn_output.weight", "ffn_down.weight")):
                nn.init.zeros_(weight)
            elif weight.dim() == 2:
                nn.init.normal_(weight, std=0.02 if name.startswith("token_embd") else 0.7 * weight.shape[1] ** -0.5)


def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Each pair (x[2i], x[2i+1]) turned by the angle of its position. x: (batch, heads, tokens, d_head)."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


def _angles(shape: Shape) -> Tensor:
    """(n_context, d_head / 2)"""
    frequencies = ROPE_BASE ** -(torch.arange(0, shape.d_head, 2).float() / shape.d_head)
    return torch.outer(torch.arange(shape.n_context).float(), frequencies)
