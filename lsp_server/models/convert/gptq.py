"""GPTQ checkpoints, whose weights were quantized to a few bits (Frantar et al. 2022, arXiv 2210.17323), as numbers.

A linear layer has, instead of its weight (n_out, n_in), as AutoGPTQ writes it:

    qweight (n_in / k, n_out)        k numbers in each int32, the first in the lowest bits
    qzeros  (n_groups, n_out / k)    the zero point of each group and output, packed likewise, less 1
    scales  (n_groups, n_out)
    g_idx   (n_in)                   the group of each input; not in order where the columns were sorted by importance
                                     ("act-order"); left out by some, then groups are of equal size and in order

    weight[o, i] = scales[g_idx[i], o] * (qweight[i, o] - (qzeros[g_idx[i], o] + 1))

The 1 is a convention of the format: symmetric quantization has its zero point at 2^(bits-1), which is stored as one
less. Files that say `"checkpoint_format": "gptq_v2"` store it as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lsp_server.errors import ModelFileError
from lsp_server.models.convert.tensors import Array, Floats, StoredTensor, Tensor

PARTS = ("qweight", "qzeros", "scales", "g_idx")
WORD_BITS = 32


class GptqTensor:
    """A weight, dequantized when it is read; the packed numbers are held in memory from the first read to the last."""

    def __init__(self, parts: Mapping[str, StoredTensor], bits: int, zero_offset: int) -> None:
        self._parts = parts
        self._bits = bits
        self._zero_offset = zero_offset
        n_words, n_out = parts["qweight"].shape
        self.shape = (n_out, n_words * WORD_BITS // bits)  # (n_out, n_in)

    @cached_property
    def _qweight(self) -> NDArray[np.int32]:
        return self._parts["qweight"].raw()  # (n_in / k, n_out)

    @cached_property
    def _scales(self) -> Floats:
        scales = self._parts["scales"]
        return scales.read(0, scales.shape[0])  # (n_groups, n_out)

    @cached_property
    def _zeros(self) -> Floats:
        zeros = unpack(self._parts["qzeros"].raw(), self._bits)  # (n_groups, n_out)
        as_numbers: Floats = zeros.astype(np.float32) + np.float32(self._zero_offset)
        return as_numbers

    @cached_property
    def _groups(self) -> Array:
        if "g_idx" in self._parts:
            return self._parts["g_idx"].raw()  # (n_in,)
        n_in, n_groups = self.shape[1], self._scales.shape[0]
        groups: Array = np.arange(n_in) // -(-n_in // n_groups)
        return groups

    def read(self, start: int, stop: int) -> Floats:
        numbers = unpack(self._qweight[:, start:stop].T, self._bits).astype(np.float32)  # (stop - start, n_in)
        scales = self._scales[:, start:stop].T[:, self._groups]
        zeros = self._zeros[:, start:stop].T[:, self._groups]
        if stop == self.shape[0]:
            self._forget()
        weight: Floats = scales * (numbers - zeros)
        return weight

    def _forget(self) -> None:
        for name in ("_qweight", "_scales", "_zeros"):
            self.__dict__.pop(name, None)


def unpack(words: Array, bits: int) -> NDArray[np.uint32]:
    """(n, m) words of 32 bits → (n, m * 32 / bits) numbers, the lowest bits first."""
    shifts = np.arange(0, WORD_BITS, bits, dtype=np.uint32)
    unsigned = np.ascontiguousarray(words).view(np.uint32)
    numbers: NDArray[np.uint32] = (unsigned[:, :, None] >> shifts) & np.uint32((1 << bits) - 1)
    return numbers.reshape(len(words), -1)


def dequantized(stored: Mapping[str, StoredTensor], settings: Mapping[str, Any]) -> dict[str, Tensor]:
    """All tensors, with a weight in place of each quantized one. `settings`: what the checkpoint says of its GPTQ."""
    layers = [name.removesuffix(".qweight") for name in stored if name.endswith(".qweight")]
    if not layers:
        return dict(stored)
    bits = _checked_bits(settings)
    zero_offset = 0 if settings.get("checkpoint_format") == "gptq_v2" else 1
    taken = {f"{layer}.{part}" for layer in layers for part in PARTS}
    tensors: dict[str, Tensor] = {name: tensor for name, tensor in stored.items() if name not in taken}
    for layer in layers:
        parts = {part: stored[name] for part in PARTS if (name := f"{layer}.{part}") in stored}
        _check_shapes(layer, parts, bits)
        tensors[f"{layer}.weight"] = GptqTensor(parts, bits, zero_offset)
    return tensors


def _checked_bits(settings: Mapping[str, Any]) -> int:
    method, bits = settings.get("quant_method", "gptq"), settings.get("bits", 4)
    if method != "gptq" or bits not in (2, 4, 8):
        raise ModelFileError(
            f"this checkpoint was quantized with {method} to {bits} bits, and GPTQ with 2, 4 or 8 bits can be read;"
            " choose another one"
        )
    return int(bits)


def _check_shapes(layer: str, parts: Mapping[str, StoredTensor], bits: int) -> None:
    """Raise ModelFileError where the parts do not belong together."""
    damaged = ModelFileError(f"the quantized layer {layer} is damaged; download the checkpoint again")
    if not {"qweight", "qzeros", "scales"} <= parts.keys():
        raise damaged
    (n_words, n_out), (n_groups, n_scales) = parts["qweight"].shape, parts["scales"].shape
    n_in, zeros = n_words * WORD_BITS // bits, parts["qzeros"].shape
    if n_scales != n_out or zeros != (n_groups, n_out * bits // WORD_BITS):
        raise damaged
    if "g_idx" in parts:
        groups = parts["g_idx"].raw()
        if groups.shape != (n_in,) or groups.min() < 0 or groups.max() >= n_groups:
            raise damaged
