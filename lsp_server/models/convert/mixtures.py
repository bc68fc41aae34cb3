"""Which number of bits each tensor gets, for the names under which quantized models are known: `q4_k_m` and so on.

A name stands for a mixture: most matrices are of its own type, and the few that cost the most accuracy get more bits.
The rules are those of llama.cpp's own quantizer for models without experts, so a file has the size that its name lets
one expect. Where rows are no multiple of 256, K quants give way to the type for blocks of 32 that is next in size, and
that to f16.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from lsp_server.errors import UsageError
from lsp_server.formats.tensor_types import TENSOR_TYPES

CODES = {row.name: code for code, row in TENSOR_TYPES.items()}
PLAIN = ("F32", "F16", "BF16")
# Where a row is no multiple of the type's block.
SMALLER_BLOCKS = {"Q2_K": "Q4_0", "Q3_K": "Q4_0", "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where in its model a matrix stands."""

    layer: int
    n_layers: int
    n_heads_per_kv: int


Rule: TypeAlias = Callable[[Place], bool]


def everywhere(_: Place) -> bool:
    return True


def outer(at: Place) -> bool:
    """The first and the last eighth of the layers, and every third one between them."""
    eighth = at.n_layers // 8
    return at.layer < eighth or at.layer >= 7 * at.n_layers // 8 or (at.layer - eighth) % 3 == 2


def first_eighth(at: Place) -> bool:
    return at.layer < at.n_layers // 8


def first_sixteenth(at: Place) -> bool:
    return at.layer < at.n_layers // 16


def first(n: int) -> Rule:
    return lambda at: at.layer < n


def shared_keys(at: Place) -> bool:
    """Four heads or more look at the same keys and values, so those are small."""
    return at.n_heads_per_kv >= 4


@dataclass(frozen=True, slots=True)
class Mixture:
    """`more`: for kinds of matrix, the types that take the place of `type`, the first whose rule holds."""

    name: str
    type: str
    file_type: int  # general.file_type
    more: Mapping[str, tuple[tuple[str, Rule], ...]] = field(default_factory=dict)

    @property
    def is_plain(self) -> bool:
        return self.type in PLAIN


Q6_OUTER = {"attn_v": (("Q6_K", outer),), "ffn_down": (("Q6_K", outer),)}

MIXTURES = {
    row.name: row
    for row in (
        Mixture("f32", "F32", 0),
        Mixture("f16", "F16", 1),
        Mixture("bf16", "BF16", 32),
        Mixture("q8_0", "Q8_0", 7),
        Mixture("q6_k", "Q6_K", 18),
        Mixture("q5_k_m", "Q5_K", 17, Q6_OUTER | {"attn_qkv": (("Q6_K", everywhere),)}),
        Mixture("q5_k_s", "Q5_K", 16),
        Mixture("q5_1", "Q5_1", 9),
        Mixture("q5_0", "Q5_0", 8),
        Mixture("q4_k_m", "Q4_K", 15, Q6_OUTER | {"attn_qkv": (("Q5_K", everywhere),)}),
        Mixture("q4_k_s", "Q4_K", 14, {"attn_v": (("Q5_K", first(4)),), "ffn_down": (("Q5_K", first_eighth),)}),
        Mixture("q4_1", "Q4_1", 3),
        Mixture("q4_0", "Q4_0", 2),
        Mixture(
            "q3_k_m",
            "Q3_K",
            12,
            {
                "attn_v": (("Q5_K", first(2)), ("Q4_K", everywhere)),
                "attn_qkv": (("Q4_K", everywhere),),
                "attn_output": (("Q4_K", everywhere),),
                "ffn_down": (("Q5_K", first_sixteenth), ("Q4_K", everywhere)),
            },
        ),
        Mixture("q3_k_s", "Q3_K", 11),
        Mixture(
            "q2_k",
            "Q2_K",
            10,
            {
                "attn_v": (("Q4_K", shared_keys), ("Q3_K", everywhere)),
                "attn_output": (("Q3_K", everywhere),),
                "ffn_down": (("Q3_K", everywhere),),
            },
        ),
    )
}
DEFAULT = "q8_0"


def mixture_named(name: str) -> Mixture:
    """Raises UsageError for a name that does not exist."""
    if name.lower() not in MIXTURES:
        raise UsageError(f"--quant: there is no {name!r}; choose one of {', '.join(MIXTURES)}")
    return MIXTURES[name.lower()]


def tensor_types(
    shapes: Mapping[str, tuple[int, ...]], mixture: Mixture, n_layers: int, n_heads_per_kv: int
) -> dict[str, str]:
    """The ggml type of each tensor, by its name in the file. `shapes`: (n_rows, n_per_row), or (n,) for vectors."""
    return dict(_types(shapes, mixture, n_layers, n_heads_per_kv))


def _types(
    shapes: Mapping[str, tuple[int, ...]], mixture: Mixture, n_layers: int, n_heads_per_kv: int
) -> Iterator[tuple[str, str]]:
    output = "output" if "output.weight" in shapes else "token_embd"
    for name, shape in shapes.items():
        # Positions are few numbers and are added to everything that follows.
        if len(shape) == 1 or name == "position_embd.weight":
            yield name, "F32"
            continue
        _, layer, kind = re.fullmatch(r"(blk\.(\d+)\.)?(\w+)\.weight", name).groups()  # type: ignore[union-attr]
        place = Place(int(layer or 0), n_layers, n_heads_per_kv)
        yield name, _fitting(_output_type(mixture) if kind == output else _type(mixture, kind, place), shape[1])


def _type(mixture: Mixture, kind: str, place: Place) -> str:
    return next((type for type, holds in mixture.more.get(kind, ()) if holds(place)), mixture.type)


def _output_type(mixture: Mixture) -> str:
    """Of the matrix that the logits come from, which is the embedding in models that have one matrix for both."""
    return mixture.type if mixture.is_plain or mixture.type == "Q8_0" else "Q6_K"


def _fitting(type: str, n_per_row: int) -> str:
    for candidate in (type, SMALLER_BLOCKS.get(type, type)):
        if n_per_row % TENSOR_TYPES[CODES[candidate]].n_elements == 0:
            return candidate
    return "F16"
