"""What is done to tensors of a checkpoint before they are one tensor of a GGUF file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from lsp_server.models.convert.settings import Config, one_of
from lsp_server.models.convert.tensors import CenteredColumns, CenteredRows, Joined, Reordered, Tensor, Transposed

# All of the tensors have the same kind, weights or biases.
Step: TypeAlias = Callable[[list[Tensor], Config], Tensor]


def joined(parts: list[Tensor], _: Config) -> Tensor:
    return parts[0] if len(parts) == 1 else Joined(parts)


def transposed(parts: list[Tensor], config: Config) -> Tensor:
    """For GPT-2's Conv1D, whose matrices are stored with the input first; vectors stay what they are."""
    return joined([Transposed(part) if len(part.shape) == 2 else part for part in parts], config)


def by_head(parts: list[Tensor], config: Config) -> Tensor:
    """(head, query | key | value, …) → (query | key | value, head, …)."""
    n_heads = one_of(config, "num_attention_heads", "n_head")
    rows = np.arange(parts[0].shape[0]).reshape(n_heads, 3, -1)
    return Reordered(parts[0], rows.swapaxes(0, 1).reshape(-1))


def either(parts: list[Tensor], _: Config) -> Tensor:
    """The first of several tensors that the checkpoint has."""
    return parts[0]


def bigcode_qkv(parts: list[Tensor], config: Config) -> Tensor:
    """With one key and value for all heads they stand below the queries; with one for each, beside each."""
    return parts[0] if config.get("multi_query", True) else by_head(parts, config)


def first_half(parts: list[Tensor], _: Config) -> Tensor:
    return Reordered(parts[0], np.arange(parts[0].shape[0] // 2))


def second_half(parts: list[Tensor], _: Config) -> Tensor:
    n_rows = parts[0].shape[0]
    return Reordered(parts[0], np.arange(n_rows // 2, n_rows))


def centered_rows(parts: list[Tensor], _: Config) -> Tensor:
    return CenteredRows(parts[0])


def centered_columns(parts: list[Tensor], _: Config) -> Tensor:
    return CenteredColumns(parts[0])


def rotary_pairs(*count: str) -> Step:
    """Halves of each head, which are rotated against each other, as the neighbours that llama.cpp rotates instead.

    `count`: the settings that say how many heads there are, the first that is there.
    """

    def step(parts: list[Tensor], config: Config) -> Tensor:
        rows = np.arange(parts[0].shape[0]).reshape(one_of(config, *count), 2, -1)
        return Reordered(parts[0], rows.swapaxes(1, 2).reshape(-1))

    return step
